"""Published scenario margins, and one of our own, as parameter objects.

References
----------
Derive v2, PMRM_2 and its mainnet configuration. Deribit, Portfolio Margin (risk matrix, extended table).
Paradex, Portfolio Margin (24 scenarios). CME SPAN (1988), the 16 scenarios of a risk array.
"""

from __future__ import annotations

from dataclasses import replace

from services.margin.scenario_preset import (
    BasisShock,
    Contingencies,
    MinimumDelta,
    RegimeRange,
    RollShock,
    Scenario,
    ScenarioPreset,
    SkewShock,
    StaticDiscount,
    VolatilityMove,
    VolatilityShock,
)

QUARTERS = (1.0, 0.75, 0.5, 0.25, 0.0, -0.25, -0.5, -0.75, -1.0)
TAILS = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
ALL_MOVES: tuple[VolatilityMove, ...] = ("down", "none", "up")
BOTH_WAYS: tuple[VolatilityMove, ...] = ("up", "down")


def grid(moves: tuple[VolatilityMove, ...] = ALL_MOVES, *, ends_up_only: bool = True) -> tuple[Scenario, ...]:
    """Nine moves of the price with those of volatility; at the ends volatility only rises.

    Examples
    --------
    >>> len(grid()), len(grid(ends_up_only=False))
    (23, 27)
    """
    return tuple(
        Scenario(range_multiple=multiple, volatility=move)
        for multiple in QUARTERS
        for move in (("up",) if ends_up_only and abs(multiple) == 1.0 else moves)
    )


def tails(dampings: tuple[float | None, ...] = (None,) * len(TAILS)) -> tuple[Scenario, ...]:
    """Extreme moves with rising volatility, damped."""
    return tuple(
        Scenario(move=move, volatility="up", damping=damping) for move, damping in zip(TAILS, dampings, strict=True)
    )


DERIVE_PMRM2 = ScenarioPreset(
    name="derive_pmrm2",
    scenarios=(*grid(), *tails()),
    skew=SkewShock(),
    discount=StaticDiscount(),
    basis=BasisShock(),
)
"""Derive's mainnet figures, with the static-discount bases the right way round: 0.95 long, 1.05 short.

Its deployment script holds them the other way; as written that inflates positive option value and shrinks liabilities.
"""

DERIBIT_LIKE = ScenarioPreset(
    name="deribit_like",
    scenarios=(*grid(ends_up_only=False), *tails()),
    price_range=0.16,
    volatility=VolatilityShock(up=0.5, down=0.25, least_up=0.0),
    contingencies=Contingencies(
        perpetual_maintenance=0.0,
        perpetual_initial=0.006,
        option_maintenance=0.0,
        option_initial=0.01,
    ),
    roll=RollShock(),
    maintenance_of_initial=0.8,
    tail_share=1.0,
    linear_clipped=True,
)
"""The venue's risk matrix with its extended table. The venue damps by an amount of money, which lets small accounts
leave the extended table out; here the damping is a factor, range over move."""

_PARADEX_WEIGHTS = (0.24, 0.48, 0.32, 0.16, 0.08, 0.0533, 0.04, 0.032)
PARADEX_24 = ScenarioPreset(
    name="paradex_24",
    scenarios=(*grid(BOTH_WAYS), *tails(_PARADEX_WEIGHTS)),
    price_range=0.16,
    volatility=VolatilityShock(up=0.4, down=0.22, least_up=0.0),
    contingencies=Contingencies(
        perpetual_maintenance=0.0, perpetual_initial=0.0, option_maintenance=0.0, option_initial=0.0
    ),
    minimum_delta=MinimumDelta(),
    maintenance_of_initial=0.5,
    settlement_seconds=0.0,
)
"""24 scenarios; fee and funding provisions are not part of it."""

SPAN16 = ScenarioPreset(
    name="span16",
    scenarios=(
        *(
            Scenario(range_multiple=sign * third / 3.0, volatility=move)
            for third in range(4)
            for sign in ((1.0, -1.0) if third else (1.0,))
            for move in BOTH_WAYS
        ),
        *(Scenario(range_multiple=multiple, damping=0.33) for multiple in (3.0, -3.0)),
    ),
    price_range=0.10,
    volatility=VolatilityShock(up=0.05, down=0.05, least_up=0.0, absolute=True),
    contingencies=Contingencies(
        perpetual_maintenance=0.0, perpetual_initial=0.0, option_maintenance=0.0, option_initial=0.0
    ),
    initial_factor=1.1,
    maintenance_factor=1.0,
    settlement_seconds=0.0,
)
"""The risk array without its step of time: thirds of the range, volatility by points, two extreme moves at 33 %."""

REGIME = replace(DERIVE_PMRM2, name="regime", regime=RegimeRange())
"""Our own: the form of PMRM_2 on a grid that widens and narrows with current volatility."""

PRESETS = {preset.name: preset for preset in (DERIVE_PMRM2, DERIBIT_LIKE, PARADEX_24, SPAN16, REGIME)}
