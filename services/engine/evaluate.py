"""`evaluate`: the only composition of the core."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.core.explain import Bools
from services.core.outcome import Reason
from services.engine.abilities import remarked, skew_of
from services.engine.baseline import baseline_targets
from services.engine.breakers import apply_breakers, breakers_of
from services.engine.collateral import backing, initial_equity
from services.engine.columns import BookColumns, book_columns, expiry_of
from services.engine.conditions import conditions_of
from services.engine.contagion import apply_contagion, tightening_of
from services.engine.control import control_after, standing_of
from services.engine.costs import trade_costs
from services.engine.evidence import with_margin
from services.engine.exposures import underlying_greeks
from services.engine.figures import capacity_of, portfolio_figures
from services.engine.hedges import hedge_book
from services.engine.inputs import EvaluationInputs
from services.engine.margin_rates import margin_view, smoothed_rates
from services.engine.margins import margin_figures, row_limits
from services.engine.market import Market, resolve_market
from services.engine.oracles import overlays_of
from services.engine.orders import make_orders
from services.engine.outputs import Breaking, Evaluation, Target
from services.engine.portfolio_margin import portfolio_margin, scaled_increase
from services.engine.switched import apply_switches, under_switches
from services.engine.targets import decide_targets, hold_all
from services.engine.tracking import TrackingFigures, tracking_figures
from services.guards.breakers import Level
from services.sizing.buffers import apply_buffer
from services.sizing.joint import JointRounding, round_jointly
from services.sizing.legs import tie_legs
from services.sizing.pipeline import RowLimits, Sized, size_rows

SHARES = (1.0, 0.98, 0.9, 0.75, 0.5, 0.0)
"""Parts of the margin limit that are tried until the book in whole lots is within the whole of it."""


def evaluate(inputs: EvaluationInputs) -> Evaluation:
    """Targets, orders, margin and hedges of one snapshot, with the trail of every number.

    Parameters
    ----------
    inputs : EvaluationInputs
        Everything that the decision depends on; nothing else is read.

    Returns
    -------
    Evaluation
        One outcome per row. A row that cannot be sized is refused or held with a reason; it never fails the book.

    Notes
    -----
    Without `policy.sizing` (the doors for margin and hedges) every row is held as it is. With equity <= 0 every row is
    held and may only be reduced. Cost: O(rows² + bars × rows).
    """
    market = resolve_market(inputs)
    columns = prepared(inputs, market)
    limits = row_limits(inputs, columns) if columns.sizing is not None else None
    if columns.sizing is not None and limits is not None:
        columns = replace(columns, sizing=with_margin(columns.sizing, limits))
    figures = inputs.figures
    asked = figures or inputs.policy.breakers is not None
    margin_current = margin_figures(inputs, columns, columns.contracts, open_orders=True) if asked else None
    breaking = breakers_of(inputs, columns, margin_current) if margin_current is not None else None
    scope, sized, targets = _targets(inputs, columns, limits, breaking)
    trail = sized.trail if sized is not None else None
    targets = under_switches(inputs, columns, trail, targets)
    final = np.array(
        [float(target.target if target.target is not None else target.current) for target in targets], dtype=float
    )
    targets = remarked(inputs, columns, targets, final)
    hedges = hedge_book(inputs, columns, final, breaking)
    hedged = final.copy()
    for hedge in hedges:
        hedged[hedge.row] += float(hedge.contracts or 0)
    wants_figures = inputs.policy.sizing is not None and columns.sizing is not None and figures
    margin_target = margin_figures(inputs, columns, hedged, open_orders=False) if wants_figures else None
    smoothed = smoothed_rates(inputs, columns)
    valid_until, why = expiry_of(inputs, market)
    return Evaluation(
        scope=scope,
        columns=columns,
        market=market,
        targets=targets,
        trail=trail,
        capacity=capacity_of(inputs, columns, limits, trail) if wants_figures and limits is not None else None,
        orders=() if inputs.historical else make_orders(inputs, columns, targets, hedges, valid_until),
        margin_current=margin_current if figures else None,
        margin_target=margin_target,
        hedges=hedges,
        portfolio=replace(
            portfolio_figures(inputs, columns, hedged, trail),
            greeks=underlying_greeks(inputs, columns, final) if figures else (),
        ),
        tracking=tracking_of(inputs),
        valid_until=valid_until,
        valid_until_reason=why,
        data_as_of=min((readout.last_close_at for readout in market.readouts.values()), default=None),
        margin_complete=margin_current.complete
        if margin_current is not None
        else limits is None or limits.margin_complete,
        overlays=sized.overlays if sized is not None else (),
        baseline=baseline_targets(inputs, columns, limits, scope) if wants_figures else None,
        costs=trade_costs(inputs, columns, targets) if wants_figures else None,
        control=control_after(inputs, columns, targets, hedges, breaking, smoothed),
        quote_skew=skew_of(inputs, columns),
        breaking=breaking,
        smoothed=smoothed,
    )


def prepared(inputs: EvaluationInputs, market: Market) -> BookColumns:
    """Columns of the book, with the tightening of its venues, the backing of its account, the view of its margin."""
    columns, tightening = book_columns(inputs, market), tightening_of(inputs)
    return replace(
        columns,
        tightening=tightening,
        backing=backing(inputs, columns, market, tightening),
        margin_view=margin_view(inputs, columns),
    )


def tracking_of(inputs: EvaluationInputs) -> TrackingFigures | None:
    """How the book tracked its target; None without a record or without a target."""
    target = inputs.policy.target_volatility
    if inputs.tracking is None or target is None:
        return None
    return tracking_figures(inputs.tracking, target)


def _targets(
    inputs: EvaluationInputs, columns: BookColumns, limits: RowLimits | None, breaking: Breaking | None
) -> tuple[str | None, Sized | None, tuple[Target, ...]]:
    method = inputs.policy.sizing
    if columns.sizing is None:
        return None, None, hold_all(columns, Reason.EQUITY_NOT_POSITIVE)
    if method is None or limits is None:
        return None, None, hold_all(columns, Reason.NONE)
    scope = method.scope or ("instrument" if inputs.signals_present else "book")
    for share in SHARES:
        sized, inside = sized_book(inputs, columns, limits, scope, breaking, share)
        targets = decide_targets(inputs, columns, sized, inside, scope, limits.margin_complete)
        if within_margin(inputs, columns, targets):
            return scope, sized, targets
    return scope, sized, hold_all(columns, Reason.LIMIT)


def within_margin(inputs: EvaluationInputs, columns: BookColumns, targets: tuple[Target, ...]) -> bool:
    """Whether the book in whole lots is within the margin limit, or asks no more than the book as it is.

    Rounding and no-trade bands move single rows, and with a row a hedge may go: only an account that is margined as a
    whole needs to look again.
    """
    if inputs.account.margin_mode != "portfolio":
        return True
    final = np.array([float(item.current if item.target is None else item.target) for item in targets], dtype=float)
    asked = portfolio_margin(inputs, columns, final).initial
    limit = inputs.policy.limits.max_margin_use * initial_equity(inputs, columns)
    return asked <= max(limit, portfolio_margin(inputs, columns, columns.contracts).initial)


def sized_book(
    inputs: EvaluationInputs,
    columns: BookColumns,
    limits: RowLimits,
    scope: str,
    breaking: Breaking | None = None,
    share: float = 1.0,
) -> tuple[Sized, Bools]:
    """Sizes up to the decision to trade, not yet in lots of each row; and the rows that are left as they are.

    `share` is the part of the margin limit that an account which is margined as a whole may use.
    """
    method = inputs.policy.sizing
    assert columns.sizing is not None
    assert method is not None
    tracked, overlays = tracking_of(inputs), overlays_of(inputs)
    whole = inputs.account.margin_mode == "portfolio"
    sized = size_rows(
        columns.sizing,
        method,
        # The margin of the account as a whole is looked at below: no sum of the rows' own margins bounds it.
        replace(inputs.policy.limits, max_margin_use=np.inf) if whole else inputs.policy.limits,
        replace(limits, uncounted_initial=0.0, opening_initial=0.0) if whole else limits,
        scope=scope,
        rules=replace(inputs.policy.rules, overlays=overlays),
        conditions=conditions_of(inputs, columns, limits) if overlays else None,
        tracking_factor=tracked.factor if tracked is not None else 1.0,
    )
    barred = np.zeros(len(inputs.rows), dtype=bool)
    if columns.tightening is not None:
        barred |= apply_contagion(sized.trail, columns.sizing, columns.tightening)
        if method.tied:
            tie_legs(sized.trail, columns.sizing)
    if breaking is not None:
        apply_breakers(sized.trail, inputs, columns, limits, breaking)
        barred |= breaking.levels >= Level.CLOSE_ONLY
    sized = replace(sized, barred=barred)
    sized = apply_switches(sized, inputs, columns)
    # Last of all that moves sizes: what a switch or a breaker leaves of a hedge decides what the whole book asks.
    if whole and limits.margin_complete:
        scaled_increase(sized.trail, inputs, columns, columns.sizing.sizable, share=share)
    standing = standing_of(inputs, columns, sized.trail.value)
    inside = apply_buffer(sized.trail, standing, inputs.policy.buffer)
    if isinstance(inputs.policy.rounding, JointRounding):
        lots = np.array([float(row.instrument.lot) for row in inputs.rows], dtype=float)
        round_jointly(sized.trail, standing, lots, columns.sizing.sizable & ~inside, inputs.policy.rounding)
    return sized, inside
