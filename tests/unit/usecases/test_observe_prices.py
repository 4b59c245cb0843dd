"""Observations through the use case: grouping, outcomes, races, and what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import numpy as np
import orjson
import pytest
from pydantic import ValidationError

from app.adapters.memory_volatility import MemoryVolatilityStore
from app.container import Container
from app.ports import EventKind, FedState, StateChange, StateKey, StateUnavailable
from app.problems import RequestProblem
from app.usecases.call import Call
from app.usecases.observe_prices import MAX_ATTEMPTS, observe_prices
from app.usecases.read_volatility import (
    VolatilityQuery,
    estimate_volatility,
    list_volatility,
    parse_reset,
    read_volatility,
    reset_volatility,
)
from models.api.observation import (
    DEFAULT_ESTIMATOR,
    EstimateAnswer,
    ObservationsAnswer,
    ResetAnswer,
    VolatilityAnswer,
    VolatilityPage,
)
from services.core.annualization import Calendar
from services.core.explain import Floats
from services.volatility.forecast import forecast_series
from services.volatility.readout import VolatilityReadout
from services.volatility.registry import model_version
from tests.support.recorder import Recorder
from tests.unit.volatility.markets import DAY, END, walk

NOW = END + timedelta(seconds=5)
DEFAULT_MODEL = model_version(DEFAULT_ESTIMATOR)


class Racing(MemoryVolatilityStore):
    """Another writer is faster `losses` times."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.losses = losses

    async def compare_and_set(self, changes: Sequence[StateChange]) -> list[bool]:
        if self.losses:
            self.losses -= 1
            return [False] * len(changes)
        return await super().compare_and_set(changes)


def container(store: MemoryVolatilityStore | None = None) -> Container:
    parts = {"audit": Recorder(), "volatility": store or MemoryVolatilityStore()}
    return cast(Container, SimpleNamespace(tenant_id="local", **parts))


def call(body: Any) -> Call:
    raw = orjson.dumps(body)
    return Call(raw, orjson.loads(raw), None, NOW, 1.0)


def text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def points(symbol: str, closes: Sequence[float | str], *, end: datetime = END, **more: Any) -> list[dict[str, Any]]:
    last = len(closes) - 1
    return [
        {
            "symbol": symbol,
            "interval": "P1D",
            "close_time": text(end - timedelta(days=last - place)),
            "close": close,
            **more,
        }
        for place, close in enumerate(closes)
    ]


