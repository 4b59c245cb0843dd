"""One connection of the stream, without its socket: frames in, frames out."""

from __future__ import annotations

import asyncio
import difflib
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol, cast

import orjson
from pydantic import ValidationError

from app.api_key import holds_key
from app.authentication import check_scope
from app.body import parse_json
from app.caller import LOCAL, Caller, Scope
from app.container import Container
from app.costs import price_of
from app.ids import new_id
from app.limits import MAX_KEY_STREAMS
from app.problems import BrokenRule, RequestProblem
from app.quota import computing, spend
from app.translate import frames
from app.translate.answer import time_text
from app.translate.frames import Frame
from app.turnstile import Full
from app.usecases.call import Call
from app.usecases.hub import Hub
from app.usecases.observe_prices import observe_prices
from app.usecases.stream_access import AUTH_SECONDS, caller_of_frame, scope_of_channel
from app.validation import broken_rules
from models.api.stream import (
    MAX_BATCH,
    REQUESTS,
    SUBPROTOCOL,
    AckFrame,
    AuthFrame,
    GetFrame,
    HelloFrame,
    ObserveFrame,
    PingFrame,
    PositionIn,
    SubscribeFrame,
    SubsFrame,
    UnsubscribeFrame,
)
from services.core.errors import InvalidInput
from services.streaming.close import CloseCode
from services.streaming.delivery import Delivery
from services.streaming.resume import Continuation
from services.streaming.session import Ended, Operation, Phase, Refused, Session
from services.streaming.update import Channel, Position

PROTOCOL = "trimtab.v1"
MAX_FRAME_BYTES = 65_536
MAX_LAG_MS = 5000
SEND_BUFFER_BYTES = 65_536
"""What the kernel may hold for a client that does not acknowledge."""
NO_CODE = 1005
"""A connection that ended without a close frame that says why (RFC 6455 §7.4.1)."""
MAX_OBSERVES = 4
"""Feeds of one connection at a time; more wait their turn."""
MAX_REPLIES, MAX_REPLY_BYTES = 64, 1_048_576
"""Replies that wait to be sent, and their bytes, above which no further frame is read."""
BAD_VERSION = (int(CloseCode.BAD_VERSION), CloseCode.BAD_VERSION.reason(f"speaks {SUBPROTOCOL}"))
"""Code and reason for a client that offers other sub-protocols only."""
STREAMING = "streaming"
OBSERVING = price_of("POST", "/v1/observations")
"""A frame of bars costs what the same call over REST does."""
Explain = Callable[[Exception], RequestProblem]


class Socket(Protocol):
    """Where frames go: see `app.stream_protocol`."""

    on_room: Callable[[bool], None]
    on_shutdown: Callable[[], None] | None

    @property
    def has_room(self) -> bool:
        """Whether it takes more."""
        ...

    def write(self, text: bytes) -> None:
        """Take a frame."""
        ...

    def cut(self, code: int, reason: str) -> None:
        """Close, and wait for nothing."""
        ...

    def limit_send_buffer(self, size: int) -> None:
        """Let the kernel hold about `size` bytes."""
        ...


_LOGGER = logging.getLogger("trimtab")


