"""Scenario (risk-matrix) portfolio margin: what an account of options, perpetuals and spot must be backed by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.core.explain import Floats
from services.margin.scenario_book import ScenarioBook, UnderlyingBook
from services.margin.scenario_charges import Charge, contingencies, least_delta_charge, roll_charge
from services.margin.scenario_netting import netted_rows
from services.margin.scenario_preset import BasisShock, ScenarioPreset, StaticDiscount
from services.margin.scenario_pricing import Expiries, OptionValues, option_values, settling_share
from services.margin.scenario_rows import ScenarioRows, scenario_rows

Bound = Literal["scenario", "skew", "basis", "minimum_delta", "none"]
ORIGINS = ("delta", "gamma", "vega", "discount", "residual")
"""Parts of a scenario's profit and loss of one underlying; they add up to it."""


@dataclass(frozen=True, slots=True)
class UnderlyingScenarios:
    """Scenarios of one underlying.

    Parameters
    ----------
    name : str
    price_range : float
        That its grid was built with [fraction].
    rows : ScenarioRows
    expiries : Expiries
        That hold options.
    pnl : (s,) array
        [quote], damped.
    by_expiry : (s, e) array
        Part of the options of each expiry.
    linear, collateral : (s,) arrays
        Parts of linear positions and of risk-cancelling collateral.
    origins : (5, s) array
        `pnl` by origin, as `ORIGINS`: delta (linear and collateral included), gamma and vega of today, the static
        discount, and what a second-order expansion does not see.
    basis : float
        Basis contingency, <= 0 [quote].
    roll, least_delta : float
        [quote], >= 0.
    value : float
        Options, spot, collateral and unrealised profit [quote].
    """

    name: str
    price_range: float
    rows: ScenarioRows
    expiries: Expiries
    pnl: Floats
    by_expiry: Floats
    linear: Floats
    collateral: Floats
    origins: Floats
    basis: float
    roll: float
    least_delta: float
    value: float


Valued = tuple[UnderlyingScenarios, Sequence[Charge]]
"""Scenarios of one underlying, and its contingencies."""


@dataclass(frozen=True, slots=True)
class ScenarioMargin:
    """Requirement of an account, and what set it.

    Parameters
    ----------
    initial, maintenance : float
        Requirements [quote], >= 0, initial >= maintenance.
    equity : float
        Mark-to-market value of everything, cash included [quote].
    worst : float
        Worst candidate, <= 0 [quote]: the least of 0, the netted scenarios and the basis contingency.
    bound : {"scenario", "skew", "basis", "minimum_delta", "none"}
        Which candidate that is; `minimum_delta` where the least charge exceeds the scenarios'.
    scenario : int or None
        Index of the worst scenario; None unless a scenario or a skew bound.
    initial_factor : float
        Applied to `worst`, the surcharge for a stablecoin off its peg included.
    scenario_initial : float
        Part of `initial` that scenarios, basis, least delta and roll shock make.
    roll, basis, least_delta : float
        [quote], over all underlyings.
    pnl : (s,) array
        Netted profit and loss by scenario [quote].
    charges : tuple of Charge
        Contingencies by underlying and kind.
    underlyings : tuple of UnderlyingScenarios
    """

    initial: float
    maintenance: float
    equity: float
    worst: float
    bound: Bound
    scenario: int | None
    initial_factor: float
    scenario_initial: float
    roll: float
    basis: float
    least_delta: float
    pnl: Floats
    charges: tuple[Charge, ...]
    underlyings: tuple[UnderlyingScenarios, ...]

    @property
    def net_initial(self) -> float:
        """Equity less initial margin: new risk may be taken while it is >= 0."""
        return self.equity - self.initial

    @property
    def net_maintenance(self) -> float:
        """Equity less maintenance margin: compliant while it is >= 0."""
        return self.equity - self.maintenance

    def worst_scenarios(self, count: int) -> list[int]:
        """Indices of the scenarios with the least profit, the worst first; of equals the first."""
        return [int(index) for index in np.argsort(self.pnl, kind="stable")[:count]]


