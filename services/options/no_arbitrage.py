r"""Audit of a surface: static arbitrage in its prices, counted, located and sized.

Prices are undiscounted and over the forward, ``c(k, w) = N(d₁) − e^k N(d₂)``, on nodes of k. A call spread must cost
between 0 and its width, a butterfly at least 0, a longer option at the same k at least as much as a shorter one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from services.core.explain import Bools, Floats
from services.options.checks import finite
from services.options.surface import Surface
from services.options.svi import durrleman, total_variance

AUDIT_NODES = np.linspace(-1.0, 1.0, 61)
TOLERANCE = 1e-10
"""Price over forward that is not counted."""
_MODERATE, _SEVERE = 0.01, 0.10
_LISTED = 20
Kind = Literal["butterfly", "call_spread", "calendar"]
Severity = Literal["none", "minor", "moderate", "severe"]


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where prices allow a riskless gain.

    Parameters
    ----------
    kind : {"butterfly", "call_spread", "calendar"}
    slice : int
        Place of the expiry; of the later one for a calendar.
    log_moneyness : float
        k of the middle of a butterfly, of the lower strike of a spread.
    size : float
        The gain over the forward: of the butterfly that pays at most the distance of its strikes, of the spread, of the
        calendar.
    """

    kind: Kind
    slice: int
    log_moneyness: float
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found.

    Parameters
    ----------
    nodes : int
        Strikes looked at, in each expiry.
    butterflies, call_spreads, calendars : int
        Violations beyond `TOLERANCE`.
    worst : float
        Largest of them [price over forward]; 0 where there is none.
    least_density : float
        Smallest g of any expiry on the nodes, see `svi.durrleman`.
    largest_crossing : float
        Largest fall of total variance from an expiry to the next on the nodes, negative where it always rises.
    violations : tuple of Violation
        The 20 largest.
    """

    nodes: int
    butterflies: int
    call_spreads: int
    calendars: int
    worst: float
    least_density: float
    largest_crossing: float | None
    violations: tuple[Violation, ...]

    @property
    def clean(self) -> bool:
        """Whether there is none."""
        return self.butterflies + self.call_spreads + self.calendars == 0

    @property
    def severity(self) -> Severity:
        """Of the worst: below 0.01 of the forward minor, below 0.10 moderate."""
        if self.clean:
            return "none"
        return "minor" if self.worst < _MODERATE else "moderate" if self.worst < _SEVERE else "severe"


def normalised_calls(log_moneyness: Floats, variance: Floats) -> Floats:
    """``c(k, w)``: undiscounted calls over the forward."""
    root = np.sqrt(variance)
    d1 = -log_moneyness / root + root / 2.0
    return np.asarray(ndtr(d1) - np.exp(log_moneyness) * ndtr(d1 - root), dtype=float)


def audit(surface: Surface, log_moneyness: ArrayLike = AUDIT_NODES) -> Audit:
    """Look for static arbitrage at the nodes in every quoted expiry, and between neighbours.

    Parameters
    ----------
    surface : Surface
    log_moneyness : (n,) array
        Ascending nodes, n >= 3.

    Returns
    -------
    Audit

    Notes
    -----
    Linear interpolation in time at fixed k adds no calendar, so that neighbours suffice. Cost O(s n).

    References
    ----------
    Carr & Madan (2005), A note on sufficient conditions for no arbitrage, Finance Research Letters 2.
    """
    k = finite("log_moneyness", log_moneyness)
    variance = total_variance(surface.raw, k)
    calls, ratio = normalised_calls(k, variance), np.exp(k)
    spread, width = calls[:, :-1] - calls[:, 1:], np.diff(ratio)
    slopes = spread / width
    butterfly = (slopes[:, :-1] - slopes[:, 1:]) * np.minimum(width[:-1], width[1:])
    lacking = {
        "butterfly": (-butterfly, k[1:-1], 0),
        "call_spread": (np.maximum(-spread, spread - width), k[:-1], 0),
        "calendar": (calls[:-1] - calls[1:], k, 1),
    }
    counts, found = {}, []
    for kind, (lack, places, offset) in lacking.items():
        broken = lack > TOLERANCE
        counts[kind] = int(np.count_nonzero(broken))
        found += _listed(kind, lack, broken, places, offset)  # type: ignore[arg-type]
    found.sort(key=lambda violation: -violation.size)
    crossing = variance[:-1] - variance[1:]
    return Audit(
        nodes=k.size,
        butterflies=counts["butterfly"],
        call_spreads=counts["call_spread"],
        calendars=counts["calendar"],
        worst=found[0].size if found else 0.0,
        least_density=float(durrleman(surface.raw, k).min()),
        largest_crossing=float(crossing.max()) if crossing.size else None,
        violations=tuple(found[:_LISTED]),
    )


def _listed(kind: Kind, lack: Floats, broken: Bools, places: Floats, offset: int) -> list[Violation]:
    where = np.argwhere(broken)
    largest = where[np.argsort(-lack[broken])[:_LISTED]]
    return [Violation(kind, int(i) + offset, float(places[j]), float(lack[i, j])) for i, j in largest]
