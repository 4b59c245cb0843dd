"""Bend streams of accounts and read them: `python -m tests.support.arrow_fuzz SEED COUNT`.

A process of its own, so that a fault of the library is an exit code and not the end of all tests. What is read must be
what the library's own reader makes of the stream, value by value; all else must be a problem of the service. Prints how
often each outcome came, and the most memory that the library held.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from decimal import Decimal
from random import Random
from typing import Any

import orjson
import pyarrow as pa
from pydantic import ValidationError

from app.body import parse_json
from app.problems import RequestProblem
from app.translate.account_stream import AccountTable, read_accounts
from tests.support.arrow import batch_of, written

ROWS = 24
NUMBERS = [0, 1, 2, 7, 8, 9, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1]
PLAIN = re.compile(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?\Z", re.ASCII)


def seeds() -> list[bytes]:
    """Streams of each type, in one batch and in several, and some that are refused."""
    body: dict[str, Any] = {
        "as_of": "2024-01-05T08:00:00Z",
        "markets": [{"symbol": f"M{place}", "mark_price": "100", "volatility": 0.5} for place in range(3)],
        "accounts": [f"account-{place}" for place in range(ROWS)],
        "equity": [None, *(100 + place for place in range(ROWS - 1))],
        "quantities": [[place - row for place in range(ROWS)] for row in range(3)],
    }
    found = [
        written(batch_of(body, kind), rows) for kind in (pa.float64(), pa.float32(), pa.int32()) for rows in (5, ROWS)
    ]
    decimals = _each(body, lambda value: Decimal(value).scaleb(-2))
    found.append(written(batch_of(decimals, pa.decimal128(20, 4)), 9))
    found.append(written(batch_of(_each(body, lambda value: f"{value}.25"), pa.string()), 9))
    found.append(written(batch_of(_each(body, str), pa.large_string())))
    plain = batch_of(body)
    found += [written(plain, compression=codec) for codec in ("lz4", "zstd")]
    coded = pa.RecordBatch.from_arrays(
        [plain.column(0).dictionary_encode(), *plain.columns[1:]], names=plain.schema.names
    )
    found.append(written(coded.replace_schema_metadata(plain.schema.metadata)))
    return found


def _each(body: dict[str, Any], change: Any) -> dict[str, Any]:
    def of(column: list[Any]) -> list[Any]:
        return [None if value is None else change(value) for value in column]

    return body | {"equity": of(body["equity"]), "quantities": [of(column) for column in body["quantities"]]}


def bent(raw: bytes, random: Random) -> bytes:
    """A stream with one to four changes: bits, bytes, numbers at their places, parts that go or come twice."""
    changed = bytearray(raw)
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        place = random.randrange(len(changed))
        match random.randrange(12):
            case 0:
                changed[place] ^= 1 << random.randrange(8)
            case 1:
                changed[place] = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)])
            case 2 | 3 | 4 | 5:
                width = random.choice([2, 4, 8])
                place -= place % width
                value = random.choice([*NUMBERS, random.randrange(4096)]) % 2 ** (8 * width)
                changed[place : place + width] = value.to_bytes(width, "little")
            case 6 | 7 | 8 | 9:
                width = random.choice([2, 4, 8])
                place -= place % width
                old = int.from_bytes(changed[place : place + width], "little")
                moved = (old + random.choice([-8, -1, 1, 8, 64])) % 2 ** (8 * width)
                changed[place : place + width] = moved.to_bytes(width, "little")
            case 10:
                del changed[place : place + random.choice([1, 4, 8, 64, len(changed)])]
            case _:
                start = random.randrange(len(changed))
                changed[place:place] = changed[start : start + random.choice([8, 64, 512])]
        if not changed:
            break
    return bytes(changed)


def outcome(raw: bytes) -> str:
    """Status of the problem, or `read`."""
    try:
        found = read_accounts(raw, parse_json)
    except RequestProblem as problem:
        return str(problem.kind.status) if problem.detail.isascii() and len(problem.detail) < 400 else problem.detail
    except ValidationError:
        return "422"
    compare(found, pa.ipc.open_stream(raw).read_all())
    return "read"


def compare(found: AccountTable, table: pa.Table) -> None:
    """Each value against the library's own reader and Python's own numbers."""
    assert found.names == table.column(0).to_pylist()
    columns = [found.equity.tolist(), *found.contracts.T.tolist()]
    for mine, column in zip(columns, table.columns[1:], strict=True):
        for value, given in zip(mine, column.to_pylist(), strict=True):
            wanted = number(given)
            assert value == wanted or (math.isnan(value) and math.isnan(wanted)), (value, given)


def number(value: Any) -> float:
    """What a value of a column counts as."""
    if value is None or (isinstance(value, str) and not PLAIN.match(value)):
        return math.nan
    figure = float(value)
    return figure if abs(figure) <= 1e15 else math.nan


def main(seed: int, count: int) -> None:
    random, streams = Random(seed), seeds()
    counts: Counter[str] = Counter(f"unbent {outcome(raw)}" for raw in streams)
    for _ in range(count):
        counts[outcome(bent(random.choice(streams), random))] += 1
    print(orjson.dumps({"outcomes": counts, "most_bytes": pa.default_memory_pool().max_memory()}).decode())


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:3]))
