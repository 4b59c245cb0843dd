"""A registered portfolio and its newest snapshot as the request of one evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.live_ports import StoredPortfolio, StoredSnapshot
from app.translate.answer import time_text
from app.translate.auto import DEFAULT_COOLDOWN
from app.translate.snapshot import DEFAULT_INTERVAL
from models.api.portfolio import REGISTERED, RegisterPortfolioRequest
from services.core.annualization import parse_interval

_OWN_TIME = ("marks", "signals")
"""Lists whose rows are as old as the snapshot where they do not say it."""


@dataclass(frozen=True, slots=True)
class LastDecision:
    """What an evaluation goes on from: the last live entry of the portfolio.

    Parameters
    ----------
    index : int
        Its audit index.
    snapshot_seq : int
        The snapshot that it evaluated.
    control : mapping, optional
        Its `state`, which the next request sends as `previous`.
    auto_memory : mapping, optional
        What `auto` mode remembers, for the next request.
    intents : sequence
        Intents that it told.
    """

    index: int
    snapshot_seq: int
    control: Mapping[str, Any] | None
    auto_memory: Mapping[str, Any] | None = None
    intents: Sequence[Mapping[str, Any]] = ()


def last_decision(index: int, response: bytes) -> LastDecision:
    """Last decision of the recorded answer of a live entry."""
    answer = orjson.loads(response)
    told = answer.get("intents") or ()
    return LastDecision(index, answer["snapshot_seq"], answer.get("state"), answer.get("auto_memory"), told)


def max_age(specification: Mapping[str, Any]) -> timedelta:
    """Age from which snapshots of a portfolio must not be acted on."""
    chosen = specification.get("max_snapshot_age") or specification.get("interval") or DEFAULT_INTERVAL
    return timedelta(seconds=parse_interval(chosen))


def refresh_seconds(specification: Mapping[str, Any]) -> float | None:
    """Longest time between two evaluations [s]."""
    chosen = specification.get("refresh")
    return float(parse_interval(chosen)) if chosen else None


def snapshot_time(snapshot: Mapping[str, Any], received_at: datetime) -> datetime:
    """When the account was so."""
    text = snapshot.get("as_of")
    return datetime.fromisoformat(text) if text else received_at


def live_request(
    portfolio: StoredPortfolio, snapshot: StoredSnapshot, *, as_of: datetime, last: LastDecision | None
) -> dict[str, Any]:
    """Request of an evaluation at `as_of`, as JSON values.

    Notes
    -----
    Marks, signals and quotes without a time are as old as the snapshot. The reset of a breaker acts in the first
    evaluation of the snapshot that asks for it: a breaker that trips again stays so. One that finds nothing to reset is
    left out: it must not keep the portfolio from being evaluated. `previous` is what the last evaluation left; before
    the first, what was registered.
    """
    specification, sent = orjson.loads(portfolio.specification), orjson.loads(snapshot.snapshot)
    taken_at = snapshot_time(sent, snapshot.received_at)
    body = {name: specification[name] for name in REGISTERED if name in specification}
    body |= {name: value for name, value in sent.items() if name != "as_of"}
    if last is not None:
        body["previous"] = last.control
        if last.auto_memory is not None:
            body["auto_memory"] = last.auto_memory
        if last.intents:
            body["open_intents"] = last.intents
    if specification.get("auto") is not None:
        body["auto"] = specification["auto"]
    if "breaker_reset" in body and not resettable(body, last, snapshot.snapshot_seq):
        del body["breaker_reset"]
    shared = specification.get("position_defaults", {})
    _fill(body, "positions", {name: value for name, value in shared.items() if value is not None})
    for name in _OWN_TIME:
        _fill(body, name, {"as_of": time_text(taken_at)})
    for chain in body.get("option_quotes") or ():
        _fill(chain, "quotes", {"as_of": time_text(taken_at)})
    return body | {
        "portfolio_id": portfolio.portfolio_id,
        "as_of": time_text(as_of),
        "portfolio_version": portfolio.version,
        "snapshot_seq": snapshot.snapshot_seq,
        "snapshot_as_of": time_text(taken_at),
        "snapshot_expires_at": time_text(taken_at + max_age(specification)),
    }


def resettable(request: Mapping[str, Any], last: LastDecision | None, snapshot_seq: int) -> bool:
    """Whether the breaker that a request asks to reset is latched, and not by something later than the snapshot."""
    if last is not None and last.snapshot_seq == snapshot_seq:
        return False
    scope = (request["breaker_reset"] or {}).get("scope")
    known = (request.get("previous") or {}).get("breakers") or ()
    return any(item["scope"] == scope and item.get("latched") for item in known)


def _fill(body: dict[str, Any], name: str, defaults: Mapping[str, Any]) -> None:
    """Give the rows of a list what they do not say."""
    if defaults and body.get(name):
        body[name] = [
            {**defaults, **{key: value for key, value in row.items() if value is not None or key not in defaults}}
            for row in body[name]
        ]


def silent_defaults(request: RegisterPortfolioRequest) -> list[dict[str, str]]:
    """What a registration leaves open and was decided for it."""
    found = []
    interval = request.interval or DEFAULT_INTERVAL
    if request.interval is None:
        effect = "cached volatility states of daily bars are used"
        found.append({"pointer": "/interval", "value": DEFAULT_INTERVAL, "effect": effect})
    if request.max_snapshot_age is None:
        effect = "targets expire when the snapshot is older, unless a newer one came"
        found.append({"pointer": "/max_snapshot_age", "value": interval, "effect": effect})
    if request.auto is not None and request.auto.cooldown is None:
        effect = "so long at least between two decisions with orders; urgent reductions do not wait"
        found.append({"pointer": "/auto/cooldown", "value": DEFAULT_COOLDOWN, "effect": effect})
    return found
