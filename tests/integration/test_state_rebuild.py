"""States that were lost come back from the audit log, bit for bit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import orjson
import pytest
import redis
from typer.testing import CliRunner

from app.adapters.database import open_database
from app.adapters.memory_volatility import MemoryVolatilityStore
from app.adapters.redis_volatility import open_redis_volatility
from app.cli import application
from app.commands.embedded import embedded_service
from app.container import Container
from app.ports import AuditLog, AuditRecord, EventKind, StateChange, StateKey, VolatilityStore
from app.settings import Settings
from app.usecases.call import Call
from app.usecases.observe_prices import observe_prices
from app.usecases.read_volatility import VolatilityQuery, reset_volatility
from app.usecases.rebuild_states import Found, Progress, rebuild_states
from models.api.observation import DEFAULT_ESTIMATOR
from services.volatility.codec import head_bytes, ring_bytes
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.registry import model_version
from services.volatility.replay_codec import replay_bytes
from tests.support.audit import record
from tests.support.recorder import Recorder
from tests.unit.volatility.markets import END, walk

Bytes = dict[StateKey, tuple[bytes, bytes, bytes]]


class World:
    """A log, a store, and the service between them."""

    def __init__(self, audit: AuditLog, store: VolatilityStore) -> None:
        self.audit, self.store, self.now = audit, store, END - timedelta(days=200)

    async def observe(self, rows: Sequence[dict[str, Any]], *, recorded: bool = True, **more: Any) -> list[str]:
        """Each call comes a day after the one before."""
        self.now += timedelta(days=1)
        box = SimpleNamespace(tenant_id="local", audit=self.audit if recorded else Recorder(), volatility=self.store)
        raw = orjson.dumps({"observations": rows, **more})
        answer = await observe_prices(cast(Container, box), Call(raw, orjson.loads(raw), None, self.now, 5.0))
        outcomes: list[str] = orjson.loads(answer.body)["outcomes"]
        return outcomes

    async def reset(self, symbol: str, **more: Any) -> None:
        box = SimpleNamespace(tenant_id="local", audit=self.audit, volatility=self.store)
        await reset_volatility(cast(Container, box), VolatilityQuery(symbol=symbol, **more), self.now, 5.0)

    async def bytes(self) -> Bytes:
        """Every bit of every state, versions included."""
        keys = [key for key, _ in await self.store.list("local", after=None, limit=100)]
        found: Bytes = {}
        for key, fed in zip(keys, await self.store.load_for_update(keys), strict=True):
            assert fed is not None
            head = head_bytes(fed.state)
            found[key] = (head, ring_bytes(fed.state), replay_bytes(fed.replay, head))
        return found

    async def lose(self) -> None:
        for key, _ in await self.store.list("local", after=None, limit=100):
            await self.store.delete(key)


def points(symbol: str, closes: Sequence[float], *, last: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Daily bars, the newest `last` days before a year before the end."""
    end = END - timedelta(days=365 + last)
    return [
        {
            "symbol": symbol,
            "interval": "P1D",
            "close_time": (end - timedelta(days=len(closes) - 1 - place)).isoformat(),
            "close": close,
            **more,
        }
        for place, close in enumerate(closes)
    ]


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with open_database(f"sqlite:///{tmp_path / 'audit.db'}") as database:
        if request.param == "memory":
            yield World(database.audit, MemoryVolatilityStore())
            return
        async with open_redis_volatility(request.getfixturevalue("redis_url")) as store:
            yield World(database.audit, store)


async def live(world: World) -> None:
    """A history with everything that can happen to a state."""
    closes = walk(1, 300).tolist()
    ranged = [{**row, "open": row["close"], "high": row["close"] * 1.01, "low": row["close"] * 0.99, "source": "a"}
              for row in points("RANGE", closes[:150])]  # fmt: skip
    await world.observe(points("A", closes[:200], last=100) + ranged)
    await world.observe(points("A", closes[200:], last=0)[::-1])
    await world.observe(points("A", closes[:50], venue="x") + points("A", closes[:50], calendar="XNYS", venue="y"))
    await world.observe(points("A", closes[:90]), estimator={"method": "ewma", "half_life": 5.0})
    driven = [{**row, "drivers": {"flow": row["close"]}} for row in points("DRIVEN", closes[:90])]
    await world.observe(driven, estimator={"method": "adaptive", "drivers": ["flow", "funding"]})
    assert await world.observe([{**row, "close": 1.0} for row in points("A", closes[299:])]) == ["conflict"]
    late = points("B", closes[:120])
    await world.observe(late[:60] + late[61:])
    assert await world.observe(late[60:61]) == ["merged"]
    wrong = [{**late[100], "close": late[100]["close"] * 1.1}]
    assert await world.observe(wrong, revise=True) == ["revised"]
    future = (world.now + timedelta(days=1, hours=1)).isoformat()
    assert await world.observe([{**late[0], "symbol": "C", "close_time": future}]) == ["unfinished"]
    await world.observe(points("GONE", closes[:30]) + points("AGAIN", closes[:30]))
    await world.reset("GONE")
    await world.reset("AGAIN")
    await world.observe(points("AGAIN", closes[:40]))
    await world.observe(points("A", closes[-1:]) * 3)


