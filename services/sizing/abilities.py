"""What a sizing method may do besides sizing: need more, remember a floor, remark, skew quotes, tell of survival.

Each is a protocol that the engine asks for; a method that has the function is given its place in the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from services.core.explain import Floats
from services.sizing.capital import Capital, FixedCapital
from services.sizing.columns import SizingColumns
from services.sizing.interface import SizingRule
from services.sizing.scaling import NoScaling, Scaling, ToVolatility


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """Prospect of losing much of the equity with the book as targeted.

    Parameters
    ----------
    method : str
        The method that bounds it.
    level : float
        Fraction of the present equity.
    probability : float, optional
        Of falling below it within the horizon; None where the figures that it takes are unknown.
    horizon : {"ever", "year"}
        Over which time.
    growth_share : float, optional
        Growth rate of the book over the largest that its expected returns allow; None where they are unknown.
    basis : str
        What the figures rest on, or what is missing.
    """

    method: str
    level: float
    probability: float | None
    horizon: Literal["ever", "year"]
    growth_share: float | None
    basis: str


class Skew(NamedTuple):
    """Multipliers of the sizes that a market maker quotes, per row, in [0, 2]; NaN where there are none."""

    bid: Floats
    ask: Floats


@runtime_checkable
class KeepsFloor(Protocol):
    """A method with a floor of wealth that travels in the control state."""

    def next_floor(self, columns: SizingColumns) -> float:
        """Floor that this decision was made with [account currency]."""
        ...


@runtime_checkable
class Remarks(Protocol):
    """A method with something to say about its sizes."""

    def remarks(self, columns: SizingColumns, weights: Floats) -> tuple[str, ...]:
        """One text a row on the final `weights` over equity, empty where there is nothing to say."""
        ...


@runtime_checkable
class SkewsQuotes(Protocol):
    """A method of market makers."""

    def quote_skew(self, columns: SizingColumns, contracts: Floats) -> Skew:
        """Multipliers for an inventory of `contracts` [signed]."""
        ...


@runtime_checkable
class TellsSurvival(Protocol):
    """A method that bounds the fall of the equity."""

    def survival(self, columns: SizingColumns, weights: Floats) -> Survival:
        """Prospect of the book at final `weights` over equity."""
        ...


@runtime_checkable
class RequiresByParameter(Protocol):
    """A method of which some parameters need figures that others do not."""

    @property
    def further_requires(self) -> frozenset[str]:
        """Requirements of these parameters, besides those of every instance."""
        ...


def requirements(method: SizingRule) -> frozenset[str]:
    """Everything that a method needs of each row."""
    further = method.further_requires if isinstance(method, RequiresByParameter) else frozenset()
    return method.requires | further


def shares_capital(method: object) -> bool:
    """Whether the rows of a book have parts of one capital; otherwise each is sized as if it were alone."""
    return bool(getattr(method, "shares_capital", True))


def bounds_wealth(method: object) -> bool:
    """Whether the sizes of a method are bounds: what the wealth can bear, so that nothing may raise them."""
    return bool(getattr(method, "bounds_wealth", False))


def raised_by(method: object, capital: Capital, scaling: Scaling) -> str | None:
    """Block of a policy that could raise sizes which are bounds."""
    if not bounds_wealth(method):
        return None
    if isinstance(capital, FixedCapital):
        return "capital"
    lowers = isinstance(scaling, NoScaling) or (isinstance(scaling, ToVolatility) and scaling.mode == "cap")
    return None if lowers else "scaling"
