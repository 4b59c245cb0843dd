"""The bucket against exact fractions; the script of the server against the bucket, step by step."""

from __future__ import annotations

import asyncio
from fractions import Fraction

from fakeredis import FakeAsyncRedis
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.memory_doors import MemoryDoors
from app.adapters.redis_doors import RedisDoors
from app.token_bucket import BILLIONTHS, Bucket, RatePlan, take

plans = st.builds(RatePlan, st.integers(1, 10**9), st.integers(1, 10**6))
steps = st.lists(st.tuples(st.integers(-(10**6), 10**12), st.integers(0, 10**6)), min_size=1, max_size=30)


class Reference:
    """A bucket of exact fractions, in units and seconds."""

    def __init__(self, plan: RatePlan) -> None:
        self.rate, self.burst = Fraction(plan.milliunits_per_second, 1000), Fraction(plan.burst)
        self.level, self.at = self.burst, None

    def take(self, cost: int, now: Fraction) -> bool:
        if self.at is not None:
            self.level = min(self.burst, self.level + max(now - self.at, 0) * self.rate)
        self.at = now
        if self.level < min(cost, self.burst):
            return False
        self.level -= cost
        return True


@given(plans, steps)
def test_every_step_is_that_of_exact_fractions(plan: RatePlan, moves: list[tuple[int, int]]) -> None:
    reference, bucket, now = Reference(plan), None, 10**15
    for passed, cost in moves:
        now += passed
        expected = reference.take(cost, Fraction(now, 10**6))
        bucket, taken = take(bucket, plan, cost, now)
        assert (taken.allowed, Fraction(taken.level, BILLIONTHS)) == (expected, reference.level)


@given(plans, steps)
def test_no_stretch_of_time_lets_more_through_than_rate_and_burst(plan: RatePlan, moves: list[tuple[int, int]]) -> None:
    bucket, now, passed_at = None, 0, []
    for passed, cost in moves:
        now += abs(passed)
        cost = min(cost, plan.burst)
        bucket, taken = take(bucket, plan, cost, now)
        passed_at.append((now, cost if taken.allowed else 0))
    for first, (begin, _) in enumerate(passed_at):
        for last in range(first, len(passed_at)):
            spent = sum(cost for _, cost in passed_at[first : last + 1])
            seconds = Fraction(passed_at[last][0] - begin, 10**6)
            assert spent <= plan.burst + seconds * Fraction(plan.milliunits_per_second, 1000)


@given(plans, st.integers(-(10**15), 10**15), st.integers(1, 10**6))
def test_the_time_that_is_told_is_the_first_at_which_it_passes(plan: RatePlan, level: int, cost: int) -> None:
    level = min(level, plan.burst * BILLIONTHS)
    _, taken = take(Bucket(level, 0), plan, cost, 0)
    wait = round(taken.seconds_until(cost, plan) * 10**6)
    if not taken.allowed and wait < 2**50:  # beyond, seconds in a double are no longer exact
        assert take(Bucket(level, 0), plan, cost, wait)[1].allowed
        assert not take(Bucket(level, 0), plan, cost, wait - 1)[1].allowed


@settings(max_examples=40)
@given(plans, steps)
def test_the_script_takes_the_same_steps(plan: RatePlan, moves: list[tuple[int, int]]) -> None:
    async def compare() -> None:
        async with FakeAsyncRedis() as server:
            remote, local, now = RedisDoors(server), MemoryDoors(0), 1_790_000_000_000_000
            for passed, cost in moves:
                now += passed
                assert await remote.take_at("c", plan, cost, now) == local.take_at("c", plan, cost, now)

    asyncio.run(compare())


@given(plans, st.integers(1, 64))
def test_shares_let_no_more_through_than_the_whole(plan: RatePlan, processes: int) -> None:
    share = plan.share(processes)
    if processes <= min(plan.burst, plan.milliunits_per_second):
        assert share.burst * processes <= plan.burst
        assert share.milliunits_per_second * processes <= plan.milliunits_per_second
