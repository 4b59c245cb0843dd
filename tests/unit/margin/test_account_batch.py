"""Many accounts at once: the sum of their positions, and who is to be liquidated first."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.margin.account_batch import AccountStatus, account_health, batch_margins
from services.margin.registry import MarginPolicy
from services.margin.size_addons import SqrtAddon


def test_a_batch_is_the_sum_of_each_account_s_positions_across_blocks() -> None:
    generator = np.random.default_rng(3)
    policy = MarginPolicy(size_addon=SqrtAddon(coefficient=0.01))
    held, value, sigma = generator.normal(size=(2_100, 3)) * 20, np.array([5.0, 100.0, 0.3]), np.array([0.4, 0.9, 1.4])
    initial, maintenance = batch_margins(held, value, policy.rates(sigma), policy)
    for place in (0, 1_023, 1_024, 2_099):
        alone = policy.requirement(held[place], value, policy.rates(sigma))
        assert initial[place] == alone.initial.sum()
        assert maintenance[place] == alone.maintenance.sum()


def test_what_is_not_known_counts_only_where_it_is_held() -> None:
    policy = MarginPolicy()
    held = [[1.0, 0.0], [1.0, 1.0], [np.nan, 0.0]]
    initial, maintenance = batch_margins(held, [10.0, np.nan], policy.rates([0.5, 0.5]), policy)
    assert np.isnan(initial).tolist() == np.isnan(maintenance).tolist() == [False, True, True]


def test_columns_of_another_shape_are_refused() -> None:
    policy = MarginPolicy()
    for held in ([1.0, 2.0], [[1.0, 2.0]]):
        with pytest.raises(InvalidInput, match="contracts"):
            batch_margins(held, [1.0], policy.rates([0.5]), policy)


@pytest.mark.parametrize(
    ("equity", "initial", "maintenance", "status", "ratio"),
    [
        (100.0, 60.0, 50.0, "ok", 0.5),
        (60.0, 60.0, 50.0, "ok", 50.0 / 60.0),
        (59.0, 60.0, 50.0, "below_initial", 50.0 / 59.0),
        (50.0, 60.0, 50.0, "below_maintenance", 1.0),
        (0.0, 60.0, 50.0, "below_maintenance", np.inf),
        (0.0, 0.0, 0.0, "ok", 0.0),
        (-1.0, 0.0, 0.0, "deficit", 0.0),
        (np.nan, 0.0, 0.0, "unknown", np.nan),
        (100.0, np.nan, 50.0, "unknown", np.nan),
        (-100.0, np.nan, np.nan, "unknown", np.nan),
    ],
)
def test_where_an_account_stands(equity: float, initial: float, maintenance: float, status: str, ratio: float) -> None:
    found = account_health([equity], [initial], [maintenance])
    assert found.status.tolist() == [AccountStatus(status)]
    assert np.array_equal(found.ratio, [ratio], equal_nan=True)
    assert found.queue.tolist() == ([0] if status == "below_maintenance" else [])


def test_the_queue_is_that_of_a_plain_sort() -> None:
    generator = np.random.default_rng(7)
    maintenance = generator.integers(0, 4, 400).astype(float)
    equity = generator.integers(-2, 5, 400).astype(float)
    equity[::17] = np.nan
    found = account_health(equity, 2.0 * maintenance, maintenance)

    def health(place: int) -> tuple[float, float, int]:
        own, need = float(equity[place]), float(maintenance[place])
        return (-need / own if own > 0.0 else -np.inf, own - need, place)

    short = [place for place in range(400) if maintenance[place] > 0.0 and equity[place] <= maintenance[place]]
    assert found.queue.tolist() == sorted(short, key=health)
    assert len(short) > 50
