"""Our server plays every conformance script, and the runner sees what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.stream_conformance.runner import Nonconformity, Player, names
from tests.support.keys import make_key
from tests.support.stream import served


async def test_every_script(tmp_path: Path) -> None:
    failed = []
    async with served(tmp_path) as service:
        for name in names():
            try:
                await Player(service.url).play(name)
            except Nonconformity as error:
                failed.append(str(error))
    assert failed == []
    assert len(names()) >= 29


async def test_every_script_for_a_service_that_asks_for_keys(tmp_path: Path) -> None:
    failed = []
    async with served(tmp_path, require_keys=True) as service:
        key = (await make_key(service.app.state.container, scopes=["read"]))["key"]
        for name in names(keyed=True):
            try:
                await Player(service.url, key).play(name)
            except Nonconformity as error:
                failed.append(str(error))
    assert failed == []
    assert len(names(keyed=True)) >= 7


FAULTS = [
    ({"a": 1}, {}, "/a is absent"),
    ({"a": 1}, {"a": True}, "/a is True"),
    ({"a": "$absent"}, {"a": 1}, "/a is there"),
    ({"a": [1]}, {"a": [1, 2]}, "no list of 1"),
    ({"a": "$time"}, {"a": "yesterdayZ"}, "Invalid isoformat"),
    ({"a": "$integer"}, {"a": False}, "no \\$integer"),
    ({"a": "$bind:x", "b": "$bind:x"}, {"a": 1, "b": 2}, "/b is no"),
]


@pytest.mark.parametrize(("pattern", "frame", "text"), FAULTS)
def test_the_runner_sees_a_fault(pattern: dict[str, object], frame: dict[str, object], text: str) -> None:
    with pytest.raises((Nonconformity, ValueError), match=text):
        Player("ws://nowhere")._check(pattern, frame)
