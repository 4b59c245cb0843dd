"""Registering live portfolios, taking their snapshots, reading their targets.

Each change is stored before it is in the audit log: who sees the entry finds what it tells of. A call that failed in
between may be repeated; the live engine also looks for what changed without an entry.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import orjson

from app.container import Container
from app.deadline import lift
from app.ids import new_id
from app.live_ports import StoredPortfolio, StoredSnapshot
from app.ports import EventKind
from app.translate.answer import time_text
from app.translate.live_request import live_request, max_age, silent_defaults, snapshot_time
from app.translate.notes import Notes
from app.translate.policy import policy_sha256, requirements
from app.translate.snapshot import CLOCK_SKEW, check_times
from app.usecases.call import Answer, Call
from app.usecases.decide import chosen_policy, tell_policy
from app.usecases.effort import validated
from app.usecases.evaluate_portfolio import event_record, idempotency_key, known_answer, stored_answer
from app.usecases.find_portfolio import UnknownPortfolio, find_portfolio
from app.usecases.gather import named_policy
from app.usecases.live_evaluation import recorded_decision
from models.api.policy_choice import PolicyReference
from models.api.portfolio import LiveRequest, RegisterPortfolioRequest, SnapshotHead, SnapshotRequest
from services.core.errors import InvalidInput
from services.engine.policy import DEFAULTS_VERSION
from services.streaming.update import Channel, Kind, Update

POLL_SECONDS = 0.1
"""Time between two looks at a channel while a reader waits."""
SERIES_ONLY = "returns"
"""What only a posted series has."""
KEPT = frozenset({"previous"})
"""What the service itself remembers of a portfolio."""
ENDED = b'{"ended":true'
"""How the last state of a deleted portfolio begins."""


class NotEvaluated(Exception):
    """The portfolio has no targets yet; the text says what is missing."""


class SnapshotConflict(Exception):
    """Another snapshot is stored under the same sequence number."""


class StaleSnapshot(Exception):
    """A later snapshot is stored."""


async def register(container: Container, call: Call, portfolio_id: str, expected: int | None) -> Answer:
    """Register a portfolio, or replace what is registered.

    Parameters
    ----------
    expected : int, optional
        Version that must be registered now: 0 for none, None for any.

    Raises
    ------
    VersionConflict
        If another is.
    UnknownPolicy, InvalidInput
        If the policy that it names is not stored.
    """
    request = await validated(RegisterPortfolioRequest, call)
    key = idempotency_key(call, f"PUT /v1/portfolios/{portfolio_id}")
    if (known := await known_answer(container, key)) is not None:
        return known
    named = await named_policy(container, request.policy) if isinstance(request.policy, PolicyReference) else None
    notes = Notes()
    notes.assumptions += silent_defaults(request)
    tell_policy(request.policy, named, notes)
    policy = chosen_policy(request.policy, named)
    needs = requirements(policy)
    if SERIES_ONLY in needs:
        rule = f"must not need {SERIES_ONLY}: portfolios are evaluated on cached states, which have none"
        raise InvalidInput("policy.sizing", rule, policy.sizing.method if policy.sizing else "no sizing")
    if request.auto is not None and request.auto.triggers.breaker and policy.breakers is None:
        raise InvalidInput("auto.triggers.breaker", "needs policy.breakers: without them no tier rises", "true")
    existing = await container.portfolios.get(container.tenant_id, portfolio_id)
    lift()
    stored = await container.portfolios.put(
        container.tenant_id, portfolio_id, canonical(call.parsed), expected=expected, now=call.received_at
    )
    event_id = new_id("ev", call.received_at)
    version = {"policy_version": named.version} if named is not None else {}
    body = orjson.dumps(
        {
            **portfolio_fields(stored),
            "created": existing is None,
            "policy_resolved_sha256": policy_sha256(policy, named.defaults_version if named else DEFAULTS_VERSION),
            **version,
            "requires": [name for name in needs if name not in KEPT],
            "assumptions": notes.assumptions,
            "event_id": event_id,
        }
    )
    record = event_record(container, EventKind.PORTFOLIO, event_id, call, body, key, portfolio_id=portfolio_id)
    answer = stored_answer(await container.audit.append(record, timeout=call.timeout_seconds), body, {})
    return Answer(answer.status, answer.body, (*answer.headers, ("ETag", version_tag(stored.version))), {})


async def read_portfolio(container: Container, portfolio_id: str) -> Answer:
    """A registered portfolio.

    Raises
    ------
    UnknownPortfolio
        If there is none.
    """
    stored = await find_portfolio(container, portfolio_id)
    return Answer(200, orjson.dumps(portfolio_fields(stored)), (("ETag", version_tag(stored.version)),), {})


async def list_portfolios(container: Container, after: str | None, limit: int) -> Answer:
    """Page of portfolios by id.

    Raises
    ------
    ValueError
        If `after` is no cursor of ours.
    """
    page = await container.portfolios.list(
        container.tenant_id, after=_decode_cursor(after) if after else None, limit=limit
    )
    following = _encode_cursor(page[-1].portfolio_id) if len(page) == limit else None
    items = [summary_fields(item, orjson.loads(item.specification)) for item in page]
    return Answer(200, orjson.dumps({"items": items, "next": following}), (), {})


async def delete_portfolio(container: Container, call: Call, portfolio_id: str, expected: int | None) -> Answer:
    """Forget a portfolio and its snapshot: it is not evaluated any more, and its channels are told of the end.

    Its control state stays on record: registered again, it goes on from there.

    Raises
    ------
    UnknownPortfolio, VersionConflict
        If there is none, or another version than `expected`.
    """
    key = idempotency_key(call, f"DELETE /v1/portfolios/{portfolio_id}")
    if (known := await known_answer(container, key)) is not None:
        return known
    lift()
    if not await container.portfolios.delete(
        container.tenant_id, portfolio_id, expected=expected, now=call.received_at
    ):
        raise UnknownPortfolio(portfolio_id)
    event_id = new_id("ev", call.received_at)
    body = orjson.dumps({"portfolio_id": portfolio_id, "deleted": True, "event_id": event_id})
    record = event_record(container, EventKind.PORTFOLIO, event_id, call, body, key, portfolio_id=portfolio_id)
    return stored_answer(await container.audit.append(record, timeout=call.timeout_seconds), body, {})


async def take_snapshot(container: Container, call: Call, portfolio_id: str) -> Answer:
    """Store a snapshot; its evaluation follows by itself.

    Raises
    ------
    UnknownPortfolio
        If the portfolio is not registered.
    SnapshotConflict, StaleSnapshot
        If its sequence number is not above that of the stored one, and it is not the same.
    InvalidInput
        If it could not be evaluated: too old, of the future, or against the rules of an evaluation.
    """
    request = await validated(SnapshotRequest, call)
    key = idempotency_key(call, f"POST /v1/portfolios/{portfolio_id}/snapshots")
    if (known := await known_answer(container, key)) is not None:
        return known
    portfolio = await find_portfolio(container, portfolio_id)
    sent = snapshot_of(request, call, portfolio_id)
    before = await container.portfolios.get_snapshot(container.tenant_id, portfolio_id)
    if before is None or before.snapshot_seq < sent.snapshot_seq:
        await _check(container, call, portfolio, sent)
    lift()
    stored = await container.portfolios.put_snapshot(container.tenant_id, sent)
    if stored is None:
        raise UnknownPortfolio(portfolio_id)
    _compare(sent, stored)
    taken_at = snapshot_time(orjson.loads(stored.snapshot), stored.received_at)
    event_id = new_id("ev", call.received_at)
    body = orjson.dumps(
        {
            "portfolio_id": portfolio_id,
            "snapshot_seq": stored.snapshot_seq,
            "duplicate": stored.received_at != sent.received_at,
            "as_of": time_text(taken_at),
            "received_at": time_text(stored.received_at),
            "expires_at": time_text(taken_at + max_age(orjson.loads(portfolio.specification))),
            "event_id": event_id,
        }
    )
    record = event_record(container, EventKind.SNAPSHOT, event_id, call, body, key, portfolio_id=portfolio_id)
    return stored_answer(await container.audit.append(record, timeout=call.timeout_seconds), body, {})


def snapshot_of(request: SnapshotHead, call: Call, portfolio_id: str) -> StoredSnapshot:
    """What is to be stored of a call; times in one form, so that equal snapshots are equal bytes."""
    own = {"as_of": time_text(request.as_of)} if request.as_of is not None else {}
    content = call.parsed if isinstance(call.parsed, dict) else {}
    return StoredSnapshot(
        portfolio_id=portfolio_id,
        snapshot_seq=request.snapshot_seq,
        snapshot=canonical({**content, **own}),
        received_at=call.received_at,
    )


async def _check(container: Container, call: Call, portfolio: StoredPortfolio, sent: StoredSnapshot) -> None:
    """Refuse here what every evaluation of the snapshot would refuse."""
    resets = isinstance(call.parsed, dict) and call.parsed.get("breaker_reset") is not None
    last = await recorded_decision(container, portfolio.portfolio_id) if resets else None
    body = live_request(portfolio, sent, as_of=call.received_at, last=last)
    checked = Call(sent.snapshot, body, None, call.received_at, call.timeout_seconds)
    request = await validated(LiveRequest, checked)
    if request.snapshot_as_of > call.received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(call.received_at)})"
        raise InvalidInput("as_of", rule, time_text(request.snapshot_as_of), "check your clock against GET /v1/time")
    if request.snapshot_expires_at <= call.received_at:
        rule = f"must be younger than max_snapshot_age (server time {time_text(call.received_at)})"
        raise InvalidInput("as_of", rule, time_text(request.snapshot_as_of), "send the account as it is now")
    check_times(request, call.received_at, Notes())
    asked = orjson.loads(sent.snapshot).get("breaker_reset")
    if asked and request.breaker_reset is None:
        rule = "must name a breaker that was latched when the portfolio was last evaluated"
        raise InvalidInput("breaker_reset.scope", rule, asked["scope"])


def _compare(sent: StoredSnapshot, stored: StoredSnapshot) -> None:
    if stored.snapshot_seq > sent.snapshot_seq:
        raise StaleSnapshot(f"snapshot_seq {stored.snapshot_seq} is stored, found {sent.snapshot_seq}")
    if stored.snapshot != sent.snapshot:
        raise SnapshotConflict(f"another snapshot is stored under snapshot_seq {sent.snapshot_seq}")


async def read_targets(container: Container, portfolio_id: str, known: frozenset[str], wait_seconds: float) -> Answer:
    """Newest published targets; where the client has them already, the next ones, if they come in time.

    Parameters
    ----------
    known : frozenset of str
        Entity tags that the client has.

    Raises
    ------
    UnknownPortfolio, NotEvaluated
        If there is no such portfolio, or there are no targets yet.
    """
    await find_portfolio(container, portfolio_id)
    channel = Channel(container.tenant_id, Kind.TARGETS, portfolio_id)
    deadline = asyncio.get_running_loop().time() + wait_seconds
    while True:
        found = await container.bus.latest(channel)
        told = None if found is None or found.data.startswith(ENDED) else _targets(container, found)
        late = asyncio.get_running_loop().time() >= deadline
        if told is not None and (late or dict(told.headers)["ETag"] not in known):
            return told
        if late:
            raise NotEvaluated(await _missing(container, portfolio_id))
        await asyncio.sleep(POLL_SECONDS)


def _targets(container: Container, update: Update) -> Answer:
    expired = update.valid_until is not None and update.valid_until <= container.clock.now()
    epoch, seq = update.position
    head = orjson.dumps({"epoch": epoch, "seq": seq, "expired": expired})
    tag = f'"{epoch}:{seq}{":expired" if expired else ""}"'
    data = _without_intents(update.data) if expired else update.data
    return Answer(200, head[:-1] + b"," + data[1:], (("ETag", tag),), {})


def _without_intents(data: bytes) -> bytes:
    """State whose intents have expired: they are not given out again."""
    state = orjson.loads(data)
    return orjson.dumps({**state, "intents": []}) if "intents" in state else data


async def _missing(container: Container, portfolio_id: str) -> str:
    stored = await container.portfolios.get_snapshot(container.tenant_id, portfolio_id)
    if stored is None:
        return f"no snapshot has come yet: POST /v1/portfolios/{portfolio_id}/snapshots"
    portfolio = await find_portfolio(container, portfolio_id)
    taken_at = snapshot_time(orjson.loads(stored.snapshot), stored.received_at)
    if taken_at + max_age(orjson.loads(portfolio.specification)) <= container.clock.now():
        return f"snapshot_seq {stored.snapshot_seq} is older than max_snapshot_age: send the account as it is now"
    return f"snapshot_seq {stored.snapshot_seq} waits for its evaluation: ask again, with wait_seconds"


def canonical(value: object) -> bytes:
    """JSON with sorted keys: equal values are equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def version_tag(version: int) -> str:
    """Entity tag of a version.

    Examples
    --------
    >>> version_tag(7)
    '"7"'
    """
    return f'"{version}"'


def summary_fields(stored: StoredPortfolio, specification: dict[str, Any]) -> dict[str, Any]:
    """A portfolio without its content."""
    return {
        "portfolio_id": stored.portfolio_id,
        "version": stored.version,
        "updated_at": time_text(stored.updated_at),
        "comment": specification.get("comment"),
    }


def portfolio_fields(stored: StoredPortfolio) -> dict[str, Any]:
    """A portfolio with its content."""
    specification = orjson.loads(stored.specification)
    return {**summary_fields(stored, specification), "portfolio": specification}


def _encode_cursor(portfolio_id: str) -> str:
    return base64.urlsafe_b64encode(portfolio_id.encode()).decode()


def _decode_cursor(cursor: str) -> str:
    return base64.urlsafe_b64decode(cursor).decode("ascii")
