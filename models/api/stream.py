"""Frames of the stream, protocol `trimtab.v1`: what a client may send, and what it is sent.

Every frame is one JSON object in a text frame. Clients must ignore members and `type`s that they do not know.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SkipValidation, Strict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Time
from models.api.observation import ObservationsAnswer, ObservationsRequest
from models.api.published import (
    PublishedBreakers,
    PublishedEntry,
    PublishedHedges,
    PublishedMargin,
    PublishedStatus,
    PublishedTargets,
    PublishedVolatility,
)

SUBPROTOCOL = "trimtab.v1.json"
MAX_BATCH = 50
"""Channels of one subscribe."""
MAX_SEQ = 2**53 - 1
FrameId = Annotated[str, Strict(), StringConstraints(pattern=r"^[ -~]{1,36}$")]
"""Identifier of a request, chosen by the client; its reply repeats it."""
ChannelName = Annotated[str, Strict(), StringConstraints(min_length=1, max_length=96)]
"""Such as `targets:pf_main`."""
Epoch = Annotated[str, Strict(), StringConstraints(pattern=r"^[!-~]{1,64}$")]
Credential = Annotated[str, Strict(), StringConstraints(pattern=r"^[!-~]{1,512}$")]
Flag = Annotated[bool, Strict()]
Published = (
    PublishedTargets
    | PublishedMargin
    | PublishedVolatility
    | PublishedHedges
    | PublishedBreakers
    | PublishedEntry
    | PublishedStatus
)


class PositionIn(Model):
    """How far a channel was read, as `epoch` and `seq` of the last push or reply."""

    epoch: Epoch
    seq: Annotated[int, Strict()] = Field(ge=0, le=MAX_SEQ)


class ChannelIn(Model):
    """One channel of a batch."""

    ch: ChannelName
    since: PositionIn | None = Field(None, description="Go on behind this position.")


class AuthFrame(Model):
    """Say who asks, within five seconds where `hello` says that keys are required: with `key`, `ticket`, or signed.

    The signature is that of a request (docs/signing.md) with the method WS, the path /v1/stream and an empty body.
    Without keys it is answered, and nothing is checked.
    """

    op: Literal["auth"]
    id: FrameId
    key: Credential | None = Field(None, description="API key.")
    ticket: Credential | None = Field(None, description="Of POST /v1/stream/tickets: serves once.")
    key_id: Credential | None = Field(None, description="Signed form: which key.")
    ts: Credential | None = Field(None, description="Signed form: milliseconds since 1970.")
    nonce: Credential | None = None
    sig: Credential | None = Field(None, description="Signed form: signature, base64.")

    @model_validator(mode="after")
    def _one_form(self) -> AuthFrame:
        signed = (self.key_id, self.ts, self.nonce, self.sig)
        forms = [self.key is not None, self.ticket is not None, any(part is not None for part in signed)]
        if sum(forms) > 1 or (forms[2] and None in signed):
            text = "give key, or ticket, or key_id with ts, nonce and sig"
            raise PydanticCustomError("inconsistent", text, {"field": "key"})
        return self


class HelloFrame(Model):
    """Say how pushes are acknowledged; before the first subscribe."""

    op: Literal["hello"]
    id: FrameId | None = None
    acks: Flag = Field(True, description="false: no `ack` will come; nothing then bounds how old a push is when read.")


class SubscribeFrame(Model):
    """Begin a channel, or begin it again: give `ch`, or up to 50 `channels`, each answered by a reply of its own."""

    op: Literal["subscribe"]
    id: FrameId
    ch: ChannelName | None = None
    since: PositionIn | None = Field(None, description="Go on behind this position; goes with `ch`.")
    channels: Annotated[list[ChannelIn], Field(min_length=1, max_length=MAX_BATCH, fail_fast=True)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> SubscribeFrame:
        if (self.ch is None) == (self.channels is None) or (self.channels is not None and self.since is not None):
            raise PydanticCustomError("inconsistent", "give either ch (with since or not) or channels", {"field": "ch"})
        return self

    @property
    def wanted(self) -> list[ChannelIn]:
        """Channels in either form."""
        return self.channels if self.channels is not None else [ChannelIn(ch=str(self.ch), since=self.since)]


class UnsubscribeFrame(Model):
    """End a channel."""

    op: Literal["unsubscribe"]
    id: FrameId
    ch: ChannelName


class AckFrame(Model):
    """Say how many pushes were processed since the connection began: at least every half window, and on each heartbeat.

    Has no reply.
    """

    op: Literal["ack"]
    id: FrameId | None = None
    n: Annotated[int, Strict()] = Field(ge=0, le=MAX_SEQ)


class GetFrame(Model):
    """Ask for the newest state of a channel, once."""

    op: Literal["get"]
    id: FrameId
    ch: ChannelName


class SubsFrame(Model):
    """Ask what is subscribed."""

    op: Literal["subs"]
    id: FrameId


class PingFrame(Model):
    """Ask whether the service still answers."""

    op: Literal["ping"]
    id: FrameId
    ts: Annotated[str, Strict(), StringConstraints(max_length=64)] | Annotated[int, Strict()] | None = Field(
        None, description="Repeated in the pong."
    )


class ObserveFrame(Model):
    """Feed bars, as `POST /v1/observations` does: `body` is its body."""

    op: Literal["observe"]
    id: FrameId
    body: SkipValidation[ObservationsRequest]
    idempotency_key: (
        Annotated[str, Strict(), StringConstraints(pattern=r"^[!-~]([ -~]*[!-~])?$", max_length=255)] | None
    ) = Field(None, description="As the header of REST; it holds over both.")


RequestFrame = (
    AuthFrame
    | HelloFrame
    | SubscribeFrame
    | UnsubscribeFrame
    | AckFrame
    | GetFrame
    | SubsFrame
    | PingFrame
    | ObserveFrame
)
REQUESTS: dict[str, type[Model]] = {
    "auth": AuthFrame,
    "hello": HelloFrame,
    "subscribe": SubscribeFrame,
    "unsubscribe": UnsubscribeFrame,
    "ack": AckFrame,
    "get": GetFrame,
    "subs": SubsFrame,
    "ping": PingFrame,
    "observe": ObserveFrame,
}
"""`op` to its frame."""

ModeName = Literal["latest", "every"]
Place = tuple[str, int]


class LimitsOut(Model):
    """What a connection may hold and send."""

    subs: int
    batch: int = Field(description="Channels of one subscribe.")
    in_per_s: int = Field(description="Frames a second on average, twice as many at once; an ack is a tenth of one.")
    max_frame: int = Field(description="Bytes of a frame.")
    errors_per_min: int


class HelloOut(Model):
    """First frame of a connection."""

    type: Literal["hello"]
    proto: Literal["trimtab.v1"]
    conn: str = Field(description="Names the connection in the service's log.")
    server_time: Time
    keys: Literal["none", "required"] = Field(description="none: `auth` is answered and not needed.")
    authenticated: bool = Field(description="false: send `auth` within five seconds.")
    hb_ms: int = Field(description="Pause between heartbeats; after two and a half of them in silence, reconnect.")
    ack_window: int = Field(description="Pushes that may be unacknowledged.")
    max_lag_ms: int = Field(description="A heartbeat with a greater `lag_ms` says that states wait for this reader.")
    limits: LimitsOut
    session_max_s: int


class ReplyOut(Model):
    """What all replies hold."""

    type: Literal["reply"]
    id: str | None
    ok: Literal[True]


class AuthReply(ReplyOut):
    """Who asks."""

    tenant: str
    scopes: list[str]
    expires_at: Time | None
    checked: bool = Field(description="false while no keys are required.")


class HelloReply(ReplyOut):
    """How pushes are acknowledged from now on."""

    acks: bool
    staleness: Literal["bounded", "unbounded"] = Field(
        description="unbounded: nothing keeps old pushes out of socket buffers."
    )


class StateReply(ReplyOut):
    """Where a channel stands: reply of `get`."""

    ch: str
    mode: ModeName
    epoch: str | None = Field(description="null: nothing was published yet; take the epoch of the first push.")
    seq: int
    ts: Time | None = Field(None, description="When the state was decided.")
    valid_until: Time | None = None
    expired: bool = Field(False, description="Whether `valid_until` has passed.")
    snapshot: Published | None = None


class SubscribeReply(StateReply):
    """Where a channel begins: the next push continues `seq`."""

    recovered: bool = Field(description="Whether nothing is missing since `since`; else go on from `snapshot`.")
    replayed: int | None = Field(None, description="With `recovered`: states after `since`, which follow as pushes.")


class UnsubscribeReply(ReplyOut):
    """A channel ended."""

    ch: str


class SubscriptionOut(Model):
    """A channel, and what was sent of it last."""

    ch: str
    mode: ModeName
    epoch: str | None
    seq: int


class SubsReply(ReplyOut):
    """What is subscribed."""

    subs: list[SubscriptionOut]


class ObserveReply(ReplyOut):
    """Answer of `POST /v1/observations`."""

    status: int
    replayed: bool = Field(description="Whether it is the stored answer of an earlier call with the same key.")
    answer: ObservationsAnswer


class StreamErrorRule(Model):
    """A rule that the frame breaks."""

    pointer: str = Field(description="JSON pointer into the frame.")
    code: str
    detail: str


class StreamErrorOut(Model):
    """Why a frame was refused; `GET /v1/errors` explains every code."""

    code: str
    retryable: bool
    outcome: Literal["rejected", "unknown"]
    detail: str
    errors: list[StreamErrorRule] = Field(default_factory=list)


class ErrorReply(Model):
    """A frame that was refused. The connection stays, up to ten errors a minute."""

    type: Literal["reply"]
    id: str | None = Field(description="null where the frame had none that can be read.")
    ok: Literal[False]
    ch: str | None = Field(None, description="Of a batch: the channel.")
    error: StreamErrorOut


class UpdateOut(Model):
    """Push of one state, whole: where `prev` or `epoch` are not those of the last one, subscribe again with `since`."""

    type: Literal["update"]
    ch: str
    epoch: str
    seq: int
    prev: int = Field(description="`seq` that this connection was sent last on the channel; 0 in a new epoch.")
    conflated: int = Field(description="States between `prev` and `seq` that were left out on purpose.")
    ts: Time = Field(description="When it was decided.")
    valid_until: Time | None = None
    data: Published


class HeartbeatOut(Model):
    """Every `hb_ms`, whatever else is sent."""

    type: Literal["hb"]
    ts: Time
    pos: dict[str, Place | None] = Field(description="Channel to epoch and seq that were sent last.")
    lag_ms: int = Field(description="How long the oldest state that is not sent has waited.")
    degraded: bool = Field(description="Whether updates come from this process alone, or not at all.")


class NoticeOut(Model):
    """What concerns the connection or a channel: see `code`."""

    type: Literal["notice"]
    code: Literal["draining", "session_expiring", "degraded", "recovered", "expired", "stream_reset"]
    ch: str | None = None
    epoch: str | None = None
    seq: int | None = None
    valid_until: Time | None = None
    on_expiry: Literal["reduce_only"] | None = None
    close_in_s: float | None = None
    reconnect_after_ms: tuple[int, int] | None = None
    detail: str | None = None


class PongOut(Model):
    """Reply of `ping`."""

    type: Literal["pong"]
    id: str
    ts: Any = Field(None, description="That of the ping.")
    server_time: Time


NOTICES: dict[str, str] = {
    "draining": "The service is about to end: it closes with 1012 within `close_in_s`. Reconnect after a random pause "
    "between the bounds of `reconnect_after_ms`.",
    "session_expiring": "The connection nears its greatest age and is closed with 4403 in `close_in_s`.",
    "degraded": "Updates come from one process alone, or not at all; what was sent holds until its `valid_until`.",
    "recovered": "All is well again.",
    "expired": "The newest state of `ch` must no longer be acted on: follow `on_expiry`.",
    "stream_reset": "The history of `ch` is lost and nothing newer is known yet; what comes will have another epoch.",
}
"""Codes of notices, with what they mean."""
DATA: dict[str, tuple[type[Model], str]] = {
    "targets": (PublishedTargets, "Sizes and orders of a registered portfolio."),
    "margin": (PublishedMargin, "Margin of a registered portfolio."),
    "volatility": (PublishedVolatility, "Cached volatility state of a symbol."),
    "hedges": (PublishedHedges, "Hedge orders of a registered portfolio."),
    "breakers": (PublishedBreakers, "Changes of breaker levels of a registered portfolio."),
    "audit": (PublishedEntry, "Entries of the audit log."),
    "status": (PublishedStatus, "What of the service works and what does not."),
}
"""Kind of a channel to the model of its states, and what it tells."""
