"""Catalogue of problems: stable codes with their meaning and remedy, and the exception that carries one.

`GET /v1/errors` serves these tables; `app.errors` turns exceptions into documents. Nothing here knows the framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One problem code.

    `outcome` is what became of the request: `rejected` (nothing recorded) or `unknown` (the write is in doubt).
    """

    code: str
    status: int
    title: str
    meaning: str
    remedy: str
    retryable: bool = False
    outcome: str = "rejected"


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One rule that a request breaks: where, which, and the text for its author."""

    pointer: str
    code: str
    detail: str


class RequestProblem(Exception):
    """A request that cannot be answered.

    Parameters
    ----------
    code : str
        A code of `PROBLEMS`.
    detail : str
        What happened in this case.
    errors : sequence of BrokenRule
        Broken rules, where there are several or they have a place in the body.
    headers : sequence of (name, value)
        Extra headers of the answer.
    outcome : str, optional
        Where it differs from the catalogue's.
    error_count : int, optional
        Number of broken rules found, where `errors` lists fewer.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        errors: Sequence[BrokenRule] = (),
        *,
        headers: Sequence[tuple[str, str]] = (),
        outcome: str | None = None,
        error_count: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.kind = PROBLEMS[code]
        self.detail, self.errors, self.headers = detail, tuple(errors), tuple(headers)
        self.outcome = outcome or self.kind.outcome
        self.error_count = len(self.errors) if error_count is None else error_count


