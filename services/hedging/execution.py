"""What is executed and what is known of its market; the expected cost of trading it in parts, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from annotated_types import Ge

from services.core.annualization import SECONDS_PER_DAY
from services.core.errors import InvalidInput
from services.core.explain import Floats

DAYS_PER_YEAR = 365.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearImpact:
    """Linear price impact of Almgren and Chriss.

    Parameters
    ----------
    temporary : float
        η ≥ 0: what a rate of one base unit a day costs each unit [price per (base unit / day)].
    permanent : float
        γ ≥ 0: how far a base unit moves the price for good [price per base unit].
    fixed : float
        ε ≥ 0: half the spread and the fee [price].

    Raises
    ------
    InvalidInput
        If one of them is negative or not finite.
    """

    temporary: Annotated[float, Ge(0)]
    permanent: Annotated[float, Ge(0)] = 0.0
    fixed: Annotated[float, Ge(0)] = 0.0

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        for name in ("temporary", "permanent", "fixed"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise InvalidInput(f"impact.{name}", "must be finite and >= 0", value)

    @classmethod
    def from_spread(cls, spread: float, average_daily_volume: float) -> LinearImpact:
        """Rule of thumb of Almgren & Chriss (2000, section 3.4).

        Trading 1 % of a day's volume a day costs a spread, trading 10 % of it moves the price by a spread, and each
        unit pays half of it: ``η = s / (0.01 V), γ = s / (0.1 V), ε = s / 2``.

        Made for shares whose spread is several ticks: where it is one tick, as on most perpetuals, impact is larger.

        Parameters
        ----------
        spread : float
            s > 0 [price].
        average_daily_volume : float
            V > 0 [base units a day].

        Examples
        --------
        >>> LinearImpact.from_spread(0.125, 5e6)
        LinearImpact(temporary=2.5e-06, permanent=2.5e-07, fixed=0.0625)
        """
        return cls(
            temporary=spread / (0.01 * average_daily_volume),
            permanent=spread / (0.1 * average_daily_volume),
            fixed=spread / 2.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An order and its market.

    Parameters
    ----------
    quantity : float
        X > 0 [base units].
    price : float
        Mark [quote per base unit].
    reduces : bool
        Whether the order reduces risk: in doubt it is then traded sooner, else later.
    volatility : float, optional
        Annual, as a fraction, of 365 days.
    impact : LinearImpact, optional
        Known where costs are asked for.
    average_daily_volume : float, optional
        Of the market [base units a day].
    volumes : tuple of float
        Expected volume of the market in each slice [base units]; empty: as `average_daily_volume` says.
    """

    quantity: float
    price: float
    reduces: bool = False
    volatility: float | None = None
    impact: LinearImpact | None = None
    average_daily_volume: float | None = None
    volumes: tuple[float, ...] = ()

    @property
    def price_volatility(self) -> float | None:
        """Standard deviation of the price over a day, ``S σ / √365`` [price per √day]."""
        return None if self.volatility is None else self.price * self.volatility / math.sqrt(DAYS_PER_YEAR)

    def expected_volumes(self, seconds: Sequence[float]) -> tuple[float, ...] | None:
        """Volume of the market in slices of these lengths [base units]; None where nothing is known of it.

        Raises
        ------
        InvalidInput
            If there are volumes of another number of slices.
        """
        if self.volumes:
            if len(self.volumes) != len(seconds):
                rule = f"must hold one volume for each of the {len(seconds)} slices"
                raise InvalidInput("volumes", rule, len(self.volumes))
            return self.volumes
        daily = self.average_daily_volume
        return None if daily is None else tuple(daily * length / SECONDS_PER_DAY for length in seconds)


class Part(NamedTuple):
    """What a method gives to one slice.

    `share` is of the order; times are seconds after its start, None where a price decides; `offset` is the log
    distance of that price from the mark, positive where it is better for the trader.
    """

    share: float
    start: float | None = None
    end: float | None = None
    offset: float = 0.0


class ExecutionCost(NamedTuple):
    """Expected cost against the mark, and its variance and standard deviation [quote, quote², quote]."""

    expected: float
    variance: float

    @property
    def standard_deviation(self) -> float:
        """Square root of the variance."""
        return math.sqrt(self.variance)


def execution_cost(
    trades: Sequence[float],
    starts: Sequence[float],
    lengths: Sequence[float],
    *,
    impact: LinearImpact,
    price_volatility: float,
    left: float = 0.0,
    horizon: float | None = None,
) -> ExecutionCost:
    r"""Mean and variance of the implementation shortfall of trades in linear impact.

    ``E = ½γ(X² − Σn²) + ε Σn + η Σ n²/τ`` and ``V = σ² Σ x_k² (t_{k+1} − t_k)`` with x_k what is left after trade k,
    which is charged from the beginning of its slice, as in the discrete model.

    Parameters
    ----------
    trades : sequence of float
        n_k ≥ 0 of each slice [base units].
    starts, lengths : sequences of float
        Of the slices, in the order of time [days].
    impact : LinearImpact
        η, γ, ε.
    price_volatility : float
        σ [price per √day].
    left : float
        What is not traded at all [base units]; it is at risk until `horizon`.
    horizon : float, optional
        End of the last slice [days]; by default what the slices say.

    Notes
    -----
    With equal slices the first is ``½γX² + εX + (η − ½γτ)/τ Σn²``, equation 8 of the paper. O(slices).

    References
    ----------
    Almgren & Chriss (2000), Optimal execution of portfolio transactions, Journal of Risk 3, equations 5 and 8.

    Examples
    --------
    >>> impact = LinearImpact(temporary=2.5e-6, permanent=2.5e-7, fixed=0.0625)
    >>> cost = execution_cost([2e5] * 5, range(5), [1.0] * 5, impact=impact, price_volatility=0.95)
    >>> round(cost.expected), round(cost.variance / 1e12, 3)
    (662500, 1.083)
    """
    size, begin, long = (np.asarray(values, dtype=np.float64) for values in (trades, starts, lengths))
    total = float(size.sum())
    permanent = 0.5 * impact.permanent * (total**2 - float(size @ size))
    temporary = impact.temporary * float((size * size / long).sum())
    end = float(horizon if horizon is not None else begin[-1] + long[-1])
    held = total + left - np.concatenate([[0.0], np.cumsum(size)])
    spans = np.diff(np.concatenate([[0.0], begin, [end]]))
    # What is held after the last trade is what is left, and not the rounding error of a sum.
    held[-1] = left
    variance = price_volatility**2 * float((held * held) @ spans)
    return ExecutionCost(permanent + impact.fixed * total + temporary, variance)


def equal_slices(duration_seconds: float, slices: int) -> Floats:
    """Edges of equal slices [s]."""
    return np.linspace(0.0, duration_seconds, slices + 1)
