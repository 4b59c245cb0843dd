"""An answer of the engine as tables for people: targets, orders, and the explanation of each size."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.core.outcome import REASON_TEXT, Reason

STATUS_STYLE = {"ok": "green", "limited": "yellow", "held": "cyan", "refused": "red"}


def show_answer(console: Console, answer: dict[str, Any], *, explain: bool) -> None:
    """Targets with their reasons, orders, then on demand every step, and what was assumed."""
    console.print(targets_table(answer))
    for row in answer.get("targets", ()):
        text = reason_text(row)
        if text:
            console.print(f"[bold]{escape(name_of(row))}[/] [dim]{row['reason']}[/]: {escape(text)}")
    if answer.get("orders"):
        console.print(orders_table(answer["orders"]))
    if explain:
        for row in answer.get("targets", ()):
            show_steps(console, row)
    for kind in ("assumptions", "warnings"):
        show_notes(console, kind, answer.get(kind, ()))


def name_of(row: dict[str, Any]) -> str:
    """Symbol, with venue, account and side where given."""
    parts = [row["symbol"], *(row[key] for key in ("venue", "account_id", "position_side") if key in row)]
    return " · ".join(parts)


def reason_text(row: dict[str, Any]) -> str:
    """Why a target is what it is, unless the method alone decided."""
    if row["reason"] == Reason.NONE:
        return ""
    return str(row.get("detail") or REASON_TEXT[Reason(row["reason"])])


def targets_table(answer: dict[str, Any]) -> Table:
    """One line per target."""
    table = Table(title=f"Targets as of {answer['as_of']}, {answer['mode']}", title_justify="left", title_style="bold")
    for heading, side in (
        ("symbol", "left"), ("status", "left"), ("action", "left"), ("current", "right"), ("target", "right"), ("order", "right"),
        ("unit", "left"), ("notional", "right"), ("weight", "right"), ("volatility", "right"), ("reason", "left"),
    ):  # fmt: skip
        table.add_column(heading, justify="right" if side == "right" else "left", no_wrap=heading != "reason")
    for row in answer.get("targets", ()):
        table.add_row(*_target_cells(row))
    return table


def _target_cells(row: dict[str, Any]) -> list[str]:
    style = STATUS_STYLE.get(row["status"], "white")
    volatility = row.get("volatility")
    return [
        escape(name_of(row)),
        f"[{style}]{row['status']}[/]",
        row["action"],
        row["current_quantity"],
        row["target_quantity"] or "—",
        signed(row["order_quantity"]),
        row["quantity_unit"],
        amount(row.get("target_notional")),
        percent(row.get("weight")),
        percent(volatility["annual"]) if volatility else "—",
        row["reason"] if row["reason"] != Reason.NONE else "",
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


def orders_table(orders: list[dict[str, Any]]) -> Table:
    """One line per order leg."""
    table = Table(title="Orders", title_justify="left", title_style="bold")
    for heading in ("symbol", "side", "quantity", "unit", "limit price", "reduce only", "client order id"):
        table.add_column(heading, justify="right" if heading in ("quantity", "limit price") else "left")
    for order in orders:
        reduce_only = "yes" if order["reduce_only"] else "no"
        table.add_row(
            escape(name_of(order)), order["side"], order["quantity"], order["quantity_unit"], order["limit_price"], reduce_only, order["client_order_id"]
        )
    return table


def show_steps(console: Console, row: dict[str, Any]) -> None:
    """From raw size to final size: every stage, and what it multiplied by or was bound by."""
    if not row.get("steps"):
        return
    table = Table(title=f"Why {escape(name_of(row))}: {row['target_quantity']}", title_justify="left", title_style="bold")
    for heading in ("stage", "in", "out", "how"):
        table.add_column(heading, justify="right" if heading in ("in", "out") else "left")
    for step in row["steps"]:
        table.add_row(step["stage"], short(step["in"]), short(step["out"]), escape(how(step)))
    console.print(table)
    for binding in row.get("binding", ()):
        after = binding.get("next")
        following = f"; next {after['stage']} ({after['parameter']}) at {short(after['allowed'])}" if after else ""
        console.print(f"[dim]nearest limit: {binding['stage']} ({binding['parameter']}), slack {short(binding['slack'])} contracts{following}[/]")


def how(step: dict[str, Any]) -> str:
    """What a stage did.

    Examples
    --------
    >>> how({"parameter": "target_volatility", "factor": 0.5}), how({"parameter": "max_leverage", "bound_by": "max_leverage"})
    ('× 0.5 (target_volatility)', 'bound by max_leverage')
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
        head = f"{note['pointer']} = {note['value']}" if "pointer" in note else " ".join(filter(None, (note["code"], note.get("symbol"))))
        console.print(f"  {escape(head)}[dim]: {escape(note.get('effect') or note.get('detail', ''))}[/]")
