"""What becomes of a source and of a symbol: stable codes, each with its meaning."""

from __future__ import annotations

from enum import StrEnum


class SourceReason(StrEnum):
    """Why a source is not counted; `SOURCE_REASON_TEXT` explains each one."""

    SIGNATURE_INVALID = "signature_invalid"
    SIGNATURE_MISSING = "signature_missing"
    SIGNER_NOT_ALLOWED = "signer_not_allowed"
    INVALID_PRICE = "invalid_price"
    IN_FUTURE = "in_future"
    STALE = "stale"
    DUPLICATE_SOURCE = "duplicate_source"
    RATE_MISSING = "rate_missing"
    RATE_STALE = "rate_stale"
    DEPEGGED = "depegged"
    RATE_INCONSISTENT = "rate_inconsistent"
    OUTLIER = "outlier"


SOURCE_REASON_TEXT: dict[SourceReason, str] = {
    SourceReason.SIGNATURE_INVALID: "The signature does not fit what was sent and the key that it names.",
    SourceReason.SIGNATURE_MISSING: "The policy asks for signatures and the source has none.",
    SourceReason.SIGNER_NOT_ALLOWED: "The signature is good, but its key is none of keys[].",
    SourceReason.INVALID_PRICE: "Price or confidence is no usable number: the price must be > 0, the confidence >= 0.",
    SourceReason.IN_FUTURE: "Dated more than a second after as_of.",
    SourceReason.STALE: "Older than one and a half of its own heartbeats.",
    SourceReason.DUPLICATE_SOURCE: "The source is named more than once: only its newest price is kept, and none if "
    "several of that moment differ.",
    SourceReason.RATE_MISSING: "Quoted in another currency and rates[] has none for it: nothing is taken 1:1.",
    SourceReason.RATE_STALE: "Every rate of its currency is stale, dated in the future or no usable number.",
    SourceReason.DEPEGGED: "Its currency is further from its peg than the policy allows: the whole group is set aside.",
    SourceReason.RATE_INCONSISTENT: "The rate sent and the rate that prices imply disagree: the whole group is set "
    "aside.",
    SourceReason.OUTLIER: "Too far from the median of all.",
}


class OracleReason(StrEnum):
    """What is wrong with an aggregate, the gravest first; `ORACLE_REASON_TEXT` explains each one."""

    NO_QUORUM = "no_quorum"
    TOO_FEW_SIGNERS = "too_few_signers"
    CLOCK_BACKWARDS = "clock_backwards"
    JUMP_UNCONFIRMED = "jump_unconfirmed"
    FAR_FROM_TWAP = "far_from_twap"
    TOO_MANY_UPSTREAMS = "too_many_upstreams"
    CURRENCIES_DISAGREE = "currencies_disagree"
    DISPERSION = "dispersion"
    CONFIDENCE = "confidence"
    LATE = "late"
    MARK_DISAGREES = "mark_disagrees"
    NONE = "none"


ORACLE_REASON_TEXT: dict[OracleReason, str] = {
    OracleReason.NO_QUORUM: "Fewer sources agree than the policy asks for: the last good price stands in while it is "
    "young enough, else there is none.",
    OracleReason.TOO_FEW_SIGNERS: "The accepted prices are signed by fewer distinct keys than the policy asks for; as "
    "no_quorum.",
    OracleReason.CLOCK_BACKWARDS: "previous is dated after as_of: calls came out of order. The newer state is kept.",
    OracleReason.JUMP_UNCONFIRMED: "The price moved further from the last good one than is likely: that one is held "
    "until newer prices of a quorum confirm the move.",
    OracleReason.FAR_FROM_TWAP: "Price and time-weighted average price differ by more than the policy's ratio.",
    OracleReason.TOO_MANY_UPSTREAMS: "More upstreams than the policy's n were accepted: k of n means nothing then.",
    OracleReason.CURRENCIES_DISAGREE: "Prices by quote currency disagree after conversion, and those in the currency "
    "itself are outvoted or absent.",
    OracleReason.DISPERSION: "The accepted prices lie further apart than the policy allows.",
    OracleReason.CONFIDENCE: "The price is uncertain: increases shrink from half of the policy's limit on, and end "
    "at the limit.",
    OracleReason.LATE: "Fewer sources than a quorum are within their heartbeat: increases shrink until it is lost.",
    OracleReason.MARK_DISAGREES: "The mark of the position is further from the aggregate than the policy allows.",
    OracleReason.NONE: "The price may be used for everything.",
}
GRAVITY = {reason: rank for rank, reason in enumerate(OracleReason)}


class OracleStatus(StrEnum):
    """What an aggregate is good for."""

    OK = "ok"
    CLOSE_ONLY = "close_only"
    FALLBACK = "fallback"
    REFUSED = "refused"


STATUS_TEXT: dict[OracleStatus, str] = {
    OracleStatus.OK: "A price of now; `multiplier` says how much of an increase it carries.",
    OracleStatus.CLOSE_ONLY: "A price, but not one to open a position on.",
    OracleStatus.FALLBACK: "No price of now: the last good one stands in. Only reductions.",
    OracleStatus.REFUSED: "No price. Never read it as zero.",
}
