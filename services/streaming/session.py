"""One connection as a state machine: what its client may do when, and when it must end."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from services.core.errors import TrimtabError
from services.streaming.close import CloseCode


class Phase(StrEnum):
    """Where a connection stands."""

    CONNECTING = "connecting"
    """The handshake is not answered."""
    GREETED = "greeted"
    """The server said hello and waits for a key."""
    AUTHENTICATED = "authenticated"
    """It is known who asks; nothing is subscribed yet."""
    OPEN = "open"
    """Something was subscribed."""
    DRAINING = "draining"
    """The server is about to end: what is under way is finished, nothing new begins."""
    CLOSED = "closed"
    """Ended, or ending: nothing is sent but the close frame."""


class Operation(StrEnum):
    """What a client may ask for."""

    AUTH = "auth"
    HELLO = "hello"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    ACK = "ack"
    GET = "get"
    SUBS = "subs"
    PING = "ping"
    OBSERVE = "observe"


NEXT: dict[Phase, frozenset[Phase]] = {
    Phase.CONNECTING: frozenset({Phase.GREETED, Phase.CLOSED}),
    Phase.GREETED: frozenset({Phase.AUTHENTICATED, Phase.DRAINING, Phase.CLOSED}),
    Phase.AUTHENTICATED: frozenset({Phase.AUTHENTICATED, Phase.OPEN, Phase.DRAINING, Phase.CLOSED}),
    Phase.OPEN: frozenset({Phase.DRAINING, Phase.CLOSED}),
    Phase.DRAINING: frozenset({Phase.CLOSED}),
    Phase.CLOSED: frozenset(),
}
"""Transitions; authenticating again is one, the other twenty-four are defects of the server."""
_KNOWN = frozenset(Operation) - {Operation.HELLO}
LEGAL: dict[Phase, frozenset[Operation]] = {
    Phase.CONNECTING: frozenset(),
    Phase.GREETED: frozenset({Operation.AUTH, Operation.PING}),
    Phase.AUTHENTICATED: _KNOWN | {Operation.HELLO},
    Phase.OPEN: _KNOWN,
    Phase.DRAINING: frozenset({Operation.UNSUBSCRIBE, Operation.ACK, Operation.GET, Operation.SUBS, Operation.PING}),
    Phase.CLOSED: frozenset(),
}
"""Operations of each phase."""


REFUSALS: dict[str, str] = {
    "unauthenticated": "A key must come first: send auth.",
    "draining": "The service is about to end and begins nothing new: reconnect.",
    "too_late": "hello must come before the first subscribe; auth as another caller needs another connection.",
    "closed": "The connection is not open.",
}
"""Codes of `Refused`, with what they mean."""


class IllegalTransition(TrimtabError):
    """A defect: the connection was driven where its phase does not lead."""

    def __init__(self, phase: Phase, to: Phase) -> None:
        super().__init__(f"a connection that is {phase} cannot become {to}")
        self.phase, self.to = phase, to


class Refused(TrimtabError):
    """An operation that this phase does not allow.

    Parameters
    ----------
    code : str
        A code of `REFUSALS`.
    detail : str
        For its author.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail

    @property
    def retryable(self) -> bool:
        """Whether the same operation can succeed on another connection."""
        return self.code in ("draining", "closed")


class Ended(TrimtabError):
    """The connection must be closed; `detail` follows the word of the code in its reason."""

    def __init__(self, code: CloseCode, detail: str = "") -> None:
        super().__init__(code.reason(detail))
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """Bounds of a connection.

    Parameters
    ----------
    auth_seconds : float, optional
        Time in which a key must come; None while no keys exist: everybody is known.
    frames_per_second, frames_at_once : float
        Frames that a client may send, on average and in a burst. An ``ack`` counts as a tenth of one.
    errors_per_minute : int
        Refused frames that are borne.
    subscriptions : int
        Channels at a time.
    session_seconds, farewell_seconds : float
        Greatest age, and how long before it the client is told.
    heartbeat_seconds : float
        Pause between heartbeats.
    """

    auth_seconds: float | None = None
    frames_per_second: float = 20.0
    frames_at_once: float = 40.0
    errors_per_minute: int = 10
    subscriptions: int = 200
    session_seconds: float = 86_400.0
    farewell_seconds: float = 60.0
    heartbeat_seconds: float = 5.0


ACK_COST = 0.1
MINUTE = 60.0


