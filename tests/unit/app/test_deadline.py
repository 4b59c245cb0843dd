"""The caller's time: shared by all that a request does, and the end of what nobody waits for any more."""

from __future__ import annotations

import asyncio
import threading

import pytest

from app.deadline import DeadlinePassed, at_most, begin, in_thread, left_behind, lift, request_time
from app.turnstile import Full, Turnstile

PATIENCE = 30.0
LONG, SHORT, NONE = 3_600.0, 1.0, 0.0


def test_what_has_no_caller_has_no_deadline() -> None:
    begin(NONE)
    assert at_most(LONG) == LONG


def test_a_caller_who_says_nothing_has_none() -> None:
    with request_time():
        assert at_most(LONG) == LONG


def test_the_shorter_time_counts() -> None:
    with request_time():
        begin(LONG)
        assert at_most(1.0) == 1.0
        assert LONG - PATIENCE < at_most(2 * LONG) <= LONG


def test_nothing_is_left() -> None:
    with request_time():
        begin(NONE)
        with pytest.raises(DeadlinePassed):
            at_most(1.0)


def test_a_deadline_is_that_of_its_request() -> None:
    with request_time():
        begin(NONE)
    assert at_most(LONG) == LONG
    with request_time():
        assert at_most(LONG) == LONG


def test_a_durable_record_ends_it() -> None:
    with request_time():
        begin(NONE)
        lift()
        assert at_most(LONG) == LONG


async def test_a_result_in_time_is_given() -> None:
    assert await in_thread(max, 1, 2) == 2
    with request_time():
        begin(PATIENCE)
        assert await in_thread(sorted, [2, 1], reverse=True) == [2, 1]
        assert left_behind() == []


async def test_its_errors_are_those_of_the_work() -> None:
    with request_time():
        begin(PATIENCE)
        with pytest.raises(ZeroDivisionError):
            await in_thread(divmod, 1, 0)


async def test_a_computation_is_not_waited_for_beyond_it() -> None:
    end = threading.Event()
    with request_time():
        begin(SHORT)
        with pytest.raises(DeadlinePassed):
            await in_thread(end.wait, PATIENCE)
        (running,) = left_behind()
        end.set()
        assert await running is True
        assert left_behind() == []


async def test_a_computation_that_has_not_begun_never_does() -> None:
    done: list[int] = []
    with request_time():
        begin(NONE)
        with pytest.raises(DeadlinePassed):
            await in_thread(done.append, 1)
    assert done == []


async def test_what_is_left_behind_keeps_its_place_until_it_ends() -> None:
    turnstile, end = Turnstile(), threading.Event()
    with request_time():
        begin(SHORT)
        with pytest.raises(DeadlinePassed), turnstile.inside("computing", "key", 1, left_behind):
            await in_thread(end.wait, PATIENCE)
        (running,) = left_behind()
        with pytest.raises(Full), turnstile.inside("computing", "key", 1):
            pass
        end.set()
        await running
        await asyncio.sleep(0)
        assert turnstile.count("computing", "key") == 0
