"""Why a connection ends, and what its client should do next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

MAX_REASON_BYTES = 123
"""What a close frame holds besides its code (RFC 6455 §5.5)."""


class CloseCode(IntEnum):
    """Codes of close frames; 44xx: connect again, 45xx: do not, mend the client or its rights first.

    Examples
    --------
    >>> CloseCode.SLOW_CONSUMER.reconnects, CloseCode.PROTOCOL_ERROR.reconnects
    (True, False)
    >>> CloseCode.RATE_LIMITED.reason("retry_after_ms=1000")
    'rate_limited retry_after_ms=1000'
    """

    GOING_AWAY = 1001
    BINARY = 1003
    BAD_UTF8 = 1007
    TOO_BIG = 1009
    RESTART = 1012
    TRY_LATER = 1013
    SLOW_CONSUMER = 4400
    ACK_STALLED = 4401
    NO_PONG = 4402
    SESSION_EXPIRED = 4403
    STREAM_RESET = 4404
    BACKEND_UNAVAILABLE = 4405
    RATE_LIMITED = 4406
    PROTOCOL_ERROR = 4500
    UNAUTHENTICATED = 4501
    FORBIDDEN = 4502
    ORIGIN_DENIED = 4503
    BAD_VERSION = 4504
    CONNECTION_LIMIT = 4505
    SUBSCRIPTION_LIMIT = 4506
    KEY_REVOKED = 4507
    TOO_MANY_ERRORS = 4508

    @property
    def word(self) -> str:
        """First word of the reason."""
        return self.name.lower()

    @property
    def meaning(self) -> Meaning:
        """What it says to the client."""
        return MEANINGS[self]

    @property
    def reconnects(self) -> bool:
        """Whether a client should connect again without being changed."""
        return self in (CloseCode.GOING_AWAY, CloseCode.RESTART, CloseCode.TRY_LATER) or 4400 <= self < 4500

    def reason(self, detail: str = "") -> str:
        """Text of the close frame: the word, then what a person may want to know, in the bytes that it may hold."""
        text = f"{self.word} {detail}".strip()
        return text.encode()[:MAX_REASON_BYTES].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Meaning:
    """Why the connection ended, and what the client does."""

    why: str
    client: str


MEANINGS: dict[CloseCode, Meaning] = {
    CloseCode.GOING_AWAY: Meaning("The service ends.", "Reconnect after a random pause, and resume."),
    CloseCode.BINARY: Meaning("A binary frame was sent.", "Send JSON objects in text frames."),
    CloseCode.BAD_UTF8: Meaning("A text frame is not UTF-8.", "Send UTF-8."),
    CloseCode.TOO_BIG: Meaning("A frame exceeds the size that hello names.", "Send less at once."),
    CloseCode.RESTART: Meaning("The service restarts.", "Reconnect after a random pause, and resume."),
    CloseCode.TRY_LATER: Meaning("The service has no room.", "Reconnect after a second or more."),
    CloseCode.SLOW_CONSUMER: Meaning(
        "Pushes were not acknowledged or not read in time, or too much waits for this connection.",
        "Reconnect and resume; read faster, or subscribe to less.",
    ),
    CloseCode.ACK_STALLED: Meaning(
        "The client speaks, but the number that it acknowledges does not move.",
        "Reconnect and resume; find what stops it from processing.",
    ),
    CloseCode.NO_PONG: Meaning("A WebSocket ping was not answered.", "Reconnect and resume."),
    CloseCode.SESSION_EXPIRED: Meaning("The connection reached its greatest age.", "Reconnect and resume."),
    CloseCode.STREAM_RESET: Meaning(
        "`since` names a position that the stream never reached: it was set back.",
        "Reconnect and subscribe without `since`.",
    ),
    CloseCode.BACKEND_UNAVAILABLE: Meaning(
        "What the connection needs does not answer.", "Reconnect after 1 s, then 2 s, up to 30 s."
    ),
    CloseCode.RATE_LIMITED: Meaning(
        "More frames came than hello allows.", "Wait for the `retry_after_ms` of the reason, then reconnect and resume."
    ),
    CloseCode.PROTOCOL_ERROR: Meaning("The client broke the protocol.", "Stop; the reason says how."),
    CloseCode.UNAUTHENTICATED: Meaning(
        "No valid key came in time.", "Stop; send one with the handshake, or `auth` first."
    ),
    CloseCode.FORBIDDEN: Meaning("The key has no right to this.", "Stop."),
    CloseCode.ORIGIN_DENIED: Meaning(
        "Pages of this origin are not allowed.", "Stop; HTTP 403 says it at the handshake."
    ),
    CloseCode.BAD_VERSION: Meaning("No sub-protocol that is offered is spoken.", "Stop; offer `trimtab.v1.json`."),
    CloseCode.CONNECTION_LIMIT: Meaning("The key has too many connections.", "Stop; share a connection."),
    CloseCode.SUBSCRIPTION_LIMIT: Meaning(
        "More channels than hello allows.", "Stop; open another connection for them."
    ),
    CloseCode.KEY_REVOKED: Meaning("The key was revoked or has expired.", "Stop."),
    CloseCode.TOO_MANY_ERRORS: Meaning("More than ten errors in a minute.", "Stop; the replies said what was wrong."),
}
