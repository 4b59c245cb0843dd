"""Wire models of POST /v1/evaluations and its narrow doors."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import DecimalText, Interval, Model, Name, Number, Time
from models.api.breaker import ActiveSwitchOut, BreakerResetIn
from models.api.control import PreviousIn, StateOut
from models.api.decision import BothMarginsOut, OrderOut, PortfolioOut, TargetOut
from models.api.event import MAX_EVENTS, EventIn
from models.api.hedge import HedgeOut, HedgePlanOut
from models.api.liquidity import BookIn, FlowIn, PoolIn
from models.api.market import (
    MAX_SYMBOLS,
    AccountIn,
    CalendarIn,
    FxIn,
    InstrumentIn,
    MarkIn,
    PositionIn,
    SeriesIn,
    SignalIn,
)
from models.api.market_conditions import (
    MAX_PLACES,
    ChainIn,
    ProtocolIn,
    VenueIn,
    VolatilityViewIn,
)
from models.api.option_quotes import (
    MAX_QUOTES,
    OptionChainIn,
    OptionSurfaceOut,
    OptionVolatilityOut,
)
from models.api.option_terms import few_expiries
from models.api.policy import MarginPolicyIn
from models.api.policy_choice import HedgesPolicyChoice, MarginPolicyChoice, PolicyChoice
from models.api.price_sources import (
    MAX_KEYS,
    MAX_ORACLE_OBSERVATIONS,
    MAX_RATES,
    OracleIn,
    OracleOut,
    PublicKey,
    RateIn,
)

MAX_REQUEST_POINTS = 400_000
MAX_TRACKED = 5_000
MAX_CHAIN_EXPIRIES = 200
"""Of all chains of option quotes together; a fit takes about 4 ms for each."""
MAX_CHAINS = 50


class OptionsIn(Model):
    """How the answer is given, and how silence is read."""

    explain: Annotated[bool, Strict()] = Field(default=True, description="Include steps and binding of each target.")
    strict: Annotated[bool, Strict()] = Field(
        default=False, description="Refuse the request where an assumption would be needed."
    )
    view: Literal["full", "compact"] = Field(
        default="full", description="compact: targets (without steps), orders, portfolio volatility."
    )
    receipt: Literal["none", "proof"] = Field(
        default="none",
        description="proof: `audit` carries the entry of the log and a receipt, to be checked without this service.",
    )
    permits: Annotated[bool, Strict()] = Field(
        default=False, description="`audit` carries a signed permit of each order, for a gateway before the venue."
    )


class SnapshotIn(Model):
    """What every door of the engine takes."""

    may_be_empty: ClassVar[bool] = False

    portfolio_id: Name | None = None
    client_reference: Name | None = Field(None, description="Echoed, and searchable in the audit history.")
    as_of: Time | None = Field(None, description="Event time; default: the time of receipt, listed as an assumption.")
    options: OptionsIn = OptionsIn()
    interval: Interval | None = Field(
        None,
        description="Bar of the cached volatility state, where no series is sent; default P1D.",
    )
    account: AccountIn
    instruments: Annotated[list[InstrumentIn], Field(max_length=MAX_SYMBOLS, fail_fast=True, default_factory=list)]
    positions: Annotated[list[PositionIn], Field(max_length=MAX_SYMBOLS, fail_fast=True, default_factory=list)]
    series: Annotated[list[SeriesIn], Field(max_length=MAX_SYMBOLS, fail_fast=True, default_factory=list)]
    marks: Annotated[list[MarkIn], Field(max_length=MAX_SYMBOLS, fail_fast=True, default_factory=list)]
    fx: Annotated[list[FxIn], Field(max_length=50, fail_fast=True, default_factory=list)]
    signals: Annotated[list[SignalIn], Field(max_length=MAX_SYMBOLS, fail_fast=True)] | None = Field(
        None, description="None: sign and composition come from the positions."
    )
    option_quotes: Annotated[list[OptionChainIn], Field(max_length=MAX_CHAINS, fail_fast=True)] = Field(
        default_factory=list,
        description="Quotes of options by underlying: option positions without implied_volatility or forward_price "
        "take them from a surface of these; what they bring themselves wins. 5000 quotes and 200 expiries in all.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> SnapshotIn:
        points = sum(len(item.close or item.ohlcv or ()) for item in self.series)
        if points > MAX_REQUEST_POINTS:
            raise PydanticCustomError(
                "too_many_points", "a request may hold 400000 points, this one holds {points}", {"points": points}
            )
        quotes = [quote for chain in self.option_quotes for quote in chain.quotes]
        if len(quotes) > MAX_QUOTES:
            text = "option_quotes may hold {limit} quotes, this request holds {found}"
            raise PydanticCustomError("inconsistent", text, {"limit": MAX_QUOTES, "found": len(quotes)})
        slices = {(chain.underlying, quote.expiry) for chain in self.option_quotes for quote in chain.quotes}
        few_expiries(slices, MAX_CHAIN_EXPIRIES)
        for field, keys in self._keys().items():
            if len(keys) != len(set(keys)):
                twice = next(key for index, key in enumerate(keys) if key in keys[:index])
                named = twice if isinstance(twice, str) else ", ".join(part for part in twice if part is not None)
                raise PydanticCustomError(
                    "duplicate_row",
                    "{field} holds {key} more than once: send one row for each",
                    {"field": field, "key": named},
                )
        if not (self.may_be_empty or self.positions or self.signals or self.series):
            raise PydanticCustomError("nothing_to_do", "must hold at least one of positions, signals or series")
        return self

    @property
    def taken_at(self) -> datetime | None:
        """When the account was so, where that is not the event time."""
        return None

    def _keys(self) -> dict[str, list[Any]]:
        return {
            "positions": [(row.symbol, row.venue, row.account_id, row.position_side) for row in self.positions],
            "instruments": [(row.symbol, row.venue) for row in self.instruments],
            "series": [row.symbol for row in self.series],
            "marks": [row.symbol for row in self.marks],
            "fx": [row.currency for row in self.fx],
            "signals": [(row.symbol, row.venue, row.account_id) for row in self.signals or ()],
            "option_quotes": [row.underlying for row in self.option_quotes],
        }


class TrackingIn(Model):
    """Recorded returns of this book under this target; a volatility target is corrected by them, by 3 % at most."""

    interval: Interval
    calendar: Literal["24/7", "XNYS", "XNAS", "XLON", "FX"] | CalendarIn | None = Field(
        None, description="Default 24/7, listed as an assumption."
    )
    returns: Annotated[
        list[Annotated[Number, Field(ge=-1, le=10)]], Field(min_length=2, max_length=MAX_TRACKED, fail_fast=True)
    ] = Field(
        description="Simple return of each bar on the equity at its beginning, deposits and withdrawals left out; "
        "oldest first, since the target was last changed. Below 126 they are only reported."
    )


class EvaluationRequest(SnapshotIn):
    """Snapshot and policy: everything that one decision needs."""

    policy: PolicyChoice
    oracles: Annotated[list[OracleIn], Field(max_length=MAX_SYMBOLS, fail_fast=True)] = Field(
        default_factory=list,
        description="Price sources by symbol, judged by policy.guards: a price that they do not support blocks or "
        "shrinks increases. A row without a mark takes the price that they agree on.",
    )
    oracle_rates: Annotated[list[RateIn], Field(max_length=MAX_RATES, fail_fast=True)] = Field(
        default_factory=list, description="Conversion rates of their quote currencies."
    )
    oracle_keys: Annotated[list[PublicKey], Field(max_length=MAX_KEYS, fail_fast=True)] = Field(
        default_factory=list, description="Ed25519 public keys whose signatures count."
    )
    previous: PreviousIn | None = Field(None, description="`state` of the last answer for this account.")
    breaker_reset: BreakerResetIn | None = Field(
        None, description="Takes the latch of one circuit breaker off, before it is read; needs policy.breakers."
    )
    tracking: TrackingIn | None = Field(None, description="Goes with portfolio_id.")
    venues: Annotated[list[VenueIn], Field(max_length=MAX_PLACES, fail_fast=True)] = Field(
        default_factory=list, description="State of the venues of the rows; overlays and caps read them."
    )
    protocols: Annotated[list[ProtocolIn], Field(max_length=MAX_PLACES, fail_fast=True)] = Field(default_factory=list)
    chains: Annotated[list[ChainIn], Field(max_length=MAX_PLACES, fail_fast=True)] = Field(default_factory=list)
    volatilities: Annotated[list[VolatilityViewIn], Field(max_length=MAX_SYMBOLS, fail_fast=True)] = Field(
        default_factory=list, description="Figures on volatility that overlays read and no series says."
    )
    books: Annotated[list[BookIn], Field(max_length=MAX_SYMBOLS, fail_fast=True)] = Field(
        default_factory=list, description="Order books, or summaries of them; one for each market."
    )
    pools: Annotated[list[PoolIn], Field(max_length=MAX_SYMBOLS, fail_fast=True)] = Field(
        default_factory=list, description="Automated market makers, for markets without a book."
    )
    flow: Annotated[list[FlowIn], Field(max_length=MAX_SYMBOLS, fail_fast=True)] = Field(default_factory=list)
    events: Annotated[list[EventIn], Field(max_length=MAX_EVENTS, fail_fast=True)] = Field(
        default_factory=list,
        description="They lower the targets of a volatility target for the next bar, the step `events` says by how "
        "much; margin, value at risk and the volatility of the book stay those of ordinary bars.",
    )

    def _keys(self) -> dict[str, list[Any]]:
        return {
            **super()._keys(),
            "venues": [row.venue for row in self.venues],
            "protocols": [row.protocol for row in self.protocols],
            "chains": [row.chain for row in self.chains],
            "volatilities": [row.symbol for row in self.volatilities],
        }

    @model_validator(mode="after")
    def _whose(self) -> EvaluationRequest:
        symbols = [item.symbol for item in self.oracles]
        if twice := [symbol for index, symbol in enumerate(symbols) if symbol in symbols[:index]]:
            text = "{field} holds {key} more than once: send one row for each"
            raise PydanticCustomError("duplicate_row", text, {"field": "oracles", "key": twice[0]})
        if (count := sum(len(item.observations) for item in self.oracles)) > MAX_ORACLE_OBSERVATIONS:
            text = "oracles may hold {limit} observations, this request holds {found}"
            raise PydanticCustomError("inconsistent", text, {"limit": MAX_ORACLE_OBSERVATIONS, "found": count})
        if self.tracking is not None and self.portfolio_id is None:
            raise PydanticCustomError("inconsistent", "tracking goes with portfolio_id: name the book that it is of")
        return self


class MarginRequest(SnapshotIn):
    """Snapshot for `POST /v1/margin`: margin of the positions as they are."""

    policy: MarginPolicyChoice = MarginPolicyIn()
    venues: Annotated[list[VenueIn], Field(max_length=MAX_PLACES, fail_fast=True)] = Field(
        default_factory=list, description="State of the venues, for policy.contagion."
    )
    previous: PreviousIn | None = Field(
        None,
        description="`state` of the last answer for this account: rates that were asked last, multipliers of venues.",
    )
    flow: Annotated[list[FlowIn], Field(max_length=MAX_SYMBOLS, fail_fast=True)] = Field(
        default_factory=list, description="Open interest and volume, for a size_addon that reads them."
    )

    def _keys(self) -> dict[str, list[Any]]:
        return {**super()._keys(), "venues": [row.venue for row in self.venues]}


class HedgesRequest(SnapshotIn):
    """Snapshot for `POST /v1/hedges`: orders that bring the delta of an underlying within bounds."""

    policy: HedgesPolicyChoice
    previous: PreviousIn | None = Field(
        None, description="`state` of the last answer for this account, from here or from an evaluation."
    )
    books: Annotated[list[BookIn], Field(max_length=MAX_SYMBOLS, fail_fast=True)] = Field(
        default_factory=list,
        description="The half spread of a hedge is that of its book, else of policy.costs; the "
        "depth is what policy.hedge_optimizer may trade.",
    )
    pools: Annotated[list[PoolIn], Field(max_length=MAX_SYMBOLS, fail_fast=True)] = Field(
        default_factory=list, description="Automated market makers, for markets without a book."
    )
    flow: Annotated[list[FlowIn], Field(max_length=MAX_SYMBOLS, fail_fast=True)] = Field(
        default_factory=list, description="The average daily volume says what impact a hedge has."
    )


class Assumption(Model):
    """Something that the request left open and that was decided for it."""

    pointer: str
    value: str
    effect: str


class WarningOut(Model):
    """Something worth knowing that did not change the outcome."""

    code: str
    detail: str
    symbol: str | None = None


class NamedPolicyOut(Model):
    """The stored policy that the request named."""

    id: str
    version: int
    sha256: str


class InputsOut(Model):
    """Fingerprints of what the answer depends on."""

    request_sha256: str
    policy_resolved_sha256: str
    defaults_version: int
    engine: str


class PermitOut(Model):
    """What an order may do, signed by the log."""

    client_order_id: str = Field(description="The order; also the `nonce` under which its use adds up.")
    token: str = Field(description="base64url of the payload, a dot, base64url of its Ed25519 signature.")


class AuditOut(Model):
    """Where the answer lies in the audit log."""

    index: int
    durable: bool
    entry: str | None = Field(None, description="What the tree holds of this answer. Present with options.receipt.")
    receipt: str | None = Field(
        None,
        description="A C2SP `tlog-proof` of it: index, path and signed head. Present with options.receipt.",
    )
    permits: list[PermitOut] | None = Field(
        None, description="Of the orders; none of a historical evaluation. Present with options.permits."
    )


class EnvelopeOut(Model):
    """Head and tail of every answer."""

    evaluation_id: str
    portfolio_id: str | None = None
    client_reference: str | None = None
    mode: Literal["live", "historical"]
    scope: Literal["book", "instrument"] | None = None
    as_of: Time
    data_as_of: Time | None
    received_at: Time
    computed_at: Time
    valid_until: Time
    valid_until_reason: str
    on_expiry: Literal["reduce_only"]
    degraded: list[str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    switches: list[ActiveSwitchOut] | None = Field(
        None, description="Operator's switches that hold: present where one stops the portfolio or a row of it."
    )
    policy: NamedPolicyOut | None = None
    inputs: InputsOut
    option_volatilities: list[OptionVolatilityOut] | None = Field(
        None, description="What each option is computed with. Present where option_quotes were sent, in the full view."
    )
    option_surfaces: list[OptionSurfaceOut] | None = Field(
        None, description="Each block of option_quotes, in order: its smiles, and the quotes that are not used."
    )
    audit: AuditOut


class EvaluationResponse(EnvelopeOut):
    """Full answer."""

    targets: list[TargetOut]
    orders: list[OrderOut]
    margin: BothMarginsOut | None = None
    hedges: list[HedgeOut] | None = None
    hedge_plan: HedgePlanOut | None = None
    portfolio: PortfolioOut
    oracles: list[OracleOut] | None = Field(None, description="Every source, accepted or rejected, by symbol.")
    state: StateOut | None = None
    policy_resolved: dict[str, Any] | None = None


class TargetsResponse(EnvelopeOut):
    """Answer of `POST /v1/targets`."""

    targets: list[TargetOut]
    orders: list[OrderOut]
    portfolio: PortfolioOut
    oracles: list[OracleOut] | None = Field(None, description="Every source, accepted or rejected, by symbol.")
    state: StateOut | None = None


class MarginResponse(EnvelopeOut):
    """Answer of `POST /v1/margin`."""

    margin: BothMarginsOut
    state: StateOut | None = Field(
        None,
        description="Present under policy.margin.procyclicality or policy.contagion, and where previous was sent.",
    )


class HedgesResponse(EnvelopeOut):
    """Answer of `POST /v1/hedges`."""

    hedges: list[HedgeOut]
    hedge_plan: HedgePlanOut | None = None
    orders: list[OrderOut]
    state: StateOut | None = None


class ScalarResponse(Model):
    """Answer of `GET /v1/scalar`."""

    symbol: str
    venue: str | None = None
    interval: Interval
    status: Literal["ok", "limited", "refused"]
    reason: str
    detail: str | None = None
    scalar: DecimalText | None
    volatility: float | None
    target_volatility: float
    max_leverage: float
    as_of: Time
    received_at: Time
    valid_until: Time | None
    evaluation_id: str
    audit: AuditOut