async def observe(box: Container, rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    answer = await observe_prices(box, call({"observations": rows, **more}))
    body: dict[str, Any] = orjson.loads(answer.body)
    ObservationsAnswer.model_validate_json(answer.body)
    assert body.pop("audit")["durable"]
    return body


async def show(box: Container, symbol: str, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads((await read_volatility(box, VolatilityQuery(symbol=symbol, **more))).body)
    VolatilityAnswer.model_validate_json(orjson.dumps(body))
    return body


def forecast(closes: Floats) -> VolatilityReadout:
    found = forecast_series(closes, end=END, bar_seconds=DAY, calendar=Calendar(), estimator=DEFAULT_ESTIMATOR)
    return found.readout


async def test_interleaved_and_shuffled_points_give_the_forecast_of_the_series() -> None:
    box, closes = container(), {symbol: walk(place, 90).round(4) for place, symbol in enumerate(("A", "B", "C"))}
    rows = [row for symbol, prices in closes.items() for row in points(symbol, prices.tolist())]
    order = sorted(range(len(rows)), key=lambda place: (place * 7919) % len(rows))
    body = await observe(box, [rows[place] for place in order])
    assert body["counts"] == {"accepted": 270}
    for symbol, prices in closes.items():
        readout = (await show(box, symbol))["readout"]
        direct = forecast_series(
            prices, end=END, bar_seconds=DAY, calendar=Calendar(), estimator=DEFAULT_ESTIMATOR
        ).readout
        assert readout["volatility"] == pytest.approx(direct.volatility, rel=1e-7)  # answers have eight digits
        assert readout["observations"] == 89


async def test_each_point_gets_its_outcome_in_the_order_of_the_request() -> None:
    box = container()
    await observe(box, points("A", walk(1, 300).tolist()))
    last = (await show(box, "A"))["last_close"]
    rows = [
        *points("A", [last]),
        *points("A", [last * 1.01]),
        *points("A", [last], end=END - timedelta(days=250)),
        *points("A", [last * 1.02], end=END + timedelta(days=1)),
        *points("B", ["0"]),
        *points("B", [-5]),
        *points("B", ["12.5"]),
        *points("B", [12.6], calendar="XNYS"),
    ]
    body = await observe(box, rows)
    assert body["outcomes"] == [
        "duplicate", "conflict", "out_of_order", "unfinished", "invalid_price", "invalid_price", "accepted", "conflict",
    ]  # fmt: skip
    assert [row["index"] for row in body["rejected"]] == [0, 1, 2, 3, 4, 5, 7]
    assert f"close is {last!r}, found {last * 1.01!r}" in body["rejected"][1]["detail"]
    assert all(row["detail"] for row in body["rejected"])


async def test_the_first_calendar_counts_and_another_is_a_conflict() -> None:
    box = container()
    body = await observe(box, points("SPY", walk(2, 25).tolist(), calendar="XNYS"))
    assert body["assumptions"] == []
    assert body["states"][0]["calendar"] == "XNYS"
    assert (await show(box, "SPY"))["readout"]["periods_per_year"] == 252.0
    later = points("SPY", [100.0], end=END - timedelta(days=100), calendar="24/7")
    assert (await observe(box, later))["outcomes"] == ["calendar_conflict"]
    mixed = points("X", [1.0, 2.0]) + points("X", [3.0], end=END + timedelta(seconds=1), calendar="FX")
    mixed += points("X", [4.0], calendar={"periods_per_year": 300})
    body = await observe(box, mixed)
    assert sorted(body["outcomes"]) == ["accepted", "accepted", "calendar_conflict", "conflict"]


async def test_the_default_calendar_is_said() -> None:
    (assumption,) = (await observe(container(), points("A", [1.0, 2.0])))["assumptions"]
    assert assumption["pointer"] == "/observations/0/calendar"
    assert assumption["value"] == "24/7"


async def test_venues_intervals_and_half_lives_have_states_of_their_own() -> None:
    box, closes = container(), walk(3, 30).tolist()
    await observe(box, points("A", closes) + points("A", closes, venue="x"))
    await observe(box, points("A", closes), estimator={"method": "ewma", "half_life": 5.0, "calibrate": False})
    page = orjson.loads((await list_volatility(box, None, 10)).body)
    VolatilityPage.model_validate_json(orjson.dumps(page))
    found = {(item.get("venue"), item["model_version"]) for item in page["items"]}
    assert found == {(None, DEFAULT_MODEL), (None, "ewma.1-5.0"), ("x", DEFAULT_MODEL)}
    assert (await show(box, "A", half_life=5.0))["readout"]["effective_half_life"] == 5.0
    for item in page["items"]:
        named = await show(box, "A", model=item["model_version"], venue=item.get("venue"))
        assert named == item
    with pytest.raises(RequestProblem, match=r"P1D bars and model \S+ for A of venue y"):
        await show(box, "A", venue="y")


async def test_equal_intervals_written_differently_are_one_state() -> None:
    box = container()
    await observe(box, points("A", [1.0, 2.0]))
    again = [{**row, "interval": "PT24H"} for row in points("A", [2.0])]
    assert (await observe(box, again))["outcomes"] == ["duplicate"]


async def test_a_lost_race_is_run_again_on_the_newest_state() -> None:
    box = container(Racing(MAX_ATTEMPTS - 1))
    assert (await observe(box, points("A", walk(4, 25).tolist())))["counts"] == {"accepted": 25}
    with pytest.raises(StateUnavailable, match="A"):
        await observe(container(Racing(MAX_ATTEMPTS)), points("A", [1.0]))


async def test_attempts_are_random_pauses_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two writers in step would meet again and again; bounds double up to the longest pause."""
    bounds: list[float] = []
    slept: list[float] = []

    def uniform(least: float, most: float) -> float:
        bounds.append(most)
        return least + 1e-6 * len(bounds)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("app.usecases.observe_prices.random.uniform", uniform)
    monkeypatch.setattr("app.usecases.observe_prices.asyncio.sleep", sleep)
    await observe(container(Racing(MAX_ATTEMPTS - 1)), points("A", [1.0]))
    assert bounds == [0.004, 0.008, 0.016, 0.032, 0.064, 0.064, 0.064]
    assert [seconds for seconds in slept if seconds] == [1e-6 * (place + 1) for place in range(MAX_ATTEMPTS - 1)]


class Watched(MemoryVolatilityStore):
    """Lets others run between reading and writing, and counts the races that were lost."""

    lost = 0

    async def load_for_update(self, keys: Sequence[StateKey]) -> list[FedState | None]:
        found = await super().load_for_update(keys)
        await asyncio.sleep(0)
        return found

    async def compare_and_set(self, changes: Sequence[StateChange]) -> list[bool]:
        stored = await super().compare_and_set(changes)
        self.lost += stored.count(False)
        return stored


async def test_callers_of_one_process_take_turns() -> None:
    """A caller with many bars is not outrun by one with few; callers of several states do not wait for each other."""
    store = Watched()
    box = container(store)
    closes = walk(20, 150).tolist()

    async def send(symbols: str, size: int) -> None:
        for place in range(0, 150, size):
            rows = [row for symbol in symbols for row in points(symbol, closes)[place : place + size]]
            await observe(box, rows)

    await asyncio.wait_for(asyncio.gather(send("AB", 150), send("BA", 5), send("CAB", 5), send("B", 1)), 30.0)
    assert store.lost == 0
    assert [(await show(box, symbol))["observations"] for symbol in "ABC"] == [149] * 3


async def test_concurrent_callers_lose_no_point() -> None:
    """Five callers send the same 200 points in different pieces: the state is that of one caller."""
    box, rows = container(), points("A", walk(5, 200).round(4).tolist())

    async def send(size: int) -> None:
        for place in range(0, len(rows), size):
            await observe(box, rows[place : place + size])

    await asyncio.gather(*(send(size) for size in (1, 7, 50, 199, 200)))
    alone = container()
    await observe(alone, rows)
    assert (await show(box, "A"))["readout"] == (await show(alone, "A"))["readout"]


async def test_late_bars_are_merged_and_corrected_on_demand() -> None:
    box, rows = container(), points("A", walk(12, 120).tolist(), source="kaiko")
    assert (await observe(box, rows[:80] + rows[81:]))["counts"] == {"accepted": 118, "gap_filled": 1}
    assert (await observe(box, rows[80:81]))["outcomes"] == ["merged"]
    wrong = {**rows[90], "close": rows[90]["close"] * 1.05, "source": "tardis"}
    body = await observe(box, [wrong])
    assert body["outcomes"] == ["conflict"]
    assert "(from kaiko)" in body["rejected"][0]["detail"]
    assert "(from tardis)" in body["rejected"][0]["detail"]
    before = await show(box, "A")
    assert (await observe(box, [wrong], revise=True))["outcomes"] == ["revised"]
    assert (await show(box, "A"))["version"] == before["version"] + 1
    assert (await observe(box, [rows[90]], revise=True))["outcomes"] == ["revised"]
    straight = container()
    await observe(straight, rows)
    assert (await show(box, "A"))["readout"] == (await show(straight, "A"))["readout"] == before["readout"]


async def test_ranges_volumes_and_variances_reach_the_state() -> None:
    box, closes = container(), walk(13, 60).tolist()
    rows = [
        {**row, "open": row["close"] * 0.99, "high": str(round(row["close"] * 1.02, 6)), "low": row["close"] * 0.98}
        for row in points("A", closes)
    ]
    body = await observe(box, rows)
    assert body["counts"] == {"accepted": 60}
    assert body["states"][0]["inputs"] == "range"
    assert (await observe(box, points("B", closes)))["states"][0]["inputs"] == "close"
    last, day = closes[-1], {"end": END + timedelta(seconds=1)}
    assert (await observe(box, points("A", [last], open=last, **day)))["outcomes"] == ["conflict"]
    later = {**rows[-1], "close_time": text(END - timedelta(days=60)), "high": 1.0}
    assert (await observe(box, [later]))["outcomes"] == ["merged"]


async def test_a_revised_close_keeps_the_rest_of_its_bar() -> None:
    box, closes = container(), walk(17, 60).tolist()
    rows = [
        {**row, "open": row["close"], "high": row["close"] * 1.02, "low": row["close"] * 0.98, "volume": 7}
        for row in points("A", closes)
    ]
    await observe(box, rows)
    corrected = {name: rows[40][name] for name in ("symbol", "interval", "close_time")}
    corrected["close"] = closes[40] * 1.01
    assert (await observe(box, [corrected], revise=True))["outcomes"] == ["revised"]
    straight = container()
    await observe(straight, [*rows[:40], {**rows[40], "close": closes[40] * 1.01}, *rows[41:]])
    assert (await show(box, "A"))["readout"] == (await show(straight, "A"))["readout"]


async def test_what_makes_no_sense_of_a_bar_is_an_outcome() -> None:
    box, closes = container(), walk(14, 60).tolist()
    await observe(box, points("A", closes[:57], end=END - timedelta(days=3)))
    rows = points("A", closes)[-3:]
    rows[0] |= {"open": 1.0, "high": -1, "low": "3.5"}
    rows[2] |= {"high": 50.0}
    bad = [{**rows[1], name: -1} for name in ("realized_variance", "implied_volatility", "volume", "split")]
    body = await observe(box, [*bad, *rows])
    assert body["outcomes"] == ["invalid_price"] * 4 + ["ohlc_inconsistent", "accepted", "ohlc_inconsistent"]
    assert body["rejected"][1]["detail"].endswith("implied_volatility must lie within 1e-06 and 10, found -1.0.")
    straight = container()
    await observe(straight, points("A", closes))
    assert (await show(box, "A"))["readout"] == (await show(straight, "A"))["readout"]


async def test_a_held_bar_is_settled_by_naming_the_split() -> None:
    box, closes = container(), walk(15, 60).tolist()
    await observe(box, points("A", closes[:-1], volume=100, end=END - timedelta(days=1)))
    half = points("A", [closes[-2] / 2], volume=200)
    body = await observe(box, half)
    assert body["outcomes"] == ["corporate_action"]
    assert "split: 2" in body["rejected"][0]["detail"]
    assert body["states"][0]["observations"] == 58
    assert (await observe(box, half))["outcomes"] == ["corporate_action"]
    body = await observe(box, [{**half[0], "split": 2}])
    assert body["outcomes"] == ["revised"]
    assert body["states"][0]["observations"] == 59
    assert (await observe(box, half))["outcomes"] == ["duplicate"]


async def test_revise_is_a_boolean() -> None:
    for bad in (1, "true", None):
        with pytest.raises(ValidationError, match="revise"):
            await observe_prices(container(), call({"observations": points("A", [1.0]), "revise": bad}))


async def test_a_readout_tells_tail_band_and_horizon() -> None:
    box = container()
    await observe(box, points("A", walk(16, 300).tolist()))
    block = (await show(box, "A", horizon="P7D"))["readout"]
    assert "horizon" not in (await show(box, "A"))["readout"]
    assert block["confidence_factor"] > 1.0
    assert 2.5 <= block["tail"]["degrees_of_freedom"] <= 30.0
    shares = [loss["probability"] for loss in block["tail"]["losses"]]
    risks = [loss["value_at_risk"] for loss in block["tail"]["losses"]]
    assert (shares, risks) == (sorted(shares, reverse=True), sorted(risks))
    ahead = block["horizon"]
    assert (ahead["duration"], ahead["bars"]) == ("P7D", 7.0)
    assert ahead["deviation"] == pytest.approx(ahead["volatility"] * (7 / 365) ** 0.5, rel=1e-7)
    near, far = sorted((block["volatility"], block["long_run"]))
    assert near < ahead["volatility"] < far
    # Seven days by hand: each day 1.5 % closer to the long run.
    days = [0.985**day for day in range(7)]
    mean = sum(block["long_run"] ** 2 + fade * (block["volatility"] ** 2 - block["long_run"] ** 2) for fade in days) / 7
    assert ahead["volatility"] == pytest.approx(mean**0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("calendar", "interval", "bars"),
    [("XNYS", "P1D", 7 * 252 / 365), ("24/7", "PT1H", 168.0), ("XNYS", "PT1H", 7 * 252 / 365 * 6.5)],
)
async def test_a_horizon_is_counted_in_bars_of_the_market(calendar: str, interval: str, bars: float) -> None:
    """Each bar fades by 1.5 % of a day of its market; a part of a bar counts with what it would fade from."""
    item = {**series("A", walk(17, 200)), "interval": interval, "calendar": calendar}
    (row,) = (await estimate({"series": [item], "horizon": "P7D", "as_of": text(NOW)}))["estimates"]
    assert row["horizon"]["bars"] == pytest.approx(bars, rel=1e-7)
    a_day = {("24/7", "PT1H"): 24.0, ("XNYS", "PT1H"): 6.5, ("XNYS", "P1D"): 1.0}[calendar, interval]
    fades = 0.985 ** (np.arange(int(bars)) / a_day)
    rest = (bars - int(bars)) * 0.985 ** (int(bars) / a_day)
    weight = (fades.sum() + rest) / bars
    variance = weight * row["volatility"] ** 2 + (1.0 - weight) * row["long_run"] ** 2
    assert row["horizon"]["volatility"] == pytest.approx(variance**0.5, rel=1e-6)


async def test_the_record_holds_the_request_and_the_answer() -> None:
    box = container()
    sent = call({"observations": points("A", [1.0, 2.0])})
    answer = await observe_prices(box, sent)
    (record,) = cast(Recorder, box.audit).records
    assert (record.kind, record.request, record.status) == (EventKind.OBSERVATION, sent.body, 200)
    assert answer.body == record.response[:-1] + b',"audit":{"index":0,"durable":true}}'


async def test_a_reset_forgets_and_is_recorded() -> None:
    box = container()
    await observe(box, points("A", walk(6, 30).tolist()))
    for existed in (True, False):
        answer = await reset_volatility(box, VolatilityQuery(symbol="A"), NOW, 1.0)
        reset = ResetAnswer.model_validate_json(answer.body)
        assert reset.audit.durable
        assert reset.existed is existed
    request = cast(Recorder, box.audit).records[-1].request
    assert request == f"reset?interval=P1D&model={quote(DEFAULT_MODEL)}&symbol=A&venue=".encode()
    assert parse_reset(request, "local") == VolatilityQuery(symbol="A").key_of("local")
    assert parse_reset(b"reset?half_life=5.0&interval=PT1H&symbol=A%2FB&venue=x", "local") == StateKey(
        "local", "x", "A/B", 3_600, "ewma.1-5.0"
    )
    with pytest.raises(RequestProblem, match="no state"):
        await show(box, "A")


async def test_a_state_of_an_unknown_estimator_is_listed_as_refused() -> None:
    """Another version of the program wrote it; the others are listed all the same."""
    store = MemoryVolatilityStore()
    box = container(store)
    await observe(box, points("A", walk(21, 60).tolist()))
    (found,) = await store.load_for_update([VolatilityQuery(symbol="A").key_of("local")])
    assert found is not None
    for version in ("ewma.9-20.0", "gone.1-", "ewma.1-what"):
        key = VolatilityQuery(symbol="A", model=version).key_of("local")
        await store.compare_and_set([StateChange(key, None, *found)])
    page = orjson.loads((await list_volatility(box, None, 10)).body)
    VolatilityPage.model_validate_json(orjson.dumps(page))
    refused = {item["model_version"]: item["readout"]["reason"] for item in page["items"]}
    unavailable = dict.fromkeys(("ewma.9-20.0", "gone.1-", "ewma.1-what"), "volatility_unavailable")
    assert refused == {DEFAULT_MODEL: "none", **unavailable}


async def test_pages_of_states() -> None:
    box = container()
    for number in range(7):
        await observe(box, points(f"S{number}", [1.0, 2.0]))
    symbols: list[str] = []
    cursor: str | None = None
    while True:
        page = orjson.loads((await list_volatility(box, cursor, 3)).body)
        symbols += [item["symbol"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert symbols == [f"S{number}" for number in range(7)]
    for bad in ("x", "bnVsbA==", "WyIiXQ=="):
        with pytest.raises(ValueError):
            await list_volatility(box, bad, 3)


@pytest.mark.parametrize("close", [True, None, "1e5", "abc", " 1", [1], "NaN", {}])
async def test_what_is_no_number_is_no_observation(close: object) -> None:
    with pytest.raises(ValidationError):
        await observe_prices(container(), call({"observations": [{**points("A", [1.0])[0], "close": close}]}))


async def test_a_call_feeds_at_most_200_symbols() -> None:
    rows = [points(f"S{number}", [1.0])[0] for number in range(201)]
    with pytest.raises(ValidationError, match="200 symbols"):
        await observe_prices(container(), call({"observations": rows}))
    assert (await observe(container(), rows[:200]))["counts"] == {"accepted": 200}


async def estimate(body: dict[str, Any]) -> dict[str, Any]:
    answer = await estimate_volatility(container(), call(body))
    EstimateAnswer.model_validate_json(answer.body)
    found: dict[str, Any] = orjson.loads(answer.body)
    return found


def series(symbol: str, closes: Sequence[float] | Floats, **more: Any) -> dict[str, Any]:
    return {"symbol": symbol, "interval": "P1D", "end": text(END), "close": [float(close) for close in closes], **more}


async def test_estimates_stand_beside_each_other_and_refusals_say_why() -> None:
    closes = walk(7, 120)
    body = await estimate(
        {"series": [series("A", closes, calendar="24/7"), series("B", [1.0, 2.0])], "as_of": text(NOW)}
    )
    direct = forecast(closes)
    first, second = body["estimates"]
    assert first["volatility"] == pytest.approx(direct.volatility, rel=1e-7)  # answers have eight digits
    assert (second["status"], second["reason"]) == ("refused", "insufficient_history")
    assert [item["pointer"] for item in body["assumptions"]] == ["/series/1/calendar"]


async def test_ranges_of_a_series_are_used() -> None:
    closes = walk(18, 120)
    columns = {"open": closes * 0.999, "high": closes * 1.05, "low": closes * 0.95}
    wide = series("A", closes, **{name: column.tolist() for name, column in columns.items()})
    posted = {"series": [wide, series("B", closes)], "estimator": {"method": "adaptive"}, "output": "path"}
    ranged, plain = (await estimate(posted))["estimates"]
    assert ranged["volatility"] != plain["volatility"]
    assert len(ranged["path"]["effective_half_life"]) == 120
    rows = [
        [(END.timestamp() - DAY * (120 - place)) * 1000, close * 0.999, close * 1.05, close * 0.95, close, None]
        for place, close in enumerate(closes.tolist())
    ]
    ccxt = {"symbol": "A", "interval": "P1D", "ohlcv": rows}
    (same,) = (await estimate({**posted, "series": [ccxt]}))["estimates"]
    assert same["volatility"] == pytest.approx(ranged["volatility"], rel=1e-7)


async def test_a_bar_that_looks_like_a_split_is_named() -> None:
    closes = walk(19, 120)
    closes[80:] *= closes[79] / closes[80] / 2.0
    volume = np.where(np.arange(120) < 80, 100.0, 200.0).tolist()
    body = await estimate({"series": [series("A", closes, volume=volume)]})
    assert [warning["code"] for warning in body["warnings"]] == ["corporate_action"]


async def test_a_path_ends_with_the_last_estimate() -> None:
    (row,) = (await estimate({"series": [series("A", walk(8, 60))], "output": "path"}))["estimates"]
    assert row["path"]["volatility"][-1] == row["volatility"]
    assert len(row["path"]["volatility"]) == 60
    assert row["path"]["forecast"][:19] == [None] * 19


async def test_a_path_is_bounded() -> None:
    with pytest.raises(ValidationError, match="20000 points"):
        await estimate({"series": [series(name, [1.0] * 10_001) for name in "AB"], "output": "path"})


async def test_ccxt_rows_with_a_hole_are_estimated_on_their_clock() -> None:
    closes = walk(9, 50).tolist()
    rows = [[(END.timestamp() - DAY * (50 - place)) * 1000, 0, 0, 0, close, None] for place, close in enumerate(closes)]
    body = await estimate({"series": [{"symbol": "A", "interval": "P1D", "ohlcv": rows[:30] + rows[33:]}]})
    assert body["estimates"][0]["observations"] == 46
