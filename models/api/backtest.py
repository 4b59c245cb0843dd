"""Wire models of `POST /v1/backtests`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Currency, DecimalText, Model, Number, PositiveDecimal, Symbol, Time
from models.api.decision import TargetOut
from models.api.evaluation import Assumption, WarningOut
from models.api.market import FxIn, InstrumentIn, SeriesIn
from models.api.policy import PolicyIn

MAX_MARKETS = 20
MAX_BARS = 5_000
MAX_ROW_BARS = 20_000
"""Markets times bars of one back-test: about ten seconds with its baselines."""
MAX_PATH_POINTS = 2_000


class BacktestAccountIn(Model):
    """Start of the account."""

    equity: PositiveDecimal
    currency: Currency


class BacktestSignalIn(Model):
    """View on a symbol: one direction for all bars, or one for each close."""

    symbol: Symbol
    direction: Annotated[Number, Field(ge=-2, le=2)] | None = None
    directions: (
        Annotated[
            list[Annotated[Number, Field(ge=-2, le=2)] | None], Field(min_length=1, max_length=MAX_BARS, fail_fast=True)
        ]
        | None
    ) = Field(None, description="Known at each close of the series; null: no signal at that close.")

    @model_validator(mode="after")
    def _one_form(self) -> BacktestSignalIn:
        if (self.direction is None) == (self.directions is None):
            raise PydanticCustomError("signal_form", "give either direction, or directions with one for each close")
        return self


class FundingIn(Model):
    """What a long position pays: one annual rate, or what was paid in each bar."""

    symbol: Symbol
    annual_rate: Annotated[Number, Field(ge=-10, le=10)] | None = None
    rates: (
        Annotated[
            list[Annotated[Number, Field(ge=-0.5, le=0.5)]], Field(min_length=1, max_length=MAX_BARS, fail_fast=True)
        ]
        | None
    ) = Field(None, description="Fraction of notional over the bar that ends at each close.")

    @model_validator(mode="after")
    def _one_form(self) -> FundingIn:
        if (self.annual_rate is None) == (self.rates is None):
            raise PydanticCustomError("inconsistent", "give either annual_rate, or rates with one for each close")
        return self


class BacktestRequest(Model):
    """A policy on posted bars; nothing is stored."""

    account: BacktestAccountIn
    series: Annotated[list[SeriesIn], Field(min_length=1, max_length=MAX_MARKETS, fail_fast=True)]
    instruments: Annotated[list[InstrumentIn], Field(max_length=MAX_MARKETS, fail_fast=True)] = Field(
        default_factory=list
    )
    fx: Annotated[list[FxIn], Field(max_length=50, fail_fast=True)] = Field(
        default_factory=list, description="Held constant over the back-test."
    )
    signals: Annotated[list[BacktestSignalIn], Field(min_length=1, max_length=MAX_MARKETS, fail_fast=True)]
    policy: PolicyIn
    funding: Annotated[list[FundingIn], Field(max_length=MAX_MARKETS, fail_fast=True)] = Field(
        default_factory=list, description="Default: none is paid, listed as an assumption for derivatives."
    )
    borrow_rate: Annotated[Number, Field(ge=0, le=1)] = Field(
        default=0.0, description="Annual, on spot assets that are short and on cash that is borrowed for them."
    )
    lag_bars: Annotated[int, Field(ge=1, le=20, strict=True)] = Field(
        default=1, description="Bars from decision to earning: 1 trades at the close that was decided on."
    )
    warm_up_bars: Annotated[int, Field(ge=2, le=MAX_BARS, strict=True)] = Field(
        default=60, description="Bars that are observed before the first decision."
    )
    baselines: Annotated[bool, Field(strict=True)] = Field(
        default=True,
        description="Also constant leverage, fixed weights and monthly rebalancing, under the same limits.",
    )
    points: Annotated[int, Field(ge=0, le=MAX_PATH_POINTS, strict=True)] = Field(
        default=200, description="At most this many points of each path, evenly spread."
    )

    @model_validator(mode="after")
    def _bounded(self) -> BacktestRequest:
        bars = [len(item.close or item.ohlcv or ()) for item in self.series]
        if max(bars) > MAX_BARS or sum(bars) > MAX_ROW_BARS:
            text = "a back-test may hold {bars} bars a series and {total} in all, this one holds {found} and {sum}"
            found = {"bars": MAX_BARS, "total": MAX_ROW_BARS, "found": max(bars), "sum": sum(bars)}
            raise PydanticCustomError("too_many_points", text, found)
        for name in ("series", "signals", "funding"):
            symbols = [item.symbol for item in getattr(self, name)]
            if len(symbols) != len(set(symbols)):
                twice = next(symbol for index, symbol in enumerate(symbols) if symbol in symbols[:index])
                raise PydanticCustomError(
                    "duplicate_row", "{field} holds {key} more than once", {"field": name, "key": twice}
                )
        return self


class PerformanceOut(Model):
    """Figures of one path, from the first decision on; null where it is too short for them."""

    total_return: float
    volatility: float | None = Field(description="Annual.")
    sharpe_ratio: float | None = Field(description="Annual; cash earns nothing.")
    max_drawdown: float
    worst_bar: float | None
    excess_kurtosis: float | None
    tracking_error: float | None = Field(description="RMS of one-year rolling volatility − target, over the target.")
    volatility_of_volatility: float | None
    turnover: float = Field(description="Notional traded over equity a year.")
    costs: float = Field(description="Over the start equity.")
    carry: float = Field(description="Funding and interest paid, over the start equity.")
    upside_capture: float | None = Field(description="Against holding the markets at equal weights.")
    downside_capture: float | None


class PathPointOut(Model):
    """One close of a path."""

    close_time: Time
    equity: DecimalText
    weights: list[float] = Field(description="Signed notional over equity, in the order of `symbols`.")
    volatility: list[float | None]


class StrategyOut(Model):
    """One policy on the bars."""

    strategy: str
    performance: PerformanceOut
    decisions: int
    refusals: int
    orders: int
    ruined_at: Time | None = Field(None, description="Close at which the equity was gone.")
    path: list[PathPointOut]


class BacktestAnswer(Model):
    """The policy, and what it stands beside."""

    symbols: list[str]
    bars: int
    first_decision: Time
    target_volatility: float | None
    periods_per_year: float
    strategies: list[StrategyOut] = Field(description="The policy first, then the baselines.")
    last_targets: list[TargetOut] = Field(description="The last decision of the policy, with its steps.")
    policy_resolved: dict[str, Any]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
