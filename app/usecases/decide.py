"""The decision between gathering and writing: request and what was gathered in, answer bytes out.

REST, the command line and replay all go through `decide` and `render`; equal inputs give equal bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import orjson

from app.translate.answer import order_rows, portfolio_block, target_rows, time_text
from app.translate.auto import auto_block, auto_memory, auto_rules, memory_block
from app.translate.backing import backing_block, tell_backing, tell_tightening, tightening_rows
from app.translate.breakers import breaker_block, breaker_warnings, reset_of
from app.translate.control import control_block, control_of
from app.translate.events import market_events
from app.translate.hedges import hedge_plan, hedge_rows
from app.translate.impact_feedback import tell_fitted_impact, with_fitted_impact
from app.translate.instruments import InstrumentKey
from app.translate.intents import intent_rows, intent_warnings
from app.translate.liquidity import depths, flows
from app.translate.margin_notes import tell_smoothing, tell_unknown_size
from app.translate.market_conditions import market_conditions, venue_conditions
from app.translate.notes import Notes
from app.translate.option_quotes import volatility_rows
from app.translate.oracles import oracle_row
from app.translate.policy import NamedPolicy, added_since, narrowed, policy_fields, policy_sha256, restored
from app.translate.portfolio_margin import margin_of, tell_portfolio
from app.translate.series import calendar_of, check_columns
from app.translate.snapshot import CLOCK_SKEW, DEFAULT_INTERVAL, Snapshot, describe_instruments, names, translate
from app.translate.state_record import encode_state
from app.translate.switches import degraded, switch_rows, switch_warnings
from app.usecases.call import Door
from app.version import ENGINE_VERSION
from models.api.evaluation import EvaluationRequest, HedgesRequest, MarginRequest
from models.api.policy import HedgesPolicyIn, MarginPolicyIn, PolicyIn
from models.api.policy_choice import PolicyReference
from models.api.portfolio import LiveRequest
from services.core.annualization import parse_interval
from services.core.book import Row
from services.core.errors import InvalidInput, Refusal
from services.core.instrument import Instrument
from services.core.market_conditions import MarketConditions
from services.core.outcome import Permission, Reason
from services.engine import Evaluation, EvaluationInputs, StateInput, evaluate
from services.engine.automatic import Automatic, evaluate_automatically
from services.engine.columns import MIN_AGE_SECONDS
from services.engine.inputs import MarketEvent, RecordedCorrelation
from services.engine.margins import market_sizes
from services.engine.policy import DEFAULTS_VERSION, Policy
from services.engine.switches import PORTFOLIO, row_scopes
from services.engine.tracking import Tracking
from services.guards.breakers import ResetOrder
from services.guards.switches import ActiveSwitch, within
from services.risk.methods.undiversified import Undiversified
from services.volatility.readout import VolatilityReadout
from services.volatility.registry import driver_names

AnyRequest = EvaluationRequest | MarginRequest | HedgesRequest
AnyPolicy = PolicyIn | MarginPolicyIn | HedgesPolicyIn | PolicyReference
DAY_SECONDS = 86_400
WHOLE = frozenset({Door.EVALUATIONS, Door.LIVE})
"""Doors whose answer has everything."""
SIZED = WHOLE | {Door.TARGETS}


class AssumptionsRefused(Exception):
    """`options.strict` was set and the request leaves something open."""

    def __init__(self, assumptions: list[dict[str, str]]) -> None:
        self.assumptions = assumptions
        super().__init__(f"{len(assumptions)} assumptions would be needed")


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was read for one request."""

    registered: dict[InstrumentKey, Instrument] = field(default_factory=dict)
    states: dict[str, StateInput] = field(default_factory=dict)
    correlation: RecordedCorrelation | None = None
    described: dict[InstrumentKey, Instrument] | None = None
    policy: NamedPolicy | None = None
    switches: tuple[ActiveSwitch, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision, not yet written; `automatic` says what a portfolio in `auto` mode does about it."""

    door: Door
    request: AnyRequest
    snapshot: Snapshot
    inputs: EvaluationInputs
    result: Evaluation
    received_at: datetime
    request_sha256: str
    named: NamedPolicy | None = None
    defaults_version: int = DEFAULTS_VERSION
    automatic: Automatic | None = None


def decide(
    door: Door,
    request: AnyRequest,
    raw: bytes,
    gathered: Gathered,
    *,
    evaluation_id: str,
    received_at: datetime,
    defaults_version: int = DEFAULTS_VERSION,
) -> Decision:
    """Translate and evaluate.

    Parameters
    ----------
    defaults_version : int
        Version of the defaults that the request was read with: that of its time for a recorded one.

    Raises
    ------
    InvalidInput
        What no default can mend.
    AssumptionsRefused
        Under `options.strict`.
    """
    policy = policy_of(request, gathered.policy)
    if isinstance(request, LiveRequest):
        policy = with_fitted_impact(policy, request.fitted_impact)
    hedge_symbol = policy.hedging.instrument if policy.hedging else None
    described = gathered.described
    if described is None:
        described = describe_instruments(request, gathered.registered)
    snapshot = translate(
        request,
        described=described,
        states=gathered.states,
        received_at=received_at,
        hedge_symbol=hedge_symbol,
        drivers=driver_names(policy.estimator),
        guards=policy.guards,
        counts_collateral=policy.collateral is not None,
    )
    for index, series in enumerate(snapshot.series.values()):
        check_columns(series, index, policy.estimator)
    tracking = _tracking(request, snapshot.notes)
    _tell_fallen_back(gathered.states, snapshot.notes)
    tell_policy(request.policy, gathered.policy, snapshot.notes)
    if isinstance(request, LiveRequest):
        tell_fitted_impact(request.fitted_impact, policy, snapshot.notes)
    _tell_never_hedged(request, policy, snapshot.notes)
    if request.options.strict and snapshot.notes.assumptions:
        raise AssumptionsRefused(snapshot.notes.assumptions)
    inputs = EvaluationInputs(
        evaluation_id=evaluation_id,
        as_of=snapshot.as_of,
        account=snapshot.account,
        rows=snapshot.rows,
        policy=policy,
        interval=request.interval or DEFAULT_INTERVAL,
        signals_present=request.signals is not None,
        series=snapshot.series,
        states=known_at(gathered.states, snapshot.as_of),
        correlation=gathered.correlation,
        tracking=tracking,
        events=_events(request, snapshot),
        control=control_of(request.previous),
        breaker_reset=_breaker_reset(request, policy, snapshot.notes),
        switches=_switches(request, gathered, snapshot.rows),
        **_surroundings(request, described, snapshot.as_of),
        oracles=snapshot.oracles,
        figures=request.options.view == "full" or door is Door.MARGIN,
        **_snapshot(request),
        historical=(received_at - snapshot.as_of).total_seconds() > max_request_age(snapshot, gathered, policy),
    )
    told = len(snapshot.notes.assumptions)
    tell_portfolio(inputs, snapshot.notes)
    if request.options.strict and len(snapshot.notes.assumptions) > told:
        raise AssumptionsRefused(snapshot.notes.assumptions)
    automatic = _automatic(request, inputs)
    result = evaluate(inputs) if automatic is None else automatic.result
    chosen = isinstance(policy.correlation, Undiversified)
    if result.market.correlation is None and len(result.market.keys) > 1 and not chosen:
        snapshot.notes.assume("/policy/correlation", "volatilities add up", result.market.source)
        if request.options.strict:
            raise AssumptionsRefused(snapshot.notes.assumptions)
    _tell_margin_inputs(request, inputs, result, snapshot.notes)
    if request.options.strict and snapshot.notes.assumptions:
        raise AssumptionsRefused(snapshot.notes.assumptions)
    _tell_assumed_depth(result, policy, snapshot.notes, strict=request.options.strict)
    _tell_smoothed(result, inputs, snapshot.notes, strict=request.options.strict)
    _tell_sizes(result, inputs, snapshot.notes, strict=request.options.strict)
    digest = hashlib.sha256(raw).hexdigest()
    return Decision(
        door,
        request,
        snapshot,
        inputs,
        result,
        received_at,
        digest,
        gathered.policy,
        defaults_version=defaults_version,
        automatic=automatic,
    )


def _automatic(request: AnyRequest, inputs: EvaluationInputs) -> Automatic | None:
    if not isinstance(request, LiveRequest) or request.auto is None:
        return None
    return evaluate_automatically(inputs, auto_rules(request.auto), auto_memory(request.auto_memory))


def policy_of(request: AnyRequest, named: NamedPolicy | None) -> Policy:
    """Policy that a request means, with the blocks that its door has.

    Raises
    ------
    InvalidInput
        If it names one where none can be read, or one that the door has no use for.
    """
    policy = chosen_policy(request.policy, named)
    if named is None or not isinstance(request.policy, PolicyReference):
        return policy
    if isinstance(request, MarginRequest):
        return narrowed(policy, MarginPolicyIn, named.defaults_version)
    if isinstance(request, HedgesRequest):
        if policy.hedging is None:
            raise InvalidInput("policy.id", "must name a policy with hedging", request.policy.id)
        return narrowed(policy, HedgesPolicyIn, named.defaults_version)
    return policy


def chosen_policy(choice: AnyPolicy, named: NamedPolicy | None, place: str = "policy") -> Policy:
    """Policy of its own fields, or the content of the stored one that is named.

    Raises
    ------
    InvalidInput
        If it names one where none can be read.
    """
    if not isinstance(choice, PolicyReference):
        return choice.resolved()
    if named is None:
        rule = "names a stored policy, which only a service with its database can read"
        raise InvalidInput(f"{place}.id", rule, choice.id, "send the fields of the policy")
    return restored(named.resolved)


def tell_policy(choice: AnyPolicy, named: NamedPolicy | None, notes: Notes, place: str = "/policy") -> None:
    """What was assumed about the version of a stored policy, and about fields that it does not have."""
    if named is None or not isinstance(choice, PolicyReference):
        return
    if choice.version is None:
        effect = "the newest version when the request was received: sizes move when another one is stored"
        notes.assume(f"{place}/version", str(named.version), effect)
    if added := added_since(named.resolved):
        notes.assume(place, "defaults of this build", f"the stored policy does not have {names(list(added))}")


def _snapshot(request: AnyRequest) -> dict[str, Any]:
    """What a snapshot that is decided on several times says of itself."""
    if not isinstance(request, LiveRequest):
        return {}
    name = f"{request.portfolio_id}/{request.snapshot_seq}/{time_text(request.snapshot_as_of)}"
    return {"snapshot_id": name, "expires_at": request.snapshot_expires_at}


def _surroundings(
    request: AnyRequest, described: Mapping[InstrumentKey, Instrument], as_of: datetime
) -> dict[str, Any]:
    """State of venues and markets that overlays and hedge triggers read."""
    latest = as_of + CLOCK_SKEW
    if isinstance(request, MarginRequest):
        conditions = MarketConditions(venues=venue_conditions(request.venues))
        return {"conditions": conditions, "flows": flows(request.flow, described, latest)}
    return {
        **({"conditions": market_conditions(request)} if isinstance(request, EvaluationRequest) else {}),
        "depths": depths(request.books, request.pools, described, latest),
        "flows": flows(request.flow, described, latest),
        "marks": {mark.symbol: float(mark.price) for mark in request.marks},
    }


def _breaker_reset(request: AnyRequest, policy: Policy, notes: Notes) -> ResetOrder | None:
    """Reset of a circuit breaker; tells where breakers start as if nothing had ever happened.

    Raises
    ------
    InvalidInput
        If there is nothing to reset.
    """
    if not isinstance(request, EvaluationRequest):
        return None
    if policy.breakers is None:
        if request.breaker_reset is not None:
            rule = "needs policy.breakers: without them there is nothing to reset"
            raise InvalidInput("breaker_reset", rule, request.breaker_reset.scope)
        return None
    if request.previous is None:
        effect = "every circuit breaker starts at normal, and no drawdown is known: send state of the last answer"
        notes.assume("/previous/breakers", "normal", effect)
    return reset_of(request.breaker_reset)


def _tell_margin_inputs(request: AnyRequest, inputs: EvaluationInputs, result: Evaluation, notes: Notes) -> None:
    """What is not known of collateral and of the distress of venues."""
    columns = result.columns
    if columns.backing is not None:
        tell_backing(columns.backing, notes)
    if columns.tightening is not None:
        if request.previous is None:
            effect = "no multiplier of a venue is remembered: send state of the last answer"
            notes.assume("/previous/contagion", "1", effect)
        places = [(row.symbol, row.venue or row.instrument.venue) for row in inputs.rows]
        tell_tightening(columns.tightening, places, notes)


def _switches(request: AnyRequest, gathered: Gathered, rows: Sequence[Row]) -> tuple[ActiveSwitch, ...]:
    """Switches over everything, the portfolio of the request, or any of its rows."""
    if not gathered.switches:
        return ()
    named = frozenset({f"{PORTFOLIO}{request.portfolio_id}"}) if request.portfolio_id else frozenset[str]()
    return within(gathered.switches, named.union(*map(row_scopes, rows)))


def _tell_never_hedged(request: AnyRequest, policy: Policy, notes: Notes) -> None:
    """A trigger that counts from the last hedge was told of none, not even that there was none."""
    if isinstance(request, MarginRequest) or policy.hedging is None or not policy.hedging.remembers:
        return
    if request.previous is None or "hedges" not in request.previous.model_fields_set:
        effect = "no cooldown runs, and what counts from the last hedge is due: send state of the last answer"
        notes.assume("/previous/hedges", "never hedged", effect)


def _tell_assumed_depth(result: Evaluation, policy: Policy, notes: Notes, *, strict: bool) -> None:
    """A plan that trades on depth that nobody quoted says so."""
    offered = [item for hedge in result.hedges if hedge.plan is not None for item in hedge.plan.offered]
    assumed = [item.symbol for item in offered if item.depth_source == "assumed"]
    if assumed and policy.hedge_optimizer is not None:
        effect = f"for {names(assumed)}: no fresh book was sent, so that many base units are taken to be there"
        notes.assume("/policy/hedge_optimizer/assumed_depth", f"{policy.hedge_optimizer.assumed_depth:g}", effect)
        if strict:
            raise AssumptionsRefused(notes.assumptions)


def _tell_sizes(result: Evaluation, inputs: EvaluationInputs, notes: Notes, *, strict: bool) -> None:
    """Markets whose open interest or volume a size add-on does not know."""
    addon, known = inputs.policy.margin.size_addon, len(notes.assumptions)
    if not addon.requires:
        return
    market = market_sizes(inputs, result.columns)
    tell_unknown_size(addon, [row.symbol for row in inputs.rows], market, notes, "/flow")
    if strict and len(notes.assumptions) > known:
        raise AssumptionsRefused(notes.assumptions)


def _tell_smoothed(result: Evaluation, inputs: EvaluationInputs, notes: Notes, *, strict: bool) -> None:
    """What rules against procyclicality start from and read."""
    if result.smoothed is None:
        return
    known = len(notes.assumptions)
    tell_smoothing(inputs, result.smoothed, notes)
    if strict and len(notes.assumptions) > known:
        raise AssumptionsRefused(notes.assumptions)


def _tell_fallen_back(states: Mapping[str, StateInput], notes: Notes) -> None:
    if fallen := [key for key, state in states.items() if state.without_venue]:
        effect = "no state is cached for the venue, so the one that was fed without a venue is used"
        notes.assume("/positions", "state without a venue", f"for {names(fallen)}: {effect}")


def _events(request: AnyRequest, snapshot: Snapshot) -> tuple[MarketEvent, ...]:
    items = request.events if isinstance(request, EvaluationRequest) else ()
    return market_events(items, snapshot.rows, snapshot.notes)


def known_at(states: Mapping[str, StateInput], as_of: datetime) -> dict[str, StateInput]:
    """States as a decision of `as_of` may use them: one that has seen later bars is refused, not looked ahead into."""
    return {key: _known_at(state, as_of) for key, state in states.items()}


def _known_at(state: StateInput, as_of: datetime) -> StateInput:
    found = state.readout
    if isinstance(found, Refusal) or found.last_close_at <= as_of + CLOCK_SKEW:
        return state
    seen = time_text(found.last_close_at)
    detail = f"the cached state has seen bars up to {seen}, after as_of: send a series for the past"
    return StateInput(Refusal(Reason.VOLATILITY_UNAVAILABLE, detail), digest=state.digest)


def _tracking(request: AnyRequest, notes: Notes) -> Tracking | None:
    block = request.tracking if isinstance(request, EvaluationRequest) else None
    if block is None:
        return None
    if block.calendar is None:
        notes.assume("/tracking/calendar", "24/7", "a year has 365 days of 24 hours")
    periods = calendar_of(block.calendar).periods(parse_interval(block.interval))
    return Tracking(np.array(block.returns, dtype=float), periods)


def max_request_age(snapshot: Snapshot, gathered: Gathered, policy: Policy) -> float:
    """Age of `as_of` from which a request is historical [s]: that of the shortest bar in use."""
    bars = [item.bar_seconds for item in snapshot.series.values()]
    bars += [
        state.readout.bar_seconds for state in gathered.states.values() if isinstance(state.readout, VolatilityReadout)
    ]
    return max(policy.limits.max_data_age_bars * min(bars, default=DAY_SECONDS), MIN_AGE_SECONDS)


def render(decision: Decision, computed_at: datetime) -> bytes:
    """Answer bytes without the audit block."""
    return orjson.dumps(answer(decision, computed_at))


def answer(decision: Decision, computed_at: datetime) -> dict[str, Any]:
    """Answer as a dictionary, without the audit block."""
    request, result, inputs = decision.request, decision.result, decision.inputs
    full = request.options.view == "full"
    body = _head(decision, computed_at)
    if decision.door in SIZED:
        traded = decision.door is Door.LIVE
        body["targets"] = target_rows(inputs, result, full=full, explain=request.options.explain, traded=traded)
    if decision.door is not Door.MARGIN:
        body["orders"] = order_rows(inputs, result.orders)
    if decision.door in WHOLE | {Door.MARGIN} and result.margin_current is not None:
        columns = result.columns
        margin: dict[str, Any] = {"current": margin_of(inputs, result.margin_current, columns)}
        if result.margin_target is not None:
            margin["target"] = margin_of(inputs, result.margin_target, columns)
        if columns.backing is not None:
            margin["collateral"] = backing_block(columns.backing)
        if columns.tightening is not None:
            margin["contagion"] = tightening_rows(columns.tightening)
        if result.breaking is not None and inputs.policy.breakers is not None:
            margin["breaker"] = breaker_block(result.breaking, inputs.policy.breakers)
        body["margin"] = margin
    if decision.door is Door.HEDGES or (decision.door in WHOLE and inputs.policy.hedging is not None):
        body["hedges"] = hedge_rows(inputs, result.hedges)
        if (plan := hedge_plan(result.hedges)) is not None:
            body["hedge_plan"] = plan
    if full and inputs.oracles:
        guards = inputs.policy.guards
        body["oracles"] = [oracle_row(symbol, found, guards) for symbol, found in inputs.oracles.items()]
    if full and (quoted := decision.snapshot.quoted) is not None:
        body["option_volatilities"] = volatility_rows(inputs.rows, quoted)
        body["option_surfaces"] = decision.snapshot.surfaces
    if decision.door in SIZED:
        body["portfolio"] = portfolio_block(result)
    if result.control is not None and (decision.door is not Door.MARGIN or _remembers(decision)):
        body["state"] = control_block(result.control, hedging=inputs.policy.hedging is not None)
    if full and decision.door in WHOLE:
        body["policy_resolved"] = policy_fields(inputs.policy)
    if isinstance(request, LiveRequest):
        body |= _auto(request, decision)
    return body


def _remembers(decision: Decision) -> bool:
    """Whether a margin has a state to hand on."""
    result, tightened = decision.result, decision.inputs.policy.contagion is not None
    return tightened or result.smoothed is not None or decision.request.previous is not None


def _still_open(request: LiveRequest, inputs: EvaluationInputs) -> list[dict[str, Any]]:
    """Intents of the last decision with orders that may still be sent: else a reader that looks a moment later, after a
    decision without any, would miss them. Not where anything is stopped, or the account is another one by now.
    """
    memory = request.auto_memory
    stopped = request.auto is None or not request.auto.enabled or inputs.switches
    if stopped or memory is None or memory.emitted_snapshot != inputs.snapshot_id:
        return []
    return [item for item in request.open_intents if datetime.fromisoformat(item["valid_until"]) > inputs.as_of]


def _auto(request: LiveRequest, decision: Decision) -> dict[str, Any]:
    """What `auto` mode did, and what it remembers; in another mode it goes on remembering."""
    if request.auto is None or decision.automatic is None:
        kept = request.auto_memory
        return {} if kept is None else {"auto_memory": memory_block(auto_memory(kept))}
    orders = decision.result.orders
    return {
        "auto": auto_block(auto_rules(request.auto), decision.automatic),
        "intents": intent_rows(decision.inputs, orders, request.auto, request.portfolio_id or "")
        if orders
        else _still_open(request, decision.inputs),
        "auto_memory": memory_block(decision.automatic.memory),
    }


def _head(decision: Decision, computed_at: datetime) -> dict[str, Any]:
    request, result, inputs = decision.request, decision.result, decision.inputs
    head: dict[str, Any] = {"evaluation_id": inputs.evaluation_id}
    if request.portfolio_id is not None:
        head["portfolio_id"] = request.portfolio_id
    if isinstance(request, LiveRequest):
        head["portfolio_version"], head["snapshot_seq"] = request.portfolio_version, request.snapshot_seq
    if request.client_reference is not None:
        head["client_reference"] = request.client_reference
    head["mode"] = "historical" if inputs.historical else "live"
    if result.scope is not None:
        head["scope"] = result.scope
    head["as_of"] = time_text(inputs.as_of)
    head["data_as_of"] = time_text(result.data_as_of) if result.data_as_of else None
    head["received_at"], head["computed_at"] = time_text(decision.received_at), time_text(computed_at)
    head["valid_until"], head["valid_until_reason"] = time_text(result.valid_until), result.valid_until_reason
    head["on_expiry"], head["degraded"] = "reduce_only", degraded(inputs.switches)
    head["assumptions"], head["warnings"] = decision.snapshot.notes.assumptions, _warnings(decision)
    if inputs.switches:
        head["switches"] = switch_rows(inputs.switches)
    named = decision.named
    defaults_version = named.defaults_version if named is not None else decision.defaults_version
    if named is not None:
        head["policy"] = {"id": named.policy_id, "version": named.version, "sha256": named.sha256}
    head["inputs"] = {
        "request_sha256": decision.request_sha256,
        "policy_resolved_sha256": policy_sha256(inputs.policy, defaults_version),
        "defaults_version": defaults_version,
        "engine": ENGINE_VERSION,
    }
    return head


def _warnings(decision: Decision) -> list[dict[str, Any]]:
    warnings: list[dict[str, Any]] = [*decision.snapshot.notes.warnings, *switch_warnings(decision.inputs.switches)]
    columns = decision.result.columns
    if columns.sizing is not None and not columns.sizing.risk_complete:
        warnings.append(
            {
                "code": "portfolio_risk_incomplete",
                "detail": "a held position has no known volatility: nothing is scaled up",
            }
        )
    if columns.collateral_uncounted and decision.inputs.policy.sizing is not None:
        warnings.append(
            {
                "code": "collateral_uncounted",
                "detail": f"no instrument with this base_currency: {', '.join(columns.collateral_uncounted)}",
            }
        )
    if not decision.result.margin_complete:
        warnings.append(
            {
                "code": "margin_unmodelled",
                "detail": "some positions' margin is neither modelled here nor given: increases are blocked; "
                "send initial_margin and maintenance_margin",
            }
        )
    if decision.result.breaking is not None:
        warnings += breaker_warnings(decision.result.breaking)
    if isinstance(decision.request, LiveRequest) and decision.request.auto is not None:
        warnings += intent_warnings(decision.inputs, decision.result.orders, decision.request.auto)
    beyond = open_orders_beyond(decision)
    if beyond:
        text = f"open orders of {', '.join(beyond)} would increase what may only be reduced: cancel them"
        warnings.append({"code": "open_orders", "detail": text})
    return warnings


def open_orders_beyond(decision: Decision) -> list[str]:
    """Symbols whose open orders would increase a position that may only be reduced."""
    states = decision.result.columns.states
    return [
        row.symbol
        for row, state, target in zip(decision.inputs.rows, states, decision.result.targets, strict=True)
        if target.permission is not Permission.ANY and abs(state.expected) > abs(state.contracts)
    ]


def state_record(decision: Decision, gathered: Gathered) -> bytes:
    """What was read besides the request, so that the answer can be recomputed: readouts and correlation,
    registered instruments, the stored policy, the switches that held.
    """
    read = (gathered.states, gathered.registered, decision.result.market, gathered.policy)
    return encode_state(*read, decision.inputs.switches)


__all__ = ["AssumptionsRefused", "Decision", "Gathered", "InvalidInput", "answer", "decide", "render", "state_record"]
