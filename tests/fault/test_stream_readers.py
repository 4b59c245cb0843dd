"""Slow, deaf and fast readers of one loud channel (R10): each is told the truth at its own pace."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import psutil
from websockets.exceptions import ConnectionClosed

from services.streaming.delivery import DeliveryRules
from tests.fault.harness import Row, sizes
from tests.support.stream import TARGETS, Served, Talk, served

RATE = 100.0
"""States a second."""
SLOW_PERIOD = 0.05
"""Pause of a slow reader after every push [s]."""
WINDOW = 8


async def follow(talk: Talk, pause: float, published: list[float]) -> tuple[list[float], list[int]]:
    """Read until the last state, acknowledging every second push: age of every state when read, and its seq."""
    ages, seqs, pushes = [], list[int](), 0
    await talk.ask(op="subscribe", ch="targets:pf_main")
    while True:
        push = await talk.push(20.0)
        pushes += 1
        ages.append(time.monotonic() - published[push["data"]["version"] - 1])
        assert not seqs or push["prev"] == seqs[-1]
        seqs.append(push["seq"])
        if "filling" not in push["data"]:
            return ages, seqs
        if pushes % 2 == 0:
            await talk.send(op="ack", n=pushes)
        if pause:
            await asyncio.sleep(pause)


async def stay_deaf(talk: Talk) -> int | None:
    """Subscribe and read nothing more, until cut."""
    await talk.ask(op="subscribe", ch="targets:pf_main")
    await talk.socket.wait_closed()
    return talk.socket.close_code


async def publish(service: Served, count: int, published: list[float]) -> None:
    """Publish at a rate; the last state is known by having no filling."""
    begun = time.monotonic()
    for number in range(1, count + 1):
        await asyncio.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        published.append(time.monotonic())
        await service.publish(TARGETS, number, size=2000 if number < count else 0)


async def play(folder: Path, seconds: float, fast: int, slow: int, deaf: int) -> str:
    """Readers of all kinds on one channel."""
    rules = DeliveryRules(window=WINDOW, stall_seconds=max(seconds / 2.0, 6.0))
    count, published = int(seconds * RATE), list[float]()
    async with served(folder, delivery=rules) as service:
        before = psutil.Process().memory_info().rss
        contexts = [service.talk() for _ in range(fast + slow + deaf)]
        talks = [await context.__aenter__() for context in contexts]
        reading = [asyncio.create_task(follow(talk, 0.0, published)) for talk in talks[:fast]]
        lagging = [asyncio.create_task(follow(talk, SLOW_PERIOD, published)) for talk in talks[fast : fast + slow]]
        ignoring = [asyncio.create_task(stay_deaf(talk)) for talk in talks[fast + slow :]]
        while len(service.hub._streams) == 0 or len(service.hub._streams[TARGETS].readers) < len(talks):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await publish(service, count, published)
        quick, late = await asyncio.gather(*reading), await asyncio.gather(*lagging)
        codes = await asyncio.wait_for(asyncio.gather(*ignoring), 30.0)
        grown = (psutil.Process().memory_info().rss - before) / 1e6
        worst = max(age for ages, _ in late for age in ages)
        usual = sorted(age for ages, _ in quick for age in ages)
        said = (
            f"fast p50 {usual[len(usual) // 2] * 1e3:.1f} ms, p99 {usual[int(len(usual) * 0.99)] * 1e3:.1f} ms; "
            f"slow: worst {worst:.2f} s, read {len(late[0][1])} of {count}; grown {grown:.1f} MB"
        )
        assert set(codes) == {4400}
        for _, seqs in quick:
            assert seqs[-1] == count and len(seqs) > 2 * len(late[0][1]), "a fast reader is not held up by slow ones"
        for _, seqs in late:
            assert seqs[-1] == count and len(seqs) < count, "a slow one skips, and ends with the newest"
        for context in contexts:
            try:
                await context.__aexit__(None, None, None)
            except ConnectionClosed:
                continue
    return said


@sizes((60, 10, 100, 20), (3, 2, 3, 2))
async def test_readers_of_all_kinds(tmp_path: Path, size: tuple[int, ...], fault_table: Row) -> None:
    seconds, fast, slow, deaf = size
    said = await play(tmp_path, seconds, fast, slow, deaf)
    fault_table(
        "R10",
        f"slow readers in one process with the service, {seconds} s",
        load=f"{fast} fast, {slow} slow, {deaf} deaf; {RATE:.0f} states of 2 kB a second",
        lost="0 (absolute states; slow readers skip)",
        besides=f"{said}; deaf closed with 4400",
    )
