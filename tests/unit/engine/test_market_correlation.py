"""Correlation as the engine uses it: refusals name the pair, stress turns against the book."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product

import numpy as np
import pytest

from services.core.explain import Floats
from services.engine import Policy, evaluate
from services.engine.inputs import RecordedCorrelation
from services.engine.market import Market, correlate, stress_due
from services.risk.clock import Ring
from services.risk.methods.dynamic_conditional import DynamicConditional
from services.risk.methods.ledoit_wolf import LedoitWolf
from services.risk.methods.undiversified import Undiversified
from services.sizing.buffers import NoBuffer
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import AS_OF, OPEN, inputs, row

STRESSED = "dynamic_conditional_stressed"
POLICY = Policy(
    sizing=VolatilityTarget(target_volatility=0.2),
    limits=OPEN,
    buffer=NoBuffer(),
    correlation=DynamicConditional(stress="always"),
)


def equal(rho: float, size: int = 2) -> Floats:
    matrix = np.full((size, size), rho)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def recorded(rho: float, source: str, *keys: str) -> RecordedCorrelation:
    return RecordedCorrelation(keys, equal(rho, len(keys)), source)


@pytest.mark.parametrize(
    ("other", "source", "size"),
    [
        # 0.2 of volatility over 0.4 · sqrt(2 (1 ∓ ρ)) with ρ between A and the position in B.
        (-1.0, "dynamic_conditional", 0.2 / (0.4 * (2.0 * (1.0 - 0.8)) ** 0.5)),
        (-1.0, STRESSED, 0.2 / (0.4 * (2.0 * (1.0 - (0.7 * 0.8 - 0.3))) ** 0.5)),
        (1.0, STRESSED, 0.2 / (0.4 * (2.0 * (1.0 + (0.7 * 0.8 + 0.3))) ** 0.5)),
    ],
    ids=["hedged", "hedged, stressed", "long, stressed"],
)
def test_stress_makes_longs_alike_and_hedges_fail(other: float, source: str, size: float) -> None:
    rows = row("A", direction=1.0), row("B", direction=other)
    book = inputs(*rows, policy=POLICY, correlation=recorded(0.8, source, "A", "B"))
    result = evaluate(book)
    assert result.portfolio.forecast_volatility == pytest.approx(0.2, rel=1e-3)
    for target, side in zip(result.targets, (1.0, other), strict=True):
        assert target.target is not None
        assert float(target.target) == pytest.approx(side * size * 10_000.0 / 100.0, abs=0.011)


def test_a_book_as_it_is_is_stressed_by_what_it_holds() -> None:
    rows = row("A", quantity="50"), row("B", quantity="-50")
    result = evaluate(inputs(*rows, policy=POLICY, correlation=recorded(0.8, STRESSED, "A", "B")))
    worst = 0.5 * 0.4 * (0.7 * 2.0 * (1.0 - 0.8) + 0.3 * 4.0) ** 0.5
    assert result.portfolio.current_volatility == pytest.approx(worst, rel=1e-9)


def test_rows_of_one_market_still_net() -> None:
    market = Market({}, {}, ("A", "B"), equal(0.5), STRESSED, 0.3)
    matrix = market.row_correlation(["A", "A", "B"], np.array([3.0, -1.0, -2.0]))
    assert matrix is not None
    expected = [[1.0, 1.0, 0.05], [1.0, 1.0, 0.05], [0.05, 0.05, 1.0]]
    np.testing.assert_allclose(matrix, expected, atol=1e-15)


@pytest.mark.parametrize("sides", list(product((1.0, -1.0), repeat=3)))
def test_stress_never_makes_a_book_larger(sides: tuple[float, ...]) -> None:
    names = ("A", "B", "C")
    matrix = np.array([[1.0, 0.8, 0.3], [0.8, 1.0, -0.2], [0.3, -0.2, 1.0]])
    gross = []
    for source in ("dynamic_conditional", STRESSED):
        rows = [
            row(name, direction=side * size) for name, side, size in zip(names, sides, (1.0, 0.6, 1.0), strict=True)
        ]
        volatility = dict(zip(names, (0.3, 0.5, 0.9), strict=True))
        book = inputs(
            *rows, policy=POLICY, correlation=RecordedCorrelation(names, matrix, source), volatility=volatility
        )
        gross.append(sum(abs(target.target or Decimal(0)) for target in evaluate(book).targets))
    assert gross[1] < gross[0]


def test_what_is_recorded_says_whether_and_the_policy_how_much() -> None:
    method = DynamicConditional(stress="shifted", stress_weight=0.25)
    assert stress_due(STRESSED, method) == 0.25
    assert stress_due("dynamic_conditional", method) == 0.0
    assert stress_due("none: volatilities add up, as the policy says", Undiversified()) == 0.0


def rings(*columns: Floats, late: tuple[float, ...] = ()) -> dict[str, Ring]:
    delays = late or (0.0,) * len(columns)
    return {
        name: Ring(AS_OF - timedelta(seconds=delay), 86_400, column)
        for name, column, delay in zip("ABCD", columns, delays, strict=False)
    }


def moves(markets: int, bars: int = 200) -> Floats:
    generator = np.random.default_rng(2)
    return generator.standard_normal((markets, bars)) + generator.standard_normal(bars)


def test_a_complete_book_has_the_correlation_it_always_had() -> None:
    """The closed form over the plain columns, in single precision."""
    values = moves(3)
    matrix, source = correlate(tuple("ABC"), rings(*values), DynamicConditional())
    assert source == "dynamic_conditional"
    expected = DynamicConditional().matrix(np.stack(list(values), axis=-1)).astype(np.float32).astype(np.float64)
    assert matrix is not None
    assert np.array_equal(matrix, expected)


def test_a_young_market_costs_the_others_nothing() -> None:
    values = list(moves(3, 512))
    values[2] = values[2][-80:]
    matrix, _ = correlate(tuple("ABC"), rings(*values), DynamicConditional())
    alone, _ = correlate(tuple("AB"), rings(*values[:2]), DynamicConditional())
    pair, _ = correlate(
        tuple("AC"), {"A": Ring(AS_OF, 86_400, values[0][-80:]), "C": rings(*values)["C"]}, POLICY.correlation
    )
    assert matrix is not None and alone is not None and pair is not None
    assert matrix[0, 1] == pytest.approx(alone[0, 1], abs=1e-7)
    assert matrix[0, 2] == pytest.approx(pair[0, 1], abs=1e-7)


def test_refusals_name_the_markets() -> None:
    values = list(moves(3))
    values[1] = values[1][-40:]
    matrix, source = correlate(tuple("ABC"), rings(*values), DynamicConditional())
    assert matrix is None
    assert source == "none: A, B: only 40 common bars of the 60 that a pair needs; volatilities add up"
    _, source = correlate(tuple("AB"), rings(*moves(2), late=(0.0, 10_800.0)), DynamicConditional())
    assert source.startswith("none: B: bars close at different moments")
    torn = moves(3)
    torn[0, ::3], torn[1, 1::3], torn[2, 2::3] = np.nan, np.nan, np.nan
    assert correlate(tuple("ABC"), rings(*torn), DynamicConditional())[0] is not None
    assert correlate(tuple("ABC"), rings(*torn), LedoitWolf())[1] == (
        "none: the markets: ledoit_wolf needs 60 bars that every market has, these have 0; volatilities add up"
    )


def test_a_repair_is_told() -> None:
    shared = np.random.default_rng(3).standard_normal(180)
    torn = np.full((3, 180), np.nan)
    torn[0, :60] = torn[1, :60] = shared[:60]
    torn[1, 60:120] = torn[2, 60:120] = shared[60:120]
    torn[0, 120:], torn[2, 120:] = shared[120:], -shared[120:]
    matrix, source = correlate(tuple("ABC"), rings(*torn), DynamicConditional(stress="always"))
    assert source == "dynamic_conditional_repaired_stressed"
    assert stress_due(source, DynamicConditional(stress="always")) == 0.3
    assert matrix is not None
    assert np.linalg.eigvalsh(matrix)[0] > -1e-6


def test_asynchronous_closes_are_lined_up_where_the_policy_makes_up_for_them() -> None:
    apart = rings(*moves(2), late=(0.0, 10_800.0))
    for choice in ("overlapping", "lead_lag"):
        method = replace(DynamicConditional(), asynchronous=choice)  # type: ignore[arg-type]
        matrix, source = correlate(("A", "B"), apart, method)
        assert source == "dynamic_conditional"
        assert matrix is not None
        assert 0.2 < matrix[0, 1] < 0.8
