"""Random books of options for tests."""

from __future__ import annotations

import numpy as np

from services.options.portfolio_greeks import OptionLeg
from services.options.positions import LinearLeg


def random_legs(
    rng: np.random.Generator, count: int, *, coin: bool | None = None, spot: float = 60_000.0
) -> list[OptionLeg]:
    """Options of a day to two years within three standard deviations, linear and coin-settled unless told."""
    time = np.exp(rng.uniform(np.log(1 / 365), np.log(2.0), count))
    volatility = rng.uniform(0.2, 1.2, count)
    forward = spot * np.exp(rng.uniform(-0.05, 0.08, count) * time)
    strike = forward * np.exp(rng.uniform(-2.0, 2.0, count) * volatility * np.sqrt(time))
    settled = rng.random(count) < 0.5 if coin is None else np.full(count, coin)
    rows = zip(time, volatility, forward, strike, settled, rng.choice([-1, 1], count), strict=True)
    return [
        OptionLeg(
            quantity=float(rng.uniform(-20, 20)),
            multiplier=float(rng.choice([0.1, 1.0])),
            right=int(right),
            strike=float(k),
            forward=float(f),
            time_to_expiry=float(t),
            volatility=float(v),
            discount=float(np.exp(-rng.uniform(-0.02, 0.06) * t)),
            coin_settled=bool(c),
            skew=float(rng.uniform(-0.3, 0.1)),
        )
        for t, v, f, k, c, right in rows
    ]


def linear_legs(rng: np.random.Generator, spot: float = 60_000.0) -> list[LinearLeg]:
    """Spot, a linear and an inverse perpetual, and a dated inverse future."""
    return [
        LinearLeg(kind="spot", quantity=float(rng.uniform(0, 5)), multiplier=1.0, price=spot),
        LinearLeg(kind="linear", quantity=float(rng.uniform(-9, 9)), multiplier=0.1, price=spot * 1.001),
        LinearLeg(kind="inverse", quantity=float(rng.uniform(-9e3, 9e3)), multiplier=10.0, price=spot * 0.999),
        LinearLeg(kind="inverse", quantity=-500.0, multiplier=100.0, price=spot * 1.02, time_to_expiry=0.2),
    ]
