"""Client of the Trimtab risk service: sizes, margin and hedges over REST, live targets over WebSocket.

`Trimtab` blocks, `AsyncTrimtab` awaits; both offer the same calls. Errors are in `trimtab_client.errors`, bodies in
`trimtab_client.models`; a body may also be a plain mapping.
"""

from trimtab_client.asynchronous import AsyncTrimtab
from trimtab_client.base import Model, members
from trimtab_client.calls import Reply
from trimtab_client.errors import (
    AccessRefused,
    BrokenRule,
    Conflict,
    InvalidRequest,
    NoAnswer,
    NotFound,
    Problem,
    ServiceUnavailable,
    StreamClosed,
    SubscriptionRefused,
    TooManyRequests,
    TrimtabError,
    UnreadableAnswer,
)
from trimtab_client.retry import Backoff, Retry
from trimtab_client.signing import Signer
from trimtab_client.stream.events import Degraded, Expired, Gap, Notice, Update
from trimtab_client.stream.handlers import Handlers
from trimtab_client.synchronous import Trimtab

__all__ = [
    "AccessRefused",
    "AsyncTrimtab",
    "Backoff",
    "BrokenRule",
    "Conflict",
    "Degraded",
    "Expired",
    "Gap",
    "Handlers",
    "InvalidRequest",
    "Model",
    "NoAnswer",
    "NotFound",
    "Notice",
    "Problem",
    "Reply",
    "Retry",
    "ServiceUnavailable",
    "Signer",
    "StreamClosed",
    "SubscriptionRefused",
    "TooManyRequests",
    "Trimtab",
    "TrimtabError",
    "UnreadableAnswer",
    "Update",
    "members",
]