_AGAIN = "Repeat the request after the time in Retry-After; with the same Idempotency-Key it is recorded at most once."
_KINDS = (
    ProblemKind(
        "malformed_json",
        400,
        "The body is not valid JSON",
        "The bytes are no JSON text in UTF-8: a syntax error, NaN or Infinity, a number beyond 1.8e308, "
        "a lone surrogate, a byte order mark, or too deep nesting.",
        "Mend the place that the detail names. JSON has no NaN or Infinity: leave such a point out.",
    ),
    ProblemKind(
        "malformed_arrow",
        400,
        "The body is not an Arrow stream that is taken",
        "The bytes are no Arrow IPC stream, lack its end, or hold what is refused unread: dictionaries, extension "
        "types, big-endian numbers, buffers that overlap, leave their message or are not aligned to 8 bytes.",
        "Mend what the detail names. Write with the stream writer, not the file writer, and close it.",
    ),
    ProblemKind(
        "invalid_header",
        400,
        "A header has an illegal value",
        "A header that this service reads is present and breaks its rule.",
        "Correct the header or leave it out.",
    ),
    ProblemKind(
        "misplaced_key",
        400,
        "An API key is where it does not belong",
        "It is in the URL, in a header other than Authorization, or in the body: places that are logged or recorded, "
        "here or on the way.",
        "Send keys as Authorization: Bearer only, and replace one that was in a URL: DELETE /v1/keys/{key_id}.",
    ),
    ProblemKind(
        "unauthorized",
        401,
        "An API key is needed",
        "The request carries no API key, or one that is not valid here.",
        "Send Authorization: Bearer with a key of this service; `trimtab keys create` and POST /v1/keys make them.",
    ),
    ProblemKind(
        "malformed_key",
        401,
        "This is no API key",
        "The key has another form than ttb_…, or its last six characters do not fit the others: one is wrong.",
        "Copy the key again, whole.",
    ),
    ProblemKind(
        "expired_key",
        401,
        "The API key has expired",
        "It is past the time that it was made for.",
        "Ask for another key.",
    ),
    ProblemKind(
        "revoked_key",
        401,
        "The API key was revoked",
        "Somebody with the scope admin ended it.",
        "Ask for another key.",
    ),
    ProblemKind(
        "invalid_signature",
        401,
        "The request is not signed as it must be",
        "One of the four headers of a signed request is missing or ill-formed, or the signature does not fit the key "
        "and the request.",
        "Sign the bytes that are sent: milliseconds, nonce, method, path with query, SHA-256 of the body, with the key "
        "of Trimtab-Key-Id.",
    ),
    ProblemKind(
        "clock_skew",
        401,
        "The signature is too old, or from the future",
        "The clock of the client differs from that of the service, or the request was long under way.",
        "Set the clock, or add the difference to server_time of this answer to each timestamp; sign anew.",
    ),
    ProblemKind(
        "nonce_replayed",
        401,
        "The signature was used before",
        "A nonce serves one request; this one was seen with this key.",
        "Sign anew, with a fresh nonce, also for a repetition; its Idempotency-Key stays the same.",
    ),
    ProblemKind(
        "forbidden_scope",
        403,
        "The API key may not do this",
        "The operation needs a scope that the key does not have; the detail and WWW-Authenticate name it.",
        "Use a key with this scope; GET /v1/keys/current says what yours has.",
    ),
    ProblemKind(
        "address_denied",
        403,
        "The API key may not be used from here",
        "It was made for certain addresses, and the request comes from another.",
        "Call from one of them, or ask for a key for this address.",
    ),
    ProblemKind(
        "origin_denied",
        403,
        "Pages of this origin may not connect",
        "The handshake carries an Origin that is neither this host nor one of those that are allowed.",
        "Serve the page from this host, or list its origin in TRIMTAB_ALLOWED_ORIGINS.",
    ),
    ProblemKind(
        "not_found",
        404,
        "There is nothing here",
        "No such path, or no such id for this tenant.",
        "Compare the path with GET /openapi.json, and the id with the answer that gave it.",
    ),
    ProblemKind(
        "log_too_young",
        404,
        "The log is not that long yet",
        "A proof was asked for a size that the log does not have.",
        "Ask for a size up to that of GET /v1/log/checkpoint.",
    ),
    ProblemKind(
        "log_not_signed",
        404,
        "The log is not signed",
        "No key signs the heads of this log: there are no checkpoints and no receipts. Its tree is kept all the same.",
        "Let the operator name a key in TRIMTAB_LOG_KEY_FILE.",
    ),
    ProblemKind(
        "not_cosigned",
        404,
        "No head is cosigned yet",
        "Too few witnesses have signed a head of this log, or none is configured.",
        "Wait for the witnesses, or ask without `cosigned`; the operator names them in TRIMTAB_WITNESS_KEYS.",
    ),
    ProblemKind(
        "commitments_missing",
        404,
        "The service makes no commitments",
        "It runs without the library that they take.",
        "Let the operator install the extra: pip install 'trimtab[commitments]'.",
    ),
    ProblemKind(
        "unknown_portfolio",
        404,
        "There is no such portfolio",
        "No portfolio of this id is registered.",
        "Register it with PUT /v1/portfolios/{portfolio_id}, or list them with GET /v1/portfolios.",
    ),
    ProblemKind(
        "not_evaluated",
        404,
        "The portfolio has no targets yet",
        "It is registered, but no evaluation of it was published; the detail says what is missing.",
        "Send a snapshot, and ask again with wait_seconds.",
        retryable=True,
    ),
    ProblemKind(
        "method_not_allowed",
        405,
        "This path has no such method",
        "The path exists, the method does not; the Allow header lists those that do.",
        "Use a method of the Allow header.",
    ),
    ProblemKind(
        "not_acceptable",
        406,
        "The answer has no such media type",
        "The Accept header allows none of the media types that this operation answers in.",
        "Leave Accept out, or allow a media type that the detail names.",
    ),
    ProblemKind(
        "body_timeout",
        408,
        "The body took too long to arrive",
        "The client did not send its whole body in the time that GET /v1/limits names.",
        "Send the body at once.",
        retryable=True,
    ),
    ProblemKind(
        "state_conflict",
        409,
        "The state was changed by another writer",
        "The state version that the request names is no longer the newest.",
        "Read the newest state and repeat.",
        retryable=True,
    ),
    ProblemKind(
        "foreign_head",
        409,
        "This is no head of the log",
        "A head was sent that the log never had at that size: it is of another log of that name, or history changed.",
        "Keep the head: it is evidence. Run trimtab audit verify with it.",
    ),
    ProblemKind(
        "policy_governed",
        409,
        "The policy is under governance",
        "Its versions and its rules change by proposals only, which its approvers sign.",
        "Propose the change with POST /v1/policies/{policy_id}/proposals.",
    ),
    ProblemKind(
        "proposal_closed",
        409,
        "The proposal has ended",
        "It was activated, rejected, failed its checks, expired, or is about a version or rules that are no longer in "
        "force; the detail says which.",
        "Read it with GET /v1/policies/{policy_id}/proposals/{number}; propose the change again if it is still wanted.",
    ),
    ProblemKind(
        "proposal_early",
        409,
        "The proposal may not be activated yet",
        "Approvals are missing, or its timelock has not ended; the detail says what.",
        "Collect the approvals, or repeat after the time that activates_at names.",
    ),
    ProblemKind(
        "snapshot_conflict",
        409,
        "Another snapshot has this sequence number",
        "A snapshot with the same snapshot_seq and another content is stored.",
        "Send the snapshot again under the next snapshot_seq.",
    ),
    ProblemKind(
        "stale_snapshot",
        409,
        "A later snapshot is stored",
        "The snapshot_seq is below that of the stored snapshot: what it says is out of date.",
        "Leave it; send the account as it is now under a snapshot_seq above the stored one, which the detail names.",
    ),
    ProblemKind(
        "precondition_failed",
        412,
        "The request was not made from the present version",
        "If-Match names another version than the present one, or If-None-Match: * found one; or a switch would let "
        "more be done than now, which takes the present version, and If-Match is missing.",
        "Read the newest version, decide again, and send its ETag as If-Match.",
    ),
    ProblemKind(
        "body_too_large",
        413,
        "The body is too large",
        "The body holds more bytes, values, objects or keys than GET /v1/limits allows.",
        "Split the request, or feed prices with POST /v1/observations and leave series out.",
    ),
    ProblemKind(
        "uri_too_long",
        414,
        "The URL is too long",
        "Path and query hold more bytes than GET /v1/limits allows.",
        "Shorten the query.",
    ),
    ProblemKind(
        "unsupported_media_type",
        415,
        "The body has the wrong type or encoding",
        "Bodies are application/json in UTF-8, not compressed; POST /v1/margin:batch takes application/x-ndjson "
        "and Arrow streams too, whose buffers must not be compressed either.",
        "Send Content-Type: application/json and no Content-Encoding.",
    ),
    ProblemKind(
        "misdirected_request",
        421,
        "The request names another host",
        "The service listens for this machine only, and the Host header names none of its names.",
        "Call it as 127.0.0.1 or localhost, or list the host in TRIMTAB_ALLOWED_HOSTS.",
    ),
    ProblemKind(
        "invalid_request",
        422,
        "The request breaks a rule",
        "The JSON is well formed, but fields are missing, unknown, of the wrong type or out of range.",
        "errors[] names each place, its rule, what was found, and how to mend it.",
    ),
    ProblemKind(
        "duplicate_key",
        422,
        "An object holds a key twice",
        "Parsers disagree about which of two equal keys counts; a size must not depend on that.",
        "Remove one of them.",
    ),
    ProblemKind(
        "assumptions_refused",
        422,
        "The request leaves something open",
        "options.strict is true, and an assumption would be needed; errors[] lists each one.",
        "State what each pointer asks for, or set options.strict to false.",
    ),
    ProblemKind(
        "idempotency_mismatch",
        422,
        "The Idempotency-Key was used with another body",
        "A key belongs to one body; this one is stored with another.",
        "Use a new key for a new request.",
    ),
    ProblemKind(
        "body_pruned",
        410,
        "The body of this entry was removed after its retention",
        "Request and answer are kept for a time (TRIMTAB_BODY_RETENTION_DAYS), their digests for ever. The removal is "
        "an entry of the log itself, of kind retention.",
        "An answer that you kept can still be checked: its receipt and its entry are there.",
    ),
    ProblemKind(
        "not_disclosable",
        422,
        "Nothing of this entry can be shown apart",
        "Only decisions recorded since entries of the log commit to the fields of their answers (version 2) can be "
        "disclosed in part, and only while their bodies are stored.",
        "Show the whole answer with its receipt, or choose a later decision.",
    ),
    ProblemKind(
        "not_replayable",
        422,
        "The entry cannot be recomputed here",
        "Only evaluations, also live ones, targets, margin, hedges, scalars, oracles, grids, schedules and vaults can "
        "be recomputed, and only by a build that reads the form in which the state was recorded.",
        "Choose an entry of one of these kinds at GET /v1/audit/entries; recompute older ones with the build that its "
        "versions name.",
    ),
    ProblemKind(
        "not_comparable",
        422,
        "The entries cannot be compared",
        "Only evaluations and targets can be compared: other entries have no targets.",
        "Choose two entries of one of these kinds at GET /v1/audit/entries.",
    ),
    ProblemKind(
        "too_many_failures",
        429,
        "Too many attempts with wrong API keys",
        "Requests from this address failed to authenticate too often within a minute.",
        "Repair the key, and come back after the time in Retry-After.",
        retryable=True,
    ),
    ProblemKind(
        "rate_limited",
        429,
        "The rate of this caller is spent",
        "Requests cost units by their size (GET /v1/limits); the headers RateLimit-Policy and RateLimit say what is "
        "left.",
        "Wait for the seconds of Retry-After.",
        retryable=True,
    ),
    ProblemKind(
        "too_many_concurrent",
        429,
        "As many computations of this key are under way as may be",
        "A key may have so many at a time in each process as GET /v1/limits says.",
        "Wait for answers before you send more.",
        retryable=True,
    ),
    ProblemKind(
        "fit_queue_full",
        429,
        "As many fits wait as may",
        "Fits run one after the other, and GET /v1/limits says how many may wait.",
        "Repeat later, when those that wait are done.",
        retryable=True,
    ),
    ProblemKind(
        "headers_too_large",
        431,
        "The headers are too large",
        "The headers hold more bytes than GET /v1/limits allows.",
        "Send fewer and shorter headers.",
    ),
    ProblemKind(
        "internal_error",
        500,
        "The service failed",
        "A defect of this service; it is in the log under the request id.",
        "Report it with the request id. With an Idempotency-Key it is safe to repeat.",
        outcome="unknown",
    ),
    ProblemKind(
        "audit_unavailable",
        503,
        "The audit log cannot be written or read",
        "No answer is given that is not durably recorded.",
        _AGAIN,
        retryable=True,
    ),
    ProblemKind(
        "nonces_unavailable",
        503,
        "Nobody can say whether the signature was used before",
        "The store of nonces does not answer or began to remember a moment ago, so no signed request is let in.",
        "Sign anew after the time in Retry-After, or use a bearer key.",
        retryable=True,
    ),
    ProblemKind(
        "keys_unavailable",
        503,
        "API keys cannot be checked",
        "The store of the keys does not answer, so nobody is let in.",
        _AGAIN,
        retryable=True,
    ),
    ProblemKind(
        "overloaded",
        503,
        "More is asked for than the service can do",
        "So much waits already, for the audit log or for a processor, that the request would only wait longer. "
        "Work is refused first; reading the log and the health of the service last.",
        "Repeat the request after the time in Retry-After, with random delay, and send fewer at once.",
        retryable=True,
    ),
    ProblemKind(
        "stream_unavailable",
        501,
        "This server has no stream",
        "The service runs under a server that cannot serve streams.",
        "Start it with trimtab serve, or give uvicorn ws=app.stream_protocol:StreamProtocol.",
    ),
    ProblemKind(
        "draining",
        503,
        "The service is about to end",
        "It answers what it has begun, and opens no further stream.",
        "Connect again after the time in Retry-After.",
        retryable=True,
    ),
    ProblemKind(
        "too_many_connections",
        503,
        "There is no room for another stream",
        "The process serves as many connections as it may.",
        "Close those that are not used, or connect again later.",
        retryable=True,
    ),
    ProblemKind(
        "vol_state_unavailable",
        503,
        "The volatility state cannot be read or written",
        "The store of cached states does not answer.",
        "Repeat later, or send series: such a request needs no state.",
        retryable=True,
    ),
    ProblemKind(
        "timed_out",
        503,
        "The deadline passed before anything was written",
        "Request-Timeout-Ms was over while the request was read for, or computed; nothing is recorded.",
        "Allow more time, ask for less, or repeat: with the same Idempotency-Key it is recorded at most once.",
        retryable=True,
    ),
    ProblemKind(
        "deadline_exceeded",
        504,
        "The deadline passed before the record was surely durable",
        "The record may be written, now or later.",
        "Repeat with the same Idempotency-Key: the stored answer is returned, or the request is run once.",
        retryable=True,
        outcome="unknown",
    ),
)
PROBLEMS: dict[str, ProblemKind] = {kind.code: kind for kind in _KINDS}