async def test_lost_states_come_back_bit_for_bit(world: World) -> None:
    await live(world)
    before = await world.bytes()
    assert len(before) == 8
    await world.lose()
    assert await world.bytes() == {}
    found = await rebuild_states(world.audit, world.store, tenants=["local"])
    assert await world.bytes() == before
    assert {row.found for row in found.states} == {Found.MISSING}
    assert all(row.written for row in found.states)
    assert found.unreadable == {}
    again = await rebuild_states(world.audit, world.store, tenants=["local"], force=True)
    assert {(row.found, row.written) for row in again.states} == {(Found.SAME, False)}
    assert await world.bytes() == before


async def test_a_dry_run_writes_nothing_and_symbols_are_picked(world: World) -> None:
    await live(world)
    before = await world.bytes()
    await world.lose()
    found = await rebuild_states(world.audit, world.store, tenants=["local"], symbols=["A"], dry_run=True)
    assert {(row.key.symbol, row.found, row.written) for row in found.states} == {("A", Found.MISSING, False)}
    assert await world.bytes() == {}
    await rebuild_states(world.audit, world.store, tenants=["local"], symbols=["A"])
    assert await world.bytes() == {key: parts for key, parts in before.items() if key.symbol == "A"}


async def test_a_state_that_began_anew_after_the_loss_is_joined_with_its_past(world: World) -> None:
    """Feeders go on while nobody has noticed; the newest bar is not even in the log yet."""
    closes = walk(2, 150).tolist()
    await world.observe(points("A", closes[:140], last=10))
    await world.lose()
    await world.observe(points("A", closes[140:148], last=2))
    await world.observe(points("A", closes[148:]), recorded=False)
    (row,) = (await rebuild_states(world.audit, world.store, tenants=["local"])).states
    assert (row.found, row.written) == (Found.SHORTER, True)
    ((key, joined),) = (await world.bytes()).items()
    straight = World(cast(AuditLog, Recorder()), MemoryVolatilityStore())
    await straight.observe(points("A", closes))
    ((_, expected),) = (await straight.bytes()).items()
    versions = slice(4, 12)
    assert joined[1] == expected[1]
    assert joined[0][: versions.start] + joined[0][versions.stop :] == (
        expected[0][: versions.start] + expected[0][versions.stop :]
    )
    (fed,) = await world.store.load([key])
    assert fed is not None
    assert fed.version == 3


async def test_a_state_that_differs_is_replaced_only_by_force(world: World) -> None:
    await world.observe(points("A", walk(3, 100).tolist()))
    before = await world.bytes()
    (key,) = before
    (fed,) = await world.store.load_for_update([key])
    assert fed is not None
    other = replace(fed.state, long_run=1.0, version=fed.state.version + 1)
    assert await world.store.compare_and_set([StateChange(key, fed.state.version, other, fed.replay)]) == [True]
    (row,) = (await rebuild_states(world.audit, world.store, tenants=["local"])).states
    assert (row.found, row.written) == (Found.DIFFERENT, False)
    (row,) = (await rebuild_states(world.audit, world.store, tenants=["local"], force=True)).states
    assert (row.found, row.written) == (Found.DIFFERENT, True)
    (mended,) = await world.store.load([key])
    assert mended is not None
    assert head_bytes(replace(mended, version=fed.state.version)) == before[key][0]
    assert mended.version == other.version + 1


async def test_what_cannot_be_read_is_named_and_the_rest_counts(world: World) -> None:
    await world.observe(points("A", walk(4, 60).tolist()))
    for request in (b"[", b'{"observations": []}', b"reset?symbol=A"):
        await world.audit.append(record(kind=EventKind.OBSERVATION, request=request), timeout=5.0)
    await world.observe(points("B", walk(5, 60).tolist()))
    before = await world.bytes()
    await world.lose()
    found = await rebuild_states(world.audit, world.store, tenants=["local"])
    assert await world.bytes() == before
    assert sorted(found.unreadable) == [1, 2, 3]
    assert (found.entries, found.points) == (5, 120)


