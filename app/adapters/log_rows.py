"""The tree of the log as both stores hold it: the queries, and rows as records. Parameters as in `audit_rows`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.adapters.audit_batch import LOG_ID
from app.adapters.audit_codec import body_digest, event_id_text
from app.adapters.audit_rows import Bodies, ReadMoment, ReadUuid
from services.audit.verify import StoredLeaf

# S608 below: the texts are put together from constants; values go through parameters.
HEAD = f"SELECT origin, size, root, frontier, verifier_key FROM log_head WHERE log_id = {LOG_ID}"  # noqa: S608
ADOPT_KEY = f"UPDATE log_head SET verifier_key = $1 WHERE log_id = {LOG_ID} AND verifier_key IS NULL"  # noqa: S608
CHANGE_KEY = f"UPDATE log_head SET verifier_key = $2 WHERE log_id = {LOG_ID} AND verifier_key = $1"  # noqa: S608
LEAVES = f"SELECT leaf FROM audit_entry WHERE log_id = {LOG_ID} AND idx >= $1 AND idx < $2 ORDER BY idx"  # noqa: S608
TILE = f"SELECT hashes FROM merkle_tile WHERE log_id = {LOG_ID} AND level = $1 AND number = $2"  # noqa: S608
PUT_TILE = (
    f"INSERT INTO merkle_tile (log_id, level, number, hashes) VALUES ({LOG_ID}, $1, $2, $3) "  # noqa: S608
    "ON CONFLICT (log_id, level, number) DO UPDATE SET hashes = excluded.hashes "
    "WHERE length(excluded.hashes) > length(merkle_tile.hashes)"
)
ENTRY_OF = "SELECT idx, entry, leaf, head_size FROM audit_entry WHERE tenant_id = $1 AND event_id = $2"
STREAM_HEAD = (
    f"SELECT stream_seq, leaf FROM audit_entry WHERE log_id = {LOG_ID} AND stream = $1 AND idx < $2 "  # noqa: S608
    "ORDER BY stream_seq DESC LIMIT 1"
)
SECRETS = "SELECT tenant_id, stream_secret FROM tenant"
TILES = f"SELECT level, number, hashes FROM merkle_tile WHERE log_id = {LOG_ID} ORDER BY level, number"  # noqa: S608
ADD_COSIGNATURE = (
    f"INSERT INTO cosignature (log_id, size, witness, key_id, signature) VALUES ({LOG_ID}, $1, $2, $3, $4) "  # noqa: S608
    "ON CONFLICT (log_id, size, witness, key_id) DO NOTHING"
)
COSIGNATURES = (
    f"SELECT witness, key_id, signature FROM cosignature WHERE log_id = {LOG_ID} AND size = $1 "  # noqa: S608
    "ORDER BY witness, key_id"
)
_SIZES = (
    f"SELECT size FROM cosignature WHERE log_id = {LOG_ID} AND size >= $1 "  # noqa: S608
    "GROUP BY size HAVING count(DISTINCT witness) >= $2 ORDER BY size"
)
SIZES, NEWEST_SIZES = f"{_SIZES} LIMIT $3", f"{_SIZES} DESC LIMIT $3"
_STORED = (
    "e.idx, e.event_id, e.kind, e.recorded_at, e.tenant_id, e.portfolio_id, e.status, e.body_sha256, e.body_length, "
    "e.stream, e.stream_seq, e.entry, e.leaf, e.head_size"
)
STORED = f"SELECT {_STORED} FROM audit_entry e WHERE e.log_id = {LOG_ID} AND e.idx >= $1 ORDER BY e.idx LIMIT $2"  # noqa: S608
STORED_WITH_BODIES = (
    f"SELECT {_STORED}, b.body, b.base_sha256 FROM audit_entry e "  # noqa: S608
    "LEFT JOIN audit_body b ON b.log_id = e.log_id AND b.idx = e.idx "
    f"WHERE e.log_id = {LOG_ID} AND e.idx >= $1 ORDER BY e.idx LIMIT $2"
)

BASE_COLUMN = 15
"""Column of `STORED_WITH_BODIES` with the digest of the chunk that it takes to read the body."""
RETENTIONS = f"SELECT idx, content FROM audit_retention WHERE log_id = {LOG_ID} ORDER BY idx"  # noqa: S608
AGES = (
    f"SELECT idx, recorded_at, body_sha256, stored_length FROM audit_entry WHERE log_id = {LOG_ID} AND idx >= $1 "  # noqa: S608
    "ORDER BY idx LIMIT $2"
)
FORGET_KEYS = (
    "DELETE FROM idempotency WHERE (tenant_id, route, key) IN "
    "(SELECT tenant_id, route, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)"
)


def stored_leaf(row: Sequence[Any], moment: ReadMoment, identity: ReadUuid, bases: Bodies) -> StoredLeaf:
    """Row of `STORED`, or of `STORED_WITH_BODIES`, whose body is read and hashed."""
    blob = row[14] if len(row) > 14 else None
    base = bases.get(bytes(row[BASE_COLUMN])) if blob is not None and row[BASE_COLUMN] is not None else None
    return StoredLeaf(
        index=row[0],
        event_id=event_id_text(identity(row[1])),
        kind=row[2],
        recorded_at=moment(row[3]),
        tenant_id=row[4],
        portfolio_id=row[5],
        status=row[6],
        body_sha256=bytes(row[7]),
        body_length=row[8],
        stream=bytes(row[9]),
        stream_seq=row[10],
        entry=bytes(row[11]),
        leaf=bytes(row[12]),
        head_size=row[13],
        body_found=None if blob is None else body_digest(bytes(blob), row[8], base),
    )
