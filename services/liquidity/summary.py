"""A book that is known by four figures: mid, spread and the size within one distance of the mid."""

from __future__ import annotations

from dataclasses import dataclass

from services.core.errors import InvalidInput
from services.liquidity.depth import DepthState, Side, fraction, not_negative, positive


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthSummary:
    r"""Depth D of each side between the best price and mid · (1 ± δ), taken as spread evenly over that range.

    With the half spread h [fraction of mid] the average slippage of a size Q <= D is
    ``h + (δ − h) Q / (2 D)``, so that the largest within a limit L is ``Q = 2 D (L − h) / (δ − h)``, at most D.

    Parameters
    ----------
    mid : float
        [quote]
    spread : float
        Best ask minus best bid [quote].
    depth_bid, depth_ask : float
        Size within `distance` of the mid [contracts].
    distance : float
        δ [fraction of mid], at least the half spread, below 1.
    age_seconds : float, optional
        How long that depth has stood [s].

    Notes
    -----
    The even spread is an assumption: a book that thickens away from its best price bears less. What is sure is that D
    can be traded within δ. Nothing beyond δ is counted.

    Examples
    --------
    >>> summary = DepthSummary(mid=100.0, spread=0.02, depth_bid=50.0, depth_ask=40.0, distance=0.0101)
    >>> round(summary.largest_within_slippage(Side.BUY, 0.0026), 9)
    20.0
    """

    mid: float
    spread: float
    depth_bid: float
    depth_ask: float
    distance: float
    age_seconds: float | None = None

    def __post_init__(self) -> None:
        positive("mid", self.mid)
        for name in ("spread", "depth_bid", "depth_ask"):
            not_negative(name, getattr(self, name))
        fraction("distance", self.distance)
        if self.distance < self.half_spread:
            raise InvalidInput("distance", f"must be at least the half spread {self.half_spread:g}", self.distance)

    @property
    def state(self) -> DepthState:
        """Whether both sides have depth."""
        if not self.depth_bid:
            return DepthState.NO_BIDS if self.depth_ask else DepthState.EMPTY
        return DepthState.TWO_SIDED if self.depth_ask else DepthState.NO_ASKS

    @property
    def half_spread(self) -> float:
        """Half the spread [fraction of mid]."""
        return self.spread / (2.0 * self.mid)

    def standing(self, minimum_age_seconds: float) -> DepthSummary:
        """Itself, or without any depth where it has stood for less, or nobody said for how long."""
        not_negative("minimum_age_seconds", minimum_age_seconds)
        if minimum_age_seconds == 0.0 or (self.age_seconds is not None and self.age_seconds >= minimum_age_seconds):
            return self
        return DepthSummary(mid=self.mid, spread=self.spread, depth_bid=0.0, depth_ask=0.0, distance=self.distance)

    def largest_within_slippage(self, side: Side, limit: float, *, reference: float | None = None) -> float:
        """Largest quantity whose average price is within `limit` of the mid, by the even spread [contracts]."""
        near, far = self._edges(side, reference)
        return self._share(side, 2.0 * (not_negative("limit", limit) - near), far - near)

    def depth_within(self, side: Side, distance: float, *, reference: float | None = None) -> float:
        """Quantity within a distance of the mid, by the even spread; never more than what is known [contracts]."""
        near, far = self._edges(side, reference)
        return self._share(side, not_negative("distance", distance) - near, far - near)

    def _edges(self, side: Side, reference: float | None) -> tuple[float, float]:
        """Distance of the nearest and of the farthest unit from the reference [fraction of it, > 0 is adverse]."""
        scale = self.mid / (self.mid if reference is None else positive("reference", reference))
        near, far = (side * (scale * (1.0 + side * edge) - 1.0) for edge in (self.half_spread, self.distance))
        return near, far

    def _share(self, side: Side, reach: float, width: float) -> float:
        depth = self.depth_ask if side is Side.BUY else self.depth_bid
        if reach < 0.0:
            return 0.0
        return depth * min(reach / width, 1.0) if width > 0.0 else depth
