"""Registered portfolios, from a registration to published targets: what is evaluated when, and on what."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.adapters.schema import migrate
from app.ports import AuditUnavailable, Outcome, StateUnavailable
from app.switch_port import SwitchStore
from app.usecases.live_engine import LiveEngine
from models.api.portfolio import LiveResponse, TargetsAnswer
from services.guards.switches import Switch
from services.streaming.update import Channel, Kind
from tests.support.live import LAST_CLOSE, REGISTRATION, SNAPSHOT, START, Live, Timers, running

VOLATILITY_TARGET = REGISTRATION["policy"]


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with running(tmp_path) as found:
        await found.observe(["AAA"], count=80)
        await found.register()
        yield found


async def test_a_snapshot_leads_to_targets_that_are_the_recorded_evaluation(live: Live) -> None:
    taken = await live.snapshot(1)
    assert (taken["duplicate"], taken["expires_at"][:19]) == (False, "2026-11-20T01:00:05")
    targets = await live.published()
    TargetsAnswer.model_validate(targets)
    assert (targets["portfolio_version"], targets["snapshot_seq"], targets["expired"]) == (1, 1, False)
    (row,) = targets["targets"]
    assert row["symbol"] == "AAA"
    assert row["status"] in ("ok", "limited")
    decision = await live.decision(targets["evaluation_id"])
    LiveResponse.model_validate(decision)
    for name in ("targets", "orders", "portfolio", "as_of", "valid_until", "assumptions", "warnings"):
        assert targets[name] == decision[name]
    assert decision["audit"]["index"] == targets["index"]
    (entry,) = await live.entries("live")
    assert entry["evaluation_id"] == targets["evaluation_id"]


async def test_the_same_request_by_hand_decides_the_same(live: Live) -> None:
    """The live engine is the ordinary engine: the recorded request, sent to the core call, gives the same targets."""
    await live.snapshot(1)
    targets = await live.published()
    request = await live.request(targets["evaluation_id"])
    for name in ("portfolio_version", "snapshot_seq", "snapshot_as_of", "snapshot_expires_at"):
        del request[name]
    by_hand = live.answer(await live.http.post("/v1/evaluations", json=request))
    live_rows, hand_rows = targets["targets"], by_hand["targets"]
    for row in (*live_rows, *hand_rows):
        row["price_used"].pop("age_seconds")  # only the live one knows how old the position is
        row.get("expected_cost", {}).pop("notional", None)  # only the live one is compared with fills
    assert live_rows == hand_rows


async def test_live_entries_replay_byte_for_byte_and_compare(live: Live) -> None:
    await live.snapshot(1)
    first = await live.published()
    await live.snapshot(2, positions=[{"symbol": "AAA", "quantity": "40", "mark_price": "102"}])
    second = await live.published()
    for evaluation_id in (first["evaluation_id"], second["evaluation_id"]):
        replay = live.answer(await live.http.post(f"/v1/evaluations/{evaluation_id}:replay"))
        assert replay["match"] is True, replay["differences"]
    difference = await live.http.get(f"/v1/evaluations/{second['evaluation_id']}:diff")
    assert difference.status_code == 200, difference.text


async def test_control_state_goes_from_one_evaluation_to_the_next_and_over_a_takeover(live: Live) -> None:
    await live.snapshot(1)
    first = await live.published()
    await live.snapshot(2, account={"equity": "120000", "currency": "USD"})
    second = await live.published()
    states = [(await live.decision(item["evaluation_id"]))["state"] for item in (first, second)]
    assert (await live.request(first["evaluation_id"])).get("previous") is None
    assert (await live.request(second["evaluation_id"]))["previous"] == states[0]
    assert states[1]["high_water_mark"] == "120000"

    await live.engine.end()
    await live.engine.begin(await live.container.audit.size())
    third = await live.published()
    assert third["evaluation_id"] != second["evaluation_id"], "a takeover evaluates everything once"
    assert (await live.request(third["evaluation_id"]))["previous"] == states[1]


async def test_registered_control_state_is_read_once_and_outlives_no_record(live: Live) -> None:
    await live.register("fund", previous={"high_water_mark": "200000", "initial_capital": "50000"})
    await live.snapshot(1, "fund")
    first = await live.published("fund")
    state = (await live.decision(first["evaluation_id"]))["state"]
    assert (state["high_water_mark"], state["initial_capital"]) == ("200000", "50000")
    live.answer(await live.http.delete("/v1/portfolios/fund"))
    await live.register("fund", previous={"high_water_mark": "1"})
    await live.snapshot(1, "fund")
    again = await live.published("fund")
    assert (await live.decision(again["evaluation_id"]))["state"]["high_water_mark"] == "200000"


async def test_what_leads_to_an_evaluation_and_what_does_not(live: Live) -> None:
    await live.snapshot(1)
    await live.published()

    async def evaluations() -> int:
        await live.settle()
        return len(await live.entries("live"))

    count = await evaluations()
    assert count == 1
    live.clock.move(days=1)
    await live.snapshot(2)
    assert await evaluations() == 2

    await live.observe(["AAA"], end=LAST_CLOSE + timedelta(days=1))
    assert await evaluations() == 3, "a bar of a market of the book"
    await live.observe(["AAA"], end=LAST_CLOSE + timedelta(days=1))
    assert await evaluations() == 3, "the same bar again changes nothing"
    await live.observe(["BBB"], count=3)
    assert await evaluations() == 3, "another market"
    await live.observe(["AAA"], count=2, venue="kraken")
    assert await evaluations() == 3, "the state of a venue that the book does not trade on"
    await live.observe(["AAA"], interval="PT1H")
    assert await evaluations() == 3, "the state of other bars"

    instrument = {"symbol": "AAA", "kind": "linear", "lot": "1"}
    live.answer(await live.http.put("/v1/instruments", json={"instruments": [instrument]}))
    assert await evaluations() == 4, "the instrument of a row"
    live.answer(await live.http.put("/v1/instruments", json={"instruments": [{**instrument, "symbol": "BBB"}]}))
    assert await evaluations() == 4

    await live.register(symbols=["BBB"])
    assert await evaluations() == 5, "the portfolio itself"
    await live.observe(["BBB"], end=LAST_CLOSE + timedelta(days=1))
    assert await evaluations() == 6, "a market that it names"
    await live.register("other")
    assert await evaluations() == 6
    live.answer(await live.http.post("/v1/evaluations/" + (await live.entries("live"))[0]["evaluation_id"] + ":replay"))
    assert await evaluations() == 6, "reading changes nothing"
    live.answer(await live.http.delete("/v1/volatility", params={"symbol": "AAA", "interval": "P1D"}))
    assert await evaluations() == 7, "the loss of a state"
    assert (await live.published())["targets"][0]["reason"] == "volatility_unavailable"


async def test_a_row_with_a_venue_follows_its_own_state_and_the_one_without_a_venue(live: Live) -> None:
    await live.register(position_defaults={"venue": "kraken"})
    await live.snapshot(1)
    found = await live.published()
    assert found["targets"][0]["venue"] == "kraken"
    request = await live.request(found["evaluation_id"])
    assert request["positions"][0]["venue"] == "kraken"
    await live.observe(["AAA"], count=80, venue="kraken")
    await live.settle()
    assert len(await live.entries("live")) == 2


async def test_a_contract_follows_the_market_of_its_underlying(live: Live) -> None:
    contract = {"symbol": "AAA-27NOV26", "kind": "linear", "underlying": "AAA"}
    await live.register("dated", instruments=[contract], max_snapshot_age="P9D")
    row = {"symbol": "AAA-27NOV26", "quantity": "10", "mark_price": "101"}
    await live.snapshot(1, "dated", positions=[row], signals=None)
    assert (await live.published("dated"))["targets"][0]["status"] in ("ok", "limited")
    await live.observe(["AAA-27NOV26"], count=2)
    await live.settle()
    assert len(await live.entries("live", "dated")) == 1, "a bar of the contract itself is not read"
    live.clock.move(days=1)
    await live.observe(["AAA"], end=LAST_CLOSE + timedelta(days=1))
    await live.settle()
    assert len(await live.entries("live", "dated")) == 2


async def test_a_policy_without_a_version_moves_with_its_newest_one(live: Live) -> None:
    async def store(target: float) -> None:
        policy = {"sizing": {"method": "volatility_target", "target_volatility": target}}
        live.answer(await live.http.post("/v1/policies", json={"policy_id": "house", "policy": policy}))

    await store(0.2)
    made = await live.register(policy={"id": "house"})
    assert made["policy_version"] == 1
    assert ("/policy/version", "1") in [(item["pointer"], item["value"]) for item in made["assumptions"]]
    await live.register("pinned", policy={"id": "house", "version": 1})
    for name in ("desk", "pinned"):
        await live.snapshot(1, name)
    await live.published()
    await store(0.02)
    newest = await live.published()
    assert (await live.decision(newest["evaluation_id"]))["policy"]["version"] == 2
    assert len(await live.entries("live", "pinned")) == 1


async def test_targets_expire_with_the_snapshot_and_a_newer_one_revives_them(live: Live) -> None:
    await live.snapshot(1)
    targets = await live.published()
    assert targets["valid_until"][:19] == "2026-11-20T01:00:05"
    decision = await live.decision(targets["evaluation_id"])
    assert decision["valid_until_reason"] == "the snapshot becomes older than max_snapshot_age allows"
    assert live.timers.due == [], "nothing is renewed on an old snapshot"
    tag = (await live.targets()).headers["ETag"]
    assert (await live.targets(**{"If-None-Match": tag})).status_code == 304

    live.clock.move(hours=1)
    expired = await live.targets(**{"If-None-Match": tag})
    assert expired.status_code == 200, "that it expired is news"
    assert expired.json()["expired"] is True
    assert (await live.targets(**{"If-None-Match": expired.headers["ETag"]})).status_code == 304
    live.answer(await live.http.put("/v1/instruments", json={"instruments": [{"symbol": "AAA", "kind": "linear"}]}))
    await live.settle()
    assert len(await live.entries("live")) == 1, "a change evaluates no old snapshot"
    await live.snapshot(2)
    assert (await live.published())["expired"] is False


async def test_the_first_market_to_fall_silent_does_not_end_the_targets_of_all(live: Live) -> None:
    """Two daily markets, one a day behind: at its end it is held, and the other goes on."""
    await live.observe(["OLD"], count=80, end=LAST_CLOSE - timedelta(days=1))
    await live.register(max_snapshot_age="P9D")
    rows = [{"symbol": symbol, "quantity": "10", "mark_price": "101"} for symbol in ("AAA", "OLD")]
    await live.snapshot(1, positions=rows, signals=None)
    first = await live.published()
    assert first["targets"][1]["reason"] != "stale_price"
    (due,) = live.timers.due
    until = (await live.decision(first["evaluation_id"]))["valid_until"]
    assert START + timedelta(seconds=due) >= live.clock.time.fromisoformat(until)

    live.clock.move(seconds=due)
    live.timers.fire()
    second = await live.published()
    assert second["evaluation_id"] != first["evaluation_id"]
    assert second["targets"][1]["reason"] == "stale_price"
    assert second["targets"][0]["reason"] != "stale_price"
    assert second["valid_until"] > first["valid_until"]
    assert live.timers.due == [], "with the last market the targets end"


async def test_refresh_evaluates_what_moves_with_the_clock_alone(live: Live) -> None:
    await live.register(refresh="PT10M")
    await live.snapshot(1, signals=[{"symbol": "AAA", "direction": 1, "half_life": "PT10M"}])
    sizes = [float((await live.published())["targets"][0]["target_quantity"])]
    for _ in range(2):
        (due,) = live.timers.due
        assert due == pytest.approx(600.0, abs=0.1)
        live.clock.move(seconds=due)
        live.timers.fire()
        sizes.append(float((await live.published())["targets"][0]["target_quantity"]))
    # The signal was made when the snapshot was taken: it halves with each half-life since then.
    request = await live.request((await live.entries("live"))[-1]["evaluation_id"])
    assert request["signals"][0]["as_of"] == request["snapshot_as_of"]
    assert sizes[0] > sizes[1] > sizes[2] > 0


async def test_old_marks_are_stale_as_ever(live: Live) -> None:
    """A price without a time is as old as its snapshot."""
    await live.register(max_snapshot_age="P9D")
    await live.snapshot(1)
    await live.published()
    for day in range(1, 5):
        live.clock.move(days=1)
        await live.observe(["AAA"], end=LAST_CLOSE + timedelta(days=day))
    (row,) = (await live.published())["targets"]
    assert (row["status"], row["reason"]) == ("held", "stale_price")
    assert row["price_used"]["age_seconds"] == pytest.approx(4 * 86_400, abs=1)


async def test_a_snapshot_without_positions_is_a_flat_account(live: Live) -> None:
    await live.snapshot(1)
    await live.published()
    await live.snapshot(2, positions=[], signals=None)
    targets = await live.published()
    assert (targets["snapshot_seq"], targets["targets"], targets["orders"]) == (2, [], [])


async def test_a_reset_of_a_breaker_acts_once(live: Live) -> None:
    policy = {**VOLATILITY_TARGET, "margin": {"floor": 0.3}, "breakers": {"distance": None, "drawdown": None}}
    await live.register(policy=policy)
    short = {"positions": [{"symbol": "AAA", "quantity": "5000", "mark_price": "101"}]}
    reset = {"scope": "account", "actor": "risk desk", "reason": "collateral added"}

    async def breaker() -> tuple[str, str | None]:
        found = (await live.decision((await live.published())["evaluation_id"]))["margin"]["breaker"]
        return found["level"], next((change["cause"] for change in found["transitions"]), None)

    early = await live.http.post(
        "/v1/portfolios/desk/snapshots", json={**SNAPSHOT, "snapshot_seq": 1, "breaker_reset": reset}
    )
    assert (early.status_code, early.json()["errors"][0]["pointer"]) == (422, "/breaker_reset/scope")
    await live.snapshot(1, **short)
    assert (await breaker())[0] == "flatten"
    rich = {**short, "account": {"equity": "9000000", "currency": "USD"}}
    await live.snapshot(2, **rich)
    assert (await breaker())[0] == "flatten", "a latch stays"
    released = await live.snapshot(3, **rich, breaker_reset=reset)
    assert await breaker() == ("close_only", "manual_reset")
    assert (await live.snapshot(3, **rich, breaker_reset=reset))["duplicate"] is True
    assert await breaker() == ("close_only", None), f"acts once: {released}"
    evaluation_id = (await live.published())["evaluation_id"]
    assert "breaker_reset" not in await live.request(evaluation_id)


async def test_a_deleted_portfolio_ends_and_a_new_one_begins(live: Live) -> None:
    await live.snapshot(5)
    await live.published()
    live.answer(await live.http.delete("/v1/portfolios/desk"))
    await live.settle()
    last = await live.container.bus.latest(Channel("local", Kind.TARGETS, "desk"))
    assert last is not None
    assert orjson.loads(last.data)["ended"] is True
    assert (await live.targets()).status_code == 404
    await live.register()
    await live.settle()
    missing = await live.targets()
    assert (missing.status_code, missing.json()["code"]) == (404, "not_evaluated")
    await live.snapshot(1)
    assert (await live.published())["snapshot_seq"] == 1


async def test_a_store_that_is_down_delays_and_loses_nothing(tmp_path: Path) -> None:
    """The write fails in both ways, surely and in doubt; then the newest inputs are evaluated."""
    async with running(tmp_path) as live:
        await live.observe(["AAA"], count=80)
        await live.register()
        real, outcomes = live.container.audit, [Outcome.REJECTED, Outcome.UNKNOWN]

        class Failing:
            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

            async def append(self, record: Any, *, timeout: float) -> Any:
                if record.kind == "live" and outcomes:
                    outcome = outcomes.pop(0)
                    if outcome is Outcome.UNKNOWN:
                        await real.append(record, timeout=timeout)
                    raise AuditUnavailable("the store is away", outcome)
                return await real.append(record, timeout=timeout)

        live.engine._container = dataclasses.replace(live.container, audit=Failing())
        await live.snapshot(1)
        await live.settle()
        assert list(live.failures[-1].items()) == [(("local", "desk"), "the store is away")]
        await live.snapshot(2)
        await live.settle()
        assert live.failures[-1] == {("local", "desk"): "the store is away"}
        live.timers.fire()
        targets = await live.published()
        assert live.failures[-1] == {}
        entries = await live.entries("live")
        assert targets["evaluation_id"] == entries[-1]["evaluation_id"]
        assert targets["snapshot_seq"] == 2
        in_doubt = await live.decision(entries[-2]["evaluation_id"])
        assert (await live.request(targets["evaluation_id"]))["previous"] == in_doubt["state"]


async def test_a_bar_that_is_accepted_ends_the_wait_for_a_store_that_was_down(live: Live) -> None:
    """Pauses between attempts grow to 30 s; that the store of states is back is known as soon as it took a bar."""
    real = live.container.volatility

    class Away:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        async def load(self, keys: Any) -> Any:
            raise StateUnavailable("the store of states is away")

    live.engine._container = dataclasses.replace(live.container, volatility=Away())
    await live.snapshot(1)
    await live.settle()
    assert live.failures[-1] == {("local", "desk"): "the store of states is away"}
    await live.observe(["AAA"], end=LAST_CLOSE + timedelta(seconds=1), interval="PT1S")
    await live.settle()
    assert live.failures[-1], "away as before"
    live.engine._container = live.container
    assert (await live.targets()).status_code == 404
    await live.observe(["AAA"], end=LAST_CLOSE + timedelta(seconds=2), interval="PT1S")
    targets = await live.published()
    assert (targets["snapshot_seq"], live.failures[-1]) == (1, {})


async def test_it_is_the_same_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    await asyncio.to_thread(migrate, postgres_url)
    async with running(tmp_path, postgres_url) as live:
        await live.observe(["AAA"], count=80)
        await live.register()
        for seq in (1, 2):
            await live.snapshot(seq)
            assert (await live.published())["snapshot_seq"] == seq
        first, second = await live.entries("live")
        previous = (await live.request(second["evaluation_id"]))["previous"]
        assert previous == (await live.decision(first["evaluation_id"]))["state"]
        replay = await live.http.post(f"/v1/evaluations/{second['evaluation_id']}:replay")
        assert live.answer(replay)["match"] is True
        live.answer(await live.http.delete("/v1/portfolios/desk"))
        await live.settle()
        last = await live.container.bus.latest(Channel("local", Kind.TARGETS, "desk"))
        assert last is not None
        assert orjson.loads(last.data)["ended"] is True


async def test_what_changed_without_an_entry_is_found(live: Live) -> None:
    """The process died between the store and the log."""
    await live.snapshot(1)
    await live.published()
    stored = await live.container.portfolios.get_snapshot("local", "desk")
    assert stored is not None
    await live.container.portfolios.put_snapshot("local", dataclasses.replace(stored, snapshot_seq=2))
    await live.engine.sweep()
    assert (await live.published())["snapshot_seq"] == 2
    await live.engine.sweep()
    await live.settle()
    assert len(await live.entries("live")) == 2


async def test_of_two_engines_that_both_think_they_lead_one_goes_on_from_the_other(live: Live) -> None:
    """Both continue the same entry: the log keeps the first, and the other begins again from it."""
    await live.snapshot(1)
    first = await live.published()
    other = LiveEngine(live.container, later=Timers().later)
    await other.begin(await live.container.audit.size())
    while other.busy:
        await live.settle()
    second = await live.published()
    assert second["evaluation_id"] != first["evaluation_id"]
    await live.snapshot(2)
    third = await live.published()
    assert [item["evaluation_id"] for item in await live.entries("live")] == [
        item["evaluation_id"] for item in (first, second, third)
    ]
    assert third["snapshot_seq"] == 2
    state = (await live.decision(second["evaluation_id"]))["state"]
    assert (await live.request(third["evaluation_id"]))["previous"] == state
    await other.end()


async def test_the_end_of_a_lease_stops_everything(live: Live) -> None:
    await live.snapshot(1)
    await live.published()
    await live.engine.end()
    await live.snapshot(2)
    await live.settle()
    assert [item["kind"] for item in await live.entries("live")] == ["live"]


async def test_waiting_readers_get_the_next_targets(live: Live) -> None:
    await live.snapshot(1)
    await live.published()
    tag = (await live.targets()).headers["ETag"]
    url = "/v1/portfolios/desk/targets"
    unchanged = await live.http.get(url, params={"wait_seconds": 0}, headers={"If-None-Match": tag})
    assert unchanged.status_code == 304

    async def next_targets() -> httpx.Response:
        return await live.http.get(url, params={"wait_seconds": 20}, headers={"If-None-Match": tag})

    waiting = asyncio.create_task(next_targets())
    await asyncio.sleep(0.15)
    assert not waiting.done()
    await live.snapshot(2)
    await live.settle()
    assert (await waiting).json()["snapshot_seq"] == 2


async def test_a_switch_holds_live_targets_at_once_and_lets_them_go(live: Live) -> None:
    await live.snapshot(1)
    before = await live.published()
    halt = {"mode": "halt", "actor": "desk", "reason": "fat finger"}
    live.answer(await live.http.put("/v1/breakers/global", json=halt))
    await live.settle()
    held = await live.published()
    assert held["evaluation_id"] != before["evaluation_id"]
    (row,) = held["targets"]
    assert (row["status"], row["reason"], held["orders"]) == ("held", "halted", [])
    assert live.answer(await live.http.post(f"/v1/evaluations/{held['evaluation_id']}:replay"))["match"] is True
    normal = {"mode": "normal", "actor": "desk", "reason": "checked"}
    live.answer(await live.http.put("/v1/breakers/global", json=normal, headers={"If-Match": '"1"'}))
    await live.settle()
    assert (await live.published())["targets"][0]["status"] == before["targets"][0]["status"]


@dataclasses.dataclass(slots=True)
class LateSwitches:
    """The operator's switches as a process sees them that did not set them: with a copy, until it is dropped."""

    store: SwitchStore
    copy: Sequence[Switch] | None = None
    staleness_seconds: float = 1.0

    async def read(self, tenant_id: str) -> Sequence[Switch]:
        """The copy, where there is one."""
        return self.copy if self.copy is not None else await self.store.read(tenant_id)


