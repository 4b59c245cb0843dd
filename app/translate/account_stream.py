"""Accounts that come as an Arrow stream, the head as JSON in the metadata of its schema; answers as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from app.problems import BrokenRule, RequestProblem
from app.translate.arrow_stream import ArrowStream
from models.api.base import DECIMAL_PATTERN
from models.api.margin_batch import LARGEST, MAX_ACCOUNTS, MAX_MARKETS, BatchHeadIn, BatchNamesIn
from services.core.explain import Floats

HEAD_KEY = b"trimtab"
"""Of the schema's metadata."""
FIRST = ("account", "equity")
"""Columns before those of the markets."""


class AccountTable(NamedTuple):
    """What was read: the head, names, equity, and (accounts, markets) positions."""

    head: BatchHeadIn
    names: list[str]
    equity: Floats
    contracts: Floats


def read_accounts(raw: bytes, parse: Callable[[bytes], Any]) -> AccountTable:
    """Accounts of a stream.

    Parameters
    ----------
    parse : callable
        Strict JSON of the head; raises `RequestProblem`.

    Raises
    ------
    RequestProblem
        400, 413, 415 as `ArrowStream`; 422 `invalid_request` without a head, or for columns that are not its own.
    ValidationError
        If the head or a name breaks a rule.
    """
    stream = ArrowStream(raw, MAX_MARKETS + len(FIRST))
    text = stream.metadata(HEAD_KEY)
    if text is None:
        rule = "the schema's metadata must hold markets and all else but the columns as JSON, under the key trimtab"
        raise RequestProblem("invalid_request", rule, [BrokenRule("", "missing", rule)])
    head = BatchHeadIn.model_validate(parse(text))
    _check_columns(stream, [market.symbol for market in head.markets])
    table = stream.table(MAX_ACCOUNTS)
    names = BatchNamesIn.model_validate({"accounts": table.column(0).to_pylist()}).accounts
    equity, *held = (_figures(column) for column in table.columns[1:])
    # Laid out as columns that came as JSON, so that sums round alike.
    return AccountTable(head, names, equity, np.stack(held).T)


def write_accounts(names: Sequence[str], figures: Mapping[str, Floats], status: list[str], rest: bytes) -> bytes:
    """A stream of one record batch: accounts, their figures (null where not a number), their status.

    Parameters
    ----------
    rest : bytes
        JSON, for the metadata.
    """
    columns = {
        "account": pa.array(names, pa.string()),
        **{name: pa.array(values, pa.float64(), from_pandas=True) for name, values in figures.items()},
        "status": pa.array(status, pa.string()),
    }
    batch = pa.record_batch(columns, metadata={HEAD_KEY: rest})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _check_columns(stream: ArrowStream, symbols: list[str]) -> None:
    """Columns must be those of the head in its order: names alone would not do, as a market may be called equity."""
    wanted = [*FIRST, *symbols]
    places = ["/accounts", "/equity", *(f"/quantities/{place}" for place in range(len(symbols)))]
    if len(stream.columns) != len(wanted):
        rule = f"must have {len(wanted)} columns: account, equity and one for each market; found {len(stream.columns)}"
        raise _refused(BrokenRule("", "columns", rule))
    for place, (name, (given, kind, told)) in enumerate(zip(wanted, stream.columns, strict=True)):
        if given != name:
            rule = f"column {place} must be {name}, as in the head, found {given[:64]!a}"
            raise _refused(BrokenRule(places[place], "columns", rule))
        if not (_is_text(kind) or (place > 0 and _is_number(kind))):
            rule = "must be of type utf8" + (
                ", or of numbers or decimals of a scale within their precision" if place else ""
            )
            raise _refused(BrokenRule(places[place], "column_type", f"{name} {rule}, found {told[:64]!a}"))


def _refused(rule: BrokenRule) -> RequestProblem:
    return RequestProblem("invalid_request", rule.detail, [rule])


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    if pa.types.is_decimal(kind):
        # Some other scales have no text.
        return bool(0 <= kind.scale <= kind.precision)
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _figures(column: pa.ChunkedArray) -> Floats:
    """One figure for each account; what is no number within 1e15 is NaN, which is an outcome of its account.

    Decimals go by way of their text: the library's own cast scales in floating point, and misses the nearest number for
    one in seven.
    """
    if _is_text(column.type):
        column = pc.if_else(pc.match_substring_regex(column, DECIMAL_PATTERN), column, None)
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.string())
    values = column.cast(pa.float64(), safe=False).to_numpy()
    return np.where(np.abs(values) <= LARGEST, values, np.nan)
