"""What a close code asks of the client: reconnect, and how, or stop."""

from __future__ import annotations

import re
from dataclasses import dataclass

MEND_THE_CLIENT = frozenset({1002, 1003, 1007, 1008, 1009, 1010})
TRY_LATER = 1013
STREAM_RESET = 4404
BACKEND_UNAVAILABLE = 4405
RATE_LIMITED = 4406
_WAIT = re.compile(r"retry_after_ms=(\d{1,7})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """Connect again after the back-off, but not before `at_least` seconds; `resume` from the positions read so far."""

    at_least: float = 0.0
    resume: bool = True


def after_close(code: int, reason: str) -> Reconnect | None:
    """What to do after a connection ended with a code; None: stop and tell the caller.

    44xx and what the network does (1006 and its like) ask for another connection. 45xx, and what says that this client
    broke a rule, would only be repeated.

    Examples
    --------
    >>> after_close(4406, "rate_limited retry_after_ms=2000")
    Reconnect(at_least=2.0, resume=True)
    >>> after_close(4404, "stream_reset").resume
    False
    >>> after_close(4507, "key_revoked") is None
    True
    """
    if code in MEND_THE_CLIENT or not (1000 <= code < 2000 or 4400 <= code < 4500):
        return None
    if code == RATE_LIMITED:
        found = _WAIT.search(reason)
        return Reconnect(at_least=int(found[1]) / 1000.0 if found else 1.0)
    if code in (TRY_LATER, BACKEND_UNAVAILABLE):
        return Reconnect(at_least=1.0)
    return Reconnect(resume=code != STREAM_RESET)
