"""What coins, cash and options come to when the options expire, in quote and in coin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.core.explain import Floats
from services.hedging.vault_plan import Payoff

SHOCKS = (-0.5, -0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3)
"""Of every table of pay-offs, besides those of the method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryPosition:
    r"""Value at the expiry of its options: ``V(S) = c S + b + Σ q_i max(w_i (S − K_i), 0)``.

    Parameters
    ----------
    coins : float
        c: coin held, with premiums and fees that were received or paid in coin [base].
    cash : float
        b: the same in quote [quote].
    sizes, strikes, rights : tuple of float
        q, signed [base units], K [quote per base] and w (+1 call, -1 put) of each option.

    Notes
    -----
    A coin-settled option pays ``max(w (S − K), 0) / S`` coin, worth the same in quote as one that is settled in quote:
    its pay-off in quote is no different. Its premium is: coin that was paid is worth c S at expiry, and so costs
    less in quote where the price has fallen, and more where it has risen.

    Examples
    --------
    >>> put = ExpiryPosition(coins=0.99, cash=0.0, sizes=(1.0,), strikes=(90.0,), rights=(-1.0,))
    >>> put.value(np.array([50.0, 100.0])).tolist()
    [89.5, 99.0]
    >>> put.floor()
    (89.1, 90.0)
    """

    coins: float
    cash: float
    sizes: tuple[float, ...]
    strikes: tuple[float, ...]
    rights: tuple[float, ...]

    def value(self, prices: Floats) -> Floats:
        """Value at each price of the underlying [quote]."""
        intrinsic = np.maximum(np.array(self.rights) * (prices[..., None] - np.array(self.strikes)), 0.0)
        return np.asarray(self.coins * prices + self.cash + intrinsic @ np.array(self.sizes))

    def floor(self) -> tuple[float, float]:
        """Least value and its price: at zero or at a strike, as the value is linear between; −inf where it falls on."""
        kinks = np.array([0.0, *sorted(self.strikes)])
        slope = self.coins + sum(q for q, w in zip(self.sizes, self.rights, strict=True) if w > 0.0)
        if slope < -1e-9 * max(1.0, abs(self.coins)):
            return -np.inf, np.inf
        values = self.value(kinks)
        least = int(np.argmin(values))
        return float(values[least]), float(kinks[least])

    def crossing(self, level: float, *, rising: bool) -> float | None:
        """First price at which the value rises to a level, or falls to it; None where it starts beyond or never does.

        Examples
        --------
        >>> put = ExpiryPosition(coins=0.0, cash=-2.0, sizes=(1.0,), strikes=(90.0,), rights=(-1.0,))
        >>> put.crossing(0.0, rising=False)
        88.0
        """
        kinks = np.array([0.0, *sorted(self.strikes), 2.0 * max(self.strikes)])
        above = (self.value(kinks) - level) * (1.0 if rising else -1.0)
        if above[0] >= 0.0:
            return None
        for start, end, low, high in zip(kinks[:-1], kinks[1:], above[:-1], above[1:], strict=True):
            if high >= 0.0:
                return float(start + (end - start) * low / (low - high))
        slope = (above[-1] - above[-2]) / (kinks[-1] - kinks[-2])
        return float(kinks[-1] - above[-1] / slope) if slope > 0.0 else None

    def payoffs(self, mark: float, without: tuple[float, float], shocks: Sequence[float] = ()) -> tuple[Payoff, ...]:
        """Table over shocks; `without` are the coins and the cash that were there before."""
        moves = sorted({*SHOCKS, *shocks})
        prices = mark * (1.0 + np.array(moves))
        bare = without[0] * prices + without[1]
        rows = zip(moves, prices.tolist(), bare.tolist(), self.value(prices).tolist(), strict=True)
        return tuple(Payoff(shock=s, price=p, without=b, with_options=v) for s, p, b, v in rows)
