r"""Value at risk and expected shortfall of a sample, and how both grow with the horizon."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.errors import Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.risk.tails import (
    cornish_fisher_holds,
    cornish_fisher_quantile,
    cornish_fisher_shortfall,
    expected_shortfall_multiple,
    fitted_freedom,
    quantile_multiple,
    shape_of,
)

LEAST_SAMPLE = 250
"""Observations below which a sample says nothing of its tail: a year of trading days, two and a half beyond 99 %."""


class Levels(NamedTuple):
    """Confidence of the value at risk, and of the expected shortfall."""

    value_at_risk: float
    expected_shortfall: float


class TailLoss(NamedTuple):
    """Loss that is exceeded with a probability, and the mean of the losses beyond (another) one; in one unit."""

    value_at_risk: float
    expected_shortfall: float

    def times(self, factor: float) -> TailLoss:
        """Both in another unit, or over another horizon."""
        return TailLoss(self.value_at_risk * factor, self.expected_shortfall * factor)


def horizon_years(days: float) -> float:
    """Horizon of calendar days [years of 365 days].

    Examples
    --------
    >>> horizon_years(365.0)
    1.0
    """
    return days * SECONDS_PER_DAY / SECONDS_PER_YEAR


def sample_value_at_risk(returns: Floats, alpha: float) -> float:
    r"""Smallest loss of a sample that is exceeded by at most (1 − α) of it: ``−r_(⌈(1−α) k⌉)``, r sorted upward.

    Parameters
    ----------
    returns : (n,) array
        k of them are numbers, k >= 1; NaN says nothing.
    alpha : float
        In (0, 1).

    Notes
    -----
    An observation, not an interpolation between two, as in skfolio. Negative where even that return is a gain.

    Examples
    --------
    >>> sample_value_at_risk(np.array([0.1, -0.5, -0.3, 0.8, np.nan]), 0.7)
    0.3
    """
    ordered = np.sort(returns[~np.isnan(returns)])
    return -float(ordered[_rank(ordered.size, alpha)])


def sample_expected_shortfall(returns: Floats, alpha: float) -> float:
    r"""Mean of the worst (1 − α) of a sample, the last observation with the part of it that is still in the tail.

    With ``m = (1 − α) k`` and j = ⌈m⌉ − 1: ``−(Σ_{i<=j} r_(i) + (m − j) r_(j+1)) / m``.

    References
    ----------
    Rockafellar & Uryasev (2002), Conditional value-at-risk for general loss distributions, J. Banking & Finance 26,
    proposition 8.

    Examples
    --------
    >>> round(sample_expected_shortfall(np.array([0.1, -0.5, -0.3, 0.8]), 0.6), 4)
    0.425
    """
    ordered = np.sort(returns[~np.isnan(returns)])
    whole, tail = _rank(ordered.size, alpha), (1.0 - alpha) * ordered.size
    return -float(ordered[:whole].sum() + (tail - whole) * ordered[whole]) / tail


def normal_loss(levels: Levels) -> TailLoss:
    """Of the normal law of unit variance."""
    return TailLoss(
        quantile_multiple("normal", levels.value_at_risk),
        expected_shortfall_multiple("normal", levels.expected_shortfall),
    )


def student_loss(levels: Levels, degrees_of_freedom: float) -> TailLoss:
    """Of the Student law of unit variance."""
    return TailLoss(
        quantile_multiple("student_t", levels.value_at_risk, degrees_of_freedom),
        expected_shortfall_multiple("student_t", levels.expected_shortfall, degrees_of_freedom),
    )


def fitted_student_loss(standardized: Floats, levels: Levels) -> tuple[TailLoss, str]:
    """Of the Student law fitted to standardised returns, and which it is.

    Raises
    ------
    Refusal
        `unusable_data`: fewer than 250 returns, or none that moves.
    """
    _check_sample(standardized, None)
    freedom = fitted_freedom(standardized)
    return student_loss(levels, freedom), f"Student t with {freedom:.3g} degrees of freedom, fitted"


def cornish_fisher_loss(standardized: Floats, levels: Levels) -> tuple[TailLoss, str]:
    """By the expansion of Cornish and Fisher; where it does not hold, that of `filtered_loss`, and the reason.

    Raises
    ------
    Refusal
        `unusable_data`: fewer than 250 returns, or none that moves.
    """
    _check_sample(standardized, None)
    skewness, kurtosis = shape_of(standardized)
    shape = f"skewness {skewness:.3g} and excess kurtosis {kurtosis:.3g}"
    if not cornish_fisher_holds(skewness, kurtosis):
        loss, basis = filtered_loss(standardized, levels)
        return loss, f"{basis}, because Cornish-Fisher does not hold at {shape}"
    loss = TailLoss(
        cornish_fisher_quantile(levels.value_at_risk, skewness, kurtosis),
        cornish_fisher_shortfall(levels.expected_shortfall, skewness, kurtosis),
    )
    return _held(loss), f"Cornish-Fisher at {shape}"


def filtered_loss(standardized: Floats, levels: Levels) -> tuple[TailLoss, str]:
    """Of standardised returns brought to variance 1: how wild the market is, is the forecast's to say.

    Raises
    ------
    Refusal
        `unusable_data`: fewer than 250 returns, none that moves, or no loss at a level.
    """
    _check_sample(standardized, levels)
    loss = sample_loss(standardized / np.sqrt((standardized**2).mean()), levels)
    return loss, f"{standardized.size} standardised returns"


def historical_loss(returns: Floats, levels: Levels) -> tuple[TailLoss, str]:
    """Of the returns themselves, over one bar.

    Raises
    ------
    Refusal
        `unusable_data`: fewer than 250 returns, none that moves, or no loss at a level.
    """
    _check_sample(returns, levels)
    return sample_loss(returns, levels), f"{returns.size} returns"


def sample_loss(returns: Floats, levels: Levels) -> TailLoss:
    """Both measures of one sample.

    Raises
    ------
    Refusal
        `unusable_data` where one of them is no loss.
    """
    return _held(
        TailLoss(
            sample_value_at_risk(returns, levels.value_at_risk),
            sample_expected_shortfall(returns, levels.expected_shortfall),
        )
    )


def _held(loss: TailLoss) -> TailLoss:
    if min(loss) > 0.0:
        return loss
    raise Refusal(Reason.UNUSABLE_DATA, "the returns hold no loss at these levels: no size follows from them")


def _check_sample(sample: Floats, levels: Levels | None) -> None:
    """Enough observations, some that move, and one of them in the tail beyond each level."""
    if sample.size < LEAST_SAMPLE:
        raise Refusal(Reason.UNUSABLE_DATA, f"{sample.size} returns: at least {LEAST_SAMPLE} are needed for a tail")
    if not sample.any():
        raise Refusal(Reason.UNUSABLE_DATA, "the returns never move")
    if levels is not None and (1.0 - max(levels)) * sample.size < 1.0 - 1e-9:
        text = f"level {max(levels):g} lies beyond {sample.size} returns"
        raise Refusal(Reason.UNUSABLE_DATA, f"{text}: send more, or take a law")


def _rank(count: int, alpha: float) -> int:
    """Observations that lie wholly in the tail."""
    # (1 − 0.95) · 20 is 1 + 4e-16 in floats, and one observation all the same.
    return max(math.ceil((1.0 - alpha) * count - 1e-9) - 1, 0)