class Connection:
    """One client.

    Parameters
    ----------
    container : Container
        Ports of the process.
    hub : Hub
        Channels of the process.
    explain : callable
        The problem that an exception of a use case is.
    socket : Socket
        Where frames go.
    caller : Caller, optional
        Whom the handshake proved; None where ``auth`` must come.
    address : str, optional
        Where the client is.

    Attributes
    ----------
    ended : Ended or None
        Why the service closes the connection.
    """

    def __init__(
        self,
        container: Container,
        hub: Hub,
        explain: Explain,
        socket: Socket,
        caller: Caller | None = LOCAL,
        address: str | None = None,
    ) -> None:
        self.container, self.hub, self.explain, self.socket = container, hub, explain, socket
        self.caller: Caller | None = None
        self._seat = ExitStack()
        self._known, self._address = caller, address
        rules = hub.session_rules
        if caller is None and rules.auth_seconds is None:
            rules = replace(rules, auth_seconds=AUTH_SECONDS)
        self.session = Session(rules, time.monotonic())
        self.delivery = Delivery(hub.delivery_rules)
        self.name = new_id("conn", container.clock.now())
        self.ended: Ended | None = None
        self._replies: deque[bytes] = deque()
        self._reply_bytes = 0
        self._room = asyncio.Event()
        self._observing: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(MAX_OBSERVES)
        socket.on_room, socket.on_shutdown = self.room, hub.shut_down

    @property
    def phase(self) -> Phase:
        """Where the connection stands."""
        return self.session.phase

    @property
    def busy(self) -> bool:
        """Whether something that was asked for is not answered, or an answer is not sent."""
        return bool(self._observing or self._replies)

    # What the hub does

    def open(self) -> None:
        """The handshake is answered: say hello."""
        self.session.greet()
        if self._known is not None:
            self.session.authenticate()
        self.tell(self._hello())
        self.hub.join(self)
        if self._known is not None:
            try:
                self._admit(self._known)
            except Ended as ended:
                self.end(ended)
        if self.hub.degraded:
            self.tell(frames.notice("degraded", detail=self.hub.degraded))

    def offer(self, frame: Frame, now: float) -> None:
        """A new state of a channel that is read here."""
        if not self.delivery.offer(frame, now):
            return
        self.pump(now)
        if self.delivery.waiting_bytes:
            try:
                self.delivery.check_room(now)
            except Ended as ended:
                self.end(ended)

    def tell(self, text: bytes) -> None:
        """Send a frame that is no push, ahead of those that wait."""
        if self.phase is not Phase.CLOSED:
            self._replies.append(text)
            self._reply_bytes += len(text)
            self.pump(time.monotonic())

    def tick(self, now: float, moment: datetime) -> None:
        """Look at the clock."""
        try:
            self.session.check_age(now)
            self.delivery.check(now)
        except Ended as ended:
            self.end(ended)
            return
        if self.session.farewell_due(now):
            self.tell(frames.notice("session_expiring", close_in_s=self.session.rules.farewell_seconds))
        if self.session.heartbeat_due(now) and len(self._replies) < MAX_REPLIES:
            lag, degraded = self.delivery.lag_seconds(now), bool(self.hub.degraded)
            self.tell(frames.heartbeat(self.delivery.positions(), moment, lag, degraded=degraded))

    def drain(self, text: bytes) -> None:
        """The service is about to end."""
        if self.phase not in (Phase.CONNECTING, Phase.DRAINING, Phase.CLOSED):
            self.session.move(Phase.DRAINING)
            self.tell(text)

    def end(self, ended: Ended) -> None:
        """Close the connection; the first reason counts."""
        if self.phase is Phase.CLOSED:
            return
        self.ended = ended
        self.close()
        self.hub.telemetry.closed(ended.code)
        self.socket.cut(ended.code, ended.code.reason(ended.detail))

    def close(self) -> None:
        """The connection is gone, or about to be: nothing more is sent. What is being recorded is finished."""
        if self.phase is not Phase.CLOSED:
            self.session.move(Phase.CLOSED)
            self.hub.leave(self)
            self._seat.close()
        self._room.set()

    # What the socket does

    def room(self, has_room: bool) -> None:
        """The socket takes more again, or no more for now."""
        now = time.monotonic()
        if has_room:
            self.delivery.unblocked()
            self.pump(now)
        else:
            self.delivery.blocked(now)

    def pump(self, now: float) -> None:
        """Hand the socket all that may be sent, as long as it takes more: nobody ever waits for it."""
        socket, delivery = self.socket, self.delivery
        while self._replies and socket.has_room:
            text = self._replies.popleft()
            self._reply_bytes -= len(text)
            socket.write(text)
            self._room.set()
        while delivery.has_push and socket.has_room:
            message, prev, conflated, waited = delivery.next_push(now)
            socket.write(cast(Frame, message).text(prev, conflated))
            self.hub.pushes += 1
            if waited or conflated:
                self.hub.telemetry.delayed(waited, conflated)

    def gone(self, code: int | None) -> None:
        """The client has closed, or is lost."""
        if self.ended is None:
            self.hub.telemetry.closed(code or NO_CODE)
        self.close()

    async def receive(self, text: str | None) -> None:
        """Act on a frame of the client, None for a binary one; returns when there is room for the next."""
        if text is None:
            self.end(Ended(CloseCode.BINARY, "frames are text"))
        if self.ended is not None or text is None:
            return
        frame_id: str | None = None
        try:
            now = time.monotonic()
            try:
                parsed = self._parse(text)
                frame_id = _id_of(parsed)
                self.session.count_frame(now, is_ack=parsed.get("op") == Operation.ACK)
                if parsed.get("op") != Operation.AUTH and holds_key(text.encode()):
                    raise RequestProblem("misplaced_key", "a frame holds an API key, which belongs into `auth` alone")
                await self._act(parsed, now)
            except (Refused, RequestProblem, InvalidInput) as error:
                self._refuse(frame_id, error, now)
        except Ended as ended:
            self.end(ended)
        except Exception:
            _LOGGER.exception("connection %s: a frame was not answered", self.name)
            self.end(Ended(CloseCode.BACKEND_UNAVAILABLE, "a defect of the service"))
        while len(self._replies) >= MAX_REPLIES or self._reply_bytes > MAX_REPLY_BYTES:
            if self.phase is Phase.CLOSED:
                return
            self._room.clear()
            await self._room.wait()

    def _parse(self, text: str) -> dict[str, Any]:
        parsed = parse_json(text.encode())
        if not isinstance(parsed, dict):
            raise _invalid("", "wrong_type", "must be an object")
        return parsed

    async def _act(self, parsed: dict[str, Any], now: float) -> None:
        name = parsed.get("op")
        kind = REQUESTS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise _unknown_operation(name)
        self.session.admit(Operation(cast(str, name)))
        try:
            frame = kind.model_validate(parsed)
        except ValidationError as error:
            rules, count = broken_rules(error, kind)
            raise RequestProblem("invalid_request", _summary(rules), rules, error_count=count) from None
        match frame:
            case AuthFrame():
                await self._authenticate(frame)
            case AckFrame():
                self.delivery.acknowledge(frame.n, now)
                self.pump(now)
            case SubscribeFrame():
                await self._subscribe(frame)
            case ObserveFrame():
                await self._observe(frame, parsed["body"])
            case GetFrame():
                await self._get(frame)
            case _:
                self._answer(frame)

    def _answer(self, frame: Any) -> None:
        """Operations that need no other."""
        match frame:
            case HelloFrame():
                self.delivery.acks = frame.acks
                if not frame.acks:
                    self.socket.limit_send_buffer(SEND_BUFFER_BYTES)
                staleness = "bounded" if frame.acks else "unbounded"
                self.tell(frames.reply(frame.id, acks=frame.acks, staleness=staleness))
            case UnsubscribeFrame():
                channel = Channel.parse(self.container.tenant_id, frame.ch)
                if not self.delivery.unsubscribe(channel):
                    raise _invalid("/ch", "not_allowed", "is not subscribed")
                self.hub.unsubscribe(self, channel)
                self.tell(frames.reply(frame.id, ch=channel.name))
            case SubsFrame():
                self.tell(frames.reply(frame.id, subs=[_place(*item) for item in self.delivery.positions()]))
            case PingFrame():
                self.tell(frames.pong(frame.id, frame.ts, self.container.clock.now()))

    def _admit(self, caller: Caller) -> None:
        """It is known who asks.

        Raises
        ------
        Ended
            4505 if the key has too many connections.
        """
        if caller.key_id is not None:
            try:
                self._seat.enter_context(self.container.turnstile.inside(STREAMING, caller.key_id, MAX_KEY_STREAMS))
            except Full:
                raise Ended(CloseCode.CONNECTION_LIMIT, f"at most {MAX_KEY_STREAMS} of a key") from None
        self.caller, self.container = caller, self.container.of(caller.tenant_id)

    async def _authenticate(self, frame: AuthFrame) -> None:
        try:
            caller = await caller_of_frame(self.container, frame, self._address)
        except RequestProblem as problem:
            if self.caller is not None or problem.kind.retryable:
                raise
            self._refuse(frame.id, problem, time.monotonic())
            code = CloseCode.UNAUTHENTICATED if problem.kind.status == 401 else CloseCode.FORBIDDEN
            raise Ended(code, problem.kind.code) from None
        if self.phase in (Phase.DRAINING, Phase.CLOSED):  # while the key was looked at
            return
        if self.caller is None:
            self._admit(caller)
            self.session.authenticate()
        elif (caller.tenant_id, caller.key_id) != (self.caller.tenant_id, self.caller.key_id):
            raise Refused("too_late", "another caller needs another connection")
        key = None if caller.key_id is None else await self.container.keys.find(caller.key_id)
        until = None if key is None or key.expires_at is None else time_text(key.expires_at)
        scopes = ["*"] if caller == LOCAL else sorted(cast(Caller, self.caller).scopes)
        who = {"tenant": caller.tenant_id, "scopes": scopes, "expires_at": until, "checked": caller.key_id is not None}
        self.tell(frames.reply(frame.id, **who))

    def _channel(self, name: str) -> Channel:
        """Channel of a name, which the caller may read."""
        channel = Channel.parse(self.container.tenant_id, name)
        check_scope(cast(Caller, self.caller), scope_of_channel(channel))
        return channel

    async def _subscribe(self, frame: SubscribeFrame) -> None:
        batch = frame.channels is not None
        for item in frame.wanted:
            try:
                channel = self._channel(item.ch)
            except (InvalidInput, RequestProblem) as error:
                self._refuse(frame.id, error, time.monotonic(), item.ch if batch else None)
                continue
            self.session.count_subscriptions(len(self.delivery) + (channel not in self.delivery))
            await self._begin(frame.id, channel, item.since)

    async def _begin(self, frame_id: str, channel: Channel, since: PositionIn | None) -> None:
        began = await self.hub.subscribe(self, channel, None if since is None else Position(since.epoch, since.seq))
        moment, newest = self.container.clock.now(), began.newest
        if began.resumption.continuation is Continuation.RECOVERED:
            missed = began.resumption.missed
            members = frames.state_members(channel, newest, moment, snapshot=False)
            members |= {"seq": cast(PositionIn, since).seq, "recovered": True, "replayed": len(missed)}
            self.tell(frames.reply(frame_id, **members))
            now = time.monotonic()
            for update in missed:
                self.offer(frames.frame_of(update), now)
        else:
            members = frames.state_members(channel, newest, moment, snapshot=True)
            self.tell(frames.reply(frame_id, **members, recovered=False))
        if newest is not None and frames.expired_at(newest, moment):
            self.tell(frames.expiry_notice(newest))

    async def _get(self, frame: GetFrame) -> None:
        channel = self._channel(frame.ch)
        newest = await self.hub.newest(channel)
        members = frames.state_members(channel, newest, self.container.clock.now(), snapshot=True)
        self.tell(frames.reply(frame.id, **members))

    async def _observe(self, frame: ObserveFrame, body: object) -> None:
        """Feed bars beside the other frames: acknowledgements must not wait for a store."""
        check_scope(cast(Caller, self.caller), Scope.OBSERVE)
        await self._turns.acquire()
        settings = self.container.settings
        call = Call(
            orjson.dumps(body),
            body,
            frame.idempotency_key,
            self.container.clock.now(),
            settings.request_timeout_seconds,
        )
        task = asyncio.create_task(self._feed(frame.id, call))
        self._observing.add(task)
        task.add_done_callback(self._fed)

    def _fed(self, task: asyncio.Task[None]) -> None:
        self._observing.discard(task)
        self._turns.release()

    async def _feed(self, frame_id: str, call: Call) -> None:
        try:
            await spend(self.container, cast(Caller, self.caller), OBSERVING, call.parsed)
            with computing(self.container, cast(Caller, self.caller), OBSERVING):
                answer = await observe_prices(self.container, call)
        except Exception as error:
            try:
                self._refuse(frame_id, _within_body(self.explain(error)), time.monotonic())
            except Ended as ended:
                self.end(ended)
            return
        replayed = ("Idempotency-Replayed", "true") in answer.headers
        members = {"status": answer.status, "replayed": replayed, "answer": orjson.Fragment(answer.body)}
        self.tell(frames.reply(frame_id, **members))

    def _refuse(
        self,
        frame_id: str | None,
        error: Refused | RequestProblem | InvalidInput,
        now: float,
        channel: str | None = None,
    ) -> None:
        self.tell(frames.error_reply(frame_id, _error(error), channel))
        self.session.count_error(now)

    def _hello(self) -> bytes:
        rules, window = self.session.rules, self.delivery.rules.window
        return orjson.dumps(
            {
                "type": "hello",
                "proto": PROTOCOL,
                "conn": self.name,
                "server_time": time_text(self.container.clock.now()),
                "keys": "none" if self._known is not None and self._known.key_id is None else "required",
                "authenticated": self._known is not None,
                "hb_ms": round(rules.heartbeat_seconds * 1000),
                "ack_window": window,
                "max_lag_ms": MAX_LAG_MS,
                "limits": {
                    "subs": rules.subscriptions,
                    "batch": MAX_BATCH,
                    "in_per_s": round(rules.frames_per_second),
                    "max_frame": MAX_FRAME_BYTES,
                    "errors_per_min": rules.errors_per_minute,
                },
                "session_max_s": round(rules.session_seconds),
            }
        )