def scenario_margin(book: ScenarioBook, preset: ScenarioPreset) -> ScenarioMargin:
    r"""Initial and maintenance margin of an account under a preset.

    Scenario: ``Σ_e (D(V_e(shock)) − V_e) · damping + linear + collateral``; skew: ``−Σ_e |D(V_e(skew)) − V_e|``;
    basis: ``Σ_e min(V_e(up) − V_e, V_e(down) − V_e, 0) · (constant + per_year T)``; worst = the least of them and 0.

    ``initial = max(−worst · factor, least delta) + roll + contingencies`` and, unless it is a fraction of initial,
    ``maintenance = max(−worst, least delta / factor) · maintenance factor + roll + maintenance contingencies``.

    Parameters
    ----------
    book : ScenarioBook
    preset : ScenarioPreset

    Returns
    -------
    ScenarioMargin

    Raises
    ------
    InvalidInput
        If an option's expiry has no feed, or the price range follows a volatility that is not given.

    Notes
    -----
    A book without options needs no feeds. Past its expiry an option is its pay-off and no longer moves, as does the
    share of a delivery price that has been averaged. Coin-settled positions count in quote currency at the shocked
    price: pass the coin that backs them as collateral. The initial requirement jumps where a confidence crosses its
    threshold, and nowhere else in time: volatility shocks meet at 30 days, the averaging window at its start.
    Cost O(rows · nodes), see `option_values`.

    References
    ----------
    Derive v2, PMRM_2. Deribit, Portfolio Margin. CME SPAN (1988).

    Examples
    --------
    >>> from services.margin.scenario_book import LinearColumns
    >>> from services.margin.scenario_presets import DERIVE_PMRM2
    >>> perpetual = UnderlyingBook(name="BTC", spot=100.0, linear=LinearColumns.perpetual(1.0, 100.0))
    >>> found = scenario_margin(ScenarioBook(underlyings=(perpetual,), cash=30.0), DERIVE_PMRM2)
    >>> found.bound, round(found.initial, 10), round(found.maintenance, 10), round(found.net_initial, 10)
    ('scenario', 22.0, 17.4, 8.0)
    """
    return margin_of(book, preset, [valued(one, preset, book.stable_price) for one in book.underlyings])


def margin_of(book: ScenarioBook, preset: ScenarioPreset, found: Sequence[Valued]) -> ScenarioMargin:
    """`scenario_margin` of underlyings that are valued already: whoever moves one of them keeps the others."""
    parts = tuple(one for one, _ in found)
    charges = tuple(charge for _, own in found for charge in own)
    offsets = [1.0] if len(parts) == 1 else [one.netting_offset for one in book.underlyings]
    pnl = netted_rows([one.pnl for one in parts], offsets)
    basis, roll, least = (sum(getattr(one, name) for one in parts) for name in ("basis", "roll", "least_delta"))
    worst, bound, scenario = _worst(pnl, basis, parts[0].rows)
    factor = preset.initial_factor + max(0.0, preset.peg_threshold - book.stable_price) * preset.peg_factor
    if least > -worst * factor:
        bound, scenario = "minimum_delta", None
    scenario_initial = max(-worst * factor, least) + roll
    standing = sum(charge.maintenance for charge in charges)
    initial = scenario_initial + sum(charge.initial for charge in charges) + standing
    maintenance = (
        max(-worst, least / factor) * preset.maintenance_factor + roll + standing
        if preset.maintenance_of_initial is None
        else preset.maintenance_of_initial * initial
    )
    return ScenarioMargin(
        initial=initial,
        maintenance=maintenance,
        equity=book.cash + sum(one.value for one in parts),
        worst=worst,
        bound=bound,
        scenario=scenario,
        initial_factor=factor,
        scenario_initial=scenario_initial,
        roll=roll,
        basis=basis,
        least_delta=least,
        pnl=pnl,
        charges=charges,
        underlyings=parts,
    )


