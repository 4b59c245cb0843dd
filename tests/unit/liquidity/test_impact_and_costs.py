"""Square-root impact, its inverse, and the parts of a cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.liquidity.costs import Costs
from services.liquidity.impact import largest_within_impact, largest_within_participation, square_root_impact


class TestImpact:
    def test_a_day_of_volume_moves_a_day_of_volatility(self) -> None:
        impact = square_root_impact([0.0, 250.0, 1000.0], average_daily_volume=1000.0, daily_volatility=0.03)
        assert impact.tolist() == pytest.approx([0.0, 0.015, 0.03])

    def test_the_inverse_spends_the_budget(self) -> None:
        market: dict[str, Any] = {
            "average_daily_volume": np.array([1e3, 5e6]),
            "daily_volatility": np.array([0.02, 0.05]),
            "coefficient": 0.8,
        }
        sizes = largest_within_impact(0.003, **market)
        assert square_root_impact(sizes, **market).tolist() == pytest.approx([0.003, 0.003])

    def test_participation(self) -> None:
        assert largest_within_participation([0.0, 2000.0], 0.05).tolist() == [0.0, 100.0]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"average_daily_volume": 0.0}, "average_daily_volume must be finite and > 0"),
            ({"average_daily_volume": np.nan}, "average_daily_volume must be finite and > 0"),
            ({"daily_volatility": 0.0}, "daily_volatility must be > 0"),
            ({"daily_volatility": -0.1}, "daily_volatility must be finite and >= 0"),
            ({"coefficient": 0.0}, "coefficient must be finite and > 0"),
            ({"budget": -0.1}, "budget must be finite and >= 0"),
        ],
    )
    def test_refuses_by_name(self, changes: dict[str, float], message: str) -> None:
        fields = {"budget": 0.01, "average_daily_volume": 1000.0, "daily_volatility": 0.03, "coefficient": 1.0}
        with pytest.raises(InvalidInput, match=message):
            largest_within_impact(**{**fields, **changes})


class TestCosts:
    COSTS = Costs(fee=0.0004, half_spread=0.0001, impact_coefficient=0.5, gas=3.0)

    def test_each_part_by_hand(self) -> None:
        """400 contracts of 25: 10,000 of notional; impact 0.5 × 0.04 × √(400 / 40,000) = 0.002."""
        columns = self.COSTS.of_trades(
            np.array([-400.0, 400.0, 0.0]),
            unit_value=np.full(3, 25.0),
            average_daily_volume=np.full(3, 40_000.0),
            daily_volatility=np.full(3, 0.04),
            half_spread=np.array([np.nan, 0.0003, np.nan]),
        )
        assert columns.fee.tolist() == pytest.approx([4.0, 4.0, 0.0])
        assert columns.spread.tolist() == pytest.approx([1.0, 3.0, 0.0])
        assert columns.impact.tolist() == pytest.approx([20.0, 20.0, 0.0])
        assert columns.gas.tolist() == [3.0, 3.0, 0.0]
        assert columns.total.tolist() == pytest.approx([28.0, 30.0, 0.0])
        assert columns.impact_known.all()

    def test_an_unknown_impact_is_said_to_be_unknown(self) -> None:
        columns = self.COSTS.of_trades(
            np.array([1.0, 1.0, 1.0, 0.0]),
            unit_value=np.ones(4),
            average_daily_volume=np.array([np.nan, 10.0, 0.0, np.nan]),
            daily_volatility=np.array([0.1, np.nan, 0.1, np.nan]),
        )
        assert columns.impact_known.tolist() == [False, False, False, True]
        assert columns.impact.tolist() == [0.0, 0.0, 0.0, 0.0]

    def test_without_a_coefficient_impact_is_left_out_on_purpose(self) -> None:
        columns = Costs(impact_coefficient=0.0).of_trades(
            [1.0], unit_value=np.ones(1), average_daily_volume=np.array([np.nan]), daily_volatility=np.array([np.nan])
        )
        assert columns.impact_known.all()

    def test_per_notional_is_what_the_linear_parts_add_up_to(self) -> None:
        trade = 400.0
        columns = self.COSTS.of_trades(
            [trade],
            unit_value=np.array([25.0]),
            average_daily_volume=np.array([4e4]),
            daily_volatility=np.array([0.04]),
        )
        linear = columns.fee + columns.spread + columns.gas
        assert self.COSTS.per_notional(10_000.0).tolist() == pytest.approx(float(linear[0]) / 10_000.0)
        assert self.COSTS.per_notional([10_000.0], half_spread=0.0).tolist() == pytest.approx([0.0007])

    def test_a_fixed_cost_over_nothing_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="notional must be > 0"):
            self.COSTS.per_notional([10.0, 0.0])
