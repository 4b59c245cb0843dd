"""The clock of the machine jumps, and those of clients are wrong (R15): what must not go back does not, and only true
times expire anything."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from app.adapters.system_clock import LONGEST_STAND, SystemClock
from services.streaming.session import SessionRules
from tests.fault.harness import Row, sizes
from tests.support.bodies import smallest
from tests.support.stream import TARGETS, Served, Talk, served

JUMPS = (5.0, -5.0, -5.0, 5.0)
"""Seconds by which the machine's clock is set, one after the other."""


@dataclasses.dataclass(slots=True)
class Machine:
    """The time of a machine, which somebody sets."""

    offset: float = 0.0

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.offset)


def set_clock(service: Served, machine: Machine) -> None:
    """Let a service that runs take its time from a machine."""
    clock = SystemClock(machine)
    service.app.state.container = dataclasses.replace(service.app.state.container, clock=clock)
    service.hub.clock = clock


async def heartbeats(talk: Talk, count: int) -> None:
    """Read heartbeats; nothing else may come."""
    for _ in range(count):
        await talk.next("hb", 30.0)
    assert [frame["type"] for frame in talk.kept if frame["type"] != "update"] == [], talk.kept


@sizes((20,), (2,))
async def test_the_clock_of_the_machine_jumps(tmp_path: Path, size: tuple[int, ...], fault_table: Row) -> None:
    (rounds,) = size
    machine, answers = Machine(), 0
    async with served(tmp_path, session=SessionRules(heartbeat_seconds=0.1)) as service:
        set_clock(service, machine)
        async with (
            service.talk() as talk,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", trust_env=False, timeout=30.0) as http,
        ):
            await talk.ask(op="subscribe", ch="targets:pf_main")
            await service.publish(TARGETS, 1, valid_for=3_600.0)
            computed: list[str] = []
            for turn in range(rounds):
                machine.offset += JUMPS[turn % len(JUMPS)]
                await heartbeats(talk, 2)
                answer = await http.post("/v1/evaluations", json=smallest() | {"portfolio_id": "desk"})
                assert answer.status_code == 200, answer.text
                computed.append(answer.json()["computed_at"])
                answers += 1
            assert talk.socket.close_code is None
    assert computed == sorted(computed), "the decisions of a portfolio are in the order of their times"
    fault_table(
        "R15",
        f"clock of the machine set by ± 5 s, {rounds} times",
        load="1 WS, one evaluation after each",
        acked=answers,
        stored=answers,
        recovery="–",
        besides="heartbeats go on, no connection and no state ends, computed_at never goes back",
    )


@pytest.mark.parametrize(("skew", "status"), [(-120.0, 200), (-2.0, 200), (2.0, 200), (120.0, 422)])
async def test_the_clock_of_a_client_is_wrong(tmp_path: Path, skew: float, status: int) -> None:
    """A time ahead of ours beyond what clocks differ by is refused with the service's own; an old one is only old."""
    body = smallest(as_of=datetime.now(UTC) + timedelta(seconds=skew))
    async with served(tmp_path) as service:
        url = f"http://127.0.0.1:{service.port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30.0) as http:
            answer = await http.post("/v1/evaluations", json=body)
    assert answer.status_code == status, answer.text
    if status != 200:
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/as_of"
        assert "server_time" in answer.json()


def test_a_clock_stands_still_until_it_is_reached_again() -> None:
    at = [datetime(2026, 11, 20, 12, tzinfo=UTC)]
    clock = SystemClock(lambda: at[0])
    seen = [clock.now()]
    for seconds in (1.0, -5.0, 2.0, 2.0, 2.0):
        at[0] += timedelta(seconds=seconds)
        seen.append(clock.now())
    assert [(moment - seen[0]).total_seconds() for moment in seen] == [0.0, 1.0, 1.0, 1.0, 1.0, 2.0]


def test_a_clock_that_is_set_far_back_is_believed() -> None:
    """It may have been wrong before: standing still for hours would be worse."""
    at = [datetime(2026, 11, 20, 12, tzinfo=UTC)]
    clock = SystemClock(lambda: at[0])
    clock.now()
    at[0] -= LONGEST_STAND + timedelta(seconds=1)
    assert clock.now() == at[0]
