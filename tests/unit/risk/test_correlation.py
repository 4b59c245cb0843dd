"""DCC in closed form against its recursion, and the common clock."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.risk.clock import Ring, common_clock
from services.risk.methods.dynamic_conditional import DynamicConditional, dcc_correlation, dynamic_weights
from services.risk.methods.undiversified import Undiversified
from services.risk.registry import CorrelationMethod
from tests.unit.volatility.markets import DAY, END


def slow_dcc(values: Floats, a: float, b: float, clip: float) -> Floats:
    """Q ← (1 − a − b) Q̄ + a z z' + b Q, row by row; Q̄ expands, then moves by 1/1000; Q_0 is the last Q̄."""
    z = np.clip(values, -clip, clip)
    targets, target = [], np.zeros((z.shape[1], z.shape[1]))
    for count, row in enumerate(z, start=1):
        target = target + max(1.0 / count, 1.0 / 1000.0) * (np.outer(row, row) - target)
        targets.append(target)
    q = targets[-1]
    for row, mean in zip(z, targets, strict=True):
        q = (1.0 - a - b) * mean + a * np.outer(row, row) + b * q
    deviation = np.sqrt(np.diag(q))
    return q / np.outer(deviation, deviation)


def returns(rows: int, markets: int, seed: int = 0, rho: float = 0.6) -> Floats:
    generator = np.random.default_rng(seed)
    common = generator.standard_t(4, (rows, 1))
    return np.sqrt(rho) * common + np.sqrt(1.0 - rho) * generator.standard_t(4, (rows, markets))


@pytest.mark.parametrize(("rows", "markets"), [(60, 2), (200, 5), (512, 20), (1_500, 3)])
@pytest.mark.parametrize(("a", "b"), [(0.02, 0.97), (0.05, 0.9), (0.3, 0.0)])
def test_closed_form_equals_the_recursion(rows: int, markets: int, a: float, b: float) -> None:
    values = returns(rows, markets)
    np.testing.assert_allclose(dcc_correlation(values, a=a, b=b), slow_dcc(values, a, b, 4.2), rtol=0, atol=1e-12)


def test_weights_sum_to_one_and_are_positive() -> None:
    for rows in (1, 2, 60, 512, 1_000, 1_001, 3_000):
        weights = dynamic_weights(rows, 0.02, 0.97)
        assert weights.sum() == pytest.approx(1.0, abs=1e-12)
        assert (weights > 0.0).all()


def test_is_a_correlation_matrix() -> None:
    matrix = dcc_correlation(returns(300, 12))
    assert np.array_equal(matrix, matrix.T)
    assert np.array_equal(np.diag(matrix), np.ones(12))
    assert np.linalg.eigvalsh(matrix).min() > 0.0
    assert np.abs(matrix).max() <= 1.0


def test_permutation_of_markets_permutes_the_matrix() -> None:
    values, order = returns(200, 6), np.array([3, 1, 5, 0, 2, 4])
    np.testing.assert_allclose(
        dcc_correlation(values[:, order]), dcc_correlation(values)[np.ix_(order, order)], atol=1e-14
    )


def test_finds_the_correlation_that_is_there() -> None:
    matrix = dcc_correlation(np.tile(returns(512, 4, seed=3, rho=0.7), (1, 1)), clip=20.0)
    assert matrix[np.triu_indices(4, 1)].mean() == pytest.approx(0.7, abs=0.12)


def test_follows_a_change_of_regime() -> None:
    before, after = returns(400, 2, seed=1, rho=0.0), returns(112, 2, seed=2, rho=0.9)
    assert dcc_correlation(np.vstack([before, after]))[0, 1] > np.corrcoef(np.vstack([before, after]).T)[0, 1] + 0.1


def test_twins_and_opposites() -> None:
    one = returns(100, 1)
    matrix = dcc_correlation(np.hstack([one, one, -one, np.zeros_like(one)]))
    expected = [[1, 1, -1, 0], [1, 1, -1, 0], [-1, -1, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(matrix, expected, atol=1e-12)


def test_parameters_are_checked_together() -> None:
    with pytest.raises(InvalidInput, match="innovation"):
        DynamicConditional(innovation=0.05, persistence=0.96)


def test_every_method_is_registered_with_its_name() -> None:
    methods: list[CorrelationMethod] = [DynamicConditional(), Undiversified()]
    assert [method.method for method in methods] == ["dynamic_conditional", "none"]


def ring(values: Floats, *, late: float = 0.0, bar_seconds: int = DAY, consecutive: bool = False) -> Ring:
    return Ring(END - timedelta(seconds=late), bar_seconds, values, consecutive)


def test_common_clock_takes_the_shared_bars() -> None:
    long, short = np.arange(512.0), 1_000.0 + np.arange(100.0)
    aligned = common_clock([ring(long), ring(short)])
    assert aligned is not None
    assert aligned.shape == (100, 2)
    assert aligned[-1].tolist() == [511.0, 1_099.0]
    assert aligned[0].tolist() == [412.0, 1_000.0]


def test_common_clock_leaves_out_what_only_one_has() -> None:
    fast, slow = np.arange(200.0), np.arange(200.0)
    aligned = common_clock([ring(fast), ring(slow, late=3 * DAY)])
    assert aligned is not None
    assert aligned[-1].tolist() == [196.0, 199.0]
    assert len(aligned) == 197
    holes = fast.copy()
    holes[50:60] = np.nan
    aligned = common_clock([ring(holes), ring(slow)])
    assert aligned is not None
    assert len(aligned) == 190
    assert not np.isnan(aligned).any()


def test_common_clock_forgives_the_millisecond_before_midnight() -> None:
    assert common_clock([ring(np.arange(100.0)), ring(np.arange(100.0), late=0.001)]) is not None


@pytest.mark.parametrize(
    "other",
    [
        ring(np.arange(100.0), bar_seconds=3_600),
        ring(np.arange(100.0), late=10_800.0),
        ring(np.arange(100.0), consecutive=True),
        ring(np.arange(59.0)),
        ring(np.arange(100.0), late=45.0 * DAY),
        ring(np.where(np.arange(100) < 45, np.nan, 1.0)),
        ring(np.arange(100.0), late=400.0 * DAY),
    ],
    ids=["interval", "phase", "session", "short", "behind", "holes", "apart"],
)
def test_no_common_clock(other: Ring) -> None:
    assert common_clock([ring(np.arange(100.0)), other]) is None
    assert common_clock([]) is None


def test_sessions_line_up_only_bar_by_bar() -> None:
    session = ring(np.arange(100.0), consecutive=True)
    assert common_clock([session, session]) is not None
    assert common_clock([session, ring(np.arange(100.0), late=float(DAY), consecutive=True)]) is None