@dataclass(slots=True)
class Session:
    """State of one connection; every moment is seconds of a clock that never goes back.

    Parameters
    ----------
    opened_at : float
        When the handshake was answered.
    """

    rules: SessionRules
    opened_at: float
    phase: Phase = Phase.CONNECTING
    farewell_said: bool = False
    _allowance: float = field(init=False)
    _counted_at: float = field(init=False)
    _heartbeat_at: float = field(init=False)
    _errors: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._allowance, self._counted_at = self.rules.frames_at_once, self.opened_at
        self._heartbeat_at = self.opened_at + self.rules.heartbeat_seconds

    def move(self, to: Phase) -> None:
        """Enter a phase.

        Raises
        ------
        IllegalTransition
            If none leads there from here.
        """
        if to not in NEXT[self.phase]:
            raise IllegalTransition(self.phase, to)
        self.phase = to

    def greet(self) -> None:
        """Hello was sent; where no keys are asked for, everybody is known."""
        self.move(Phase.GREETED)
        if self.rules.auth_seconds is None:
            self.move(Phase.AUTHENTICATED)

    def authenticate(self) -> None:
        """A valid key came; one that comes again changes nothing."""
        if self.phase is not Phase.OPEN:
            self.move(Phase.AUTHENTICATED)

    def admit(self, operation: Operation) -> None:
        """Let an operation pass.

        Raises
        ------
        Refused
            If the phase does not allow it.
        """
        if operation in LEGAL[self.phase]:
            return
        raise Refused(*_refusal(self.phase, operation))

    def count_frame(self, now: float, *, is_ack: bool = False) -> None:
        """Count a frame of the client.

        Raises
        ------
        Ended
            4406 if it sends more than it may.
        """
        gained = (now - self._counted_at) * self.rules.frames_per_second
        self._allowance = min(self._allowance + gained, self.rules.frames_at_once) - (ACK_COST if is_ack else 1.0)
        self._counted_at = now
        if self._allowance < 0.0:
            pause = round(1000.0 * self.rules.frames_at_once / self.rules.frames_per_second)
            raise Ended(CloseCode.RATE_LIMITED, f"retry_after_ms={pause}")

    def count_error(self, now: float) -> None:
        """Count a frame that was refused.

        Raises
        ------
        Ended
            4508 if there were too many within a minute.
        """
        self._errors.append(now)
        while self._errors[0] <= now - MINUTE:
            self._errors.popleft()
        if len(self._errors) > self.rules.errors_per_minute:
            raise Ended(CloseCode.TOO_MANY_ERRORS, f"more than {self.rules.errors_per_minute} in a minute")

    def count_subscriptions(self, found: int) -> None:
        """Check the number of channels, and be open from the first on.

        Raises
        ------
        Ended
            4506 if there are more than allowed.
        """
        if found > self.rules.subscriptions:
            raise Ended(CloseCode.SUBSCRIPTION_LIMIT, f"at most {self.rules.subscriptions}")
        if self.phase is Phase.AUTHENTICATED:
            self.move(Phase.OPEN)

    def check_age(self, now: float) -> None:
        """Look at the clock.

        Raises
        ------
        Ended
            4501 if no key came in time, 4403 if the connection is too old.
        """
        age = now - self.opened_at
        waits = self.rules.auth_seconds is not None and self.phase is Phase.GREETED
        if waits and age >= (self.rules.auth_seconds or 0.0):
            raise Ended(CloseCode.UNAUTHENTICATED, f"no key within {self.rules.auth_seconds:g} s")
        if age >= self.rules.session_seconds:
            raise Ended(CloseCode.SESSION_EXPIRED, f"older than {self.rules.session_seconds:g} s")

    def farewell_due(self, now: float) -> bool:
        """Whether to tell, once, that the connection nears its greatest age."""
        due = now - self.opened_at >= self.rules.session_seconds - self.rules.farewell_seconds
        if due and not self.farewell_said:
            self.farewell_said = True
            return True
        return False

    def heartbeat_due(self, now: float) -> bool:
        """Whether to send a heartbeat; those that were missed are not made up for."""
        if now < self._heartbeat_at or self.phase in (Phase.CONNECTING, Phase.CLOSED):
            return False
        self._heartbeat_at += self.rules.heartbeat_seconds
        if self._heartbeat_at <= now:
            self._heartbeat_at = now + self.rules.heartbeat_seconds
        return True


def _refusal(phase: Phase, operation: Operation) -> tuple[str, str]:
    if phase in (Phase.CONNECTING, Phase.CLOSED):
        return "closed", f"{operation} needs an open connection"
    if phase is Phase.GREETED:
        return "unauthenticated", f"{operation} needs a key: send auth first"
    if phase is Phase.DRAINING:
        return "draining", f"{operation} begins something new, and the service is about to end: reconnect"
    return "too_late", "hello must come before the first subscribe"
