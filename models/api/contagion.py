"""Wire models of `POST /v1/contagion:propagate`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import DecimalText, Model, NonNegativeDecimal, Number, PlainDecimal, PositiveDecimal, Symbol
from models.api.evaluation import Assumption, WarningOut
from models.api.market_conditions import Figure, VenueMetricsIn
from models.api.strict import StrictScalars
from services.risk.contagion import DistressPolicy
from services.risk.tightening import TighteningPolicy

MAX_NODES = 100
MAX_EXPOSURES = 2_000
MAX_RETURNS = 2_000
LEAST_RETURNS = 3


class NodeIn(Model):
    """A venue, lender or desk."""

    name: Symbol
    equity: PlainDecimal
    shock: NonNegativeDecimal = Field(default=Decimal(0), description="Loss from outside, in the unit of equity.")
    metrics: VenueMetricsIn | None = None
    previous_multiplier: Annotated[Number, Field(ge=1, le=100)] = Field(
        default=1.0, description="`multiplier` of the last answer: all the state there is."
    )
    returns: Annotated[list[Figure], Field(min_length=LEAST_RETURNS, max_length=MAX_RETURNS, fail_fast=True)] | None = (
        Field(None, description="Of the node, over the periods of system_returns; gives its ΔCoVaR.")
    )


class ExposureIn(Model):
    """A claim of one node on another."""

    creditor: Symbol = Field(description="Loses when the debtor does.")
    debtor: Symbol
    amount: PositiveDecimal = Field(description="In the unit of equity.")


class ContagionRequest(Model):
    """A network, what strikes it, and what is seen of it."""

    nodes: Annotated[list[NodeIn], Field(min_length=1, max_length=MAX_NODES, fail_fast=True)]
    exposures: Annotated[list[ExposureIn], Field(max_length=MAX_EXPOSURES, fail_fast=True)] = []
    system_returns: (
        Annotated[list[Figure], Field(min_length=LEAST_RETURNS, max_length=MAX_RETURNS, fail_fast=True)] | None
    ) = None
    tail: Annotated[Number, Field(gt=0, lt=0.5)] = Field(default=0.05, description="Level of ΔCoVaR.")
    distress: Annotated[DistressPolicy, StrictScalars()] = DistressPolicy()
    tightening: Annotated[TighteningPolicy, StrictScalars()] = TighteningPolicy()

    @model_validator(mode="after")
    def _consistent(self) -> ContagionRequest:
        names = [item.name for item in self.nodes]
        if len(set(names)) != len(names):
            raise PydanticCustomError("duplicate_row", "nodes holds a name more than once")
        for item in self.exposures:
            if item.creditor not in names or item.debtor not in names or item.creditor == item.debtor:
                raise PydanticCustomError("inconsistent", "exposures must name two different nodes")
        for node in self.nodes:
            if node.returns is not None and len(node.returns) != len(self.system_returns or ()):
                raise PydanticCustomError("inconsistent", "returns must be as many as system_returns")
        return self


class VenueDistressOut(Model):
    """From metrics."""

    value: Number | None = Field(description="In [0, 1]; null where no metric is known.")
    coverage: Number = Field(description="Share of the weights of the metrics that are known.")
    scores: dict[str, Number]


class TailRiskOut(Model):
    """ΔCoVaR: what the system's tail quantile loses when the node goes from its median to its own tail."""

    delta_covar: Number | None = Field(description="A return: negative is a loss. null where the node never moves.")
    slope: Number | None
    observations: int
    thin: bool = Field(description="Fewer than 100 observations.")


class NodeOut(Model):
    """One node after contagion."""

    name: str
    direct: Number = Field(description="Share of equity lost to the shock alone.")
    propagated: Number = Field(description="Share of equity lost in all.")
    equity_after: DecimalText
    defaulted: bool
    venue: VenueDistressOut | None = Field(description="null without metrics.")
    distress: Number = Field(description="Larger of both: send it as `venues[].distress`.")
    multiplier: Number = Field(description="On margin rates and haircuts, at least 1. Send it back next time.")
    contagion_multiplier: Number = Field(description="On sizes, 1 / multiplier: `venues[].contagion_multiplier`.")
    tail_risk: TailRiskOut | None


class ContagionAnswer(Model):
    """Distress of a network."""

    nodes: list[NodeOut]
    rounds: int
    converged: bool = Field(description="False: losses are lower bounds.")
    total_loss: DecimalText
    units: dict[str, str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
