"""Charges of a scenario margin that no scenario shows: contingencies, roll shock, least delta."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.core.annualization import SECONDS_PER_YEAR
from services.margin.scenario_book import UnderlyingBook
from services.margin.scenario_netting import roll_shock
from services.margin.scenario_preset import Contingencies, ScenarioPreset
from services.margin.scenario_pricing import OptionValues, settling_share


@dataclass(frozen=True, slots=True)
class Charge:
    """One contingency [quote], >= 0; `initial` comes on top of `maintenance`."""

    underlying: str
    kind: str
    initial: float
    maintenance: float


def contingencies(
    book: UnderlyingBook, values: OptionValues, rules: Contingencies, stable_price: float
) -> tuple[Charge, ...]:
    """Charges on sizes of one underlying.

    Notes
    -----
    Low confidence is charged block by block, as on the venue it is from: a collateral's is that of its own price and of
    spot; perpetuals add theirs; options have the least of all of these and of their own feeds.
    """
    spot = book.spot
    derivative = np.abs(book.linear.base[~book.linear.spot]).sum() * spot
    naked = float(values.naked.sum()) * spot
    found = [
        Charge(book.name, "perpetuals", rules.perpetual_initial * derivative, rules.perpetual_maintenance * derivative),
        Charge(book.name, "naked_shorts", rules.option_initial * naked, rules.option_maintenance * naked),
        *_haircuts(book, stable_price),
        Charge(book.name, "low_confidence", _doubts(book, values, rules, derivative, stable_price), 0.0),
    ]
    return tuple(Charge(one.underlying, one.kind, float(one.initial), float(one.maintenance)) for one in found
                 if one.initial or one.maintenance)  # fmt: skip


def _haircuts(book: UnderlyingBook, stable_price: float) -> list[Charge]:
    worth = [(item, max(item.amount, 0.0) * item.price / stable_price) for item in book.collateral]
    initial = sum(item.initial_haircut * value for item, value in worth)
    maintenance = sum(item.maintenance_haircut * value for item, value in worth)
    return [Charge(book.name, "collateral", initial, maintenance)]


def _doubts(
    book: UnderlyingBook, values: OptionValues, rules: Contingencies, derivative: float, stable_price: float
) -> float:
    confidence = book.spot_confidence
    total = sum(
        _doubt(min(item.confidence, confidence), max(item.amount, 0.0) * item.price / stable_price, rules)
        for item in book.collateral
    )
    if derivative:
        confidence = min(confidence, book.perpetual_confidence)
        total += _doubt(confidence, derivative, rules)
    for feed, gross in zip(values.expiries.feeds, values.gross.tolist(), strict=True):
        total += _doubt(min(confidence, feed.confidence), gross * book.spot, rules)
    return total


def _doubt(confidence: float, notional: float, rules: Contingencies) -> float:
    return (1.0 - confidence) * rules.confidence_rate * notional if confidence < rules.confidence_threshold else 0.0


def roll_charge(book: UnderlyingBook, values: OptionValues, preset: ScenarioPreset) -> float:
    """Roll shock of one underlying [quote]: deltas of options and futures of one expiry are one position."""
    if preset.roll is None:
        return 0.0
    linear = ~book.linear.spot
    seconds = np.concatenate([values.expiries.seconds, book.linear.seconds[linear]])
    delta = np.concatenate(
        [
            values.delta * values.expiries.forward * values.expiries.alive,
            (book.linear.base * book.linear.price)[linear],
        ]
    )
    times, place = np.unique(np.where(np.isinf(seconds), 0.0, np.maximum(seconds, 0.0)), return_inverse=True)
    positions = np.bincount(place, weights=delta, minlength=times.size)
    return roll_shock(positions, times / SECONDS_PER_YEAR, least=preset.roll.least, risk=preset.roll.risk)


def least_delta_charge(book: UnderlyingBook, values: OptionValues, preset: ScenarioPreset, cancelling: float) -> float:
    """``(net · |net delta| + hedged · (gross − |net|) / 2) · spot`` of one underlying [quote].

    `cancelling` is the risk-cancelling collateral [quote].
    """
    rule = preset.minimum_delta
    if rule is None:
        return 0.0
    alive = settling_share(book.linear.seconds, preset.settlement_seconds)
    positions = book.linear.base * alive
    collateral = cancelling / book.spot
    net = float((values.delta * values.expiries.alive).sum() + positions.sum() + collateral)
    gross = float(values.gross_delta.sum() + np.abs(positions).sum() + abs(collateral))
    return (rule.net * abs(net) + rule.hedged * max(gross - abs(net), 0.0) / 2.0) * book.spot
