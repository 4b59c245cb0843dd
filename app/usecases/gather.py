"""Everything that one decision reads: registered instruments and cached volatility states, in two calls at most."""

from __future__ import annotations

from functools import lru_cache

from app.container import Container
from app.translate.instruments import InstrumentKey, domain_instrument
from app.translate.snapshot import DEFAULT_INTERVAL, StateNeed, states_needed
from app.usecases.decide import AnyRequest, Gathered
from app.usecases.volatility_state import state_input, state_keys
from models.api.evaluation import SnapshotIn
from models.api.market import InstrumentIn
from services.core.annualization import parse_interval
from services.core.instrument import Instrument
from services.engine.inputs import StateInput
from services.volatility.registry import Estimator

TENANT = "local"


async def gather(container: Container, request: AnyRequest) -> Gathered:
    """Registered instruments of the request's symbols, and the states of the markets without a series."""
    registered = await registered_instruments(container, request)
    needs = states_needed(request, registered)
    estimator = request.policy.resolved().estimator
    states = await load_states(container, needs, request.interval or DEFAULT_INTERVAL, estimator) if needs else {}
    return Gathered(registered, states)


async def registered_instruments(container: Container, request: SnapshotIn) -> dict[InstrumentKey, Instrument]:
    """Registered instruments that the request names and does not describe itself."""
    described = {(item.venue, item.symbol) for item in request.instruments}
    wanted = {(row.venue, row.symbol) for row in request.positions}
    wanted |= {(row.venue, row.symbol) for row in request.signals or ()}
    wanted |= {(None, symbol) for _, symbol in wanted} | {(None, row.symbol) for row in request.series}
    found = await container.instruments.get_many(
        TENANT, [(venue or "", symbol) for venue, symbol in wanted - described]
    )
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
    keys = [state_keys(TENANT, need.venue, need.market_key, bar_seconds, estimator) for need in needs]
    flat = [key for candidates in keys for key in candidates]
    loaded = dict(zip(flat, await container.volatility.load(flat), strict=True))
    states: dict[str, StateInput] = {}
    for need, candidates in zip(needs, keys, strict=True):
        state = next((loaded[key] for key in candidates if loaded[key] is not None), None)
        if state is not None:
            states[need.market_key] = state_input(state, estimator)
    return states
