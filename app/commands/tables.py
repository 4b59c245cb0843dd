"""An answer of the engine as tables for people: targets, orders, and the explanation of each size."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.commands.console import table
from services.core.outcome import REASON_TEXT, Reason

WIDE = 110
"""Columns of a terminal from which every column of the targets is shown."""
STATUS_STYLE = {"ok": "green", "limited": "yellow", "held": "cyan", "refused": "red"}


def show_answer(console: Console, answer: dict[str, Any], *, explain: bool) -> None:
    """Targets with their reasons, the book, orders, on demand every step, and what was assumed."""
    targets = answer.get("targets", [])
    console.print(targets_table(answer, wide=console.width >= WIDE))
    for row in targets:
        if text := reason_text(row):
            console.print(f"[bold]{escape(name_of(row))}[/] {row['reason']}: {escape(text)}")
    if text := book_text(answer):
        console.print(text, style="dim", markup=False)
    if answer.get("hedges"):
        console.print(hedges_table(answer["hedges"]))
    if answer.get("orders"):
        console.print(orders_table(answer["orders"]))
    if explain:
        for row in targets:
            show_steps(console, row)
    for kind in ("assumptions", "warnings"):
        show_notes(console, kind, answer.get(kind, []))


def book_text(answer: dict[str, Any]) -> str:
    """Volatility, leverage and margin of the book at target, in one line."""
    book, margin = answer.get("portfolio") or {}, (answer.get("margin") or {}).get("target")
    target = book.get("target_volatility")
    parts = []
    if book.get("forecast_volatility") is not None:
        aim = f" (target {percent(target)})" if target else ""
        parts.append(f"volatility {percent(book['forecast_volatility'])}{aim}")
    if book.get("gross_leverage") is not None:
        parts.append(f"gross leverage {book['gross_leverage']:.2f}")
    if margin:
        currency = margin["currency"]
        parts.append(
            f"margin {amount(margin['initial'])} initial, {amount(margin['maintenance'])} maintenance {currency}"
        )
    return f"Book at target: {'; '.join(parts)}" if parts else ""


def name_of(row: dict[str, Any]) -> str:
    """Symbol, with venue, account and side where given."""
    parts = [row["symbol"], *(row[key] for key in ("venue", "account_id", "position_side") if key in row)]
    return " · ".join(parts)


def reason_text(row: dict[str, Any]) -> str:
    """Why a target is what it is, unless the method alone decided."""
    if row["reason"] == Reason.NONE:
        return ""
    return str(row.get("detail") or REASON_TEXT[Reason(row["reason"])])


def targets_table(answer: dict[str, Any], *, wide: bool) -> Table:
    """One line per target; narrow terminals do without notional and unit."""
    title = f"Targets as of {answer['as_of'].replace('.000000Z', 'Z')} ({answer['mode']})"
    rows = table(title)
    rows.add_column("symbol", overflow="fold")
    rows.add_column("outcome", no_wrap=True)
    for heading in ("current", "target", "order", *(("unit", "notional") if wide else ()), "weight", "volatility"):
        rows.add_column(heading, justify="left" if heading == "unit" else "right", no_wrap=True)
    for row in answer.get("targets", []):
        rows.add_row(*_target_cells(row, wide=wide))
    return rows


def _target_cells(row: dict[str, Any], *, wide: bool) -> list[str]:
    style, volatility = STATUS_STYLE.get(row["status"], "white"), row.get("volatility")
    action = "" if row["action"] == "none" else f", {row['action']}"
    more = [row["quantity_unit"], amount(row.get("target_notional"))] if wide else []
    return [
        escape(name_of(row)),
        f"[{style}]{row['status']}{action}[/]",
        row["current_quantity"],
        row["target_quantity"] or "—",
        signed(row["order_quantity"]),
        *more,
        percent(row.get("weight")),
        percent(volatility["annual"]) if volatility else "—",
    ]


def signed(quantity: str | None) -> str:
    """Quantity with its sign, a dash for nothing to do.

    Examples
    --------
    >>> signed("0.5"), signed("-2"), signed("0"), signed(None)
    ('+0.5', '-2', '—', '—')
    """
    if quantity is None or Decimal(quantity) == 0:
        return "—"
    return quantity if quantity.startswith("-") else f"+{quantity}"


def amount(text: str | None) -> str:
    """Amount with thousands and two decimals.

    Examples
    --------
    >>> amount("12345.678"), amount(None)
    ('12,345.68', '—')
    """
    return "—" if text is None else f"{Decimal(text):,.2f}"


def percent(value: float | None) -> str:
    """Fraction as per cent.

    Examples
    --------
    >>> percent(0.4271), percent(None)
    ('42.7 %', '—')
    """
    return "—" if value is None else f"{100.0 * value:.1f} %"


def hedges_table(hedges: list[dict[str, Any]]) -> Table:
    """One line per underlying: delta before and after, and the order in contracts of the hedge instrument."""
    rows = table("Hedges")
    for heading in ("underlying", "hedge", "outcome", "delta", "after", "bound", "order"):
        rows.add_column(heading, justify="right" if heading in ("delta", "after", "bound", "order") else "left")
    for hedge in hedges:
        outcome = hedge["status"] if hedge["reason"] == Reason.NONE else f"{hedge['status']}: {hedge['reason']}"
        bound = hedge.get("band", {}).get("outer", hedge["max_delta"])
        deltas = [number(value) for value in (hedge["delta_before"], hedge["delta_after"], bound)]
        order = signed(hedge["quantity"])
        rows.add_row(escape(hedge["underlying"]), escape(hedge["symbol"]), outcome, *deltas, order)
    return rows


def number(value: float | None) -> str:
    """Statistic with at most five significant digits.

    Examples
    --------
    >>> number(1.23456789), number(None)
    ('1.2346', '—')
    """
    return "—" if value is None else f"{value:,.5g}"


def orders_table(orders: list[dict[str, Any]]) -> Table:
    """One line per order leg."""
    rows = table("Orders")
    for heading in ("symbol", "side", "quantity", "limit price", "reduce only", "client order id"):
        right = heading in ("quantity", "limit price")
        rows.add_column(heading, justify="right" if right else "left", overflow="fold")
    for order in orders:
        reduce_only = "yes" if order["reduce_only"] else "no"
        what = (order["side"], order["quantity"], order["limit_price"], reduce_only, order["client_order_id"])
        rows.add_row(escape(name_of(order)), *what)
    return rows


def show_steps(console: Console, row: dict[str, Any]) -> None:
    """From raw size to final size: every stage, and what it multiplied by or was bound by."""
    if not row.get("steps"):
        return
    rows = table(f"Why {escape(name_of(row))}: {row['target_quantity']}")
    for heading in ("stage", "in", "out", "how"):
        rows.add_column(heading, justify="right" if heading in ("in", "out") else "left")
    for step in row["steps"]:
        rows.add_row(step["stage"], short(step["in"]), short(step["out"]), escape(how(step)))
    console.print(rows)
    for binding in row.get("binding", []):
        limit = f"{binding['stage']} ({binding['parameter']}), slack {short(binding['slack'])} contracts"
        after = binding.get("next")
        following = f"; next {after['stage']} at {short(after['allowed'])}" if after else ""
        console.print(f"Nearest limit: {limit}{following}", style="dim", markup=False)


def how(step: dict[str, Any]) -> str:
    """What a stage did.

    Examples
    --------
    >>> how({"parameter": "sizing.target_volatility", "factor": 0.5})
    '× 0.5 (sizing.target_volatility)'
    >>> how({"parameter": "limits.max_leverage", "bound_by": "limits.max_leverage"})
    'bound by limits.max_leverage'
    """
    if "bound_by" in step:
        return f"bound by {step['bound_by']}"
    return f"× {step['factor']:.6g} ({step['parameter']})" if "factor" in step else str(step["parameter"])


def short(text: str) -> str:
    """Number of the explanation with at most eight significant digits.

    Examples
    --------
    >>> short("0.123456789012"), short("120000")
    ('0.12345679', '120,000')
    """
    return f"{float(text):,.8g}"


def show_notes(console: Console, kind: str, notes: list[dict[str, Any]]) -> None:
    """Assumptions or warnings."""
    if not notes:
        return
    console.print(f"[bold]{kind.capitalize()}[/]")
    for note in notes:
        head = (
            f"{note['pointer']} = {note['value']}"
            if "pointer" in note
            else " ".join(filter(None, (note["code"], note.get("symbol"))))
        )
        console.print(f"  {escape(head)}[dim]: {escape(note.get('effect') or note.get('detail', ''))}[/]")
