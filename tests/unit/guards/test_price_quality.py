"""What an aggregate means for a position."""

from __future__ import annotations

import pytest

from services.core.errors import InvalidInput
from services.core.outcome import Permission
from services.guards.aggregate import aggregate
from services.guards.observation import OracleState
from services.guards.outcome import OracleReason
from services.guards.policy import OraclePolicy
from services.guards.price_quality import judge_price
from tests.support.oracles import NOW, ago, said, several

GOOD = aggregate([*several(100.0, 100.0), said("x", 100.0, confidence=0.75)], OraclePolicy(), NOW)


def test_longs_are_valued_low_and_shorts_high() -> None:
    found = judge_price(GOOD, 100.0)
    assert (found.long_price, found.short_price, found.permission) == (99.25, 100.75, Permission.ANY)
    assert (found.multiplier, found.reason) == (pytest.approx(0.5), OracleReason.CONFIDENCE)
    assert judge_price(GOOD, 98.0).long_price == 98.0
    assert judge_price(GOOD, 102.0).short_price == 102.0


@pytest.mark.parametrize("mark", [94.9, 105.1])
def test_a_mark_far_from_the_aggregate_is_not_used_and_blocks(mark: float) -> None:
    found = judge_price(GOOD, mark)
    assert (found.long_price, found.short_price) == (99.25, 100.75)
    assert (found.multiplier, found.permission) == (0.0, Permission.REDUCE_ONLY)
    assert found.reason is OracleReason.MARK_DISAGREES
    assert judge_price(GOOD, mark, OraclePolicy(max_mark_gap=0.1)).permission is Permission.ANY


def test_without_a_price_the_position_may_only_be_reduced() -> None:
    found = judge_price(aggregate([], OraclePolicy(), NOW), 100.0)
    assert (found.long_price, found.short_price, found.multiplier) == (100.0, 100.0, 0.0)
    assert (found.permission, found.reason) == (Permission.REDUCE_ONLY, OracleReason.NO_QUORUM)


def test_a_price_that_stands_in_values_and_blocks() -> None:
    fallback = aggregate([], OraclePolicy(), NOW, OracleState(100.0, 1.0, ago(60.0)))
    found = judge_price(fallback, 100.0)
    assert (found.long_price, found.short_price, found.multiplier) == (99.0, 101.0, 0.0)
    assert judge_price(fallback, 200.0).reason is OracleReason.NO_QUORUM, "the graver reason is told"


def test_no_oracle_is_no_restriction_unless_one_is_required() -> None:
    free, required = judge_price(None, 100.0), judge_price(None, 100.0, required=True)
    assert (free.multiplier, free.permission, free.reason) == (1.0, Permission.ANY, OracleReason.NONE)
    assert (required.multiplier, required.permission) == (0.0, Permission.REDUCE_ONLY)


@pytest.mark.parametrize("mark", [0.0, -1.0, float("nan"), float("inf")])
def test_a_mark_that_is_none_is_an_error(mark: float) -> None:
    with pytest.raises(InvalidInput, match="mark"):
        judge_price(None, mark)
