"""Margin of one book, with the block of an account that is margined as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.translate.answer import margin_block, money, stat
from app.translate.notes import Notes
from app.translate.scenario_margin import worst_blocks
from app.translate.snapshot import names
from services.core.instrument import Kind
from services.core.outcome import Reason
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import MarginFigures, PortfolioMargin
from services.engine.portfolio_margin import rules_of

WORST = 3
"""Scenarios that are explained."""


def margin_of(inputs: EvaluationInputs, figures: MarginFigures, columns: BookColumns) -> dict[str, Any]:
    """Margin of one book: the sum of its rows, or of the account as a whole."""
    block = margin_block(inputs, figures, columns)
    if figures.portfolio is None:
        return block
    block["method_used"] = [f"scenario:{figures.portfolio.preset}"]
    return {**block, "portfolio": _whole(inputs, figures, figures.portfolio)}


def _whole(inputs: EvaluationInputs, figures: MarginFigures, whole: PortfolioMargin) -> dict[str, Any]:
    separate = float(np.sum(figures.initial)) if np.isfinite(figures.initial).all() else None
    found = whole.found
    prices = zip(whole.underlyings, figures.liquidations, strict=True)
    tightened = {} if inputs.policy.contagion is None else {"contagion_multiplier": stat(whole.multiplier)}
    return {
        "preset": whole.preset,
        **tightened,
        "bound": "none" if found is None else found.bound,
        "worst": None if found is None else stat(found.worst),
        "separate_initial": None if separate is None else money(separate),
        "benefit": None if separate is None else money(separate - whole.initial),
        "worst_scenarios": [] if found is None else worst_blocks(found, WORST),
        "liquidations": [
            {"underlying": book.name, "down": _price(found.down), "up": _price(found.up)} for book, found in prices
        ],
        "unmodelled": [{"symbol": inputs.rows[item.row].symbol, "detail": item.detail} for item in whole.unmodelled],
    }


def _price(value: float | None) -> str | None:
    return None if value is None else money(value)


def tell_portfolio(inputs: EvaluationInputs, notes: Notes) -> None:
    """What the scenarios of an account take for granted."""
    if inputs.account.margin_mode != "portfolio":
        return
    rules = rules_of(inputs)
    if inputs.policy.margin.portfolio is None:
        notes.assume("/policy/margin/portfolio", rules.preset, "whose scenarios the account is margined by")
    options = [
        row.symbol
        for row in inputs.rows
        if row.instrument.kind is Kind.OPTION and row.quantity and row.problem is not Reason.EXPIRED
    ]
    if options:
        effect = f"for {names(options)}: valued at Black-76 without interest, coin-settled ones in money"
        notes.assume("/positions", "discount 1", effect)
    if inputs.account.collateral and inputs.policy.collateral is None:
        effect = "coin of an underlying counts in its scenarios, without a haircut"
        notes.assume("/account/collateral", "haircut 0", effect)
