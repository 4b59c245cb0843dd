"""The rules of a scenario margin as one frozen parameter object; the published ones are in `scenario_presets`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.errors import InvalidInput

MAX_SCENARIOS = 40
VolatilityMove = Literal["none", "up", "down"]
DAYS_PER_YEAR = SECONDS_PER_YEAR / SECONDS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One move of price and volatility.

    Parameters
    ----------
    range_multiple : float
        Move of the price in multiples of the price range.
    move : float
        Move on top of it [fraction].
    volatility : {"none", "up", "down"}
    damping : float, optional
        Factor of the profit and loss; None gives ``min(1, tail_share · range / |move|)``.
    """

    range_multiple: float = 0.0
    move: float = 0.0
    volatility: VolatilityMove = "none"
    damping: float | None = 1.0

    def __post_init__(self) -> None:
        if self.damping is not None and not 0.0 < self.damping <= 1.0:
            raise InvalidInput("scenarios.damping", "must lie in (0, 1]", self.damping)
        if not (np.isfinite(self.range_multiple) and np.isfinite(self.move)):
            raise InvalidInput("scenarios.move", "must be finite", self.move)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityShock:
    """How volatility moves: ``up = max(least_up, σ (1 + up m))``, ``down = σ max(0, 1 − down m)``.

    ``m = (30 d / max(T, floor))^p`` with the short power up to 30 days. `absolute`: ``σ + up`` and ``σ − down``
    instead, in units of volatility and never below 0.
    """

    up: float = 0.5
    down: float = 0.3
    short_power: float = 0.3
    long_power: float = 0.13
    floor_days: float = 1.0
    least_up: float = 0.4
    absolute: bool = False

    def __post_init__(self) -> None:
        if min(self.up, self.down, self.short_power, self.long_power, self.least_up) < 0.0 or self.floor_days <= 0.0:
            raise InvalidInput("volatility", "must hold nothing negative, and a floor above 0 days", self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkewShock:
    """The smile tilts (linear) and bends (absolute): ``σ · max(0, 1 + clip(k · cap / k*, ±cap))``.

    ``cap = slope √T + level``, ``k* = max(least, width √T (static + scale √T))``, k = ln(K/F), or its size.
    """

    linear_slope: float = -0.1
    linear_level: float = 0.25
    absolute_slope: float = -0.1
    absolute_level: float = 0.25
    width: float = 4.0
    static: float = 0.6
    scale: float = 0.0
    least: float = 0.01

    def __post_init__(self) -> None:
        if self.least <= 0.0:
            raise InvalidInput("skew.least", "must be > 0", self.least)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticDiscount:
    """What shocked values are worth in liquidation: less where positive, more where negative.

    ``long = base e^{−T (r·multiplier + spread)}``, ``short = min(1/df, base e^{T (r·multiplier + spread)})``.
    """

    long_base: float = 0.95
    short_base: float = 1.05
    long_multiplier: float = 0.0
    short_multiplier: float = 0.0
    long_spread: float = 0.16
    short_spread: float = 0.16

    def __post_init__(self) -> None:
        if not (0.0 < self.long_base <= 1.0 <= self.short_base):
            raise InvalidInput("static_discount", "must keep long_base <= 1 <= short_base, both > 0", self)


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisShock:
    """Forwards move against spot: the worse of `up` and `down` per expiry, times ``constant + per_year · T``."""

    up: float = 0.045
    down: float = -0.045
    constant: float = 0.5
    per_year: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contingencies:
    """Charges on sizes, fractions of the notional at spot; the initial ones come on top of the maintenance ones.

    `perpetual`: all perpetuals and futures. `option`: shorts of a strike that no long of that strike covers.
    `confidence_rate`: ``(1 − c) · rate · notional`` of a block whose confidence c is below the threshold.
    """

    perpetual_maintenance: float = 0.03
    perpetual_initial: float = 0.01
    option_maintenance: float = 0.003
    option_initial: float = 0.002
    confidence_threshold: float = 0.55
    confidence_rate: float = 1.0

    def __post_init__(self) -> None:
        rates = (self.perpetual_maintenance, self.perpetual_initial, self.option_maintenance, self.option_initial)
        if min(*rates, self.confidence_rate) < 0.0:
            raise InvalidInput("contingencies", "must hold nothing negative", self)
        if not 0.0 <= self.confidence_threshold <= 1.0:
            raise InvalidInput("contingencies.confidence_threshold", "must lie in [0, 1]", self.confidence_threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class RollShock:
    """Expiries move against one another: ``Σ |delta of an expiry| · max(least, risk · T)``, never netted."""

    least: float = 0.01
    risk: float = 0.075


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumDelta:
    """Least scenario charge: ``net · |net delta| + hedged · (gross − |net|) / 2``, at spot."""

    net: float = 0.02
    hedged: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeRange:
    """Price range that follows volatility: ``clip(multiple · σ √(horizon_days / 365), least, most)``.

    With 4 and two days a volatility of 61 % gives the ±18 % of a venue's fixed grid.
    """

    multiple: float = 4.0
    horizon_days: float = 2.0
    least: float = 0.08
    most: float = 0.40

    def __post_init__(self) -> None:
        if not (self.multiple > 0.0 and self.horizon_days > 0.0 and 0.0 < self.least <= self.most < 1.0):
            raise InvalidInput("regime", "must be > 0, with least <= most < 1", self)

    def price_range(self, volatility: float) -> float:
        """Range at a volatility [annual fraction].

        Examples
        --------
        >>> [round(RegimeRange().price_range(sigma), 4) for sigma in (0.1, 0.61, 3.0)]
        [0.08, 0.1806, 0.4]
        """
        move = self.multiple * volatility * float(np.sqrt(self.horizon_days / DAYS_PER_YEAR))
        return min(max(move, self.least), self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioPreset:
    """Every rule of a scenario margin.

    Parameters
    ----------
    name : str
    scenarios : tuple of Scenario
        At most 40, the two of the skew included.
    price_range : float
        What `range_multiple` counts [fraction]; unused with `regime`.
    regime : RegimeRange, optional
        Makes the range follow each underlying's own volatility.
    volatility : VolatilityShock
    skew, discount, basis, roll, minimum_delta : optional
        Left out of the method where None.
    contingencies : Contingencies
    initial_factor, maintenance_factor : float
        Of the worst candidate; initial is never below maintenance.
    maintenance_of_initial : float, optional
        Maintenance margin as a fraction of the whole initial margin, instead of the factor.
    peg_threshold, peg_factor : float
        ``max(0, threshold − stable price) · factor`` is added to the initial factor.
    tail_share : float
        Of scenarios without a damping of their own.
    linear_clipped : bool
        Linear positions move by at most the price range and are not damped.
    settlement_seconds : float
        Window over which the delivery price is averaged: what has been averaged no longer moves [s].
    """

    name: str
    scenarios: tuple[Scenario, ...]
    price_range: float = 0.18
    regime: RegimeRange | None = None
    volatility: VolatilityShock = VolatilityShock()
    skew: SkewShock | None = None
    discount: StaticDiscount | None = None
    basis: BasisShock | None = None
    contingencies: Contingencies = Contingencies()
    roll: RollShock | None = None
    minimum_delta: MinimumDelta | None = None
    initial_factor: float = 1.0
    maintenance_factor: float = 0.8
    maintenance_of_initial: float | None = None
    peg_threshold: float = 0.99
    peg_factor: float = 4.0
    tail_share: float = 0.77
    linear_clipped: bool = False
    settlement_seconds: float = 1_800.0

    def __post_init__(self) -> None:
        count = len(self.scenarios) + (2 if self.skew is not None else 0)
        if not self.scenarios or count > MAX_SCENARIOS:
            raise InvalidInput("scenarios", f"must number 1 to {MAX_SCENARIOS}, skew included", count)
        if not 0.0 < self.price_range < 1.0:
            raise InvalidInput("price_range", "must lie in (0, 1)", self.price_range)
        if not 0.0 < self.maintenance_factor <= self.initial_factor:
            rule = "must be > 0 and at most initial_factor"
            raise InvalidInput("maintenance_factor", rule, self.maintenance_factor)
        if self.maintenance_of_initial is not None and not 0.0 < self.maintenance_of_initial <= 1.0:
            raise InvalidInput("maintenance_of_initial", "must lie in (0, 1]", self.maintenance_of_initial)
        if min(self.peg_factor, self.tail_share, self.settlement_seconds) < 0.0:
            raise InvalidInput("peg_factor, tail_share, settlement_seconds", "must be >= 0", self.peg_factor)
        widest = self.price_range if self.regime is None else self.regime.most
        lowest = min(scenario.range_multiple * widest + scenario.move for scenario in self.scenarios)
        if lowest <= -1.0:
            raise InvalidInput("scenarios.move", "must leave a price above 0", lowest)

    def range_of(self, name: str, volatility: float | None) -> float:
        """Price range of an underlying.

        Raises
        ------
        InvalidInput
            If it follows a volatility that is not known: no range is made up.
        """
        if self.regime is None:
            return self.price_range
        if volatility is None:
            raise InvalidInput(f"{name}.volatility", f"must be given: the price range of {self.name} follows it", None)
        return self.regime.price_range(volatility)
