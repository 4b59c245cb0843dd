"""docs/images/surface_smiles.png: a surface through a chain that is made up in the shape of real ones (`make docs`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.explain import Floats
from services.options.black import black_price
from services.options.chain import Chain, Quotes
from services.options.chain_cleaning import clean_chain
from services.options.surface import Surface
from services.options.surface_fit import fit_surface
from services.options.svi import ssvi, total_variance

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "surface_smiles.png"
AS_OF, SPOT, CARRY = 1_790_000_000.0, 90_000.0, 0.04
EXPIRIES = ((2.0, 0.44), (6.0, 0.45), (14.0, 0.46), (35.0, 0.48), (91.0, 0.50), (182.0, 0.51), (364.0, 0.52))
"""Days to expiry, and volatility at the money."""
TICK = 0.0001
"""Of prices in coin."""


def made_up_chain(seed: int = 5) -> Quotes:
    """Smiles with a skew that turns from calls to puts, sampled at listed strikes, with errors, spreads and ticks."""
    generator, rows = np.random.default_rng(seed), []
    for days, volatility in EXPIRIES:
        years = days * SECONDS_PER_DAY / SECONDS_PER_YEAR
        forward, theta = SPOT * np.exp(CARRY * years), volatility**2 * years
        raw = ssvi(theta, -0.25 + 0.2 * np.sqrt(years), (1.05 - 0.25 * np.sqrt(years)) * np.sqrt(theta))
        step = 500.0 if days < 10.0 else 1_000.0 if days < 60.0 else 5_000.0
        reach = 2.3 * volatility * np.sqrt(years)
        strikes = (
            np.arange(np.ceil(forward * np.exp(-reach) / step), np.floor(forward * np.exp(reach) / step) + 1) * step
        )
        strikes = strikes[:: max(1, strikes.size // 24)]
        rows.append(_expiry(years, forward, strikes, raw, generator))
    columns = np.concatenate(rows, axis=1)
    none = np.full(columns.shape[1], np.nan)
    expiry, strike, right, forward_column, bid, ask = columns
    return Quotes(
        expiry=expiry,
        strike=strike,
        right=right,
        forward=forward_column,
        bid=bid,
        ask=ask,
        mark=none,
        volatility=none,
        age_seconds=none,
        in_base=True,
    )


def _expiry(years: float, forward: float, strikes: Floats, raw: Floats, generator: np.random.Generator) -> Floats:
    k = np.log(strikes / forward)
    deviations = np.abs(k) / np.sqrt(total_variance(raw, 0.0))
    right = np.where(strikes >= forward, 1.0, -1.0)
    half = 0.004 + 0.004 * deviations**2
    middle = np.sqrt(total_variance(raw, k) / years) + 0.35 * half * generator.standard_normal(k.size)
    bid, ask = (black_price(forward, strikes, years, middle + sign * half, right) / forward for sign in (-1.0, 1.0))
    bid, ask = np.floor(bid / TICK) * TICK, np.ceil(ask / TICK) * TICK
    count = np.ones(k.size)
    return np.stack([(AS_OF + years * SECONDS_PER_YEAR) * count, strikes, right, forward * count, bid, ask])


def fitted() -> tuple[Chain, Surface]:
    """The chain and its surface."""
    chain = clean_chain(made_up_chain(), AS_OF)
    return chain, fit_surface(chain)


def main() -> int:
    """Draw."""
    from scripts.surface_plots import draw

    chain, surface = fitted()
    draw(chain.expiries, surface, PICTURE)
    print(f"{PICTURE.relative_to(ROOT)} is up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
