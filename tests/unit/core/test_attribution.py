"""Shares of a change: by hand, by symmetry, and exact whatever the chains."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.attribution import START, Attribution, ExplainedStage, Unsplit, attribute

Link = tuple[str, str, float]
"""Stage, what it does (`set`, `times`, `plus`), and by how much."""


def chain(*links: Link, start: float = 0.0) -> list[ExplainedStage]:
    """Stages of an explanation, as a pipeline would record them."""
    value, stages = start, []
    for stage, verb, amount in links:
        after = {"set": amount, "times": value * amount, "plus": value + amount}[verb]
        stages.append(ExplainedStage(stage, f"policy.{stage}", value, after, verb != "plus"))
        value = after
    return stages


def contributions(found: Attribution) -> dict[str, float | None]:
    return {share.key.stage: share.contribution for share in found.shares}


def test_by_hand_a_product_of_three_factors() -> None:
    """8 = 10 × 0.8 × 1 becomes 9 = 12 × 0.5 × 1.5; L(8, 9) = 1 / ln(9/8) = 1 / 0.117783036."""
    before = chain(("equity", "set", 10.0), ("volatility", "times", 0.8))
    after = chain(("equity", "set", 12.0), ("volatility", "times", 0.5), ("diversification", "times", 1.5))
    found = attribute(before, after)
    mean = 1.0 / math.log(9.0 / 8.0)
    assert mean == pytest.approx(8.49018702)
    assert (found.before, found.after, found.unsplit) == (8.0, 9.0, None)
    assert contributions(found) == pytest.approx(
        {"equity": mean * math.log(1.2), "volatility": mean * math.log(0.625), "diversification": mean * math.log(1.5)}
    )
    (equity, _, diversification) = found.shares
    assert (equity.factor_before, equity.factor_after, equity.log_change) == (10.0, 12.0, math.log(1.2))
    assert (diversification.factor_before, diversification.value_before) == (1.0, None)


def test_by_hand_a_cap_and_a_rounding_are_what_is_left() -> None:
    """20 capped to 15; then 20 × 0.6 = 12, not capped, rounded to 11: −8 of the factor, +5 and −1 of the rest."""
    before = chain(("equity", "set", 20.0), ("cap", "plus", -5.0))
    after = chain(("equity", "set", 20.0), ("volatility", "times", 0.6), ("rounding", "plus", -1.0))
    found = attribute(before, after)
    assert (found.before, found.after) == (15.0, 11.0)
    assert contributions(found) == pytest.approx({"equity": 0.0, "cap": 5.0, "volatility": -8.0, "rounding": -1.0})


def test_by_hand_what_is_added_before_a_factor_is_multiplied_by_it() -> None:
    """(10 + 2) × 0.5 = 6 becomes (10 + 6) × 0.5 = 8: the collateral gives half of its 4."""
    before = chain(("collateral", "plus", 2.0), ("portfolio_volatility", "times", 0.5), start=10.0)
    after = chain(("collateral", "plus", 6.0), ("portfolio_volatility", "times", 0.5), start=10.0)
    found = attribute(before, after)
    assert contributions(found) == pytest.approx({START: 0.0, "collateral": 2.0, "portfolio_volatility": 0.0})


def test_twice_a_factor_undoes_half_of_it() -> None:
    one = chain(("equity", "set", 7.0), ("volatility", "times", 2.0), ("share", "times", 0.5))
    other = chain(("equity", "set", 7.0), ("volatility", "times", 1.0), ("share", "times", 1.0))
    found = contributions(attribute(one, other))
    assert found["volatility"] == pytest.approx(-found["share"])  # type: ignore[operator]
    assert found["volatility"] == pytest.approx(-7.0 * math.log(2.0)), "the size stays, so the mean is the size itself"


def test_a_size_that_changes_its_sign_has_its_values_side_by_side() -> None:
    before = chain(("equity", "set", 10.0), ("direction", "times", 0.5), ("rounding", "plus", -0.5))
    after = chain(("equity", "set", -10.0), ("direction", "times", 0.4), ("rounding", "plus", 1.0))
    found = attribute(before, after)
    assert (found.unsplit, found.unsplit_change) == (Unsplit.SIGN_CHANGED, -9.0)
    assert contributions(found) == {"equity": None, "direction": None, "rounding": 1.5}
    assert [(share.factor_before, share.factor_after) for share in found.shares[:2]] == [(10.0, -10.0), (0.5, 0.4)]


def test_a_short_stays_a_short() -> None:
    found = attribute(chain(("equity", "set", -10.0)), chain(("equity", "set", -12.0)))
    assert contributions(found) == pytest.approx({"equity": -2.0})


def test_what_follows_from_zero_by_addition_is_no_product() -> None:
    """Nothing times anything is nothing: (0 + 3) × 2 is all of the 3."""
    found = attribute([], chain(("buffer", "plus", 3.0), ("rounding", "times", 2.0)))
    assert (found.unsplit, found.unsplit_change) == (Unsplit.ZERO_SIZE, 0.0)
    assert contributions(found)["buffer"] == 6.0


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (chain(("equity", "set", 10.0), ("direction", "times", 0.0)), chain(("equity", "set", 10.0)), 10.0),
        ([], chain(("equity", "set", 10.0)), 10.0),
        (chain(("equity", "set", 10.0)), chain(("buffer", "plus", 3.0)), -10.0),
        ([], [], 0.0),
    ],
    ids=["no direction", "nothing before", "nothing after", "nothing"],
)
def test_a_size_of_zero_has_no_logarithm(
    before: list[ExplainedStage], after: list[ExplainedStage], change: float
) -> None:
    found = attribute(before, after)
    assert (found.unsplit, found.unsplit_change) == (Unsplit.ZERO_SIZE, change)


def test_stages_of_one_name_are_told_apart_and_keep_their_order() -> None:
    before = chain(("collateral", "plus", 1.0), ("scale", "times", 2.0), ("collateral", "plus", -1.0), start=4.0)
    after = chain(("collateral", "plus", 1.0), ("collateral", "plus", -1.0), ("rounding", "plus", 0.5), start=4.0)
    found = attribute(before, after)
    assert [(share.key.stage, share.key.occurrence) for share in found.shares] == [
        (START, 0),
        ("collateral", 0),
        ("scale", 0),
        ("collateral", 1),
        ("rounding", 0),
    ]
    assert total(found) == pytest.approx(4.5 - 9.0)


def total(found: Attribution) -> float:
    return math.fsum([*(share.contribution or 0.0 for share in found.shares), found.unsplit_change])


NAMES = ("direction", "volatility", "share", "cap", "overlay", "collateral")
AMOUNTS = st.floats(0.01, 100.0)
LINKS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(NAMES), st.just("times"), st.one_of(AMOUNTS, st.just(0.0), st.just(1.0))),
        st.tuples(st.sampled_from(NAMES), st.just("plus"), st.floats(-100.0, 100.0)),
    ),
    max_size=8,
)
BASES = st.one_of(st.just(0.0), st.floats(0.001, 1000.0), st.floats(-1000.0, -0.001))


@given(BASES, LINKS, BASES, LINKS, st.booleans())
def test_contributions_add_up_to_the_change(
    base: float, links: list[Link], other: float, others: list[Link], held: bool
) -> None:
    """A chain begins by setting a value (from zero) or at one, as a book under one multiplier does."""

    def made(value: float, rest: list[Link]) -> list[ExplainedStage]:
        return chain(*rest, start=value) if held else chain(("equity", "set", value), *rest)

    before, after = made(base, links), made(other, others)
    found = attribute(before, after)
    # Of a stage that follows a multiplication by zero, nothing was given and nothing is left.
    ends = [stages[-1].after if stages else 0.0 for stages in (before, after)]
    assert [found.before, found.after] == ends
    largest = max((abs(stage.after) for stage in before + after), default=1.0)
    assert total(found) == pytest.approx(ends[1] - ends[0], abs=1e-9 * max(largest, 1.0))


@given(st.floats(0.1, 1000.0), st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=6))
def test_shares_are_opposite_the_other_way_and_go_with_their_factor(
    base: float, pairs: list[tuple[float, float]]
) -> None:
    before = chain(("equity", "set", base), *((f"f{n}", "times", pair[0]) for n, pair in enumerate(pairs)))
    after = chain(("equity", "set", base), *((f"f{n}", "times", pair[1]) for n, pair in enumerate(pairs)))
    forth, back = attribute(before, after), attribute(after, before)
    scale = max(abs(stage.after) for stage in before + after)
    for one, other in zip(forth.shares, back.shares, strict=True):
        assert one.contribution is not None and other.contribution is not None and one.log_change is not None
        assert one.contribution == pytest.approx(-other.contribution, abs=1e-9 * scale)
        assert math.copysign(1.0, one.contribution) == math.copysign(1.0, one.log_change) or not one.log_change
