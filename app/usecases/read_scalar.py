"""`GET /v1/scalar`: the one number that a bot multiplies its own stake by, from cached state."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from app.container import Container
from app.ids import new_id
from app.ports import AuditRecord, EventKind
from app.translate.answer import stat, time_text
from app.translate.one_market import usable_until
from app.translate.snapshot import StateNeed
from app.translate.state_record import encode_state
from app.translate.switches import stopped
from app.usecases.call import Answer
from app.usecases.evaluate_portfolio import splice
from app.usecases.gather import load_states
from app.usecases.read_switches import read_switches
from app.version import versions_record
from services.core.decimals import decimal_text
from services.core.errors import Refusal
from services.core.outcome import Reason
from services.engine.inputs import StateInput
from services.engine.market import Market
from services.engine.policy import Policy
from services.guards.switches import ActiveSwitch, market_scopes, strictest, within
from services.volatility.readout import VolatilityReadout
from services.volatility.registry import model_version


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarQuery:
    """Parameters of the scalar; `as_of` defaults to the time of receipt."""

    symbol: str
    target_volatility: float
    interval: str = "P1D"
    venue: str | None = None
    max_leverage: float = 2.0
    as_of: datetime | None = None

    def canonical(self, as_of: datetime) -> str:
        """Query string that the audit log records."""
        pairs = [
            ("as_of", as_of.isoformat()),
            ("interval", self.interval),
            ("max_leverage", repr(self.max_leverage)),
            ("symbol", self.symbol),
            ("target_volatility", repr(self.target_volatility)),
            ("venue", self.venue or ""),
        ]
        return urlencode(pairs)


async def read_scalar(
    container: Container, query: ScalarQuery, received_at: datetime, timeout_seconds: float
) -> Answer:
    """Scalar of a cached state, audited like every other answer."""
    states = await load_states(
        container, [StateNeed(query.symbol, query.symbol, query.venue)], query.interval, Policy().estimator
    )
    evaluation_id = new_id("ev", received_at)
    canonical = query.canonical(query.as_of or received_at)
    over = market_scopes(query.symbol, query.venue)
    switches = within(await read_switches(container.switches, container.tenant_id, received_at), over)
    body = scalar_response(canonical, states, evaluation_id, received_at, switches)
    started = time.perf_counter()
    record = AuditRecord(
        event_id=evaluation_id,
        kind=EventKind.SCALAR,
        recorded_at=received_at,
        tenant_id=container.tenant_id,
        portfolio_id=None,
        client_reference=None,
        status=200,
        request=canonical.encode(),
        response=body,
        state=encode_state(states, {}, Market({}, {}, (), None, "single"), switches=switches),
        versions=versions_record(),
    )
    appended = await container.audit.append(record, timeout=timeout_seconds)
    return Answer(200, splice(body, appended.index), (), {"audit": time.perf_counter() - started})


def scalar_response(
    canonical: str,
    states: dict[str, StateInput],
    evaluation_id: str,
    received_at: datetime,
    switches: Sequence[ActiveSwitch] = (),
) -> bytes:
    """Answer bytes: min(τ / σ, max_leverage), or a refusal; never a zero in its place.

    Under a switch there is no scalar, under reduce-only neither: it would size what is opened.
    """
    fields = dict(parse_qsl(canonical, keep_blank_values=True))
    as_of = datetime.fromisoformat(fields["as_of"])
    target, cap = float(fields["target_volatility"]), float(fields["max_leverage"])
    state = states.get(fields["symbol"])
    model = model_version(Policy().estimator)
    missing = f"no state of {fields['interval']} bars and model {model} is cached; feed bars with POST /v1/observations"
    found = state.readout if state is not None else Refusal(Reason.VOLATILITY_UNAVAILABLE, missing)
    if (switch := strictest(switches)) is not None:
        found = stopped(switch)
    outcome = _refused(found.reason, found.detail) if isinstance(found, Refusal) else _scalar(found, as_of, target, cap)
    body = {
        "symbol": fields["symbol"],
        **({"venue": fields["venue"]} if fields["venue"] else {}),
        "interval": fields["interval"],
        **outcome,
        "target_volatility": target,
        "max_leverage": cap,
        "as_of": time_text(as_of),
        "received_at": time_text(received_at),
        "evaluation_id": evaluation_id,
    }
    return orjson.dumps(body)


def _refused(reason: Reason, detail: str) -> dict[str, Any]:
    said = {"detail": detail} if detail else {}
    return {"status": "refused", "reason": reason, **said, "scalar": None, "volatility": None, "valid_until": None}


def _scalar(readout: VolatilityReadout, as_of: datetime, target: float, cap: float) -> dict[str, Any]:
    valid_until = usable_until(readout, as_of)
    if isinstance(valid_until, Refusal):
        return _refused(valid_until.reason, valid_until.detail)
    full = target / readout.volatility
    return {
        "status": "limited" if full > cap else "ok",
        "reason": Reason.LIMIT if full > cap else Reason.NONE,
        "scalar": decimal_text(min(full, cap)),
        "volatility": stat(readout.volatility),
        "valid_until": time_text(valid_until),
    }