async def test_the_loser_of_a_race_that_was_recorded_first_stays_the_loser(world: World) -> None:
    """States change before the record is written: two callers may be recorded in the other order."""
    closes = walk(6, 50).tolist()
    await world.observe(points("A", closes))
    before = await world.bytes()
    request = orjson.dumps({"observations": points("A", [closes[-1] * 1.1])})
    loser = record(kind=EventKind.OBSERVATION, recorded_at=world.now, request=request, response=CONFLICT)
    await world.lose()
    await rebuild_states(cast(AuditLog, Preceded(world.audit, loser)), world.store, tenants=["local"])
    assert await world.bytes() == before


CONFLICT = b'{"outcomes":["conflict"]}'


class Preceded:
    """A log with one more entry at its beginning."""

    def __init__(self, audit: AuditLog, first: AuditRecord) -> None:
        self.audit, self.first = audit, first

    async def size(self) -> int:
        return await self.audit.size() + 1

    async def entries(self, tenant_id: str, *, after: int, limit: int, kind: EventKind) -> list[Any]:
        rest = await self.audit.entries(tenant_id, after=after - 1, limit=limit, kind=kind)
        first = [SimpleNamespace(index=0, event_id="first", body_length=1)] if after < 0 else []
        return first + [
            SimpleNamespace(index=row.index + 1, event_id=row.event_id, body_length=row.body_length) for row in rest
        ]

    async def get(self, tenant_id: str, event_id: str) -> Any:
        return self.first if event_id == "first" else await self.audit.get(tenant_id, event_id)


async def test_bars_whose_first_record_was_lost_are_in_the_repeated_one(world: World) -> None:
    """The log failed after the states had changed; the client repeats the call, as it was told to."""
    rows = points("A", walk(13, 300).tolist())
    await world.observe(rows, recorded=False)
    assert set(await world.observe(rows)) == {"duplicate", "out_of_order"}
    before = await world.bytes()
    await world.lose()
    (row,) = (await rebuild_states(world.audit, world.store, tenants=["local"])).states
    assert row.written
    assert await world.bytes() == before


async def test_a_damaged_state_is_replaced(redis_url: str, tmp_path: Path) -> None:
    client = redis.Redis.from_url(redis_url)
    async with open_database(f"sqlite:///{tmp_path / 'audit.db'}") as database:
        async with open_redis_volatility(redis_url) as store:
            world = World(database.audit, store)
            await world.observe(points("A", walk(7, 60).tolist()) + points("B", walk(8, 60).tolist()))
            before = await world.bytes()
        for name in cast("list[bytes]", client.keys("*:A:*:ring")):
            client.delete(name)
        async with open_redis_volatility(redis_url) as store:
            dry = await rebuild_states(database.audit, store, tenants=["local"], dry_run=True)
            assert [row.found for row in dry.states] == [Found.DAMAGED, Found.SAME]
            found = await rebuild_states(database.audit, store, tenants=["local"])
            assert [(row.found, row.written) for row in found.states] == [(Found.DAMAGED, True), (Found.SAME, False)]
            assert await World(database.audit, store).bytes() == before
    client.close()


async def test_a_state_that_changes_meanwhile_is_compared_again(world: World) -> None:
    closes = walk(9, 80).tolist()
    await world.observe(points("A", closes[:70], last=10))
    await world.lose()
    await world.observe(points("A", closes[70:75], last=5))

    class Busy:
        """Another writer adds bars between reading and writing, once."""

        done = False

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

        async def compare_and_set(self, changes: Sequence[StateChange]) -> list[bool]:
            if not self.done:
                self.done = True
                await world.observe(points("A", closes[75:]))
            return await world.store.compare_and_set(changes)

    (row,) = (await rebuild_states(world.audit, cast(VolatilityStore, Busy()), tenants=["local"])).states
    assert (row.found, row.written) == (Found.SHORTER, True)
    (state,) = await world.store.load([row.key])
    assert state is not None
    assert state.observations == 79


def run(*arguments: str, environment: dict[str, str | None]) -> tuple[int, Any]:
    result = CliRunner().invoke(application, ["state", "rebuild", *arguments, "--json"], env=environment)
    return result.exit_code, orjson.loads(result.stdout_bytes)