async def test_a_switch_that_is_seen_late_still_holds_live_targets(live: Live) -> None:
    await live.snapshot(1)
    before = await live.published()
    await live.engine.end()
    late = LateSwitches(live.container.switches)
    container = dataclasses.replace(live.container, switches=late)
    live.engine = LiveEngine(container, live.failures.append, live.timers.later)
    await live.engine.begin(await live.container.audit.size())
    await live.settle()
    late.copy = await live.container.switches.read("local")
    halt = {"mode": "halt", "actor": "desk", "reason": "fat finger"}
    live.answer(await live.http.put("/v1/breakers/global", json=halt))
    missed = await live.published()
    assert missed["targets"][0]["status"] == before["targets"][0]["status"], "the copy is the former one"
    assert min(live.timers.due) <= 2.01
    late.copy = None
    live.clock.move(seconds=2.01)
    live.timers.fire()
    (row,) = (await live.published())["targets"]
    assert (row["status"], row["reason"]) == ("held", "halted")
    assert all(seconds > 2.01 for seconds in live.timers.due), "once is enough"


async def test_a_switch_that_runs_out_is_seen_by_live_targets_when_it_does(live: Live) -> None:
    """A dead man's switch: normal until a time, and from then on nothing may grow, though nothing was sent."""
    until = live.clock.now() + timedelta(minutes=10)
    normal = {"mode": "normal", "actor": "desk", "reason": "watched", "expires_at": until.isoformat()}
    live.answer(await live.http.put("/v1/breakers/global", json=normal))
    await live.snapshot(1)
    assert (await live.published())["targets"][0]["permission"] == "any"
    live.clock.move(minutes=10, seconds=1)
    live.timers.fire()
    await live.settle()
    (row,) = (await live.published())["targets"]
    assert (row["permission"], row["reason"]) == ("reduce_only", "reduce_only")