def _id_of(parsed: dict[str, Any]) -> str | None:
    found = parsed.get("id")
    return found if isinstance(found, str) and len(found) <= 36 else None


def _place(channel: Channel, position: Position | None) -> dict[str, Any]:
    epoch, seq = position or (None, 0)
    return {"ch": channel.name, "mode": channel.kind.mode.value, "epoch": epoch, "seq": seq}


def _invalid(pointer: str, code: str, rule: str) -> RequestProblem:
    return RequestProblem("invalid_request", f"{pointer or 'the frame'} {rule}", [BrokenRule(pointer, code, rule)])


def _unknown_operation(name: object) -> RequestProblem:
    close = difflib.get_close_matches(name, REQUESTS, n=1) if isinstance(name, str) and len(name) <= 64 else []
    hint = f": did you mean {close[0]}?" if close else ""
    return _invalid("/op", "not_allowed", f"must be one of {', '.join(REQUESTS)}{hint}")


def _summary(rules: list[BrokenRule]) -> str:
    return f"{rules[0].pointer or 'the frame'} {rules[0].detail}" if rules else "the frame breaks a rule"


def _within_body(problem: RequestProblem) -> RequestProblem:
    """The same problem, its places as seen from the frame."""
    rules = [BrokenRule(f"/body{rule.pointer}", rule.code, rule.detail) for rule in problem.errors]
    return RequestProblem(problem.kind.code, problem.detail, rules, outcome=problem.outcome)


def _error(error: Refused | RequestProblem | InvalidInput) -> dict[str, Any]:
    if isinstance(error, Refused):
        return {"code": error.code, "retryable": error.retryable, "outcome": "rejected", "detail": error.detail}
    if isinstance(error, InvalidInput):
        error = _invalid("/ch", "bad_format", f"{error.rule}, found {error.found}")
    rows = [{"pointer": rule.pointer, "code": rule.code, "detail": rule.detail} for rule in error.errors]
    return {
        "code": error.kind.code,
        "retryable": error.kind.retryable,
        "outcome": error.outcome,
        "detail": error.detail,
        "errors": rows,
    }
