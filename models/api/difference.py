"""Answer of a comparison of two recorded decisions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.api.base import DecimalText, Model, Time


class TimePair(Model):
    """A time in the earlier and in the later answer."""

    before: Time
    after: Time


class ValueChange(Model):
    """A value that is another."""

    name: str = Field(description="Dotted, such as `volatility.annual`, `account.equity` or `signal.direction`.")
    before: Any
    after: Any


class PolicyChange(Model):
    """A field of the resolved policy that is another."""

    pointer: str
    before: Any
    after: Any


class QuantityPair(Model):
    """A quantity in both answers, in the unit of its row; null on a refused row, and where there is none."""

    before: DecimalText | None
    after: DecimalText | None


class NumberPair(Model):
    """A number in both answers; null where a stage left the size as it was."""

    before: float | None
    after: float | None


class LimitName(Model):
    """A limit."""

    stage: str
    parameter: str


class LimitChanges(Model):
    """Limits that cut the size in one of the answers only."""

    began: list[LimitName]
    ceased: list[LimitName]


class StageShareOut(Model):
    """What one stage of the explanation did, and its share of the change."""

    stage: str = Field(description="`start`: the position at which a book that is scaled as a whole begins.")
    parameter: str
    value: NumberPair = Field(description="Size after this stage [contracts].")
    factor: NumberPair | None = Field(
        description="What it multiplied by; of the first stage the size that it set; null where it is no factor."
    )
    log_change: float | None = Field(description="ln(factor after / factor before).")
    contribution: float | None = Field(
        description="Contracts: log_change × L with L the logarithmic mean of the two products of all factors; of a "
        "cap, the buffer or rounding the difference of what it added, times the factors after it."
    )


class UnsplitOut(Model):
    """Change of the product of all factors, where it has no shares."""

    reason: Literal["sign_changed", "zero_size"]
    contribution: float


class AttributionOut(Model):
    """The change of a size, shared out: the contributions, and that of `unsplit`, add up to `change`."""

    change: float = Field(description="Of the size at the end of the explanation [contracts].")
    size: NumberPair = Field(description="At the end of the explanation [contracts].")
    unrounded: QuantityPair = Field(description="Before rounding [contracts].")
    stages: list[StageShareOut]
    unsplit: UnsplitOut | None


class RowDifference(Model):
    """One row of which anything changed."""

    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    presence: Literal["both", "appeared", "vanished"]
    target: QuantityPair
    order: QuantityPair
    changes: list[ValueChange] = Field(description="Outcome, volatility, price and signal.")
    limits: LimitChanges | None = Field(description="null where the answers have no steps.")
    attribution: AttributionOut | None
    unexplained: str | None = Field(description="Why there is no attribution.")


class EvaluationDifference(Model):
    """What changed between two recorded decisions, and why."""

    evaluation_id: str = Field(description="`after` in each pair.")
    against: str = Field(description="`before` in each pair.")
    as_of: TimePair
    book: list[ValueChange] = Field(description="Account, figures of the book, policy and versions.")
    policy: list[PolicyChange] | None = Field(
        description="At most 100; null where an answer does not hold its resolved policy."
    )
    rows: list[RowDifference]
    rows_unchanged: int
