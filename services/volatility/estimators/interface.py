"""What every estimator is: parameters, a recursion over a memory of floats, and the same over columns."""

from __future__ import annotations

from typing import ClassVar, Protocol

from services.core.explain import Floats
from services.volatility.moves import Move, Moves

Memory = tuple[float, ...]


class VarianceModel(Protocol):
    """Interface of an estimator; the registry lists the classes, the conformance suite holds them to it.

    Parameters
    ----------
    method : str
        Tag on the wire.
    calibrate : bool
        Whether the second-moment factor is applied when the forecast is read.
    prior_volatility : float, optional
        Volatility expected before any bar [annual]; applied when the forecast is read.

    Notes
    -----
    A memory is all that the next forecast depends on: floats only (counts too), so that it is stored bit for bit.
    `advance` over the moves of a row and `variance_path` agree to 1e-10; both see bar i only through bars up to i.
    A bar without what the estimator wants (a range, an implied volatility) is legal and has a stated meaning.
    """

    requires: ClassVar[frozenset[str]]
    """``close``, and what else makes it meaningful: ``range``, ``realized_variance``, ``implied_volatility``."""
    revision: ClassVar[int]
    """Of the recursion: a state of another revision is not continued."""

    @property
    def method(self) -> str: ...
    @property
    def calibrate(self) -> bool: ...
    @property
    def prior_volatility(self) -> float | None: ...

    def start(self) -> Memory:
        """Memory before the first move."""
        ...

    def advance(self, memory: Memory, move: Move) -> Memory:
        """Memory after one more move."""
        ...

    def variance(self, memory: Memory) -> float:
        """Forecast for the next bar [variance per bar]; NaN while the estimator cannot say."""
        ...

    def variance_path(self, moves: Moves) -> Floats:
        """`variance` after each move, (m, n)."""
        ...

    def effective_half_life(self, memory: Memory) -> float:
        """Age at which half of the weight of the data is reached [bars]."""
        ...

    def effective_observations(self, memory: Memory) -> float:
        """How many equally weighted bars would know as much (Kish)."""
        ...
