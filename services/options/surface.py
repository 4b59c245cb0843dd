r"""A fitted volatility surface: smiles of the quoted expiries, and what lies between and beyond them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.options.checks import finite, positive
from services.options.svi import RawSvi, shape, total_variance

ENOUGH_STRIKES = 10
"""Strikes from which more of them add no confidence."""
_APART = 0.9
"""Part of the last expiry at which another one is far enough before it to tell a slope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceSlice:
    """The smile of one expiry.

    Parameters
    ----------
    expiry : float
        [s since 1970, UTC].
    time_to_expiry : float
        T at the time of the surface [years].
    forward : float
        F [quote].
    forward_source : str
        "given" or "parity".
    raw : RawSvi
        Total variance over k = ln(K/F): every family of smiles used here is a raw SVI smile.
    family : str
        "svi", "ssvi", "essvi" or "flat".
    strikes : int
        Quotes that were fitted.
    rmse : float
        Root mean square of fitted less quoted volatility [annual fraction].
    inside : float, optional
        Part of the quotes with bid and ask between which the fit lies; None where no quote has both.
    lowest, highest : float
        Log-moneyness of the outermost quotes: beyond them the smile is extrapolated.
    age_seconds : float
        Mean age of the quotes at the time of the surface [s].
    freshness : float
        1 for quotes of this moment, falling to 0 at the greatest age that is allowed.
    """

    expiry: float
    time_to_expiry: float
    forward: float
    forward_source: str
    raw: RawSvi
    family: str
    strikes: int
    rmse: float
    inside: float | None
    lowest: float
    highest: float
    age_seconds: float = 0.0
    freshness: float = 1.0

    @property
    def confidence(self) -> float:
        """``min(1, n/10)`` for n strikes, times the freshness of their quotes."""
        return min(1.0, self.strikes / ENOUGH_STRIKES) * self.freshness

    def volatility(self, log_moneyness: ArrayLike) -> Floats:
        """Annual implied volatility, ``√(w(k)/T)``."""
        return np.asarray(np.sqrt(total_variance(self.raw, log_moneyness) / self.time_to_expiry), dtype=float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Smiles of ascending expiries, and the rules between them.

    Parameters
    ----------
    as_of : float
        [s since 1970, UTC].
    slices : tuple of SurfaceSlice
        At least one, ascending.

    Notes
    -----
    Between two expiries w is linear in T at the same k, and ln F is linear in T: calendar spreads of the surface are
    free of arbitrage where those of its slices are. Before the first expiry ``w = w₁ T/T₁``; after the last
    ``w = w_n + (T − T_n) s``, s the slope of w(0), at least 0, from the latest expiry at or before 0.9 T_n to the last
    one: between expiries an hour apart a slope is all noise. Without such an expiry it is w(0)/T. The
    forward is held beyond both ends. Strikes beyond the quotes follow the wings of SVI, which Lee's bound allows; a cap
    on the volatility there would put a kink, and with it a butterfly, into the smile.
    """

    as_of: float
    slices: tuple[SurfaceSlice, ...]

    def __post_init__(self) -> None:
        times = [part.time_to_expiry for part in self.slices]
        if not times or times[0] <= 0.0 or any(later <= sooner for sooner, later in pairwise(times)):
            raise InvalidInput("slices", "must be at least one, of ascending times > 0", times)

    @property
    def times(self) -> Floats:
        """T of the slices [years]."""
        return np.array([part.time_to_expiry for part in self.slices])

    @property
    def raw(self) -> Floats:
        """Raw parameters (s, 5)."""
        return np.array([part.raw for part in self.slices])

    def years(self, expiry: ArrayLike) -> Floats:
        """Time from `as_of` to an expiry [s since 1970] in years."""
        return (finite("expiry", expiry) - self.as_of) / SECONDS_PER_YEAR

    def forward(self, time_to_expiry: ArrayLike) -> Floats:
        """F, log-linear in T between expiries and held beyond them [quote]."""
        logs = np.log([part.forward for part in self.slices])
        return np.asarray(np.exp(np.interp(positive("time_to_expiry", time_to_expiry), self.times, logs)), dtype=float)

    def total_variance(self, log_moneyness: ArrayLike, time_to_expiry: ArrayLike) -> Floats:
        """``w(k, T)``; arrays of shapes that broadcast.

        Raises
        ------
        InvalidInput
            A time that is not positive, or a number that is not finite.
        """
        blended = self._blended(total_variance, log_moneyness, time_to_expiry)
        beyond = np.maximum(np.asarray(time_to_expiry, dtype=float) - self.times[-1], 0.0)
        return np.asarray(blended + beyond * self._last_slope(), dtype=float)

    def skew(self, log_moneyness: ArrayLike, time_to_expiry: ArrayLike) -> Floats:
        """Slope of implied volatility by log-moneyness, ``w'(k) / (2 √(w T))``; errors as `total_variance`.

        0 where the variance is.
        """
        slope = self._blended(lambda raw, k: shape(raw, k).slope, log_moneyness, time_to_expiry)
        variance = self.total_variance(log_moneyness, time_to_expiry)
        root = np.sqrt(variance * np.asarray(time_to_expiry, dtype=float))
        found = np.divide(slope, 2.0 * root, out=np.zeros(slope.shape), where=root > 0.0)
        return np.asarray(found, dtype=float)

    def _blended(
        self, smile: Callable[[Floats, Floats], Floats], log_moneyness: ArrayLike, time_to_expiry: ArrayLike
    ) -> Floats:
        """A figure of total variance by k, carried between expiries and beyond them as w is."""
        k, time = np.broadcast_arrays(
            finite("log_moneyness", log_moneyness), positive("time_to_expiry", time_to_expiry)
        )
        times, raw = self.times, self.raw
        after = np.clip(np.searchsorted(times, time), 0, len(times) - 1)
        before = np.maximum(np.where(time > times[-1], len(times) - 1, after - 1), 0)
        sooner, later = _each(smile, raw, before, k), _each(smile, raw, after, k)
        gap = times[after] - times[before]
        part = np.where(gap > 0.0, (time - times[before]) / np.where(gap > 0.0, gap, 1.0), 0.0)
        between = sooner + part * (later - sooner)
        first = later * time / times[0]
        return np.asarray(np.where(time <= times[0], first, np.where(time > times[-1], sooner, between)), dtype=float)

    def volatility(self, strike: ArrayLike, time_to_expiry: ArrayLike) -> Floats:
        """Annual implied volatility at a strike [quote]; errors as `total_variance`."""
        time = positive("time_to_expiry", time_to_expiry)
        k = np.log(positive("strike", strike) / self.forward(time))
        return np.asarray(np.sqrt(self.total_variance(k, time) / time), dtype=float)

    def extrapolated(self, log_moneyness: ArrayLike, time_to_expiry: ArrayLike) -> Bools:
        """Whether a point lies beyond the quoted expiries, or the quoted strikes of the expiries around it."""
        k, time = np.broadcast_arrays(finite("log_moneyness", log_moneyness), finite("time_to_expiry", time_to_expiry))
        times = self.times
        lowest = np.interp(time, times, [part.lowest for part in self.slices])
        highest = np.interp(time, times, [part.highest for part in self.slices])
        beyond = (time < times[0] * (1.0 - 1e-9)) | (time > times[-1] * (1.0 + 1e-9))
        return np.asarray(beyond | (k < lowest - 1e-12) | (k > highest + 1e-12), dtype=bool)

    def _last_slope(self) -> float:
        atm, times = total_variance(self.raw, np.zeros((len(self.slices), 1)))[:, 0], self.times
        apart = np.flatnonzero(times <= _APART * times[-1])
        if not apart.size:
            return float(atm[-1] / times[-1])
        return max(0.0, float((atm[-1] - atm[apart[-1]]) / (times[-1] - times[apart[-1]])))


def _each(smile: Callable[[Floats, Floats], Floats], raw: Floats, place: NDArray[np.intp], k: Floats) -> Floats:
    """Figure of the smile at `place` for each k, all of one shape."""
    return np.asarray(smile(raw[place], k[..., None])[..., 0], dtype=float)
