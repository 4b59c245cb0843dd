"""Terms: every value inside the bounds, every slope that can occur named."""

from __future__ import annotations

import operator
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import InvalidInput
from services.verification.terms import Term, constant, variable

EXPRESSIONS: list[tuple[Callable[[Term, Term], Term], Callable[[float, float], float]]] = [
    (operator.add, operator.add),
    (operator.sub, operator.sub),
    (operator.mul, operator.mul),
    (operator.truediv, operator.truediv),
    (Term.least, min),
    (Term.most, max),
    (lambda a, b: (a * b).least(constant(1.0) / a), lambda a, b: min(a * b, 1.0 / a)),
    (lambda a, b: (a + constant(2.0)) / (a * b + constant(1.0)), lambda a, b: (a + 2.0) / (a * b + 1.0)),
    (lambda a, b: (a - b) * (b - a), lambda a, b: (a - b) * (b - a)),
    (lambda a, b: a.increasing(lambda x: x**3) + b.decreasing(lambda x: -x), lambda a, b: a**3 - b),
]
SIDES = st.tuples(st.floats(0.01, 5.0), st.floats(0.01, 5.0)).map(lambda pair: (min(pair), max(pair)))
SHARES = st.floats(0.0, 1.0)


@pytest.mark.parametrize(("symbolic", "plain"), EXPRESSIONS)
@given(SIDES, SIDES, SHARES, SHARES, SHARES)
def test_bounds_and_slopes_hold_at_every_point(
    symbolic: Callable[[Term, Term], Term],
    plain: Callable[[float, float], float],
    first: tuple[float, float],
    second: tuple[float, float],
    at: float,
    other: float,
    beside: float,
) -> None:
    term = symbolic(variable("a", *first), variable("b", *second))
    low, high = sorted((first[0] + at * (first[1] - first[0]), first[0] + other * (first[1] - first[0])))
    b = second[0] + beside * (second[1] - second[0])
    before, after = plain(low, b), plain(high, b)
    room = 1e-12 * max(abs(term.low), abs(term.high), 1.0)
    assert term.low - room <= before <= term.high + room
    if after > before + room:
        assert "a" in term.rises
    if after < before - room:
        assert "a" in term.falls


def test_a_minimum_that_is_always_the_same_forgets_the_other() -> None:
    small, large = variable("a", 0.0, 1.0), variable("b", 2.0, 3.0)
    assert small.least(large) == small and large.most(small) == large


def test_a_hull_of_different_terms_may_move_either_way() -> None:
    found = variable("a", 0.0, 1.0).hull(constant(2.0))
    assert (found.low, found.high, found.rises, found.falls) == (0.0, 2.0, {"a"}, {"a"})


def test_empty_ranges_and_divisors_at_zero_are_refused() -> None:
    with pytest.raises(InvalidInput, match="low"):
        Term(2.0, 1.0)
    with pytest.raises(InvalidInput, match="divisor"):
        constant(1.0) / variable("a", 0.0, 1.0)
