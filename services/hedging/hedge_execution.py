"""How hedges are executed: in slices, with a worst price, aware of their own impact and of the time they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Gt, Le

from services.core.tagged import Tagged
from services.hedging.latency import LatencyBuffer
from services.hedging.price_collar import PriceCollar
from services.hedging.reflexivity import Reflexivity
from services.hedging.schedule_registry import ScheduleMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeExecution:
    """What is asked of the execution of a hedge; each part is left out where it is not given.

    Parameters
    ----------
    schedule : ScheduleMethod, optional
        Slices of the order. A hedge beyond the hard limit of its trigger is one slice, at once.
    max_participation : float, optional
        Largest slice over the expected volume of the market in its time [fraction].
    collar : PriceCollar, optional
        Worst price of each slice.
    reflexivity : Reflexivity, optional
        Levels of the feedback of hedges: the band widens, gamma is preferred to delta, delta alone is refused.
    latency_seconds : float, optional
        From the price that a hedge is computed of to its fill [s]: a buffer of margin, never a narrower band.
    confidence_factor : float
        Standard deviations that the buffer provides for.

    Examples
    --------
    >>> execution = HedgeExecution(latency_seconds=2.0)
    >>> execution.latency_buffer.confidence_factor, execution.schedule
    (2.33, None)
    """

    schedule: Annotated[ScheduleMethod, Tagged()] | None = None
    max_participation: Annotated[float, Gt(0), Le(1)] | None = None
    collar: PriceCollar | None = None
    reflexivity: Reflexivity | None = None
    latency_seconds: Annotated[float, Gt(0), Le(86_400)] | None = None
    confidence_factor: Annotated[float, Gt(0), Le(10)] = 2.33

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    @property
    def latency_buffer(self) -> LatencyBuffer:
        """Buffer of this confidence."""
        return LatencyBuffer(confidence_factor=self.confidence_factor)