RULES: dict[str, str] = {
    "required": "A field is missing.",
    "unknown_field": "The object has no such field; unknown fields are refused, so that no slip is ignored.",
    "unknown_method": "The tagged object names a method that does not exist; GET /v1/catalog lists all.",
    "method_required": "The tagged object does not name its method.",
    "wrong_type": "The JSON type is wrong: no strings for numbers, no numbers for strings, no 0 or 1 for flags.",
    "not_finite": "The number is not finite.",
    "out_of_range": "The value lies outside its bounds.",
    "not_allowed": "The value is none of the allowed ones.",
    "bad_format": "The text does not have the required form.",
    "bad_decimal": "The decimal is not plain, or a JSON number has more than 15 significant digits.",
    "bad_time": "The time is no RFC 3339 time with a zone between the years 1970 and 2200.",
    "bad_prices": "A price list holds something other than numbers or plain decimal strings.",
    "too_long": "The list or text is too long.",
    "too_short": "The list or text is too short.",
    "too_many_points": "The request holds more than 400,000 points.",
    "duplicate_row": "Two rows of a list have the same identity.",
    "duplicate_key": "An object holds a key twice.",
    "inconsistent": "Fields contradict or require each other.",
    "unknown_preset": "There is no preset of this name and version.",
    "unknown_policy": "There is no stored policy of this id and version.",
    "assumption": "Under options.strict: something was left open.",
    "rule": "The value breaks a rule of the engine, which the detail states.",
}
"""Codes of `errors[].code`."""
