"""Protocol caps: how much of the equity may be at risk at one protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from services.sizing.overlay import Acts, Effect, View
from services.sizing.share_caps import Measure, allowed_shares, share_caps


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolCaps:
    """Risk at one protocol against its share of equity: ``m = (share · equity − fixed) / use``, in [0, 1].

    The share is that of the protocol (`protocols[].max_share`), else that of its grade (`protocols[].risk_grade`). All
    rows at one protocol shrink by the same multiplier; what is not resized there is `fixed`.

    Parameters
    ----------
    a, b, c, d, e : float
        Largest share of equity by grade.
    measure : {"notional", "margin"}
        What counts as use: the notional of positions, or their initial margin.

    Notes
    -----
    A row whose protocol has neither share nor grade may not be increased. In `margin` what is not resized still counts
    with its notional, which is never less. A held row without a price leaves the use unknown: then nothing is increased
    there, and what is known still limits. The table is a choice of ours without an empirical optimum behind it.
    """

    method: Literal["protocol_caps"] = "protocol_caps"
    a: Annotated[float, Ge(0), Le(100)] = 1.0
    b: Annotated[float, Ge(0), Le(100)] = 0.5
    c: Annotated[float, Ge(0), Le(100)] = 0.25
    d: Annotated[float, Ge(0), Le(100)] = 0.1
    e: Annotated[float, Ge(0), Le(100)] = 0.0
    measure: Measure = "notional"

    acts_on: ClassVar[Acts] = "position"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"venues", "protocols"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """Multiplier by the protocol of each row."""
        shares = {"A": self.a, "B": self.b, "C": self.c, "D": self.d, "E": self.e}
        conditions = view.conditions
        allowed = allowed_shares(conditions.protocol_grade, conditions.protocol_max_share, shares)
        lacking = "no protocol in venues[] for this row, or none of its risk_grade and max_share in protocols[]"
        return share_caps(view, conditions.protocol, allowed, measure=self.measure, what="protocol", lacking=lacking)
