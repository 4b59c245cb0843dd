"""Chains that are made of smiles which are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.explain import Floats
from services.options.black import black_price
from services.options.chain import Quotes
from services.options.smiles import Smile
from services.options.svi import ssvi, total_variance

AS_OF = 1_790_000_000.0
DAYS = (7.0, 30.0, 90.0)
FORWARD = 50_000.0


def smile_parameters(days: float, volatility: float = 0.6) -> Floats:
    """An SSVI smile: one skew, ψ = 0.9 √θ."""
    theta = volatility**2 * days * SECONDS_PER_DAY / SECONDS_PER_YEAR
    return ssvi(theta, -0.2, 0.9 * np.sqrt(theta))


def smiles(days: tuple[float, ...] = DAYS, count: int = 12, **changes: Any) -> list[Smile]:
    """Points on the smiles of `smile_parameters`, without noise."""
    found = []
    for each in days:
        years = each * SECONDS_PER_DAY / SECONDS_PER_YEAR
        raw = smile_parameters(each, **changes)
        k = np.linspace(-2.0, 2.0, count) * 0.6 * np.sqrt(years)
        volatility = np.sqrt(total_variance(raw, k) / years)
        found.append(Smile(time_to_expiry=years, log_moneyness=k, volatility=volatility, spread=np.full(count, 0.01)))
    return found


def chain(days: tuple[float, ...] = DAYS, *, in_base: bool = False, both: bool = False, **columns: Any) -> Quotes:
    """Quotes half a volatility point around the smiles; options out of the money, or all of them."""
    rows = []
    for each in days:
        years = each * SECONDS_PER_DAY / SECONDS_PER_YEAR
        for strike in np.round(FORWARD * np.exp(np.linspace(-2.0, 2.0, 13) * 0.6 * np.sqrt(years)), -1):
            out = 1.0 if strike >= FORWARD else -1.0
            volatility = float(np.sqrt(total_variance(smile_parameters(each), np.log(strike / FORWARD)) / years))
            for right in (out, -out) if both else (out,):
                sides = [float(black_price(FORWARD, strike, years, volatility + d, right)) for d in (-0.005, 0.005)]
                unit = FORWARD if in_base else 1.0
                rows.append([AS_OF + each * SECONDS_PER_DAY, strike, right, sides[0] / unit, sides[1] / unit])
    expiry, strike, right, bid, ask = np.array(rows).T
    none = np.full(strike.shape, np.nan)
    found = Quotes(
        expiry=expiry,
        strike=strike,
        right=right,
        forward=np.full(strike.shape, FORWARD),
        bid=bid,
        ask=ask,
        mark=none,
        volatility=none,
        age_seconds=none,
        in_base=in_base,
    )
    return replace(found, **columns)


def changed(quotes: Quotes, row: int, **figures: float) -> Quotes:
    """The same quotes with figures of one row replaced."""
    columns = {}
    for name, value in figures.items():
        column = np.array(getattr(quotes, name))
        column[row] = value
        columns[name] = column
    return replace(quotes, **columns)
