"""Requests of the documentation about governance; the keys are those of RFC 8032, section 7.1, and no secret."""

from __future__ import annotations

from typing import Any

from app.examples import VOLATILITY_TARGET

APPROVERS: list[dict[str, str]] = [
    {"name": "ann", "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
    {"name": "ben", "public_key": "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="},
    {"name": "eve", "public_key": "/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU="},
]
GOVERN: dict[str, Any] = {
    "approvers": APPROVERS,
    "quorum": 2,
    "timelock_seconds": 86_400,
    "checks": {
        "properties": [{"method": "leverage_cap", "cap": 3}, {"method": "non_increasing", "variable": "volatility"}]
    },
}
"""Two of three, a day, and never above a leverage of 3: `PUT /v1/policies/desk/governance`."""

PROPOSE: dict[str, Any] = {
    "policy": {**VOLATILITY_TARGET, "limits": {"max_leverage": 3}},
    "comment": "more room after the review of November",
}
"""A looser bound: it waits for the timelock."""

PROPOSE_RULES: dict[str, Any] = {
    "governance": {**GOVERN, "quorum": 3},
    "comment": "all three from now on",
}
"""Other rules take the old quorum, and the old timelock."""

VOTE: dict[str, Any] = {
    "approver": "ann",
    "signature": "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM78rN38U+xz1ZyiwZ/jQGHGsPZfVZQ9+1xAA==",
}
"""As `trimtab policy proposal approve` prints it."""
