"""Against procyclicality: a margin that is not lowest just before a crisis, nor rises most within it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from services.core.errors import InvalidInput
from services.core.explain import Floats

STRESS_BARS = 250
"""Window of the stress period: the one with the largest sum of squared returns."""
SHORT_RISE, LONG_RISE = 1, 5
"""Steps over which the largest rise is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AntiProcyclicality:
    r"""Rules that are applied to a margin in this order: stress weight, floor, buffer, release speed.

    ``a = (1 − w) m + w m_stress``; ``b = max(a, m_floor)``; with the target ``t = (1 + β) b``: t where ``t <= p``, else
    ``max(b, p + κ (t − p))``; then at least ``p (1 − δ)``. p is the margin that was asked last.

    Parameters
    ----------
    stress_weight : float
        w, the weight of the margin of a stressed period. 0 is off; 0.25 is the least that EMIR names.
    long_run_floor : bool
        Never below the margin at the volatility of up to ten years (m_floor).
    buffer : float
        β, asked on top in calm times and used up as the margin rises. 0 is off; 0.25 is usual.
    rebuild : float
        κ, part of the missing buffer that is rebuilt a step [per day].
    release : float, optional
        δ, largest fall a step [per day]; none where absent.

    Notes
    -----
    Nothing slows a rise of the margin itself: a bound on rises hides risk. Without a previous margin a buffer starts
    full. The state is the margin of the last step, and when that was: it travels with the request and the answer.

    A step is a day. Between decisions that lie Δ days apart a missing buffer shrinks to ``(1 − κ)^Δ`` of itself, so
    that ``1 − (1 − κ)^Δ`` of it is rebuilt, and the margin keeps at least ``(1 − δ)^Δ`` of itself. Two half days are
    one day to the digit, as long as the base stays below the margin that is asked; where it does not, more decisions
    never ask less.

    References
    ----------
    Commission Delegated Regulation (EU) 153/2013, article 28: 25 % buffer, at least 25 % weight of stressed
    observations, floor of ten years' volatility. Murphy, Vasios & Vause (2014), An investigation into the
    procyclicality of risk-based initial margin models, Bank of England financial stability paper 29.

    Examples
    --------
    >>> rules, asked = AntiProcyclicality(buffer=0.25), None
    >>> for margin in (10.0, 12.0, 14.0, 9.0):
    ...     asked = rules.following(asked, margin)
    ...     print(round(float(asked), 6))
    12.5
    12.625
    14.0
    11.25
    """

    stress_weight: Annotated[float, Ge(0), Lt(1)] = 0.0
    long_run_floor: bool = False
    buffer: Annotated[float, Ge(0), Le(4)] = 0.0
    rebuild: Annotated[float, Gt(0), Le(1)] = 0.05
    release: Annotated[float, Gt(0), Lt(1)] | None = None

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    @property
    def active(self) -> bool:
        """Whether any rule is on."""
        return self.stress_weight > 0.0 or self.long_run_floor or self.buffer > 0.0 or self.release is not None

    @property
    def remembers(self) -> bool:
        """Whether a rule looks at what was asked last."""
        return self.buffer > 0.0 or self.release is not None

    def base(self, margin: ArrayLike, *, stressed: ArrayLike | None = None, floor: ArrayLike | None = None) -> Floats:
        """Margin with stress weight and floor: what needs no memory.

        A stressed margin or floor that is NaN is unknown: the rule is left out there, and the margin not lowered by it.

        Raises
        ------
        InvalidInput
            If a rule is on and its figure is missing.

        Examples
        --------
        >>> float(AntiProcyclicality(stress_weight=0.25, long_run_floor=True).base(0.105, stressed=0.22, floor=0.118))
        0.13375
        """
        found = np.asarray(margin, dtype=np.float64)
        if self.stress_weight > 0.0:
            worst = _given("stressed", stressed)
            mixed = (1.0 - self.stress_weight) * found + self.stress_weight * worst
            found = np.where(np.isnan(worst), found, mixed)
        if not self.long_run_floor:
            return found
        least = _given("floor", floor)
        return np.where(np.isnan(found), found, np.fmax(found, least))

    def following(
        self,
        previous: ArrayLike | None,
        margin: ArrayLike,
        *,
        stressed: ArrayLike | None = None,
        floor: ArrayLike | None = None,
        days: ArrayLike = 1.0,
    ) -> Floats:
        """Margin that is asked after `previous`; never below the margin with stress weight and floor.

        Parameters
        ----------
        previous : array, optional
            Margin that was asked last; None or NaN: none was.
        margin, stressed, floor : arrays
            What the model asks now, in the stressed period, and at long-run volatility. All in one unit.
        days : array
            Δ, time since `previous` [days]. Below 0 the clock has gone back: nothing is released, nothing rebuilt.

        Returns
        -------
        array
            NaN where `margin` is NaN: an unknown margin is not the last one.

        Examples
        --------
        >>> rules = AntiProcyclicality(buffer=0.25, release=0.03)
        >>> [round(float(rules.following(12.5, 12.0, days=days)), 6) for days in (0.5, 1.0, -1.0)]
        [12.563301, 12.625, 12.5]
        """
        base = self.base(margin, stressed=stressed, floor=floor)
        before = np.full(base.shape, np.nan) if previous is None else np.asarray(previous, dtype=np.float64)
        target = (1.0 + self.buffer) * base
        elapsed = np.asarray(days, dtype=np.float64)
        passed = np.maximum(elapsed, 0.0)
        rebuilt = 1.0 - (1.0 - self.rebuild) ** passed
        rising = np.maximum(base, before + rebuilt * (target - before))
        asked: Floats = np.where(np.isnan(before) | (target <= before), target, rising)
        kept = 0.0 if self.release is None else (1.0 - self.release) ** passed
        # fmax: where nothing was asked before, nothing is released either.
        held = np.fmax(asked, before * np.where(elapsed < 0.0, 1.0, kept))
        return np.where(np.isnan(asked), asked, held)

    def path(self, margin: Floats, *, stressed: Floats | None = None, floor: Floats | None = None) -> Floats:
        """`following` along a series of margins, oldest first; a step without one leaves the memory as it is."""
        found, last = np.full(margin.size, np.nan), None
        for step in range(margin.size):
            if np.isnan(margin[step]):
                continue
            last = self.following(
                last,
                margin[step],
                stressed=None if stressed is None else stressed[step],
                floor=None if floor is None else floor[step],
            )
            found[step] = float(last)
        return found


