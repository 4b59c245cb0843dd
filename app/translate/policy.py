"""Fingerprint and wire form of a resolved policy."""

from __future__ import annotations

import dataclasses
import hashlib
from functools import lru_cache
from typing import Any

import orjson

from services.engine.policy import DEFAULTS_VERSION, Policy


@lru_cache(maxsize=1024)
def policy_fields(policy: Policy) -> dict[str, Any]:
    """Every block with every field, defaults written out; the same dictionary for equal policies, to be read only."""
    return {field.name: _block(getattr(policy, field.name)) for field in dataclasses.fields(policy)}


def _block(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_block(item) for item in value]
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    fields = dataclasses.asdict(value)
    return {key: item + 0.0 if isinstance(item, float) else item for key, item in fields.items()}


@lru_cache(maxsize=1024)
def policy_sha256(policy: Policy) -> str:
    """SHA-256 of the resolved policy and the version of the defaults, over sorted keys."""
    content = {"defaults_version": DEFAULTS_VERSION, "policy": policy_fields(policy)}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
