"""Cost of correlation.

Hypothesis: a bar of DCC costs O(m²) in a dozen array passes, tens of microseconds at 50 markets; a window of 512 bars
is one matrix product, holes included; Ledoit–Wolf in closed form takes a third of scikit-learn's time. Printed, never
asserted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
import sklearn.covariance

from services.core.explain import Floats
from services.risk.clock import Ring, Uncorrelated, common_clock
from services.risk.estimate import CorrelationEstimate, estimate_correlation
from services.risk.methods.dynamic_conditional import (
    DynamicConditional,
    dcc_correlation,
    read_dynamic,
    start_dynamic,
    update_dynamic,
)
from services.risk.regime import watch_correlation
from services.risk.shrinkage import ledoit_wolf, oracle_approximating

pytestmark = pytest.mark.benchmark
END = datetime(2026, 11, 20, tzinfo=UTC)


def report(name: str, work: Callable[[], object], rounds: int = 200) -> None:
    work()
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    median, tail = np.percentile(spent, [50, 99]) * 1e6
    print(f"{name:<44} p50 {median:9.1f} µs   p99 {tail:9.1f} µs")


def panel(bars: int, markets: int) -> Floats:
    generator = np.random.default_rng(3)
    return generator.standard_normal((bars, markets)) + generator.standard_normal((bars, 1))


def rings(values: Floats) -> list[Ring]:
    return [Ring(END, 86_400, column.copy()) for column in values.T]


def estimated(markets: list[Ring], method: DynamicConditional) -> CorrelationEstimate | Uncorrelated:
    aligned = common_clock(markets)
    assert not isinstance(aligned, Uncorrelated)
    return estimate_correlation(aligned, method)


@pytest.mark.parametrize("markets", [50, 200])
def test_one_bar(markets: int) -> None:
    print()
    values = panel(600, markets)
    memory = start_dynamic(markets)
    for row in values:
        memory = update_dynamic(memory, row)
    drift = np.abs(read_dynamic(memory) - dcc_correlation(values)).max()
    report(f"DCC, one bar, {markets} markets", lambda: update_dynamic(memory, values[0]))
    report(f"DCC, one bar and its matrix, {markets} markets", lambda: read_dynamic(update_dynamic(memory, values[0])))
    report(f"DCC, 512 bars at once, {markets} markets", lambda: dcc_correlation(values[-512:]), 50)
    print(f"{'largest difference after 600 bars':<44} {drift:.1e}")


@pytest.mark.parametrize("markets", [5, 20, 50, 200])
def test_a_whole_book(markets: int) -> None:
    print()
    values, rounds = panel(512, markets), 200 if markets < 100 else 20
    torn = np.where(np.random.default_rng(4).random(values.shape) < 0.01, np.nan, values)
    plain, stressed = DynamicConditional(), DynamicConditional(stress="shifted")
    whole, holes = rings(values), rings(torn)
    report(f"clock and DCC, 512 x {markets}", lambda: estimated(whole, plain), rounds)
    report(f"the same with 1 % holes, 512 x {markets}", lambda: estimated(holes, plain), rounds)
    report(f"the same with the monitor, 512 x {markets}", lambda: estimated(whole, stressed), rounds // 10)
    report(f"monitor with holes, 512 x {markets}", lambda: watch_correlation(torn), rounds // 10)


def test_shrinkage_beside_scikit_learn() -> None:
    print()
    values = panel(1_000, 50)
    report("Ledoit-Wolf 1000 x 50", lambda: ledoit_wolf(values))
    report("OAS 1000 x 50", lambda: oracle_approximating(values))
    report("Ledoit-Wolf 1000 x 50, scikit-learn", lambda: sklearn.covariance.ledoit_wolf(values, assume_centered=True))
    report("OAS 1000 x 50, scikit-learn", lambda: sklearn.covariance.oas(values, assume_centered=True))