def test_the_command_rebuilds_a_flushed_store(redis_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, redis_url=redis_url, log_level="WARNING", request_timeout_seconds=30.0)
    with embedded_service(settings) as base, httpx.Client(base_url=base) as http:
        assert http.post("/v1/observations", json={"observations": points("A", walk(10, 60).tolist())}).is_success
        before = http.get("/v1/volatility", params={"symbol": "A"}).json()
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    environment: dict[str, str | None] = {"TRIMTAB_DATA_DIR": str(tmp_path), "REDIS_URL": redis_url}
    code, found = run("--dry-run", environment=environment)
    assert (code, found["dry_run"], found["written"], found["points"]) == (0, True, 0, 60)
    assert client.dbsize() == 0
    code, found = run(environment=environment)
    assert (code, found["written"]) == (0, 1)
    assert [(row["symbol"], row["found"], row["written"]) for row in found["states"]] == [("A", "missing", True)]
    with embedded_service(settings) as base, httpx.Client(base_url=base) as http:
        assert http.get("/v1/volatility", params={"symbol": "A"}).json() == before
    shown = CliRunner().invoke(application, ["state", "rebuild"], env=environment)
    assert "was the same already" in " ".join(shown.stdout.split())
    client.close()


def test_the_command_needs_a_shared_store(tmp_path: Path) -> None:
    code, problem = run(environment={"TRIMTAB_DATA_DIR": str(tmp_path), "REDIS_URL": None})
    assert code == 2
    assert "REDIS_URL" in problem["remedy"]


def test_a_service_without_a_shared_store_rebuilds_its_states_when_it_starts(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, log_level="WARNING", request_timeout_seconds=30.0)
    with embedded_service(settings) as base, httpx.Client(base_url=base) as http:
        rows = points("A", walk(11, 60).tolist()) + points("B", walk(12, 60).tolist(), venue="x")
        assert http.post("/v1/observations", json={"observations": rows}).is_success
        before = http.get("/v1/volatility").json()
        assert len(before["items"]) == 2
    with embedded_service(settings) as base, httpx.Client(base_url=base) as http:
        assert http.get("/v1/volatility").json() == before


@pytest.mark.parametrize(
    ("versions", "model"),
    [
        (b'{"defaults":1}', "ewma.1-20.0"),
        (b'{"defaults":2}', model_version(Adaptive())),
        (b"{}", model_version(DEFAULT_ESTIMATOR)),
    ],
)
async def test_a_request_without_an_estimator_means_the_default_of_its_time(
    world: World, versions: bytes, model: str
) -> None:
    request = orjson.dumps({"observations": points("A", walk(2, 40).tolist())})
    response = orjson.dumps({"outcomes": ["accepted"] * 40})
    fields = {"kind": EventKind.OBSERVATION, "recorded_at": END, "request": request, "response": response}
    await world.audit.append(record(**fields, versions=versions), timeout=5.0)
    (row,) = (await rebuild_states(world.audit, world.store, tenants=["local"])).states
    assert (row.key.model_version, row.fed.state.observations) == (model, 39)


async def test_an_estimator_that_was_named_stays_so_and_unknown_defaults_are_unreadable(world: World) -> None:
    rows = {"observations": points("A", walk(2, 40).tolist())}
    response = orjson.dumps({"outcomes": ["accepted"] * 40})
    fields = {"kind": EventKind.OBSERVATION, "recorded_at": END, "response": response}
    named = orjson.dumps({**rows, "estimator": {"method": "adaptive"}})
    await world.audit.append(record(**fields, request=named, versions=b'{"defaults":1}'), timeout=5.0)
    await world.audit.append(record(**fields, request=orjson.dumps(rows), versions=b'{"defaults":99}'), timeout=5.0)
    found = await rebuild_states(world.audit, world.store, tenants=["local"])
    assert [row.key.model_version for row in found.states] == [model_version(Adaptive())]
    assert found.unreadable == {1: "defaults_version must be one of 1, 2, 3, found 99"}


async def test_progress_counts_bars_and_ends_at_the_end(world: World) -> None:
    for seed, bars in ((1, 30), (2, 1), (3, 200)):
        await world.observe(points(f"S{seed}", walk(seed, bars).tolist()))
    told: list[Progress] = []
    await rebuild_states(world.audit, world.store, tenants=["local"], advance=told.append)
    assert [(step.entries, step.bars) for step in told] == [(0, 0), (1, 30), (2, 31), (3, 231)]
    assert told[0].bytes == 0
    assert told[-1].bytes == told[-1].total_bytes == told[0].total_bytes > 20_000
    assert told[-1].expected_seconds == 0.0
    shares = [step.bytes / step.total_bytes for step in told]
    assert shares[2] - shares[1] < 0.05 < shares[1] < shares[3] / 4
