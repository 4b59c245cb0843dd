"""An account of the wire as a scenario book, a preset with its overrides, and the answer."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from app.translate.answer import money, stat, time_text
from app.translate.notes import Notes
from models.api.scenario_margin import (
    MarginExpiryIn,
    MarginLinearIn,
    MarginOptionIn,
    MarginOverridesIn,
    MarginUnderlyingIn,
    ScenarioAccountIn,
)
from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.margin.assembly import round_up
from services.margin.scenario_book import (
    Collateral,
    ExpiryFeed,
    LinearColumns,
    OptionColumns,
    ScenarioBook,
    UnderlyingBook,
)
from services.margin.scenario_margin import ORIGINS, ScenarioMargin, UnderlyingScenarios
from services.margin.scenario_preset import RegimeRange, Scenario, ScenarioPreset
from services.margin.scenario_presets import PRESETS
from services.margin.scenario_rows import STATES

UNITS = {
    "money": "the quote currency, `currency`; requirements are rounded up to 1e-8",
    "pnl": "the quote currency, gains positive",
    "move": "fraction of the price",
    "time": "ACT/365, years of 31,536,000 seconds",
    "valuation": "options at Black-76 with the implied volatility that was sent, not at the venue's mark",
}
SAME_FORWARD = 1e-9
"""Relative difference up to which two options of one expiry state the same forward or discount."""
Rows = Sequence[tuple[int, MarginOptionIn]]


def preset_of(request: ScenarioAccountIn) -> ScenarioPreset:
    """Preset of a request, with its overrides.

    Raises
    ------
    InvalidInput
        If the overrides contradict one another or the preset.
    """
    preset, changes = PRESETS[request.preset], request.overrides
    if changes is None:
        return preset
    if changes.price_range is not None and (changes.regime is not None or preset.regime is not None):
        rule = "must not be given with a price range that follows volatility"
        raise InvalidInput("overrides.price_range", rule, changes.price_range, "change overrides.regime")
    try:
        return replace(preset, **_changes(changes, preset))
    except InvalidInput as error:
        raise InvalidInput("overrides", f"break a rule of {request.preset}: {error}", overridden(request)) from error


def overridden(request: ScenarioAccountIn) -> list[str]:
    """Names of the overrides that were sent."""
    changes = request.overrides
    return [] if changes is None else sorted(n for n in changes.model_fields_set if getattr(changes, n) is not None)


def _changes(changes: MarginOverridesIn, preset: ScenarioPreset) -> dict[str, Any]:
    names = {"volatility_up": "up", "volatility_down": "down", "least_volatility_up": "least_up"}
    charges = ("perpetual_initial", "perpetual_maintenance", "option_initial", "option_maintenance",
               "confidence_threshold", "confidence_rate")  # fmt: skip
    plain = ("price_range", "initial_factor", "maintenance_factor", "maintenance_of_initial", "peg_threshold",
             "peg_factor")  # fmt: skip
    told = {name: value for name, value in changes if value is not None}
    found: dict[str, Any] = {name: told[name] for name in plain if name in told}
    found["volatility"] = replace(preset.volatility, **{names[name]: told[name] for name in names if name in told})
    found["contingencies"] = replace(preset.contingencies, **{name: told[name] for name in charges if name in told})
    if changes.regime is not None:
        found["regime"] = RegimeRange(**changes.regime.model_dump())
    if changes.scenarios is not None:
        found["scenarios"] = tuple(Scenario(**item.model_dump()) for item in changes.scenarios)
    return found


def book_of(request: ScenarioAccountIn, as_of: datetime, notes: Notes) -> ScenarioBook:
    """Book of a request.

    Raises
    ------
    InvalidInput
        If an option that has not expired has no volatility, or options of one expiry state different markets.
    """
    options: dict[str, list[tuple[int, MarginOptionIn]]] = defaultdict(list)
    linear: dict[str, list[MarginLinearIn]] = defaultdict(list)
    for place, item in enumerate(request.positions):
        if isinstance(item, MarginOptionIn):
            options[item.underlying].append((place, item))
        else:
            linear[item.underlying].append(item)
            _remark_expired(item.symbol, item.expiry, as_of, notes)
    return ScenarioBook(
        underlyings=tuple(
            _underlying(place, item, options[item.underlying], linear[item.underlying], as_of, notes)
            for place, item in enumerate(request.underlyings)
        ),
        cash=float(request.cash),
        stable_price=float(request.stable_price),
    )


def _underlying(
    place: int,
    item: MarginUnderlyingIn,
    options: Rows,
    linear: Sequence[MarginLinearIn],
    as_of: datetime,
    notes: Notes,
) -> UnderlyingBook:
    where = f"underlyings.{place}"
    return UnderlyingBook(
        name=item.underlying,
        spot=float(item.spot),
        expiries=_feeds(where, item.expiries, options, as_of),
        options=_options(options, as_of, notes),
        linear=_linear(linear, as_of),
        collateral=tuple(
            _collateral(f"{where}.collateral.{row}", place, row, item, notes) for row in range(len(item.collateral))
        ),
        volatility=item.volatility,
        netting_offset=item.netting_offset,
        spot_confidence=item.spot_confidence,
        perpetual_confidence=item.perpetual_confidence,
    )


def _feeds(where: str, told: Sequence[MarginExpiryIn], options: Rows, as_of: datetime) -> tuple[ExpiryFeed, ...]:
    known = {item.expiry: item for item in told}
    if len(known) != len(told):
        raise InvalidInput(f"{where}.expiries", "must hold every expiry once", [time_text(e.expiry) for e in told])
    by_expiry: dict[datetime, list[tuple[int, MarginOptionIn]]] = defaultdict(list)
    for place, option in options:
        by_expiry[option.terms.expiry].append((place, option))
    feeds = []
    for expiry, held in by_expiry.items():
        given = known.get(expiry)
        forward = _agreed("forward", held, given and given.forward)
        discount = _agreed("discount", held, given and given.discount)
        years = (expiry - as_of).total_seconds() / SECONDS_PER_YEAR
        feeds.append(
            ExpiryFeed(
                seconds=(expiry - as_of).total_seconds(),
                forward=forward,
                rate=-math.log(discount) / years if years > 0.0 else 0.0,
                confidence=1.0 if given is None else given.confidence,
                name=time_text(expiry),
            )
        )
    return tuple(feeds)


def _agreed(name: str, held: Rows, given: Any) -> float:
    """Figure of an expiry: the one that was given for it, else the one that all of its options state."""
    if given is not None:
        return float(given)
    first = float(getattr(held[0][1].terms, name))
    for place, option in held:
        other = float(getattr(option.terms, name))
        if abs(other - first) > SAME_FORWARD * first:
            rule = f"must be {first:g} as of the other options that expire at {time_text(option.terms.expiry)}"
            remedy = "or give one for that expiry in underlyings[].expiries"
            raise InvalidInput(f"positions.{place}.terms.{name}", rule, other, remedy)
    return first


def _options(held: Rows, as_of: datetime, notes: Notes) -> OptionColumns:
    rows = []
    for place, item in held:
        seconds = (item.terms.expiry - as_of).total_seconds()
        if item.implied_volatility is None and seconds > 0.0:
            rule = "must be given until the option expires: a margin without it would leave a risk out"
            raise InvalidInput(f"positions.{place}.implied_volatility", rule, None)
        _remark_expired(item.symbol, item.terms.expiry, as_of, notes)
        size = float(item.quantity) * float(item.multiplier)
        rows.append((seconds, float(item.terms.strike), item.terms.sign, size, item.implied_volatility or 0.0))
    columns = np.array(rows, dtype=np.float64).reshape(-1, 5).T
    return OptionColumns(
        seconds=columns[0], strike=columns[1], right=columns[2], quantity=columns[3], volatility=columns[4]
    )


def _linear(held: Sequence[MarginLinearIn], as_of: datetime) -> LinearColumns:
    size = np.array([float(item.quantity) * float(item.multiplier) for item in held], dtype=np.float64)
    price = np.array([float(item.mark_price) for item in held], dtype=np.float64)
    inverse = np.array([item.kind == "inverse" for item in held], dtype=np.bool_)
    seconds = [math.inf if item.expiry is None else (item.expiry - as_of).total_seconds() for item in held]
    return LinearColumns(
        base=np.where(inverse, size / price, size),
        price=price,
        seconds=np.array(seconds, dtype=np.float64),
        spot=np.array([item.kind == "spot" for item in held], dtype=np.bool_),
        unrealized=math.fsum(float(item.unrealized_pnl) + float(item.unsettled_funding) for item in held),
        inverse=inverse,
    )


def _collateral(where: str, place: int, row: int, item: MarginUnderlyingIn, notes: Notes) -> Collateral:
    coin = item.collateral[row]
    if coin.price is None:
        notes.assume(f"/underlyings/{place}/collateral/{row}/price", str(item.spot), "the spot price of its underlying")
    if coin.maintenance_haircut + coin.initial_haircut > 1.0:
        rule = "and maintenance_haircut must be at most 1 together"
        raise InvalidInput(f"{where}.initial_haircut", rule, coin.initial_haircut)
    return Collateral(
        amount=float(coin.amount),
        price=float(item.spot if coin.price is None else coin.price),
        maintenance_haircut=coin.maintenance_haircut,
        initial_haircut=coin.initial_haircut,
        risk_cancelling=coin.risk_cancelling,
        confidence=coin.confidence,
    )


def _remark_expired(symbol: str, expiry: datetime | None, as_of: datetime, notes: Notes) -> None:
    if expiry is not None and expiry <= as_of:
        notes.warn("expired", "past its expiry: counted at its pay-off, which no longer moves", symbol)


def answer_blocks(found: ScenarioMargin, worst_count: int) -> dict[str, Any]:
    """Figures of an answer."""
    initial, maintenance = (float(round_up(value)) for value in (found.initial, found.maintenance))
    return {
        "initial_margin": money(initial),
        "maintenance_margin": money(maintenance),
        "equity": money(found.equity),
        "net_initial": money(found.equity - initial),
        "net_maintenance": money(found.equity - maintenance),
        "initial_met": found.equity >= initial,
        "maintenance_met": found.equity >= maintenance,
        "bound": found.bound,
        "scenario": found.scenario,
        "worst": stat(found.worst),
        "initial_factor": stat(found.initial_factor),
        "scenario_initial": money(float(round_up(found.scenario_initial))),
        "basis": stat(found.basis),
        "roll": stat(found.roll),
        "least_delta": stat(found.least_delta),
        "charges": [
            {
                "underlying": one.underlying,
                "kind": one.kind,
                "initial": money(float(round_up(one.initial))),
                "maintenance": money(float(round_up(one.maintenance))),
            }
            for one in found.charges
        ],
        "scenario_pnl": [stat(value) for value in found.pnl.tolist()],
        "worst_scenarios": worst_blocks(found, worst_count),
        "underlyings": [
            {
                "underlying": one.name,
                "price_range": stat(one.price_range),
                "value": money(one.value),
                "basis": stat(one.basis),
                "roll": stat(one.roll),
                "least_delta": stat(one.least_delta),
                "scenario_pnl": [stat(value) for value in one.pnl.tolist()],
            }
            for one in found.underlyings
        ],
    }


def worst_blocks(found: ScenarioMargin, count: int) -> list[dict[str, Any]]:
    """The worst scenarios, explained."""
    return [_scenario(found, index) for index in found.worst_scenarios(count)]


def _scenario(found: ScenarioMargin, index: int) -> dict[str, Any]:
    pnl = float(found.pnl[index])
    return {
        "index": index,
        "volatility": STATES[int(found.underlyings[0].rows.state[index])],
        "pnl": stat(pnl),
        "netting": stat(min(pnl - math.fsum(float(one.pnl[index]) for one in found.underlyings), 0.0)),
        "underlyings": [_part(one, index) for one in found.underlyings],
    }


def _part(one: UnderlyingScenarios, index: int) -> dict[str, Any]:
    names = [feed.name for feed in one.expiries.feeds]
    return {
        "underlying": one.name,
        "move": stat(float(one.rows.move[index])),
        "damping": stat(float(one.rows.damping[index])),
        "pnl": stat(float(one.pnl[index]) + 0.0),
        # Adding 0 makes a negative zero plain.
        **{name: stat(float(value) + 0.0) for name, value in zip(ORIGINS, one.origins[:, index], strict=True)},
        "linear": stat(float(one.linear[index]) + 0.0),
        "collateral": stat(float(one.collateral[index]) + 0.0),
        "by_expiry": [
            {"expiry": name, "pnl": stat(value)}
            for name, value in zip(names, one.by_expiry[index].tolist(), strict=True)
        ],
    }
