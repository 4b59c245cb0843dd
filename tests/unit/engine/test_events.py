"""Scheduled events in a decision: what they lower, by how much, and what they leave alone."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.usecases.call import Door
from app.usecases.decide import Gathered, decide, render
from app.usecases.evaluate_portfolio import splice
from models.api.evaluation import EvaluationRequest, EvaluationResponse
from services.core.annualization import Calendar
from services.sizing.columns import SizingColumns
from services.sizing.methods.volatility_target import VolatilityTarget, event_share
from services.volatility.bars import BarClock
from tests.support import requests

RECEIVED = datetime(2026, 11, 20, 0, 0, 6, tzinfo=UTC)
TOMORROW, AT_CLOSE, NEXT_CLOSE = "2026-11-20T14:00:00Z", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"
NO_BUFFER = {"buffer": {"method": "none"}}


def event(**changes: Any) -> dict[str, Any]:
    return {"at": TOMORROW, "move": 0.05, **changes}


def answered(
    events: list[dict[str, Any]] | None, sizing: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    body = requests.smallest(**changes)
    method = sizing or {"method": "volatility_target", "target_volatility": 0.2}
    body["policy"] = {"sizing": method, **NO_BUFFER, **body["policy"].get("extra", {})}
    if events is not None:
        body["events"] = events
    request = EvaluationRequest.model_validate(body)
    made = decide(Door.EVALUATIONS, request, b"{}", Gathered(), evaluation_id="ev_" + "0" * 32, received_at=RECEIVED)
    raw = render(made, RECEIVED)
    EvaluationResponse.model_validate_json(splice(raw, 0))
    found: dict[str, Any] = orjson.loads(raw)
    return found


def size(found: dict[str, Any], row: int = 0) -> float:
    return float(found["targets"][row]["target_quantity"])


def book(count: int = 3, **changes: Any) -> dict[str, Any]:
    """Rows A, B … of 1 to `count` units, every second one short; no signals."""
    names = [chr(ord("A") + place) for place in range(count)]
    series = [requests.series(name, place + 1) for place, name in enumerate(names)]
    positions = [
        {"symbol": name, "quantity": f"{(-1) ** place * 0.1 * (place + 1):.1f}"} for place, name in enumerate(names)
    ]
    return {"positions": positions, "series": series, "signals": None, **changes}


def test_the_size_shrinks_by_the_ratio_of_volatilities_and_the_step_says_so() -> None:
    plain, found = answered(None), answered([event()])
    before, block = plain["targets"][0]["volatility"], found["targets"][0]["volatility"]
    expected = math.sqrt(before["annual"] ** 2 + 0.05**2 * 365.0)
    assert block["event_volatility"] == pytest.approx(expected, rel=1e-7)
    assert block["annual"] == before["annual"] and "event_volatility" not in before
    factor = before["annual"] / expected
    assert size(found) == pytest.approx(size(plain) * factor, rel=1e-4)
    (step,) = [step for step in found["targets"][0]["steps"] if step["stage"] == "events"]
    assert step["factor"] == pytest.approx(factor, rel=1e-7) and step["parameter"] == "events"
    assert "events" not in [step["stage"] for step in plain["targets"][0]["steps"]]
    assert found["targets"][0]["scalar"] == pytest.approx(plain["targets"][0]["scalar"] * factor, rel=1e-6)


def test_annual_volatility_counts_for_as_long_as_it_lasts_within_the_bar() -> None:
    """From 14:00 on for half a day: ten hours of it are in the bar that ends at midnight."""
    found = answered([event(move=None, volatility=0.8, seconds=86_400 / 2)])
    block = found["targets"][0]["volatility"]
    assert block["event_volatility"] == pytest.approx(math.sqrt(block["annual"] ** 2 + 0.8**2 * 10 / 24), rel=1e-7)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"at": AT_CLOSE}, True),
        ({"at": "2026-11-19T23:59:59Z"}, False),
        ({"at": NEXT_CLOSE}, False),
        ({"at": "2026-11-20T23:59:59Z"}, True),
        ({"at": "2026-11-19T12:00:00Z", "seconds": 86_400}, True),
        ({"symbol": "BTC-PERP"}, True),
        ({"symbol": "ETH-PERP"}, False),
    ],
)
def test_an_event_outside_the_next_bar_or_of_another_market_changes_nothing(
    changes: dict[str, Any], counts: bool
) -> None:
    plain, found = answered(None), answered([event(**changes)])
    warned = [item["code"] for item in found.pop("warnings")]
    plain.pop("warnings")
    assert (found == plain) == (not counts)
    assert ("event_unmatched" in warned) == (changes.get("symbol") == "ETH-PERP")


def test_where_the_newest_bar_is_missing_the_bar_under_way_counts() -> None:
    late = requests.series("BTC-PERP", end="2026-11-19T00:00:00Z")
    plain, found = (answered(events, series=[late]) for events in (None, [event()]))
    assert 0.0 < size(found) < size(plain)


def test_events_of_a_market_add_up_and_leave_others_alone() -> None:
    signals = [{"symbol": name, "direction": 1} for name in "AB"]
    plain = answered(None, **book(2, signals=signals))
    found = answered([event(symbol="A", move=0.03), event(symbol="A", move=0.04)], **book(2, signals=signals))
    one = answered([event(symbol="A")], **book(2, signals=signals))
    assert [size(found, row) for row in (0, 1)] == [size(one, row) for row in (0, 1)]
    assert size(found, 0) < 0.9 * size(plain, 0) and size(found, 1) == size(plain, 1)


def test_a_book_under_one_multiplier_has_with_events_the_risk_that_it_has_without() -> None:
    plain, found = answered(None, **book()), answered([event(symbol="B")], **book())
    factors = [size(found, row) / size(plain, row) for row in range(3)]
    assert factors == pytest.approx([factors[0]] * 3, rel=1e-4) and 0.3 < factors[0] < 0.97
    before, after = plain["portfolio"]["forecast_volatility"], found["portfolio"]["forecast_volatility"]
    share = found["targets"][1]["weight"] * 0.05 * math.sqrt(365.0)
    assert math.hypot(after, share) == pytest.approx(before, rel=1e-4)


def test_a_pair_on_one_market_is_not_moved_by_its_event() -> None:
    """Long and short of one underlying: the event moves both alike."""
    instruments = [{"symbol": name, "kind": "linear", "underlying": "BTC", "quote_currency": "USD"} for name in "AB"]
    rows = [{"symbol": "A", "quantity": "2", "mark_price": "90000"}, {"symbol": "B", "quantity": "-1.9"}]
    rows[1]["mark_price"] = "90000"
    market = {"instruments": instruments, "positions": rows, "series": [requests.series("BTC")], "signals": None}
    found = answered([event(symbol="BTC", move=0.001)], **market)
    plain = answered(None, **market)
    net = [sum(float(row["target_quantity"]) for row in answer["targets"]) for answer in (plain, found)]
    annual = found["targets"][0]["volatility"]["annual"]
    assert net[1] / net[0] == pytest.approx(annual / math.hypot(annual, 0.001 * math.sqrt(365.0)), rel=1e-3)


def test_constant_leverage_does_not_know_of_events() -> None:
    sizing = {"method": "constant_leverage", "leverage": 1.5}
    plain, found = answered(None, sizing), answered([event()], sizing)
    assert size(plain) == size(found) != 0.0
    assert "events" not in [step["stage"] for step in found["targets"][0]["steps"]]


def test_margin_and_figures_of_the_book_stay_those_of_ordinary_bars() -> None:
    plain, found = answered(None), answered([event()])
    assert found["margin"]["current"] == plain["margin"]["current"]
    assert found["portfolio"]["current_volatility"] == plain["portfolio"]["current_volatility"]


moves = st.floats(1e-4, 1.0)


@settings(max_examples=25, deadline=None)
@given(small=moves, large=moves, signals=st.booleans())
def test_more_event_variance_never_gives_more_size(small: float, large: float, signals: bool) -> None:
    asked = {} if signals else {"signals": None}
    small, large = sorted((small, large))
    sizes = [size(answered([event(move=move)], **asked)) for move in (small, large)]
    assert 0.0 <= sizes[1] <= sizes[0] <= size(answered(None, **asked))


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 6),
    known=st.booleans(),
    grow=st.floats(1.0, 10.0),
)
def test_more_event_variance_never_gives_more_of_any_book(seed: int, rows: int, known: bool, grow: float) -> None:
    """Shares of a book with long and short rows, whatever correlation: they fall with each event, and begin at 1."""
    draws = np.random.default_rng(seed)
    factors = draws.standard_normal((rows, rows + 1))
    covariance = factors @ factors.T
    deviation = np.sqrt(np.diag(covariance))
    weights, shocks = draws.standard_normal(rows), np.abs(draws.standard_normal((rows, 3)))
    shocks[draws.random((rows, 3)) < 0.4] = 0.0
    larger = shocks.copy()
    larger[:, draws.integers(3)] *= grow
    base = columns(deviation, covariance / np.outer(deviation, deviation) if known else None)
    shares = [event_share(with_shocks(base, item), weights, np.zeros(rows)) for item in (0.0 * shocks, shocks, larger)]
    assert shares[0] == pytest.approx(1.0, rel=1e-12)
    assert shares[0] >= shares[1] * (1.0 - 1e-12) and shares[1] >= shares[2] * (1.0 - 1e-12) > 0.0


def columns(volatility: np.ndarray[Any, Any], correlation: np.ndarray[Any, Any] | None) -> SizingColumns:
    ones, none = np.ones(volatility.size), np.zeros(volatility.size)
    return SizingColumns(
        equity=1.0, current=ones, unit_value=ones, direction=ones, live=ones > 0, sizable=ones > 0,
        volatility=volatility, forecast=volatility, calibration=ones, known_risk=ones > 0, correlation=correlation,
        collateral=none, delta_weight=none, fixed_notional=none, side=none, primary=ones > 0,
    )  # fmt: skip


def with_shocks(base: SizingColumns, shocks: np.ndarray[Any, Any]) -> SizingColumns:
    fields = {name: getattr(base, name) for name in SizingColumns.__dataclass_fields__}
    return SizingColumns(**{**fields, "shocks": shocks})


def test_columns_with_events_have_the_covariance_of_shared_shocks() -> None:
    base = columns(np.array([0.4, 0.2]), np.array([[1.0, 0.5], [0.5, 1.0]]))
    found = with_shocks(base, np.array([[0.3, 0.0], [0.3, 0.1]])).with_events()
    assert found.volatility == pytest.approx([0.5, math.sqrt(0.04 + 0.09 + 0.01)])
    assert found.correlation is not None
    covariance = found.correlation * np.outer(found.volatility, found.volatility)
    assert covariance == pytest.approx(np.array([[0.25, 0.04 + 0.09], [0.04 + 0.09, 0.14]]))
    assert found.with_events() is found
    full = VolatilityTarget(target_volatility=0.1).full_weight(with_shocks(base, np.array([[0.3], [0.0]])), 1)
    assert full == pytest.approx([0.2, 0.5])


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": TOMORROW},
        {"at": TOMORROW, "move": 0.1, "volatility": 0.5, "seconds": 60},
        {"at": TOMORROW, "volatility": 0.5},
        {"at": TOMORROW, "move": 0.0},
        {"at": TOMORROW, "move": 2.1},
        {"at": TOMORROW, "move": 0.1, "seconds": -1},
        {"move": 0.1},
    ],
)
def test_an_event_of_no_size_or_two_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EvaluationRequest.model_validate(requests.smallest(events=[wrong]))


@pytest.mark.parametrize(
    ("calendar", "seconds", "last", "now", "expected"),
    [
        ("24/7", 3_600, "2026-11-20T10:00", "2026-11-20T10:30", "2026-11-20T11:00"),
        ("24/7", 3_600, "2026-11-20T10:00", "2026-11-20T12:00", "2026-11-20T13:00"),
        ("24/7", 3_600, "2026-11-20T10:00", "2026-11-19T12:00", "2026-11-20T11:00"),
        ("XNYS", 86_400, "2026-11-20T21:00", "2026-11-20T22:00", "2026-11-23T21:00"),
        ("XNYS", 86_400, "2026-11-21T00:00", "2026-11-21T00:00", "2026-11-24T00:00"),
        ("XNYS", 86_400, "2026-11-19T21:00", "2026-11-19T22:00", "2026-11-20T21:00"),
        ("XNYS", 3_600, "2026-11-20T20:00", "2026-11-20T20:00", "2026-11-20T21:00"),
        ("24/7", 86_400, "2026-11-20T21:00", "2026-11-20T22:00", "2026-11-21T21:00"),
    ],
)
def test_the_next_bar_ends_at_its_close_weekends_left_out(
    calendar: str, seconds: int, last: str, now: str, expected: str
) -> None:
    one, two, three = (datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in (last, now, expected))
    assert BarClock(seconds, Calendar(calendar)).next_close(one, two) == three
