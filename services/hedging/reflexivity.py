"""Own impact that feeds back: a book that is short gamma buys when prices rise, and its buying makes them rise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from annotated_types import Gt, Le

from services.core.errors import InvalidInput
from services.liquidity.depth import not_negative, positive
from services.liquidity.impact import square_root_impact


class ReflexivityLevel(StrEnum):
    """How strongly hedges feed back; `CONSEQUENCE` says what follows."""

    OK = "ok"
    WARN = "warn"
    PREFER_OPTION = "prefer_option"
    REFUSE = "refuse"


CONSEQUENCE: dict[ReflexivityLevel, str] = {
    ReflexivityLevel.OK: "Hedge as planned.",
    ReflexivityLevel.WARN: "Trade in slices, and widen the no-trade band by band_factor.",
    ReflexivityLevel.PREFER_OPTION: "Prefer a leg of options that brings gamma in; what is hedged with delta alone "
    "goes in slices, within a band widened by band_factor.",
    ReflexivityLevel.REFUSE: "No hedge with delta alone: it would move the price by more than the move it hedges.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflexivityDecision:
    """What the feedback of hedges amounts to.

    Parameters
    ----------
    gain : float
        ``l = −λ Γ``: what hedging a move moves the price again, as a fraction of the move; negative where gamma is long
        and hedges dampen.
    amplification : float, optional
        ``1 / (1 − l)``: the whole move over the first; None for ``l ≥ 1``, where it has no end.
    level : ReflexivityLevel
    consequence : str
        In words.
    band_factor : float, optional
        What the no-trade band is to be widened by; None where no band helps.
    """

    gain: float
    amplification: float | None
    level: ReflexivityLevel
    consequence: str
    band_factor: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reflexivity:
    """Levels of the feedback gain.

    Parameters
    ----------
    warn : float
        Gain from which hedges are sliced and the band is widened [fraction].
    prefer_option : float
        Gain above which gamma is to be bought rather than delta traded [fraction].
    refuse : float
        Gain from which a hedge with delta alone is refused [fraction]; the loop diverges at 1.

    Notes
    -----
    The levels are judgement and not measured: 0.1 makes moves 11 % larger, 0.25 a third.

    Examples
    --------
    >>> found = Reflexivity().decide(net_gamma=-2.0, impact_slope=0.1)
    >>> found.level.value, round(found.gain, 9), round(found.amplification, 9), round(found.band_factor, 9)
    ('warn', 0.2, 1.25, 1.25)
    """

    warn: Annotated[float, Gt(0), Le(1)] = 0.1
    prefer_option: Annotated[float, Gt(0), Le(1)] = 0.25
    refuse: Annotated[float, Gt(0), Le(1)] = 1.0

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if not 0.0 < self.warn <= self.prefer_option <= self.refuse <= 1.0:
            levels = (self.warn, self.prefer_option, self.refuse)
            raise InvalidInput("reflexivity", "must have 0 < warn <= prefer_option <= refuse <= 1", levels)

    def decide(self, net_gamma: float, impact_slope: float) -> ReflexivityDecision:
        r"""Gain, amplification and level of hedging a book of this gamma.

        A move ``e`` asks a hedge of ``−Γ e``, which moves the price by ``λ (−Γ) e = l e``, which asks another:
        ``e (1 + l + l² + …) = e / (1 − l)``.

        Parameters
        ----------
        net_gamma : float
            Γ of the book, hedges included [base units per quote unit of price]; negative is short.
        impact_slope : float
            λ >= 0: what a base unit moves the price [quote per base unit], as of `impact_slope`.
        """
        if not math.isfinite(net_gamma):
            raise InvalidInput("net_gamma", "must be finite", net_gamma)
        gain = -not_negative("impact_slope", impact_slope) * net_gamma + 0.0
        level = self._level(gain)
        amplification = 1.0 / (1.0 - gain) if gain < 1.0 else None
        widened = 1.0 if level is ReflexivityLevel.OK else amplification
        factor = None if level is ReflexivityLevel.REFUSE else widened
        return ReflexivityDecision(
            gain=gain,
            amplification=amplification,
            level=level,
            consequence=CONSEQUENCE[level],
            band_factor=factor,
        )

    def _level(self, gain: float) -> ReflexivityLevel:
        if gain >= self.refuse:
            return ReflexivityLevel.REFUSE
        if gain > self.prefer_option:
            return ReflexivityLevel.PREFER_OPTION
        return ReflexivityLevel.WARN if gain >= self.warn else ReflexivityLevel.OK


def impact_slope(
    clip: float, *, price: float, average_daily_volume: float, daily_volatility: float, coefficient: float = 1.0
) -> float:
    r"""Price move per base unit of a hedge of one clip, by the square-root law: ``λ = S Y σ √(q / V) / q``.

    Parameters
    ----------
    clip : float
        q > 0, what is traded at a time [base units].
    price : float
        S > 0 [quote].
    average_daily_volume : float
        V > 0 [base units a day].
    daily_volatility : float
        σ >= 0 of one day [fraction].
    coefficient : float
        Y > 0.

    Returns
    -------
    float
        [quote per base unit]

    Notes
    -----
    This is the secant of the law, twice its tangent ``S Y σ / (2 √(q V))``. Of a loop ``x = e + k √(|Γ| x)`` the ratio
    x / e is ``1 / (1 − l)`` with the secant at the whole hedge; the tangent gives only what one more unit of e
    adds, and half the gain. The impact is taken as lasting, though half or more of it decays within a day.

    References
    ----------
    Kyle (1985), Continuous auctions and insider trading (λ); Tóth et al. (2011), eq. 1 (square root).

    Examples
    --------
    >>> impact_slope(100.0, price=100.0, average_daily_volume=10_000.0, daily_volatility=0.04)
    0.004
    """
    terms = {"average_daily_volume": average_daily_volume, "daily_volatility": daily_volatility}
    moved = square_root_impact(positive("clip", clip), coefficient=coefficient, **terms)
    return float(positive("price", price) * moved / clip)
