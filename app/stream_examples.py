"""Frames of the stream as the contract shows them: those of clients run on a fresh service."""

from __future__ import annotations

from typing import Any

Frame = dict[str, Any]
BAR: Frame = {
    "symbol": "BTC-PERP",
    "interval": "P1D",
    "close_time": "2019-10-17T00:00:00Z",
    "close": 7993.54,
    "calendar": "24/7",
}
SENT: dict[str, Frame] = {
    "AuthFrame": {"op": "auth", "id": "1", "key": "ttb_example"},
    "HelloFrame": {"op": "hello", "id": "2", "acks": True},
    "SubscribeFrame": {"op": "subscribe", "id": "3", "ch": "volatility:BTC-PERP"},
    "UnsubscribeFrame": {"op": "unsubscribe", "id": "4", "ch": "volatility:BTC-PERP"},
    "AckFrame": {"op": "ack", "n": 0},
    "GetFrame": {"op": "get", "id": "5", "ch": "status"},
    "SubsFrame": {"op": "subs", "id": "6"},
    "PingFrame": {"op": "ping", "id": "7", "ts": "2026-11-21T10:00:00Z"},
    "ObserveFrame": {"op": "observe", "id": "8", "body": {"observations": [BAR]}},
}
"""By model; in this order each one is answered with success."""
GIVEN: dict[str, Frame] = {
    "HelloOut": {
        "type": "hello",
        "proto": "trimtab.v1",
        "conn": "conn_01a1fb671800745ba3bcb6c05ea6e9a1",
        "server_time": "2026-11-21T10:00:00.000000Z",
        "keys": "none",
        "authenticated": True,
        "hb_ms": 5000,
        "ack_window": 32,
        "max_lag_ms": 5000,
        "limits": {"subs": 200, "batch": 50, "in_per_s": 20, "max_frame": 65536, "errors_per_min": 10},
        "session_max_s": 86400,
    },
    "UpdateOut": {
        "type": "update",
        "ch": "volatility:BTC-PERP",
        "epoch": "7f3a5e90c1d2",
        "seq": 1044,
        "prev": 1042,
        "conflated": 1,
        "ts": "2026-11-21T10:00:00.000000Z",
        "data": {
            "symbol": "BTC-PERP",
            "interval": "P1D",
            "version": 31,
            "observations": 30,
            "last_close_time": "2019-10-17T00:00:00.000000Z",
            "last_close": 7993.54,
            "index": 41,
        },
    },
    "HeartbeatOut": {
        "type": "hb",
        "ts": "2026-11-21T10:00:05.000000Z",
        "pos": {"volatility:BTC-PERP": ["7f3a5e90c1d2", 1044], "audit": None},
        "lag_ms": 0,
        "degraded": False,
    },
    "NoticeOut": {
        "type": "notice",
        "code": "expired",
        "ch": "targets:pf_main",
        "epoch": "7f3a5e90c1d2",
        "seq": 1044,
        "valid_until": "2026-11-21T10:01:00.000000Z",
        "on_expiry": "reduce_only",
    },
    "ErrorReply": {
        "type": "reply",
        "id": "9",
        "ok": False,
        "error": {
            "code": "invalid_request",
            "retryable": False,
            "outcome": "rejected",
            "detail": "/op must be one of auth, hello, subscribe, unsubscribe, ack, get, subs, ping, observe",
            "errors": [
                {
                    "pointer": "/op",
                    "code": "not_allowed",
                    "detail": "must be one of auth, hello, subscribe, unsubscribe, ack, get, subs, ping, observe",
                }
            ],
        },
    },
}
"""By model; they fit their schemas."""
