"""Expected shortfall of many books. Hypothesis: the product of matrices and the partial sort cost about the same, both
grow with accounts times scenarios, and blocks that stay in the cache beat the whole at once. Input: 10,000 accounts of
20 assets over 1,000 scenarios (goal: 120 ms on one core). Peer: the same in plain numpy, whole matrix and full sort."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

import numpy as np
import pytest

from services.core.explain import Floats
from services.margin.backtest import BacktestRules, backtest_margin
from services.margin.methods.filtered_historical import FilteredHistorical
from services.margin.portfolio_shortfall import joint_scenarios, portfolio_shortfalls
from services.margin.view import MarginView

pytestmark = pytest.mark.benchmark
ACCOUNTS, ASSETS, SCENARIOS = 10_000, 20, 1_000


def least_ms(work: Callable[[], object], repeats: int = 5) -> float:
    """Processor time, least of some repeats: other work on the machine does not count."""
    found = []
    for _ in range(repeats):
        start = process_time()
        work()
        found.append(process_time() - start)
    return 1e3 * min(found)


def plain(exposures: Floats, scenarios: Floats) -> Floats:
    """Mean of the 25 worst of 1,000, all at once."""
    worst: Floats = np.sort(-exposures @ scenarios, axis=1)[:, -25:].mean(axis=1)
    return worst


def test_books_over_joint_scenarios() -> None:
    rng = np.random.default_rng(1)
    returns = 0.03 * rng.standard_t(4.0, (ASSETS, SCENARIOS))
    scenarios = joint_scenarios(returns)
    books = rng.normal(0.0, 1e4, (4 * ACCOUNTS, ASSETS))
    np.testing.assert_allclose(portfolio_shortfalls(books[:50], scenarios), plain(books[:50], scenarios), rtol=1e-10)
    print(f"\n{'work':<58}{'ms':>9}{'accounts/s':>14}")
    for label, count, work in (
        ("10,000 x 20 x 1,000", ACCOUNTS, lambda: portfolio_shortfalls(books[:ACCOUNTS], scenarios)),
        ("40,000 x 20 x 1,000", 4 * ACCOUNTS, lambda: portfolio_shortfalls(books, scenarios)),
        ("10,000 x 20 x 250", ACCOUNTS, lambda: portfolio_shortfalls(books[:ACCOUNTS], scenarios[:, :250])),
        ("10,000 x 5 x 1,000", ACCOUNTS, lambda: portfolio_shortfalls(books[:ACCOUNTS, :5], scenarios[:5])),
        ("plain numpy, 10,000 x 20 x 1,000", ACCOUNTS, lambda: plain(books[:ACCOUNTS], scenarios)),
    ):
        took = least_ms(work)
        print(f"{label:<58}{took:>9.1f}{1e3 * count / took:>14,.0f}")
    view, model = MarginView(np.full(1, np.nan), (returns[0],), np.full(1, 365.0)), FilteredHistorical()
    print(f"{'joint scenarios of 20 x 1,000':<58}{least_ms(lambda: joint_scenarios(returns)):>9.2f}")
    print(f"{'one row of a policy, 1,000 returns':<58}{least_ms(lambda: model.rates(view)):>9.3f}")
    years = 0.03 * rng.standard_t(4.0, 5_000)
    walk = least_ms(lambda: backtest_margin(years, model, periods_per_year=365.0, how=BacktestRules()), 3)
    print(f"{'back-test of 5,000 bars with both comparisons':<58}{walk:>9.0f}")
