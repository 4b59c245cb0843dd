"""Observations through the use case: grouping, outcomes, races, and what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from pydantic import ValidationError

from app.adapters.memory_volatility import MemoryVolatilityStore
from app.container import Container
from app.ports import Appended, AuditRecord, EventKind, StateChange, StateUnavailable
from app.problems import RequestProblem
from app.usecases.call import Call
from app.usecases.observe_prices import MAX_ATTEMPTS, observe_prices
from app.usecases.read_volatility import (
    VolatilityQuery,
    estimate_volatility,
    list_volatility,
    read_volatility,
    reset_volatility,
)
from models.api.observation import EstimateAnswer, ObservationsAnswer, ResetAnswer, VolatilityAnswer, VolatilityPage
from services.core.annualization import Calendar
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import forecast_series
from tests.unit.volatility.markets import DAY, END, walk

NOW = END + timedelta(seconds=5)


class Recorder:
    """Audit log of a test: keeps records in a list."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    async def append(self, record: AuditRecord, *, timeout: float) -> Appended:
        del timeout
        self.records.append(record)
        return Appended(len(self.records) - 1)

    async def find_idempotent(self, *_: str) -> None:
        return None


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
    return cast(Container, SimpleNamespace(**parts))


def call(body: Any) -> Call:
    raw = orjson.dumps(body)
    return Call(raw, orjson.loads(raw), None, NOW, 1.0)


def text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def points(symbol: str, closes: Sequence[float], *, end: datetime = END, **more: Any) -> list[dict[str, Any]]:
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


async def test_interleaved_and_shuffled_points_give_the_forecast_of_the_series() -> None:
    box, closes = container(), {symbol: walk(place, 90).round(4) for place, symbol in enumerate(("A", "B", "C"))}
    rows = [row for symbol, prices in closes.items() for row in points(symbol, prices.tolist())]
    order = sorted(range(len(rows)), key=lambda place: (place * 7919) % len(rows))
    body = await observe(box, [rows[place] for place in order])
    assert body["counts"] == {"accepted": 270}
    for symbol, prices in closes.items():
        readout = (await show(box, symbol))["readout"]
        direct = forecast_series(prices, end=END, bar_seconds=DAY, calendar=Calendar(), estimator=Ewma()).readout
        assert readout["volatility"] == pytest.approx(direct.volatility, rel=1e-7)  # answers have eight digits
        assert readout["observations"] == 89


async def test_each_point_gets_its_outcome_in_the_order_of_the_request() -> None:
    box = container()
    await observe(box, points("A", walk(1, 30).tolist()))
    last = (await show(box, "A"))["last_close"]
    rows = [
        *points("A", [last]),
        *points("A", [last * 1.01]),
        *points("A", [last], end=END - timedelta(days=3)),
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
    await observe(box, points("A", closes), estimator={"method": "ewma", "half_life": 5.0})
    page = orjson.loads((await list_volatility(box, None, 10)).body)
    VolatilityPage.model_validate_json(orjson.dumps(page))
    found = {(item.get("venue"), item["model_version"]) for item in page["items"]}
    assert found == {(None, "ewma.1-20.0"), (None, "ewma.1-5.0"), ("x", "ewma.1-20.0")}
    assert (await show(box, "A", half_life=5.0))["readout"]["effective_half_life"] == 5.0
    with pytest.raises(RequestProblem, match="P1D bars and half-life 20 for A of venue y"):
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
    assert cast(Recorder, box.audit).records[-1].request == b"reset?half_life=20.0&interval=P1D&symbol=A&venue="
    with pytest.raises(RequestProblem, match="no state"):
        await show(box, "A")


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


def series(symbol: str, closes: Sequence[float], **more: Any) -> dict[str, Any]:
    return {"symbol": symbol, "interval": "P1D", "end": text(END), "close": [float(close) for close in closes], **more}


async def test_estimates_stand_beside_each_other_and_refusals_say_why() -> None:
    closes = walk(7, 120)
    body = await estimate(
        {"series": [series("A", closes, calendar="24/7"), series("B", [1.0, 2.0])], "as_of": text(NOW)}
    )
    direct = forecast_series(closes, end=END, bar_seconds=DAY, calendar=Calendar(), estimator=Ewma()).readout
    first, second = body["estimates"]
    assert first["volatility"] == pytest.approx(direct.volatility, rel=1e-7)  # answers have eight digits
    assert (second["status"], second["reason"]) == ("refused", "insufficient_history")
    assert [item["pointer"] for item in body["assumptions"]] == ["/series/1/calendar"]


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
    rows = [[(END.timestamp() - DAY * (50 - place)) * 1000, 0, 0, 0, close, 0] for place, close in enumerate(closes)]
    body = await estimate({"series": [{"symbol": "A", "interval": "P1D", "ohlcv": rows[:30] + rows[33:]}]})
    assert body["estimates"][0]["observations"] == 46