class Procyclicality(NamedTuple):
    """How a margin moved; all of them are fractions of the margin but for the mean, which is in its unit.

    Parameters
    ----------
    peak_to_trough : float
        Largest over smallest.
    max_rise_1, max_rise_5 : float
        Largest rise within one step, and within at most five.
    mean : float
    change_deviation : float
        Standard deviation of the relative change a step.
    """

    peak_to_trough: float
    max_rise_1: float
    max_rise_5: float
    mean: float
    change_deviation: float


def procyclicality(margin: Floats) -> Procyclicality:
    """Figures of a path of margins.

    Parameters
    ----------
    margin : (n,) array
        Positive, oldest first, n >= 2; NaN is left out.

    Raises
    ------
    InvalidInput
        If there are fewer than two, or one is not positive.

    References
    ----------
    Murphy, Vasios & Vause (2014), Bank of England financial stability paper 29: peak-to-trough, n-day rises.

    Examples
    --------
    >>> procyclicality(np.array([0.1, 0.2, 0.15])).max_rise_1
    1.0
    """
    path = margin[~np.isnan(margin)]
    if path.size < 2 or not path.min() > 0.0:
        raise InvalidInput("margin", "must hold at least two positive values", path.size)
    changes = path[1:] / path[:-1] - 1.0
    return Procyclicality(
        peak_to_trough=float(path.max() / path.min()),
        max_rise_1=_largest_rise(path, SHORT_RISE),
        max_rise_5=_largest_rise(path, LONG_RISE),
        mean=float(path.mean()),
        change_deviation=float(changes.std()),
    )


def stress_windows(returns: Floats, bars: int = STRESS_BARS) -> NDArray[np.intp]:
    """End of the window of `bars` with the largest sum of squares, among those that have ended at each time.

    Parameters
    ----------
    returns : (n,) array

    Returns
    -------
    (n + 1,) array of int
        End e at time t: the window is ``returns[e − bars : e]``; t itself while there is no whole window yet.

    Examples
    --------
    >>> stress_windows(np.array([0.1, 0.2, 0.0, 0.0]), 2).tolist()
    [0, 1, 2, 2, 2]
    """
    ends = np.arange(returns.size + 1)
    if returns.size < bars:
        return ends
    sums = sliding_window_view(returns**2, bars).sum(axis=-1)
    highest = np.maximum.accumulate(sums)
    newest = np.concatenate([[True], sums[1:] > highest[:-1]])
    ends[bars:] = np.maximum.accumulate(np.where(newest, np.arange(sums.size), 0)) + bars
    return ends


def _largest_rise(path: Floats, steps: int) -> float:
    """Largest relative rise within at most `steps` steps; 0 where it never rises."""
    lags = range(1, min(steps, path.size - 1) + 1)
    return max(0.0, *(float((path[lag:] / path[:-lag]).max()) - 1.0 for lag in lags))


def _given(name: str, value: ArrayLike | None) -> Floats:
    if value is None:
        raise InvalidInput(name, "must be given for the rule that reads it", None)
    return np.asarray(value, dtype=np.float64)
