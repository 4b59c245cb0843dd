"""Every hostile body against a real server: the right refusal, a small answer, no defect, a loop that keeps turning."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app.settings import Settings
from tests.contract.hostile.corpus import Case, corpus
from tests.support.sockets import Listening, listening, raw_request

MAX_ANSWER_BYTES = 8192
MAX_STALL_SECONDS = 0.050
TRIES = 8
CASES = corpus()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Listening]:
    """The service on a socket, with its embedded stores."""
    async with listening(Settings(port=0, data_dir=tmp_path_factory.mktemp("hostile"))) as here:
        yield here


def request_of(case: Case) -> bytes:
    """The case on the wire."""
    return raw_request(case.method, case.path, case.body, case.headers)


async def least_stall(service: Listening, case: Case) -> float:
    """Longest stall while a case is served; of the tries the best, because a busy machine only ever adds."""
    stalls: list[float] = []
    while len(stalls) < TRIES and min(stalls, default=math.inf) >= MAX_STALL_SECONDS:
        await asyncio.sleep(0.002)
        service.stall = 0.0
        await service.send(request_of(case))
        stalls.append(service.stall)
    return min(stalls)


def test_the_corpus_is_large_enough_and_its_names_are_unique() -> None:
    assert len(CASES) >= 80
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_hostile_body(service: Listening, case: Case) -> None:
    status, fields, body = await service.send(request_of(case))
    assert status in case.statuses, body[:400]
    stall = await least_stall(service, case)
    assert stall < MAX_STALL_SECONDS, f"the loop stood still for {stall * 1000:.0f} ms of processor time"
    answer = json.loads(body, parse_constant=pytest.fail)
    if status == 200:
        assert_finite(answer)
        return
    assert fields["content-type"] == "application/problem+json"
    assert len(body) < MAX_ANSWER_BYTES
    assert answer["status"] == status
    assert answer["outcome"] == "rejected"
    assert answer["error_count"] >= len(answer["errors"])
    assert all(len(rule["detail"]) <= 400 for rule in answer["errors"])


def assert_finite(value: Any) -> None:
    """No number of an answer is infinite."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            assert_finite(item)
    elif isinstance(value, float):
        assert math.isfinite(value)
