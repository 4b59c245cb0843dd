"""Wire models of `POST /v1/collateral:value`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.backing import BackingOut, VenueTighteningOut
from models.api.balance import AccountLoanIn, CollateralIn
from models.api.base import Currency, Interval, Model, PlainDecimal, Time
from models.api.control import ContagionStateOut, PreviousIn
from models.api.evaluation import Assumption, WarningOut
from models.api.execution import StrictnessIn
from models.api.market import MAX_SYMBOLS, SeriesIn
from models.api.market_conditions import MAX_PLACES, VenueIn
from models.api.policy import CollateralPolicyIn, ContagionPolicyIn
from models.api.strict import StrictScalars
from services.margin.haircuts import VolatilityHaircut
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.registry import Estimator

MAX_VALUE_POINTS = 400_000


class ValuedAccountIn(Model):
    """What is to be valued."""

    currency: Currency
    equity: PlainDecimal | None = Field(
        None, description="Mark to market; default: the value of all balances and loans, where all prices are known."
    )
    collateral: Annotated[list[CollateralIn], Field(max_length=50, fail_fast=True)] = []
    loans: Annotated[list[AccountLoanIn], Field(max_length=50, fail_fast=True)] = []


class ValuePolicyIn(Model):
    """Haircuts, the tightening of venues, and the forecast of posted series."""

    collateral: CollateralPolicyIn = VolatilityHaircut()
    contagion: ContagionPolicyIn | None = None
    estimator: Annotated[Estimator, StrictScalars(), Field(discriminator="method")] = Adaptive()


class CollateralValueRequest(Model):
    """An account without its positions."""

    as_of: Time | None = Field(None, description="Event time; default: the time of receipt, listed as an assumption.")
    options: StrictnessIn = StrictnessIn()
    interval: Interval | None = Field(None, description="Bar of the cached states that `market` names; default P1D.")
    account: ValuedAccountIn
    series: Annotated[list[SeriesIn], Field(max_length=MAX_SYMBOLS, fail_fast=True)] = []
    venues: Annotated[list[VenueIn], Field(max_length=MAX_PLACES, fail_fast=True)] = Field(
        default=[], description="State of the venues, for policy.contagion."
    )
    previous: PreviousIn | None = Field(None, description="`state` of the last answer, from here or an evaluation.")
    policy: ValuePolicyIn = ValuePolicyIn()

    @model_validator(mode="after")
    def _consistent(self) -> CollateralValueRequest:
        if not self.account.collateral and not self.account.loans:
            raise PydanticCustomError("nothing_to_do", "account must hold collateral or loans")
        points = sum(len(item.close or item.ohlcv or ()) for item in self.series)
        if points > MAX_VALUE_POINTS:
            text = "a request may hold 400000 points, this one holds {points}"
            raise PydanticCustomError("too_many_points", text, {"points": points})
        lists: dict[str, list[Any]] = {
            "series": [item.symbol for item in self.series],
            "venues": [item.venue for item in self.venues],
        }
        for field, names in lists.items():
            if twice := [name for index, name in enumerate(names) if name in names[:index]]:
                text = "{field} holds {key} more than once: send one row for each"
                raise PydanticCustomError("duplicate_row", text, {"field": field, "key": twice[0]})
        return self


class ValueStateOut(Model):
    """What the next call should be given as `previous`."""

    contagion: list[ContagionStateOut]


class CollateralValueAnswer(BackingOut):
    """What an account counts as margin, in its currency."""

    as_of: Time
    currency: str
    contagion: list[VenueTighteningOut] | None = Field(None, description="Present under a policy with contagion.")
    state: ValueStateOut | None = Field(None, description="Present under a policy with contagion.")
    assumptions: list[Assumption]
    warnings: list[WarningOut]
