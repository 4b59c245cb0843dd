"""The AsyncAPI document of the stream, made of its wire models."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from app.openapi import REFERENCE, answer_definitions, definitions
from app.stream_examples import GIVEN, SENT
from app.version import ENGINE_VERSION
from models.api import stream
from models.api.base import Model
from services.streaming.close import CloseCode
from services.streaming.session import REFUSALS
from services.streaming.update import Kind

DESCRIPTION = """\
One WebSocket at `/v1/stream`, sub-protocol `trimtab.v1.json`: JSON objects in text frames, not compressed.

* **Who asks.** Where `hello` says `"keys": "required"` and `"authenticated": false`, send `auth` within five seconds:
  a key, a ticket of `POST /v1/stream/tickets` (pages), or a signature. Programs rather send `Authorization: Bearer`
  with the handshake. Never put a key into the URL.
* **States, never differences.** A push holds the whole newest state, the same object that REST answers, with
  `valid_until`: from then on do not act on it, but follow `on_expiry`.
* **The one rule.** Where `prev` is not the `seq` that was read last, or `epoch` not the same, subscribe again with
  `since`. The reply says whether nothing is missing (`recovered`, the missed states follow) or gives a snapshot. Until
  the reply, ignore pushes of the channel.
* **Acknowledge.** `{"op":"ack","n":<pushes processed on this connection>}` at least every half window and on each
  heartbeat. Behind a full window, channels of mode `latest` keep the newest state only and say how many were left out.
* **Silence is a fault.** Nothing for two and a half heartbeats: reconnect. `pos` of a heartbeat ahead of what was read,
  twice in a row: subscribe again.
* **Ends say what to do.** Close codes 44xx: reconnect and resume; 45xx: stop.
"""
REPLIES: dict[str, tuple[type[Model], ...]] = {
    "auth": (stream.AuthReply,),
    "hello": (stream.HelloReply,),
    "subscribe": (stream.SubscribeReply,),
    "unsubscribe": (stream.UnsubscribeReply,),
    "ack": (),
    "get": (stream.StateReply,),
    "subs": (stream.SubsReply,),
    "ping": (stream.PongOut,),
    "observe": (stream.ObserveReply,),
}
"""Operation to what it is answered with, besides `ErrorReply`."""
PUSHES: dict[str, type[Model]] = {
    "greet": stream.HelloOut,
    "push": stream.UpdateOut,
    "beat": stream.HeartbeatOut,
    "notify": stream.NoticeOut,
}
"""What is sent unasked."""
SUBJECTS = {Kind.VOLATILITY: "SYMBOL", Kind.AUDIT: "", Kind.STATUS: ""}
"""What stands behind the colon; by default a portfolio id."""


def asyncapi_document() -> dict[str, Any]:
    """The whole document, the same bytes on every call."""
    replies = dict.fromkeys(model for models in REPLIES.values() for model in models)
    given: list[type[BaseModel]] = [*PUSHES.values(), *replies, stream.ErrorReply]
    requests: list[type[BaseModel]] = list(stream.REQUESTS.values())
    schemas = {**answer_definitions(given), **definitions(requests)}
    models: list[type[BaseModel]] = [*stream.REQUESTS.values(), *given]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Trimtab stream",
            "version": ENGINE_VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8000",
                "protocol": "ws",
                "description": "A service on this machine; behind TLS the protocol is wss.",
            }
        },
        "channels": {
            "stream": {
                "address": "/v1/stream",
                "summary": "The one connection.",
                "messages": {model.__name__: _message_reference(model) for model in models},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {**_requests(), **_pushes()},
        "components": {
            "messages": {model.__name__: _message(model) for model in models},
            "schemas": dict(sorted(schemas.items())),
        },
        "x-channels": [_channel(kind) for kind in Kind],
        "x-notices": stream.NOTICES,
        "x-errors": REFUSALS,
        "x-close-codes": [
            {
                "code": int(code),
                "word": code.word,
                "reconnect": code.reconnects,
                "why": code.meaning.why,
                "client": code.meaning.client,
            }
            for code in CloseCode
        ],
    }


def _requests() -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, model in stream.REQUESTS.items():
        answers: list[type[Model]] = [*REPLIES[name], stream.ErrorReply]
        out[name] = {
            "action": "receive",
            "channel": {"$ref": "#/channels/stream"},
            "summary": _text(model),
            "messages": [_of_channel(model)],
            "reply": {"channel": {"$ref": "#/channels/stream"}, "messages": [_of_channel(item) for item in answers]},
        }
    return out


def _pushes() -> dict[str, Any]:
    return {
        name: {
            "action": "send",
            "channel": {"$ref": "#/channels/stream"},
            "summary": _text(model),
            "messages": [_of_channel(model)],
        }
        for name, model in PUSHES.items()
    }


def _message(model: type[BaseModel]) -> dict[str, Any]:
    name = model.__name__
    out: dict[str, Any] = {"name": name, "summary": _text(model), "payload": {"$ref": REFERENCE + name}}
    example = {**SENT, **GIVEN}.get(name)
    return out if example is None else {**out, "examples": [{"payload": example}]}


def _channel(kind: Kind) -> dict[str, Any]:
    model, text = stream.DATA[kind]
    subject = SUBJECTS.get(kind, "PORTFOLIO_ID")
    name = f"{kind}:{subject}" if kind.has_subject else str(kind)
    return {"ch": name, "mode": str(kind.mode), "summary": text, "data": {"$ref": REFERENCE + model.__name__}}


def _message_reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/messages/{model.__name__}"}


def _of_channel(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/channels/stream/messages/{model.__name__}"}


def _text(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())
