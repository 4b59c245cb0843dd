"""What trades cost: fee, half spread, impact and gas, each on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Le, Lt
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.liquidity.depth import quantities
from services.liquidity.impact import square_root_impact


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a trade is taken to cost. All rates are fractions of notional: 0.0005 is 5 basis points.

    Parameters
    ----------
    fee : float
        Fee of an order that takes liquidity [fraction of notional].
    half_spread : float
        Half the spread, where no book says more [fraction of notional].
    impact_coefficient : float
        Y of the square-root law; 0 leaves impact out.
    gas : float
        Fixed cost of one order, such as gas [account currency].
    """

    fee: Annotated[float, Ge(0), Lt(0.1)] = 0.0005
    half_spread: Annotated[float, Ge(0), Lt(0.5)] = 0.0002
    impact_coefficient: Annotated[float, Ge(0), Le(10)] = 1.0
    gas: Annotated[float, Ge(0), Le(1e6)] = 0.0

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def of_trades(
        self,
        trades: ArrayLike,
        *,
        unit_value: Floats,
        average_daily_volume: Floats,
        daily_volatility: Floats,
        half_spread: Floats | None = None,
    ) -> CostColumns:
        r"""Cost of each trade: ``(fee + h + Y σ √(Q / V)) · notional + gas``, 0 where nothing is traded.

        Parameters
        ----------
        trades : (n,) array
            Signed contracts.
        unit_value : (n,) array
            Notional of one contract [account currency], > 0.
        average_daily_volume : (n,) array
            V [contracts a day]; NaN where unknown.
        daily_volatility : (n,) array
            σ of one day; NaN where unknown.
        half_spread : (n,) array, optional
            Half spread of each row's own book [fraction]; NaN where there is none, and the policy's is used.

        Returns
        -------
        CostColumns
            Without volume or volatility the impact of a trade is unknown: it is 0 there, `impact_known` is False, and
            the total is a lower bound.

        Examples
        --------
        >>> costs = Costs(fee=0.0005, half_spread=0.0001, impact_coefficient=1.0, gas=2.0)
        >>> columns = costs.of_trades([-100.0, 0.0], unit_value=np.array([50.0, 50.0]),
        ...     average_daily_volume=np.array([10_000.0, 10_000.0]), daily_volatility=np.array([0.04, 0.04]))
        >>> columns.impact.round(9).tolist(), columns.total.round(9).tolist()
        ([20.0, 0.0], [25.0, 0.0])
        """
        size = quantities(np.abs(np.asarray(trades, dtype=np.float64)))
        notional = size * unit_value
        spread = np.full(size.shape, self.half_spread)
        if half_spread is not None:
            spread = np.where(np.isnan(half_spread), self.half_spread, half_spread)
        impact, known = self._impact(size, average_daily_volume, daily_volatility)
        return CostColumns(
            notional=notional,
            fee=self.fee * notional,
            spread=spread * notional,
            impact=impact * notional,
            gas=np.where(size > 0.0, self.gas, 0.0),
            impact_known=known | (size == 0.0),
        )

    def _impact(self, size: Floats, volume: Floats, volatility: Floats) -> tuple[Floats, Bools]:
        impact = np.zeros(size.shape)
        if self.impact_coefficient == 0.0:
            return impact, np.ones(size.shape, dtype=bool)
        known: Bools = np.isfinite(volume) & (volume > 0.0) & np.isfinite(volatility)
        impact[known] = square_root_impact(
            size[known],
            average_daily_volume=volume[known],
            daily_volatility=volatility[known],
            coefficient=self.impact_coefficient,
        )
        return impact, known

    def per_notional(self, notional: ArrayLike, *, half_spread: Floats | float | None = None) -> Floats:
        r"""Cost of one unit of notional that does not depend on the size: ``fee + h + gas / notional``.

        This is the c of a cost-optimal no-trade band, ``(3 c ν² / (2 γ σ²))^(1/3)``, with the gas spread over what is
        traded at a time.

        Parameters
        ----------
        notional : array
            Size of a trade [account currency], > 0.
        half_spread : array, optional
            [fraction]; by default the policy's.

        Raises
        ------
        InvalidInput
            For a notional that is not > 0: spread over nothing, a fixed cost is without bound.

        Examples
        --------
        >>> Costs(fee=0.0005, half_spread=0.0001, gas=2.0).per_notional([5_000.0]).round(9).tolist()
        [0.001]
        """
        traded = quantities(notional)
        if (traded == 0.0).any():
            raise InvalidInput("notional", "must be > 0", 0.0)
        own = self.half_spread if half_spread is None else half_spread
        return np.asarray(self.fee + own + self.gas / traded)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostColumns:
    """Cost of each trade [account currency]; `impact_known` is False where the impact could not be computed.

    Parameters
    ----------
    notional : (n,) array
        What is traded [account currency].
    fee, spread, impact, gas : (n,) arrays
        [account currency]
    impact_known : (n,) bool array
        Where False, `impact` is 0 and `total` a lower bound.
    """

    notional: Floats
    fee: Floats
    spread: Floats
    impact: Floats
    gas: Floats
    impact_known: Bools

    @property
    def total(self) -> Floats:
        """Sum of the parts."""
        return np.asarray(self.fee + self.spread + self.impact + self.gas)
