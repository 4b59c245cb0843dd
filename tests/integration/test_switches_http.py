"""Operator's switches over HTTP: stopping is easy, going on is not, and every door that gives orders obeys."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app import examples, vault_examples
from app.container import Container
from app.lifespan import open_container
from app.ports import AuditRecord, AuditUnavailable, Outcome
from app.settings import Settings
from services.guards.switches import Switch, SwitchMode
from tests.support import requests
from tests.support.http import client_of

NOW = datetime(2026, 11, 20, 0, 0, 5, tzinfo=UTC)
HALT = {"mode": "halt", "actor": "ann", "reason": "withdrawals stopped"}
REDUCE = {"mode": "reduce_only", "actor": "bob", "reason": "announcement"}
NORMAL = {"mode": "normal", "actor": "cem", "reason": "over"}
GROWING, SHRINKING = "BTC-PERP", "ETH-PERP"


@dataclasses.dataclass
class SetClock:
    """A clock that stands until it is moved."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def container(tmp_path: Path, clock: SetClock) -> AsyncIterator[Container]:
    async with open_container(Settings(data_dir=tmp_path)) as found:
        yield dataclasses.replace(found, clock=clock)


@pytest.fixture
async def http(container: Container) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(container) as found:
        yield found


async def put(http: httpx.AsyncClient, scope: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = await http.put(f"/v1/breakers/{scope}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def book(**changes: Any) -> dict[str, Any]:
    """One row that wants to grow, and one that wants to shrink."""
    request = requests.smallest(
        positions=[
            {"symbol": GROWING, "quantity": "0.05", "mark_price": str(requests.closes()[-1]), "venue": "okx"},
            {"symbol": SHRINKING, "quantity": "40", "venue": "kraken", "account_id": "a1"},
        ],
        series=[requests.series(GROWING), requests.series(SHRINKING, 2, close=requests.closes(2, start=3000.0))],
        signals=[
            {"symbol": GROWING, "venue": "okx", "direction": 1},
            {"symbol": SHRINKING, "venue": "kraken", "account_id": "a1", "direction": 0.05},
        ],
        portfolio_id="pf_main",
    )
    return {**request, **changes}


async def evaluate(http: httpx.AsyncClient, body: dict[str, Any] | None = None, door: str = "evaluations") -> Any:
    answer = await http.post(f"/v1/{door}", json=body or book())
    assert answer.status_code == 200, answer.text
    found = answer.json()
    replay = (await http.post(f"/v1/evaluations/{found['evaluation_id']}:replay")).json()
    assert replay["match"] is True, replay["differences"]
    return found


def row(answer: dict[str, Any], symbol: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in answer["targets"] if item["symbol"] == symbol)
    return found


def ordered(answer: dict[str, Any]) -> set[str]:
    return {order["symbol"] for order in answer["orders"]}


async def test_the_book_grows_and_shrinks_without_a_switch(http: httpx.AsyncClient) -> None:
    answer = await evaluate(http)
    assert (row(answer, GROWING)["action"], row(answer, SHRINKING)["action"]) == ("increase", "decrease")
    assert ordered(answer) == {GROWING, SHRINKING}
    assert "switches" not in answer
    assert answer["degraded"] == []


async def test_a_halt_of_everything_makes_no_order(http: httpx.AsyncClient) -> None:
    await put(http, "global", HALT)
    answer = await evaluate(http)
    assert answer["orders"] == []
    for item in answer["targets"]:
        assert (item["status"], item["action"], item["permission"], item["reason"]) == (
            "held",
            "none",
            "none",
            "halted",
        )
        assert item["target_quantity"] == item["current_quantity"]
        assert item["order_quantity"] is None
        assert item["detail"] == "global is on halt, version 1, set by ann: withdrawals stopped"
        assert item["binding"][0]["parameter"] == "breakers.global"
        assert [step["bound_by"] for step in item["steps"] if step["stage"] == "switch"] == ["breakers.global"]
    assert answer["switches"] == [
        {
            "scope": "global",
            "mode": "halt",
            "actor": "ann",
            "reason": "withdrawals stopped",
            "version": 1,
            "expired": False,
        }
    ]
    assert [item["code"] for item in answer["warnings"]] == ["switch"]


async def test_reduce_only_keeps_reductions_and_drops_increases(http: httpx.AsyncClient) -> None:
    free = await evaluate(http)
    await put(http, "global", REDUCE)
    answer = await evaluate(http)
    grown, shrunk = row(answer, GROWING), row(answer, SHRINKING)
    assert (grown["action"], grown["reason"], grown["permission"]) == ("none", "reduce_only", "reduce_only")
    assert grown["target_quantity"] == grown["current_quantity"] == "0.05"
    assert (shrunk["action"], shrunk["permission"]) == ("decrease", "reduce_only")
    assert shrunk["target_quantity"] == row(free, SHRINKING)["target_quantity"], "a reduction is not touched"
    assert ordered(answer) == {SHRINKING}
    assert all(order["reduce_only"] for order in answer["orders"])


async def test_a_reversal_is_closed_and_not_opened(http: httpx.AsyncClient) -> None:
    body = book(signals=[{"symbol": GROWING, "venue": "okx", "direction": -1}])
    assert row(await evaluate(http, body), GROWING)["action"] == "reverse"
    await put(http, "symbol:BTC-PERP", REDUCE)
    closed = row(await evaluate(http, body), GROWING)
    assert (closed["action"], closed["target_quantity"], closed["reason"]) == ("close", "0", "reduce_only")


@pytest.mark.parametrize(
    ("scope", "stopped"),
    [
        ("symbol:BTC-PERP", {GROWING}),
        ("venue:okx", {GROWING}),
        ("account:a1", {SHRINKING}),
        ("venue:kraken", {SHRINKING}),
        ("portfolio:pf_main", {GROWING, SHRINKING}),
        ("portfolio:pf_other", set()),
        ("account:a2", set()),
        ("symbol:BTC", set()),
    ],
)
async def test_a_switch_stops_its_scope_and_nothing_else(
    http: httpx.AsyncClient, scope: str, stopped: set[str]
) -> None:
    await put(http, scope, HALT)
    answer = await evaluate(http)
    assert {item["symbol"] for item in answer["targets"] if item["reason"] == "halted"} == stopped
    assert ordered(answer) == {GROWING, SHRINKING} - stopped
    assert ("switches" in answer) == bool(stopped)


async def test_the_strictest_of_several_counts(http: httpx.AsyncClient) -> None:
    await put(http, "global", REDUCE)
    await put(http, "venue:okx", HALT)
    answer = await evaluate(http)
    assert row(answer, GROWING)["reason"] == "halted"
    assert row(answer, GROWING)["detail"].startswith("venue:okx")
    assert row(answer, SHRINKING)["permission"] == "reduce_only"
    assert [item["scope"] for item in answer["switches"]] == ["global", "venue:okx"]


async def test_the_others_are_not_scaled_up_for_a_halted_row(http: httpx.AsyncClient) -> None:
    free = await evaluate(http)
    await put(http, "venue:kraken", HALT)
    halted = await evaluate(http)
    assert float(row(halted, GROWING)["target_quantity"]) <= float(row(free, GROWING)["target_quantity"])


async def test_what_a_switch_changed_can_be_compared(http: httpx.AsyncClient) -> None:
    await evaluate(http)
    await put(http, "venue:okx", HALT)
    stopped = await evaluate(http)
    answer = await http.get(f"/v1/evaluations/{stopped['evaluation_id']}:diff")
    assert answer.status_code == 200, answer.text
    assert "halted" in answer.text


async def test_every_door_obeys(http: httpx.AsyncClient) -> None:
    await put(http, "global", HALT)
    targets = await evaluate(http, door="targets")
    assert (targets["orders"], row(targets, GROWING)["reason"]) == ([], "halted")
    hedges = await evaluate(http, requests.hedge_only(), "hedges")
    assert hedges["orders"] == []
    assert [(item["status"], item["reason"]) for item in hedges["hedges"]] == [("held", "halted")]
    margin = (await http.post("/v1/margin", json=requests.margin_only())).json()
    assert "switches" not in margin, "a door without orders has nothing to stop"


async def test_a_hedge_under_reduce_only_may_shrink_its_position_and_not_add_to_it(http: httpx.AsyncClient) -> None:
    body = requests.hedge_only()
    free = await evaluate(http, body, "hedges")
    assert free["orders"]
    await put(http, "global", REDUCE)
    stopped = await evaluate(http, body, "hedges")
    symbol = free["hedges"][0]["symbol"]
    held = next(float(item["quantity"]) for item in body["positions"] if item["symbol"] == symbol)
    for order in stopped["orders"]:
        assert order["reduce_only"]
        assert (held > 0) == (order["side"] == "sell")
    assert stopped["hedges"][0]["reason"] == "reduce_only"


SCALAR = {"symbol": "BTC-PERP", "target_volatility": 0.2, "interval": "P1D", "as_of": requests.AS_OF}


async def test_no_scalar_is_given_under_a_switch(http: httpx.AsyncClient) -> None:
    await put(http, "symbol:BTC-PERP", REDUCE)
    answer = (await http.get("/v1/scalar", params=SCALAR)).json()
    assert (answer["status"], answer["reason"], answer["scalar"]) == ("refused", "reduce_only", None)
    replay = (await http.post(f"/v1/evaluations/{answer['evaluation_id']}:replay")).json()
    assert replay["match"] is True, replay["differences"]
    other = (await http.get("/v1/scalar", params={**SCALAR, "symbol": "ETH-PERP"})).json()
    assert other["reason"] == "volatility_unavailable", "it is over another symbol"


MARKET = {"as_of": requests.AS_OF, "symbol": "BTC-PERP", "mark_price": "60000", "volatility": 0.6}
TOOLS: dict[str, dict[str, Any]] = {
    "grids": examples.GRID,
    "vaults": vault_examples.COVERED_CALL,
    "schedules": {**MARKET, "quantity": "2", "schedule": {"method": "twap", "duration_seconds": 600, "slices": 3}},
    "orders:check": {**MARKET, "position": "0.5", "quantity": "0.1", "account": {"equity": "100000"}},
}


@pytest.mark.parametrize("mode", [HALT, REDUCE])
@pytest.mark.parametrize("tool", TOOLS)
async def test_tools_give_no_orders_that_open(http: httpx.AsyncClient, tool: str, mode: dict[str, Any]) -> None:
    free = await http.post(f"/v1/{tool}", json=TOOLS[tool])
    assert free.status_code == 200, free.text
    assert free.json()["status"] in ("ok", "limited"), free.text
    scope = f"symbol:{TOOLS[tool]['symbol']}"
    await put(http, scope, mode)
    answer = await evaluate(http, TOOLS[tool], tool)
    reason = "halted" if mode is HALT else "reduce_only"
    assert (answer["status"], answer["reason"]) == ("refused", reason)
    assert not any(answer.get(name) for name in ("levels", "slices", "legs"))
    assert answer.get("verdict") in (None, "reject")
    assert [item["scope"] for item in answer["switches"]] == [scope]


async def test_what_only_reduces_passes_reduce_only_and_not_a_halt(http: httpx.AsyncClient) -> None:
    check = {**TOOLS["orders:check"], "quantity": "-0.2"}
    plan = {**TOOLS["schedules"], "reduce_only": True}
    await put(http, "global", REDUCE)
    assert (await evaluate(http, check, "orders:check"))["verdict"] == "accept"
    assert (await evaluate(http, plan, "schedules"))["status"] == "ok"
    reversal = await evaluate(http, {**check, "quantity": "-0.6"}, "orders:check")
    assert (reversal["verdict"], reversal["reason"]) == ("reject", "reduce_only")
    await put(http, "global", HALT)
    assert (await evaluate(http, check, "orders:check"))["verdict"] == "reject"
    assert (await evaluate(http, plan, "schedules"))["reason"] == "halted"


async def test_letting_go_on_takes_the_present_version(http: httpx.AsyncClient) -> None:
    first = await http.put("/v1/breakers/global", json=HALT)
    assert first.headers["ETag"] == '"1"'
    for headers in ({}, {"If-Match": '"7"'}, {"If-Match": "*"}, {"If-Match": 'W/"1"'}):
        for looser in (NORMAL, REDUCE, {**HALT, "expires_at": "2026-11-21T00:00:00Z"}):
            answer = await http.put("/v1/breakers/global", json=looser, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
            assert answer.headers["ETag"] == '"1"'
            assert "ann" in answer.json()["detail"]
    assert (await evaluate(http))["orders"] == []
    let = await put(http, "global", NORMAL, **{"If-Match": '"1"'})
    assert (let["version"], let["loosened"]) == (2, True)
    assert let["before"] == {"mode": "halt", "in_force": "halt", "version": 1}
    assert ordered(await evaluate(http)) == {GROWING, SHRINKING}


async def test_stopping_never_takes_a_version(http: httpx.AsyncClient) -> None:
    await put(http, "global", REDUCE, **{"If-Match": '"41"'})
    stopped = await put(http, "global", HALT, **{"If-Match": '"0"'})
    assert (stopped["version"], stopped["loosened"]) == (2, False)
    again = await put(http, "global", {**HALT, "actor": "dan"})
    assert (again["version"], again["actor"]) == (3, "dan"), "a second stop is on record too"


async def test_an_expired_switch_falls_back_to_reduce_only(http: httpx.AsyncClient, clock: SetClock) -> None:
    end = clock.moment + timedelta(hours=1)
    await put(http, "global", {**HALT, "expires_at": end.isoformat()})
    await put(http, "venue:kraken", {**NORMAL, "expires_at": end.isoformat()})
    assert (await evaluate(http))["orders"] == []
    clock.moment = end
    live = book(as_of=end.isoformat())
    answer = await evaluate(http, live)
    assert row(answer, GROWING)["reason"] == "reduce_only"
    assert {(item["scope"], item["mode"], item["expired"]) for item in answer["switches"]} == {
        ("global", "reduce_only", True),
        ("venue:kraken", "reduce_only", True),
    }, "a permission with an end ends as well"
    found = await http.get("/v1/breakers/global")
    assert (found.json()["mode"], found.json()["in_force"], found.headers["ETag"]) == (
        "halt",
        "reduce_only",
        '"1-expired"',
    )
    assert (await http.put("/v1/breakers/global", json=NORMAL, headers={"If-Match": '"1"'})).status_code == 412
    await put(http, "global", NORMAL, **{"If-Match": '"1-expired"'})


@pytest.mark.parametrize(
    ("scope", "body", "pointer"),
    [
        ("globe", HALT, "path:scope"),
        ("venue:", HALT, "path:scope"),
        ("venue:a%20b", HALT, "path:scope"),
        ("venu:okx", HALT, "path:scope"),
        ("global/", HALT, "path:scope"),
        ("global", {**HALT, "mode": "stop"}, "/mode"),
        ("global", {"mode": "halt", "actor": "ann"}, "/reason"),
        ("global", {"mode": "halt", "reason": "why"}, "/actor"),
        ("global", {**HALT, "reason": "  "}, "/reason"),
        ("global", {**HALT, "until": "2026-11-21T00:00:00Z"}, "/until"),
        ("global", {**HALT, "expires_at": "2026-11-20T00:00:05Z"}, "/expires_at"),
        ("global", {**REDUCE, "expires_at": "2026-11-21T00:00:00Z"}, "/expires_at"),
    ],
)
async def test_mistakes_are_refused_where_they_stand(
    http: httpx.AsyncClient, scope: str, body: dict[str, Any], pointer: str
) -> None:
    answer = await http.put(f"/v1/breakers/{scope}", json=body)
    assert answer.status_code == 422, answer.text
    assert [rule["pointer"] for rule in answer.json()["errors"]] == [pointer]
    assert (await http.get("/v1/breakers")).json()["items"] == []


async def test_symbols_of_any_spelling_are_scopes(http: httpx.AsyncClient) -> None:
    for symbol, path in (("BTC/USDT:USDT", "BTC%2FUSDT%3AUSDT"), ("@107", "@107"), ("A?b#c%d", "A%3Fb%23c%25d")):
        assert (await put(http, f"symbol:{path}", HALT))["scope"] == f"symbol:{symbol}"
        assert (await http.get(f"/v1/breakers/symbol:{path}")).json()["version"] == 1
    assert (await put(http, "symbol:BTC/USDT:USDT", HALT))["version"] == 2, "slashes may stand as they are"


async def test_switches_are_listed_in_pages_and_read_conditionally(http: httpx.AsyncClient) -> None:
    unset = await http.get("/v1/breakers/venue:okx")
    assert unset.json() == {
        "scope": "venue:okx",
        "mode": "normal",
        "in_force": "normal",
        "actor": None,
        "reason": None,
        "version": 0,
        "set_at": None,
        "expires_at": None,
    }
    for scope in ("venue:okx", "global", "symbol:a"):
        await put(http, scope, HALT)
    first = (await http.get("/v1/breakers", params={"limit": 2})).json()
    rest = (await http.get("/v1/breakers", params={"limit": 2, "after": first["next"]})).json()
    assert [item["scope"] for item in first["items"] + rest["items"]] == ["global", "symbol:a", "venue:okx"]
    assert "breaker_reset" in first["latched_levels"]
    assert first["staleness_seconds"] == 0.0
    assert (await http.get("/v1/breakers", params={"after": "_w=="})).json()["errors"][0]["pointer"] == "query:after"
    tag = (await http.get("/v1/breakers/global")).headers["ETag"]
    assert (await http.get("/v1/breakers/global", headers={"If-None-Match": tag})).status_code == 304
    await put(http, "global", HALT)
    assert (await http.get("/v1/breakers/global", headers={"If-None-Match": tag})).status_code == 200


async def test_every_transition_is_in_the_log_and_a_repeat_makes_none(http: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "stop-1"}
    first = await http.put("/v1/breakers/global", json=HALT, headers=key)
    again = await http.put("/v1/breakers/global", json=HALT, headers=key)
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
    assert (await http.put("/v1/breakers/global", json=REDUCE, headers=key)).json()["code"] == "idempotency_mismatch"
    other = await http.put("/v1/breakers/venue:okx", json=HALT, headers=key)
    assert other.json()["scope"] == "venue:okx", "a key belongs to its scope"
    let = await put(http, "global", NORMAL, **{"If-Match": '"1"'})
    entries = (await http.get("/v1/audit/entries", params={"kind": "breaker"})).json()["items"]
    events = [first.json()["event_id"], other.json()["event_id"], let["event_id"]]
    assert [entry["event_id"] for entry in entries] == events
    body = (await http.get(f"/v1/audit/entries/{let['event_id']}/body")).json()
    assert orjson.loads(base64.b64decode(body["request"])) == NORMAL
    assert orjson.loads(base64.b64decode(body["response"]))["before"]["mode"] == "halt"
    assert (await http.post(f"/v1/evaluations/{let['event_id']}:replay")).json()["code"] == "not_replayable"


@dataclasses.dataclass
class FailingLog:
    """An audit log that loses appends, or is in doubt about them."""

    real: Any
    outcome: Outcome | None = Outcome.REJECTED

    async def append(self, record: AuditRecord, *, timeout: float) -> Any:
        if self.outcome is None:
            return await self.real.append(record, timeout=timeout)
        if self.outcome is Outcome.UNKNOWN:
            await self.real.append(record, timeout=timeout)
        raise AuditUnavailable("the disk is full", self.outcome)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


async def test_a_stop_that_cannot_be_recorded_holds_and_a_release_does_not(container: Container) -> None:
    log = FailingLog(container.audit)
    async with client_of(dataclasses.replace(container, audit=log)) as http:
        answer = await http.put("/v1/breakers/global", json=HALT)
        assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
        assert "global is on halt" in answer.json()["detail"]
        assert (await http.get("/v1/breakers/global")).json()["in_force"] == "halt"
        answer = await http.put("/v1/breakers/global", json=NORMAL, headers={"If-Match": '"1"'})
        assert answer.status_code == 503
        assert "stays as it was" in answer.json()["detail"]
        found = await http.get("/v1/breakers/global")
        assert (found.json()["in_force"], found.headers["ETag"]) == ("halt", '"2"')
        log.outcome = None
        assert (await evaluate(http))["orders"] == []


async def test_a_release_in_doubt_is_settled_by_its_repeat(container: Container) -> None:
    log = FailingLog(container.audit, None)
    async with client_of(dataclasses.replace(container, audit=log)) as http:
        await put(http, "global", HALT)
        log.outcome = Outcome.UNKNOWN
        headers = {"If-Match": '"1"', "Idempotency-Key": "go"}
        answer = await http.put("/v1/breakers/global", json=NORMAL, headers=headers)
        assert (answer.status_code, answer.json()["outcome"]) == (504, "unknown")
        assert (await http.get("/v1/breakers/global")).json()["in_force"] == "halt"
        log.outcome = None
        answer = await http.put("/v1/breakers/global", json=NORMAL, headers=headers)
        assert answer.headers["Idempotency-Replayed"] == "true"
        found = (await http.get("/v1/breakers/global")).json()
        assert (found["in_force"], found["version"]) == ("normal", 2)
        await put(http, "global", HALT)
        await http.put("/v1/breakers/global", json=NORMAL, headers=headers)
        assert (await http.get("/v1/breakers/global")).json()["in_force"] == "halt", "a later stop is not undone"


@dataclasses.dataclass
class RacedSwitches:
    """A store in which somebody else sets a switch between reading and writing."""

    real: Any
    theirs: Switch | None = None

    async def replace(self, tenant_id: str, switch: Switch, expected: int) -> bool:
        theirs, self.theirs = self.theirs, None
        if theirs is not None:
            assert await self.real.replace(tenant_id, theirs, theirs.version - 1)
        found: bool = await self.real.replace(tenant_id, switch, expected)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


async def test_a_stop_comes_through_a_race_and_never_undoes_a_harder_one(container: Container) -> None:
    raced = RacedSwitches(container.switches)
    async with client_of(dataclasses.replace(container, switches=raced)) as http:
        theirs = Switch(scope="global", mode=SwitchMode.REDUCE_ONLY, actor="eve", reason="x", version=1, set_at=NOW)
        raced.theirs = theirs
        assert (await put(http, "global", HALT))["version"] == 2
        raced.theirs = dataclasses.replace(theirs, scope="venue:okx", mode=SwitchMode.HALT)
        answer = await http.put("/v1/breakers/venue:okx", json=REDUCE)
        assert (answer.status_code, "eve" in answer.json()["detail"]) == (412, True)
        assert (await http.get("/v1/breakers/venue:okx")).json()["in_force"] == "halt"
        raced.theirs = dataclasses.replace(theirs, mode=SwitchMode.HALT, version=3)
        answer = await http.put("/v1/breakers/global", json=NORMAL, headers={"If-Match": '"2"'})
        assert answer.status_code == 412, "it was not made from the version that it would replace"


@dataclasses.dataclass
class UnreadSwitches:
    """A store that does not answer."""

    staleness_seconds: float = 1.0

    async def read(self, tenant_id: str) -> Sequence[Switch]:
        raise AuditUnavailable("the audit database cannot be reached")


async def test_nothing_grows_while_nobody_can_say_what_is_stopped(container: Container) -> None:
    async with client_of(dataclasses.replace(container, switches=UnreadSwitches())) as http:
        answer = await evaluate(http)
        assert answer["degraded"] == ["switches"]
        assert ordered(answer) == {SHRINKING}
        assert row(answer, GROWING)["reason"] == "reduce_only"
        assert answer["switches"][0]["version"] == 0
        scalar = (await http.get("/v1/scalar", params=SCALAR)).json()
        assert (scalar["reason"], scalar["scalar"]) == ("reduce_only", None)
