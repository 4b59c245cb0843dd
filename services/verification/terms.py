"""Values over a box of inputs: bounds, and the inputs that can raise or lower them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from services.core.errors import InvalidInput

Names = frozenset[str]
NOTHING: Names = frozenset()


def _down(value: float) -> float:
    return value if math.isinf(value) else math.nextafter(value, -math.inf)


def _up(value: float) -> float:
    return value if math.isinf(value) else math.nextafter(value, math.inf)


@dataclass(frozen=True, slots=True)
class Term:
    """A quantity over a box of inputs.

    Parameters
    ----------
    low, high : float
        Every value of the quantity in the box lies in [low, high].
    rises, falls : frozenset of str
        Inputs whose growth can raise the quantity somewhere in the box, and those whose growth can lower it. An input
        in neither does not matter; one that is only in `falls` makes it non-increasing.

    Examples
    --------
    >>> volatility, target = variable("volatility", 0.1, 0.5), constant(0.2)
    >>> size = target / volatility
    >>> round(size.low, 6), round(size.high, 6), sorted(size.rises), sorted(size.falls)
    (0.4, 2.0, [], ['volatility'])
    """

    low: float
    high: float
    rises: Names = NOTHING
    falls: Names = NOTHING

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise InvalidInput("low", f"must be <= high ({self.high})", self.low)

    def __add__(self, other: Term) -> Term:
        low, high = _down(self.low + other.low), _up(self.high + other.high)
        if self.low >= 0.0 and other.low >= 0.0:
            low = max(low, 0.0)
        return Term(low, high, self.rises | other.rises, self.falls | other.falls)

    def __neg__(self) -> Term:
        return Term(-self.high, -self.low, self.falls, self.rises)

    def __sub__(self, other: Term) -> Term:
        return self + -other

    def __mul__(self, other: Term) -> Term:
        """Product; slopes are exact where both are >= 0, otherwise everything that matters can do either."""
        products = [_product(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        low, high = _down(min(products)), _up(max(products))
        if self.low >= 0.0 and other.low >= 0.0:
            return Term(max(low, 0.0), high, self.rises | other.rises, self.falls | other.falls)
        either = self.rises | self.falls | other.rises | other.falls
        return Term(low, high, either, either)

    def __truediv__(self, other: Term) -> Term:
        """Quotient of a term >= 0 by one > 0."""
        if self.low < 0.0 or other.low <= 0.0:
            raise InvalidInput("divisor", "must be > 0, and the dividend >= 0", (self.low, other.low))
        low = max(_down(self.low / other.high), 0.0) if not math.isinf(other.high) else 0.0
        high = _up(self.high / other.low)
        return Term(low, high, self.rises | other.falls, self.falls | other.rises)

    def least(self, other: Term) -> Term:
        """Smaller of both; where one always is, it alone."""
        if self.high <= other.low:
            return self
        if other.high <= self.low:
            return other
        return Term(
            min(self.low, other.low), min(self.high, other.high), self.rises | other.rises, self.falls | other.falls
        )

    def most(self, other: Term) -> Term:
        """Larger of both."""
        return -((-self).least(-other))

    def hull(self, other: Term) -> Term:
        """Either of both, it is not known which; their difference may do anything to the slopes."""
        if self == other:
            return self
        either = self.rises | self.falls | other.rises | other.falls
        return Term(min(self.low, other.low), max(self.high, other.high), either, either)

    def increasing(self, function: Callable[[float], float]) -> Term:
        """A function that does not fall in this term, known at its bounds to twelve digits."""
        low, high = function(self.low), function(self.high)
        return Term(low - 1e-12 * abs(low), high + 1e-12 * abs(high), self.rises, self.falls)

    def decreasing(self, function: Callable[[float], float]) -> Term:
        """A function that does not rise in this term, known at its bounds to twelve digits."""
        low, high = function(self.high), function(self.low)
        return Term(low - 1e-12 * abs(low), high + 1e-12 * abs(high), self.falls, self.rises)


def _product(a: float, b: float) -> float:
    return 0.0 if a == 0.0 or b == 0.0 else a * b


def constant(value: float) -> Term:
    """A quantity that does not depend on the inputs."""
    return Term(value, value)


def variable(name: str, low: float, high: float) -> Term:
    """An input itself."""
    return Term(low, high, frozenset({name}), NOTHING)
