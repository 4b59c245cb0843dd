"""The pipeline from method to lots, over columns: one stage per line of the policy, in the canonical order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.core.explain import Bools, Floats, Trail
from services.sizing.capital import Capital, FullCompounding
from services.sizing.columns import NO_RISK, SizingColumns
from services.sizing.conditions import Conditions
from services.sizing.damping import Damping, NoDamping, damp
from services.sizing.legs import NoSplit, Split, merged, split_rows, tie_legs
from services.sizing.limits import Limits
from services.sizing.overlay import Reported, apply_overlays, without_growth
from services.sizing.registry import Overlay, SizingMethod
from services.sizing.scaling import NoScaling, Scaling, ToVolatility


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLimits:
    """What the margin model, the venue and the instrument allow, per row.

    Parameters
    ----------
    initial_long, initial_short : (n,) arrays
        Initial margin rate of a long and of a short [fraction of notional].
    distance_long, distance_short : (n,) arrays
        Notional over free equity that keeps the liquidation price at the required distance (inf: no limit).
    maintenance_long, maintenance_short : (n,) arrays
        Maintenance margin rates [fraction of notional].
    max_contracts, max_leverage_contracts : (n,) arrays
        Venue limits on size and on leverage [contracts], inf where none.
    isolated : (n,) array
        Margin of isolated positions [account currency], NaN for cross: it alone carries the position.
    fixed_initial, fixed_maintenance : float
        Margin of what is not resized [account currency].
    margin_complete : bool
        False when a position's margin is neither modelled nor given, or what collateral counts is unknown: nothing is
        increased.
    uncounted_initial, uncounted_maintenance : float
        Equity that does not count for either margin: haircuts of collateral [account currency].
    opening_initial, opening_maintenance : float
        The same for increases alone, where a price is stale or a volatility unknown: at least as much.
    coin_loss_long, coin_loss_short : (n,) arrays, optional
        What coin that backs a row loses over the distance asked of a long and of a short [account currency].
    wallet_use : float, optional
        Part of an isolated margin that the initial margin of its position may use; None: only its distance to
        liquidation is looked at.
    """

    initial_long: Floats
    initial_short: Floats
    maintenance_long: Floats
    maintenance_short: Floats
    distance_long: Floats
    distance_short: Floats
    max_contracts: Floats
    max_leverage_contracts: Floats
    isolated: Floats
    fixed_initial: float = 0.0
    fixed_maintenance: float = 0.0
    margin_complete: bool = True
    uncounted_initial: float = 0.0
    uncounted_maintenance: float = 0.0
    opening_initial: float = 0.0
    opening_maintenance: float = 0.0
    coin_loss_long: Floats | None = None
    coin_loss_short: Floats | None = None
    wallet_use: float | None = None

    def initial(self, contracts: Floats) -> Floats:
        """Initial margin rate by the side of each row."""
        return np.where(contracts >= 0, self.initial_long, self.initial_short)

    def maintenance(self, contracts: Floats) -> Floats:
        """Maintenance margin rate by the side of each row."""
        return np.where(contracts >= 0, self.maintenance_long, self.maintenance_short)

    def coin_loss(self, contracts: Floats) -> Floats | float:
        """Loss of coin that backs a row, by the side of each row; 0 where none does."""
        if self.coin_loss_long is None or self.coin_loss_short is None:
            return 0.0
        return np.where(contracts >= 0, self.coin_loss_long, self.coin_loss_short)


def resized_rows(columns: SizingColumns, scope: str) -> Bools:
    """Rows that the method sizes: with a live signal in scope `instrument`, with a position or collateral in scope
    `book`.
    """
    chosen: Bools = columns.live if scope == "instrument" else columns.current != 0.0
    resized: Bools = columns.sizable & chosen
    return resized


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingRules:
    """Blocks of a policy around its method: on what capital, scaled to what, bent by what, how fast."""

    capital: Capital = FullCompounding()
    scaling: Scaling = NoScaling()
    split: Split = NoSplit()
    overlays: tuple[Overlay, ...] = ()
    damping: Damping = NoDamping()


@dataclass(frozen=True, slots=True)
class Sized:
    """Optimal sizes with their explanation, what each overlay did, and rows that are barred for another reason."""

    trail: Trail
    overlays: tuple[Reported, ...] = ()
    barred: Bools | None = None

    @property
    def blocked(self) -> Bools:
        """Rows that no increase is allowed of."""
        found = np.zeros(self.trail.value.shape, dtype=bool) if self.barred is None else self.barred.copy()
        for item in self.overlays:
            found |= item.on_increase == 0.0
        return found


def size_rows(
    columns: SizingColumns,
    method: SizingMethod,
    limits: Limits,
    rows: RowLimits,
    *,
    scope: str,
    rules: SizingRules | None = None,
    conditions: Conditions | None = None,
    tracking_factor: float = 1.0,
) -> Sized:
    """Optimal size of every row [signed contracts], unrounded: method and scaling, overlays, caps, damping.

    Sizes are divided by `tracking_factor`, what the book's realised volatility was of its target; it scales nothing up
    where the method would not.

    Raises
    ------
    ValueError
        If there are overlays and no `conditions`.
    """
    rules = rules or SizingRules()
    resized = resized_rows(columns, scope)
    trail = method_trail(columns, method, rules, resized, scope)
    if tracking_factor != 1.0:
        faulty = bool((columns.live & ~resized).any()) or not columns.risk_complete
        scale = 1.0 / (max(tracking_factor, 1.0) if faulty else tracking_factor)
        trail.multiply("tracking", np.where(resized, scale, 1.0), "tracking.returns")
    if columns.collateral.any():
        trail.apply(
            "collateral", np.where(resized, trail.value - columns.collateral, trail.value), "account.collateral"
        )
    keep_side(trail, columns)
    target = target_volatility_of(method, rules.scaling)
    reported = overlay_stage(trail, columns, rules, conditions, target, after_caps=False)
    keep_side(trail, columns)
    cap_margin_use(trail, columns, limits, rows)
    cap_opening_margin(trail, columns, limits, rows)
    cap_liquidation_distance(trail, columns, rows)
    cap_exposure(trail, columns, method, limits, rows)
    reported += overlay_stage(trail, columns, rules, conditions, target, after_caps=True)
    damp(trail, columns, rules.damping)
    hold_unpermitted(trail, columns, resized, rows)
    if method.tied:
        tie_legs(trail, columns)
    return Sized(trail, tuple(reported))


def method_trail(columns: SizingColumns, method: SizingMethod, rules: SizingRules, resized: Bools, scope: str) -> Trail:
    """What the method asks for on the capital of the policy, scaled."""
    book = columns.on_capital(rules.capital.sized_on(columns.equity, columns.control))
    splits = not isinstance(rules.split, NoSplit)
    if splits and scope == "instrument":
        book = merged(book, resized)
    trail = method.size_book(book, resized) if scope == "book" else method.size_instruments(book, resized)
    factor = rules.scaling.factor(book, trail.value, resized)
    if factor != 1.0:
        trail.multiply("scaling", np.where(resized, factor, 1.0), "scaling")
    if splits:
        split_rows(trail, columns, resized, rules.split)
    return trail


def overlay_stage(
    trail: Trail,
    columns: SizingColumns,
    rules: SizingRules,
    conditions: Conditions | None,
    target_volatility: float | None,
    *,
    after_caps: bool,
) -> list[Reported]:
    """Overlays of one of their two places in the pipeline."""
    if not rules.overlays:
        return []
    if conditions is None:
        raise ValueError("overlays need the conditions of the markets")
    return apply_overlays(
        trail, columns, rules.overlays, conditions, target_volatility=target_volatility, after_caps=after_caps
    )


def target_volatility_of(method: SizingMethod, scaling: Scaling) -> float | None:
    """Volatility that a policy aims at, where it aims at one [annual]."""
    if isinstance(scaling, ToVolatility):
        return scaling.target_volatility
    found: float | None = getattr(method, "target_volatility", None)
    return found


def cap_margin_use(trail: Trail, columns: SizingColumns, limits: Limits, rows: RowLimits) -> None:
    """Initial margin of the whole book <= max_margin_use × equity, by one ratio on the rows that can be resized."""
    use = np.abs(trail.value) * columns.unit_value * rows.initial(trail.value)
    free = limits.max_margin_use * (columns.equity - rows.uncounted_initial) - rows.fixed_initial
    cap_by_ratio(trail, "margin_use", use, free, columns.sizable, "limits.max_margin_use")
    if rows.wallet_use is not None:
        per_contract = columns.unit_value * rows.initial(trail.value)
        bounded = columns.sizable & ~np.isnan(rows.isolated) & (per_contract > 0.0)
        allowed = np.full(bounded.shape, np.inf)
        allowed[bounded] = rows.wallet_use * rows.isolated[bounded] / per_contract[bounded]
        trail.cap("isolated_margin", allowed, "positions.isolated_margin")


def cap_opening_margin(trail: Trail, columns: SizingColumns, limits: Limits, rows: RowLimits) -> None:
    """Increases take no margin from collateral whose price is stale; what is held is not closed for it.

    By one share m of all increases, ``kept + m (wanted − kept)``: the margin is convex in m, so the chord is above it.
    """
    if rows.opening_initial <= rows.uncounted_initial:
        return
    kept = np.where(columns.sizable, without_growth(columns.current, trail.value), trail.value)

    def use(contracts: Floats) -> float:
        needed = np.abs(contracts) * columns.unit_value * rows.initial(contracts)
        return float(needed[columns.sizable].sum())

    free = limits.max_margin_use * (columns.equity - rows.opening_initial) - rows.fixed_initial
    more = use(trail.value) - use(kept)
    if more <= 0.0 or use(trail.value) <= free:
        return
    after = kept + max((free - use(kept)) / more, 0.0) * (trail.value - kept)
    trail.bind("opening_margin", after, "policy.collateral")


def cap_liquidation_distance(trail: Trail, columns: SizingColumns, rows: RowLimits) -> None:
    """Each row's liquidation price stays at the required distance, the maintenance of the others paid from equity.

    Collateral that is stale or unknown pays for no increase, and closes nothing.
    """
    allowed = at_distance(trail.value, columns, rows, rows.uncounted_maintenance)
    trail.cap("liquidation_distance", allowed, "limits.min_liquidation_distance")
    if rows.opening_maintenance > rows.uncounted_maintenance:
        opening = at_distance(trail.value, columns, rows, rows.opening_maintenance)
        kept = np.abs(without_growth(columns.current, trail.value))
        size = np.minimum(np.abs(trail.value), np.maximum(opening, kept))
        trail.bind("opening_distance", np.copysign(size, trail.value), "policy.collateral")


def at_distance(value: Floats, columns: SizingColumns, rows: RowLimits, uncounted: float) -> Floats:
    """Largest |contracts| of each row whose liquidation price stays at the required distance; inf: no limit."""
    cross = columns.sizable & np.isnan(rows.isolated)
    maintenance = np.where(cross, np.abs(value) * columns.unit_value * rows.maintenance(value), 0.0)
    own = columns.equity - uncounted - np.nansum(rows.isolated)
    left = own - rows.fixed_maintenance - (maintenance.sum() - maintenance) - rows.coin_loss(value)
    free = np.where(np.isnan(rows.isolated), np.maximum(left, 0.0), rows.isolated)
    per_equity = np.where(value >= 0, rows.distance_long, rows.distance_short)
    allowed = np.full(free.shape, np.inf)
    bounded = columns.sizable & np.isfinite(per_equity)
    allowed[bounded] = free[bounded] * per_equity[bounded] / columns.unit_value[bounded]
    return allowed


def cap_exposure(trail: Trail, columns: SizingColumns, method: SizingMethod, limits: Limits, rows: RowLimits) -> None:
    """Caps per name and venue first, then gross leverage of the whole book."""
    trail.cap("instrument_size", np.where(columns.sizable, rows.max_contracts, np.inf), "instruments.max_quantity")
    leverage = np.where(columns.sizable, rows.max_leverage_contracts, np.inf)
    trail.cap("instrument_leverage", leverage, "instruments.max_leverage")
    if limits.max_weight is not None:
        allowed = limits.max_weight * columns.equity / columns.unit_value
        trail.cap("max_weight", np.where(columns.sizable, allowed, np.inf), "limits.max_weight")
    notional = np.abs(trail.value) * columns.unit_value
    fixed = float(columns.fixed_notional[~columns.sizable].sum())
    cap_by_ratio(
        trail,
        "gross_leverage",
        notional,
        limits.max_leverage * columns.equity - fixed,
        columns.sizable,
        "limits.max_leverage",
    )
    own = method.max_gross()
    if own is not None:
        notional = np.abs(trail.value) * columns.unit_value
        cap_by_ratio(
            trail, "derisk_only", notional, own * columns.equity - fixed, columns.sizable, "sizing.derisk_only"
        )


def cap_by_ratio(trail: Trail, stage: str, use: Floats, free: float, rows: Bools, parameter: str) -> None:
    """Scale `rows` by one ratio so that Σ use of them is at most `free`; a use below 1e-12 of what is free is no
    use.
    """
    total = float(use[rows].sum())
    if total <= NO_RISK * max(free, 0.0) or total == 0.0:
        return
    ratio = max(free, 0.0) / total
    trail.cap(stage, np.where(rows, np.abs(trail.value) * ratio, np.inf), parameter)


def hold_unpermitted(trail: Trail, columns: SizingColumns, resized: Bools, rows: RowLimits) -> None:
    """Rows that may only be reduced stay between flat and the current position."""
    locked = columns.sizable & ~resized if rows.margin_complete else columns.sizable
    same_side = np.sign(trail.value) == np.sign(columns.current)
    inside = np.where(same_side, np.minimum(np.abs(trail.value), np.abs(columns.current)), 0.0)
    permitted = np.where(locked, np.copysign(inside, columns.current), trail.value)
    if not np.array_equal(permitted, trail.value):
        trail.apply("permission", permitted, "reduce_only", bound=permitted != trail.value)


def keep_side(trail: Trail, columns: SizingColumns) -> None:
    """A row of one side is flat rather than on the other side; a position that is there already may shrink."""
    if not columns.side.any():
        return
    lowest = np.where(columns.side > 0.0, np.minimum(columns.current, 0.0), -np.inf)
    highest = np.where(columns.side < 0.0, np.maximum(columns.current, 0.0), np.inf)
    kept = np.clip(trail.value, lowest, highest)
    if not np.array_equal(kept, trail.value):
        trail.apply("position_side", kept, "positions.position_side", bound=kept != trail.value)
