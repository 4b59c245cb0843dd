"""Flow: fewer increases against the order flow, and where funding is dear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.liquidity.flow import FlowRule
from services.sizing.overlay import Acts, Effect, View, per_row


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFlow(FlowRule):
    r"""``m = 1 − (1 − floor) · max(a_f, a_c)``, by the order flow and the funding against the side that is wanted.

    With the side d, the imbalance f and the annual carry c (> 0: longs pay)::

        a_f = clip((−d f − f₀) / (1 − f₀), 0, 1)
        a_c = clip((d c − c₀) / (c₁ − c₀), 0, 1)

    Parameters
    ----------
    floor : float
        Least multiplier.
    tolerated_imbalance : float
        f₀, adverse imbalance that does nothing yet.
    tolerated_carry, dear_carry : float
        c₀ and c₁, the annual carry up to which funding does nothing, and from which it does all it can.
    max_age_seconds : float
        Age beyond which an order-flow imbalance is not known any more [s].

    Notes
    -----
    One known figure is enough; where neither is, nothing is increased. Funding is known for one interval. What the
    imbalance does to returns at the horizon of a sizing decision is not measured here.

    References
    ----------
    Cont, Kukanov, Stoikov (2014), The Price Impact of Order Book Events, J. Financial Econometrics 12(1): the
    imbalance. The carry defaults are the median and the 99 % quantile of BTCUSDT funding 2019 to 2024.
    """

    method: Literal["flow"] = "flow"
    max_age_seconds: Annotated[float, Gt(0), Le(86_400)] = 300.0

    acts_on: ClassVar[Acts] = "increase"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"flow"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """Multiplier by the flow of each row's market."""
        conditions = view.conditions
        fresh = conditions.flow_age_seconds <= self.max_age_seconds
        imbalance = np.where(fresh, conditions.order_flow_imbalance, np.nan)
        found = self.multipliers(view.wanted, imbalance, conditions.funding_carry)
        said = list(map(_text, imbalance.tolist(), conditions.funding_carry.tolist()))
        lacking = "no order-flow imbalance or funding rate that is recent enough: send flow[]"
        return per_row(found.value, ~found.known, said, lacking)


def _text(imbalance: float, carry: float) -> str:
    known = ((imbalance, f"order-flow imbalance {imbalance:.4g}"), (carry, f"funding of a long {carry:.4g} a year"))
    return ", ".join(text for value, text in known if not math.isnan(value))
