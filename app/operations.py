"""Every documented operation: what it takes, what it gives, which problems it may answer, and examples that run.

Routes take raw requests, so this table is what OpenAPI is made of; a test compares it with the routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from app import (
    book_examples,
    collateral_examples,
    examples,
    governance_examples,
    margin_examples,
    option_examples,
    option_model_examples,
    oracle_examples,
    portfolio_examples,
    surface_examples,
    vault_examples,
)
from app.usecases.instruments import InstrumentsRequest
from models.api.backtest import BacktestAnswer, BacktestRequest
from models.api.collateral import AllocateAnswer, AllocateRequest
from models.api.collateral_value import CollateralValueAnswer, CollateralValueRequest
from models.api.contagion import ContagionAnswer, ContagionRequest
from models.api.correlation import CorrelationAnswer, CorrelationRequest
from models.api.difference import EvaluationDifference
from models.api.discovery import CatalogAnswer, ErrorsAnswer, LimitsAnswer, LiveAnswer, ReadyAnswer, TimeAnswer
from models.api.evaluation import (
    EvaluationRequest,
    EvaluationResponse,
    HedgesRequest,
    HedgesResponse,
    MarginRequest,
    MarginResponse,
    ScalarResponse,
    TargetsResponse,
)
from models.api.execution_report import ExecutionsAnswer, ExecutionsRequest, ExecutionsTaken
from models.api.fit import FitAccepted, FitAnswer, FitRequest
from models.api.governance import (
    GovernanceAnswer,
    GovernanceIn,
    GovernanceStored,
    ProposalAnswer,
    ProposalOut,
    ProposalRequest,
    VoteRequest,
)
from models.api.grid import GridAnswer, GridRequest
from models.api.history import EntryBody, EntryPage, InstrumentPage, InstrumentsAnswer, PermitsAnswer, ReplayAnswer
from models.api.implied_volatility import ImpliedVolatilityAnswer, ImpliedVolatilityRequest
from models.api.key import CreateKeyRequest, CurrentKey, KeyChanged, KeyCreated, KeyPage
from models.api.liquidation import LiquidationPriceAnswer, LiquidationPriceRequest
from models.api.margin_backtest import MarginBacktestAnswer, MarginBacktestRequest
from models.api.margin_batch import BatchHeadIn, BatchNamesIn, MarginBatchAnswer, MarginBatchRequest
from models.api.margin_frontier import FrontierAnswer, FrontierRequest
from models.api.observation import (
    EstimateAnswer,
    EstimateRequest,
    ObservationsAnswer,
    ObservationsRequest,
    ResetAnswer,
    VolatilityAnswer,
    VolatilityPage,
)
from models.api.option_book import PriceLadderAnswer, PriceLadderRequest
from models.api.option_greeks import GreeksAnswer, GreeksRequest
from models.api.option_models import (
    MispricingAnswer,
    MispricingRequest,
    VariancePremiumAnswer,
    VariancePremiumRequest,
)
from models.api.option_surface import SurfaceAnswer, SurfaceRequest
from models.api.oracle import OraclesAnswer, OraclesRequest
from models.api.parameters import (
    ParametersAnswer,
    ParametersPage,
    ParametersPublished,
    ParametersQuery,
    PublishRequest,
    VersionsQuery,
)
from models.api.portfolio import (
    LiveRequest,
    LiveResponse,
    PortfolioAnswer,
    PortfolioDeleted,
    PortfolioPage,
    PortfolioRegistered,
    RegisterPortfolioRequest,
    SnapshotRequest,
    SnapshotTaken,
    TargetsAnswer,
)
from models.api.position_limits import (
    MaxPositionAnswer,
    MaxPositionRequest,
    OrderCheckAnswer,
    OrderCheckRequest,
)
from models.api.query import (
    DifferenceParameters,
    EntriesParameters,
    EvaluationsParameters,
    NoParameters,
    PageParameters,
    ScalarParameters,
    StateParameters,
    TargetsParameters,
    VolatilityParameters,
)
from models.api.reverse_stress import ReverseStressAnswer, ReverseStressRequest
from models.api.scenario_margin import ScenarioMarginAnswer, ScenarioMarginRequest
from models.api.schedule import ScheduleAnswer, ScheduleRequest
from models.api.scorecard import ScorecardAnswer, ScorecardParameters
from models.api.stored_policy import PolicyAnswer, PolicyPage, PolicyStored, PolicyVersion, StorePolicyRequest
from models.api.switch import SwitchAnswer, SwitchOut, SwitchPage, SwitchRequest
from models.api.ticket import TicketAnswer, TicketRequest
from models.api.transparency import (
    CheckpointParameters,
    CommitAnswer,
    CommitRequest,
    ConsistencyAnswer,
    ConsistencyParameters,
    CosignaturesAnswer,
    CosignaturesRequest,
    DiscloseRequest,
    DisclosureAnswer,
    InclusionAnswer,
    InclusionParameters,
    LogEntryOut,
    LogKeyParameters,
)
from models.api.vault import VaultAnswer, VaultRequest
from models.api.verification import (
    CheckPolicyAnswer,
    CheckPolicyRequest,
    ComparePoliciesAnswer,
    ComparePoliciesRequest,
)
from models.api.waterfall import WaterfallAnswer, WaterfallRequest

Model = type[BaseModel]
ALWAYS = (400, 414, 421, 431, 500)
"""Any operation: an illegal header, too long a URL, a foreign host, too large headers, a defect."""
QUERY = (*ALWAYS, 422)
BODY = (*QUERY, 408, 413, 415, 503)
AUDIT = (503, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation.

    `answers`: models of the answer, several where it depends on the parameters; none where the answer is no JSON object
    of ours (`media_type` then says what it is). `status`: of a success. `examples`: name to (summary, body).
    `conditional`: it sends an ETag and answers 304 where `If-None-Match` names it. `matched`: it takes `If-Match`.
    `creates`: it takes `If-None-Match: *`, for only where there is nothing yet.
    `lines`: it takes and gives application/x-ndjson too; the model of the first line of a request, and a whole request.
    `arrow`: it takes and gives Arrow streams too; the model of the names in their first column.
    """

    method: str
    path: str
    operation_id: str
    tag: str
    summary: str
    description: str = ""
    query: Model = NoParameters
    body: Model | None = None
    answers: tuple[Model, ...] = ()
    problems: tuple[int, ...] = ALWAYS
    examples: Mapping[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    query_examples: Mapping[str, Any] = field(default_factory=dict)
    media_type: str = "application/json"
    status: int = 200
    idempotent: bool = False
    conditional: bool = False
    matched: bool = False
    creates: bool = False
    lines: tuple[Model, str] | None = None
    arrow: Model | None = None

    @property
    def timed(self) -> bool:
        """Whether it takes `Request-Timeout-Ms`: where there is something to compute or to write."""
        return self.body is not None or 504 in self.problems


_SIZED = {
    "smallest": ("One position, one series, one view", examples.SMALLEST),
    "ccxt": ("Bars, symbol and contract as ccxt gives them; a preset; compact answer", examples.CCXT),
    "inverse": ("Coin-margined contract and coin collateral, no signals", examples.INVERSE),
}
_ENTRY = "`{evaluation_id}` is the id in an answer of POST /v1/evaluations, or in GET /v1/evaluations."
_SCOPE = (
    "`scope` is `global`, `account:ID`, `portfolio:ID`, `venue:NAME` or `symbol:NAME`; percent-encode in it what is no "
    "letter or digit."
)
_MARKET = "`market` is a symbol as the venue writes it; percent-encode in it what is no letter or digit."

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/evaluations",
        operation_id="evaluate",
        tag="Evaluate",
        summary="Targets, margin and hedges, in one audited answer",
        description=(
            "The core call. With `series` the answer depends on the request alone; without, volatility comes from the "
            "cached state. Each target has a `status`: `ok`, `limited`, `held` (target = current) or `refused` (target "
            "null: do nothing, and never read it as zero), and the `steps` that led to it. It is durable in the "
            "audit log before it is sent."
        ),
        body=EvaluationRequest,
        answers=(EvaluationResponse,),
        problems=(*BODY, *AUDIT),
        examples=_SIZED,
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/targets",
        operation_id="compute_targets",
        tag="Evaluate",
        summary="Targets and orders only",
        description="The same engine and request as POST /v1/evaluations; the answer leaves margin and hedges out.",
        body=EvaluationRequest,
        answers=(TargetsResponse,),
        problems=(*BODY, *AUDIT),
        examples=_SIZED,
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/margin",
        operation_id="compute_margin",
        tag="Evaluate",
        summary="Initial and maintenance margin of the book as it is",
        description="With liquidation prices, their distance in daily standard deviations and touch probability.",
        body=MarginRequest,
        answers=(MarginResponse,),
        problems=(*BODY, *AUDIT),
        examples={"short": ("Margin of a short", examples.MARGIN)},
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/hedges",
        operation_id="compute_hedges",
        tag="Evaluate",
        summary="Orders that bring the delta of an underlying within its band",
        description=(
            "`policy.hedging` says when. `policy.hedge_optimizer` hedges gamma and vega too, over the instruments "
            "that it names: send each as a position, of quantity 0 where none is held, with its price, options "
            "with their implied volatility, and a book; without a fresh book of two sides it may only shrink. "
            "`policy.hedge_gate`, which is recommended, lets a hedge grow on a sound market only; "
            "`policy.hedge_execution` asks for slices, feedback and latency. `hedges[]` has one row for each "
            "instrument that is traded, `hedge_plan` the figures behind them."
        ),
        body=HedgesRequest,
        answers=(HedgesResponse,),
        problems=(*BODY, *AUDIT),
        examples={
            "short_calls": ("Short calls against a perpetual", examples.HEDGES),
            "adaptive": ("A band from gamma and costs, with a cooldown and a hard limit", examples.ADAPTIVE_HEDGES),
            "quotes": ("Volatility and forward from the quotes of the chain", examples.HEDGES_BY_QUOTES),
            "optimized": ("Short calls hedged with the perpetual and a listed call", examples.OPTIMIZED_HEDGES),
        },
        idempotent=True,
    ),
    Operation(
        method="GET",
        path="/v1/scalar",
        operation_id="read_scalar",
        tag="Evaluate",
        summary="One number to multiply one's own stake by",
        description=(
            "`min(target_volatility / volatility, max_leverage)` from the cached state, audited. Without "
            "a usable state `status` is `refused` and `scalar` null. Feed the state with POST /v1/observations."
        ),
        query=ScalarParameters,
        answers=(ScalarResponse,),
        problems=(*QUERY, *AUDIT),
        query_examples={"symbol": "EXAMPLE-PERP", "target_volatility": 0.2},
    ),
    Operation(
        method="POST",
        path="/v1/oracles:aggregate",
        operation_id="aggregate_oracles",
        tag="Guards",
        summary="One price a symbol out of many sources, with the reason for each that was not believed",
        description=(
            "Median of independent sources after signatures, ages by each source's own heartbeat, conversion of quote "
            "currencies (never 1:1) and outliers. `multiplier` says how much of an increase the price carries, "
            "`long_price` and `short_price` what to value at. Without a quorum the last good price stands in for "
            "reductions (`fallback`), else the symbol is `refused`; no symbol fails the call. Nothing is kept but the "
            "audit entry: send `state` back as `previous`."
        ),
        body=OraclesRequest,
        answers=(OraclesAnswer,),
        problems=(*BODY, *AUDIT),
        examples={
            "depeg": ("Seven feeds while a stablecoin is off its peg", oracle_examples.DEPEG),
            "signed": ("One signed source, and one that was changed on the way", oracle_examples.SIGNED),
        },
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/grids",
        operation_id="plan_grid",
        tag="Execute",
        summary="A grid of resting orders that never costs more than its budget",
        description=(
            "Levels in whole lots, each checked against the venue's minimum at its own price; the worst inventory, its "
            "loss at the stop and its margin, within risk_budget and max_leverage. A grid that these do not pay for is "
            "smaller, or `refused` with the `least` that would do. Audited; the orders are the client's to place."
        ),
        body=GridRequest,
        answers=(GridAnswer,),
        problems=(*BODY, *AUDIT),
        examples={"long": ("Buys below the mark, sells of what is held above it", examples.GRID)},
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/schedules",
        operation_id="plan_schedule",
        tag="Execute",
        summary="A large order in slices, over time or over prices",
        description=(
            "Whole lots that sum to the order, less what the volume does not bear (`unfilled`). In doubt a reduction "
            "is traded sooner and everything else later. With an impact and a volatility the answer has the expected "
            "cost and its standard deviation. `venues` splits each slice over order books or forms of depth at the "
            "least cost, fees included; `collar` gives the worst price of each; `pool` the most that a sandwich attack "
            "on the largest slice can take, and the swap and the slippage limit that are safe; `net_gamma` how far the "
            "hedge feeds on itself, and what a latency may cost. Audited; the slices are the client's to trade."
        ),
        body=ScheduleRequest,
        answers=(ScheduleAnswer,),
        problems=(*BODY, *AUDIT),
        examples={
            "optimal": ("Almgren and Chriss: sell 12.5 within four hours", examples.SCHEDULE),
            "scale_in": ("Three steps at prices", examples.SCALE_IN),
            "venues": (
                "A hedge over three venues, with worst prices, feedback and latency",
                examples.HEDGE_OVER_VENUES,
            ),
            "public_swap": ("Four swaps on a public pool, and what an attacker can take", examples.PUBLIC_SWAP),
        },
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/vaults",
        operation_id="plan_vault",
        tag="Execute",
        summary="Options sold against collateral, or bought to protect a holding",
        description=(
            "Covered calls and cash-secured puts: strike by delta, only where the bid pays for the forecast volatility "
            "and the fees, in whole lots that the collateral covers. Protective puts, collars and put spreads: the "
            "most protection that a budget pays for, over all combinations of the quotes. Every candidate says why it "
            "was not chosen. Audited; the orders are the client's to place."
        ),
        body=VaultRequest,
        answers=(VaultAnswer,),
        problems=(*BODY, *AUDIT),
        examples={
            "covered_call": ("Weekly calls on ten coins, settled in coin", vault_examples.COVERED_CALL),
            "put_spread": ("Protection within 1 % of the holding", vault_examples.PUT_SPREAD),
            "theoretical": ("A strike without quotes", vault_examples.THEORETICAL),
        },
        idempotent=True,
    ),
    Operation(
        method="GET",
        path="/v1/evaluations",
        operation_id="list_evaluations",
        tag="History",
        summary="Recorded decisions, oldest first",
        query=EvaluationsParameters,
        answers=(EntryPage,),
        problems=(*QUERY, 503),
    ),
    Operation(
        method="GET",
        path="/v1/evaluations/{evaluation_id}",
        operation_id="read_evaluation",
        tag="History",
        summary="A recorded answer, byte for byte",
        description=_ENTRY,
        answers=(
            EvaluationResponse,
            LiveResponse,
            TargetsResponse,
            MarginResponse,
            HedgesResponse,
            ScalarResponse,
            OraclesAnswer,
            GridAnswer,
            ScheduleAnswer,
            VaultAnswer,
            AllocateAnswer,
            WaterfallAnswer,
            OrderCheckAnswer,
            GovernanceStored,
            ProposalAnswer,
        ),
        problems=(*QUERY, 404, 410, 503),
    ),
    Operation(
        method="POST",
        path="/v1/evaluations/{evaluation_id}:replay",
        operation_id="replay_evaluation",
        tag="History",
        summary="Compute a recorded decision again and compare",
        description=f"{_ENTRY} Takes no body. Id, clocks and audit position are from the record; the rest is computed.",
        answers=(ReplayAnswer,),
        problems=(*QUERY, 404, 410, 503),
    ),
    Operation(
        method="GET",
        path="/v1/evaluations/{evaluation_id}:diff",
        operation_id="compare_evaluations",
        tag="History",
        summary="What changed between two recorded decisions, and why",
        description=(
            f"{_ENTRY} Compares what was recorded and computes no size anew. The change of each size is shared out "
            "over the stages of its explanation; the shares add up to it."
        ),
        query=DifferenceParameters,
        answers=(EvaluationDifference,),
        problems=(*QUERY, 404, 410, 503),
    ),
    Operation(
        method="GET",
        path="/v1/evaluations/{evaluation_id}/permits",
        operation_id="read_permits",
        tag="History",
        summary="Signed permits of the orders of a decision, for a gateway before the venue",
        description=(
            f"{_ENTRY} Also of a live portfolio, whose targets name their evaluation. A permit allows no more than its "
            "order, until the order expires. Orders that a switch stops now have none; neither has a historical "
            "evaluation. The bytes are the same on every call."
        ),
        answers=(PermitsAnswer,),
        problems=(*QUERY, 404, 410, 503),
    ),
    Operation(
        method="GET",
        path="/v1/scorecard",
        operation_id="read_scorecard",
        tag="History",
        summary="How good recorded answers were, by what the log holds later",
        description=(
            "Forecast loss, coverage of value at risk and shortfall, tracking, touch probabilities, hedges. Computed "
            "from the entries `from` to `to` and nothing else: `trimtab scorecard` on the same log gives the same "
            "bytes. A figure of fewer than 20 moments is null with a reason. One is computed at a time."
        ),
        query=ScorecardParameters,
        answers=(ScorecardAnswer,),
        problems=(*QUERY, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/entries",
        operation_id="list_audit_entries",
        tag="History",
        summary="The audit log, oldest first",
        query=EntriesParameters,
        answers=(EntryPage,),
        problems=(*QUERY, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/entries/{evaluation_id}/body",
        operation_id="read_audit_body",
        tag="History",
        summary="The exact bytes that an entry holds",
        description=f"{_ENTRY} Request, answer, the state that was read, and versions: all that recomputes the answer.",
        answers=(EntryBody,),
        problems=(*QUERY, 404, 410, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/entries/{evaluation_id}/entry",
        operation_id="read_log_entry",
        tag="Log",
        summary="What the tree holds of a record: digests, no contents",
        description=f"{_ENTRY} Canonical JSON: its leaf hash is SHA-256 of the byte 0 and exactly these bytes.",
        answers=(LogEntryOut,),
        problems=(*QUERY, 404, 503),
    ),
    Operation(
        method="GET",
        path="/v1/audit/entries/{evaluation_id}/receipt",
        operation_id="read_receipt",
        tag="Log",
        summary="Proof that a record is in the log, to be checked without a network",
        description=(
            f"{_ENTRY} A C2SP `tlog-proof`: index, inclusion proof, and the signed head of the log right after the "
            "entry was written; once enough witnesses have signed a head with it, the first such head. Keep it: "
            "whoever holds it can show that the log was changed or cut."
        ),
        media_type="text/plain",
        problems=(*QUERY, 404, 503),
    ),
    Operation(
        method="POST",
        path="/v1/audit/entries/{evaluation_id}:disclose",
        operation_id="disclose_fields",
        tag="Log",
        summary="Some fields of a recorded answer, proved; the others stay hidden",
        description=(
            f"{_ENTRY} Whoever gets it checks without this service that these values stood in an answer of the signed "
            "log, and learns of the others only how many there are. Nothing is recorded."
        ),
        body=DiscloseRequest,
        answers=(DisclosureAnswer,),
        problems=(*BODY, 404, 410, 503),
        examples={"leverage": ("The leverage of the book, nothing else", {"fields": ["/portfolio/gross_leverage"]})},
    ),
    Operation(
        method="POST",
        path="/v1/audit/entries/{evaluation_id}:commit",
        operation_id="commit_figures",
        tag="Log",
        summary="Signed Pedersen commitments to figures of a recorded answer (experimental)",
        description=(
            f"{_ENTRY} With the openings the holder proves bounds, such as a gross exposure over several portfolios, "
            "to a stranger who learns nothing else. Not externally reviewed, not constant time. Nothing is recorded, "
            "and the openings are not kept."
        ),
        body=CommitRequest,
        answers=(CommitAnswer,),
        problems=(*BODY, 404, 503),
        examples={
            "leverage": (
                "What a leverage takes",
                {"figures": [{"figure": "gross_exposure"}, {"figure": "request:/account/equity", "rounding": "down"}]},
            )
        },
    ),
    Operation(
        method="GET",
        path="/v1/log/checkpoint",
        operation_id="read_checkpoint",
        tag="Log",
        summary="Signed head of the log",
        description=(
            "A C2SP `tlog-checkpoint`: origin, size and root, signed with Ed25519, and by witnesses that have seen it."
        ),
        query=CheckpointParameters,
        media_type="text/plain",
        problems=(*QUERY, 404, 503),
    ),
    Operation(
        method="POST",
        path="/v1/log/cosignatures",
        operation_id="add_cosignatures",
        tag="Log",
        summary="Signatures of witnesses on a head of the log",
        description=(
            "What `trimtab audit witness --cosign` sends. Signatures of witnesses that the operator has not named are "
            "passed over. Nothing is recorded."
        ),
        body=CosignaturesRequest,
        answers=(CosignaturesAnswer,),
        problems=(*BODY, 404, 409, 503),
        examples={"head": ("A head with a line of a witness", {"note": examples.COSIGNED})},
    ),
    Operation(
        method="GET",
        path="/v1/log/key",
        operation_id="read_log_key",
        tag="Log",
        summary="Public key of the log",
        description="As `name+id+key` (C2SP signed-note). Get it once, over a way that you trust, and keep it.",
        query=LogKeyParameters,
        media_type="text/plain",
        problems=(*QUERY, 404, 503),
    ),
    Operation(
        method="GET",
        path="/v1/log/proof/inclusion",
        operation_id="prove_inclusion",
        tag="Log",
        summary="Proof that an entry is in a tree",
        query=InclusionParameters,
        answers=(InclusionAnswer,),
        problems=(*QUERY, 404, 503),
        query_examples={"index": 0, "size": 1},
    ),
    Operation(
        method="GET",
        path="/v1/log/proof/consistency",
        operation_id="prove_consistency",
        tag="Log",
        summary="Proof that one tree begins with another",
        query=ConsistencyParameters,
        answers=(ConsistencyAnswer,),
        problems=(*QUERY, 404, 503),
        query_examples={"first": 1, "second": 1},
    ),
    Operation(
        method="GET",
        path="/v1/log/tile/{tile}",
        operation_id="read_tile",
        tag="Log",
        summary="Hashes of the tree, 256 at a time",
        description=(
            "A C2SP `tlog-tiles` tile, `LEVEL/NUMBER` or `LEVEL/NUMBER.p/WIDTH`: 32 bytes a hash. A tile never changes."
        ),
        media_type="application/octet-stream",
        problems=(*QUERY, 404, 503),
    ),
    Operation(
        method="POST",
        path="/v1/observations",
        operation_id="observe_prices",
        tag="Volatility",
        summary="Feed bars to the cached volatility states",
        description=(
            "Each bar has an outcome of its own. A bar that is known changes nothing, one that comes at most 64 bars "
            "late is put in its place, and `revise: true` corrects a known one: the state is that of the sorted unique "
            "bars, in whatever order they come."
        ),
        body=ObservationsRequest,
        answers=(ObservationsAnswer,),
        problems=(*BODY, *AUDIT),
        examples={"ten_days": ("Ten daily closes", examples.OBSERVATIONS)},
        idempotent=True,
    ),
    Operation(
        method="GET",
        path="/v1/volatility",
        operation_id="read_volatility",
        tag="Volatility",
        summary="The cached state of a market, or a page of all states",
        query=VolatilityParameters,
        answers=(VolatilityAnswer, VolatilityPage),
        problems=(*QUERY, 404, 503),
    ),
    Operation(
        method="DELETE",
        path="/v1/volatility",
        operation_id="reset_volatility",
        tag="Volatility",
        summary="Forget the cached state of a market",
        description="Recorded in the audit log. Forgetting what is not there is no error: `existed` says so.",
        query=StateParameters,
        answers=(ResetAnswer,),
        problems=(*QUERY, *AUDIT),
        query_examples={"symbol": "EXAMPLE-PERP"},
    ),
    Operation(
        method="POST",
        path="/v1/volatility:estimate",
        operation_id="estimate_volatility",
        tag="Volatility",
        summary="Volatility of posted series; nothing is stored",
        body=EstimateRequest,
        answers=(EstimateAnswer,),
        problems=BODY,
        examples={"last": ("The newest estimate", examples.ESTIMATE)},
    ),
    Operation(
        method="POST",
        path="/v1/correlation:estimate",
        operation_id="estimate_correlation",
        tag="Volatility",
        summary="Correlation and covariance of posted series; nothing is stored",
        description=(
            "Volatility of each series by `estimator`, correlation of the standardised returns by `correlation`, and a "
            "monitor that says whether correlations have just risen. A pair is correlated over the bars that both "
            "have; a series that shares fewer than 60 with others is in `left_out`."
        ),
        body=CorrelationRequest,
        answers=(CorrelationAnswer,),
        problems=BODY,
        examples={"two": ("Two markets of daily closes", examples.CORRELATION)},
    ),
    Operation(
        method="POST",
        path="/v1/margin:scenario",
        operation_id="scenario_margin",
        tag="Margin",
        summary="Portfolio margin of options, perpetuals and spot by scenarios; nothing is stored",
        description=(
            "Every position is priced anew in every scenario of a preset: moves of price and volatility, damped "
            "extreme moves, tilts of the smile, basis. The worst of them, with the charges that no scenario shows, is "
            "the requirement. The worst scenarios are explained by delta, gamma, vega and expiry. `overrides` change "
            "a preset, down to its scenarios (at most 40). Up to 2,000 positions in 128 underlyings. All or nothing: "
            "an option without a volatility is a 422, as a margin without it would leave a risk out."
        ),
        body=ScenarioMarginRequest,
        answers=(ScenarioMarginAnswer,),
        problems=BODY,
        examples={
            "strangle": ("A short strangle, its hedge, coin collateral, another underlying", margin_examples.SCENARIO),
            "regime": ("A perpetual under a price range that follows volatility", margin_examples.REGIME),
        },
    ),
    Operation(
        method="POST",
        path="/v1/margin:reverse-stress",
        operation_id="reverse_stress",
        tag="Margin",
        summary="Smallest moves that liquidate an account, in standard deviations; nothing is stored",
        description=(
            "The account of POST /v1/margin:scenario, revalued and margined anew after moves of its prices: each "
            "underlying alone, each with what usually comes with it (betas of `correlation`), and the nearest joint "
            "move of all by its Mahalanobis distance, each with every shift of implied volatility. The nearest joint "
            "move is exact for linear books; with options it is the nearest that a search from several directions "
            "found. Up to 300 positions in 8 underlyings, each with its `volatility`."
        ),
        body=ReverseStressRequest,
        answers=(ReverseStressAnswer,),
        problems=BODY,
        examples={"strangle": ("What liquidates a short strangle and its hedge", margin_examples.REVERSE_STRESS)},
    ),
    Operation(
        method="POST",
        path="/v1/options:price-ladder",
        operation_id="price_ladder",
        tag="Options",
        summary="Greeks of a book, and its profit and loss over shocks of price and volatility; nothing is stored",
        description=(
            "Every position is priced anew in every scenario: options paid in money or coin, futures, spot, liquidity "
            "in pools, and positions that bring Greeks or a ladder of their own. Per underlying and in total, in coin "
            "and in money, by expiry and by delta, beta-weighted. With `previous`, the profit and loss since then by "
            "its origin. Up to 2,000 positions and 200 scenarios. What cannot be computed is in `left_out`."
        ),
        body=PriceLadderRequest,
        answers=(PriceLadderAnswer,),
        problems=BODY,
        examples={"straddle": ("A short straddle paid in coin, its hedge, and a pool", book_examples.PRICE_LADDER)},
    ),
    Operation(
        method="POST",
        path="/v1/options:surface",
        operation_id="fit_option_surface",
        tag="Options",
        summary="Volatility surface of posted quotes, free of static arbitrage; nothing is stored",
        description=(
            "Quotes out of the money become implied volatilities, and these a smile for each expiry: raw SVI of all "
            "expiries at once, within what excludes butterflies and calendars; `essvi` where the guarantee has to "
            "reach every strike. Per expiry the parameters, skew, risk reversal, butterfly, model-free volatility; any "
            "points and a grid; an audit of the prices. A quote that cannot be used is in `dropped` with its reason, "
            "and the others are fitted; without any usable one the `status` is `refused`."
        ),
        body=SurfaceRequest,
        answers=(SurfaceAnswer,),
        problems=BODY,
        examples={"made_up": ("Three made-up smiles, and four quotes as they should not be", surface_examples.SURFACE)},
    ),
    Operation(
        method="POST",
        path="/v1/collateral:allocate",
        operation_id="allocate_collateral",
        tag="Margin",
        summary="Transfers of collateral that make the least safe venue safer, where they pay",
        description=(
            "Safety of an account is its equity beyond maintenance margin in standard deviations of its own loss. The "
            "least safety of all is made as large as it can be, at the least cost, then what does not pay is dropped. "
            "At most 90 % of a withdrawable balance moves, and what travels counts nowhere until it is confirmed. "
            "Amounts are whole smallest units: `sent = fee + arrives`. Where all funds together do not suffice, "
            "`status` is `reduce` and each venue says how much of its positions to close. Audited; the transfers are "
            "the client's to make."
        ),
        body=AllocateRequest,
        answers=(AllocateAnswer,),
        problems=(*BODY, *AUDIT),
        examples={"three_venues": ("Three accounts, one close to liquidation", collateral_examples.ALLOCATE)},
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/collateral:value",
        operation_id="value_collateral",
        tag="Margin",
        summary="What balances and loans count as margin, with the reason for every haircut; nothing is stored",
        description=(
            "`haircut = max(floor, k σ √t + spread/2 + impact √(size/volume) + peg) · wrong way · contagion`; for "
            "initial margin 1.25 times as much. What is owed counts in full. The volatility is given, of a posted "
            "series or of a cached state; what is not known gives no credit, a stale price none for initial margin. "
            "`policy.collateral` of POST /v1/evaluations and POST /v1/margin makes these equities count there."
        ),
        body=CollateralValueRequest,
        answers=(CollateralValueAnswer,),
        problems=(*BODY, 503),
        examples={"coin": ("A coin, a stablecoin off its peg, and a loan", collateral_examples.VALUE)},
    ),
    Operation(
        method="POST",
        path="/v1/margin:waterfall",
        operation_id="play_waterfall",
        tag="Margin",
        summary="A liquidation played through: prices, slices, insurance fund, deleveraging, cover of the fund",
        description=(
            "The position is sold in slices while its price is allowed and the fund can pay, and no more of it than "
            "restores margin. What is left is closed at its bankruptcy price, at most `price_cap` from the mark, "
            "against positions that gained, by rank; each is checked before, and passed over where it would fall "
            "under its maintenance. What nobody bears is `socialised`, what nobody takes `uncovered`. `members` and "
            "their losses by scenario give cover 1 and cover 2 of the fund. Audited; nothing is sent to a venue."
        ),
        body=WaterfallRequest,
        answers=(WaterfallAnswer,),
        problems=(*BODY, *AUDIT),
        examples={"exhausted": ("The fund bears a part, others the rest", collateral_examples.WATERFALL)},
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/contagion:propagate",
        operation_id="propagate_contagion",
        tag="Margin",
        summary="What the distress of one venue does to the others, and how far to tighten; nothing is stored",
        description=(
            "Linear DebtRank over claims, to its fixed point; distress of venues from what is seen of them; ΔCoVaR "
            "from returns. `multiplier` on margin rises at once and falls by a tenth of its excess a call: send it "
            "back as `previous_multiplier`. `distress` and `contagion_multiplier` fit `venues[]` of "
            "POST /v1/evaluations."
        ),
        body=ContagionRequest,
        answers=(ContagionAnswer,),
        problems=BODY,
        examples={"circle": ("Claims in a circle, and an exchange under strain", collateral_examples.CONTAGION)},
    ),
    Operation(
        method="POST",
        path="/v1/margin:liquidation-price",
        operation_id="find_liquidation_price",
        tag="Margin",
        summary="Liquidation prices of a book with options, coin and loans, below and above; nothing is stored",
        description=(
            "Everything of one account that one price moves: perpetuals and futures, options, coin collateral, loans. "
            "The nearest price on each side at which equity no longer exceeds maintenance margin, by a scan of 400 "
            "prices and a root search. Put back, equity and maintenance differ by less than 1e-9 of the notional."
        ),
        body=LiquidationPriceRequest,
        answers=(LiquidationPriceAnswer,),
        problems=BODY,
        examples={"strangle": ("A short strangle, its hedge, and a loan", collateral_examples.LIQUIDATION)},
    ),
    Operation(
        method="POST",
        path="/v1/volatility:fit",
        operation_id="submit_fit",
        tag="Volatility",
        summary="Fit a GARCH model to a posted series, outside the request path",
        description=(
            "Answers at once with a `fit_id`; a process of its own fits, one series after the other. The estimates are "
            "ready to paste as `estimator`. They are kept for an hour, in the memory of the process that took the fit."
        ),
        body=FitRequest,
        answers=(FitAccepted,),
        problems=(*BODY, 429),
        examples={"gjr": ("GJR-GARCH with Student-t returns", examples.FIT)},
        status=202,
    ),
    Operation(
        method="GET",
        path="/v1/volatility/fits/{fit_id}",
        operation_id="read_fit",
        tag="Volatility",
        summary="What became of a fit",
        description=(
            "`queued`, `running`, then `done`, `rejected` (no estimates to use: `reason` says why; keep the former) or "
            "`failed` (post it again). Most fits take less than a second."
        ),
        answers=(FitAnswer,),
        problems=(*QUERY, 404),
    ),
    Operation(
        method="POST",
        path="/v1/options:mispricing",
        operation_id="find_mispricing",
        tag="Options",
        summary="Quotes that are rich or cheap against Heston's or Bates's model, after errors and costs",
        description=(
            "Fits the model to the chain and compares each quote with it: difference in volatility points, its "
            "standard error from spread and fit, and a verdict that is `rich` or `cheap` only beyond the bid or the "
            "ask, the fee and the threshold. A chain with too few quotes is `refused`; single quotes are, with a "
            "reason. Nothing promises that a difference closes: on Deribit's chains trading them for six hours did not "
            "pay. Not recorded."
        ),
        body=MispricingRequest,
        answers=(MispricingAnswer,),
        problems=BODY,
        examples={"chain": ("Three expiries, one quote rich and one cheap", option_model_examples.MISPRICING)},
    ),
    Operation(
        method="POST",
        path="/v1/options:variance-premium",
        operation_id="measure_variance_premium",
        tag="Options",
        summary="What options ask for variance over what is expected, or came",
        description=(
            "Before the fact: implied against a forecast that is sent. After it: the mean over a history, with a "
            "standard error that knows that windows overlap, and the number of independent windows it rests on. Not "
            "recorded."
        ),
        body=VariancePremiumRequest,
        answers=(VariancePremiumAnswer,),
        problems=BODY,
        examples={"both": ("A forecast, and sixty days", option_model_examples.VARIANCE_PREMIUM)},
    ),
    Operation(
        method="POST",
        path="/v1/backtests",
        operation_id="run_backtest",
        tag="Research",
        summary="One's own policy on posted bars, beside its baselines",
        description=(
            "The same engine at every close, with costs, funding, lag and lots: each decision sees the bars up to its "
            "close and no more. Beside it stand constant leverage, fixed weights and monthly rebalancing at the same "
            "average leverage. Nothing is stored. Up to 5,000 bars a series, 20,000 in all."
        ),
        body=BacktestRequest,
        answers=(BacktestAnswer,),
        problems=BODY,
        examples={"bitcoin": ("Sixty days of Bitcoin at 20 % volatility", examples.BACKTEST)},
    ),
    Operation(
        method="POST",
        path="/v1/margin:max-position",
        operation_id="max_position",
        tag="Margin",
        summary="The largest long and short that margin and your caps allow, in whole lots; nothing is stored",
        description=(
            "The margin of a size is that of the model, with its size add-on, or of the venue's tiers and leverage, "
            "whichever is more; sizes are searched on it in whole lots, so one lot more breaks the cap in `binding`. "
            "Caps: `margin` (max_utilisation of the equity, less what everything else needs), `distance` (still above "
            "maintenance after a move of min_distance_sigma), `tier`, `liquidity` (what the book takes back within "
            "max_slippage), `venue` and `user`. `headroom` is what may still be traded on each side; negative: what "
            "has to be given back. Without a volatility the answer is `refused`, never a floor. Linear and inverse "
            "contracts; amounts in the quote currency."
        ),
        body=MaxPositionRequest,
        answers=(MaxPositionAnswer,),
        problems=(*BODY, 503),
        examples={"caps": ("A short under tiers, a distance and a book", margin_examples.MAX_POSITION)},
    ),
    Operation(
        method="POST",
        path="/v1/orders:check",
        operation_id="check_order",
        tag="Margin",
        summary="An order before it is sent: accept, resize or reject, with the cap that says so",
        description=(
            "The caps of POST /v1/margin:max-position, on the side of the order. An order that only shrinks the "
            "position is always accepted, also without a volatility or on an account that is short of margin. "
            "`resize` says what to send instead; what closes a position on the way to the other side is never cut. "
            "`after` is the account once that is filled. Audited, as a decision that you act on; nothing is sent to a "
            "venue."
        ),
        body=OrderCheckRequest,
        answers=(OrderCheckAnswer,),
        problems=(*BODY, *AUDIT),
        examples={"resize": ("A buy that is cut by its distance to liquidation", margin_examples.ORDER_CHECK)},
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/margin:batch",
        operation_id="batch_margin",
        tag="Margin",
        summary="Margins of up to 20,000 accounts as columns, and the liquidation queue; nothing is stored",
        description=(
            "One JSON object: markets, then a column of equity and one of quantities for each market, all in the "
            "order of `accounts`. Margins come from the margin model, each position for itself, or from a scenario "
            "`preset` with netting. `queue` holds the accounts below maintenance, the largest maintenance over equity "
            "first. A figure that is no number, or a position in a market without price or volatility, makes its "
            "account `unknown`, with the reason, and leaves the others alone: unknown is neither ok nor queued. "
            "The body may be four times max_body_bytes. Amounts are JSON numbers, as there are many of them. "
            "As application/x-ndjson: the first line is the request without accounts, equity and quantities, every "
            "further one `{account, equity, quantities}` with contracts by market. A line that is no account is one "
            "`refused` row with its number, and no other is affected. The answer comes in the form of the request "
            "unless `Accept` says otherwise; as lines: the head, a line for each account, then counts, queue and "
            "remarks. "
            "As application/vnd.apache.arrow.stream, where the server has the extra `arrow`: that first line is the "
            "schema's metadata `trimtab`; columns are `account`, `equity` and one for each market, by its symbol and "
            "in its order, of numbers, decimals or plain decimal text, null where not known. Streams are closed, "
            "little-endian, without compressed buffers, dictionaries, extension and nested types. The answer: columns "
            "`account`, `initial_margin`, `maintenance_margin`, `ratio` and `status`, all else in the metadata."
        ),
        body=MarginBatchRequest,
        answers=(MarginBatchAnswer,),
        problems=(*BODY, 406),
        examples={"queue": ("Five accounts in two markets", margin_examples.BATCH)},
        lines=(BatchHeadIn, margin_examples.BATCH_LINES),
        arrow=BatchNamesIn,
    ),
    Operation(
        method="POST",
        path="/v1/margin:backtest",
        operation_id="backtest_margin",
        tag="Margin",
        summary="A margin model on posted bars: how often it was breached, and how it moved; nothing is stored",
        description=(
            "What the model asked at each close from the bars up to it, and what a long and a short lost over the "
            "horizon after it. Kupiec, Christoffersen and Basel's traffic light, a one-sided verdict, and figures of "
            "procyclicality; beside it a normal law with EWMA volatility and plain historical simulation on the same "
            "bars. With `procyclicality`, stress weight, floor, buffer and release speed act on top."
        ),
        body=MarginBacktestRequest,
        answers=(MarginBacktestAnswer,),
        problems=BODY,
        examples={"filtered": ("Filtered historical simulation with a buffer", examples.MARGIN_BACKTEST)},
    ),
    Operation(
        method="POST",
        path="/v1/margin:frontier",
        operation_id="margin_frontier",
        tag="Margin",
        summary="What margin costs against how often it fails, by confidence and size; nothing is stored",
        description=(
            "The walk of POST /v1/margin:backtest at many confidences of the model and multiples of its margin: mean "
            "margin and leverage against breaches and liquidations, each rate with its exact interval, the model's own "
            "point among them, and which points no other beats. Losses run from close to close."
        ),
        body=FrontierRequest,
        answers=(FrontierAnswer,),
        problems=BODY,
        examples={"filtered": ("Filtered historical simulation at three confidences", examples.MARGIN_FRONTIER)},
    ),
    Operation(
        method="POST",
        path="/v1/options:greeks",
        operation_id="price_options",
        tag="Options",
        summary="Prices and Greeks of European options; nothing is stored",
        description=(
            "Black-76 on the forward of each option's own expiry, up to 5,000; `units` says what each figure is "
            "in. `delta_hedge` is what a hedge must offset: for coin-settled (inverse) options the premium-adjusted "
            "delta. Expired options and those without volatility are answered as their limits, and say so; a row "
            "without a volatility is refused, never guessed."
        ),
        body=GreeksRequest,
        answers=(GreeksAnswer,),
        problems=BODY,
        examples={"week": ("A coin-settled position and one linear option", option_examples.GREEKS)},
    ),
    Operation(
        method="POST",
        path="/v1/options:implied-volatility",
        operation_id="invert_prices",
        tag="Options",
        summary="Implied volatilities of prices or quotes; nothing is stored",
        description=(
            "One price, or bid, ask and mark: the mark is used if it lies within bid and ask, else the mid price. "
            "A crossed quote, a price below intrinsic value and the like have a `reason` and never fail their "
            "neighbours."
        ),
        body=ImpliedVolatilityRequest,
        answers=(ImpliedVolatilityAnswer,),
        problems=BODY,
        examples={"quotes": ("A quote in coin, a crossed one, and one price", option_examples.IMPLIED_VOLATILITY)},
    ),
    Operation(
        method="GET",
        path="/v1/instruments",
        operation_id="list_instruments",
        tag="Instruments",
        summary="Registered instruments",
        query=PageParameters,
        answers=(InstrumentPage,),
        problems=(*QUERY, 503),
    ),
    Operation(
        method="PUT",
        path="/v1/instruments",
        operation_id="register_instruments",
        tag="Instruments",
        summary="Register instruments, so that requests need not describe them",
        description="One of the same venue and symbol replaces the former. All are stored, or none.",
        body=InstrumentsRequest,
        answers=(InstrumentsAnswer,),
        problems=(*BODY, *AUDIT),
        examples={"inverse": ("An inverse perpetual", examples.INSTRUMENTS)},
        idempotent=True,
    ),
    Operation(
        method="GET",
        path="/v1/parameters/{market}",
        operation_id="read_parameters",
        tag="Margin",
        summary="Margin rates, haircut and caps that a venue has published for a market",
        description=f"{_MARKET} The newest of the versions that are effective at `as_of` is in force.",
        query=ParametersQuery,
        answers=(ParametersAnswer,),
        problems=(*QUERY, 404, 503),
        conditional=True,
    ),
    Operation(
        method="GET",
        path="/v1/parameters/{market}/versions",
        operation_id="list_parameter_versions",
        tag="Margin",
        summary="Every version of a market's parameters",
        description=_MARKET,
        query=VersionsQuery,
        answers=(ParametersPage,),
        problems=(*QUERY, 404, 503),
    ),
    Operation(
        method="PUT",
        path="/v1/parameters/{market}",
        operation_id="publish_parameters",
        tag="Margin",
        summary="Publish the parameters of a market, from a moment on",
        description=(
            f"{_MARKET} Each call makes a version, which never changes. After the first, a version leaves the notice "
            "of the rules in force, and each figure stays within `max_change_per_day` of all that held in the day "
            "before it takes effect; what moves further is refused with the range that is allowed. `emergency` passes "
            "both, upwards only: rates and haircut may not fall, caps may not rise."
        ),
        body=PublishRequest,
        answers=(ParametersPublished,),
        problems=(*BODY, *AUDIT),
        examples={
            "rates": ("Rates and caps as they are decided", margin_examples.PUBLISH),
            "from_model": ("Rates by the default margin model at the cached volatility", margin_examples.FROM_MODEL),
        },
        idempotent=True,
    ),
    Operation(
        method="GET",
        path="/v1/breakers",
        operation_id="list_switches",
        tag="Guards",
        summary="Operator's switches that were ever set, by scope",
        query=PageParameters,
        answers=(SwitchPage,),
        problems=(*QUERY, 503),
    ),
    Operation(
        method="GET",
        path="/v1/breakers/{scope}",
        operation_id="read_switch",
        tag="Guards",
        summary="One operator's switch",
        description=_SCOPE,
        answers=(SwitchOut,),
        problems=(*QUERY, 503),
        conditional=True,
    ),
    Operation(
        method="PUT",
        path="/v1/breakers/{scope}",
        operation_id="set_switch",
        tag="Guards",
        summary="Stop a book, a venue, an account or a symbol, or let it go on",
        description=(
            f"{_SCOPE} The strictest switch over a row counts, in every call that gives orders. What stops more needs "
            "nothing but an actor and a reason. What lets more be done, now or at any later time, also needs "
            "`If-Match` with the present ETag, and does nothing before it is in the audit log. A switch that expires "
            "falls back to `reduce_only`: the passing of time lets nothing grow."
        ),
        body=SwitchRequest,
        answers=(SwitchAnswer,),
        problems=(*BODY, 412, *AUDIT),
        examples={
            "halt": ("No order at all", examples.HALT),
            "reduce": ("Nothing grows", examples.REDUCE_ONLY),
        },
        idempotent=True,
        matched=True,
    ),
    Operation(
        method="GET",
        path="/v1/keys/current",
        operation_id="read_current_key",
        tag="Keys",
        summary="Who calls: tenant, scopes, and until when",
        answers=(CurrentKey,),
        problems=QUERY,
    ),
    Operation(
        method="GET",
        path="/v1/keys",
        operation_id="list_keys",
        tag="Keys",
        summary="API keys of the tenant, without their secrets",
        query=PageParameters,
        answers=(KeyPage,),
        problems=(*QUERY, 503),
    ),
    Operation(
        method="POST",
        path="/v1/keys",
        operation_id="create_key",
        tag="Keys",
        summary="Make an API key, and see its secret once",
        description=(
            "For the tenant of the caller; `trimtab keys create --tenant` makes one for another. The secret is in this "
            "answer alone: neither the audit log nor a repeat with the same Idempotency-Key has it. From the first key "
            "of a service on, every caller needs one."
        ),
        body=CreateKeyRequest,
        answers=(KeyCreated,),
        problems=(*BODY, *AUDIT),
        examples={
            "bot": ("A bot that feeds prices and asks for sizes", examples.KEY),
            "signing": ("A bot that signs its requests", examples.SIGNING_KEY),
        },
        idempotent=True,
    ),
    Operation(
        method="DELETE",
        path="/v1/keys/{key_id}",
        operation_id="revoke_key",
        tag="Keys",
        summary="Revoke an API key",
        description="It opens nothing any more, in any process after two seconds at most, and never will again.",
        answers=(KeyChanged,),
        problems=(*QUERY, 404, *AUDIT),
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/policies",
        operation_id="store_policy",
        tag="Policies",
        summary="Store a policy under a name, so that evaluations can name it",
        description=(
            "Evaluations then send `policy: {id, version}`. A version never changes and is never deleted: it is kept "
            "with every default written out, so that new defaults of a later release do not move its sizes. Another "
            "content under the same `policy_id` becomes the next version; that of the newest again stores nothing."
        ),
        body=StorePolicyRequest,
        answers=(PolicyStored,),
        problems=(*BODY, 409, *AUDIT),
        examples={"desk": ("A policy of a desk", examples.POLICY)},
        idempotent=True,
    ),
    Operation(
        method="GET",
        path="/v1/policies",
        operation_id="list_policies",
        tag="Policies",
        summary="Stored policies, each in its newest version",
        query=PageParameters,
        answers=(PolicyPage,),
        problems=(*QUERY, 503),
    ),
    Operation(
        method="GET",
        path="/v1/policies/{policy_id}",
        operation_id="read_policy",
        tag="Policies",
        summary="The newest version of a policy, and which others there are",
        answers=(PolicyAnswer,),
        problems=(*QUERY, 404, 503),
        conditional=True,
    ),
    Operation(
        method="GET",
        path="/v1/policies/{policy_id}/versions/{version}",
        operation_id="read_policy_version",
        tag="Policies",
        summary="One version of a policy, as it was sent and as it was resolved",
        answers=(PolicyVersion,),
        problems=(*QUERY, 404, 503),
        conditional=True,
    ),
    Operation(
        method="PUT",
        path="/v1/policies/{policy_id}/governance",
        operation_id="govern_policy",
        tag="Policies",
        summary="Put a policy under governance: k of n signatures and a timelock for every change",
        description=(
            "From then on POST /v1/policies refuses the policy; a new version, and a change of these rules, is "
            "proposed, checked, approved and activated. There is no way around it and no way back: stops are what "
            "PUT /v1/breakers/{scope} is for."
        ),
        body=GovernanceIn,
        answers=(GovernanceStored,),
        problems=(*BODY, 404, 409, *AUDIT),
        examples={"two_of_three": ("Two of three, a day, leverage proved to be at most 3", governance_examples.GOVERN)},
        idempotent=True,
    ),
    Operation(
        method="GET",
        path="/v1/policies/{policy_id}/governance",
        operation_id="read_governance",
        tag="Policies",
        summary="Rules of a governed policy, and its proposals",
        answers=(GovernanceAnswer,),
        problems=(*QUERY, 404, 503),
    ),
    Operation(
        method="POST",
        path="/v1/policies/{policy_id}/proposals",
        operation_id="propose_policy",
        tag="Policies",
        summary="Propose a version of a governed policy, or other rules",
        description=(
            "The checks of the rules run at once, and their results are recorded; a proposal that fails them can "
            "never be approved. The same content again gives the proposal that is there."
        ),
        body=ProposalRequest,
        answers=(ProposalAnswer,),
        problems=(*BODY, 404, *AUDIT),
        examples={
            "looser": ("A higher leverage", governance_examples.PROPOSE),
            "rules": ("Another quorum", governance_examples.PROPOSE_RULES),
        },
        idempotent=True,
    ),
    Operation(
        method="GET",
        path="/v1/policies/{policy_id}/proposals/{number}",
        operation_id="read_proposal",
        tag="Policies",
        summary="One proposal, with the statements that approvers sign",
        answers=(ProposalOut,),
        problems=(*QUERY, 404, 503),
    ),
    Operation(
        method="POST",
        path="/v1/policies/{policy_id}/proposals/{number}:approve",
        operation_id="approve_proposal",
        tag="Policies",
        summary="Approve a proposal with an Ed25519 signature",
        description=(
            "Over `statements.approve` of the proposal, which names the content, the results of its checks, the rules, "
            "the expiry, the policy and the log: it counts for nothing else."
        ),
        body=VoteRequest,
        answers=(ProposalAnswer,),
        problems=(*BODY, 404, 409, *AUDIT),
        examples={"vote": ("A signed approval", governance_examples.VOTE)},
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/policies/{policy_id}/proposals/{number}:reject",
        operation_id="reject_proposal",
        tag="Policies",
        summary="Reject a proposal, or take an approval back, with an Ed25519 signature",
        description=(
            "Over `statements.reject`. It stays. Where fewer than the quorum could still approve, the proposal ends."
        ),
        body=VoteRequest,
        answers=(ProposalAnswer,),
        problems=(*BODY, 404, 409, *AUDIT),
        examples={"vote": ("A signed rejection", governance_examples.VOTE)},
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/policies/{policy_id}/proposals/{number}:activate",
        operation_id="activate_proposal",
        tag="Policies",
        summary="Bring an approved proposal into force once its timelock has ended",
        description=(
            "Takes no body. It becomes the next version, which requests by name use from then on; it is on record "
            "before it is in force. A repeat gives the recorded answer."
        ),
        answers=(ProposalAnswer,),
        problems=(*QUERY, 404, 409, *AUDIT),
    ),
    Operation(
        method="POST",
        path="/v1/policies:check",
        operation_id="check_policy",
        tag="Policies",
        summary="Prove or refute statements about a policy, before it sizes anything",
        description=(
            "Over every point of `ranges`, not a sample of them. `proved`: it holds at each. `refuted`: the engine "
            "breaks it at the point that is shown. `unknown`: neither was found, and `detail` says what is missing. "
            "`proves` says what a proof covers: one linear instrument, alone in the book. Nothing is stored."
        ),
        body=CheckPolicyRequest,
        answers=(CheckPolicyAnswer,),
        problems=(*BODY, 503),
        examples={"four": ("Four statements about one policy", examples.CHECK)},
    ),
    Operation(
        method="POST",
        path="/v1/policies:compare",
        operation_id="compare_policies",
        tag="Policies",
        summary="Prove that a new policy never sizes larger, nor margins lower, than an old one",
        description=(
            "`refines`: at no point of `ranges` is a size of `new` above that of `old`, nor a margin rate below. "
            "Either may be a stored one. Nothing is stored."
        ),
        body=ComparePoliciesRequest,
        answers=(ComparePoliciesAnswer,),
        problems=(*BODY, 503),
        examples={"tighter": ("A lower leverage cap", examples.COMPARE)},
    ),
    Operation(
        method="PUT",
        path="/v1/portfolios/{portfolio_id}",
        operation_id="register_portfolio",
        tag="Live",
        summary="Register a portfolio, so that its targets are kept up to date",
        description=(
            "Everything of an evaluation that is no snapshot. The portfolio is then evaluated whenever something that "
            "it reads changes: its snapshot, observations of its markets, its instruments, its policy. Each evaluation "
            "is in the audit log, kind `live`, and can be replayed. Replaces what is registered under this id; "
            "`If-Match` and `If-None-Match: *` say what must be there now."
        ),
        body=RegisterPortfolioRequest,
        answers=(PortfolioRegistered,),
        problems=(*BODY, 412, *AUDIT),
        examples={
            "desk": ("A desk of two perpetuals on hourly bars", portfolio_examples.REGISTRATION),
            "automatic": ("The same in mode auto, with a budget of the day", portfolio_examples.AUTOMATIC),
        },
        idempotent=True,
        matched=True,
        creates=True,
    ),
    Operation(
        method="GET",
        path="/v1/portfolios/{portfolio_id}",
        operation_id="read_portfolio",
        tag="Live",
        summary="A registered portfolio, as it was sent",
        answers=(PortfolioAnswer,),
        problems=(*QUERY, 404, 503),
        conditional=True,
    ),
    Operation(
        method="DELETE",
        path="/v1/portfolios/{portfolio_id}",
        operation_id="delete_portfolio",
        tag="Live",
        summary="Forget a portfolio and its snapshot",
        description="Its channels are told of the end. What is on record stays, and with it the control state: "
        "registered again, it goes on from there, so a latched circuit breaker is not forgotten.",
        answers=(PortfolioDeleted,),
        problems=(*QUERY, 404, 412, *AUDIT),
        idempotent=True,
        matched=True,
    ),
    Operation(
        method="GET",
        path="/v1/portfolios",
        operation_id="list_portfolios",
        tag="Live",
        summary="Registered portfolios",
        query=PageParameters,
        answers=(PortfolioPage,),
        problems=(*QUERY, 503),
    ),
    Operation(
        method="POST",
        path="/v1/portfolios/{portfolio_id}/snapshots",
        operation_id="take_snapshot",
        tag="Live",
        summary="Send the account as it is now; targets follow",
        description=(
            "A whole snapshot, never a change of the last one. `snapshot_seq` increases: the same one with the same "
            "content is a `duplicate`, with another 409 `snapshot_conflict`, an older one 409 `stale_snapshot`. The "
            "targets made of it expire `max_snapshot_age` after its `as_of`, unless a newer one comes."
        ),
        body=SnapshotRequest,
        answers=(SnapshotTaken,),
        problems=(*BODY, 404, 409, *AUDIT),
        examples={"long": ("Long one perpetual, with a view on both", portfolio_examples.SNAPSHOT)},
        idempotent=True,
    ),
    Operation(
        method="GET",
        path="/v1/portfolios/{portfolio_id}/targets",
        operation_id="read_published_targets",
        tag="Live",
        summary="The newest targets, as the stream tells them",
        description=(
            "The state of channel `targets:{portfolio_id}`. Once `valid_until` has passed, `expired` is true and the "
            "ETag another one: positions may only be reduced. Act on the orders of one `snapshot_seq` once: later "
            "evaluations of the same snapshot do not know what was traded meanwhile."
        ),
        query=TargetsParameters,
        answers=(TargetsAnswer,),
        problems=(*QUERY, 404, 503),
        conditional=True,
    ),
    Operation(
        method="POST",
        path="/v1/portfolios/{portfolio_id}/executions",
        operation_id="take_executions",
        tag="Live",
        summary="Report fills of the orders of a portfolio",
        description=(
            "Up to 1000 trades, each counted once by `venue` and `trade_id`, whoever reports it how often. They are "
            "matched by `client_order_id` to the orders of its live decisions; one that is `unknown` is not counted "
            "and may be sent again. A fill changes no position: send a snapshot after trading."
        ),
        body=ExecutionsRequest,
        answers=(ExecutionsTaken,),
        problems=(*BODY, 404, *AUDIT),
        examples={"fill": ("One fill, with the quotes at arrival", portfolio_examples.EXECUTIONS)},
        idempotent=True,
    ),
    Operation(
        method="GET",
        path="/v1/portfolios/{portfolio_id}/executions",
        operation_id="read_executions",
        tag="Live",
        summary="How orders were followed, what they cost, and the impact that they show",
        description=(
            "Adherence, implementation shortfall against the price of the decision beside what the decision expected, "
            "and the coefficient of the square-root law fitted to the orders of each venue, with its interval. Of the "
            "last 100,000 trades."
        ),
        answers=(ExecutionsAnswer,),
        problems=(*QUERY, 404, 503),
    ),
    Operation(
        method="POST",
        path="/v1/stream/tickets",
        operation_id="create_ticket",
        tag="Live",
        summary="A ticket with which a page opens the stream",
        description=(
            "Browsers send no header with a WebSocket, and keys do not belong into URLs. The ticket serves once, "
            'within half a minute, in `{"op":"auth","id":"1","ticket":"…"}`; it stands for the caller and its scopes, '
            "or some of them."
        ),
        body=TicketRequest,
        answers=(TicketAnswer,),
        problems=BODY,
        examples={"reader": ("For a page that reads", examples.TICKET)},
    ),
    Operation(
        method="GET",
        path="/v1/catalog",
        operation_id="read_catalog",
        tag="Discovery",
        summary="Every method with its parameters, units, requirements and references",
        answers=(CatalogAnswer,),
        problems=QUERY,
    ),
    Operation(
        method="GET",
        path="/v1/limits",
        operation_id="read_limits",
        tag="Discovery",
        summary="What a request may hold",
        answers=(LimitsAnswer,),
        problems=QUERY,
    ),
    Operation(
        method="GET",
        path="/v1/time",
        operation_id="read_time",
        tag="Discovery",
        summary="The service's clock",
        answers=(TimeAnswer,),
        problems=QUERY,
    ),
    Operation(
        method="GET",
        path="/v1/errors",
        operation_id="read_errors",
        tag="Discovery",
        summary="Every stable code, with its meaning and remedy",
        answers=(ErrorsAnswer,),
        problems=QUERY,
    ),
    Operation(
        method="GET",
        path="/livez",
        operation_id="check_live",
        tag="Health",
        summary="Whether the process answers; no store is asked",
        answers=(LiveAnswer,),
    ),
    Operation(
        method="GET",
        path="/readyz",
        operation_id="check_ready",
        tag="Health",
        summary="Whether requests can be answered, and what is missing",
        description="503 with the same body while the audit log does not answer.",
        answers=(ReadyAnswer,),
    ),
    Operation(
        method="GET",
        path="/metrics",
        operation_id="read_metrics",
        tag="Health",
        summary="Metrics for Prometheus",
        description="404 where TRIMTAB_METRICS_PORT names a port of their own.",
        media_type="text/plain",
    ),
)

REQUEST_MODELS: dict[str, Model] = {
    model.__name__: model
    for operation in OPERATIONS
    for model in (operation.body, operation.query, operation.lines and operation.lines[0], operation.arrow)
    if model is not None
} | {LiveRequest.__name__: LiveRequest}
"""Models that validate what a client sent, by the title that a `ValidationError` carries.

`LiveRequest` is checked when one of its parts is sent.
"""
