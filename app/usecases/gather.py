"""Everything that one decision reads: the stored policy, registered instruments, cached volatility states.

One call each, and only for what the request names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from app.container import Container
from app.deadline import in_thread
from app.ports import StateDamaged, StateKey
from app.translate.instruments import InstrumentKey, domain_instrument
from app.translate.policy import NamedPolicy
from app.translate.snapshot import (
    DEFAULT_INTERVAL,
    StateNeed,
    account_balances,
    collateral_needs,
    describe_instruments,
    states_needed,
)
from app.usecases.damage import damage_refusal
from app.usecases.decide import AnyRequest, Gathered, policy_of
from app.usecases.find_policy import find_policy
from app.usecases.read_switches import read_switches
from app.usecases.volatility_state import state_keys
from models.api.evaluation import MarginRequest, SnapshotIn
from models.api.market import InstrumentIn
from models.api.policy_choice import PolicyReference
from services.core.annualization import parse_interval
from services.core.instrument import Instrument
from services.engine.inputs import RecordedCorrelation, StateInput
from services.engine.market import correlate_states
from services.engine.states import state_input
from services.risk.registry import CorrelationMethod
from services.volatility.codec import state_digest
from services.volatility.registry import Estimator
from services.volatility.state import VolatilityState

MEMO_STATES, MEMO_BOOKS = 20_000, 256
INLINE_STATES = 50
"""States up to which what they say is computed on the event loop (10 ms)."""
INLINE_MARKETS = 20
"""Markets up to which they are correlated on the event loop: 6 ms by the slowest method, and with their square."""


async def gather(container: Container, request: AnyRequest, received_at: datetime) -> Gathered:
    """The policy that the request names, registered instruments of its symbols, the states of the markets without a
    series, and what operators have stopped; of that nothing where no order can come of it.

    Where every market comes from a cached state, their correlation is read here too: it depends on the states alone and
    changes only when one of them does.
    """
    named = await named_policy(container, request.policy) if isinstance(request.policy, PolicyReference) else None
    policy = policy_of(request, named)
    hedge_symbol = policy.hedging.instrument if policy.hedging else None
    registered = await registered_instruments(container, request, hedge_symbol)
    described = describe_instruments(request, registered)
    switches = (
        ()
        if isinstance(request, MarginRequest)
        else await read_switches(container.switches, container.tenant_id, received_at)
    )
    needs = states_needed(request, described, hedge_symbol)
    if policy.collateral is not None:
        known = {need.market_key for need in needs}
        posted = frozenset(item.symbol for item in request.series)
        more = collateral_needs(account_balances(request.account), posted)
        needs += [need for need in more if need.market_key not in known]
    if not needs:
        return Gathered(registered, described=described, policy=named, switches=switches)
    states = await load_states(container, needs, request.interval or DEFAULT_INTERVAL, policy.estimator)
    cached_only = bool(states) and not request.series
    correlation = await remembered_correlation(states, policy.correlation) if cached_only else None
    return Gathered(registered, states, correlation, described, named, switches)


async def named_policy(container: Container, reference: PolicyReference, place: str = "/policy") -> NamedPolicy:
    """Stored policy that a request names at `place`.

    Raises
    ------
    UnknownPolicy
        If there is none, at the field that names it.
    """
    found = await find_policy(container.policies, container.tenant_id, reference.id, reference.version, place=place)
    return NamedPolicy(
        policy_id=found.policy_id,
        version=found.version,
        sha256=found.sha256,
        defaults_version=found.defaults_version,
        resolved=found.resolved,
    )


async def registered_instruments(
    container: Container, request: SnapshotIn, hedge_symbol: str | None = None
) -> dict[InstrumentKey, Instrument]:
    """Registered instruments that the request names and does not describe itself."""
    described = {(item.venue, item.symbol) for item in request.instruments}
    wanted = {(row.venue, row.symbol) for row in request.positions}
    wanted |= {(row.venue, row.symbol) for row in request.signals or ()}
    wanted |= {(None, hedge_symbol)} if hedge_symbol is not None else set()
    wanted |= {(None, symbol) for _, symbol in wanted} | {(None, row.symbol) for row in request.series}
    return await registered(container, wanted - described)


async def registered(container: Container, wanted: Iterable[InstrumentKey]) -> dict[InstrumentKey, Instrument]:
    """Registered instruments among these."""
    keys = [(venue or "", symbol) for venue, symbol in wanted]
    found = await container.instruments.get_many(container.tenant_id, keys)
    instruments = [registered_instrument(specification) for _, specification in sorted(found.items())]
    return {(instrument.venue, instrument.symbol): instrument for instrument in instruments}


@lru_cache(maxsize=4096)
def registered_instrument(specification: bytes) -> Instrument:
    """Instrument of a stored specification."""
    return domain_instrument(InstrumentIn.model_validate_json(specification))


async def load_states(
    container: Container, needs: list[StateNeed], interval: str, estimator: Estimator
) -> dict[str, StateInput]:
    """States by market key: that of the row's venue, else one kept without a venue; one read for all."""
    bar_seconds = parse_interval(interval)
    keys = [state_keys(container.tenant_id, need.venue, need.symbol, bar_seconds, estimator) for need in needs]
    flat = [key for candidates in keys for key in candidates]
    loaded = dict(zip(flat, await container.volatility.load(flat), strict=True))
    work = (needs, keys, loaded, estimator)
    return await in_thread(_state_inputs, *work) if len(needs) > INLINE_STATES else _state_inputs(*work)


