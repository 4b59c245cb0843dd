"""Margin mode of an account: what each mode needs of its rows, and what it assumes."""

from __future__ import annotations

import dataclasses

from app.translate.notes import Notes
from models.api.evaluation import SnapshotIn
from services.core.book import Row
from services.core.errors import InvalidInput
from services.core.instrument import Kind


def in_margin_mode(rows: tuple[Row, ...], request: SnapshotIn, notes: Notes) -> tuple[Row, ...]:
    """Rows as the margin mode of their account has them.

    Raises
    ------
    InvalidInput
        If a position is held without a wallet where each has its own, or with one where none has.

    Notes
    -----
    In mode `isolated` a row that is not held and has no wallet gets one of nothing: it is not opened.
    """
    mode = request.account.margin_mode
    if mode == "cross":
        return rows
    for place, item in enumerate(request.positions):
        if mode == "portfolio" and item.isolated_margin is not None:
            rule = "must not be given where account.margin_mode is portfolio: one margin backs the whole account"
            raise InvalidInput(f"positions.{place}.isolated_margin", rule, str(item.isolated_margin))
    if mode == "portfolio":
        return rows
    places: dict[tuple[str | None, ...], int] = {
        (item.symbol, item.venue, item.account_id, item.position_side): place
        for place, item in enumerate(request.positions)
    }
    empty = []
    for row in rows:
        if row.isolated_margin is not None or row.instrument.kind is Kind.SPOT:
            continue
        if row.quantity or row.open_buys or row.open_sells:
            place = places[(row.symbol, row.venue, row.account_id, row.position_side)]
            rule = "must be given where account.margin_mode is isolated: the equity of no other position backs it"
            raise InvalidInput(f"positions.{place}.isolated_margin", rule, None)
        empty.append(row.symbol)
    if empty:
        told = ", ".join(empty[:3]) + (f" and {len(empty) - 3} more" if len(empty) > 3 else "")
        notes.assume("/positions", "isolated_margin 0", f"for {told}: without a wallet of its own it is not opened")
    return tuple(
        dataclasses.replace(row, isolated_margin=0.0)
        if row.isolated_margin is None and row.instrument.kind is not Kind.SPOT
        else row
        for row in rows
    )
