"""What can go wrong, each with what became of the request.

`TrimtabError` is the base. `outcome` says it all for a caller that must not act twice: ``rejected`` (nothing was
recorded), ``recorded``, or ``unknown`` (repeat it with the same Idempotency-Key, which `error.idempotency_key` names).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["rejected", "recorded", "unknown"]


class TrimtabError(Exception):
    """Base of every error of this client."""

    outcome: Outcome = "rejected"
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One broken rule: where in the body, which rule, what was found and how to mend it."""

    pointer: str
    code: str
    detail: str


class NoAnswer(TrimtabError):
    """No answer came: the service was not reached (`rejected`), or the connection broke under way (`unknown`)."""

    def __init__(self, detail: str, outcome: Outcome) -> None:
        super().__init__(f"{detail} (outcome: {outcome})")
        self.detail, self.outcome = detail, outcome


class UnreadableAnswer(TrimtabError):
    """The answer is not what this client can read: from something in between, or from a newer service."""

    def __init__(self, status: int, detail: str, body: bytes, outcome: Outcome) -> None:
        super().__init__(f"status {status}: {detail}")
        self.status, self.detail, self.body, self.outcome = status, detail, body, outcome


class Problem(TrimtabError):
    """The service refused the request or could not answer it, and said why (RFC 9457).

    Attributes
    ----------
    status : int
    code : str
        Stable code; `GET /v1/errors` explains each.
    detail : str
    retryable : bool
        Whether the same request may succeed later.
    errors : tuple of BrokenRule
        Broken rules, at most 20; `error_count` of them were found.
    request_id : str
        Names the request in the log of the service.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = dict(document)
        self.status, self.code, self.detail = int(document["status"]), str(document["code"]), str(document["detail"])
        self.retryable, self.outcome = bool(document["retryable"]), document["outcome"]
        self.request_id = str(document.get("request_id", ""))
        self.errors: Sequence[BrokenRule] = tuple(
            BrokenRule(str(rule["pointer"]), str(rule["code"]), str(rule["detail"]))
            for rule in document.get("errors", ())
        )
        self.error_count = int(document.get("error_count", len(self.errors)))
        super().__init__(self._text())

    @property
    def pointer(self) -> str | None:
        """Place of the first broken rule: a JSON pointer into the body, ``query:name`` or ``header:name``."""
        return self.errors[0].pointer if self.errors else None

    def _text(self) -> str:
        rules = "".join(f"\n  {rule.pointer}: {rule.detail}" for rule in self.errors)
        return f"{self.status} {self.code}: {self.detail}{rules}"


class InvalidRequest(Problem):
    """The request breaks a rule: mend it (400, 408, 411 to 415, 421, 422, 431)."""


class AccessRefused(Problem):
    """The key is missing, unknown or not entitled (401, 403)."""


class NotFound(Problem):
    """No such path, or no such id (404)."""


class Conflict(Problem):
    """Another writer was first: read the newest state and decide anew (409, 412)."""


class TooManyRequests(Problem):
    """A limit is reached (429)."""


class ServiceUnavailable(Problem):
    """The service or one of its stores cannot answer now, or not in time (5xx)."""


def problem_of(document: Mapping[str, Any]) -> Problem:
    """The error of a problem document."""
    status = int(document["status"])
    kinds: dict[int, type[Problem]] = {
        401: AccessRefused,
        403: AccessRefused,
        404: NotFound,
        409: Conflict,
        412: Conflict,
        429: TooManyRequests,
    }
    return kinds.get(status, ServiceUnavailable if status >= 500 else InvalidRequest)(document)


class StreamClosed(TrimtabError):
    """The service ended the stream for a reason that a reconnection does not mend (`code` is the close code)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"stream closed with {code}: {reason}")
        self.code, self.reason = code, reason


class SubscriptionRefused(TrimtabError):
    """The service does not give this channel, and will not later."""

    def __init__(self, channel: str, code: str, detail: str) -> None:
        super().__init__(f"{channel}: {code}: {detail}")
        self.channel, self.code, self.detail = channel, code, detail