def _state_inputs(
    needs: Sequence[StateNeed],
    keys: Sequence[tuple[StateKey, ...]],
    loaded: Mapping[StateKey, VolatilityState | StateDamaged | None],
    estimator: Estimator,
) -> dict[str, StateInput]:
    """For each need that of its first key that holds anything."""
    states: dict[str, StateInput] = {}
    for need, candidates in zip(needs, keys, strict=True):
        for key in candidates:
            state = loaded[key]
            if isinstance(state, StateDamaged):
                # No other state in its place: a refused row is seen, a forecast from elsewhere is not.
                states[need.market_key] = StateInput(damage_refusal(state))
                break
            if state is not None:
                without_venue = need.venue is not None and not key.venue
                states[need.market_key] = remembered_input(key, state, estimator, without_venue=without_venue)
                break
    return states


_inputs: dict[tuple[StateKey, bool], tuple[VolatilityState, Estimator, StateInput]] = {}
_correlations: dict[tuple[CorrelationMethod, tuple[str, ...]], tuple[tuple[StateInput, ...], RecordedCorrelation]] = {}


def remembered_input(
    key: StateKey, state: VolatilityState, estimator: Estimator, *, without_venue: bool = False
) -> StateInput:
    """`state_input`, computed once per state object: a store gives the same object until the state changes."""
    known = _inputs.get((key, without_venue))
    if known is not None and known[0] is state and known[1] == estimator:
        return known[2]
    made = replace(state_input(state, estimator, state_digest(state)), without_venue=without_venue)
    _make_room(_inputs, MEMO_STATES)
    _inputs[key, without_venue] = (state, estimator, made)
    return made


async def remembered_correlation(states: Mapping[str, StateInput], method: CorrelationMethod) -> RecordedCorrelation:
    """`correlate_states`, computed once per method and set of state objects; that of many in a worker thread."""
    name, inputs = (method, tuple(states)), tuple(states.values())
    known = _correlations.get(name)
    if known is not None and all(map(_same, known[0], inputs)):
        return known[1]
    many = len(inputs) > INLINE_MARKETS
    made = await in_thread(correlate_states, states, method) if many else correlate_states(states, method)
    _make_room(_correlations, MEMO_BOOKS)
    _correlations[name] = (inputs, made)
    return made


def _same(one: object, other: object) -> bool:
    return one is other


def _make_room(memo: dict[Any, Any], size: int) -> None:
    if len(memo) >= size:
        memo.clear()