def _worst(pnl: Floats, basis: float, rows: ScenarioRows) -> tuple[float, Bound, int | None]:
    scenario = int(np.argmin(pnl))
    least = float(pnl[scenario])
    if min(least, basis) >= 0.0:
        return 0.0, "none", None
    if basis < least:
        return basis, "basis", None
    return least, "skew" if rows.skewed[scenario] else "scenario", scenario


def valued(book: UnderlyingBook, preset: ScenarioPreset, stable_price: float) -> Valued:
    """Scenarios and contingencies of one underlying; nothing in them depends on the others."""
    price_range = preset.range_of(book.name, book.volatility)
    rows = scenario_rows(preset, price_range)
    values = option_values(book, preset, rows)
    now = values.value[rows.base]
    worth = [(item, item.amount * item.price / stable_price) for item in book.collateral]
    cancelling = sum(value for item, value in worth if item.risk_cancelling)
    alive = settling_share(book.linear.seconds, preset.settlement_seconds)
    exposure = float((book.linear.base * book.linear.price * alive).sum())
    linear, collateral = exposure * rows.linear_move, cancelling * rows.move * rows.damping
    by_expiry, origins = _by_expiry(values, rows, preset)
    origins[0] += linear + collateral
    spot = float((book.linear.base * book.linear.price)[book.linear.spot].sum())
    part = UnderlyingScenarios(
        name=book.name,
        price_range=price_range,
        rows=rows,
        expiries=values.expiries,
        pnl=linear + collateral + by_expiry.sum(axis=1),
        by_expiry=by_expiry,
        linear=linear,
        collateral=collateral,
        origins=origins,
        basis=_basis(values, rows, preset.basis),
        roll=roll_charge(book, values, preset),
        least_delta=least_delta_charge(book, values, preset, cancelling),
        value=float(now.sum()) + book.linear.unrealized + spot + sum(value for _, value in worth),
    )
    return part, contingencies(book, values, preset.contingencies, stable_price)


def _by_expiry(values: OptionValues, rows: ScenarioRows, preset: ScenarioPreset) -> tuple[Floats, Floats]:
    """Damped profit and loss of the options by scenario and expiry, and by origin and scenario."""
    expiries, shocked = values.expiries, values.value[rows.row]
    discounted = _discounted(shocked, expiries, preset.discount)
    change = discounted - values.value[rows.base]
    # A skew may tilt either way: each expiry is charged the worse, so its parts turn around with it.
    factor = np.where(rows.skewed[:, None] & (change > 0.0), -1.0, 1.0) * rows.damping[:, None]
    move = expiries.forward * expiries.alive * rows.move[:, None]
    origins = np.zeros((len(ORIGINS), rows.move.size))
    origins[0] = (factor * values.delta * move).sum(axis=1)
    origins[1] = (factor * 0.5 * values.gamma * move**2).sum(axis=1)
    origins[2] = (factor * values.vega_move[rows.state]).sum(axis=1)
    origins[3] = (factor * (discounted - shocked)).sum(axis=1)
    by_expiry = factor * change
    origins[4] = by_expiry.sum(axis=1) - origins[:4].sum(axis=0)
    return by_expiry, origins


def _discounted(value: Floats, expiries: Expiries, rule: StaticDiscount | None) -> Floats:
    if rule is None:
        return value
    years, rate = expiries.years, expiries.rate
    long = rule.long_base * np.exp(-years * (rate * rule.long_multiplier + rule.long_spread))
    short = rule.short_base * np.exp(years * (rate * rule.short_multiplier + rule.short_spread))
    # min(1/df, short) without leaving the range of doubles.
    most = np.minimum(rate * years, 700.0)
    return value * np.where(value >= 0.0, long, np.minimum(np.exp(most), short))


def _basis(values: OptionValues, rows: ScenarioRows, rule: BasisShock | None) -> float:
    if rule is None:
        return 0.0
    change = values.value[[rows.basis_up, rows.basis_down]] - values.value[rows.base]
    worst = np.minimum(change.min(axis=0), 0.0)
    return float((worst * (rule.constant + rule.per_year * values.expiries.years)).sum())
