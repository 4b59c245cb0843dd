"""Fields of a recorded answer, committed one by one: some can be shown, and the others stay hidden.

::

    key         HKDF-SHA-256(secret of the tenant, salt = "trimtab/disclosure/v1", info = event id)
    salts       SHAKE-256(key), 16 bytes a field, in the order of the answer
    commitment  SHA-256(salt ‖ pointer ‖ 0x0A ‖ value)
    buckets     the sorted commitments, 16 at a time; the last may hold fewer
    root        Merkle root (RFC 6962) over the buckets, each an entry of 16 × 32 bytes
    fields      SHA-256("trimtab/fields/v1" ‖ 0x0A ‖ number of fields as 8 bytes, big endian ‖ root)

`fields` stands in the entry of the log. A value is JSON text, which never holds a raw newline, so pointer and value
cannot be read apart in two ways. Buckets, because one hash a field for a binary tree would cost as much as the
commitments themselves. Sorting by commitment leaves nothing of the order of the answer in the places.

A field is a scalar or an empty container; within an item of a list it is a member of the item, whatever that holds:
`/margin/current/initial` is one, and `/targets/3/volatility` with all its figures.

What is shown says nothing of the rest: each salt is 128 bits of a key stream that only the tenant's secret gives, so no
guess of a hidden value can be compared with its commitment. How many fields there are is seen.

What it cannot show: that the service did not commit two values under one pointer and shows whichever it likes. Who
holds the whole answer has its digest in the entry, and can ask for every field.

References
----------
RFC 5869 (2010), HKDF; FIPS 202 (2015), SHAKE-256; RFC 6901 (2013), JSON pointers; RFC 6962 (2013), section 2.1.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, NamedTuple, Self

from services.audit.canonical import base64_bytes, base64_text
from services.audit.canonical import check as check_canonical
from services.audit.chain import batch_subtrees
from services.audit.entry import digest_text
from services.audit.frontier import Frontier
from services.audit.merkle import HASH_BYTES, inclusion_proof, leaf_hash, verify_inclusion
from services.audit.note import Check, VerifierKey
from services.audit.receipt import check_receipt
from services.core.errors import InvalidInput

SALT_BYTES = 16
BUCKET = 16
MAX_FIELDS = 50_000
"""An answer of more has no field tree: about 0.05 s of hashing."""
FORMAT = "trimtab/disclosure/v1"
_FIELDS = b"trimtab/fields/v1\n"
_COUNT_BYTES = 8


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
JsonText = Callable[[Any], bytes]
"""JSON text of a value; must be that of `json_text`, byte for byte."""


class Field(NamedTuple):
    """A field of an answer: JSON pointer, and value as JSON text."""

    pointer: str
    value: str

    @classmethod
    def of(cls, line: bytes) -> Self:
        """Field of its line: a key may hold a newline, JSON text does not."""
        pointer, _, value = line.decode().rpartition("\n")
        return cls(pointer, value)

    @property
    def line(self) -> str:
        """What is committed to: ``pointer ‖ 0x0A ‖ value``."""
        return f"{self.pointer}\n{self.value}"


def json_text(value: Any) -> bytes:
    """JSON text of a value: no spaces, members in their order, floats as the shortest digits that give them back."""
    if type(value) is str:
        return encode_basestring(value).encode()
    if type(value) is float and isfinite(value):
        return repr(value).encode()
    return _encoder.encode(value).encode()


def lines_of(answer: Any, text: JsonText = json_text) -> list[bytes]:
    """Fields of an answer as lines, in its order: a list of byte strings is made and hashed faster than one of tuples.

    Examples
    --------
    >>> [*map(Field.of, lines_of({"a": {"b/c": 0.5}, "d": [1, {"e": [2, 3]}]}))]
    [Field(pointer='/a/b~1c', value='0.5'), Field(pointer='/d/0', value='1'), Field(pointer='/d/1/e', value='[2,3]')]
    """
    found: list[bytes] = []
    _walk(answer, b"", found, text)
    return found


def _walk(value: Any, pointer: bytes, found: list[bytes], text: JsonText) -> None:
    if type(value) is dict and value:
        for name, item in value.items():
            if type(item) is dict or type(item) is list:
                _walk(item, pointer + _step(name)[:-1], found, text)
            else:
                found.append(pointer + _step(name) + text(item))
    elif type(value) is list and value:
        for place, item in enumerate(value):
            start = b"%b/%d" % (pointer, place)
            if type(item) is dict and item:
                found += [start + _step(name) + text(member) for name, member in item.items()]
            else:
                found.append(b"%b\n%b" % (start, text(item)))
    else:
        found.append(b"%b\n%b" % (pointer, text(value)))


@lru_cache(maxsize=4096)
def _step(name: str) -> bytes:
    """Step of a pointer, and the end of the pointer: names come again in every item of a list."""
    return f"/{name.replace('~', '~0').replace('/', '~1')}\n".encode()


def salts(secret: bytes, event_id: str, count: int) -> tuple[bytes, ...]:
    """Salts of the fields of an event."""
    key = hmac.digest(_extracted(secret), event_id.encode() + b"\x01", "sha256")
    stream = hashlib.shake_256(key).digest(SALT_BYTES * count)
    return tuple([stream[start : start + SALT_BYTES] for start in range(0, len(stream), SALT_BYTES)])


@lru_cache(maxsize=256)
def _extracted(secret: bytes) -> bytes:
    return hmac.digest(FORMAT.encode(), secret, "sha256")


def commitment(salt: bytes, line: str) -> bytes:
    """``SHA-256(salt ‖ pointer ‖ 0x0A ‖ value)``."""
    return hashlib.sha256(salt + line.encode()).digest()


@dataclass(frozen=True, slots=True)
class FieldTree:
    """Fields of an answer as lines with their salts, and the tree over their commitments."""

    lines: tuple[bytes, ...]
    salts: tuple[bytes, ...]
    commitments: tuple[bytes, ...]
    frontier: Frontier

    @classmethod
    def of(cls, answer: Any, secret: bytes, event_id: str, text: JsonText = json_text) -> Self | None:
        """Tree of an answer; None for one without fields, or with more than `MAX_FIELDS`. O(n log n).

        `text` is a faster way to the same JSON text, where there is one.
        """
        lines = lines_of(answer, text)
        if not 0 < len(lines) <= MAX_FIELDS:
            return None
        each = salts(secret, event_id, len(lines))
        sha256 = hashlib.sha256
        found = tuple([sha256(salt + line).digest() for salt, line in zip(each, lines, strict=True)])
        leaves = map(bucket_leaf, _buckets(sorted(found)))
        return cls(tuple(lines), each, found, Frontier().appended(leaves))

    @property
    def digest(self) -> bytes:
        """What the entry of the log says of the fields."""
        return fields_digest(len(self.lines), self.frontier.root)

    def disclosed(self, pointers: Iterable[str], entry: str, receipt: str) -> Disclosure:
        """The fields at these pointers, or below them, with what proves them; the empty pointer is the whole answer.

        Raises
        ------
        InvalidInput
            Naming the pointer that is none of this answer.
        """
        fields, chosen = [*map(Field.of, self.lines)], set[int]()
        names = [field.pointer for field in fields]
        for place, pointer in enumerate(pointers):
            below = f"{pointer}/"
            hits = [at for at, name in enumerate(names) if name == pointer or name.startswith(below)]
            if not hits:
                rule = "must point to a field of the answer, or to what holds some"
                raise InvalidInput(f"fields.{place}", rule, pointer, "a member of an item of a list is one field")
            chosen.update(hits)
        ordered = sorted(self.commitments)
        numbers = {value: place // BUCKET for place, value in enumerate(ordered)}
        buckets = _buckets(ordered)
        at = batch_subtrees(Frontier(), [bucket_leaf(item) for item in buckets])
        needed = sorted({numbers[self.commitments[place]] for place in chosen})
        return Disclosure(
            entry=entry,
            receipt=receipt,
            count=len(fields),
            root=self.frontier.root,
            fields=tuple(Shown(fields[place], self.salts[place]) for place in sorted(chosen)),
            buckets={
                number: Bucket(tuple(buckets[number]), tuple(inclusion_proof(number, len(buckets), at)))
                for number in needed
            },
        )


def _buckets(ordered: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [ordered[start : start + BUCKET] for start in range(0, len(ordered), BUCKET)]


def bucket_leaf(commitments: Sequence[bytes]) -> bytes:
    """Leaf hash of a bucket."""
    return leaf_hash(b"".join(commitments))


def fields_digest(count: int, root: bytes) -> bytes:
    """Digest of a field tree: its size and its root."""
    return hashlib.sha256(_FIELDS + count.to_bytes(_COUNT_BYTES, "big") + root).digest()


class Shown(NamedTuple):
    """A field that is shown, with its salt."""

    field: Field
    salt: bytes


class Bucket(NamedTuple):
    """Commitments of a bucket, and its inclusion proof."""

    commitments: tuple[bytes, ...]
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """Some fields of a recorded answer, and what proves that they were recorded.

    Parameters
    ----------
    entry, receipt : str
        Canonical entry of the log, and its receipt.
    count, root : int, bytes
        Number of fields of the answer, and root of their tree.
    fields : tuple of Shown
        What is shown.
    buckets : mapping
        The buckets of their commitments, by number.
    """

    entry: str
    receipt: str
    count: int
    root: bytes
    fields: tuple[Shown, ...]
    buckets: Mapping[int, Bucket]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format": FORMAT,
            "entry": self.entry,
            "receipt": self.receipt,
            "field_count": self.count,
            "root": base64_text(self.root),
            "fields": [
                {"pointer": field.pointer, "value": field.value, "salt": base64_text(salt)}
                for field, salt in self.fields
            ],
            "buckets": [
                {
                    "number": number,
                    "commitments": [base64_text(item) for item in bucket.commitments],
                    "path": [base64_text(item) for item in bucket.path],
                }
                for number, bucket in sorted(self.buckets.items())
            ],
        }

    @classmethod
    def parse(cls, document: Any) -> Self:
        """The disclosure of a JSON value.

        Raises
        ------
        InvalidInput
            Naming the member that is missing, superfluous or malformed.
        """
        form = (
            ("format", str), ("entry", str), ("receipt", str), ("field_count", int), ("root", str), ("fields", list),
            ("buckets", list),
        )  # fmt: skip
        check_canonical(document, "")
        made, entry, receipt, count, root, rows, groups = _members(document, "", form)
        if made != FORMAT:
            raise InvalidInput("format", f"must be {FORMAT}", made)
        fields, buckets = [], {}
        for place, row in enumerate(rows):
            where = f"fields.{place}"
            pointer, value, salt = _members(row, where, (("pointer", str), ("value", str), ("salt", str)))
            fields.append(Shown(Field(pointer, value), _sized(salt, f"{where}.salt", SALT_BYTES)))
        for place, row in enumerate(groups):
            where = f"buckets.{place}"
            number, held, path = _members(row, where, (("number", int), ("commitments", list), ("path", list)))
            if number in buckets:
                raise InvalidInput(f"{where}.number", "must be given once", number)
            buckets[number] = Bucket(_hashes(held, f"{where}.commitments"), _hashes(path, f"{where}.path"))
        return cls(
            entry=entry,
            receipt=receipt,
            count=count,
            root=_sized(root, "root", HASH_BYTES),
            fields=tuple(fields),
            buckets=buckets,
        )


class Proved(NamedTuple):
    """What a disclosure proves: the entry, its number in the log of `size` entries, and the fields by pointer."""

    number: int
    size: int
    entry: dict[str, Any]
    fields: dict[str, str]


def check_disclosure(shown: Disclosure, log: VerifierKey, check: Check) -> Proved:
    """What a disclosure proves, checked without a service or a secret.

    Raises
    ------
    InvalidInput
        Naming the part that proves nothing.
    """
    index, head = check_receipt(shown.receipt, shown.entry.encode(), log, check)
    entry = json.loads(shown.entry)
    if entry.get("fields") is None:
        raise InvalidInput("entry", "must commit to fields: entries of version 1, and of facts, do not", entry.get("v"))
    if not 0 < shown.count <= MAX_FIELDS or entry["fields"] != digest_text(fields_digest(shown.count, shown.root)):
        raise InvalidInput("root", "must be that of the fields in the entry", base64_text(shown.root))
    held: set[bytes] = set()
    for number, bucket in shown.buckets.items():
        _check_bucket(shown, number, bucket)
        held.update(bucket.commitments)
    found: dict[str, str] = {}
    for field, salt in shown.fields:
        if field.pointer in found:
            raise InvalidInput("fields", "must show each field once", field.pointer)
        if commitment(salt, field.line) not in held:
            raise InvalidInput("fields", "must be what was committed to", field.pointer)
        found[field.pointer] = field.value
    return Proved(index, head.size, entry, found)


def _check_bucket(shown: Disclosure, number: int, bucket: Bucket) -> None:
    count = -(-shown.count // BUCKET)
    size = min(BUCKET, shown.count - BUCKET * number)
    if len(bucket.commitments) != size or any(left >= right for left, right in pairwise(bucket.commitments)):
        raise InvalidInput("buckets", f"must hold {size} sorted commitments each", number)
    if not verify_inclusion(number, count, bucket_leaf(bucket.commitments), bucket.path, shown.root):
        raise InvalidInput("buckets", "must be in the tree of the fields", number)


def _members(value: Any, where: str, form: Sequence[tuple[str, type]]) -> list[Any]:
    names = {name for name, _ in form}
    if type(value) is not dict or value.keys() != names:
        raise InvalidInput(where or "disclosure", f"must be an object of {', '.join(sorted(names))}", type(value))
    for name, kind in form:
        if type(value[name]) is not kind:
            raise InvalidInput(f"{where}.{name}".lstrip("."), f"must be of type {kind.__name__}", value[name])
    return [value[name] for name, _ in form]


def _hashes(rows: Sequence[Any], where: str) -> tuple[bytes, ...]:
    if not all(type(row) is str for row in rows):
        raise InvalidInput(where, "must be a list of base64 texts", rows[:1])
    return tuple(_sized(row, where, HASH_BYTES) for row in rows)


def _sized(text: str, where: str, size: int) -> bytes:
    value = base64_bytes(text, where)
    if len(value) != size:
        raise InvalidInput(where, f"must be {size} bytes", len(value))
    return value
