"""Fingerprint, wire form and stored form of a resolved policy."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from models.api.policy import PolicyIn
from services.core.errors import InvalidInput
from services.engine.policy import DEFAULTS_VERSION, OPTIONAL_BLOCKS, OPTIONAL_FIELDS, Policy, default_policy
from services.sizing import abilities


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPolicy:
    """A version of a stored policy, as a decision uses it and records it.

    `resolved` is JSON with every default written out (`resolved_json`): what a later change of the defaults does not
    move.
    """

    policy_id: str
    version: int
    sha256: str
    defaults_version: int
    resolved: bytes


@lru_cache(maxsize=1024)
def policy_fields(policy: Policy) -> dict[str, Any]:
    """Every block with every field, defaults written out; the same dictionary for equal policies, to be read only."""
    return {name: _block(value, OPTIONAL_FIELDS.get(name, ())) for name, value in _blocks(policy)}


def _blocks(policy: Policy) -> Iterator[tuple[str, Any]]:
    """Blocks of a policy; optional ones that it is without are left out, so that older fingerprints hold."""
    for field in dataclasses.fields(policy):
        value = getattr(policy, field.name)
        if value is not None or field.name not in OPTIONAL_BLOCKS:
            yield field.name, value


def _block(value: Any, optional: tuple[str, ...] = ()) -> Any:
    if isinstance(value, tuple):
        return [_block(item) for item in value]
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    fields = dataclasses.asdict(value)
    told = {key: item for key, item in fields.items() if item is not None or key not in optional}
    return {key: item + 0.0 if isinstance(item, float) else item for key, item in told.items()}


@lru_cache(maxsize=1024)
def policy_sha256(policy: Policy, defaults_version: int = DEFAULTS_VERSION) -> str:
    """SHA-256 of the resolved policy and the version of the defaults, over sorted keys."""
    return fields_sha256(policy_fields(policy), defaults_version)


def fields_sha256(fields: Any, defaults_version: int) -> str:
    """The same of the fields of a resolved policy, as answers show them."""
    content = {"defaults_version": defaults_version, "policy": fields}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def resolved_json(policy: Policy) -> bytes:
    """Stored form of a resolved policy."""
    return orjson.dumps(policy_fields(policy), option=orjson.OPT_SORT_KEYS)


@lru_cache(maxsize=1024)
def restored(resolved: bytes) -> Policy:
    """Inverse of `resolved_json`.

    Raises
    ------
    InvalidInput
        If it was stored by a build whose fields this one does not know, or bounds otherwise.
    """
    try:
        return PolicyIn.model_validate(orjson.loads(resolved)).resolved()
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
        rule = "was stored in a form that this build does not read"
        raise InvalidInput("policy.version", rule, place, "store the policy again") from None


@lru_cache(maxsize=1024)
def added_since(resolved: bytes) -> tuple[str, ...]:
    """Fields that this build has and the stored policy does not: its defaults stand in for them."""
    return tuple(_added(orjson.loads(resolved), policy_fields(restored(resolved)), ""))


def _added(stored: Any, used: Any, place: str) -> Iterator[str]:
    if isinstance(used, dict) and isinstance(stored, dict):
        for key, value in used.items():
            here = f"{place}.{key}" if place else key
            yield from _added(stored[key], value, here) if key in stored else (here,)
    elif isinstance(used, list | tuple) and isinstance(stored, list) and len(used) == len(stored):
        for index, (one, other) in enumerate(zip(stored, used, strict=True)):
            yield from _added(one, other, f"{place}.{index}")


def requirements(policy: Policy) -> list[str]:
    """What the methods of a policy read of each row or of the request, by name."""
    needed = set(abilities.requirements(policy.sizing)) if policy.sizing is not None else set()
    for method in (*policy.overlays, policy.hedging):
        needed |= method.requires if method is not None else set()
    return sorted(needed)


def narrowed(policy: Policy, model: type[BaseModel], defaults_version: int = DEFAULTS_VERSION) -> Policy:
    """Policy of a door that takes the blocks of `model` only; the others are defaults."""
    blocks = [field.name for field in dataclasses.fields(policy) if field.name in model.model_fields]
    return dataclasses.replace(default_policy(defaults_version), **{name: getattr(policy, name) for name in blocks})
