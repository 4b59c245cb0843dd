"""Bodies of the service, written by scripts/client_models.py from its OpenAPI description: do not edit."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from trimtab_client.base import Model
from trimtab_client.decimals import PlainDecimal


class AcceptedOut(Model):
    """
    A source that counts.
    """

    source: str
    upstream: str
    currency: str
    price: PlainDecimal
    """
    In the policy's currency.
    """
    confidence: PlainDecimal
    """
    With that of the rate.
    """
    age_seconds: float
    """
    With that of the rate.
    """
    signer: str | None
    """
    Fingerprint of the key that signed it.
    """


class AccountShareOut(Model):
    """
    One account of a netted hedge.
    """

    account_id: str | None
    """
    null: rows without an account, and coin collateral.
    """
    delta: float
    """
    Base units.
    """
    share: float
    """
    Of the hedge: the account's delta on the side of the net delta, over all deltas on that side.
    """
    hedge_delta: float | None
    """
    Its share of what this order trades [base units].
    """


class ActiveSwitchOut(Model):
    """
    A switch that holds in a decision.
    """

    scope: str
    mode: Literal["reduce_only", "halt"]
    actor: str
    reason: str
    version: int
    """
    0: the stored switches could not be read, and nothing may grow until they can.
    """
    expired: bool
    """
    True: it has run out, so it is on reduce_only.
    """


class AdaptiveRule(Model):
    """
    Trade once ``|net delta| > w``, to u on the same side; both from gamma, costs and risk aversion (recommended).

    With ``c = λ S``, ``s = w + u``, ``d = w − u``: ``s (s² − d²) = 12 Γ² c / g``, ``s d³ = 12 Γ² k / g``. Without a
    fixed cost of an order k, w = u (Whalley & Wilmott); without the proportional cost λ, u = 0.
    """

    method: Literal["adaptive"] = "adaptive"
    relative_risk_aversion: float | None = None
    """
    ``g = relative_risk_aversion / equity``, unless g is given by one of the next.
    """
    risk_aversion: float | None = None
    """
    g, absolute [1 / account currency].
    """
    atm_band: float | None = None
    """
    Half width that is wanted at the money [base units]; g is what gives it. Goes with `atm_gamma_1pct`.
    """
    atm_gamma_1pct: float | None = None
    """
    |Gamma| of the book at the money [base units per 1 %].
    """


class AdherenceOut(Model):
    """
    How orders were followed; each weighs the same.
    """

    orders: int
    """
    With fills.
    """
    filled: float
    """
    Mean share of the ordered quantity that was filled, at most 1 each.
    """
    late: float
    """
    Mean share filled after the order had expired.
    """
    overfilled: int
    """
    Orders of which more was filled than ordered.
    """
    wrong_side: int
    """
    Orders with fills to the other side.
    """


class AfterFillOut(Model):
    """
    Account once what is accepted is filled; null where it cannot be computed.
    """

    position: PlainDecimal
    """
    Signed, in quantity_unit.
    """
    initial_margin: PlainDecimal | None
    """
    Of the account.
    """
    maintenance_margin: PlainDecimal | None
    """
    Of the account.
    """
    utilisation: float | None
    """
    Initial margin over equity.
    """
    margin_ratio: float | None
    """
    Maintenance margin over equity: liquidation at 1.
    """


class AllocationPolicy(Model):
    """
    When moving collateral is worth it.
    """

    withdrawable_share: float | None = None
    """
    Of a withdrawable balance that may be used.
    """
    target_safety: float | None = None
    """
    Safety beyond which no more is sought [standard deviations].
    """
    low_safety: float | None = None
    """
    A destination below this is helped however small the gain.
    """
    least_gain: float | None = None
    """
    Gain of a destination above it that makes a transfer worth while [standard deviations].
    """
    must_pay: bool | None = None
    """
    Whether what transfers to a destination avert, less what they risk at their senders, must exceed their cost.
    """
    failure_loss: float | None = None
    """
    Share of a transfer that a failure costs.
    """
    capital_rate: float | None = None
    """
    Cost of funds that count nowhere while they travel [annual].
    """
    restored_safety: float | None = None
    """
    What positions are reduced to where no transfer helps [standard deviations].
    """


class AlmgrenChriss(Model):
    """
    Least ``expected cost + λ × variance`` in linear impact: ``x_j = X sinh(κ(T − t_j)) / sinh(κT)``.

    κ solves ``2 (cosh(κτ) − 1)/τ² = λσ²/(η − ½γτ)``: more volatile means sooner, less liquid later.
    """

    method: Literal["almgren_chriss"] = "almgren_chriss"
    duration_seconds: float
    """
    T, the deadline [s].
    """
    slices: int | None = None
    """
    N [slices].
    """
    risk_aversion: float
    """
    λ: what one unit of variance is worth [1 / quote currency]; 0 is the TWAP, large is at once.
    """


class AntiProcyclicality(Model):
    """
    Rules that are applied to a margin in this order: stress weight, floor, buffer, release speed.

    ``a = (1 − w) m + w m_stress``; ``b = max(a, m_floor)``; with the target ``t = (1 + β) b``: t where ``t <= p``, else
    ``max(b, p + κ (t − p))``; then at least ``p (1 − δ)``. p is the margin that was asked last.
    """

    stress_weight: float | None = None
    """
    w, the weight of the margin of a stressed period. 0 is off; 0.25 is the least that EMIR names.
    """
    long_run_floor: bool | None = None
    """
    Never below the margin at the volatility of up to ten years (m_floor).
    """
    buffer: float | None = None
    """
    β, asked on top in calm times and used up as the margin rises. 0 is off; 0.25 is usual.
    """
    rebuild: float | None = None
    """
    κ, part of the missing buffer that is rebuilt a step [per day].
    """
    release: float | None = None
    """
    δ, largest fall a step [per day]; none where absent.
    """


class ApproverIn(Model):
    """
    Who may vote.
    """

    name: str
    public_key: str
    """
    Ed25519 public key.
    """


class Assumption(Model):
    """
    Something that the request left open and that was decided for it.
    """

    pointer: str
    value: str
    effect: str


class AutoOut(Model):
    """
    Whether a decision was acted on, and why.
    """

    enabled: bool
    acted: bool
    """
    Whether it has orders.
    """
    triggers: list[Literal["schedule", "volatility", "drift", "collateral", "margin_ratio", "breaker"]]
    """
    Conditions that hold and were not acted on before.
    """
    only_reductions: str | None
    """
    Why only reductions were allowed; null where anything was.
    """
    waiting_for: str | None
    """
    Why triggers that fired are not acted on.
    """
    unknown: list[Literal["schedule", "volatility", "drift", "collateral", "margin_ratio", "breaker"]]
    """
    Triggers whose figure is not known: they cannot fire.
    """
    orders_left: int
    """
    Of the day, for increases.
    """
    notional_left: PlainDecimal
    due_at: AwareDatetime | None
    """
    When it is decided again though nothing changes.
    """


class AverageTrueRange(Model):
    """
    ``σ² = (ATR / (1.5958 C))²``: the variance of a walk whose mean range is the ATR.
    """

    method: Literal["average_true_range"] = "average_true_range"
    window: int | None = None
    """
    n of Wilder [bars]: a half-life of ``ln 2 / −ln(1 − 1/n)``, 9.35 bars for n = 14.
    """
    calibrate: bool | None = None
    """
    Apply the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """


class AverageTrueRangeUnit(Model):
    """
    ``n = E ρ / (k · ATR · M · fx)`` contracts a unit; a direction of ±1 is `max_units` of them.
    """

    method: Literal["average_true_range"] = "average_true_range"
    risk_fraction: float | None = None
    """
    ρ, what a move of k ATR takes of the capital for one unit [fraction].
    """
    range_multiple: float | None = None
    """
    k; the Turtles' unit has 1, and their stop, two ranges away, loses twice ρ.
    """
    max_units: float | None = None
    """
    Units at direction ±1: with 4, a direction of 0.25 is one unit and adding to a winner is 0.5.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class BacktestAccountIn(Model):
    """
    Start of the account.
    """

    equity: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    currency: str


class BacktestSignalIn(Model):
    """
    View on a symbol: one direction for all bars, or one for each close.
    """

    symbol: str
    direction: float | None = None
    directions: list[float | None] | None = None
    """
    Known at each close of the series; null: no signal at that close.
    """


class BalanceWorthOut(Model):
    """
    Shadow price of a balance.
    """

    venue: str
    asset: str
    worth: float
    """
    What a unit more to withdraw would add to the least safety.
    """


class BatchCountsOut(Model):
    """
    Accounts by status.
    """

    ok: int
    below_initial: int
    below_maintenance: int
    deficit: int
    unknown: int


class BatchMarketIn(Model):
    """
    A market that accounts hold positions in.
    """

    symbol: str
    kind: Literal["linear", "inverse"] | None = None
    contract_multiplier: PlainDecimal | None = None
    """
    Base units per contract; for inverse its value in the account currency.
    """
    mark_price: PlainDecimal | None = None
    """
    In the account currency; null: accounts with a position in it are `unknown`.
    """
    volatility: float | None = None
    """
    Annual, as a fraction; null: accounts with a position in it are `unknown`, unless the preset does without.
    """
    max_leverage: float | None = None
    """
    Of the venue; its inverse is a floor of the rate. Without a preset.
    """
    open_interest: PlainDecimal | None = None
    """
    Of the market [contracts], for a size_addon that reads it.
    """
    average_daily_volume: PlainDecimal | None = None
    """
    Of the market [contracts a day], for a size_addon that reads it.
    """
    netting_offset: float | None = None
    """
    With a preset: share of a profit that pays for losses in other markets.
    """


class BatesFit(Model):
    """
    As `HestonFit`, with jumps.
    """

    method: Literal["bates"] = "bates"
    variance_bounds: list[Any] | None = None
    mean_reversion_bounds: list[Any] | None = None
    volatility_of_variance_bounds: list[Any] | None = None
    correlation_bounds: list[Any] | None = None
    feller_penalty: float | None = None
    jump_intensity_bounds: list[Any] | None = None
    """
    λ [per year].
    """
    jump_mean_bounds: list[Any] | None = None
    """
    μ and δ of ln(1 + jump).
    """
    jump_volatility_bounds: list[Any] | None = None
    """
    μ and δ of ln(1 + jump).
    """


class BetaWeightedOut(Model):
    """
    The book as if it were all in the benchmark of the betas, coin collateral included.
    """

    delta_usd: float
    gamma_1pct_usd: float
    """
    With the square of beta.
    """
    missing: list[str]
    """
    Underlyings without a beta: not in it.
    """


class BreachOut(Model):
    """
    A loss beyond its margin.
    """

    close_time: AwareDatetime
    """
    Close at which the margin was asked.
    """
    margin: float
    """
    Fraction of notional.
    """
    loss: float
    """
    Over the horizon after it [fraction of notional].
    """


class BreakerExitOut(Model):
    """
    What must hold, for how long, before a breaker goes down by one level.
    """

    tier: int
    """
    Level after it.
    """
    maintenance_ratio_below: float
    distance_sigma_from: float | None = None
    drawdown_below: float | None = None
    dwell_seconds: float
    not_before: AwareDatetime | None = None
    """
    If every metric stays calm from now on; null: one is not calm.
    """


class BreakerMetricsOut(Model):
    """
    Metrics of a breaker; null where unknown, or where there is nothing that can be liquidated.
    """

    maintenance_ratio: float | None = None
    """
    Maintenance margin over equity; null without equity.
    """
    distance_sigma: float | None = None
    """
    Smallest distance to liquidation, in standard deviations of a day.
    """
    drawdown: float | None = None
    """
    Fall from the high-water mark, less what is forgiven (fraction).
    """
    trusted: bool
    """
    False: prices are stale or not agreed on; not for flattening.
    """


class BreakerResetIn(Model):
    """
    Takes the latch of a breaker off: from flatten to close only, from where the ladder goes on.
    """

    scope: str
    actor: str
    """
    Who resets it; part of the audited request and answer.
    """
    reason: str
    """
    Why.
    """


class BreakerScopeOut(Model):
    """
    One breaker of an answer.
    """

    scope: str
    tier: int
    level: Literal["normal", "caution", "reduce", "close_only", "flatten"]
    since: AwareDatetime | None
    latched: bool
    next_exit: BreakerExitOut | None
    """
    Null at normal, and at flatten: that takes breaker_reset.
    """
    metrics: BreakerMetricsOut


class BreakerStateIn(Model):
    """
    State of one breaker, as the last answer gave it.
    """

    scope: str
    level: int
    """
    0 normal, 1 caution, 2 reduce, 3 close only, 4 flatten.
    """
    since: AwareDatetime | None = None
    """
    When the level was reached; left out where it always was.
    """
    calm_since: AwareDatetime | None = None
    """
    Since when every metric has been below the exit of the level.
    """
    latched: bool | None = None
    """
    True at level 4, until a reset.
    """
    last_at: AwareDatetime | None = None
    """
    Time of the last reading; an earlier one changes nothing.
    """
    forgiven: float | None = None
    """
    Part of the fall from the high-water mark that a reset has forgiven (fraction).
    """


class BreakerStateOut(Model):
    """
    State of one breaker.
    """

    scope: str
    level: int
    since: AwareDatetime | None = None
    calm_since: AwareDatetime | None = None
    latched: bool
    last_at: AwareDatetime | None = None
    forgiven: float | None = None
    """
    Fraction; present where a reset has forgiven part of a fall.
    """


class BreakerTier(Model):
    """
    Multiplier on increases by `previous.breaker_tier`: 1, caution, reduce, 0, 0.
    """

    method: Literal["breaker_tier"] = "breaker_tier"
    caution: float | None = None
    """
    Multipliers of tiers 1 and 2; tiers 3 (close only) and 4 (flatten) allow no increase.
    """
    reduce: float | None = None
    """
    Multipliers of tiers 1 and 2; tiers 3 (close only) and 4 (flatten) allow no increase.
    """


class BreakerTransitionOut(Model):
    """
    A change of level in this decision.
    """

    scope: str
    at: AwareDatetime
    before: Literal["normal", "caution", "reduce", "close_only", "flatten"]
    after: Literal["normal", "caution", "reduce", "close_only", "flatten"]
    cause: Literal[
        "maintenance_ratio",
        "liquidation_distance",
        "drawdown",
        "metric_unknown",
        "price_not_trusted",
        "calm",
        "manual_reset",
    ]
    actor: str | None = None
    reason: str | None = None


class Breakers(Model):
    """
    Ladder of a circuit breaker: when each level is entered and left, and what it allows.

    Multiplier m on increases alone: ``current + m (target - current)``. Levels 1 to 4 are caution, reduce, close only
    and flatten.
    """

    enter: list[Any] | None = None
    """
    Maintenance margin over equity from which each level holds, strictly increasing.
    """
    leave: list[Any] | None = None
    """
    Ratio below which levels 1 to 3 may be left; below `enter`, not decreasing. Flatten is left by a reset alone.
    """
    dwell_seconds: list[Any] | None = None
    """
    How long every metric must have been below the exit of levels 1 to 3, without interruption [s].
    """
    distance: list[Any] | None = None
    """
    Distance to liquidation below which each level holds, strictly decreasing [standard deviations of a day]; None: not looked at.
    """
    distance_gap: float | None = None
    """
    A level is left at its distance times 1 + gap.
    """
    drawdown: list[Any] | None = None
    """
    Fall of the equity from its high-water mark from which each level holds, strictly increasing; it moves the whole portfolio. None: not looked at.
    """
    drawdown_gap: float | None = None
    """
    A level is left below its drawdown times 1 - gap.
    """
    caution: float | None = None
    """
    Multipliers on increases at levels 1 and 2; levels 3 and 4 allow none.
    """
    reduce: float | None = None
    """
    Multipliers on increases at levels 1 and 2; levels 3 and 4 allow none.
    """
    reduce_to: float | None = None
    """
    From level 2 on sizes shrink until maintenance margin over equity is at most this.
    """


class BundleOut(Model):
    """
    Intents that belong together: all of them in this order, or none.
    """

    bundle_id: str
    position: int
    """
    From 0.
    """
    size: int
    atomic: Literal[True] = True


class CalendarIn(Model):
    """
    Explicit annualisation.
    """

    periods_per_year: float
    """
    Bars a year.
    """


class CalibrationOut(Model):
    """
    Mincer–Zarnowitz regression of realised variance on its forecast, weighted by 1/forecast.
    """

    n: int
    moments: int
    intercept: float | None
    """
    0 where right [mean forecast of the market].
    """
    intercept_standard_error: float | None
    slope: float | None
    """
    1 where right.
    """
    slope_standard_error: float | None
    p_value: float | None
    """
    Of both at once, χ² with two degrees of freedom.
    """
    reason: Literal["no_pairs", "too_few_moments", "no_spread"] | None


class CapOut(Model):
    """
    One cap.
    """

    cap: Literal["margin", "distance", "tier", "liquidity", "venue", "user"]
    """
    liquidity: the book; venue: max_quantity of the instrument; user: caps.
    """
    quantity: PlainDecimal | None
    """
    Largest position; null: this cap allows any.
    """
    contracts: PlainDecimal | None


class CapacityOut(Model):
    """
    Size at direction +1 and -1, in the unit of `target_quantity`.
    """

    long: PlainDecimal
    short: PlainDecimal


class CarryPair(Model):
    """
    Buy the asset, sell as much of it in a derivative: both legs funded from one part of the equity.

    With C = capital · equity / pairs, a pair of notional N pays N for the asset and, for the other leg, its initial
    margin and the loss of an adverse move: ``N = C / (1 + m + e^x − 1)``, ``x = k σ sqrt(h)``. The derivative has the
    base delta of the asset, with the other sign, so that a basis between the two prices leaves no delta.
    """

    method: Literal["carry_pair"] = "carry_pair"
    capital: float | None = None
    """
    Part of the equity that all pairs together may use.
    """
    survival_sigmas: float | None = None
    """
    k: the adverse move of the price that the derivative leg must survive without a transfer [standard deviations].
    """
    survival_days: float | None = None
    """
    h: the time until a transfer has arrived [days].
    """
    collateral: Literal["cash", "coin"] | None = None
    """
    `coin`: the asset itself is the margin of a coin-settled derivative, which then cannot be liquidated by a rise: ``N = C``.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class CashSecuredPut(Model):
    """
    Sell puts against the cash that buys at the strike: premium for standing ready to buy lower.
    """

    delta: float | None = None
    """
    Largest size of the put's forward delta: the strike is the listed one next to it, away from the spot.
    """
    least_delta: float | None = None
    """
    Smallest delta; with it, every strike between the two competes. Default: only the one next to `delta`.
    """
    least_days: float | None = None
    """
    Time to expiry within which options compete [days].
    """
    most_days: float | None = None
    """
    Time to expiry within which options compete [days].
    """
    utilisation: float | None = None
    """
    Largest part of the collateral that is used [fraction].
    """
    forecast_error: float | None = None
    """
    Standard deviation of the forecast of realised volatility, sd of the multiplier ``clip((IV − RV)/sd, 0, 1)`` [annual fraction].
    """
    max_vega: float | None = None
    """
    Largest vega that is sold [quote per volatility point].
    """
    max_contracts: float | None = None
    """
    [contracts].
    """
    drift: float | None = None
    """
    Drift of the price, for a second probability of assignment [per year].
    """
    method: Literal["cash_secured_put"] = "cash_secured_put"


class CcxtOrderOut(Model):
    """
    Arguments of ccxt's `create_order`; decimal strings keep every digit.
    """

    symbol: str
    type: Literal["limit"] = "limit"
    side: Literal["buy", "sell"]
    amount: PlainDecimal
    """
    Contracts as the venue counts them; base units on spot.
    """
    price: PlainDecimal
    params: dict[str, str | bool]


class ChainIn(Model):
    """
    State of a chain: send finality in blocks or in seconds.
    """

    chain: str
    block_time_seconds: float
    finality_blocks: int | None = None
    finality_seconds: float | None = None
    """
    From inclusion to finality.
    """
    congestion: float | None = None
    """
    Probability that a transaction misses a block; at 1 nothing gets in.
    """
    sequencer_up: bool | None = None


class ChangeOut(Model):
    """
    Last alarm that the level of volatility has moved from the forecast.
    """

    direction: Literal["up", "down", "none"]
    bars_since: float | None
    """
    0: the newest bar; null: none was raised.
    """
    up: float
    """
    Evidence for a higher level, as part of its threshold.
    """
    down: float
    """
    Evidence for a lower level, as part of its threshold.
    """


class CloseToClose(Model):
    """
    ``Σ r² / n`` over the last n returns, or ``Σ (r − r̄)² / (n − 1)``.
    """

    method: Literal["close_to_close"] = "close_to_close"
    window: int | None = None
    """
    n, counted in returns [bars]. TTR's ``volatility(n)`` counts prices: its n is this one plus 1.
    """
    mean: Literal["zero", "sample"] | None = None
    """
    What deviations are taken from. Below 250 bars the noise of a sample mean costs more than it saves.
    """
    calibrate: bool | None = None
    """
    Apply the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """


class CoinIn(Model):
    """
    Balance in the coin.
    """

    quantity: PlainDecimal
    """
    Signed; owed coin counts in full.
    """
    haircut: float | None = None
    """
    Of coin that is held.
    """


class Collar(Model):
    """
    Buy a put and sell a call of the same expiry above the market that pays for it.
    """

    horizon_days: float
    """
    Options that expire earlier are left out [days].
    """
    max_cost: float | None = None
    """
    Largest net premium with fees, over the holding at the mark; 0 asks for a collar that costs nothing [fraction].
    """
    shocks: list[float] | None = None
    """
    Changes of the price at which the loss is reduced, on average over them [fraction, negative].
    """
    objective: Literal["shocks", "floor"] | None = None
    """
    Maximise the loss reduction at the shocks, or the least value at any price.
    """
    coverage: float | None = None
    """
    Largest part of the holding that is protected, and whose gains are sold [fraction].
    """
    method: Literal["collar"] = "collar"
    least_upside: float | None = None
    """
    Gain that is kept: calls nearer to the mark are not sold [fraction].
    """


class CollateralAccountIn(Model):
    """
    One account at a venue; amounts in the account currency.
    """

    venue: str
    equity: PlainDecimal
    """
    After haircuts, without what is in transit to it.
    """
    maintenance_margin: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    loss_per_sigma: PlainDecimal
    """
    Loss of its positions in a joint move of one standard deviation over horizon_seconds.
    """
    horizon_seconds: float | None = None
    liquidation_cost: PlainDecimal | None = None
    """
    Default: the maintenance margin.
    """
    in_transit: PlainDecimal | None = None
    """
    On its way there already. It counts nowhere until it is in equity.
    """


class CollateralAccountOut(Model):
    """
    One account before, while transfers travel, and once they are confirmed; safety in standard deviations.
    """

    venue: str
    equity_before: PlainDecimal
    equity_in_transit: PlainDecimal
    equity_after: PlainDecimal
    safety_before: float | None
    """
    null without loss_per_sigma.
    """
    safety_in_transit: float | None
    safety_after: float | None
    reduction: float
    """
    Share of its positions to close; 0 unless status is reduce.
    """
    worth_of_equity: float | None
    """
    What a unit more would add to the least safety.
    """


class CollateralAssetIn(Model):
    """
    What is moved.
    """

    asset: str
    price: PlainDecimal
    """
    In the account currency.
    """
    unit: PlainDecimal | None = None
    """
    Smallest amount that can be sent.
    """


class CollateralBalanceIn(Model):
    """
    What an account holds, or may receive, of an asset.
    """

    venue: str
    asset: str
    withdrawable: PlainDecimal | None = None
    """
    In units of the asset.
    """
    haircut: float | None = None


class CollateralIn(Model):
    """
    Balance of one asset held as collateral.
    """

    asset: str
    price: PlainDecimal | None = None
    """
    In the account currency; default: 1 for the account currency itself, else of a row.
    """
    asset_class: Literal["cash", "stable", "major", "other"] | None = None
    """
    Sets the least haircut. Default: cash for the account currency, major for BTC, ETH, else other.
    """
    volatility: float | None = None
    """
    Annual, fraction. Default: of `market`; without either a balance gives no credit.
    """
    market: str | None = None
    """
    Series, or cached state, of the volatility; default: that of a position in the coin.
    """
    venue: str | None = None
    """
    Where it lies; default: the venue in the worst distress.
    """
    as_of: AwareDatetime | None = None
    """
    Of the price; default: that of the request, an assumption.
    """
    heartbeat_seconds: float | None = None
    """
    How often the source of the price speaks. An older price is stale; default: never.
    """
    peg_price: PlainDecimal | None = None
    """
    Price in units of its peg. Default: for asset_class stable its price, an assumption.
    """
    spread: float | None = None
    """
    Bid-ask, fraction of the price.
    """
    average_daily_volume: PlainDecimal | None = None
    """
    In the account currency; default: no add-on for size, an assumption.
    """
    deposits: PlainDecimal | None = None
    """
    Of the asset at its venue, in its units; default: the amount itself. Goes with deposit_cap.
    """
    deposit_cap: PlainDecimal | None = None
    """
    Deposits beyond it scale the weight for initial margin down, to cap / deposits.
    """
    wrong_way_correlation: float | None = None
    """
    With the profit of the positions; default: measured, or 1 where it cannot be.
    """
    amount: PlainDecimal
    """
    Of a coin in which options are settled: the equity in that coin, marks of options included, as venues report it. Their hedge delta has its premium taken off, and a bare balance would not put it back.
    """


class CollateralRouteIn(Model):
    """
    A way from one account to another; both need a row in balances for the asset.
    """

    source: str
    destination: str
    asset: str
    fee_fixed: PlainDecimal | None = None
    """
    In units of the asset.
    """
    fee_proportional: PlainDecimal | None = None
    """
    Share of what is sent, below 1; fees are taken from what arrives.
    """
    minimum: PlainDecimal | None = None
    """
    Smallest transfer, in units of the asset.
    """
    latency_seconds: float | None = None
    finality_seconds: float | None = None
    """
    After that, until the destination counts it.
    """
    failure_probability: float | None = None


class CommittedOut(Model):
    """
    A Pedersen commitment to a figure.
    """

    figure: str
    unit: str
    rounding: Literal["up", "down"]
    commitment: str


class ConcentratedIn(Model):
    """
    Concentrated liquidity.
    """

    kind: Literal["concentrated"] = "concentrated"
    liquidity: PlainDecimal
    """
    L = √(base · quote) in whole tokens.
    """
    lower_price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    upper_price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """


class ConcentratedPoolIn(Model):
    """
    Pool of concentrated liquidity, such as Uniswap v3, as the chain holds it.
    """

    kind: Literal["concentrated"] = "concentrated"
    symbol: str
    venue: str | None = None
    as_of: AwareDatetime
    sqrt_price_x96: int | str
    """
    slot0.sqrtPriceX96, token1 per token0.
    """
    liquidity: int | str
    """
    Active liquidity.
    """
    ticks: list[list[int | str]]
    """
    Initialised ticks, rising: [index, liquidity_net]. Nothing beyond the outermost is counted.
    """
    base_is_token0: bool
    base_decimals: int
    quote_decimals: int
    fee: float
    """
    Share of what is paid in: 0.0005 is 0.05 %.
    """


class ConsistencyAnswer(Model):
    """
    What shows that one tree begins with another (RFC 6962, section 2.1.2).
    """

    first: int
    second: int
    hashes: list[str]


class ConstantCorrelation(Model):
    """
    Correlation of a window, shrunk toward the mean correlation of all pairs.
    """

    asynchronous: Literal["none", "overlapping", "lead_lag"] | None = None
    """
    `none`: the markets close together. `overlapping`: returns over two bars. `lead_lag`: adds one bar ahead and one behind.
    """
    stress: Literal["never", "shifted", "always"] | None = None
    """
    When correlations are stressed: never, while the regime is shifted, always.
    """
    stress_weight: float | None = None
    """
    Weight of the stressed matrix.
    """
    method: Literal["constant_correlation"] = "constant_correlation"
    window: int | None = None
    """
    Bars at most, the newest ones, all of one weight [bars].
    """
    clip: float | None = None
    """
    Bound of |z|.
    """


class ConstantLeverage(Model):
    """
    Hold the notional constant: ``w_i = L · d_i / n``, or the whole book scaled to gross leverage L.
    """

    method: Literal["constant_leverage"] = "constant_leverage"
    leverage: float | None = None
    """
    L, gross notional over equity.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class ConstantProductIn(Model):
    """
    Share of a pool of constant product.
    """

    kind: Literal["constant_product"] = "constant_product"
    base: PlainDecimal
    """
    Base that the share amounts to, at any one moment.
    """
    quote: PlainDecimal
    """
    Quote that it amounts to at the same moment.
    """


class ConstantProductPoolIn(Model):
    """
    Pool of constant product, such as Uniswap v2, in whole tokens.
    """

    kind: Literal["constant_product"] = "constant_product"
    symbol: str
    venue: str | None = None
    as_of: AwareDatetime
    base_reserve: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    quote_reserve: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    fee: float
    """
    Share of what is paid in: 0.003 is 0.3 %.
    """


class Contagion(Model):
    """
    ``m = 1 − k · d``, at least 0, d the distress of the row's venue in [0, 1].

    Where the venue also has a `contagion_multiplier` of its own, the smaller of the two holds.
    """

    method: Literal["contagion"] = "contagion"
    sensitivity: float | None = None
    """
    k: 1 leaves nothing at a venue of distress 1, 2 nothing from distress 0.5 on.
    """


class ContagionStateIn(Model):
    """
    How far margin at a venue is tightened, as the last answer gave it.
    """

    venue: str
    multiplier: float
    """
    On margin rates and haircuts.
    """
    as_of: AwareDatetime


class ContagionStateOut(Model):
    """
    How far margin at a venue is tightened.
    """

    venue: str
    multiplier: float
    as_of: AwareDatetime


class ContinuousKelly(Model):
    """
    ``w = c · k · μ / (n σ²)``: growth-optimal for a price that diffuses, on the side of the direction.

    μ is `expected_return` of the signal: in excess of financing and after costs. n are the rows with a live signal:
    each bets on its part of the capital; `multi_asset_kelly` shares by correlation instead. An expected return against
    the direction is no position.
    """

    method: Literal["continuous_kelly"] = "continuous_kelly"
    max_volatility: float
    """
    Volatility that a row may have on its part of the capital; the final size is the smaller one [annual, fraction].
    """
    fraction: float | None = None
    """
    c of Kelly; at 0.25 the growth is 44 % of the largest and the chance of ever halving 1 in 128.
    """
    forced: bool | None = None
    """
    Allow more than half Kelly.
    """
    shrink: bool | None = None
    """
    Multiply by ``k = max(1 − 1/(T θ²), 0)``, θ = μ/(σ √N) the Sharpe ratio a bar and N the bars a year: what T bars are worth as evidence.
    """
    observations: int | None = None
    """
    T, bars that the expected returns were estimated from; by default those of the posted series.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class CorrelationShock(Model):
    """
    ``m = min(1, limit · τ / Σ|w|σ)``: all correlations 1 and every row on the losing side.
    """

    method: Literal["correlation_shock"] = "correlation_shock"
    limit: float | None = None
    """
    Multiple of the target volatility.
    """
    volatility: float | None = None
    """
    τ [annual], where the policy has no target volatility of its own.
    """


class CosignaturesAnswer(Model):
    """
    What was taken, and how far the head is from a quorum.
    """

    size: int
    """
    Size of the head.
    """
    accepted: list[str]
    """
    Witnesses whose signatures were taken.
    """
    witnesses: int
    """
    Witnesses that have signed this head so far.
    """
    quorum: int
    """
    Witnesses that make it valid.
    """
    reached: bool


class CosignaturesRequest(Model):
    """
    Head of the log as witnesses signed it.
    """

    note: str
    """
    The note of `GET /v1/log/checkpoint` with lines of witnesses (C2SP `tlog-cosignature`).
    """


class CostOptimalBuffer(Model):
    """
    Band that costs least: the risk of being off against the cost of coming back.

    ``h = (3 c ν² / (2 γ σ²))^{1/3}`` over equity: with the position reflected at ±h, the loss of utility is
    ``γ σ² h² / 6`` a year (the deviation is uniform) and the cost ``c ν² / (2h)``; h is where the sum is least.
    """

    method: Literal["cost_optimal"] = "cost_optimal"
    risk_aversion: float
    """
    γ of mean-variance utility. A target volatility τ and an expected Sharpe ratio θ imply γ = θ / τ.
    """
    weight_volatility: float
    """
    ν over |optimal weight| [annual]: how much the optimal weight wanders, as a fraction of itself.
    """
    cost: float | None = None
    """
    c, cost of a trade over its notional, where the policy has no `costs`.
    """
    trade_to: Literal["edge", "optimal"] | None = None
    """
    The formula is that of trading to the edge.
    """


class CostOut(Model):
    """
    What the orders of a row are expected to cost, in the account currency, by `costs` of the policy.
    """

    notional: PlainDecimal | None = None
    """
    Of the orders of the row. Present in live decisions.
    """
    fee: PlainDecimal
    spread: PlainDecimal
    """
    Of the book that was sent, else the policy's half spread.
    """
    impact: PlainDecimal
    gas: PlainDecimal
    total: PlainDecimal
    impact_known: bool
    """
    False: no volume was sent in flow[], so impact is left out.
    """


class Costs(Model):
    """
    What a trade is taken to cost. All rates are fractions of notional: 0.0005 is 5 basis points.
    """

    fee: float | None = None
    """
    Fee of an order that takes liquidity [fraction of notional].
    """
    half_spread: float | None = None
    """
    Half the spread, where no book says more [fraction of notional].
    """
    impact_coefficient: float | None = None
    """
    Y of the square-root law; 0 leaves impact out.
    """
    gas: float | None = None
    """
    Fixed cost of one order, such as gas [account currency].
    """


class CounterpartyIn(Model):
    """
    A position that may be deleveraged.
    """

    account: str
    """
    Unique.
    """
    quantity: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    entry_price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    equity: PlainDecimal
    """
    Of the account, at the mark.
    """
    maintenance_rate: float | None = None


class CoveredCall(Model):
    """
    Sell calls on coins that are held: premium for what is above the strike.
    """

    delta: float | None = None
    """
    Largest forward delta of the call: the strike is the listed one next to it, away from the spot.
    """
    least_delta: float | None = None
    """
    Smallest delta; with it, every strike between the two competes. Default: only the one next to `delta`.
    """
    least_days: float | None = None
    """
    Time to expiry within which options compete [days].
    """
    most_days: float | None = None
    """
    Time to expiry within which options compete [days].
    """
    utilisation: float | None = None
    """
    Largest part of the collateral that is used [fraction].
    """
    forecast_error: float | None = None
    """
    Standard deviation of the forecast of realised volatility, sd of the multiplier ``clip((IV − RV)/sd, 0, 1)`` [annual fraction].
    """
    max_vega: float | None = None
    """
    Largest vega that is sold [quote per volatility point].
    """
    max_contracts: float | None = None
    """
    [contracts].
    """
    drift: float | None = None
    """
    Drift of the price, for a second probability of assignment [per year].
    """
    method: Literal["covered_call"] = "covered_call"


class CreateKeyRequest(Model):
    """
    A key for the tenant of the caller.
    """

    label: str
    """
    Whose it is and what for; shown in lists.
    """
    scopes: list[
        Literal[
            "evaluate",
            "observe",
            "read",
            "portfolio:write",
            "policy:write",
            "breaker:write",
            "audit:read",
            "metrics:read",
            "admin",
        ]
    ]
    """
    What it may do; each operation names the one that it needs.
    """
    expires_at: AwareDatetime | None = None
    """
    From when it opens nothing. Default: until it is revoked.
    """
    networks: list[str] | None = None
    """
    Addresses from which it may be used. Default: any.
    """
    signing: Literal["bearer", "ed25519", "hmac"] | None = None
    """
    `bearer`: requests carry the key. `ed25519`, `hmac`: they are signed, and no bearer key is made.
    """
    public_key: str | None = None
    """
    Of `ed25519`: 32 bytes, base64.
    """
    units_per_second: int | None = None
    """
    Rate of its own. Default: that of the service.
    """
    burst_units: int | None = None
    """
    Units at once. Default: that of the service.
    """


class CurrentIn(Model):
    """
    Premium before the fact.
    """

    implied_volatility: float
    """
    Of the horizon: model-free, or at the money.
    """
    expected_volatility: float
    """
    Root of the expected variance over the horizon, from any forecast: POST /v1/volatility:estimate.
    """
    expected_variance_error: float | None = None
    """
    Standard error of the expected variance [annual variance].
    """


class CurrentKey(Model):
    """
    Who calls.
    """

    tenant_id: str
    key_id: str | None
    """
    null while the service has no keys, and trusts who reaches it.
    """
    label: str | None
    scopes: list[str]
    expires_at: AwareDatetime | None
    networks: list[str]
    keys_required: bool
    """
    Whether a call without a key is refused.
    """


class DamageOut(Model):
    """
    Why a state has no forecast.
    """

    status: Literal["refused"] = "refused"
    reason: str
    detail: str
    """
    What is wrong with its bytes, and how to mend it.
    """


class DamagedOut(Model):
    """
    A cached state that cannot be read: all that is known is its name.
    """

    symbol: str
    venue: str | None = None
    interval: str
    model_version: str
    readout: DamageOut


class DataAge(Model):
    """
    ``m = σ / σ_eff = 1 / sqrt(1 + a / h)``, a the age of the price that the row is sized with.
    """

    method: Literal["data_age"] = "data_age"
    horizon_seconds: float | None = None
    """
    h [s]; default: the bar behind the row's volatility.
    """


class DeleveragedOut(Model):
    """
    A position that is closed in whole or in part.
    """

    account: str
    quantity: PlainDecimal
    """
    Base units, unsigned.
    """
    cost: PlainDecimal
    """
    Against the mark; a gain is negative.
    """


class DependencyOut(Model):
    """
    One store.
    """

    status: Literal["up", "down"]
    store: str
    """
    Kind and version.
    """
    detail: str | None = None
    warnings: list[str]
    """
    Settings under which something could be lost.
    """


class DepthIn(Model):
    """
    Four figures of a book, where the book itself is not at hand; depth is taken as even up to `distance`.
    """

    mid: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    spread: PlainDecimal
    """
    Best ask minus best bid.
    """
    depth_bid: PlainDecimal
    """
    Size of the bids within `distance` of the mid.
    """
    depth_ask: PlainDecimal
    """
    Size of the asks within `distance` of the mid.
    """
    distance: float
    """
    Fraction of the mid: 0.005 is 0.5 %.
    """
    age_seconds: float | None = None
    """
    How long that depth has stood.
    """


class DifferenceOut(Model):
    """
    A place at which the recomputed answer differs.
    """

    pointer: str
    recorded: Any
    recomputed: Any


class DiscloseRequest(Model):
    """
    Which fields of a recorded answer are to be shown.
    """

    fields: list[str]
    """
    JSON pointers: a field, or what holds some. A member of an item of a list is one field.
    """


class DiscreteKelly(Model):
    """
    ``w = c · k · f / n``, ``f = p/a − (1 − p)/(a b)``: the most growth from trades that win a·b or lose a.

    a and a·b are fractions of the notional of a trade, p is `win_probability` and b `win_loss_ratio` of the signal, all
    after costs; n are the rows with a live signal: each bets on its part of the capital. With a = 1 this is
    ``f = p − (1 − p)/b``. No edge, no position.
    """

    method: Literal["discrete_kelly"] = "discrete_kelly"
    max_volatility: float
    """
    Volatility that a row may have on its part of the capital; the final size is the smaller one [annual, fraction].
    """
    fraction: float | None = None
    """
    c of Kelly; at 0.25 the growth is 44 % of the largest and the chance of ever halving 1 in 128.
    """
    forced: bool | None = None
    """
    Allow more than half Kelly.
    """
    loss: float | None = None
    """
    a, what a losing trade loses of its notional [fraction]; 1 takes every loss for a total one.
    """
    shrink: bool | None = None
    """
    Multiply by k, which `trades` trades are worth as evidence: ``k = max(1 − 1/(T θ²), 0)``, θ the mean of a trade over its deviation, ``(p b − 1 + p) / ((b + 1) √(p (1 − p)))``.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class DistressPolicy(Model):
    """
    Weights of the metrics, and the level at which each of them is at its worst.
    """

    leverage_weight: float | None = None
    """
    Weights of the metrics; those that are missing drop out and the rest is scaled up.
    """
    funding_weight: float | None = None
    """
    Weights of the metrics; those that are missing drop out and the rest is scaled up.
    """
    basis_weight: float | None = None
    """
    Weights of the metrics; those that are missing drop out and the rest is scaled up.
    """
    depth_weight: float | None = None
    """
    Weights of the metrics; those that are missing drop out and the rest is scaled up.
    """
    withdrawal_weight: float | None = None
    """
    Weights of the metrics; those that are missing drop out and the rest is scaled up.
    """
    peg_weight: float | None = None
    """
    Weights of the metrics; those that are missing drop out and the rest is scaled up.
    """
    error_weight: float | None = None
    """
    Weights of the metrics; those that are missing drop out and the rest is scaled up.
    """
    basis_scale_bps: float | None = None
    """
    Distance of the price that scores 1 [bp].
    """
    withdrawal_scale: float | None = None
    """
    Share of reserves withdrawn in a day that scores 1.
    """
    peg_scale: float | None = None
    """
    Deviation from the peg that scores 1 [fraction].
    """
    error_scale: float | None = None
    """
    Share of failed calls that scores 1.
    """


class DrawdownControl(Model):
    """
    ``w = x · (1 − α M/W) / (A (1 − α) + α)``: Grossman and Zhou's optimum for wealth that stays above α M.

    M is the high-water mark, α = 1 − `max_drawdown`, x the growth-optimal weights ``argmax x'μ − ½ x'Σx`` with every
    row on the side of its direction (alone: ``μ/σ²``), A the relative risk aversion. With ``Y = W − αM`` the process
    ``K = Y M^{α/(1−α)}`` is a geometric Brownian motion whose exposure is ``w W/Y``, so that the long-run growth of
    ``E[W^{1−A}]`` is that of ``E[K^{(1−A)(1−α)}]``: Merton's problem with risk aversion ``A(1−α) + α``.
    """

    method: Literal["drawdown_control"] = "drawdown_control"
    max_drawdown: float
    """
    1 − α, largest fall from the high-water mark [fraction].
    """
    risk_aversion: float | None = None
    """
    A; 1 maximises growth, 2 is about half of it.
    """
    rebalances_per_year: float | None = None
    """
    How often the book is rebalanced at least; only for the probability of a gap in `portfolio.survival`.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class DroppedQuoteOut(Model):
    """
    A quote that is not used.
    """

    index: int
    """
    In quotes[].
    """
    reason: str


class DynamicConditional(Model):
    """
    Dynamic conditional correlation of the standardised returns on a common clock.
    """

    asynchronous: Literal["none", "overlapping", "lead_lag"] | None = None
    """
    `none`: the markets close together. `overlapping`: returns over two bars. `lead_lag`: adds one bar ahead and one behind.
    """
    stress: Literal["never", "shifted", "always"] | None = None
    """
    When correlations are stressed: never, while the regime is shifted, always.
    """
    stress_weight: float | None = None
    """
    Weight of the stressed matrix.
    """
    method: Literal["dynamic_conditional"] = "dynamic_conditional"
    innovation: float | None = None
    """
    Weight a of the newest bar.
    """
    persistence: float | None = None
    """
    Weight b of the correlation before it; a + b < 1.
    """
    clip: float | None = None
    """
    Bound of |z|.
    """


class EachRounding(Model):
    """
    Round every row toward zero, alone: no position is ever larger than its unrounded size.
    """

    method: Literal["each"] = "each"


class Egarch(Model):
    """
    EGARCH(1,1,1) as a filter: parameters are given, by hand or by a fit, and never change while it runs.

    ``ln h' = ω + α(|z| − √(2/π)) + γ z + β ln h`` with ``z = r / √h``; ln h is kept within ± 30.
    """

    method: Literal["egarch"] = "egarch"
    omega: float
    """
    Constant ω of ln h, h in variance per bar of log returns. Of a fit on percent returns (`arch`): its omega − (1 − β) × ln(10,000).
    """
    alpha: float
    """
    Reaction α to the size of z, not negative: large moves may not calm the forecast. The same number in every unit of returns.
    """
    gamma: float
    """
    Reaction γ to z with its sign: negative where falls raise the volatility.
    """
    beta: float
    """
    Share β of ln h that is kept, below 1; it is the persistence.
    """
    start_variance: float | None = None
    """
    Forecast for the first bar [variance per bar]: exp(ω / (1 − β)) where none is given.
    """
    calibrate: bool | None = None
    """
    Multiply the forecast by the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """


class EigenvaluesOut(Model):
    """
    Spectrum of the correlation matrix.
    """

    smallest: float
    largest: float
    condition: float | None
    """
    largest / smallest; null where the matrix is singular.
    """


class EntryBody(Model):
    """
    Recorded bytes of one entry, each as base64.
    """

    request: str
    """
    Body of the request as it was received; of a GET its canonical query string.
    """
    response: str
    """
    Answer without its `audit` member.
    """
    state: str
    """
    What was read besides the request: one line of JSON, then little-endian numbers.
    """
    versions: str
    """
    JSON of the versions that the numbers depend on.
    """


class EntryOut(Model):
    """
    One entry of the audit log, without its body.
    """

    index: int
    """
    Position in the log: contiguous from 0, never reused.
    """
    evaluation_id: str | None = None
    """
    Of entries that can be replayed.
    """
    event_id: str | None = None
    """
    Of all others.
    """
    kind: str
    recorded_at: AwareDatetime
    portfolio_id: str | None
    client_reference: str | None
    status: int
    """
    HTTP status of the answer.
    """
    body_sha256: str
    """
    Digest of request, answer, state and versions.
    """
    body_length: int
    """
    Bytes of these, uncompressed.
    """
    stored_bytes: int
    """
    Bytes as stored.
    """


class EntryPage(Model):
    """
    Entries in the order of the log.
    """

    items: list[EntryOut]
    next: str | None
    """
    Cursor of the next page; null on the last.
    """


class EqualSplit(Model):
    """
    Size each underlying once, then split its notional equally over its rows.
    """

    method: Literal["equal"] = "equal"


class Essvi(Model):
    """
    Three parameters an expiry, free of arbitrage at every strike and expiry by construction; see `fit_essvi`.
    """

    method: Literal["essvi"] = "essvi"
    wide_spread: float | None = None
    """
    As in `JointSvi`.
    """


class EventIn(Model):
    """
    Something dated that will move prices: a rate decision, an unlock, a listing, an election.

    It raises the volatility of the bar that it falls into, that of the next bar and of the horizon, and is never learnt
    from: what comes after it, the prices say.
    """

    symbol: str | None = None
    """
    Row, series or underlying that it moves; default: all of them, and together.
    """
    at: AwareDatetime
    """
    When it begins. One at the very close of a bar moves the bar after it. The next bar ends one bar after the last close, or with the bar under way at as_of; of markets that close, only weekends are left out.
    """
    volatility: float | None = None
    """
    Extra volatility while it lasts [annual, fraction]: it adds volatility² × seconds / 1 year.
    """
    move: float | None = None
    """
    Log return expected of it as a whole, of either sign (one standard deviation): 0.03 is 3 %.
    """
    seconds: float | None = None
    """
    How long it lasts; a bar counts the part of it that it contains. 0: all at once.
    """


class Ewma(Model):
    """
    Exponentially weighted moving average of squared log returns.

    ``S_t = λ S_{t−1} + (1 − λ) r_t²`` and ``σ_t² = S_t / (1 − λ^t)`` with ``λ = 2^(−1/half_life)``: the weights of the
    bars seen so far always sum to one, so that a short history is not biased toward zero.
    """

    method: Literal["ewma"] = "ewma"
    half_life: float | None = None
    """
    Age at which a bar weighs half as much as the newest [bars].
    """
    calibrate: bool | None = None
    """
    Multiply the forecast by the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction]; with it 2 to 19 bars are answered as `cold`.
    """


class ExAnteOut(Model):
    """
    Premium of the moment.
    """

    premium_variance: float
    """
    implied_volatility² - expected_volatility² [annual variance].
    """
    premium_points: float
    """
    implied_volatility - expected_volatility.
    """
    standard_error: float | None
    """
    Of premium_variance; null unless sent.
    """
    z_score: float | None


class ExPostOut(Model):
    """
    Mean premium of a history.
    """

    status: Literal["ok", "refused"]
    detail: str | None
    premium_variance: float | None
    """
    Mean of implied² - realised² [annual variance].
    """
    premium_points: float | None
    """
    Mean of implied - realised.
    """
    standard_error_variance: float | None
    """
    Newey-West; null below two independent windows.
    """
    standard_error_points: float | None
    interval_variance: list[float] | None
    """
    95 %, Student's t on the independent windows.
    """
    interval_points: list[float] | None
    share_positive: float | None
    observations: int
    independent_windows: int
    """
    Horizons side by side in the history: what the mean rests on.
    """
    overlapping: bool
    """
    Whether windows share prices: observations are then not independent.
    """


class ExecutionCostOut(Model):
    """
    Of the slices as they are, against the mark, in linear impact.
    """

    expected: PlainDecimal
    expected_fraction: float
    """
    Over the notional at the mark.
    """
    standard_deviation: PlainDecimal
    variance: float
    """
    Quote currency squared.
    """


class Exponential(Model):
    """
    Correlation of standardised returns whose weights halve with age.
    """

    asynchronous: Literal["none", "overlapping", "lead_lag"] | None = None
    """
    `none`: the markets close together. `overlapping`: returns over two bars. `lead_lag`: adds one bar ahead and one behind.
    """
    stress: Literal["never", "shifted", "always"] | None = None
    """
    When correlations are stressed: never, while the regime is shifted, always.
    """
    stress_weight: float | None = None
    """
    Weight of the stressed matrix.
    """
    method: Literal["exponential"] = "exponential"
    half_life: float | None = None
    """
    Age at which a bar weighs half as much as the newest [bars]; at least 5, the error of some 14 bars of equal weight.
    """
    clip: float | None = None
    """
    Bound of |z|.
    """


class ExposureIn(Model):
    """
    A claim of one node on another.
    """

    creditor: str
    """
    Loses when the debtor does.
    """
    debtor: str
    amount: PlainDecimal
    """
    In the unit of equity.
    """


class ExposureOut(Model):
    """
    Greeks of some positions. `_coin` counts base units, `_usd` and what is without a suffix the quote currency.

    null: not known, or not to be added up over underlyings.
    """

    delta_coin: float | None
    """
    What a hedge must offset: Black delta, less the mark in coin of coin-settled options.
    """
    delta_usd: float | None
    """
    Each position's delta at its own price.
    """
    delta_black: float | None
    """
    Black delta, before the premium adjustment [base units].
    """
    gamma_1pct_coin: float | None
    """
    Change of the Black delta when the price moves 1 %.
    """
    gamma_1pct_usd: float | None
    """
    The same at each position's price.
    """
    vega_per_point: float | None
    """
    Per volatility point (0.01).
    """
    vega_30d_per_point: float | None
    """
    Each position times √(30 / days to expiry), days >= 1.
    """
    theta_per_day: float | None
    """
    Per calendar day.
    """
    vanna_per_point: float | None
    """
    Change of the Black delta per point [base units].
    """
    volga_per_point: float | None
    """
    Change of vega_per_point per point.
    """
    charm_per_day: float | None
    """
    Change of the Black delta per day [base units].
    """
    skew_delta: float | None
    """
    What `stickiness` of the smile adds to delta [base units]: in none of the deltas of a price ladder; in delta_coin and delta_usd of an evaluation, where `skew_stickiness` asks for it.
    """
    value: float | None
    """
    Market value; a future has none.
    """
    value_coin: float | None
    vega_per_point_coin: float | None
    theta_per_day_coin: float | None


class FeedbackIn(Model):
    """
    What executions change in later evaluations of the portfolio.
    """

    impact: bool | None = None
    """
    Use the impact coefficient fitted to its executions where it is above that of the policy.
    """
    may_loosen: bool | None = None
    """
    Use it also where it is below: caps that impact bounds may then grow.
    """


class FieldBucketOut(Model):
    """
    Commitments of 16 fields, and their way to the root.
    """

    number: int
    commitments: list[str]
    """
    SHA-256 of salt, pointer, newline and value; sorted.
    """
    path: list[str]
    """
    Inclusion proof (RFC 6962) in the tree over the buckets.
    """


class FigureIn(Model):
    """
    A figure of a recorded answer that is to be committed to.
    """

    figure: str
    """
    `gross_exposure`: the sum of |target_notional|. Else a number of 0 or more at a JSON pointer in the answer or in the request, such as `request:/account/equity`.
    """
    unit: str | None = None
    """
    Committed is a whole number of these, below 2^64.
    """
    rounding: Literal["up", "down"] | None = None
    """
    `up` for what is to be bounded from above, `down` for the equity under a leverage.
    """


class FillIn(Model):
    """
    One trade of one order.
    """

    venue: str | None = None
    trade_id: str
    """
    Unique at the venue: a trade that was reported before counts once.
    """
    client_order_id: str
    """
    That of the order, as the evaluation gave it.
    """
    side: Literal["buy", "sell"]
    quantity: PlainDecimal
    """
    In `quantity_unit` of the order.
    """
    price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    fee_rate: float | None = None
    """
    Fee over notional: 0.0005 is 5 basis points; negative where paid back.
    """
    liquidity: Literal["maker", "taker"] | None = None
    executed_at: AwareDatetime
    arrival_price: PlainDecimal | None = None
    """
    Mid when the order reached the venue.
    """
    spread: PlainDecimal | None = None
    """
    Best ask minus best bid then.
    """


class FillOut(Model):
    """
    What became of a fill.
    """

    venue: str | None
    trade_id: str
    outcome: Literal["matched", "unknown", "duplicate", "conflict"]
    """
    unknown: no order of this id was found. duplicate: it was reported before. conflict: it was, with other content; what was first counts. Only matched ones count now.
    """


class FilteredHistorical(Model):
    """
    Tail loss of the last returns, each scaled toward the volatility that is forecast now.

    ``x_t = r_t (1 + σ_T/σ_t)/2`` (half), ``r_t σ_T/σ_t`` (full) or ``r_t`` (none), σ from an exponential average of
    squares; a long loses ``1 − e^x``, a short ``e^x − 1``.
    """

    method: Literal["filtered_historical"] = "filtered_historical"
    profile: Literal["default", "lean", "reactive"] | None = None
    """
    Window and scaling: 1,000 returns and half; 250 and half, which asks less after a quiet year; 1,000 and full.
    """
    scaling: Literal["none", "half", "full"] | None = None
    """
    Instead of the profile's. `none` is plain historical simulation.
    """
    window: int | None = None
    """
    Returns that are looked back on, instead of the profile's [bars].
    """
    decay: float | None = None
    """
    λ of the average of squares; 0.94 to 0.99 are usual.
    """
    measure: Literal["expected_shortfall", "value_at_risk"] | None = None
    """
    Which figure of the tail.
    """
    alpha: float | None = None
    """
    Its confidence α.
    """
    horizon_days: float | None = None
    """
    h, the time to close a position [days].
    """
    aggregation: Literal["square_root", "overlapping"] | None = None
    """
    From a bar to the horizon: times the root of its bars, or sums of that many consecutive returns.
    """
    min_returns: int | None = None
    """
    Returns (or overlapping sums) below which the model says nothing and the next rung of the ladder is asked.
    """


class FittedImpactIn(Model):
    """
    Impact coefficient fitted to the executions of a portfolio, as an evaluation used it.
    """

    coefficient: float
    venues: list[str]
    """
    Venues whose fits it is the largest of; empty for those without a name.
    """
    orders: int
    may_loosen: bool


class FixedCapital(Model):
    """
    Size on a constant amount: profits are not reinvested, and losses shrink no size.
    """

    method: Literal["fixed"] = "fixed"
    capital: float
    """
    [account currency]
    """


class FixedRisk(Model):
    """
    ``n = E ρ / ((|P_e − P_s| + fees + slip) · M · fx)``: a stop-out costs ρ of the capital.

    Fees are charged on notional, at the entry and at the exit: ``fee · (P_e + max(P_e, P_s) + slip)``; slip is
    ``slippage · P_e``. An inverse contract loses ``M |1/P_e − 1/P_s|`` coins: in the account currency, with the coin
    valued at the stop, ``M · fx · |P_e − P_s| / P_e``. Where the account is kept in the coin itself, fx moves with the
    price, and the loss is that number of coins.
    """

    method: Literal["fixed_risk"] = "fixed_risk"
    risk_fraction: float | None = None
    """
    ρ, loss of a stop-out over the capital [fraction].
    """
    fee: float | None = None
    """
    Fee of one order [fraction of notional]; a stop takes liquidity.
    """
    slippage: float | None = None
    """
    How much worse than the stop the exit is filled [fraction of the entry price].
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class FixedWeight(Model):
    """
    Weight of one symbol.
    """

    symbol: str
    """
    In equal parts where it has several rows.
    """
    weight: float
    """
    |notional| over equity at direction 1; the side is that of the signal, or without signals the one held.
    """


class FixedWeights(Model):
    """
    Hold given weights: ``w_i = weight_i · d_i``.
    """

    method: Literal["fixed_weights"] = "fixed_weights"
    weights: list[FixedWeight]
    """
    Weight of each symbol; they need not add up to 1. A row that would be sized and is not named is refused.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class Flat(Model):
    """
    The same volatility at every strike: the weighted mean of total variance, made to ascend with time.
    """

    method: Literal["flat"] = "flat"


class ForecastIn(Model):
    """
    Forecast of one trading rule.
    """

    rule: str
    forecast: float
    """
    10 is average strength; capped at ±20.
    """
    weight: float | None = None
    """
    Relative to the others.
    """


class FullCompounding(Model):
    """
    Size on the equity: profits and losses are reinvested.
    """

    method: Literal["full"] = "full"


class FundingIn(Model):
    """
    What a long position pays: one annual rate, or what was paid in each bar.
    """

    symbol: str
    annual_rate: float | None = None
    rates: list[float] | None = None
    """
    Fraction of notional over the bar that ends at each close.
    """


class FxIn(Model):
    """
    Conversion rate.
    """

    currency: str
    rate: PlainDecimal
    """
    Account currency per unit of `currency`.
    """


class GapFraction(Model):
    """
    Make a fraction of the increase in each decision.
    """

    method: Literal["gap_fraction"] = "gap_fraction"
    fraction: float | None = None
    """
    Part of the gap between position and larger target.
    """


class Garch(Model):
    """
    GARCH(1,1) as a filter: parameters are given, by hand or by a fit, and never change while it runs.

    ``h' = ω + α r² + β h``.
    """

    method: Literal["garch"] = "garch"
    omega: float
    """
    Constant ω [variance per bar of log returns]. Of a fit on percent returns (`arch`): its omega / 10,000.
    """
    alpha: float
    """
    Reaction α to the newest squared return; the same number in every unit of returns.
    """
    beta: float
    """
    Share β of the variance that is kept; the same number in every unit of returns.
    """
    start_variance: float | None = None
    """
    Forecast for the first bar [variance per bar]: the long-run variance ω / (1 − α − β) where none is given. For `arch`'s own path give ω + (α + β) × its backcast. Required where α + β ≥ 0.9999.
    """
    calibrate: bool | None = None
    """
    Multiply the forecast by the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """


class GarmanKlass(Model):
    """
    Average of ``v = (u − d)²/2 − (2 ln 2 − 1) c²``, with the overnight move ``o²`` added.
    """

    window: int | None = None
    """
    Bars of equal weight; no forecast before as many were seen. Excludes `half_life`.
    """
    half_life: float | None = None
    """
    Age at which a bar weighs half as much as the newest [bars]; 20 when neither is given. The plain mean at first.
    """
    overnight: bool | None = None
    """
    True: ``o² + v``, which TTR calls ``gk.yz``. False: ``v`` alone, TTR's ``garman.klass``.
    """
    match_close_variance: bool | None = None
    """
    Multiply by the ratio to the variance of closes of `services.volatility.close_match`.
    """
    calibrate: bool | None = None
    """
    Apply the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """
    method: Literal["garman_klass"] = "garman_klass"


class GeometricSpacing(Model):
    """
    Levels at equal price ratios: ``p_i = lo (hi / lo)^{i / (n − 1)}``.
    """

    method: Literal["geometric"] = "geometric"
    min_step: float | None = None
    """
    Smallest distance of neighbours [log price].
    """


class GjrGarch(Model):
    """
    GJR-GARCH(1,1,1) as a filter: parameters are given, by hand or by a fit, and never change while it runs.

    ``h' = ω + (α + γ·1{r<0}) r² + β h``.
    """

    method: Literal["gjr_garch"] = "gjr_garch"
    omega: float
    """
    Constant ω [variance per bar of log returns]. Of a fit on percent returns (`arch`): its omega / 10,000.
    """
    alpha: float
    """
    Reaction α to the square of a rise; the same number in every unit of returns.
    """
    gamma: float
    """
    What the reaction to the square of a fall has in addition; negative where rises weigh more, at least −α.
    """
    beta: float
    """
    Share β of the variance that is kept; the same number in every unit of returns.
    """
    start_variance: float | None = None
    """
    Forecast for the first bar [variance per bar]: the long-run variance ω / (1 − α − γ/2 − β) where none is given. For `arch`'s own path give ω + (α + γ/2 + β) × its backcast. Required where α + γ/2 + β ≥ 0.9999.
    """
    calibrate: bool | None = None
    """
    Multiply the forecast by the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """


class GreekPriceOut(Model):
    """
    Marginal prices of one Greek at the optimum in fractions of lots [account currency per unit of the Greek].
    """

    greek: str
    exposure_price: float
    """
    What one unit more in the book would add to cost and risk.
    """
    bound_price: float
    """
    What moving the bound that binds outward by one unit would save.
    """


class GreeksContract(Model):
    """
    One option and its volatility.
    """

    symbol: str | None = None
    """
    Echoed.
    """
    strike: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    expiry: AwareDatetime
    right: Literal["call", "put"]
    forward: PlainDecimal
    """
    Forward or future of the same expiry, in quote per base.
    """
    discount: float | None = None
    """
    Discount factor to expiry; above 1 for a negative rate.
    """
    settlement: Literal["linear", "inverse"] | None = None
    """
    inverse: premium and pay-off are paid in base (coin-settled).
    """
    implied_volatility: float | None = None
    """
    Annual, as a fraction: 0.6 is 60 %. Without it the row is refused; 0 gives the limits.
    """
    base_discount: float | None = None
    """
    Discount factor of the base currency, for the two spot conventions; default 1, assumed.
    """
    averaged_settlement: bool | None = None
    """
    The delivery price is averaged over the last 30 minutes: figures fade with them.
    """
    quantity: PlainDecimal | None = None
    """
    Signed contracts: adds `position` to the row.
    """
    contract_multiplier: PlainDecimal | None = None
    """
    Base units per contract; default 1, assumed where a quantity is given.
    """


class GreeksIn(Model):
    """
    Greeks of the whole position, brought by the client.
    """

    delta: float
    """
    Base units of the underlying.
    """
    gamma: float | None = None
    """
    Change of delta per unit of price.
    """
    vega: float | None = None
    """
    Account currency per volatility point.
    """
    theta: float | None = None
    """
    Account currency per day.
    """


class GridBoundOut(Model):
    """
    What bound the grid.
    """

    size: Literal["budget", "risk_budget", "volatility", "max_leverage", "max_quantity", "minimum"]
    """
    volatility: risk_budget over the standard deviations; minimum: every order is the smallest legal one.
    """
    count: Literal["max_levels", "step", "budget", "risk_budget", "volatility", "max_leverage"]


class GridLevelOut(Model):
    """
    One resting order.
    """

    side: Literal["buy", "sell"]
    price: PlainDecimal
    quantity: PlainDecimal
    """
    In quantity_unit, as a size.
    """
    contracts: PlainDecimal
    """
    Whole lots.
    """
    notional: PlainDecimal
    reduce_only: bool
    """
    Closes inventory; not part of the budget.
    """


class GrossLeverage(Model):
    """
    ``m = min(1, L / Σ|w|)``.
    """

    method: Literal["gross_leverage"] = "gross_leverage"
    limit: float | None = None
    """
    L, gross notional over equity; options count by their delta.
    """


class HaircutPartsOut(Model):
    """
    What a haircut is made of: ``max(floor, tail + spread + size + peg) · wrong_way · contagion``, at most 1.
    """

    tail: float | None
    """
    k σ √(time to sell + age); null without a volatility.
    """
    spread: float
    size: float | None
    """
    Impact of selling it; null where that has no end.
    """
    peg: float
    floor: float
    wrong_way: float
    wrong_way_correlation: float
    wrong_way_source: Literal["given", "measured", "worst", "no_positions", "not_looked_at"]
    """
    worst: not known, so 1; not_looked_at: nothing is owed or held against it.
    """
    contagion: float
    """
    Multiplier of its venue.
    """
    stale: bool
    """
    True: no credit for initial margin, and a multiple of the haircut otherwise.
    """


class HalfCompounding(Model):
    """
    Size on ``min(equity, initial capital)``: losses shrink sizes at once, profits are not reinvested.

    The initial capital is that of the control state (`previous.initial_capital`); the first decision starts it at the
    equity.
    """

    method: Literal["half"] = "half"


class Har(Model):
    """
    ``v_{t+1} = b₀ + b₁ v_t + b₂ v̄_week + b₃ v̄_month``, of variances (level) or of their logarithms (log).

    v is Parkinson's variance with the overnight move, r² for a bar without a range; the forecast is ``c · v_{t+1}``, c
    the causal ratio to the variance of closes of `services.volatility.close_match`.
    """

    method: Literal["har"] = "har"
    form: Literal["level", "log"] | None = None
    """
    ``level``: least squares over all bars so far, the forecast held between 0.1 times the mean and the largest v. ``log``: recursive least squares with forgetting .9995 from b = (−.3, .4, .3, .25), errors clipped to ±4, the forecast ``exp(b'x + s²/2)``, at most the largest v; s² the recent mean of squared errors.
    """
    week: int | None = None
    """
    Lags [bars]: 7 and 30 where the market never closes, 5 and 22 for sessions.
    """
    month: int | None = None
    """
    Lags [bars]: 7 and 30 where the market never closes, 5 and 22 for sessions.
    """
    match_close_variance: bool | None = None
    """
    Multiply by c.
    """
    calibrate: bool | None = None
    """
    Apply the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """


class HedgeBandOut(Model):
    """
    Half widths of the band of a trigger, in base units.
    """

    outer: float | None
    """
    Beyond it, the trigger trades.
    """
    inner: float | None
    """
    What it leaves, on the same side.
    """


class HedgeBasisOut(Model):
    """
    The figures behind an adaptive band.
    """

    gamma: float | None
    """
    |Gamma| of the book: base units per unit of price (account currency).
    """
    cost_rate: float | None
    """
    Fee, half spread and impact over notional.
    """
    fixed_cost: float | None
    """
    Of one order, in the account currency.
    """
    risk_aversion: float | None
    """
    Per unit of account currency; null: no risk is borne.
    """
    impact_known: bool
    """
    False: no volume was sent in flow[], so impact is left out.
    """


class HedgeBindingOut(Model):
    """
    A constraint that holds the plan back.
    """

    kind: Literal["upper_bound", "lower_bound", "buy_depth", "sell_depth", "margin", "cash"]
    name: str
    """
    Greek or symbol; the kind again for margin and cash.
    """
    price: float
    """
    What one unit more of it would save [account currency].
    """


class HedgeBreachOut(Model):
    """
    A bound that the plan does not keep.
    """

    greek: str
    amount: float
    """
    How far outside [unit of the Greek].
    """


class HedgeGate(Model):
    """
    The conditions on which a hedge may grow.
    """

    poll_seconds: float | None = None
    """
    How often figures are read [s]; they are fresh for three polls, and for at least 30 s.
    """
    max_funding_rate: float | None = None
    """
    Most funding that the hedge may pay [annual fraction].
    """
    max_index_gap: float | None = None
    """
    Most distance of mark and index [fraction of the index].
    """
    max_hedge_share: float | None = None
    """
    Largest hedge over the gross option delta: stops an error of sizing, not a hedge.
    """


class HedgeGateOut(Model):
    """
    What policy.hedge_gate said of the trade that was wanted.
    """

    allowed: bool
    """
    Whether any of it is.
    """
    reason: str
    detail: str
    max_contracts: PlainDecimal
    """
    Most contracts in the wanted direction.
    """


class HedgeLatencyOut(Model):
    """
    What latency_seconds may cost; it is taken off the margin of hedges, and moves no trigger.
    """

    drift: float
    """
    Standard deviation of the delta over the latency [base units].
    """
    delta: float
    """
    confidence_factor times it [base units].
    """
    quote: PlainDecimal
    """
    Margin held for it, in the quote currency.
    """


class HedgeMemoryIn(Model):
    """
    What is remembered of the last hedge of an underlying.
    """

    underlying: str
    last_hedge_at: AwareDatetime
    last_hedge_price: PlainDecimal
    """
    Mark of the hedge instrument, in its quote currency.
    """
    gamma_1pct: float | None = None
    """
    Of the book then: base units for a move of 1 %.
    """
    vega_per_point: float | None = None
    """
    Of the book then: quote currency per volatility point.
    """


class HedgeMemoryOut(Model):
    """
    What is remembered of the last hedge of an underlying.
    """

    underlying: str
    last_hedge_at: AwareDatetime
    last_hedge_price: PlainDecimal
    gamma_1pct: float | None = None
    vega_per_point: float | None = None


class HedgeNettingOut(Model):
    """
    One hedge for several accounts, against a hedge for each [base units].
    """

    gross_delta: float
    """
    Sum of the sizes of the accounts' deltas.
    """
    net_delta: float
    saved_delta: float
    """
    What need not be traded.
    """
    by_account: list[AccountShareOut]


class HedgeReflexivityOut(Model):
    """
    What hedging this delta does to the price that it hedges.
    """

    level: Literal["ok", "warn", "prefer_option", "refuse"] | None
    """
    null: not known, `detail` says what lacks. prefer_option: the optimiser is to bring gamma in; refuse: delta alone is traded only to reduce.
    """
    detail: str
    gain: float | None = None
    """
    Move that a hedge makes over the move that it hedges.
    """
    amplification: float | None = None
    """
    The whole move over the first; null: without end.
    """
    band_factor: float | None = None
    """
    What the band of the trigger was widened by.
    """
    impact_slope: float | None = None
    """
    Price per base unit of a trade of the whole delta.
    """


class HedgeSliceOut(Model):
    """
    Part of the order of a hedge: between two times, or at a price.
    """

    sequence: int
    contracts: PlainDecimal
    """
    Signed.
    """
    start: AwareDatetime | None
    end: AwareDatetime | None
    """
    As start: at once.
    """
    price: PlainDecimal | None
    """
    Of steps at prices.
    """
    worst_price: PlainDecimal | None
    """
    Present with a collar, of slices in time.
    """


class HedgeSlicingOut(Model):
    """
    What there is to say of the slices together.
    """

    reason: str
    """
    data_required: the schedule lacks a figure, `detail` says which.
    """
    detail: str
    unfilled: PlainDecimal
    """
    Contracts of the order that are in no slice.
    """
    expected_cost: PlainDecimal | None
    """
    Against the mark, in the quote currency; null without book and flow[].
    """


class HedgedGreeksOut(Model):
    """
    Greeks of a book, or of trades; money in the account currency.
    """

    delta: float
    """
    Base units.
    """
    gamma_1pct: float
    """
    Change of delta for a move of 1 % [base units].
    """
    vega_per_point: float
    """
    Per volatility point.
    """
    vanna_per_point: float
    """
    Change of delta per point [base units].
    """
    volga_per_point: float
    """
    Change of vega_per_point per point.
    """


class HeldSplit(Model):
    """
    Size each underlying once, then split it as it is held; equally where nothing is.
    """

    method: Literal["held"] = "held"


class HestonFit(Model):
    """
    What may be fitted: bounds of Heston's parameters, and a price on breaking Feller's condition.
    """

    method: Literal["heston"] = "heston"
    variance_bounds: list[Any] | None = None
    """
    Of v₀ and θ [annual variance].
    """
    mean_reversion_bounds: list[Any] | None = None
    """
    κ [per year]. Expiries of a week cannot tell a κ of 30 from one of 60.
    """
    volatility_of_variance_bounds: list[Any] | None = None
    """
    σ and ρ.
    """
    correlation_bounds: list[Any] | None = None
    """
    σ and ρ.
    """
    feller_penalty: float | None = None
    """
    Adds ``feller_penalty · max(0, σ² − 2κθ)²`` to half the sum of squared errors; 0 leaves the fit free.
    """


class HierarchicalRiskParity(Model):
    """
    Share one unit of gross exposure down a tree of markets, by inverse variance at each branch.

    Markets are clustered by the distance ``d = sqrt((1 − ρ)/2)`` and lined up as the leaves of the tree; the line is
    halved again and again, and each half is given the part ``1 − V/(V + V')`` of its former whole, V being its
    variance under inverse-variance weights.

    The sides are those of the signals, or without signals those held; a short counts as a market of its own, with the
    correlations ``s s' ∘ R``. The policy's `scaling` makes a size of the composition; without one its gross leverage
    is 1.
    """

    method: Literal["hierarchical_risk_parity"] = "hierarchical_risk_parity"
    linkage: Literal["single", "average", "complete", "ward"] | None = None
    """
    Distance of two clusters: that of their nearest, mean or farthest members, or the growth of their spread.
    """
    leaf_order: Literal["tree", "optimal"] | None = None
    """
    Order of the leaves: as the tree was built, or with like leaves next to one another (Bar-Joseph et al., 2001). They give different shares.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """
    max_share: float | None = None
    """
    Largest share of one row in the composition; what is cut is divided among the others in proportion. Where every row is at the limit the rest stays cash. Scaling keeps the ratios of the shares, not their sum.
    """


class HistoricalRiskConstrainedKelly(Model):
    """
    ``max E[ln(1 + r'b)]`` with ``E[(1 + r'b)^{−λ}] <= 1``: then ``P(W ever < α W₀) <= β``, λ = ln β / ln α.

    α = 1 − `max_drawdown`, β = `drawdown_probability`. The expectation is over the bars of the posted series: their
    shape and their dependence, brought to the volatility forecast for the next bar and to the expected return that was
    sent, ``r = (x − mean x) / sd x · σ/√N + μ/N`` with N bars a year. The mean of a history says next to nothing.
    """

    method: Literal["historical_risk_constrained_kelly"] = "historical_risk_constrained_kelly"
    max_drawdown: float
    """
    1 − α, loss of the present equity that is to stay improbable [fraction].
    """
    drawdown_probability: float
    """
    β, largest probability of ever losing that much.
    """
    history_bars: int | None = None
    """
    Newest bars that are outcomes; fewer where the shortest series has fewer, at least 60.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class HorizonOut(Model):
    """
    Forecast over more than one bar: it fades into the long-run volatility, without the hour of the day. Scheduled
    events within it are counted.
    """

    duration: str
    bars: float
    """
    Bars of the market in it; a week of a session market has fewer than one of 24/7.
    """
    deviation: float
    """
    Standard deviation of the log return over it.
    """
    volatility: float
    """
    The same, annual.
    """


class HorizonVarianceOut(Model):
    """
    Model-free volatility of 30 days, linear in total variance between expiries as the VIX is.
    """

    days: float
    volatility: float
    extrapolated: bool
    """
    30 days lie beyond the quoted expiries: the nearest one is held.
    """


class ImpactAddon(Model):
    """
    ``f + I √(|q| / ADV)``: what closing the position moves the price by, added to the rate.
    """

    method: Literal["impact"] = "impact"
    coefficient: float | None = None
    """
    I [fraction of the price for a day's volume].
    """


class ImpactFitOut(Model):
    """
    Coefficient of the square-root law that the orders at one venue show.
    """

    venue: str | None
    orders: int
    estimate: float
    """
    Of the regression alone.
    """
    standard_error: float
    prior: float
    """
    Coefficient of the policy of the last order.
    """
    coefficient: float
    """
    Shrunk towards the prior.
    """
    interval: list[float]
    """
    95 %.
    """


class Implied(Model):
    """
    ``σ² = iv · (Σ r² + 20 · 0.7 · s) / (Σ iv_prev + 20 · s)``: the last implied variance times a causal ratio.

    The sums run over the bars before which an implied variance was known, and halve every 250 bars; s is the average r²
    of the same half-life, capped as in `services.volatility.close_match`: it gives the 20 imagined pairs their size.
    """

    method: Literal["implied"] = "implied"
    calibrate: bool | None = None
    """
    Apply the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """


class ImpliedVolatilityVelocity(Model):
    """
    ``m = min(1, limit / v)``, v the rise of the logarithm of implied volatility in a day.
    """

    method: Literal["implied_volatility_velocity"] = "implied_volatility_velocity"
    limit: float | None = None
    """
    Rise a day up to which increases are made whole: 0.15 is from 50 % to 58 % implied volatility.
    """


class InclusionAnswer(Model):
    """
    Path from the leaf of an entry to the root of a tree (RFC 6962, section 2.1.1).
    """

    index: int
    size: int
    hashes: list[str]
    """
    The leaf's sibling first.
    """


class InputsOut(Model):
    """
    Fingerprints of what the answer depends on.
    """

    request_sha256: str
    policy_resolved_sha256: str
    defaults_version: int
    engine: str


class Interval(Model):
    """
    Trade the whole delta once the last hedge is `interval_seconds` old, if the price has moved since.
    """

    method: Literal["interval"] = "interval"
    interval_seconds: float
    min_move_bps: float | None = None
    instrument: str
    """
    Symbol of the spot, linear or inverse instrument that hedges.
    """


class IntervalBuffer(Model):
    """
    Trade to the optimal size once an interval has passed since the row was last traded: calendar rebalancing.
    """

    method: Literal["interval"] = "interval"
    interval_seconds: float
    """
    Least time between two trades of a row [s].
    """


class IntervalRule(Model):
    """
    Trade the whole delta once the last hedge is `interval_seconds` old, if the price has moved since.
    """

    method: Literal["interval"] = "interval"
    interval_seconds: float
    """
    [s]
    """
    min_move_bps: float | None = None
    """
    Move of the price since the last hedge below which it waits on [1/10,000 of price].
    """


class InventorySkew(Model):
    """
    Multipliers of quoted sizes that bring the inventory back to its target; inventory beyond a range is cut.

    With inventory value B, target T and half range R: the bid falls from 2 at ``max(T − R, 0)`` over 1 at T to 0 at
    ``T + R``, the ask is 2 less the bid. A short inventory is its mirror. Every one of n rows has 1/n of the equity.
    The target position is what is held while it lies within ``T ± R``, where quotes do the work; beyond, the nearer
    end of the range.
    """

    method: Literal["inventory_skew"] = "inventory_skew"
    target_weight: float | None = None
    """
    T over the row's equity at direction 1: of a spot pair, the share of the base asset [fraction].
    """
    half_range: float | None = None
    """
    R over the row's equity [fraction]; hummingbot's `base_range` × price over the value of the pair.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class InverseVolatility(Model):
    """
    Share one unit of gross exposure by inverse volatility: ``w_i = (1/σ_i) / Σ_j (1/σ_j)``.

    The sides are those of the signals, or without signals those held. The policy's `scaling` makes a size of the
    composition; without one its gross leverage is 1.
    """

    method: Literal["inverse_volatility"] = "inverse_volatility"
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """
    max_share: float | None = None
    """
    Largest share of one row in the composition; what is cut is divided among the others in proportion. Where every row is at the limit the rest stays cash. Scaling keeps the ratios of the shares, not their sum.
    """


class JitterIn(Model):
    """
    Random sizes and moments of slices, so that they are harder to recognise.
    """

    fraction: float | None = None
    """
    Largest relative change of a slice; 0, the default, leaves sizes alone.
    """
    times: float | None = None
    """
    Part of its time within which a slice gets a random moment `at`; 0, the default: none.
    """
    seed: int
    """
    The same request with the same seed is the same schedule.
    """


class JointRounding(Model):
    """
    Whole lots whose book tracks the unrounded one best, never with more risk or exposure than it.

    Greedy: start below, add the lot that lowers ``sqrt(d'Σd) + s · Σ c_i |w_i − w_i⁰|`` most (d: gap to the unrounded
    weights, w⁰: weights held, c: cost over notional), until none does. A lot that would raise the volatility or the
    gross exposure of the book above that of the unrounded one, or a row above a limit, is not a candidate.
    """

    method: Literal["joint"] = "joint"
    shadow_cost: float | None = None
    """
    s: how many times a cost counts against a year of tracking error.
    """


class JointSvi(Model):
    """
    Five parameters an expiry, free of butterfly and calendar arbitrage within |k| <= 4; see `fit_jointly`.
    """

    method: Literal["svi"] = "svi"
    wide_spread: float | None = None
    """
    Spread from bid to ask beyond which a quote counts for less, by the square of the ratio [annual volatility].
    """


class JumpOut(Model):
    """
    Last return that was too large for its local volatility.
    """

    bars_since: float | None
    """
    0: the newest bar; null: none was seen.
    """
    log_return: float
    statistic: float
    """
    Its size in local standard deviations.
    """


class JumpWingsOut(Model):
    """
    The same smile in jump wings; see Gatheral and Jacquier (2014).
    """

    atm_variance: float
    atm_skew: float
    put_slope: float
    call_slope: float
    least_variance: float


class KeyOut(Model):
    """
    One key, without its secret.
    """

    key_id: str
    tenant_id: str
    label: str
    scopes: list[str]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    networks: list[str]
    """
    Addresses from which it may be used; empty: any.
    """
    signing: Literal["bearer", "ed25519", "hmac"]
    public_key: str | None
    units_per_second: int | None
    burst_units: int | None


class KeyPage(Model):
    """
    Keys of the tenant by id, also those that open nothing any more.
    """

    items: list[KeyOut]
    next: str | None
    """
    Cursor of the next page; null on the last.
    """
    staleness_seconds: float
    """
    Age at which a change is surely seen by every process.
    """


class LargestOut(Model):
    """
    Largest position of one side.
    """

    quantity: PlainDecimal
    """
    Unsigned, in quantity_unit.
    """
    contracts: PlainDecimal
    """
    The same in contracts: whole lots.
    """
    notional: PlainDecimal
    initial_margin: PlainDecimal
    """
    Of that position.
    """
    maintenance_margin: PlainDecimal
    binding: list[Literal["margin", "distance", "tier", "liquidity", "venue", "user"]]
    """
    Caps that set it: one lot more breaks them.
    """
    caps: list[CapOut]
    headroom: PlainDecimal
    """
    Largest order of this side [quantity_unit]; negative: what has to be traded the other way.
    """


class Latency(Model):
    """
    ``m = σ / σ_eff = 1 / sqrt(1 + l / h)``, l the time from decision to finality at the row's venue.

    ``l = venue latency + block time / (1 − congestion) + finality``; a venue that runs on no chain has the first part
    alone. Where the sequencer is down or the chain fully congested, nothing is increased.
    """

    method: Literal["latency"] = "latency"
    horizon_seconds: float | None = None
    """
    h [s]; default: the bar behind the row's volatility.
    """


class LatencyOut(Model):
    """
    What a late hedge may cost: a buffer of margin, not a reason to hedge sooner.
    """

    latency_seconds: float
    confidence_factor: float
    delta_drift: float
    """
    Standard deviation of the delta over the latency, base units.
    """
    buffer_delta: float
    """
    Base units.
    """
    buffer_quote: PlainDecimal
    """
    To add to margin, quote currency.
    """


class LedoitWolf(Model):
    """
    Correlation of a window, shrunk toward no correlation by the intensity of Ledoit and Wolf.
    """

    asynchronous: Literal["none", "overlapping", "lead_lag"] | None = None
    """
    `none`: the markets close together. `overlapping`: returns over two bars. `lead_lag`: adds one bar ahead and one behind.
    """
    stress: Literal["never", "shifted", "always"] | None = None
    """
    When correlations are stressed: never, while the regime is shifted, always.
    """
    stress_weight: float | None = None
    """
    Weight of the stressed matrix.
    """
    method: Literal["ledoit_wolf"] = "ledoit_wolf"
    window: int | None = None
    """
    Bars at most, the newest ones, all of one weight [bars].
    """
    clip: float | None = None
    """
    Bound of |z|.
    """


class LeftOutPositionOut(Model):
    """
    A position that is missing somewhere.
    """

    symbol: str
    scope: Literal["everything", "ladder", "explain"]
    reason: str
    detail: str


class LeverageCap(Model):
    """
    |size| over equity is never above a cap.
    """

    method: Literal["leverage_cap"] = "leverage_cap"
    cap: float | None = None
    """
    Gross leverage; by default `limits.max_leverage` of the policy.
    """


class LikelihoodRatioOut(Model):
    """
    Statistic of a likelihood-ratio test.
    """

    statistic: float
    p_value: float
    """
    Probability of one at least as large if the margin is right.
    """


class LimitName(Model):
    """
    A limit.
    """

    stage: str
    parameter: str


class Limits(Model):
    """
    Caps on a size. Reductions that they demand bypass the buffer.
    """

    max_leverage: float | None = None
    """
    Gross notional over equity.
    """
    max_weight: float | None = None
    """
    |notional| of one row over equity.
    """
    max_margin_use: float | None = None
    """
    Initial margin over equity.
    """
    min_liquidation_distance: float | None = None
    """
    Distance between mark and liquidation price [one-day standard deviations]; 0 switches it off.
    """
    max_data_age_bars: float | None = None
    """
    Age of the last bar beyond which a price is stale [bars]; at least 5 seconds.
    """


class LinearAddon(Model):
    """
    ``f + c |q|``: added to the rate.
    """

    method: Literal["linear"] = "linear"
    per_contract: float
    """
    c [per contract].
    """


class LinearDepthIn(Model):
    """
    Depth that is even in the price, where a book is not at hand.
    """

    kind: Literal["linear"] = "linear"
    depth: PlainDecimal
    """
    Size within `distance` of the best price, in quantity_unit.
    """
    distance: float
    """
    Fraction of the mark: 0.005 is 0.5 %.
    """
    half_spread: float
    """
    Half the spread, as a fraction of the mark.
    """


class LinearImpact(Model):
    """
    Linear price impact of Almgren and Chriss.
    """

    temporary: float
    """
    η ≥ 0: what a rate of one base unit a day costs each unit [price per (base unit / day)].
    """
    permanent: float | None = None
    """
    γ ≥ 0: how far a base unit moves the price for good [price per base unit].
    """
    fixed: float | None = None
    """
    ε ≥ 0: half the spread and the fee [price].
    """


class LinearSpacing(Model):
    """
    Levels at equal price differences: ``p_i = lo + i (hi − lo) / (n − 1)``.
    """

    method: Literal["linear"] = "linear"
    min_step: float | None = None
    """
    Smallest distance of neighbours [fraction of the price].
    """


class LiquidatedIn(Model):
    """
    The account, and the position of it that is liquidated; amounts in `currency`.
    """

    quantity: PlainDecimal
    """
    Signed base units, not 0.
    """
    equity: PlainDecimal
    """
    Of the whole account at the mark; may be negative.
    """
    maintenance_rate: float
    """
    Of the position, a fraction of its notional.
    """
    other_maintenance_margin: PlainDecimal | None = None
    """
    Of the account's other positions.
    """


class LiquidationOut(Model):
    """
    Liquidation of one row, the other rows standing still.
    """

    price: PlainDecimal
    distance_sigma: float | None
    """
    One-day standard deviations between mark and liquidation.
    """
    touch_probability: float | None
    """
    Within one day.
    """
    basis: Literal["model", "venue"]


class LiquidationRulesIn(Model):
    """
    How it is liquidated.
    """

    slippage: float | None = None
    """
    Of a slice against the mark, a fraction. Default: slices fill at the worst price allowed.
    """
    slice_fraction: float | None = None
    """
    A slice is the larger of this share of the position and `slice_notional`.
    """
    slice_notional: PlainDecimal | None = None
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    restore_to: float | None = None
    """
    Equity over maintenance at which selling ends.
    """
    fee_rate: float | None = None
    """
    Of a slice's notional to the fund, while its price is better than bankruptcy.
    """
    bankruptcy_adjustment: float | None = None
    """
    How soon the worst price that is allowed is reached.
    """
    spread_to_maintenance: float | None = None
    """
    Its widest distance from the mark, over maintenance margin.
    """
    price_cap: float | None = None
    """
    Largest distance of the price of deleveraging from the mark, a fraction.
    """


class LiquidationSideOut(Model):
    """
    The nearest liquidation price on one side of the mark.
    """

    price: PlainDecimal
    """
    Unrounded, in quote per base; round it toward the mark.
    """
    move: float
    """
    From the mark, as a fraction of it.
    """
    distance_sigmas: float | None
    """
    null without volatility.
    """
    touch_probability: float | None
    """
    Within the horizon, without drift or jumps.
    """


class LiquidationsIn(Model):
    """
    Positions that the venue closed by force within the last `interval`.
    """

    interval: str
    long: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    short: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """


class Liquidity(Model):
    """
    ``m = (largest trade − closing part) / increase``: book or pool, participation and square-root impact.

    The largest trade of a market is the least of the limits that are in force; None switches one off. It looks at the
    trade that is left after all caps. Rows of one market and side share its depth; what closes a position passes first
    and uses it up.
    """

    method: Literal["liquidity"] = "liquidity"
    max_slippage: float | None = None
    """
    Average price of the trade against the mid [fraction]; fees of a pool count.
    """
    depth_share: float | None = None
    """
    φ, share of the depth within `depth_distance` [fraction].
    """
    depth_distance: float | None = None
    """
    δ, distance from the mid within which depth counts [fraction].
    """
    participation_rate: float | None = None
    """
    p, share of an average day's volume [fraction].
    """
    max_impact: float | None = None
    """
    Square-root impact ``Y σ sqrt(Q / V)`` of the trade [fraction of price].
    """
    impact_coefficient: float | None = None
    """
    Y of the square-root law.
    """
    critical_depth: float | None = None
    """
    Depth of the thinner side within `depth_distance` below which nothing is increased [account currency].
    """
    minimum_age_seconds: float | None = None
    """
    How long an order must have stood to count as depth [s]; 0 counts all of them.
    """
    max_age_seconds: float | None = None
    """
    Age of a book or pool beyond which nothing is increased [s].
    """


class LiveAnswer(Model):
    """
    The process answers; no store is asked.
    """

    status: Literal["live"] = "live"


class LiveOptionsIn(Model):
    """
    How the targets are told.
    """

    explain: bool | None = None
    """
    Include steps and binding of each target.
    """
    view: Literal["full", "compact"] | None = None
    """
    compact: targets (without steps), orders, portfolio volatility.
    """


class LoanHealthOut(Model):
    """
    One loan by itself.
    """

    symbol: str | None
    loan_to_value: float | None
    """
    null for a debt that nothing backs.
    """
    health_factor: float | None
    """
    Below 1 it may be liquidated; null without debt.
    """
    seconds_to_liquidation: float | None
    """
    By interest alone; null where that never happens.
    """


class LoanIn(Model):
    """
    A loan whose collateral or whose debt is the coin.
    """

    kind: Literal["loan"] = "loan"
    symbol: str | None = None
    """
    For your own reading.
    """
    collateral_base: PlainDecimal | None = None
    """
    Coin that is pledged.
    """
    collateral_quote: PlainDecimal | None = None
    """
    Quote currency that is pledged.
    """
    debt_base: PlainDecimal | None = None
    """
    Coin that is owed.
    """
    debt_quote: PlainDecimal | None = None
    """
    Quote currency that is owed.
    """
    liquidation_threshold: float
    """
    Share of the collateral at which the debt is called.
    """
    borrow_rate: float | None = None
    """
    On the debt, annual, continuously compounded.
    """
    supply_rate: float | None = None
    """
    On the collateral, annual, continuously compounded.
    """


class LoanStandingOut(Model):
    """
    One loan by itself.
    """

    name: str
    margin: Literal["cross", "isolated"]
    reason: (
        Literal[
            "owed",
            "volatility",
            "floor",
            "loan_terms",
            "whole",
            "stale_price",
            "price_required",
            "volatility_unavailable",
        ]
        | None
    ) = None
    """
    price_required: nothing of it is known.
    """
    collateral: PlainDecimal | None = None
    debt: PlainDecimal | None = None
    equity: PlainDecimal | None = None
    loan_to_value: float | None = None
    """
    null for a debt that nothing backs.
    """
    health_factor: float | None = None
    """
    Below 1 it may be liquidated; null without debt.
    """
    borrowable: PlainDecimal | None = None
    liquidation_price: PlainDecimal | None = None
    """
    Of the collateral, in the account currency, the price of the debt standing still.
    """
    seconds_to_liquidation: float | None = None
    """
    By interest alone; null where that never happens.
    """


class LogCheckOut(Model):
    """
    The last check of the newest entries of the audit log, `first` to `size` - 1, by this process.
    """

    status: Literal["ok", "damaged"]
    at: str
    """
    When it ended.
    """
    first: int
    size: int
    findings: int
    entries: list[int]
    """
    Indices of the first of them that are about one entry; the log says more.
    """


class LogEntryOut(Model):
    """
    What the tree holds of a record.
    """

    at: str
    """
    Time of recording, UTC, with microseconds.
    """
    body: str
    """
    Digest of request, answer, state and versions.
    """
    body_len: int
    fields: str | None = None
    """
    Digest of the commitments to the fields of the answer; facts and version 1 have none.
    """
    id: str
    kind: str
    log: str
    """
    Origin of the log.
    """
    request: str | None = None
    """
    Digest of the request's body; entries older than the tree have none.
    """
    response: str | None = None
    """
    Digest of the answer without its `audit` member.
    """
    status: int
    stream: str
    """
    Keyed hash of the portfolio: it tells nobody else which one it is.
    """
    stream_prev: str
    """
    Leaf hash of the portfolio's entry before; zero for its first.
    """
    stream_seq: int
    """
    Number of the entry within its portfolio: none is missing between two.
    """
    v: int


class LognormalExpectedShortfall(Model):
    """
    Mean loss beyond the `alpha` quantile when the price is lognormal with no drift.

    ``f_long = 1 − N(−z − s)/(1−α)``, ``f_short = N(s − z)/(1−α) − 1``, with ``z = N⁻¹(α)`` and ``s = σ√h``.
    """

    method: Literal["lognormal_expected_shortfall"] = "lognormal_expected_shortfall"
    alpha: float | None = None
    """
    Confidence α of the expected shortfall.
    """
    horizon_days: float | None = None
    """
    h, the time to close a position [days].
    """


class LossOut(Model):
    """
    Loss over the next bar, in multiples of its volatility.
    """

    probability: float
    value_at_risk: float
    """
    Exceeded with this probability.
    """
    expected_shortfall: float
    """
    Mean of what exceeds it.
    """


class MarginChargeOut(Model):
    """
    A contingency; initial margin holds both.
    """

    underlying: str
    kind: Literal["perpetuals", "naked_shorts", "collateral", "low_confidence"]
    initial: PlainDecimal
    """
    On top of maintenance.
    """
    maintenance: PlainDecimal


class MarginCollateralIn(Model):
    """
    Coin that backs the account.
    """

    amount: PlainDecimal
    """
    Base units; a debt is negative and gets no haircut.
    """
    price: PlainDecimal | None = None
    """
    Default: `spot` of its underlying.
    """
    maintenance_haircut: float | None = None
    initial_haircut: float | None = None
    """
    On top of the maintenance haircut.
    """
    risk_cancelling: bool | None = None
    """
    Its own change of value counts in the scenarios: the coin of a covered call.
    """
    confidence: float | None = None


class MarginExpiryIn(Model):
    """
    Market of one expiry, where the options' own terms are not to be used.
    """

    expiry: AwareDatetime
    forward: PlainDecimal | None = None
    """
    Default: that of its options, which must agree.
    """
    discount: float | None = None
    """
    Default: that of its options, which must agree. Above 1 counts as 1.
    """
    confidence: float | None = None
    """
    Least of the feeds of forward, rate and volatility.
    """


class MarginLinearIn(Model):
    """
    A perpetual, a future or spot.
    """

    symbol: str
    """
    Unique.
    """
    underlying: str
    """
    One of `underlyings`.
    """
    quantity: PlainDecimal
    """
    Signed contracts.
    """
    multiplier: PlainDecimal | None = None
    """
    Base units of a contract; for inverse its quote value.
    """
    kind: Literal["inverse", "linear", "spot"]
    mark_price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    expiry: AwareDatetime | None = None
    """
    Of a dated future.
    """
    unrealized_pnl: PlainDecimal | None = None
    """
    Not in `cash` yet, in `currency`; counts as equity.
    """
    unsettled_funding: PlainDecimal | None = None
    """
    To be received (> 0) or paid.
    """


class MarginLinked(Model):
    """
    ``|N_i| = |d_i|/n · min(H (1 − b) / r_i, E ℓ_i)``: the largest position that the margin carries.

    Headroom H is the equity less the initial margin of what is not sized, b the buffer, r_i the initial margin rate of
    the row's side, ℓ_i the leverage whose liquidation price lies at the distance of `limits.min_liquidation_distance`
    (5 standard deviations of a day by default; 0 switches it off), E the equity. Every one of n rows has 1/n of both:
    all of them may move against the account at once.
    """

    method: Literal["margin_linked"] = "margin_linked"
    margin_buffer: float | None = None
    """
    b, part of the headroom that stays free [fraction].
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class MarginMemoryIn(Model):
    """
    Margin rates that were asked last of one market, before floors and caps: fractions of notional.
    """

    market: str
    """
    As the last answer named it: symbol of the series, or of the cached state.
    """
    long: float
    short: float
    as_of: AwareDatetime


class MarginMemoryOut(Model):
    """
    Margin rates that are asked of one market now, before floors and caps: fractions of notional.
    """

    market: str
    long: float
    short: float
    as_of: AwareDatetime


class MarginPointOut(Model):
    """
    Margin asked at one close [fraction of notional]; null where the model says nothing yet.
    """

    close_time: AwareDatetime
    long: float | None
    short: float | None


class MarginRegimeIn(Model):
    """
    Price range that follows volatility: multiple · σ √(horizon / 365), within least and most.
    """

    multiple: float | None = None
    horizon_days: float | None = None
    least: float | None = None
    most: float | None = None


class MarginScenarioIn(Model):
    """
    One move of price and volatility.
    """

    range_multiple: float | None = None
    """
    Move of the price in multiples of the price range.
    """
    move: float | None = None
    """
    On top of it, as a fraction.
    """
    volatility: Literal["none", "up", "down"] | None = None
    damping: float | None = None
    """
    Factor of the profit and loss. Null: share of the tail · range / |move|, at most 1.
    """


class MarginTierIn(Model):
    """
    Row of a venue's maintenance table, in quote currency.
    """

    floor: PlainDecimal
    """
    Notional from which the row applies.
    """
    maintenance_rate: float
    maintenance_amount: PlainDecimal | None = None
    """
    Amount deducted, so that the table is continuous.
    """
    initial_rate: float | None = None


class MarginUnderlyingIn(Model):
    """
    One underlying: its prices, its collateral, and how it nets with others.
    """

    underlying: str
    spot: PlainDecimal
    """
    Index price.
    """
    volatility: float | None = None
    """
    Current volatility, annual; required by a price range that follows it (preset `regime`).
    """
    netting_offset: float | None = None
    """
    Share of its profit that may pay for losses of others in the same scenario.
    """
    spot_confidence: float | None = None
    perpetual_confidence: float | None = None
    expiries: list[MarginExpiryIn] | None = None
    collateral: list[MarginCollateralIn] | None = None


class MarginUnderlyingOut(Model):
    """
    Parts of one underlying.
    """

    underlying: str
    price_range: float
    value: PlainDecimal
    """
    Options, spot, collateral and unrealised profit.
    """
    basis: float
    """
    Basis contingency, a candidate for the worst loss, <= 0.
    """
    roll: float
    """
    Roll shock, >= 0.
    """
    least_delta: float
    """
    Least charge by delta, >= 0.
    """
    scenario_pnl: list[float]
    """
    Before netting.
    """


class MarkIn(Model):
    """
    Mark price of a symbol.
    """

    symbol: str
    price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    as_of: AwareDatetime | None = None


class MarketRates(Model):
    """
    Rates of one market [fractions of notional or value]; higher is tighter.
    """

    initial_long: float
    """
    Initial margin.
    """
    initial_short: float
    """
    Initial margin.
    """
    maintenance_long: float
    """
    Maintenance margin, at most the initial one of its side.
    """
    maintenance_short: float
    """
    Maintenance margin, at most the initial one of its side.
    """
    haircut: float
    """
    Of the market's asset as collateral.
    """


class MarketVolatilityIn(Model):
    """
    Volatility of a market at the last action.
    """

    market: str
    annual: float


class MarketVolatilityOut(Model):
    """
    Volatility that was used.
    """

    annual: float
    source: Literal["request", "state"]
    last_close_at: AwareDatetime | None
    """
    Of the cached state.
    """


class MatchedOrderOut(Model):
    """
    An order that fills were matched to, as its decision made it.
    """

    client_order_id: str
    evaluation_id: str
    symbol: str
    venue: str | None
    side: Literal["buy", "sell"]
    quantity: PlainDecimal
    quantity_unit: str
    valid_until: AwareDatetime
    decision_price: PlainDecimal | None
    """
    Mark of the decision; null in the compact view.
    """
    predicted_fee: float | None
    """
    Over notional, as are the next two.
    """
    predicted_spread: float | None
    predicted_impact: float | None
    """
    null where no volume was known.
    """
    daily_volatility: float | None
    impact_scale: float | None
    """
    σ √(Q / V) of the whole order; null where it is not known.
    """
    impact_coefficient: float | None
    """
    Of the policy of the decision.
    """


class MemberIn(Model):
    """
    A member of the fund.
    """

    member: str
    """
    Unique.
    """
    losses: list[PlainDecimal]
    """
    Beyond its own collateral, one for each scenario; a gain is negative.
    """


class MetricOut(Model):
    """
    One figure, its standard error, or why there is none: never a zero in its place.
    """

    n: int
    """
    Pairs of statement and outcome.
    """
    moments: int
    """
    Different times among them; below 20 nothing is stated.
    """
    value: float | None
    standard_error: float | None
    """
    Newey–West, over pairs whose horizons overlap.
    """
    lags: int
    """
    Of the standard error [moments].
    """
    reason: Literal["no_pairs", "too_few_moments", "no_spread"] | None
    """
    Why there is no value.
    """


class MonitorOut(Model):
    """
    Regime of correlations after the last common bar.
    """

    label: Literal["unknown", "calm", "shifted"]
    """
    shifted: the mean correlation has just risen beyond the usual; unknown below 187 common bars.
    """
    bars_in_regime: int
    """
    Since the label last changed.
    """
    distance: float
    """
    Root mean square over the pairs of fast less slow correlation: 0 the same, 2 at most.
    """
    average_fast: float
    """
    Mean correlation of the pairs, half-life 10 bars.
    """
    average_slow: float
    """
    Half-life 126 bars.
    """
    enter: float | None
    """
    Rise, fast less slow, beyond which the label becomes shifted.
    """
    leave: float | None
    """
    Rise below which it becomes calm again.
    """
    absorption_fast: float
    """
    Share of variance in the first fifth of the eigenvectors, half-life 10 bars.
    """
    absorption_slow: float
    """
    Half-life 126 bars.
    """


class MoveOut(Model):
    """
    One transfer, in units of the asset: sent = fee + arrives.
    """

    source: str
    destination: str
    asset: str
    sent: PlainDecimal
    fee: PlainDecimal
    arrives: PlainDecimal
    seconds: float
    """
    Until the destination counts it.
    """


class MultiAssetKelly(Model):
    """
    ``w = c · k · argmax (x'μ − ½ x'Σx)`` with every row on the side of its direction; ``Σ⁻¹μ`` where that is so.

    μ is `expected_return` of the signals: in excess of financing and after costs. Without a correlation matrix each row
    bets alone on 1/n of the capital, which is no more than Kelly whatever the correlations; the answer says so.
    """

    method: Literal["multi_asset_kelly"] = "multi_asset_kelly"
    max_volatility: float
    """
    Volatility of all that is bet; the final sizes are at most that [annual, fraction].
    """
    fraction: float | None = None
    """
    c of Kelly; at 0.25 the growth is 44 % of the largest and the chance of ever halving 1 in 128.
    """
    forced: bool | None = None
    """
    Allow more than half Kelly.
    """
    shrink: bool | None = None
    """
    Multiply by ``k = max(1 − n/(T θ²), 0)``, θ² = μ'Σ⁻¹μ/N on the sides that are bet on, N the bars a year: what T bars are worth as evidence on n expected returns.
    """
    observations: int | None = None
    """
    T, bars that the expected returns were estimated from; by default those of the shortest posted series.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class NamedPolicyOut(Model):
    """
    The stored policy that the request named.
    """

    id: str
    version: int
    sha256: str


class NeverIncreases(Model):
    """
    From a breaker tier on, no position is increased.
    """

    method: Literal["never_increases"] = "never_increases"
    from_tier: int | None = None
    """
    First tier for which it must hold.
    """


class NextLimitOut(Model):
    """
    The limit that would bind next.
    """

    stage: str
    parameter: str
    allowed: PlainDecimal


class NoAddon(Model):
    """
    The rate does not depend on size.
    """

    method: Literal["none"] = "none"


class NoBuffer(Model):
    """
    Trade to the optimal position at once.
    """

    method: Literal["none"] = "none"


class NoDamping(Model):
    """
    Increase at once.
    """

    method: Literal["none"] = "none"


class NoScaling(Model):
    """
    Leave the sizes of the method as they are.
    """

    method: Literal["none"] = "none"


class NoSplit(Model):
    """
    Every row is an instrument of its own.
    """

    method: Literal["none"] = "none"


class NonIncreasing(Model):
    """
    |size| does not grow when one input grows and the others stand still.
    """

    method: Literal["non_increasing"] = "non_increasing"
    variable: Literal["volatility", "drawdown"] | None = None
    """
    The input.
    """


class NotMovedOut(Model):
    """
    A destination to which nothing is sent after all.
    """

    venue: str
    reason: Literal["gain_too_small", "does_not_pay"]


class NumberPair(Model):
    """
    A number in both answers; null where a stage left the size as it was.
    """

    before: float | None
    after: float | None


class OfferedOut(Model):
    """
    An instrument that the plan might trade [contracts].
    """

    symbol: str
    buy_depth: float
    sell_depth: float
    depth_source: Literal["book", "assumed", "none"]
    """
    none: no book that is fresh and has two sides, so the position may only shrink.
    """
    impact_known: bool
    """
    False: no volume was sent in flow[], so its costs hold no impact.
    """


class OpenInterestLinear(Model):
    """
    ``max(f, c · OI)``: at least in proportion to open interest.
    """

    method: Literal["oi_linear"] = "oi_linear"
    per_notional: float
    """
    c [rate per unit of account currency].
    """


class OpenInterestRamp(Model):
    """
    ``f + (1 − f) · clip((OI − lower) / (upper − lower), 0, 1)``: up to 1 as open interest fills a market.
    """

    method: Literal["oi_ramp"] = "oi_ramp"
    lower: float
    """
    Open interest at which the rate begins to rise, and at which it is 1 [account currency].
    """
    upper: float
    """
    Open interest at which the rate begins to rise, and at which it is 1 [account currency].
    """


class OpeningOut(Model):
    """
    What a commitment holds. Whoever has it knows the figure.
    """

    figure: str
    value: str
    """
    Whole units.
    """
    blind: str


class OptionFees(Model):
    """
    Fee of a trade in options: ``min(rate × underlying, cap × premium) + share × premium``.
    """

    rate: float | None = None
    """
    Fraction of the underlying.
    """
    cap: float | None = None
    """
    Largest part of the premium that `rate` may take [fraction].
    """
    share: float | None = None
    """
    Fraction of the premium, uncapped, as vaults charge it.
    """


class OptionFigures(Model):
    """
    Greeks; the unit of each is in `units`. Null in a refused row, and where a number would not be finite.
    """

    price: PlainDecimal | None
    """
    Black-76 value.
    """
    price_base: PlainDecimal | None
    """
    The same in base, as inverse options are quoted; else null.
    """
    delta: float | None
    """
    In `delta_convention`.
    """
    delta_hedge: float | None
    """
    What a hedge must offset: the discounted delta by the forward, less price_base where inverse.
    """
    gamma: float | None
    """
    Second derivative by the forward.
    """
    gamma_1pct: float | None
    """
    Change of delta when the forward moves 1 %.
    """
    vega_per_point: float | None
    """
    Change of price per volatility point of 0.01.
    """
    theta_per_day: float | None
    """
    Derivative by calendar time at a fixed forward.
    """
    theta_1d: float | None
    """
    Price in a day, or at expiry if that is sooner, less the price now.
    """
    vanna_per_point: float | None
    """
    Change of delta per volatility point.
    """
    volga_per_point: float | None
    """
    Change of vega_per_point per volatility point.
    """
    charm_per_day: float | None
    """
    Change of delta per calendar day.
    """
    speed: float | None
    """
    Third derivative by the forward.
    """
    rho_per_percent: float | None
    """
    Change of price when the rate moves by 0.01, forward fixed.
    """


class OptionGreeksRow(Model):
    """
    One option, in the order of the request; figures of one long option on one unit of base.
    """

    price: PlainDecimal | None
    """
    Black-76 value.
    """
    price_base: PlainDecimal | None
    """
    The same in base, as inverse options are quoted; else null.
    """
    delta: float | None
    """
    In `delta_convention`.
    """
    delta_hedge: float | None
    """
    What a hedge must offset: the discounted delta by the forward, less price_base where inverse.
    """
    gamma: float | None
    """
    Second derivative by the forward.
    """
    gamma_1pct: float | None
    """
    Change of delta when the forward moves 1 %.
    """
    vega_per_point: float | None
    """
    Change of price per volatility point of 0.01.
    """
    theta_per_day: float | None
    """
    Derivative by calendar time at a fixed forward.
    """
    theta_1d: float | None
    """
    Price in a day, or at expiry if that is sooner, less the price now.
    """
    vanna_per_point: float | None
    """
    Change of delta per volatility point.
    """
    volga_per_point: float | None
    """
    Change of vega_per_point per volatility point.
    """
    charm_per_day: float | None
    """
    Change of delta per calendar day.
    """
    speed: float | None
    """
    Third derivative by the forward.
    """
    rho_per_percent: float | None
    """
    Change of price when the rate moves by 0.01, forward fixed.
    """
    symbol: str | None
    status: Literal["ok", "expired", "degenerate", "refused"]
    """
    expired, degenerate (no volatility): price and delta are limits, the rest is 0.
    """
    reason: Literal["none", "expired", "zero_volatility", "volatility_required"]
    detail: str | None
    time_to_expiry: float
    """
    Years of 365 days; negative once expired.
    """
    settlement_factor: float | None
    """
    Share alive in the averaging window, in all figures already.
    """
    position: OptionFigures | None
    """
    Figures of the whole position; null without a quantity.
    """


class OptionQuoteIn(Model):
    """
    Quote of one option; a side that nobody quotes is left out, null or 0.
    """

    expiry: AwareDatetime
    strike: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    right: Literal["call", "put"]
    forward: PlainDecimal | None = None
    """
    Future or forward of the same expiry when the quote was taken. Left out: that of the other quotes of the expiry, or, if none has one, put-call parity.
    """
    bid: PlainDecimal | None = None
    ask: PlainDecimal | None = None
    mark: PlainDecimal | None = None
    """
    Fitted where it lies between bid and ask, or is alone.
    """
    implied_volatility: float | None = None
    """
    Fitted as it is; prices then only bound it.
    """
    as_of: AwareDatetime | None = None
    """
    When the quote was taken; default: as_of of the request.
    """


class OptionRequestOptions(Model):
    """
    How silence is read.
    """

    strict: bool | None = None
    """
    Refuse the request where an assumption would be needed.
    """


class OptionTerms(Model):
    """
    One European option.
    """

    symbol: str | None = None
    """
    Echoed.
    """
    strike: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    expiry: AwareDatetime
    right: Literal["call", "put"]
    forward: PlainDecimal
    """
    Forward or future of the same expiry, in quote per base.
    """
    discount: float | None = None
    """
    Discount factor to expiry; above 1 for a negative rate.
    """
    settlement: Literal["linear", "inverse"] | None = None
    """
    inverse: premium and pay-off are paid in base (coin-settled).
    """


class OptionVolatilityOut(Model):
    """
    What the Greeks of one option row are computed with, and where it came from.
    """

    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    expiry: AwareDatetime
    source: Literal["position", "surface", "greeks", "none"]
    """
    position: its own implied_volatility; greeks: it brings its Greeks; none: its Greeks are unknown.
    """
    detail: str | None = None
    """
    Why the surface gave none.
    """
    volatility: float | None
    """
    Annual, fraction.
    """
    forward: PlainDecimal | None
    forward_source: Literal["position", "quotes", "parity", "interpolated", "underlying"] | None
    """
    quotes: listed for its expiry; interpolated: between or beyond the expiries of the surface; underlying: its mark or close.
    """
    log_moneyness: float | None = None
    """
    ln(strike / forward of the surface).
    """
    skew: float | None = None
    """
    Slope of volatility by log-moneyness at its strike.
    """
    confidence: float | None = None
    """
    Of the smiles around its expiry, the lower one.
    """
    age_seconds: float | None = None
    """
    Mean age of their quotes, the older one.
    """
    extrapolated: bool | None = None
    """
    Beyond the quoted strikes or expiries.
    """


class OptionsIn(Model):
    """
    How the answer is given, and how silence is read.
    """

    explain: bool | None = None
    """
    Include steps and binding of each target.
    """
    strict: bool | None = None
    """
    Refuse the request where an assumption would be needed.
    """
    view: Literal["full", "compact"] | None = None
    """
    compact: targets (without steps), orders, portfolio volatility.
    """
    receipt: Literal["none", "proof"] | None = None
    """
    proof: `audit` carries the entry of the log and a receipt, to be checked without this service.
    """
    permits: bool | None = None
    """
    `audit` carries a signed permit of each order, for a gateway before the venue.
    """


class OracleApproximating(Model):
    """
    Correlation of a window, shrunk toward no correlation by the intensity that suits normal returns.
    """

    asynchronous: Literal["none", "overlapping", "lead_lag"] | None = None
    """
    `none`: the markets close together. `overlapping`: returns over two bars. `lead_lag`: adds one bar ahead and one behind.
    """
    stress: Literal["never", "shifted", "always"] | None = None
    """
    When correlations are stressed: never, while the regime is shifted, always.
    """
    stress_weight: float | None = None
    """
    Weight of the stressed matrix.
    """
    method: Literal["oracle_approximating"] = "oracle_approximating"
    window: int | None = None
    """
    Bars at most, the newest ones, all of one weight [bars].
    """
    clip: float | None = None
    """
    Bound of |z|.
    """


class OraclePolicy(Model):
    """
    Rules of an aggregation; every bound that is crossed blocks or shrinks increases, none ever raises a size.
    """

    currency: str | None = None
    """
    Currency of the answer. Sources quoted in another one need a rate.
    """
    quorum: int | None = None
    """
    k: independent sources that must be accepted, before and after outliers are dropped.
    """
    of: int | None = None
    """
    n: upstreams that there are. More than n accepted block increases: an invented one would count toward k. Left out: whatever is sent.
    """
    min_signers: int | None = None
    """
    Distinct keys that must have signed what is accepted; 0 asks for no signature. From 2 on no key is trusted alone: each key is one voice, however many sources it signs.
    """
    mad_multiple: float | None = None
    """
    A voice further from the median than this many median absolute deviations is an outlier.
    """
    default_deviation: float | None = None
    """
    Distance from the median that is never an outlier, of a source that states no deviation of its own [fraction].
    """
    max_confidence: float | None = None
    """
    Confidence over price at which increases end; they shrink from half of it on [fraction].
    """
    max_dispersion: float | None = None
    """
    Largest (highest − lowest) / median of the accepted. Also the most that a source's own deviation excuses [fraction].
    """
    max_depeg: float | None = None
    """
    Largest distance of a stablecoin from its peg; beyond, its sources are set aside [fraction].
    """
    max_rate_gap: float | None = None
    """
    Largest difference between the rate sent and the rate that prices imply [fraction].
    """
    max_jump: float | None = None
    """
    Largest move from the last good price that needs no confirmation [log return].
    """
    jump_sigmas: float | None = None
    """
    The same in standard deviations since then, where the volatility is given; the smaller of both counts.
    """
    max_twap_ratio: float | None = None
    """
    Largest ratio of price and time-weighted average price, where one is given.
    """
    max_fallback_seconds: float | None = None
    """
    Age up to which the last good price stands in for a lost quorum [s].
    """
    max_mark_gap: float | None = None
    """
    Largest distance of a position's mark from the aggregate [fraction].
    """


class OracleQuality(Model):
    """
    Multiplier on increases that the judgement of each row's price sources gives; a stale or split price gives 0.
    """

    method: Literal["oracle_quality"] = "oracle_quality"
    required: bool | None = None
    """
    Whether a row without an oracle may not be increased; else it is left alone.
    """


class OrderFlow(Model):
    """
    ``m = 1 − (1 − floor) · max(a_f, a_c)``, by the order flow and the funding against the side that is wanted.

    With the side d, the imbalance f and the annual carry c (> 0: longs pay)::

        a_f = clip((−d f − f₀) / (1 − f₀), 0, 1)
        a_c = clip((d c − c₀) / (c₁ − c₀), 0, 1)
    """

    floor: float | None = None
    """
    Least multiplier.
    """
    tolerated_imbalance: float | None = None
    """
    f₀, adverse imbalance that does nothing yet.
    """
    tolerated_carry: float | None = None
    """
    c₀ and c₁, the annual carry up to which funding does nothing, and from which it does all it can.
    """
    dear_carry: float | None = None
    """
    c₀ and c₁, the annual carry up to which funding does nothing, and from which it does all it can.
    """
    method: Literal["flow"] = "flow"
    max_age_seconds: float | None = None
    """
    Age beyond which an order-flow imbalance is not known any more [s].
    """


class OrderOut(Model):
    """
    One order leg.
    """

    client_order_id: str
    """
    Of evaluation and leg, so that a retry cannot trade twice. Of a live portfolio, increases made of one snapshot share it: send a snapshot after trading.
    """
    sequence: int
    bundle_id: str
    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    side: Literal["buy", "sell"]
    quantity: PlainDecimal
    quantity_unit: str
    contracts: PlainDecimal
    reduce_only: bool
    limit_price: PlainDecimal
    time_in_force: str
    valid_until: AwareDatetime


class OrderRules(Model):
    """
    How a change of position becomes orders.
    """

    allow_bump: bool | None = None
    """
    Raise an order below the minimum to the minimum, if that is at most 30 % larger (freqtrade).
    """
    collar_sigmas: float | None = None
    """
    Limit price: mark ± this many standard deviations over `valid_for_seconds` (a three-sigma move in the life of the order has probability 0.3 % under a normal law).
    """
    valid_for_seconds: float | None = None
    """
    Life of an order.
    """
    time_in_force: Literal["IOC", "GTC", "FOK"] | None = None
    """
    Passed on to the order.
    """


class OtherPositionIn(Model):
    """
    Another position of the account, margined under the same policy, or as its venue states it.
    """

    symbol: str
    kind: Literal["linear", "inverse"] | None = None
    quantity: PlainDecimal
    """
    Contracts, signed.
    """
    contract_multiplier: PlainDecimal | None = None
    """
    Base units per contract; for inverse its value in the account currency.
    """
    mark_price: PlainDecimal | None = None
    """
    In the account currency.
    """
    volatility: float | None = None
    """
    Annual, as a fraction.
    """
    open_buys: PlainDecimal | None = None
    """
    Remaining size of open buys [contracts].
    """
    open_sells: PlainDecimal | None = None
    """
    Remaining size of open sells [contracts].
    """
    initial_margin: PlainDecimal | None = None
    """
    As the venue states it; goes with maintenance_margin, and mark_price and volatility do not.
    """
    maintenance_margin: PlainDecimal | None = None


class OverlayOut(Model):
    """
    What an overlay made of one row, whether it was the smallest or not.
    """

    overlay: str
    acts_on: Literal["exposure", "position", "increase"]
    multiplier: float
    detail: str | None = None
    data_missing: bool | None = None
    """
    True: its data was not sent, so it allows no increase.
    """
    increase_blocked: bool | None = None
    """
    True: it allows no increase, whatever it acts on; it never closes a position for it.
    """


class OwedIn(Model):
    """
    What a loan owes.
    """

    asset: str
    amount: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    price: PlainDecimal | None = None
    """
    In the account currency; default: 1 for the account currency itself, else of a row.
    """


class OwnGreeksIn(Model):
    """
    Greeks of the whole position; what is left out is 0.
    """

    delta: float
    """
    Base units.
    """
    gamma_1pct: float | None = None
    """
    Change of delta when the price moves 1 % [base units].
    """
    vega_per_point: float | None = None
    """
    In `currency`.
    """
    theta_per_day: float | None = None
    """
    In `currency`.
    """
    vanna_per_point: float | None = None
    """
    Base units.
    """
    volga_per_point: float | None = None
    """
    In `currency`.
    """
    charm_per_day: float | None = None
    """
    Base units.
    """


class OwnLadderIn(Model):
    """
    Profit and loss that the client has computed. Only its nodes are taken, nothing between them.
    """

    spot_shocks: list[float]
    volatility_shocks: list[float]
    pnl: list[list[float]]
    """
    One row for each spot shock, one column for each volatility shock; in `currency`.
    """
    days_forward: float | None = None


class Parkinson(Model):
    """
    Average of ``v = (ln H/L)² / (4 ln 2)``, with the overnight move ``o²`` added.

    ``σ² = c · A(v)``: A the plain mean of the last `window` bars, or the exponential one of `half_life`; c the ratio to
    the variance of closes of `services.volatility.close_match`.
    """

    window: int | None = None
    """
    Bars of equal weight; no forecast before as many were seen. Excludes `half_life`.
    """
    half_life: float | None = None
    """
    Age at which a bar weighs half as much as the newest [bars]; 20 when neither is given. The plain mean at first.
    """
    overnight: bool | None = None
    """
    Add ``(ln O/C_prev)²``. Must stay on where the market closes; where it never does, o² is next to nothing.
    """
    match_close_variance: bool | None = None
    """
    Multiply by c. Off, the forecast is the textbook estimator, too low by what ranges miss.
    """
    calibrate: bool | None = None
    """
    Apply the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """
    method: Literal["parkinson"] = "parkinson"


class Participation(Model):
    """
    A fixed part of the expected volume of each slice until the order is done (percentage of volume).

    ``n_k = min(π V_k, X − Σ_{j<k} n_j)``.
    """

    method: Literal["participation"] = "participation"
    duration_seconds: float
    """
    T, the longest time that it may take [s].
    """
    slices: int | None = None
    """
    N [slices].
    """
    participation_rate: float | None = None
    """
    π [fraction of the market's volume].
    """


class PathOut(Model):
    """
    Readout after each complete bar, oldest first; null where there is none yet.
    """

    volatility: list[float | None]
    forecast: list[float | None]
    calibration: list[float | None]
    long_run: list[float | None]
    effective_half_life: list[float | None]


class PathPointOut(Model):
    """
    One close of a path.
    """

    close_time: AwareDatetime
    equity: PlainDecimal
    weights: list[float]
    """
    Signed notional over equity, in the order of `symbols`.
    """
    volatility: list[float | None]


class PendingIn(Model):
    """
    A price after a jump.
    """

    price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    as_of: AwareDatetime
    """
    When it was first seen.
    """


class PerformanceOut(Model):
    """
    Figures of one path, from the first decision on; null where it is too short for them.
    """

    total_return: float
    volatility: float | None
    """
    Annual.
    """
    sharpe_ratio: float | None
    """
    Annual; cash earns nothing.
    """
    max_drawdown: float
    worst_bar: float | None
    excess_kurtosis: float | None
    tracking_error: float | None
    """
    RMS of one-year rolling volatility − target, over the target.
    """
    volatility_of_volatility: float | None
    turnover: float
    """
    Notional traded over equity a year.
    """
    costs: float
    """
    Over the start equity.
    """
    carry: float
    """
    Funding and interest paid, over the start equity.
    """
    upside_capture: float | None
    """
    Against holding the markets at equal weights.
    """
    downside_capture: float | None


class PermitOut(Model):
    """
    What an order may do, signed by the log.
    """

    client_order_id: str
    """
    The order; also the `nonce` under which its use adds up.
    """
    token: str
    """
    base64url of the payload, a dot, base64url of its Ed25519 signature.
    """


class PermitsAnswer(Model):
    """
    Permits of a recorded decision that may still be used.
    """

    evaluation_id: str
    permits: list[PermitOut]
    """
    Of orders that have not expired, under the switches as they are now.
    """


class PledgedIn(Model):
    """
    What a loan pledges.
    """

    asset: str
    price: PlainDecimal | None = None
    """
    In the account currency; default: 1 for the account currency itself, else of a row.
    """
    asset_class: Literal["cash", "stable", "major", "other"] | None = None
    """
    Sets the least haircut. Default: cash for the account currency, major for BTC, ETH, else other.
    """
    volatility: float | None = None
    """
    Annual, fraction. Default: of `market`; without either a balance gives no credit.
    """
    market: str | None = None
    """
    Series, or cached state, of the volatility; default: that of a position in the coin.
    """
    venue: str | None = None
    """
    Where it lies; default: the venue in the worst distress.
    """
    as_of: AwareDatetime | None = None
    """
    Of the price; default: that of the request, an assumption.
    """
    heartbeat_seconds: float | None = None
    """
    How often the source of the price speaks. An older price is stale; default: never.
    """
    peg_price: PlainDecimal | None = None
    """
    Price in units of its peg. Default: for asset_class stable its price, an assumption.
    """
    spread: float | None = None
    """
    Bid-ask, fraction of the price.
    """
    average_daily_volume: PlainDecimal | None = None
    """
    In the account currency; default: no add-on for size, an assumption.
    """
    deposits: PlainDecimal | None = None
    """
    Of the asset at its venue, in its units; default: the amount itself. Goes with deposit_cap.
    """
    deposit_cap: PlainDecimal | None = None
    """
    Deposits beyond it scale the weight for initial margin down, to cap / deposits.
    """
    wrong_way_correlation: float | None = None
    """
    With the profit of the positions; default: measured, or 1 where it cannot be.
    """
    amount: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """


class PointOut(Model):
    """
    Inputs of one decision.
    """

    volatility: float
    direction: float
    current_weight: float
    drawdown: float
    breaker_tier: int


class PolicyChange(Model):
    """
    A field of the resolved policy that is another.
    """

    pointer: str
    before: Any
    after: Any


class PolicyReference(Model):
    """
    A stored policy by name, exactly as it was resolved when it was stored.
    """

    id: str
    """
    `policy_id` of a policy stored with POST /v1/policies.
    """
    version: int | None = None
    """
    Default: the newest when the request is received, listed as an assumption.
    """


class PolicySummary(Model):
    """
    One version of a policy, without its content.
    """

    policy_id: str
    version: int
    """
    From 1, without gaps.
    """
    sha256: str
    """
    Of the resolved policy: `policy_resolved_sha256` of an evaluation that sends it.
    """
    defaults_version: int
    """
    Version of the defaults that are written out in it.
    """
    comment: str | None
    created_at: AwareDatetime


class PolicyVersion(Model):
    """
    One version of a policy.
    """

    policy_id: str
    version: int
    """
    From 1, without gaps.
    """
    sha256: str
    """
    Of the resolved policy: `policy_resolved_sha256` of an evaluation that sends it.
    """
    defaults_version: int
    """
    Version of the defaults that are written out in it.
    """
    comment: str | None
    created_at: AwareDatetime
    policy: dict[str, Any]
    """
    As it was sent.
    """
    policy_resolved: dict[str, Any]
    """
    With every default written out: what evaluations use.
    """


class PoolIn(Model):
    """
    A pool that pays traders' profits: deleveraging of it starts and stops by hysteresis.
    """

    profit_share: float
    """
    Traders' profits over the pool's value.
    """
    active: bool
    """
    Whether deleveraging was on before.
    """
    start: float | None = None
    stop: float | None = None


class PoolOut(Model):
    """
    A liquidity position at its price.
    """

    symbol: str
    state: Literal["below_range", "in_range", "above_range"]
    value: float
    base: float
    """
    What it holds, and its delta [base units].
    """
    quote: float
    gamma_1pct: float
    impermanent_loss: float | None
    """
    Against holding since entry_price; null without it.
    """
    impermanent_loss_fraction: float | None
    """
    Over the value of holding.
    """
    loss_versus_rebalancing: float | None
    """
    ½ σ² P² |Γ| a year, which fees must exceed for a hedged position; null without a volatility.
    """


class PooledIn(Model):
    """
    The same positions in one account.
    """

    maintenance_margin: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    loss_per_sigma: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """


class PoolingOut(Model):
    """
    One account instead of many.
    """

    safety: float | None
    maintenance_saved: PlainDecimal
    loss_per_sigma_saved: PlainDecimal


class PortfolioAnswer(Model):
    """
    A registered portfolio.
    """

    portfolio_id: str
    version: int
    """
    Counts the changes from 1, and goes on counting after a deletion.
    """
    updated_at: AwareDatetime
    comment: str | None
    portfolio: dict[str, Any]
    """
    As it was sent.
    """


class PortfolioInsurance(Model):
    """
    ``E = min(m · max(V − F, 0), L · V)``: gross exposure is a multiple of the cushion over the floor.

    The floor starts at `protection` × the initial capital. `growing`: ``F_t = F_{t-1} e^{r Δt}`` (CPPI). `ratchet`:
    besides, never below `protection` × the high-water mark (TIPP). It travels in the control state: send `state` of the
    last answer as `previous`, or every decision insures the present equity anew.

    The multiplier is ``m = min(multiplier, 1 / (k σ √dt), 1 / worst_loss)``: a move of k standard deviations between
    two rebalances does not use up the cushion.
    """

    method: Literal["portfolio_insurance"] = "portfolio_insurance"
    protection: float
    """
    Part of the capital that is insured [fraction].
    """
    multiplier: float | None = None
    """
    Largest m.
    """
    floor: Literal["ratchet", "growing"] | None = None
    """
    Whether profits are insured too.
    """
    growth_rate: float | None = None
    """
    r, growth of the floor [annual, continuously compounded].
    """
    max_exposure: float | None = None
    """
    L, largest gross exposure over equity.
    """
    rebalances_per_year: float | None = None
    """
    1/dt: how often the book is rebalanced at least; 365 for once a day in markets that never close.
    """
    gap_sigmas: float | None = None
    """
    k [standard deviations between two rebalances].
    """
    worst_loss: float | None = None
    """
    Largest loss of the exposure between two rebalances that is to be survived; 0.228 is that of October 1987.
    """
    max_gap_probability: float | None = None
    """
    Largest probability that any gap of a year goes through the floor (GBM without drift); above it, refused.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class PortfolioRisk(Model):
    """
    ``m = min(1, limit · τ / sqrt(w'Σw))``.
    """

    method: Literal["portfolio_risk"] = "portfolio_risk"
    limit: float | None = None
    """
    Multiple of the target volatility.
    """
    volatility: float | None = None
    """
    τ [annual], where the policy has no target volatility of its own.
    """


class PortfolioRules(Model):
    """
    Scenario margin of an account in margin mode `portfolio`.
    """

    preset: Literal["derive_pmrm2", "deribit_like", "paradex_24", "span16", "regime"] | None = None
    """
    Whose scenarios; the price range of `regime` follows the volatility of each underlying.
    """
    netting_offset: float | None = None
    """
    Share of a profit of one underlying that may pay for losses of others in the same scenario.
    """


class PortfolioSummary(Model):
    """
    A registered portfolio, without its content.
    """

    portfolio_id: str
    version: int
    """
    Counts the changes from 1, and goes on counting after a deletion.
    """
    updated_at: AwareDatetime
    comment: str | None


class PositionBuffer(Model):
    """
    No-trade band of ± `fraction` × |optimal position|; outside it, trade to the edge (pysystemtrade).
    """

    method: Literal["position"] = "position"
    fraction: float | None = None
    """
    Half width over |optimal position|.
    """
    trade_to: Literal["edge", "optimal"] | None = None
    """
    Where to trade once outside the band.
    """


class PositionCapsIn(Model):
    """
    What bounds a position besides its margin.
    """

    max_utilisation: float | None = None
    """
    Initial margin of the account over its equity.
    """
    min_distance_sigma: float | None = None
    """
    Least distance to liquidation, in standard deviations over the horizon.
    """
    horizon_days: float | None = None
    """
    Of min_distance_sigma.
    """
    max_tier: int | None = None
    """
    Last row of instrument.margin_tiers that may be used, from 1.
    """
    max_quantity: PlainDecimal | None = None
    """
    Largest position that you allow, in quantity_unit.
    """
    max_slippage: float | None = None
    """
    Goes with book: the position can be closed there at an average this close to the mark.
    """


class PositionDefaultsIn(Model):
    """
    What positions of every snapshot have in common; a position that says otherwise wins.
    """

    quantity_unit: Literal["base", "contracts", "quote"] | None = None
    venue: str | None = None
    account_id: str | None = None


class PositionIn(Model):
    """
    One position line. A row is unique by (symbol, venue, account_id, position_side).
    """

    symbol: str
    quantity: PlainDecimal
    """
    Signed: negative is short.
    """
    quantity_unit: Literal["base", "contracts", "quote"] | None = None
    mark_price: PlainDecimal | None = None
    entry_price: PlainDecimal | None = None
    """
    Recorded with the request; no size depends on it.
    """
    venue: str | None = None
    account_id: str | None = None
    position_side: Literal["net", "long", "short"] | None = None
    margin_mode: Literal["cross", "isolated"] | None = None
    isolated_margin: PlainDecimal | None = None
    """
    Margin of an isolated position, in the account currency.
    """
    open_buys: PlainDecimal | None = None
    """
    Remaining size of open buy orders.
    """
    open_sells: PlainDecimal | None = None
    """
    Remaining size of open sell orders.
    """
    implied_volatility: float | None = None
    """
    Options: annual, fraction; default: that of `option_quotes`.
    """
    forward_price: PlainDecimal | None = None
    """
    Options: forward of the expiry; default: of `option_quotes`, else the mark of the underlying.
    """
    greeks: GreeksIn | None = None
    initial_margin: PlainDecimal | None = None
    """
    Margin as the venue states it, where we do not model it.
    """
    maintenance_margin: PlainDecimal | None = None


class PremiumHistoryIn(Model):
    """
    Premium after the fact: volatilities as they were quoted, and what followed.
    """

    times: list[AwareDatetime]
    """
    Ascending, evenly spaced.
    """
    implied_volatilities: list[float]
    prices: list[PlainDecimal] | None = None
    """
    At the same times; realised variance is made of them.
    """
    realized_volatilities: list[float | None] | None = None
    """
    Instead of prices: of the horizon that begins at each time; null where not known.
    """


class PriceCollar(Model):
    """
    How far from the mark a slice may trade.
    """

    sigmas: float | None = None
    """
    Standard deviations of the price over the time of the slice that are accepted.
    """
    tolerance: float | None = None
    """
    Accepted besides: half the spread, noise of the mark [fraction].
    """


class PriceMove(Model):
    """
    Trade the whole delta once ``|S / S_last − 1| >= move``.
    """

    method: Literal["price_move"] = "price_move"
    move: float | None = None
    move_daily_sigmas: float | None = None
    instrument: str
    """
    Symbol of the spot, linear or inverse instrument that hedges.
    """


class PriceMoveRule(Model):
    """
    Trade the whole delta once ``|S / S_last − 1| >= move``.
    """

    method: Literal["price_move"] = "price_move"
    move: float | None = None
    """
    Move of the price since the last hedge [fraction]. Either this or the next.
    """
    move_daily_sigmas: float | None = None
    """
    The same in standard deviations of a day, ``σ / √365``.
    """


class ProblemError(Model):
    """
    One broken rule.
    """

    pointer: str
    """
    JSON pointer into the body; `query:name` or `header:name` for a parameter.
    """
    code: str
    """
    Stable code of the rule; listed at GET /v1/errors.
    """
    detail: str
    """
    The rule, what was found, and how to mend it.
    """


class ProblemKindOut(Model):
    """
    One problem code.
    """

    code: str
    status: int
    title: str
    meaning: str
    remedy: str
    retryable: bool
    outcome: str


class ProcyclicalityOut(Model):
    """
    How the margin moved from the first judged close on.
    """

    peak_to_trough: float
    """
    Largest over smallest.
    """
    max_rise_1: float
    """
    Largest rise within a bar [fraction of the margin].
    """
    max_rise_5: float
    """
    Largest rise within at most five bars [fraction of the margin].
    """
    mean: float
    """
    Mean margin [fraction of notional].
    """
    change_deviation: float
    """
    Standard deviation of the relative change a bar.
    """


class ProfitLinesOut(Model):
    """
    Profit and loss since `previous`, by its origin; the lines add up to `total`.
    """

    total: float
    delta: float
    gamma: float
    vega: float
    theta: float
    vanna: float
    volga: float
    trades: float
    """
    From trades since they were made.
    """
    collateral: float
    """
    Coin collateral of `previous`, at the new price.
    """
    funding: float
    fees: float
    carry: float
    residual: float
    """
    Higher orders, and errors of the data.
    """


class ProposalChecks(Model):
    """
    What was found when it was proposed.
    """

    passed: bool
    """
    Whether every statement that the rules ask for is proved.
    """
    tightens: bool
    """
    Whether nothing but `limits.max_leverage` and `limits.max_margin_use` changed, neither upwards, and POST /v1/policies:compare would answer `refines`: no timelock then.
    """
    required: dict[str, Any] | None
    """
    As POST /v1/policies:check answers; null: none is asked for.
    """
    comparison: dict[str, Any] | None
    """
    As POST /v1/policies:compare answers; null: other fields changed, or a bound is looser.
    """
    sha256: str
    """
    Of these results, named in the statement.
    """


class ProposalStatements(Model):
    """
    What approvers sign, byte for byte (UTF-8, with the newline after the first line).
    """

    approve: str
    reject: str


class ProposalSummary(Model):
    """
    A proposal without its content.
    """

    number: int
    """
    From 1, by policy.
    """
    kind: Literal["policy", "governance"]
    status: Literal[
        "failed", "open", "waiting", "ready", "activating", "activated", "rejected", "expired", "superseded"
    ]
    base_version: int
    """
    Version that it would follow.
    """
    content_sha256: str
    """
    `sha256` of the version that it would become, or of the rules that it would bring.
    """
    comment: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime


class ProtectivePut(Model):
    """
    Buy a put below the market: the most protection that the premium pays for.
    """

    horizon_days: float
    """
    Options that expire earlier are left out [days].
    """
    max_cost: float | None = None
    """
    Largest net premium with fees, over the holding at the mark [fraction].
    """
    shocks: list[float] | None = None
    """
    Changes of the price at which the loss is reduced, on average over them [fraction, negative].
    """
    objective: Literal["shocks", "floor"] | None = None
    """
    Maximise the loss reduction at the shocks, or the least value at any price.
    """
    coverage: float | None = None
    """
    Largest part of the holding that is protected [fraction].
    """
    method: Literal["protective_put"] = "protective_put"


class ProtocolCaps(Model):
    """
    Risk at one protocol against its share of equity: ``m = (share · equity − fixed) / use``, in [0, 1].

    The share is that of the protocol (`protocols[].max_share`), else that of its grade (`protocols[].risk_grade`). All
    rows at one protocol shrink by the same multiplier; what is not resized there is `fixed`.
    """

    method: Literal["protocol_caps"] = "protocol_caps"
    a: float | None = None
    """
    Largest share of equity by grade.
    """
    b: float | None = None
    """
    Largest share of equity by grade.
    """
    c: float | None = None
    """
    Largest share of equity by grade.
    """
    d: float | None = None
    """
    Largest share of equity by grade.
    """
    e: float | None = None
    """
    Largest share of equity by grade.
    """
    measure: Literal["notional", "margin"] | None = None
    """
    What counts as use: the notional of positions, or their initial margin.
    """


class ProtocolIn(Model):
    """
    A protocol that venues run on.
    """

    protocol: str
    risk_grade: Literal["A", "B", "C", "D", "E"] | None = None
    max_share: float | None = None


class PublicationRules(Model):
    """
    What a market may rely on.
    """

    notice_seconds: float | None = None
    """
    Least time from publication to effect [s].
    """
    max_change_per_day: float | None = None
    """
    Largest relative change of a figure against any that held in the day before [fraction].
    """


class PutSpread(Model):
    """
    Buy a put and sell one farther below: cheaper, and no help below the lower strike.
    """

    horizon_days: float
    """
    Options that expire earlier are left out [days].
    """
    max_cost: float | None = None
    """
    Largest net premium with fees, over the holding at the mark [fraction].
    """
    shocks: list[float] | None = None
    """
    Changes of the price at which the loss is reduced, on average over them [fraction, negative].
    """
    objective: Literal["shocks", "floor"] | None = None
    """
    Maximise the loss reduction at the shocks, or the least value at any price.
    """
    coverage: float | None = None
    """
    Largest part of the holding that is protected [fraction].
    """
    method: Literal["put_spread"] = "put_spread"


class QuantityPair(Model):
    """
    A quantity in both answers, in the unit of its row; null on a refused row, and where there is none.
    """

    before: PlainDecimal | None
    after: PlainDecimal | None


class QueuedOut(Model):
    """
    An account below maintenance.
    """

    account: str
    index: int
    """
    Place in the columns, or among the accepted lines.
    """
    equity: float
    maintenance_margin: float
    ratio: float | None
    """
    Maintenance over equity; null: no equity is left.
    """
    shortfall: float
    """
    Maintenance less equity, >= 0.
    """


class QuoteIn(Model):
    """
    One option and its volatilities.
    """

    symbol: str | None = None
    """
    Echoed.
    """
    strike: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    expiry: AwareDatetime
    right: Literal["call", "put"]
    forward: PlainDecimal
    """
    Forward or future of the same expiry, in quote per base.
    """
    discount: float | None = None
    """
    Discount factor to expiry; above 1 for a negative rate.
    """
    settlement: Literal["linear", "inverse"] | None = None
    """
    inverse: premium and pay-off are paid in base (coin-settled).
    """
    implied_volatility: float
    """
    Of the mark, or of the mean of bid and ask.
    """
    bid_volatility: float | None = None
    """
    Null: no bid, so nothing can be sold.
    """
    ask_volatility: float | None = None
    """
    Null: no ask, so nothing can be bought.
    """


class QuoteSkewOut(Model):
    """
    Multipliers of the sizes that a market maker quotes.
    """

    bid: float
    ask: float


class QuoteVerdict(Model):
    """
    What the model says of one quote.
    """

    symbol: str | None
    status: Literal["ok", "refused"]
    reason: str | None
    """
    Stable code, see GET /v1/errors; null where the row is ok.
    """
    detail: str | None
    model_volatility: float | None
    """
    Annual, as a fraction.
    """
    difference_points: float | None
    """
    Model less market.
    """
    standard_error_points: float | None
    """
    Of the quote and of the fitted parameters, joined.
    """
    z_score: float | None
    edge_points: float | None
    """
    Left after crossing the spread and paying one fee; null without the side that would be traded.
    """
    verdict: Literal["rich", "cheap", "fair"] | None
    """
    rich: sell, the model lies below the bid; cheap: buy, it lies above the ask; both beyond threshold and fee.
    """


class QuotedContract(Model):
    """
    One option and its price, or its quote.
    """

    symbol: str | None = None
    """
    Echoed.
    """
    strike: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    expiry: AwareDatetime
    right: Literal["call", "put"]
    forward: PlainDecimal
    """
    Forward or future of the same expiry, in quote per base.
    """
    discount: float | None = None
    """
    Discount factor to expiry; above 1 for a negative rate.
    """
    settlement: Literal["linear", "inverse"] | None = None
    """
    inverse: premium and pay-off are paid in base (coin-settled).
    """
    price: PlainDecimal | None = None
    """
    One price; then without bid, ask and mark.
    """
    bid: PlainDecimal | None = None
    ask: PlainDecimal | None = None
    mark: PlainDecimal | None = None
    """
    Of the venue; used if it lies within bid and ask.
    """
    price_unit: Literal["quote", "base"] | None = None
    """
    Of all four prices; default: base where inverse, else quote; assumed for inverse.
    """


class Ranges(Model):
    """
    Inputs over which a statement is to hold: lowest and highest of each, twice the same for a single value.
    """

    volatility: list[Any] | None = None
    """
    Of the market [annual].
    """
    direction: list[Any] | None = None
    """
    Of the signal; longs stand for both sides.
    """
    current_weight: list[Any] | None = None
    """
    Position over equity before the decision; negative: on the other side than the signal.
    """
    drawdown: list[Any] | None = None
    """
    Fall of the equity from its high-water mark [fraction].
    """
    breaker_tiers: list[int] | None = None
    """
    Tiers of the circuit breaker, each alone.
    """


class RateIn(Model):
    """
    What one unit of a quote currency costs in the policy's currency; several of one: their median.
    """

    currency: str
    rate: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    as_of: AwareDatetime
    heartbeat_seconds: float
    source: str | None = None
    confidence: PlainDecimal | None = None
    """
    Half width [rate].
    """
    peg: PlainDecimal | None = None
    """
    What a unit promises to be worth; null for a currency that floats.
    """


class RawSviOut(Model):
    """
    Total variance ``w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2))`` over ``k = ln(strike / forward)``.
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float


class ReadyAnswer(Model):
    """
    Whether requests can be answered, and what is missing. Without the audit log, none is.
    """

    status: Literal["ready", "degraded", "unavailable"]
    degraded: list[str]
    """
    What does not work.
    """
    embedded: list[str] | None = None
    """
    Stores that are part of this process; for callers with the scope `metrics:read` where keys are required, and on the internal port only where there is one.
    """
    dependencies: dict[str, DependencyOut] | None = None
    """
    Likewise.
    """
    log_check: LogCheckOut | None = None
    """
    Likewise; null in a process that has made none.
    """


class Realized(Model):
    """
    Exponential average over completed UTC days of (measure of the day / bars of the day).
    """

    method: Literal["realized"] = "realized"
    measure: Literal["variance", "bipower", "med_rv", "min_rv"] | None = None
    """
    ``Σ r²``, or one of the measures without jumps of `services.volatility.realized_measures`.
    """
    half_life_days: float | None = None
    """
    Age at which a day weighs half as much as the newest [days]. A plain mean at first.
    """
    calibrate: bool | None = None
    """
    Apply the second-moment factor k of `services.volatility.calibration`. It also brings measures without jumps back to the variance of returns.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """


class Reflexivity(Model):
    """
    Levels of the feedback gain.
    """

    warn: float | None = None
    """
    Gain from which hedges are sliced and the band is widened [fraction].
    """
    prefer_option: float | None = None
    """
    Gain above which gamma is to be bought rather than delta traded [fraction].
    """
    refuse: float | None = None
    """
    Gain from which a hedge with delta alone is refused [fraction]; the loop diverges at 1.
    """


class ReflexivityOut(Model):
    """
    How the hedge feeds back on itself.
    """

    level: Literal["ok", "warn", "prefer_option", "refuse"]
    consequence: str
    gain: float
    """
    -impact_slope × net_gamma; negative where hedges dampen moves.
    """
    amplification: float | None
    """
    1 / (1 - gain); null where it has no end.
    """
    band_factor: float | None
    """
    What the no-trade band is to be widened by.
    """
    impact_slope: float
    """
    Quote currency per base unit.
    """
    thresholds: Reflexivity
    """
    Judgement, not measured.
    """


class RefusedLineOut(Model):
    """
    A line that is no account.
    """

    line: int
    """
    Counted from 1, the head included.
    """
    code: Literal[
        "malformed_json",
        "duplicate_key",
        "body_too_large",
        "not_an_account",
        "unknown_market",
        "duplicate_account",
        "too_many_accounts",
    ]
    detail: str


class RegimeOut(Model):
    """
    Two-state filter.
    """

    stress_probability: float
    label: Literal["calm", "stress"]
    """
    With hysteresis: stress from 0.8, calm again below 0.2.
    """


class ReliabilityBinOut(Model):
    """
    Statements of one bin.
    """

    low: float
    high: float
    n: int
    stated: float
    """
    Mean probability.
    """
    happened: float
    """
    Share that did.
    """


class RiskConstrainedKelly(Model):
    """
    ``w = c x``, ``c = min(1, 2/(1 + λ))``, ``λ = ln β / ln α``: Kelly cut so that ``P(W ever < α W₀) <= β``.

    α = 1 − `max_drawdown`, β = `drawdown_probability`; x are the growth-optimal weights ``argmax x'μ − ½ x'Σx`` with
    every row on the side of its direction (alone: ``μ/σ²``). This is the quadratic form of ``E[(1 + r'b)^{−λ}] <= 1``,
    and the fractional Kelly whose ruin ``α^{2/c − 1}`` is β.
    """

    method: Literal["risk_constrained_kelly"] = "risk_constrained_kelly"
    max_drawdown: float
    """
    1 − α, loss of the present equity that is to stay improbable [fraction].
    """
    drawdown_probability: float
    """
    β, largest probability of ever losing that much.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class RiskMetrics2006(Model):
    """
    ``σ² = Σ_k w_k E_k(r²)``, τ_k = 4 · sqrt(2)^(k−1) bars for k = 1 … 14, ``w_k ∝ 1 − ln τ_k / ln 1560``.
    """

    method: Literal["riskmetrics2006"] = "riskmetrics2006"
    shortest: float | None = None
    """
    τ_1 [bars].
    """
    cutoff: float | None = None
    """
    τ_0 [bars]; the longest τ_k must lie below it.
    """
    components: int | None = None
    """
    Number of averages.
    """
    calibrate: bool | None = None
    """
    Apply the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """


class RogersSatchell(Model):
    """
    Average of ``v = u (u − c) + d (d − c)``, with the overnight move ``o²`` added.
    """

    window: int | None = None
    """
    Bars of equal weight; no forecast before as many were seen. Excludes `half_life`.
    """
    half_life: float | None = None
    """
    Age at which a bar weighs half as much as the newest [bars]; 20 when neither is given. The plain mean at first.
    """
    overnight: bool | None = None
    """
    Add ``(ln O/C_prev)²``; off, the estimator of the paper, which knows of open hours only.
    """
    match_close_variance: bool | None = None
    """
    Multiply by the ratio to the variance of closes of `services.volatility.close_match`.
    """
    calibrate: bool | None = None
    """
    Apply the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """
    method: Literal["rogers_satchell"] = "rogers_satchell"


class RowMemoryIn(Model):
    """
    What is remembered of one row.
    """

    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    traded_at: AwareDatetime | None = None
    """
    When its last order was made.
    """


class RowMemoryOut(Model):
    """
    What is remembered of one row.
    """

    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    traded_at: AwareDatetime | None = None


class SandwichIn(Model):
    """
    What a swap on `pool` allows, and what attacking it costs.
    """

    slippage_limit: float | None = None
    """
    The swap fails if it gets less than 1 - limit of what the pool quotes for it before: 0.005 is 0.5 %, the default, listed as an assumption.
    """
    attacker_cost: PlainDecimal | None = None
    """
    Gas of the attacker's two swaps, in the quote currency; default 0, listed as an assumption.
    """
    attacker_capital: PlainDecimal | None = None
    """
    In the quote currency; default: without bound, since it can be lent within a block.
    """


class SandwichOut(Model):
    """
    What an attacker can take from the largest slice as one swap on the pool, alone in its block.
    """

    status: Literal["ok", "unknown"]
    reason: str
    detail: str | None
    slippage_limit: float
    contracts: PlainDecimal
    """
    Of the largest slice, of which this speaks.
    """
    bound: PlainDecimal | None
    """
    The most that a sandwich earns before its cost, quote currency.
    """
    bound_bps: float | None
    """
    Over the notional of the slice, in basis points.
    """
    front_run: PlainDecimal | None
    """
    Swap of the attacker that earns it, quote currency.
    """
    worst_price: PlainDecimal | None
    """
    Average price at which the swap still goes through.
    """
    safe: bool
    """
    Whether no sandwich earns more than attacker_cost; false where that is unknown.
    """
    safe_slippage: float | None
    """
    Largest limit at which none does; 1: none does whatever the limit, 0: one does at any; null where a range ends before that is known.
    """
    largest_safe_slice: PlainDecimal | None
    """
    Contracts, at slippage_limit; null where a range ends before.
    """


class ScaleByPrice(Model):
    """
    Steps of chosen sizes at prices ``S exp(± j a σ√h)``: scaling in or out on the market's own moves.
    """

    method: Literal["scale_by_price"] = "scale_by_price"
    spacing_sigmas: float
    """
    a, between neighbours [standard deviations over `horizon_seconds`].
    """
    horizon_seconds: float | None = None
    """
    h, the time whose standard deviation is the unit [s].
    """
    toward: Literal["better", "worse"] | None = None
    """
    Where the steps wait. For the trader of the order: a buy is better lower (averaging in), worse higher (adding to what runs).
    """
    steps: int | None = None
    """
    Number of steps; `fractions` decides where they are given.
    """
    ratio: float | None = None
    """
    Size of each step over that of the one before: 1 is equal steps.
    """
    fractions: list[float] | None = None
    """
    Shares of the order, together 1.
    """


class ScaleByTime(Model):
    """
    Steps of chosen sizes, one every so often: scaling in or out on a clock.
    """

    method: Literal["scale_by_time"] = "scale_by_time"
    spacing_seconds: float
    """
    From the beginning of one step to that of the next [s].
    """
    steps: int | None = None
    """
    Number of steps; `fractions` decides where they are given.
    """
    ratio: float | None = None
    """
    Size of each step over that of the one before: 1 is equal steps.
    """
    fractions: list[float] | None = None
    """
    Shares of the order, together 1.
    """


class ScenarioCoverOut(Model):
    """
    The fund against the defaults of its largest members in one scenario.
    """

    scenario: int
    cover_1: float | None
    """
    Fund over the largest loss; null: nobody loses.
    """
    cover_2: float | None
    """
    Fund over the two largest together; null: nobody loses.
    """
    members: int
    """
    How many of the largest the fund bears in full.
    """


class ScenarioExpiryOut(Model):
    """
    Options of one expiry in one scenario.
    """

    expiry: str
    pnl: float


class ScheduledEvents(Model):
    """
    Multiplier on increases from `before_seconds` before an event begins to `after_seconds` after it ends.
    """

    method: Literal["scheduled_events"] = "scheduled_events"
    multiplier: float | None = None
    """
    On increases within the window.
    """
    before_seconds: float | None = None
    """
    Width of the window [s].
    """
    after_seconds: float | None = None
    """
    Width of the window [s].
    """


class ScorecardRange(Model):
    """
    What was read: asked for again with these bounds, the answer is the same to the byte.
    """

    from_: Annotated[int, Field(alias="from")]
    to: int | None
    """
    null: the log is empty.
    """
    entries: int
    """
    Your entries among them.
    """
    answers: int
    """
    Decisions that were looked at.
    """
    historical: int
    """
    Of these, decisions on a past `as_of`.
    """
    first_recorded_at: AwareDatetime | None
    last_recorded_at: AwareDatetime | None
    unread: dict[str, int]
    """
    Entries that could not be read, by kind.
    """


class SeriesIn(Model):
    """
    Price series: `close` with `end`, or `ohlcv` as ccxt returns it.

    A column beside `close` has one value or null for each close. Whether a value makes sense for its bar is judged bar
    by bar; a bar whose range does not is read as its close alone.
    """

    symbol: str
    interval: str
    end: AwareDatetime | None = None
    """
    Close time of the last complete bar; goes with `close`.
    """
    close: list[float | str] | None = None
    open: list[float | str | None] | None = None
    """
    Goes with high, low and close.
    """
    high: list[float | str | None] | None = None
    """
    Goes with open, low and close.
    """
    low: list[float | str | None] | None = None
    """
    Goes with open, high and close.
    """
    volume: list[float | str | None] | None = None
    """
    0: nothing was traded, the close is not news. Goes with close.
    """
    realized_variance: list[float | str | None] | None = None
    """
    Sum of the squared log returns of shorter bars within each bar.
    """
    implied_volatility: list[float | str | None] | None = None
    """
    Quoted at the close of the bar [annual, fraction].
    """
    ohlcv: list[list[float | None]] | None = None
    """
    Rows [timestamp_ms, open, high, low, close, volume], labelled by the open of the bar; a last bar unfinished at as_of is dropped.
    """
    drivers: (
        dict[
            Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$")],
            list[float | None],
        ]
        | None
    ) = None
    """
    Values of the drivers that the estimator names, one or null for each bar. Each must be known at the close of its bar, when it was published counts, and acts on the next bar; null is neutral.
    """
    calendar: Literal["24/7", "XNYS", "XNAS", "XLON", "FX"] | CalendarIn | None = None
    """
    Default 24/7, listed as an assumption.
    """


class SettlementIn(Model):
    """
    How orders on an on-chain venue are written: as EIP-712 typed data, for a wallet to sign.
    """

    venue: str
    kind: Literal["eip712"] = "eip712"
    chain_id: int
    verifying_contract: str
    """
    Contract that checks the signature.
    """
    name: str
    """
    `name` of the domain.
    """
    version: str
    """
    `version` of the domain.
    """
    quantity_decimals: int
    """
    Quantities are whole numbers of 10^-quantity_decimals.
    """
    price_decimals: int


class ShortfallOut(Model):
    """
    Mean cost against the decision price, weighted by what was filled [basis points].
    """

    orders: int
    price: float
    """
    delay + spread + impact, where they are known.
    """
    delay: float | None
    """
    From decision to arrival; null where no fill says arrival_price.
    """
    spread: float | None
    """
    Half the quoted spread at arrival.
    """
    impact: float | None
    """
    From arrival, half the spread apart.
    """
    fee: float | None
    predicted_spread: float | None
    predicted_impact: float | None
    predicted_fee: float | None
    parts_known: int
    """
    Orders of which delay, spread and impact are known.
    """


class ShownFieldOut(Model):
    """
    A field that is shown.
    """

    pointer: str
    value: str
    """
    JSON text, as it was committed to.
    """
    salt: str
    """
    16 bytes in base64.
    """


class SideVolatility(Model):
    """
    Volatility of one price of a quote.
    """

    implied_volatility: float | None
    """
    0 for a price at or below intrinsic value.
    """
    reason: Literal["none", "below_intrinsic", "no_time_value", "above_maximum", "bad_input", "expired", "above_limit"]


class SigmaMultiple(Model):
    """
    Margin for a log return of k standard deviations: ``f_long = 1 − e^{−kσ√h}``, ``f_short = e^{kσ√h} − 1``.

    k is the expected-shortfall multiple of the standardised law: 2.82 for Student t with ν = 4 at 97.5 %.
    """

    method: Literal["sigma_multiple"] = "sigma_multiple"
    distribution: Literal["normal", "student_t"] | None = None
    """
    Law of the standardised log return.
    """
    degrees_of_freedom: float | None = None
    """
    ν > 2 of the Student law; ignored for the normal one.
    """
    alpha: float | None = None
    """
    Confidence of the expected shortfall.
    """
    horizon_days: float | None = None
    """
    h, the time to close a position [days].
    """


class SignalIn(Model):
    """
    View on a symbol: `direction` in [-1, 1] or `forecast` on the ±20 scale (forecast / 10 = direction).
    """

    symbol: str
    direction: float | None = None
    forecast: float | None = None
    forecasts: list[ForecastIn] | None = None
    """
    Forecasts of several rules, combined into one by their weights.
    """
    forecast_diversification: float | None = None
    """
    Multiplies the combined forecast before its cap; 1: the rules say the same.
    """
    confidence: float | None = None
    """
    Multiplies the direction.
    """
    as_of: AwareDatetime | None = None
    half_life: str | None = None
    """
    The direction halves each half_life; after three it has expired.
    """
    entry_price: PlainDecimal | None = None
    """
    Planned entry, for sizes by the distance to a stop; default: the mark.
    """
    stop_price: PlainDecimal | None = None
    """
    Where the position is given up.
    """
    average_true_range: PlainDecimal | None = None
    """
    In the quote currency; default: Wilder's, of the series' last 20 ranges and before.
    """
    expected_return: float | None = None
    """
    Annual, simple, in excess of financing and after costs: 0.10 is 10 %.
    """
    win_probability: float | None = None
    """
    Share of `trades` closed trades that won; goes with win_loss_ratio and trades.
    """
    win_loss_ratio: float | None = None
    """
    Mean win over mean loss.
    """
    trades: int | None = None
    venue: str | None = None
    account_id: str | None = None


class SignalQuality(Model):
    """
    ``m = min(1, age / min_age) · min(1, confidence / min_confidence)`` while σ < calm_ratio · long-run σ, else 1.
    """

    method: Literal["signal_quality"] = "signal_quality"
    calm_ratio: float | None = None
    """
    Share of its long-run volatility below which a market is calm.
    """
    min_age_seconds: float | None = None
    """
    Age at which a signal counts in full [s].
    """
    min_confidence: float | None = None
    """
    Confidence at which a signal counts in full.
    """


class SignalScaled(Model):
    """
    ``w_i = τ / σ_i · |forecast_i| / 10 · instrument weight · IDM``.

    Instrument weights are equal, 1/n over the rows with a live signal, unless `instrument_weight` is given. The
    multiplier is ``IDM = min(cap, 1 / sqrt(w'Hw))`` with correlations floored at 0; directions are forecasts over 10.
    """

    method: Literal["signal_scaled"] = "signal_scaled"
    target_volatility: float
    """
    τ [annual, fraction]: what the book runs at when forecasts are at their average strength.
    """
    instrument_weight: float | None = None
    """
    The same weight for every row, instead of 1/n: for a bot that trades part of a larger portfolio.
    """
    max_diversification: float | None = None
    """
    Cap on the IDM; 1 assumes that nothing diversifies.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class SignatureIn(Model):
    """
    Ed25519 signature of one price. docs/guards.md has the exact bytes and a program that signs them.
    """

    key: str
    """
    Public key: 64 lower-case hexadecimal digits.
    """
    signature: str
    """
    128 lower-case hexadecimal digits.
    """


class SkippedOut(Model):
    """
    A position that is passed over.
    """

    account: str
    reason: Literal["same_side", "under_maintenance", "no_profit_left", "would_fall_under_maintenance"]


class SmoothedRateOut(Model):
    """
    A rate of the model under rules against procyclicality: fractions of notional, before floors and caps.
    """

    model: float | None
    """
    Of the model; null where it says nothing: what was asked last stands.
    """
    stressed: float | None
    """
    Of the stressed period; null where no rule asks or nothing says it.
    """
    long_run: float | None
    """
    At long-run volatility; null likewise.
    """
    before: float | None
    """
    Asked last; null where nothing was.
    """
    asked: float | None


class SolventAfterShock(Model):
    """
    After an adverse move the equity still covers the maintenance margin: ``|w| (s + (1 − s) m(σ)) <= 1``.
    """

    method: Literal["solvent_after_shock"] = "solvent_after_shock"
    shock: float | None = None
    """
    s, fall of the price of a long [fraction]; m is the maintenance rate before it.
    """


class SplitRules(Model):
    """
    What is counted on of what venues show.
    """

    depth_reserve: float | None = None
    """
    Share of every visible size that is taken as gone by the time the order arrives [fraction].
    """
    max_age_seconds: float | None = None
    """
    Age of depth beyond which a venue is left out [s].
    """


class SqrtAddon(Model):
    """
    ``max(f, 0.8 f + c sqrt(|q|))``: replaces the rate once a position is large.
    """

    method: Literal["sqrt"] = "sqrt"
    coefficient: float
    """
    c [per square root of a contract].
    """


class SquareRootDepthIn(Model):
    """
    Square-root impact, where a book is not at hand.
    """

    kind: Literal["square_root"] = "square_root"
    average_daily_volume: float
    """
    Of the venue, in base units.
    """
    half_spread: float
    """
    Half the spread, as a fraction of the mark.
    """
    coefficient: float | None = None
    """
    Y of Y σ √(Q / V); default 1, listed as an assumption: it is measured for no venue here.
    """


class StageShareOut(Model):
    """
    What one stage of the explanation did, and its share of the change.
    """

    stage: str
    """
    `start`: the position at which a book that is scaled as a whole begins.
    """
    parameter: str
    value: NumberPair
    """
    Size after this stage [contracts].
    """
    factor: NumberPair | None
    """
    What it multiplied by; of the first stage the size that it set; null where it is no factor.
    """
    log_change: float | None
    """
    ln(factor after / factor before).
    """
    contribution: float | None
    """
    Contracts: log_change × L with L the logarithmic mean of the two products of all factors; of a cap, the buffer or rounding the difference of what it added, times the factors after it.
    """


class StepOut(Model):
    """
    One stage of the explanation; `in` and `out` are signed contracts.
    """

    stage: str
    in_: Annotated[PlainDecimal, Field(alias="in")]
    out: PlainDecimal
    parameter: str
    factor: float | None = None
    bound_by: str | None = None


class Stochastic(Model):
    """
    Kalman filter of ``x_t = μ + h_t + ε_t``, ``h_t = φ h_{t−1} + η_t`` with x an unbiased measure of ln σ².

    ``x = ln(range² / (4 ln 2) + o²) + 0.168`` with var ε = 0.35 where a bar has a range, ``x = ln r² + 1.270`` with
    var ε = 4.93 where it has none. Forecast: ``c · exp(μ + φ h + P/2)``, c the causal ratio of r² to former forecasts.
    """

    method: Literal["stochastic"] = "stochastic"
    persistence: float | None = None
    """
    φ of one bar.
    """
    innovation_variance: float | None = None
    """
    q = var η [variance of ln σ² per bar]; q / (1 − φ²), the variance of ln σ² itself, at most 20.
    """
    overnight: bool | None = None
    """
    Count o² with the range; needed where the market closes.
    """
    calibrate: bool | None = None
    """
    Apply the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """


class StrategyOut(Model):
    """
    One policy on the bars.
    """

    strategy: str
    performance: PerformanceOut
    decisions: int
    refusals: int
    orders: int
    ruined_at: AwareDatetime | None = None
    """
    Close at which the equity was gone.
    """
    path: list[PathPointOut]


class StressOut(Model):
    """
    Whether the matrix is stressed: `(1 - weight) R + weight 11'`.
    """

    applied: bool
    weight: float
    """
    Weight in the matrix that is shown; 0 where none is applied.
    """


class StrictnessIn(Model):
    """
    How silence is read.
    """

    strict: bool | None = None
    """
    Refuse the request where an assumption would be needed.
    """


class SurfaceGridIn(Model):
    """
    A grid of points, for plots.
    """

    log_moneyness: list[float]
    days: list[float]


class SurfaceGridOut(Model):
    """
    Volatilities in rows by days, columns by log-moneyness.
    """

    log_moneyness: list[float]
    days: list[float]
    volatility: list[list[float]]
    forward: list[PlainDecimal]


class SurfacePointIn(Model):
    """
    A point to read off the surface: a strike, or a forward delta.
    """

    expiry: AwareDatetime
    strike: PlainDecimal | None = None
    delta: float | None = None
    """
    Undiscounted forward delta: above 0 of a call, below 0 of a put.
    """


class SurfacePointOut(Model):
    """
    Point of `at`, in order.
    """

    status: Literal["ok", "refused"]
    detail: str | None
    expiry: AwareDatetime
    strike: PlainDecimal | None
    log_moneyness: float | None
    forward: PlainDecimal | None
    delta: float | None
    """
    Undiscounted forward delta: as asked for, or of the call.
    """
    volatility: float | None
    total_variance: float | None
    extrapolated: bool | None
    """
    Beyond the quoted strikes or expiries.
    """


class SurfaceRequest(Model):
    """
    Quotes of one underlying; nothing is stored.
    """

    quotes: list[OptionQuoteIn]
    """
    Of at most 64 expiries.
    """
    price_unit: Literal["quote", "base"] | None = None
    """
    Of bid, ask and mark; base: coin, as Deribit quotes.
    """
    surface: JointSvi | Essvi | Flat | None = None
    """
    How the smiles are fitted.
    """
    least_days: float | None = None
    """
    Nearer expiries are not fitted: the next one is scaled.
    """
    discount: float | None = None
    """
    Discount factor to every expiry; default: 1, or what parity says where forwards are inferred.
    """
    as_of: AwareDatetime | None = None
    """
    Time of the surface; default: the time of receipt.
    """
    underlying: str | None = None
    """
    Echoed.
    """
    max_age_seconds: float | None = None
    """
    Older quotes are dropped, and confidence falls to 0 at this age; default: age does not count.
    """
    at: list[SurfacePointIn] | None = None
    """
    Points to read off.
    """
    grid: SurfaceGridIn | None = None


class SurfaceSliceOut(Model):
    """
    Smile of one expiry.
    """

    expiry: AwareDatetime
    years: float
    """
    To expiry, of 365 days.
    """
    forward: PlainDecimal
    forward_source: Literal["given", "parity"]
    method_used: Literal["svi", "ssvi", "essvi", "flat"]
    """
    svi falls back to ssvi with 3 or 4 strikes, to flat with 1 or 2.
    """
    parameters: RawSviOut
    jump_wings: JumpWingsOut
    atm_volatility: float
    skew: float
    """
    Of volatility by k, at the forward.
    """
    rr25: float | None
    """
    Volatility of the 25-delta call less that of the put.
    """
    bf25: float | None
    """
    Mean of both less atm_volatility.
    """
    model_free_volatility: float
    rmse: float
    """
    Root mean square of fitted less quoted volatility.
    """
    inside_bid_ask: float | None
    """
    Part of the two-sided quotes that hold the fit.
    """
    strikes: int
    lowest_strike: PlainDecimal
    highest_strike: PlainDecimal
    age_seconds: float
    confidence: float
    """
    min(1, strikes / 10), times 1 - age / max_age_seconds where that is given.
    """
    reasons: list[Literal["few_strikes", "forward_inferred", "old_quotes", "one_sided_only"]]
    """
    Why confidence is low, or a fallback was used.
    """


class SurfaceViolationOut(Model):
    """
    A place where prices of the surface allow a riskless gain.
    """

    kind: Literal["butterfly", "call_spread", "calendar"]
    expiry: AwareDatetime
    """
    The later one, for a calendar.
    """
    log_moneyness: float
    size: float
    """
    Gain over the forward.
    """


class SurvivalOut(Model):
    """
    Prospect of the equity under a method that bounds its fall, at the targets as they are.
    """

    method: str
    level: float
    """
    Fraction of the present equity.
    """
    probability_of_drawdown: float | None
    """
    Of falling below `level`; null where the figures that it takes are unknown: `basis` says which.
    """
    horizon: Literal["ever", "year"]
    growth_share: float | None
    """
    Growth rate over the largest that the expected returns allow; null without them.
    """
    basis: str


class SwitchBefore(Model):
    """
    A switch before a change.
    """

    mode: Literal["normal", "reduce_only", "halt"]
    in_force: Literal["normal", "reduce_only", "halt"]
    version: int


class SwitchOut(Model):
    """
    One switch. A scope that was never set is on `normal`, version 0.
    """

    scope: str
    mode: Literal["normal", "reduce_only", "halt"]
    """
    As it was set.
    """
    in_force: Literal["normal", "reduce_only", "halt"]
    """
    What holds now: `reduce_only` once it has expired.
    """
    actor: str | None
    reason: str | None
    version: int
    """
    Changes of this scope so far.
    """
    set_at: AwareDatetime | None
    expires_at: AwareDatetime | None


class SwitchPage(Model):
    """
    Switches that were ever set, by scope.
    """

    items: list[SwitchOut]
    next: str | None
    """
    Cursor of the next page; null on the last.
    """
    staleness_seconds: float
    """
    Age at which a change is surely seen by every process; the one that stored it sees it at once.
    """
    latched_levels: str
    """
    How a level of a policy's breakers is taken off, which is no switch.
    """


class SwitchRequest(Model):
    """
    What a switch is to be on. `reduce_only`: nothing grows. `halt`: no order at all.
    """

    mode: Literal["normal", "reduce_only", "halt"]
    actor: str
    """
    Who sets it; part of the audited request and of every answer that it changes.
    """
    reason: str
    """
    Why.
    """
    expires_at: AwareDatetime | None = None
    """
    From then on it is on `reduce_only`, whatever it was on. Goes with `normal` and `halt`. Default: it stands until it is set again.
    """


class TailOut(Model):
    """
    Student-t of the standardised returns seen so far.
    """

    degrees_of_freedom: float
    """
    2.5 (very fat) to 30 (close to normal).
    """
    losses: list[LossOut]


class TailRiskOut(Model):
    """
    ΔCoVaR: what the system's tail quantile loses when the node goes from its median to its own tail.
    """

    delta_covar: float | None
    """
    A return: negative is a loss. null where the node never moves.
    """
    slope: float | None
    observations: int
    thin: bool
    """
    Fewer than 100 observations.
    """


class TenorOut(Model):
    """
    A fixed horizon.
    """

    days: float
    atm_volatility: float
    extrapolated: bool
    """
    Beyond the quoted expiries.
    """


class TestOut(Model):
    """
    A likelihood-ratio test.
    """

    statistic: float
    p_value: float


class Threshold(Model):
    """
    Trade once ``|net delta| > max_delta``: back to zero, or to the edge of the band.
    """

    method: Literal["threshold"] = "threshold"
    max_delta: float | None = None
    max_move: float | None = None
    max_gamma_drift: float | None = None
    max_vega_drift: float | None = None
    rebalance_to: Literal["zero", "edge"] | None = None
    instrument: str
    """
    Symbol of the spot, linear or inverse instrument that hedges.
    """


class ThresholdRule(Model):
    """
    Trade once ``|net delta| > max_delta``: back to zero, or to the edge of the band.
    """

    method: Literal["threshold"] = "threshold"
    max_delta: float | None = None
    """
    Half width of the band [base units]. Either this or the next.
    """
    max_move: float | None = None
    """
    The same as the delta that a move of the price brings: ``max_move · 100 · |gamma_1pct|`` [fraction of price].
    """
    max_gamma_drift: float | None = None
    """
    Largest change of the gamma since the last hedge [base units per 1 %]; beyond it the delta is traded to zero.
    """
    max_vega_drift: float | None = None
    """
    Largest change of the vega since the last hedge [quote per volatility point].
    """
    rebalance_to: Literal["zero", "edge"] | None = None
    """
    Where to trade to. Under costs proportional to size, the edge is the better rule; see Notes.
    """


class TicketAnswer(Model):
    """
    A ticket: `{"op":"auth","id":"1","ticket":"…"}` on the stream, once.
    """

    ticket: str
    expires_at: AwareDatetime
    """
    It must be used before.
    """
    tenant: str
    scopes: list[str]


class TicketRequest(Model):
    """
    What the ticket shall open.
    """

    scopes: (
        list[
            Literal[
                "evaluate",
                "observe",
                "read",
                "portfolio:write",
                "policy:write",
                "breaker:write",
                "audit:read",
                "metrics:read",
                "admin",
            ]
        ]
        | None
    ) = None
    """
    Some of the caller's scopes; all of them where it is left out.
    """


class TiersShrink(Model):
    """
    |size| does not grow from one breaker tier to a higher one, all else equal.
    """

    method: Literal["tiers_shrink"] = "tiers_shrink"


class TighteningPolicy(Model):
    """
    How distress becomes a multiplier on margin: at once on the way up, slowly on the way down.
    """

    sensitivity: float | None = None
    """
    γ: a node of distress 1 asks for 1 + γ times the margin.
    """
    cap: float | None = None
    """
    Largest multiplier.
    """
    release: float | None = None
    """
    Share of the excess over 1 that may go in a step.
    """


class TimeAnswer(Model):
    """
    The service's clock.
    """

    server_time: AwareDatetime
    unix_ms: int


class TimePair(Model):
    """
    A time in the earlier and in the later answer.
    """

    before: AwareDatetime
    after: AwareDatetime


class ToLeverage(Model):
    """
    Scale the book to a gross leverage: ``m = L / Σ|w|``.
    """

    method: Literal["leverage"] = "leverage"
    leverage: float
    """
    L, gross notional over equity.
    """


class ToVolatility(Model):
    """
    Scale the book to a volatility: ``m`` with ``vol(m·w + f) = τ``, f what the method does not touch.
    """

    method: Literal["volatility"] = "volatility"
    target_volatility: float
    """
    τ [annual, fraction: 0.20 is 20 %].
    """
    mode: Literal["two_sided", "cap"] | None = None
    """
    `cap` only scales down.
    """


class ToleranceBuffer(Model):
    """
    Trade the whole book to its optimal sizes once any row is off by more than a tolerance.

    ``max_i |w_i / w*_i − 1| > tolerance``; a row whose optimal size is 0 is off as soon as it holds anything.
    """

    method: Literal["tolerance"] = "tolerance"
    tolerance: float | None = None
    """
    Relative deviation of a row from its optimal size.
    """


class TouchesOut(Model):
    """
    Probabilities that the liquidation price is touched within a day.
    """

    brier: MetricOut
    """
    Lower is better.
    """
    bias: MetricOut
    """
    Mean of happened − stated; above 0 where danger was underestimated.
    """
    calibration_error: float | None
    bins: list[ReliabilityBinOut]
    excluded: dict[str, int]


class TrackingErrorBuffer(Model):
    """
    Leave the book alone while its tracking error is small; then close just as much of every gap as brings it back.

    ``TE = sqrt(d'Σd)`` with d the gaps over equity. Within `max_tracking_error` nothing is traded; beyond it, each gap
    shrinks by the same ratio to ``max_tracking_error / TE``.
    """

    method: Literal["tracking_error"] = "tracking_error"
    max_tracking_error: float | None = None
    """
    Volatility of holding the book instead of the optimal one [annual].
    """
    trade_to: Literal["edge", "optimal"] | None = None
    """
    `edge` stops where the tracking error is just allowed.
    """


class TrackingIn(Model):
    """
    Recorded returns of this book under this target; a volatility target is corrected by them, by 3 % at most.
    """

    interval: str
    calendar: Literal["24/7", "XNYS", "XNAS", "XLON", "FX"] | CalendarIn | None = None
    """
    Default 24/7, listed as an assumption.
    """
    returns: list[float]
    """
    Simple return of each bar on the equity at its beginning, deposits and withdrawals left out; oldest first, since the target was last changed. Below 126 they are only reported.
    """


class TradeIn(Model):
    """
    A trade between the snapshots.
    """

    quantity: PlainDecimal
    """
    Signed contracts.
    """
    price: PlainDecimal
    """
    As the instrument is quoted: quote per base; for a coin-settled option coin per base.
    """


class TriggersIn(Model):
    """
    What makes a decision one that is acted on. A trigger that is left out never fires.
    """

    volatility_move: float | None = None
    """
    Relative move of the volatility of any market since the last action: 0.25 is 25 %.
    """
    drift: float | None = None
    """
    Notional of what the decision would order, over the equity.
    """
    collateral_move: float | None = None
    """
    Relative move of the value of the collateral since the last action.
    """
    margin_ratio: float | None = None
    """
    Maintenance margin over the equity that backs it. Needs options.view full.
    """
    breaker: bool | None = None
    """
    A rise of the tier of the circuit breaker. Needs policy.breakers.
    """
    rearm: float | None = None
    """
    Share of the threshold of drift or margin_ratio below which it must fall before it fires again.
    """


class Twap(Model):
    """
    Equal parts at equal times (time-weighted average price): ``n_k = X / N``.
    """

    method: Literal["twap"] = "twap"
    duration_seconds: float
    """
    T, from the first trade to the end of the last slice [s].
    """
    slices: int | None = None
    """
    N [slices].
    """


class TypedDataDomainOut(Model):
    """
    EIP-712 domain.
    """

    name: str
    version: str
    chainId: int
    verifyingContract: str


class TypedDataFieldOut(Model):
    """
    One member of a struct.
    """

    name: str
    type: str


class TypedDataOut(Model):
    """
    What `eth_signTypedData_v4` takes. Whole numbers of the message are decimal strings.
    """

    types: dict[str, list[TypedDataFieldOut]]
    primaryType: Literal["Intent"] = "Intent"
    domain: TypedDataDomainOut
    message: dict[str, str | bool]


class UnderlyingGreeksOut(Model):
    """
    One underlying of an evaluated book, at its targets before hedges; `greeks` in the account currency.
    """

    underlying: str
    complete: bool
    """
    False: the delta of `unknown` positions is not known, and not in the sums.
    """
    unknown: list[str]
    collateral: float
    """
    Coin, in base units, counted once.
    """
    net_delta_coin: float | None
    """
    Exposure of an account counted in coin [base units].
    """
    net_delta_usd_view: float | None
    """
    Exposure of an account counted in money, with the collateral: what a hedge is decided on.
    """
    greeks: ExposureOut


class UnderlyingIn(Model):
    """
    What is known of an underlying beside its positions.
    """

    underlying: str
    price: PlainDecimal | None = None
    """
    Default: that of spot or a perpetual, else of the nearest expiry.
    """
    collateral: PlainDecimal | None = None
    """
    Equity of the account in coin, in base units: balance, unrealised profit and the marks of coin-settled options, less what is owed. Counted once, in the money view. A balance alone would count the premium of every option a second time.
    """
    beta: float | None = None
    """
    Against one benchmark for all: beta-weighted totals.
    """


class UnderlyingLiquidationOut(Model):
    """
    Prices of an underlying at which equity falls to the maintenance margin of now, all else standing still.
    """

    underlying: str
    down: PlainDecimal | None
    up: PlainDecimal | None


class UnderlyingMoveOut(Model):
    """
    Move of one underlying.
    """

    underlying: str
    move: float
    """
    Of its price, a fraction.
    """
    price: float
    """
    Spot price after it.
    """


class UnderlyingScenarioOut(Model):
    """
    One underlying in one scenario; delta, gamma, vega, discount and residual add up to `pnl`.
    """

    underlying: str
    move: float
    """
    Of the price, a fraction.
    """
    damping: float
    pnl: float
    """
    Before netting.
    """
    delta: float
    """
    Delta of today, linear positions and risk-cancelling collateral included.
    """
    gamma: float
    vega: float
    discount: float
    """
    Static discount: what a liquidation loses on long and on short options.
    """
    residual: float
    """
    What a second-order expansion does not see.
    """
    linear: float
    """
    Part of perpetuals, futures and spot.
    """
    collateral: float
    """
    Part of risk-cancelling collateral.
    """
    by_expiry: list[ScenarioExpiryOut]
    """
    Part of the options.
    """


class Undiversified(Model):
    """
    Assume no diversification: the volatility of a book is Σ|w|σ, whatever the signs.
    """

    method: Literal["none"] = "none"


class UnfilledOut(Model):
    """
    What the volume does not bear.
    """

    quantity: PlainDecimal
    contracts: PlainDecimal
    required_seconds: float | None
    """
    Time in which the whole order would be borne, at this pace.
    """


class UnknownOut(Model):
    """
    An account whose margin is not known.
    """

    account: str
    index: int
    reason: Literal["unusable_data", "price_required", "volatility_unavailable"]
    detail: str


class UnmodelledOut(Model):
    """
    A row that no scenario can value and whose margin was not stated.
    """

    symbol: str
    detail: str


class UnsplitOut(Model):
    """
    Change of the product of all factors, where it has no shares.
    """

    reason: Literal["sign_changed", "zero_size"]
    contribution: float


class ValueAtRiskBudget(Model):
    """
    ``w = min(V / VaR, S / ES)`` with ``VaR = q σ √h``: losses beyond the budgets are as rare as their levels say.

    `normal`, `student_t`, `cornish_fisher`: quantiles and tail means of a law of unit variance. `filtered_historical`:
    of the returns over their own forecasts, brought to variance 1. All four are scaled by today's volatility.
    `historical`: of the posted returns themselves, whatever the volatility is now.
    """

    method: Literal["value_at_risk"] = "value_at_risk"
    value_at_risk: float | None = None
    """
    V, loss over the capital that may be exceeded with probability 1 − `level` [fraction].
    """
    expected_shortfall: float | None = None
    """
    S, mean loss over the capital in the worst 1 − `shortfall_level` [fraction]. One of the two budgets at least.
    """
    level: float | None = None
    """
    Confidence of the value at risk, and of the expected shortfall.
    """
    shortfall_level: float | None = None
    """
    Confidence of the value at risk, and of the expected shortfall.
    """
    horizon_days: float | None = None
    """
    h [calendar days, 365 a year]; a session of an exchange with 252 a year is 1.45 of them.
    """
    distribution: Literal["normal", "student_t", "cornish_fisher", "historical", "filtered_historical"] | None = None
    """
    ``normal``, ``student_t``, ``cornish_fisher``, ``historical`` or ``filtered_historical``.
    """
    degrees_of_freedom: float | None = None
    """
    ν > 2 of the Student law; by default fitted to the standardised returns of each row, at least 3.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class ValueChange(Model):
    """
    A value that is another.
    """

    name: str
    """
    Dotted, such as `volatility.annual`, `account.equity` or `signal.direction`.
    """
    before: Any
    after: Any


class ValueStateOut(Model):
    """
    What the next call should be given as `previous`.
    """

    contagion: list[ContagionStateOut]


class VariancePremiumRequest(Model):
    """
    What options ask for variance, against a forecast, a history, or both.
    """

    as_of: AwareDatetime | None = None
    """
    Default: the time of receipt. A history may not reach beyond it.
    """
    horizon_days: float | None = None
    """
    Of both volatilities.
    """
    current: CurrentIn | None = None
    history: PremiumHistoryIn | None = None


class VaultCollateralIn(Model):
    """
    What is held.
    """

    asset: Literal["base", "quote"]
    """
    base: coin, for calls that are covered and for protection; quote: cash, for puts.
    """
    amount: PlainDecimal
    """
    In units of the asset.
    """


class VaultContractIn(Model):
    """
    What all options of the underlying have in common.
    """

    settlement: Literal["linear", "inverse"]
    """
    inverse: premium and pay-off are paid in base (coin-settled).
    """
    lot: PlainDecimal
    """
    Contracts.
    """
    contract_multiplier: PlainDecimal | None = None
    """
    Base units per contract.
    """
    min_quantity: PlainDecimal | None = None
    """
    Contracts of the smallest order.
    """
    tick: PlainDecimal | None = None
    """
    Of premiums, per base unit in the settlement currency.
    """
    strike_step: PlainDecimal | None = None
    """
    Of strikes, where there are no quotes.
    """


class VaultGreeksOut(Model):
    """
    Of the options of the plan together, as the position that they become.
    """

    value: float
    """
    Market value [quote].
    """
    delta: float
    """
    What a hedge would offset: premium-adjusted where coin-settled [base].
    """
    delta_black: float
    """
    Before that adjustment [base].
    """
    gamma_1pct: float
    """
    Change of the Black delta when the price moves 1 % [base].
    """
    vega_per_point: float
    """
    Per volatility point [quote].
    """
    theta_per_day: float
    """
    Per calendar day [quote].
    """
    vanna_per_point: float
    """
    Change of delta per volatility point [base].
    """
    volga_per_point: float
    """
    Change of vega per volatility point [quote].
    """


class VaultHedgeOut(Model):
    """
    Figures of options that protect.
    """

    cost_bps: float
    """
    Net premium and fees over the holding at the mark; negative: a credit.
    """
    protection: float
    """
    What was maximised, over the holding at the mark, as a fraction.
    """
    cap_price: PlainDecimal | None
    """
    Above it gains are given away; null where they are not.
    """
    coverage: float
    """
    Base units that are protected, over the holding.
    """


class VaultLegOut(Model):
    """
    One order.
    """

    symbol: str | None
    strike: PlainDecimal
    expiry: AwareDatetime
    right: Literal["call", "put"]
    side: Literal["buy", "sell"]
    contracts: PlainDecimal
    """
    Whole lots.
    """
    premium: PlainDecimal
    """
    Bid or ask that was reckoned with [settlement currency per base unit].
    """
    limit_price: PlainDecimal
    """
    The same to the tick: never less for a sale or more for a purchase.
    """
    implied_volatility: float | None
    """
    Behind delta and Greeks; null where no price implies one.
    """


class VaultOptionOut(Model):
    """
    Which option.
    """

    symbol: str | None
    strike: PlainDecimal
    expiry: AwareDatetime
    right: Literal["call", "put"]


class VaultPayoffOut(Model):
    """
    Everything together, when the options expire at a shocked price.
    """

    shock: float
    """
    Of the price, as a fraction.
    """
    price: PlainDecimal
    without: PlainDecimal
    """
    Collateral alone [quote].
    """
    with_options: PlainDecimal
    """
    [quote]
    """
    with_options_in_coin: PlainDecimal
    """
    The same at that price [base].
    """


class VaultQuoteIn(Model):
    """
    Best prices of one option, per base unit in the settlement currency.
    """

    symbol: str | None = None
    """
    Echoed.
    """
    strike: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    expiry: AwareDatetime
    right: Literal["call", "put"]
    bid: PlainDecimal | None = None
    """
    null or 0: nobody bids.
    """
    ask: PlainDecimal | None = None
    """
    null or 0: nobody offers.
    """
    implied_volatility: float | None = None
    """
    Of the mark, annual, for delta and Greeks; default: what the price implies.
    """
    depth: PlainDecimal | None = None
    """
    Contracts for which the quote is good; null: any.
    """
    forward: PlainDecimal | None = None
    """
    Of the same expiry; default: mark_price, listed as an assumption.
    """


class VaultSaleOut(Model):
    """
    Figures of an option that is sold.
    """

    collateral_used: PlainDecimal
    """
    In units of the collateral; never above utilisation.
    """
    yield_per_period: float
    """
    Net premium over the whole collateral, as a fraction.
    """
    yield_annual: float
    """
    Times 365 days over those to expiry, not compounded.
    """
    assignment_probability: float
    """
    Risk-neutral: N(±d2) at the option's own volatility.
    """
    assignment_probability_at_drift: float | None
    """
    At vault.drift and the forecast volatility; null without a drift.
    """
    edge: PlainDecimal
    """
    Smaller of the two, after fees [quote].
    """
    edge_first_order: PlainDecimal
    """
    vega × (IV of the bid − forecast), after fees [quote].
    """
    size_multiplier: float
    """
    clip((IV of the bid − forecast) / forecast_error, 0, 1).
    """
    indifference: PlainDecimal
    """
    Price beyond which not selling would have been better.
    """
    maximum_loss_in_coin: PlainDecimal | None
    """
    Calls: against holding the coin, however high the price; null for puts.
    """


class VenueCaps(Model):
    """
    Risk at one venue against its share of equity: ``m = (share · equity − fixed) / use``, in [0, 1].

    The share is that of the venue (`venues[].max_share`), else that of its grade (`venues[].risk_grade`). All
    rows at one venue shrink by the same multiplier; what is not resized there is `fixed`.
    """

    method: Literal["venue_caps"] = "venue_caps"
    a: float | None = None
    """
    Largest share of equity by grade.
    """
    b: float | None = None
    """
    Largest share of equity by grade.
    """
    c: float | None = None
    """
    Largest share of equity by grade.
    """
    d: float | None = None
    """
    Largest share of equity by grade.
    """
    e: float | None = None
    """
    Largest share of equity by grade.
    """
    measure: Literal["notional", "margin"] | None = None
    """
    What counts as use: the notional of positions, or their initial margin.
    """


class VenueDistressOut(Model):
    """
    From metrics.
    """

    value: float | None
    """
    In [0, 1]; null where no metric is known.
    """
    coverage: float
    """
    Share of the weights of the metrics that are known.
    """
    scores: dict[str, float]


class VenueMarginOut(Model):
    """
    The venue's own figures, from its margin tiers.
    """

    initial: PlainDecimal | None
    maintenance: PlainDecimal


class VenueMetricsIn(Model):
    """
    What is seen of a venue; a part that is left out drops out of the mean, and is never taken for calm.
    """

    leverage_percentile: float | None = None
    """
    Of open interest over market capitalisation, in its own history.
    """
    funding_percentile: float | None = None
    """
    Of the absolute funding rate.
    """
    basis_bps: float | None = None
    """
    From the median of other venues; its size counts.
    """
    depth_ratio: float | None = None
    """
    Depth of the book over its 30-day median.
    """
    withdrawal_share: float | None = None
    """
    Net withdrawals of a day over reserves.
    """
    peg_deviation: float | None = None
    """
    Of its quote currency, as a fraction; its size counts.
    """
    error_rate: float | None = None
    """
    Share of calls to its API that fail.
    """


class VenueOut(Model):
    """
    What a venue gets of all slices, or why it gets nothing.
    """

    venue: str
    reason: str
    """
    none where it gets a part; else why not.
    """
    detail: str
    quantity: PlainDecimal
    contracts: PlainDecimal
    expected_price: PlainDecimal | None
    """
    Average of its parts, without the fee.
    """
    worst_price: PlainDecimal | None
    cost_bps: float | None


class VenueShare(Model):
    """
    Part of one venue, relative to the others.
    """

    venue: str
    """
    As in positions[].venue.
    """
    share: float
    """
    Relative weight.
    """


class VenueSliceOut(Model):
    """
    Part of a slice on one venue.
    """

    venue: str
    quantity: PlainDecimal
    contracts: PlainDecimal
    expected_price: PlainDecimal
    """
    Average, without the fee.
    """
    worst_price: PlainDecimal
    """
    Of the last unit, to the tick: where to limit the order.
    """
    cost_bps: float
    """
    Expected against the mark, fee included, in basis points.
    """


class VenueSplit(Model):
    """
    Size each underlying once, then split it over venues by given shares.
    """

    method: Literal["venues"] = "venues"
    shares_by_venue: list[VenueShare]
    """
    A venue that is not named gets nothing; where no venue of an underlying is named, it is split equally.
    """


class VenueTighteningOut(Model):
    """
    How far a venue is tightened.
    """

    venue: str
    multiplier: float
    """
    On margin rates and haircuts, at least 1.
    """
    previous: float
    increase_multiplier: float
    """
    On increases: 1 / multiplier; 0 where nothing was ever known.
    """
    distress: float | None
    """
    In [0, 1]; null where nothing is known now: nothing is loosened.
    """
    given: float | None
    """
    `venues[].distress`.
    """
    coverage: float | None
    """
    Share of the weights of the metrics that are known.
    """
    scores: dict[str, float]


class VersionsOut(Model):
    """
    Versions that the numbers depend on, then and now.
    """

    recorded: dict[str, Any]
    running: dict[str, Any]


class VolatilityAttenuation(Model):
    """
    ``m = EWM(2 − 1.5 Q)``, at most 1; Q the expanding quantile of σ over its mean of ten years.
    """

    method: Literal["volatility_attenuation"] = "volatility_attenuation"
    span: float | None = None
    """
    Span of the moving average [bars].
    """


class VolatilityBuffer(Model):
    """
    Band of what the price moves a weight by itself: ``k σ √h · w (1 − w)`` around a weight w of an owned asset.
    """

    method: Literal["volatility"] = "volatility"
    sigmas: float | None = None
    """
    k [standard deviations].
    """
    horizon_days: float | None = None
    """
    h [days].
    """
    trade_to: Literal["edge", "optimal"] | None = None
    """
    Where to trade once outside the band.
    """


class VolatilityHaircut(Model):
    """
    Haircut by the volatility, size, peg and age of an asset, and by how it moves with the positions.
    """

    method: Literal["volatility_haircut"] = "volatility_haircut"
    tail_multiple: float | None = None
    """
    k: standard deviations of a fall that the haircut pays for.
    """
    liquidation_seconds: float | None = None
    """
    t, the time to sell the collateral [s].
    """
    impact: float | None = None
    """
    Relative price move of selling a day's volume; it grows with the square root of the size.
    """
    peg_threshold: float | None = None
    """
    Price of a pegged asset, in units of its peg, below which it is off it.
    """
    peg_factor: float | None = None
    """
    Haircut per unit of price below the threshold.
    """
    initial_multiple: float | None = None
    """
    Haircut for initial margin over that for maintenance, at least 1.
    """
    stale_multiple: float | None = None
    """
    Factor on the maintenance haircut once the price is older than its heartbeat; for initial margin it is then 1.
    """
    wrong_way_threshold: float | None = None
    """
    A correlation of the collateral with the loss of the positions beyond the threshold adds slope · excess of it.
    """
    wrong_way_slope: float | None = None
    """
    A correlation of the collateral with the loss of the positions beyond the threshold adds slope · excess of it.
    """
    cash_floor: float | None = None
    """
    Least maintenance haircut by class of asset.
    """
    stable_floor: float | None = None
    """
    Least maintenance haircut by class of asset.
    """
    major_floor: float | None = None
    """
    Least maintenance haircut by class of asset.
    """
    other_floor: float | None = None
    """
    Least maintenance haircut by class of asset.
    """


class VolatilityOut(Model):
    """
    The volatility behind a size.
    """

    annual: float
    """
    Used for sizing: max(calibration × forecast, floor).
    """
    forecast: float
    calibration: float
    long_run: float
    floor: float
    method: str
    effective_half_life: float
    """
    Bars.
    """
    confidence: float
    maturity: str
    observations: int
    periods_per_year: float
    source: str
    data_as_of: AwareDatetime
    event_volatility: float | None = None
    """
    With the scheduled events of the next bar [annual]; present where there are any.
    """


class VolatilityRebalancing(Model):
    """
    Weight of the volatile asset ``w = min(max_weight, τ/σ)`` or ``min(max_weight, w₀ σ̄/σ)``; the rest is stable.

    σ̄ is the long-run volatility: w₀ is the weight in ordinary times. n volatile assets have 1/n of the equity each.
    """

    method: Literal["volatility_rebalancing"] = "volatility_rebalancing"
    account_volatility: float | None = None
    """
    τ of the whole account [annual]; this or `weight`.
    """
    weight: float | None = None
    """
    w₀, weight of the volatile asset while its volatility is that of the long run; this or `account_volatility`.
    """
    max_weight: float | None = None
    """
    Largest weight of the volatile assets together; at most 1, so that the stable leg is never borrowed.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class VolatilityShock(Model):
    """
    ``m = min(1, limit · τ / sqrt(w'SRSw))``, S the shocked volatilities.

    The shock of a market is the quantile of its own volatility path over up to ten years of posted bars, or the
    client's own figure (`volatilities[].shock_volatility`), and never below the present volatility.
    """

    method: Literal["volatility_shock"] = "volatility_shock"
    limit: float | None = None
    """
    Multiple of the target volatility.
    """
    quantile: float | None = None
    """
    Of the volatility path.
    """
    volatility: float | None = None
    """
    τ [annual], where the policy has no target volatility of its own.
    """


class VolatilitySpacing(Model):
    """
    Levels whole steps away from the mark, a step being what the price moves: ``p_{±i} = S e^{±i s}``.

    ``s = max(min_step, k σ √dt, 2 × fee)``.
    """

    method: Literal["volatility"] = "volatility"
    multiple: float | None = None
    """
    k [standard deviations].
    """
    horizon_seconds: float | None = None
    """
    dt, the time in which the price should move about one step [s].
    """
    min_step: float | None = None
    """
    Smallest distance of neighbours [log price].
    """


class VolatilityTarget(Model):
    """
    Hold the risk constant: size inversely to forecast volatility.

    Scope `instrument` (default with signals): ``w_i = τ · d_i / (n σ_i) · IDM``, n = instruments with a live
    signal, then one
    scale to τ by the covariance. The scale is that of the same book at full directions (|d| = 1), so that a half
    direction stays a half position; it is lowered where the book as directed would exceed ``τ · max(1, max|d|)``.

    Scope `book` (default without signals): one multiplier on the whole book, ``m = τ / σ_book``.

    Scheduled events come last: each row is multiplied by σ / sqrt(σ² + events²), a book by what brings its volatility,
    events included, down to the one that it has without them. No event raises a size of the markets that it moves.
    """

    method: Literal["volatility_target"] = "volatility_target"
    target_volatility: float
    """
    τ [annual, fraction: 0.20 is 20 %].
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """
    derisk_only: bool | None = None
    """
    Never hold more than 1× equity gross, and never scale a book up.
    """


class VolatilityViewIn(Model):
    """
    What you know of the volatility of one market and its series does not say.
    """

    symbol: str
    """
    Row, series or underlying.
    """
    shock_volatility: float | None = None
    """
    Volatility of a rare bad time [annual]: read instead of the quantile of its own path.
    """
    implied_volatility_change: float | None = None
    """
    Change of ln(implied volatility) per day: 0.10 is from 50 % to 55 %.
    """


class VoteOut(Model):
    """
    A vote that was signed.
    """

    approver: str
    verdict: Literal["approve", "reject"]
    signature: str
    at: AwareDatetime


class VoteRequest(Model):
    """
    Vote of an approver, signed.
    """

    approver: str
    signature: str
    """
    Ed25519 over the statement that the proposal shows: `trimtab policy proposal approve` makes it.
    """


class WarningOut(Model):
    """
    Something worth knowing that did not change the outcome.
    """

    code: str
    detail: str
    symbol: str | None = None


class WaterfallRequest(Model):
    """
    A liquidation to be played through; its answer is recorded.
    """

    client_reference: str | None = None
    as_of: AwareDatetime | None = None
    """
    Time of the figures; default: the time of receipt.
    """
    symbol: str
    currency: str | None = None
    """
    Of every amount; echoed.
    """
    mark_price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    account: LiquidatedIn
    rules: LiquidationRulesIn | None = None
    insurance_fund: PlainDecimal | None = None
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    counterparties: list[CounterpartyIn] | None = None
    pool: PoolIn | None = None
    members: list[MemberIn] | None = None
    """
    Whose defaults the fund is held against.
    """


class WeightStep(Model):
    """
    Grow each row by at most a weight in each decision.
    """

    method: Literal["weight_step"] = "weight_step"
    step: float
    """
    Largest increase of |notional| over equity.
    """


class WorstCaseOut(Model):
    """
    Every order of one side filled, none of the other, and the price at the stop.
    """

    stop: PlainDecimal
    quantity: PlainDecimal
    """
    Inventory then, signed, in quantity_unit at the mark.
    """
    contracts: PlainDecimal
    average_price: PlainDecimal | None
    """
    Of the orders; null where the side has none.
    """
    notional: PlainDecimal
    """
    At entry prices, what was held before at the mark.
    """
    loss: PlainDecimal
    """
    At the stop, with fees, against today's equity; 0 for a gain.
    """
    loss_in_coin: PlainDecimal | None
    """
    Inverse contracts: the loss in their coin, at the stop.
    """
    margin: PlainDecimal | None
    """
    At max_leverage, else the instrument's; null where there is none.
    """


class WorstCasesOut(Model):
    """
    Both ends; null for a side that cannot open a position.
    """

    low: WorstCaseOut | None
    high: WorstCaseOut | None


class WorstOut(Model):
    """
    Scenario with the least profit.
    """

    spot_shock: float
    volatility_shock: float
    pnl: float


class WorstScenarioOut(Model):
    """
    One of the worst scenarios.
    """

    index: int
    """
    Place in `scenario_pnl`.
    """
    volatility: Literal["none", "up", "down", "skew_linear", "skew_absolute"]
    pnl: float
    """
    Over all underlyings, netted.
    """
    netting: float
    """
    Profits that netting does not credit, <= 0.
    """
    underlyings: list[UnderlyingScenarioOut]


class YangZhang(Model):
    """
    ``σ² = c · (var(o) + k var(c) + (1 − k) mean(RS))`` over the last n bars, variances divided by n − 1.

    ``k = .34 / (1.34 + (n + 1)/(n − 1))``
    """

    method: Literal["yang_zhang"] = "yang_zhang"
    window: int | None = None
    """
    n [bars].
    """
    match_close_variance: bool | None = None
    """
    Multiply by the ratio c of `services.volatility.close_match`; the value of one bar is there ``o² + k c² + (1 − k) RS``, the same mixture around zero.
    """
    calibrate: bool | None = None
    """
    Apply the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction].
    """


class ModelsApiControlStateOut(Model):
    """
    Control state after this decision: send it as `previous` of the next request.
    """

    initial_capital: PlainDecimal | None = None
    high_water_mark: PlainDecimal | None = None
    net_deposits: PlainDecimal
    floor: PlainDecimal | None = None
    as_of: AwareDatetime
    breaker_tier: int
    rows: list[RowMemoryOut]
    hedges: list[HedgeMemoryOut] | None = None
    """
    Present under a policy with hedging.
    """
    breakers: list[BreakerStateOut] | None = None
    """
    Present under a policy with breakers.
    """
    contagion: list[ContagionStateOut] | None = None
    """
    Present under a policy with contagion.
    """
    margins: list[MarginMemoryOut] | None = None
    """
    Present under policy.margin.procyclicality, and where previous held some.
    """


class ModelsApiCorrelationLeftOutOut(Model):
    """
    A series that is in no matrix.
    """

    symbol: str
    reason: str
    detail: str


class ModelsApiDecisionPriceOut(Model):
    """
    The price behind a size.
    """

    value: PlainDecimal
    source: str
    age_seconds: float | None


class ModelsApiDecisionTrackingOut(Model):
    """
    How the book tracked its target volatility.
    """

    realized_volatility: float
    bars: int
    error: float
    """
    Realised over target volatility, minus 1.
    """
    factor: float
    """
    Every size is divided by it: 0.97 to 1.03, 1 below 126 bars.
    """


class ModelsApiDiscoveryPriceOut(Model):
    """
    What an operation costs.
    """

    base: int
    """
    Units of each call.
    """
    sized: bool
    """
    Whether ceil(points / points_per_unit) + symbols of the body is added.
    """


class ModelsApiDiscoveryRateOut(Model):
    """
    What callers may spend: each call costs at least 1 unit; the bucket of each key fills at an even rate.
    """

    units_per_second: float | None
    """
    Of a key without a plan of its own; null: anything.
    """
    burst_units: int | None
    """
    What may be spent at once.
    """
    without_keys: bool
    """
    Whether this also holds where the service has no keys.
    """
    points_per_unit: int
    computations_per_key: int
    """
    Under way at a time, in each process.
    """
    streams_per_key: int
    """
    Open at a time, in each process.
    """
    other_operations: int
    """
    Units of an operation that is not listed; public ones cost nothing.
    """
    operations: dict[str, ModelsApiDiscoveryPriceOut]
    """
    Method and path to price.
    """


class ModelsApiHedgeLeftOutOut(Model):
    """
    An instrument that the plan may not trade, or not as far as its depth says.
    """

    symbol: str
    reason: str
    detail: str


class ModelsApiMarginBacktestCoverageOut(Model):
    """
    Breaches, judged.
    """

    observations: int
    breaches: int
    expected_rate: float
    rate: float
    """
    breaches / observations
    """
    unconditional: LikelihoodRatioOut
    """
    Kupiec: too many or too few.
    """
    independence: LikelihoodRatioOut
    """
    Christoffersen: whether breaches follow breaches.
    """
    conditional: LikelihoodRatioOut
    """
    Both together, two degrees of freedom.
    """
    traffic_light: Literal["green", "yellow", "red"]
    """
    Basel's zone.
    """
    under_coverage_p: float
    """
    Probability of at least so many breaches if the rate is right.
    """
    verdict: Literal["covered", "under_coverage", "over_coverage"]
    """
    under_coverage: too many breaches, the margin is too low. over_coverage: too few, which costs capital and not safety.
    """


class ModelsApiMarginFrontierRateOut(Model):
    """
    How often something happened.
    """

    count: int
    rate: float
    low: float
    """
    Of the exact interval of 95 % (Clopper-Pearson).
    """
    high: float


class ModelsApiMarketConditionsVenueIn(Model):
    """
    State of a venue. Rows name it by their own `venue`, or by that of their instrument.
    """

    venue: str
    protocol: str | None = None
    """
    Protocol that it runs on; see protocols[].
    """
    chain: str | None = None
    """
    Chain that it settles on; see chains[].
    """
    risk_grade: Literal["A", "B", "C", "D", "E"] | None = None
    max_share: float | None = None
    distress: float | None = None
    """
    0 is sound, 1 is default.
    """
    contagion_multiplier: float | None = None
    """
    Multiplier on positions there, from a contagion model of your own.
    """
    latency_seconds: float | None = None
    """
    From decision to acceptance of an order.
    """
    equity: PlainDecimal | None = None
    """
    Part of the account's equity that is held there, in the account currency; policy.breakers then has a breaker of the venue.
    """
    metrics: VenueMetricsIn | None = None
    """
    What is seen of it; policy.contagion makes distress of them, and takes the larger of both.
    """


class ModelsApiObservationObservationIn(Model):
    """
    One complete bar: its close, and what else is known of it.
    """

    symbol: str
    venue: str | None = None
    interval: str
    """
    Bar length: P1D, PT1H, PT5M. Each length has a state of its own.
    """
    close_time: AwareDatetime
    """
    When the bar closed. Exchanges label candles by their open: add one interval.
    """
    close: float | str
    """
    Close of the bar; one that is no price is an outcome, not an error.
    """
    open: float | str | None = None
    """
    With high and low the range of the bar is used.
    """
    high: float | str | None = None
    """
    Goes with open and low.
    """
    low: float | str | None = None
    """
    Goes with open and high.
    """
    volume: float | str | None = None
    """
    0: nothing was traded, the close is not news.
    """
    realized_variance: float | str | None = None
    """
    Sum of the squared log returns of shorter bars within this one.
    """
    implied_volatility: float | str | None = None
    """
    Quoted at the close of the bar [annual, fraction].
    """
    split: float | str | None = None
    """
    New units for one old since the bar before: 2 for a 2:1 split, 1 if the price did move. It settles a bar that was held back as corporate_action.
    """
    drivers: (
        dict[
            Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$")],
            float | None,
        ]
        | None
    ) = None
    """
    Values of the drivers that the estimator names, known at the close of the bar (when they were published counts); they act on the next bar. null, or left out: neutral.
    """
    source: str | None = None
    """
    Who observed the bar. The first to send a bar counts; another value for it is a conflict.
    """
    calendar: Literal["24/7", "XNYS", "XNAS", "XLON", "FX"] | CalendarIn | None = None
    """
    When the market trades; set by the first observation of a state, 24/7 by default.
    """


class ModelsApiObservationRejectedOut(Model):
    """
    An observation that was not stored.
    """

    index: int
    outcome: Literal[
        "accepted",
        "merged",
        "revised",
        "gap_filled",
        "gap_reset",
        "stale",
        "ohlc_inconsistent",
        "wick_capped",
        "spike_reverted",
        "duplicate",
        "conflict",
        "out_of_order",
        "off_clock",
        "invalid_price",
        "corporate_action",
        "unfinished",
        "calendar_conflict",
        "needs_replay",
        "state_damaged",
    ]
    """
    What became of one observed bar; `OUTCOME_TEXT` explains each.
    """
    detail: str
    """
    The rule that it broke, and what was found.
    """


class ModelsApiObservationStateOut(Model):
    """
    State of one market and bar.
    """

    symbol: str
    venue: str | None = None
    """
    Absent where none was given.
    """
    interval: str
    calendar: str
    version: int
    """
    Number of changes.
    """
    observations: int
    """
    Returns used.
    """
    inputs: Literal["close", "range"]
    """
    Whether any bar had a usable range (or realised variance), or closes only.
    """
    first_close_time: AwareDatetime
    last_close_time: AwareDatetime
    last_close: float


class ModelsApiOptionModelsParameterOut(Model):
    """
    One fitted parameter.
    """

    name: str
    value: float
    standard_error: float | None
    """
    Null at a bound: it was not estimated.
    """
    at_bound: bool


class ModelsApiPriceSourcesObservationIn(Model):
    """
    What one source says. A price that cannot be used is rejected with a reason; it fails nothing else.
    """

    source: str
    """
    Who says so. Named twice: only the newest counts.
    """
    price: PlainDecimal
    """
    As a string where it is signed: the digits are part of the message.
    """
    as_of: AwareDatetime
    """
    When the price was made.
    """
    heartbeat_seconds: float
    """
    Longest time between two prices of this source. It is stale after one and a half.
    """
    upstream: str | None = None
    """
    Where the price is made: sources that share it count once. Default: the source.
    """
    currency: str | None = None
    """
    Quote currency; default: that of the policy.
    """
    confidence: PlainDecimal | None = None
    """
    Half width of the source's own interval of confidence [price].
    """
    deviation: float | None = None
    """
    Move that makes the source publish [fraction]: it is no outlier within it.
    """
    signature: SignatureIn | None = None


class ModelsApiPriceSourcesRejectedOut(Model):
    """
    A source that does not count.
    """

    source: str
    reason: Literal[
        "signature_invalid",
        "signature_missing",
        "signer_not_allowed",
        "invalid_price",
        "in_future",
        "stale",
        "duplicate_source",
        "rate_missing",
        "rate_stale",
        "depegged",
        "rate_inconsistent",
        "outlier",
    ]
    """
    Why a source is not counted; `SOURCE_REASON_TEXT` explains each one.
    """
    detail: str


class ModelsApiScheduleSliceOut(Model):
    """
    Part of the order.
    """

    sequence: int
    quantity: PlainDecimal
    """
    In quantity_unit, as a size.
    """
    contracts: PlainDecimal
    """
    Whole lots.
    """
    notional: PlainDecimal
    """
    At the price of the slice, or the mark.
    """
    start: AwareDatetime | None
    """
    From when it may be traded; null where a price decides.
    """
    end: AwareDatetime | None
    price: PlainDecimal | None
    """
    Where it waits, to the tick; null where a time decides.
    """
    condition: str
    """
    When it is due, in words.
    """
    participation: float | None
    """
    Of the expected volume in its time; null where that is unknown.
    """
    at: AwareDatetime | None
    """
    When to send it as one order; null without jitter.times.
    """
    worst_price: PlainDecimal | None
    """
    To the tick, at the present mark: at the start of the slice take its mark times the same ratio. null without collar, or without a volatility.
    """
    venues: list[VenueSliceOut] | None
    """
    Where to trade it; null without venues[].
    """
    unplaced: PlainDecimal | None
    """
    Contracts that no venue bears; null without venues[].
    """


class ModelsApiScorecardCoverageOut(Model):
    """
    Breaches of the value at risk, tested.
    """

    observations: int
    breaches: int
    expected_rate: float
    kupiec: TestOut
    independence: TestOut
    """
    Christoffersen: whether breaches follow breaches.
    """
    conditional: TestOut
    traffic_light: Literal["green", "yellow", "red"]
    verdict: Literal["covered", "under_coverage", "over_coverage"]


class ModelsApiScorecardTrackingOut(Model):
    """
    Books against their target, orders against executions.
    """

    realized_to_target: MetricOut
    """
    Realised volatility of target books over target_volatility.
    """
    realized_to_forecast: MetricOut
    """
    The same over the forecast volatility of the book.
    """
    executed_share: MetricOut
    """
    Mean share of live orders that was executed, of portfolios that report executions.
    """
    excluded: dict[str, int]


class ModelsApiWaterfallSliceOut(Model):
    """
    One sale of a part, and the account after it.
    """

    side: Literal["buy", "sell"]
    quantity: PlainDecimal
    worst_price: PlainDecimal
    """
    Worst at which it may fill.
    """
    bankruptcy_price: PlainDecimal
    price: PlainDecimal
    to_fund: PlainDecimal
    """
    Fee, or what the fund paid (< 0).
    """
    equity: PlainDecimal
    maintenance_margin: PlainDecimal


class ServicesHedgingOptimizersGreekBoundsGreekBounds(Model):
    """
    Least ``cost + ½ a · variance`` of trades that keep each Greek within ``±max``.
    """

    method: Literal["greek_bounds"] = "greek_bounds"
    instruments: list[str]
    """
    Symbols that may be traded: perpetuals, futures, spot, options.
    """
    max_delta: float | None = None
    """
    [base units].
    """
    max_gamma_1pct: float | None = None
    """
    Change of delta per 1 % of price [base units].
    """
    max_vega_per_point: float | None = None
    """
    [quote per volatility point].
    """
    max_vanna_per_point: float | None = None
    """
    Change of delta per volatility point [base units].
    """
    max_volga_per_point: float | None = None
    """
    Change of vega per point, per volatility point [quote].
    """
    hard: bool | None = None
    """
    Bounds are kept, or only the delta is hedged. Else a breach costs `breach_factor` times what a unit is worth.
    """
    breach_factor: float | None = None
    """
    Price of a unit outside a bound, over the cheapest way to trade one unit or what one unit adds to the risk, whichever is more.
    """
    risk_aversion: float | None = None
    """
    a [1/quote]; by default 10 / equity.
    """
    horizon_seconds: float | None = None
    """
    How long the hedge is meant to last [s].
    """
    volatility_of_volatility: float | None = None
    """
    [annual fraction of the volatility].
    """
    spot_volatility_correlation: float | None = None
    """
    Within [-1, 1]. Not 0: the delta of least variance is not 0, and vega is partly hedged by delta.
    """
    gap: float | None = None
    """
    Share of cost and risk that whole lots may lie above the proven least.
    """
    time_limit_seconds: float | None = None
    """
    Of each call of the solver [s].
    """
    sell_options: bool | None = None
    """
    Whether positions in options may be sold beyond flat. Otherwise a long one may be sold, and no more.
    """
    assumed_depth: float | None = None
    """
    What may be bought and sold of an instrument of which no book is known [base units]. By default nothing: it may only be brought nearer to flat.
    """
    depth_distance: float | None = None
    """
    How far beyond the best price the orders of a book count as depth [fraction of its mid].
    """
    max_book_age_seconds: float | None = None
    """
    Age from which a book counts as none [s].
    """


class ServicesHedgingTriggersAdaptiveAdaptive(Model):
    """
    Trade once ``|net delta| > w``, to u on the same side; both from gamma, costs and risk aversion (recommended).
    """

    method: Literal["adaptive"] = "adaptive"
    relative_risk_aversion: float | None = None
    risk_aversion: float | None = None
    atm_band: float | None = None
    atm_gamma_1pct: float | None = None
    instrument: str
    """
    Symbol of the spot, linear or inverse instrument that hedges.
    """


class ServicesSizingMethodsRiskBudgetRiskBudget(Model):
    """
    ``N = B / (κ σ √h)``: a move of κ standard deviations over h days loses the budget B.
    """

    method: Literal["risk_budget"] = "risk_budget"
    budget: float | None = None
    """
    B of each row [account currency]; 0 is flat. Give this or `budget_fraction`.
    """
    budget_fraction: float | None = None
    """
    B over the capital [fraction: 0.01 is 1 %].
    """
    horizon_days: float | None = None
    """
    h [calendar days, 365 a year]; a session of an exchange with 252 a year is 1.45 of them.
    """
    confidence_factor: float | None = None
    """
    κ [standard deviations]. Give this or `confidence`.
    """
    confidence: float | None = None
    """
    Probability that the loss stays within B; κ is its quantile under `distribution`. 0.99 where neither is given.
    """
    distribution: Literal["normal", "student_t"] | None = None
    """
    Law behind `confidence`, of unit variance.
    """
    degrees_of_freedom: float | None = None
    """
    ν > 2 of the Student law; ignored for the normal one.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """


class ServicesSizingMethodsRiskParityRiskBudget(Model):
    """
    Part of one symbol in the risk of the book.
    """

    symbol: str
    """
    In equal parts where it has several rows.
    """
    budget: float
    """
    [fraction of the book's risk]; 0 keeps the symbol flat.
    """


class ServicesSizingOverlaysGreekBoundsGreekBounds(Model):
    """
    Multiplier on the increases that push a Greek of the book beyond ±bound, so that it stops there.

    With g the Greek of one contract, x the wanted sizes, x₀ the sizes with every increase left out and s the sign of
    ``G = Σ g x``::

        P = Σ max(s g (x − x₀), 0)        m = (bound · equity − (s G − P)) / P, in [0, 1]

    on the rows that make up P; the others, which push it back, are left alone.
    """

    method: Literal["greek_bounds"] = "greek_bounds"
    vega: float | None = None
    """
    Bound on |vega| over equity [fraction of equity per volatility point].
    """
    gamma: float | None = None
    """
    Bound on |Γ S² · 1 %| over equity: the change of the delta exposure by a move of 1 % [fraction of equity].
    """


class ServicesVolatilityEstimatorsAdaptiveAdaptive(Model):
    """
    Pool of variance forecasts whose weights learn which memory the market needs now.

    ``h = Σ w_k H_k``. The experts: averages of r² with half-lives 4 to 1024 bars, two that weigh falls more than rises;
    where bars have ranges, averages of the Garman–Klass variance with half-lives 1 to 64 (scaled by their own causal
    ratio to r²) and an online log-HAR regression on the Parkinson variance. After each bar
    ``w_k ← w_k exp(0.01 q (H_k/h − 1))`` with ``q = min(r²/h, 15) − 1``, the exponent clipped to ±1, then
    ``w ← 0.9995 w/Σw + 0.0005 w⁰``. The half-life that the weights amount to is an output, not a parameter.
    """

    method: Literal["adaptive"] = "adaptive"
    use_range: bool | None = None
    """
    Use open, high and low (or the realised variance) where bars have them. Whether they have is settled by the first bar of a history; a later bar without a range counts with its r².
    """
    log_har: bool | None = None
    """
    Include the regression where ranges are used.
    """
    drivers: list[str] | None = None
    """
    Names of up to 8 exogenous drivers (order-flow imbalance, funding, spread, log volume …) that may scale the forecast by 0.7 to 4; their values come with the bars. A value acts on the bar after the one that it came with.
    """
    calibrate: bool | None = None
    """
    Multiply the forecast by the second-moment factor k of `services.volatility.calibration`.
    """
    prior_volatility: float | None = None
    """
    Volatility expected before any bar was seen [annual, fraction]; with it 2 to 19 bars are answered as `cold`.
    """


class LeftOutOut(Model):
    """
    An instrument that the plan may not trade, or not as far as its depth says.
    """

    symbol: str
    reason: str
    detail: str


class PriceOut(Model):
    """
    The price behind a size.
    """

    value: PlainDecimal
    source: str
    age_seconds: float | None


class PublishedBreakers(Model):
    """
    State of `breakers:PORTFOLIO`: published where a breaker changed its level.
    """

    portfolio_id: str
    evaluation_id: str
    index: int
    """
    Audit entry of the decision.
    """
    as_of: AwareDatetime
    data_as_of: AwareDatetime | None
    computed_at: AwareDatetime
    valid_until: AwareDatetime
    """
    Do not act on it from then on.
    """
    on_expiry: Literal["reduce_only"] = "reduce_only"
    degraded: list[str]
    scopes: list[BreakerScopeOut]
    transitions: list[BreakerTransitionOut]


class PublishedEntry(Model):
    """
    State of `audit`: one entry of the log, without its body.
    """

    index: int
    event_id: str
    kind: str
    recorded_at: AwareDatetime
    portfolio_id: str | None
    client_reference: str | None
    status: int
    body_sha256: str


class PublishedStatus(Model):
    """
    State of `status`: what works and what does not.
    """

    status: Literal["ok", "degraded"]
    degraded: list[str]
    since: AwareDatetime
    detail: str | None = None


class PublishedVolatility(Model):
    """
    State of `volatility:SYMBOL`: of the bar, venue and estimator that were fed last.
    """

    symbol: str
    venue: str | None = None
    interval: str
    version: int
    observations: int
    last_close_time: AwareDatetime
    last_close: float
    index: int
    """
    Audit entry of the observations.
    """


class TrackingOut(Model):
    """
    How the book tracked its target volatility.
    """

    realized_volatility: float
    bars: int
    error: float
    """
    Realised over target volatility, minus 1.
    """
    factor: float
    """
    Every size is divided by it: 0.97 to 1.03, 1 below 126 bars.
    """


class AccountLoanIn(Model):
    """
    A loan or collateralised debt position, whose value is part of `account.equity`; in no other list.
    """

    name: str | None = None
    """
    For your own reading.
    """
    collateral: PledgedIn
    debt: OwedIn
    liquidation_threshold: float
    """
    Share of the collateral at which the debt is called.
    """
    maximum_loan_to_value: float | None = None
    """
    Share up to which more can be borrowed; default 0, an assumption: no initial margin of it.
    """
    borrow_rate: float | None = None
    """
    On the debt, annual, continuously compounded.
    """
    supply_rate: float | None = None
    """
    On the collateral.
    """
    margin: Literal["cross", "isolated"] | None = None
    """
    cross: it shares the margin of the account; isolated: what it is worth backs nothing else.
    """


class AllocateRequest(Model):
    """
    Accounts, what they hold, and how it can be moved.
    """

    as_of: AwareDatetime | None = None
    """
    Of the figures; default: the time of receipt.
    """
    client_reference: str | None = None
    venues: list[CollateralAccountIn]
    assets: list[CollateralAssetIn] | None = None
    balances: list[CollateralBalanceIn] | None = None
    routes: list[CollateralRouteIn] | None = None
    pooled: PooledIn | None = None
    """
    Adds what cross margin would be worth.
    """
    policy: AllocationPolicy | None = None


class AnyOf(Model):
    """
    Trade as soon as any rule is due, but not within the cooldown; beyond the hard limit always.
    """

    method: Literal["any_of"] = "any_of"
    instrument: str
    """
    Symbol of the spot, linear or inverse instrument that hedges.
    """
    triggers: list[
        Annotated[
            ThresholdRule | PriceMoveRule | IntervalRule | AdaptiveRule,
            Field(discriminator="method"),
        ]
    ]
    """
    Rules, without an instrument of their own. Of those that are due, the one that leaves the least delta counts.
    """
    cooldown_seconds: float | None = None
    """
    Time after a hedge in which nothing is traded [s].
    """
    hard_limit: float | None = None
    """
    Largest |net delta| that is ever left [base units]: beyond it the cooldown does not count, and where no rule is due, the whole delta is traded. No band is wider.
    """


class AttributionOut(Model):
    """
    The change of a size, shared out: the contributions, and that of `unsplit`, add up to `change`.
    """

    change: float
    """
    Of the size at the end of the explanation [contracts].
    """
    size: NumberPair
    """
    At the end of the explanation [contracts].
    """
    unrounded: QuantityPair
    """
    Before rounding [contracts].
    """
    stages: list[StageShareOut]
    unsplit: UnsplitOut | None


class AuditOut(Model):
    """
    Where the answer lies in the audit log.
    """

    index: int
    durable: bool
    entry: str | None = None
    """
    What the tree holds of this answer. Present with options.receipt.
    """
    receipt: str | None = None
    """
    A C2SP `tlog-proof` of it: index, path and signed head. Present with options.receipt.
    """
    permits: list[PermitOut] | None = None
    """
    Of the orders; none of a historical evaluation. Present with options.permits.
    """


class AutoIn(Model):
    """
    Rules of `auto` mode. The service decides and writes intents; it never signs or sends one.
    """

    enabled: bool | None = None
    """
    false stops it: targets are told as before, and nothing is ordered.
    """
    max_orders_per_day: int
    """
    Of a UTC day, reductions counted; beyond it only reductions are ordered.
    """
    max_notional_per_day: PlainDecimal
    """
    The same, in the account currency.
    """
    cooldown: str | None = None
    """
    Least time between two decisions with orders; default PT1M. Reductions for margin_ratio and breaker do not wait.
    """
    schedule: str | None = None
    """
    Act at the latest so long after the last action.
    """
    triggers: TriggersIn | None = None
    settlements: list[SettlementIn] | None = None
    """
    Venues on chain; orders on all others are ccxt parameters.
    """


class AutoMemoryOut(Model):
    """
    What `auto` mode remembers after a decision.
    """

    acted_at: AwareDatetime | None = None
    """
    Last decision that was acted on; moves are measured from it.
    """
    emitted_at: AwareDatetime | None = None
    """
    Last decision with orders.
    """
    emitted_until: AwareDatetime | None = None
    """
    When they expire.
    """
    emitted_snapshot: str | None = None
    """
    Snapshot that they were made of.
    """
    latched: list[Literal["schedule", "volatility", "drift", "collateral", "margin_ratio", "breaker"]]
    """
    Triggers that were acted on and have not fallen back.
    """
    volatility: list[MarketVolatilityIn]
    collateral: float | None = None
    tier: int
    day: date | None = None
    """
    UTC day that `orders` and `notional` are of.
    """
    orders: int
    """
    Ordered on that day, reductions counted.
    """
    notional: PlainDecimal
    """
    The same, in the account currency.
    """
    total_orders: int
    """
    Ordered ever.
    """


class BindingOut(Model):
    """
    What bound a target.
    """

    stage: str
    parameter: str
    slack: PlainDecimal
    """
    Contracts left before this limit.
    """
    next: NextLimitOut | None = None


class BookIn(Model):
    """
    Order book of a market: `bids` and `asks`, or a summary in `depth`.

    An empty side is legal and means what it says: then nothing is increased. So does a book whose sides cross.
    """

    symbol: str
    venue: str | None = None
    as_of: AwareDatetime
    """
    When the book was so.
    """
    quantity_unit: Literal["base", "contracts", "quote"] | None = None
    """
    Unit of the sizes; default: that of the instrument.
    """
    bids: list[list[float | str]] | None = None
    """
    Rows [price, size], or [price, size, age_seconds]: how long the level has stood. Best first.
    """
    asks: list[list[float | str]] | None = None
    """
    As bids.
    """
    depth: DepthIn | None = None


class BreakerOut(Model):
    """
    The breaker of the highest level, and all of them; present under a policy with breakers.
    """

    scope: str
    tier: int
    level: Literal["normal", "caution", "reduce", "close_only", "flatten"]
    since: AwareDatetime | None
    latched: bool
    next_exit: BreakerExitOut | None
    """
    Null at normal, and at flatten: that takes breaker_reset.
    """
    metrics: BreakerMetricsOut
    scopes: list[BreakerScopeOut]
    transitions: list[BreakerTransitionOut]


class BucketOut(Model):
    """
    Positions of one bucket.
    """

    bucket: str
    greeks: ExposureOut


class CheckedPolicyOut(Model):
    """
    Which policy a verdict is about.
    """

    policy: NamedPolicyOut | None = None
    """
    Where a stored one was named.
    """
    policy_resolved_sha256: str
    """
    As in the answers of evaluations that use it.
    """


class CommitRequest(Model):
    """
    Figures of one recorded answer.
    """

    figures: list[FigureIn]
    """
    Each once.
    """


class CommitmentsOut(Model):
    """
    What may be shown to anybody.
    """

    format: Literal["trimtab/commitments/v1"] = "trimtab/commitments/v1"
    entry: str
    """
    What the tree holds of the answer.
    """
    receipt: str
    """
    A C2SP `tlog-proof` of the entry.
    """
    commitments: list[CommittedOut]
    signature: str
    """
    Ed25519 by the key of the log over digest of the entry and commitments.
    """


class ContagionPolicy(Model):
    """
    Margin, haircuts and sizes by the distress of the venue.

    Margin rates and haircuts are multiplied by the multiplier m of the venue, increases by 1/m.
    """

    distress: DistressPolicy | None = None
    """
    How distress is made of what is seen of a venue.
    """
    tightening: TighteningPolicy | None = None
    """
    How far distress tightens, and how slowly that is released.
    """
    step_seconds: float | None = None
    """
    Time in which one release may go [s]. A decision sooner releases its share of it, a later one no more than one.
    """


class CorrelationAnswer(Model):
    """
    Correlation of the posted series for the next bar; rows and columns of all matrices as in `symbols`.
    """

    as_of: AwareDatetime
    status: Literal["ok", "refused"]
    detail: str | None
    """
    Why there is no matrix.
    """
    method: str
    symbols: list[str]
    volatilities: list[float]
    """
    Used for sizing [annual, fraction].
    """
    matrix: list[list[float]] | None
    """
    Correlation.
    """
    covariance: list[list[float]] | None
    """
    volatility × volatility × correlation [annual].
    """
    observations: list[list[int]] | None
    """
    Bars that each pair shares.
    """
    eigenvalues: EigenvaluesOut | None
    repaired: bool
    """
    Whether holes or leads and lags made it necessary to lift eigenvalues to 1e-8.
    """
    stress: StressOut
    monitor: MonitorOut | None
    left_out: list[ModelsApiCorrelationLeftOutOut]
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class CorrelationRequest(Model):
    """
    Series to correlate; nothing is stored.
    """

    series: list[SeriesIn]
    estimator: (
        ServicesVolatilityEstimatorsAdaptiveAdaptive
        | Ewma
        | RiskMetrics2006
        | CloseToClose
        | Parkinson
        | GarmanKlass
        | RogersSatchell
        | YangZhang
        | AverageTrueRange
        | Realized
        | Har
        | Garch
        | GjrGarch
        | Egarch
        | Stochastic
        | Implied
        | None
    ) = None
    """
    Of the volatilities, which also standardise the returns.
    """
    correlation: DynamicConditional | Exponential | LedoitWolf | OracleApproximating | ConstantCorrelation | None = None
    """
    As in a policy, without `none`.
    """
    as_of: AwareDatetime | None = None
    """
    Bars after it are not complete; default: the time of receipt.
    """


class CounterexampleOut(Model):
    """
    Where a statement fails. The engine itself decided every figure, at exactly these inputs.
    """

    points: list[PointOut]
    """
    One point, or two that differ in the input that the statement is on.
    """
    figure: Literal["weight", "initial_margin_rate"]
    """
    What `values` are; weights are over equity.
    """
    values: list[float]
    """
    In the order in which `detail` names them.
    """
    detail: str


class CoverOut(Model):
    """
    The fund before the liquidation, by scenario.
    """

    worst: ScenarioCoverOut
    """
    Of the least cover 2.
    """
    passed: bool
    """
    Whether the two largest are covered in every scenario.
    """
    scenarios: list[ScenarioCoverOut]


class CreditOut(Model):
    """
    What a balance counts as margin; null where a price lacks.
    """

    asset: str
    loan: str | None = None
    """
    Present on what a loan in cross margin pledges or owes.
    """
    amount: PlainDecimal
    price: PlainDecimal | None
    value: PlainDecimal | None
    credit_initial: PlainDecimal | None
    credit_maintenance: PlainDecimal | None
    haircut_initial: float
    haircut_maintenance: float
    reason: Literal[
        "owed", "volatility", "floor", "loan_terms", "whole", "stale_price", "price_required", "volatility_unavailable"
    ]
    """
    What set the haircut for maintenance margin.
    """
    volatility: float | None = None
    parts: HaircutPartsOut | None = None
    """
    Present where something is held.
    """


class CrossingOut(Model):
    """
    A move after which equity does not exceed maintenance.
    """

    sigmas: float
    """
    Its distance; of a joint move the Mahalanobis distance.
    """
    moves: list[UnderlyingMoveOut]
    """
    Of the underlyings that move.
    """
    equity: PlainDecimal
    maintenance_margin: PlainDecimal
    touch_probability: float | None
    """
    That it is reached within the horizon. One underlying alone: a driftless lognormal price; nearest joint move: its tangent half-space, 2 N(-sigmas). null where neither law applies.
    """


class CurrencyOut(Model):
    """
    Sources of one quote currency.
    """

    currency: str
    voices: int
    rate: float | None
    """
    Used for conversion.
    """
    implied_rate: float | None
    """
    What its prices say the rate is; null without prices to compare.
    """
    reason: (
        Literal[
            "signature_invalid",
            "signature_missing",
            "signer_not_allowed",
            "invalid_price",
            "in_future",
            "stale",
            "duplicate_source",
            "rate_missing",
            "rate_stale",
            "depegged",
            "rate_inconsistent",
            "outlier",
        ]
        | None
    )
    """
    Why the group was set aside.
    """


class DeleveragingOut(Model):
    """
    Positions of others that close what could not be sold.
    """

    price: PlainDecimal
    """
    The bankruptcy price, at most `price_cap` from the mark.
    """
    filled: list[DeleveragedOut]
    """
    By rank: profit times leverage, the largest first.
    """
    skipped: list[SkippedOut]
    uncovered: PlainDecimal
    """
    Base units that nobody takes: they stay open.
    """


class DisclosureAnswer(Model):
    """
    Some fields of a recorded answer, checked by `trimtab audit check-disclosure` without a service.
    """

    format: Literal["trimtab/disclosure/v1"] = "trimtab/disclosure/v1"
    entry: str
    """
    What the tree holds of the answer; `fields` in it commits to all fields.
    """
    receipt: str
    """
    A C2SP `tlog-proof` of the entry.
    """
    field_count: int
    """
    Fields of the whole answer.
    """
    root: str
    """
    Root of the tree over the buckets.
    """
    fields: list[ShownFieldOut]
    buckets: list[FieldBucketOut]


class ErrorsAnswer(Model):
    """
    Every stable code.
    """

    problems: list[ProblemKindOut]
    """
    `code` of a problem document.
    """
    rules: dict[str, str]
    """
    `errors[].code` of a problem document.
    """
    reasons: dict[str, str]
    """
    `reason` of a target: an outcome of one instrument, not an error.
    """
    candidate_reasons: dict[str, str]
    """
    `candidates[].reason` of POST /v1/vaults.
    """
    oracle_reasons: dict[str, str]
    """
    `reason` of POST /v1/oracles:aggregate: of a symbol.
    """
    oracle_source_reasons: dict[str, str]
    """
    `rejected[].reason` of the same: of one source.
    """
    stream_refusals: dict[str, str]
    """
    `error.code` of the stream, besides those of `problems`.
    """
    stream_notices: dict[str, str]
    """
    `code` of a notice of the stream.
    """
    close_codes: dict[str, str]
    """
    Codes with which the stream ends a connection.
    """
    observation_outcomes: dict[str, str]
    """
    `outcomes[]` of POST /v1/observations.
    """


class EstimateRequest(Model):
    """
    Series to estimate volatility on; nothing is stored.
    """

    series: list[SeriesIn]
    estimator: (
        ServicesVolatilityEstimatorsAdaptiveAdaptive
        | Ewma
        | RiskMetrics2006
        | CloseToClose
        | Parkinson
        | GarmanKlass
        | RogersSatchell
        | YangZhang
        | AverageTrueRange
        | Realized
        | Har
        | Garch
        | GjrGarch
        | Egarch
        | Stochastic
        | Implied
        | None
    ) = None
    output: Literal["last", "path"] | None = None
    """
    last bar, or every bar (20,000 points at most).
    """
    horizon: str | None = None
    """
    Also estimate over this time, such as P7D.
    """
    events: list[EventIn] | None = None
    """
    They raise `event_volatility`, and that of the horizon; nothing else.
    """
    as_of: AwareDatetime | None = None
    """
    Bars after it are not complete; default: the time of receipt.
    """


class ExecutionsRequest(Model):
    """
    Fills of a live portfolio.
    """

    fills: list[FillIn]


class ExecutionsTaken(Model):
    """
    What became of the fills of a call, in their order.
    """

    portfolio_id: str
    fills: list[FillOut]
    counts: dict[Literal["matched", "unknown", "duplicate", "conflict"], int]
    orders: list[MatchedOrderOut]
    """
    Orders of the matched fills.
    """
    event_id: str
    audit: AuditOut


class ExplainedUnderlyingOut(Model):
    """
    Lines of one underlying.
    """

    underlying: str
    lines: ProfitLinesOut


class FindingOut(Model):
    """
    Something that is wrong.
    """

    reason: Literal[
        "no_quorum",
        "too_few_signers",
        "clock_backwards",
        "jump_unconfirmed",
        "far_from_twap",
        "too_many_upstreams",
        "currencies_disagree",
        "dispersion",
        "confidence",
        "late",
        "mark_disagrees",
        "none",
    ]
    """
    What is wrong with an aggregate, the gravest first; `ORACLE_REASON_TEXT` explains each one.
    """
    detail: str
    blocking: bool
    """
    Whether it blocks increases.
    """


class FittedModelIO(Model):
    """
    Estimates: an estimator, and the rest of what its likelihood depends on.
    """

    estimator: Annotated[Garch | GjrGarch | Egarch, Field(discriminator="method")]
    """
    Goes into a policy or another request as it is.
    """
    mean: float | None = None
    """
    Mean log return of a bar; estimators take it as zero.
    """
    degrees_of_freedom: float | None = None
    """
    Of the Student-t density; null where it is normal.
    """


class FlowIn(Model):
    """
    Order flow, funding and volume of a market; what is not known is left out.
    """

    symbol: str
    venue: str | None = None
    as_of: AwareDatetime
    quantity_unit: Literal["base", "contracts", "quote"] | None = None
    """
    Unit of volume, open interest and liquidations; default: that of the instrument.
    """
    order_flow_imbalance: float | None = None
    """
    Signed order flow over all order flow: 1 where there is buying only.
    """
    funding_rate: float | None = None
    """
    Paid by longs to shorts each funding_interval; a fraction: 0.0001 is 0.01 %.
    """
    funding_interval: str | None = None
    """
    Goes with funding_rate: PT8H, PT1H.
    """
    next_funding_at: AwareDatetime | None = None
    funding_spread: float | None = None
    """
    Annual carry here minus that on another venue; a fraction.
    """
    open_interest: PlainDecimal | None = None
    average_daily_volume: PlainDecimal | None = None
    liquidations: LiquidationsIn | None = None


class ForecastsOut(Model):
    """
    Variance forecasts of the next bar, calibration included, against its squared log return [squared per cent].
    """

    repeated: int
    """
    Answers that stated what an earlier one stated on the same bar.
    """
    qlike: MetricOut
    """
    Mean of ln h + y/h; lower is better.
    """
    squared_error: MetricOut
    """
    Mean of (y − h)².
    """
    bias: MetricOut
    """
    Mean of y/h: 1 where the level is right, above where risk was underestimated.
    """
    qlike_gain: MetricOut
    """
    Mean QLIKE of the benchmark less that of the forecasts.
    """
    squared_error_gain: MetricOut
    benchmark: Literal["ewma_0.94"] = "ewma_0.94"
    calibration: CalibrationOut
    excluded: dict[str, int]
    """
    Forecasts that cannot be judged, by reason.
    """


class FromModelIn(Model):
    """
    Rates by the margin model at the cached volatility.
    """

    policy: PolicyReference | None = None
    """
    Stored policy whose `margin` is the model; default: the default model.
    """
    symbol: str | None = None
    """
    Of the cached state; default: the market.
    """
    venue: str | None = None
    """
    The state of this venue, else the one kept without a venue.
    """
    interval: str | None = None
    """
    Bar of the cached state.
    """
    haircut_floor: float | None = None
    """
    Least maintenance haircut: 0 for cash, .01 for stablecoins, .05 for BTC and ETH.
    """


class FrontierRequest(Model):
    """
    A margin model at many confidences and sizes on the bars of one market; nothing is stored.
    """

    series: SeriesIn
    model: LognormalExpectedShortfall | SigmaMultiple | FilteredHistorical | None = None
    """
    As in a policy. Its `horizon_days` is set to `horizon_bars`.
    """
    horizon_bars: int | None = None
    """
    Bars that a loss runs for; margins are judged that far apart.
    """
    procyclicality: AntiProcyclicality | None = None
    """
    Rules on top of the model; none by default.
    """
    estimator: (
        ServicesVolatilityEstimatorsAdaptiveAdaptive
        | Ewma
        | RiskMetrics2006
        | CloseToClose
        | Parkinson
        | GarmanKlass
        | RogersSatchell
        | YangZhang
        | AverageTrueRange
        | Realized
        | Har
        | Garch
        | GjrGarch
        | Egarch
        | Stochastic
        | Implied
        | None
    ) = None
    """
    Of the volatility that `sigma_multiple` and the lognormal model read.
    """
    warm_up_bars: int | None = None
    """
    Returns before the first margin that is judged.
    """
    as_of: AwareDatetime | None = None
    """
    Bars after it are not complete; default: the time of receipt.
    """
    confidences: list[float] | None = None
    """
    In the place of the model's `alpha`.
    """
    multipliers: list[float] | None = None
    """
    Of the model's margin as it is; a long's stays at most 1.
    """
    maintenance_fraction: float | None = None
    """
    Maintenance over initial margin: an account is liquidated where equity falls to it.
    """


class FrontierSideOut(Model):
    """
    One margin on one side.
    """

    mean_margin: float
    """
    Fraction of notional.
    """
    mean_leverage: float | None
    """
    Mean of 1 / margin; null where a margin is 0.
    """
    breaches: ModelsApiMarginFrontierRateOut
    """
    Losses beyond the margin: the account is worth less than nothing.
    """
    liquidations: ModelsApiMarginFrontierRateOut
    """
    Losses that leave an account that held the margin without maintenance.
    """
    mean_excess: float
    """
    Mean loss beyond the margin of the breaches, a fraction of notional.
    """
    peak_to_trough: float | None
    """
    Largest over smallest margin; null where a margin is 0.
    """


class FuturePositionIn(Model):
    """
    A perpetual, a future, or spot on margin.
    """

    kind: Literal["inverse", "linear"]
    """
    inverse: margined and paid in the coin.
    """
    symbol: str | None = None
    """
    For your own reading.
    """
    quantity: PlainDecimal
    """
    Signed contracts.
    """
    multiplier: PlainDecimal | None = None
    """
    Base units of a contract; for inverse its quote value.
    """
    mark_price: PlainDecimal | None = None
    """
    Default: the mark of the underlying. It moves in proportion to it.
    """
    maintenance_rate: float | None = None
    """
    Of the notional, instead of margin_tiers.
    """
    margin_tiers: list[MarginTierIn] | None = None


class GovernanceChecks(Model):
    """
    What must be proved of a new version before anybody may approve it.
    """

    properties: list[
        Annotated[
            LeverageCap | NonIncreasing | SolventAfterShock | NeverIncreases | TiersShrink,
            Field(discriminator="method"),
        ]
    ]
    """
    As in POST /v1/policies:check; `leverage_cap` with `cap` bounds the leverage.
    """
    ranges: Ranges | None = None
    most_boxes: int | None = None
    """
    As in POST /v1/policies:check.
    """


class GovernanceIn(Model):
    """
    What a change of the policy takes, and a change of this.
    """

    approvers: list[ApproverIn]
    """
    Each name and each key once.
    """
    quorum: int
    """
    Approvals that it takes.
    """
    timelock_seconds: int
    """
    From the quorum to the activation; none for a change that is proved to tighten every bound.
    """
    lifetime_seconds: int | None = None
    """
    From the proposal to its expiry; above `timelock_seconds`.
    """
    checks: GovernanceChecks | None = None
    """
    Default: none must be proved.
    """


class GovernanceOut(Model):
    """
    Rules in force.
    """

    approvers: list[ApproverIn]
    """
    Each name and each key once.
    """
    quorum: int
    """
    Approvals that it takes.
    """
    timelock_seconds: int
    """
    From the quorum to the activation; none for a change that is proved to tighten every bound.
    """
    lifetime_seconds: int = 1209600
    """
    From the proposal to its expiry; above `timelock_seconds`.
    """
    checks: GovernanceChecks | None = None
    """
    Default: none must be proved.
    """
    sha256: str
    """
    Named in every statement: votes under other rules do not count.
    """


class GovernanceStored(Model):
    """
    The rules of a policy, on record.
    """

    policy_id: str
    governance: GovernanceOut
    created: bool
    """
    False: these rules were in force already.
    """
    event_id: str
    audit: AuditOut


class GreeksAnswer(Model):
    """
    Greeks of the posted options.
    """

    as_of: AwareDatetime
    delta_convention: str
    contracts: list[OptionGreeksRow]
    units: dict[str, str]
    """
    Unit of every figure.
    """
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class GreeksRequest(Model):
    """
    Options to value; nothing is stored.
    """

    contracts: list[GreeksContract]
    delta_convention: Literal["spot", "forward", "pa_spot", "pa_forward"] | None = None
    """
    Of `delta`, undiscounted as desks quote it: by the spot or the forward; pa_: less the premium, paid in base.
    """
    as_of: AwareDatetime | None = None
    """
    Times to expiry count from it; default: the time of receipt, listed as an assumption.
    """
    options: OptionRequestOptions | None = None


class GridAnswer(Model):
    """
    Resting orders that never cost more than the budget, and what they may come to.
    """

    evaluation_id: str
    client_reference: str | None = None
    mode: Literal["live", "historical"]
    symbol: str
    venue: str | None = None
    as_of: AwareDatetime
    received_at: AwareDatetime
    status: Literal["ok", "limited", "refused"]
    reason: str
    detail: str | None
    """
    Why it is limited or refused.
    """
    mark_price: PlainDecimal
    quantity_unit: Literal["base", "contracts", "quote"]
    currency: str | None
    """
    Of all amounts: the quote currency; null where nothing says it.
    """
    volatility: MarketVolatilityOut | None
    """
    null where none was needed or there is none.
    """
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    switches: list[ActiveSwitchOut] | None = None
    """
    Operator's switches that hold: present where one stops this market.
    """
    audit: AuditOut
    least: dict[str, PlainDecimal]
    """
    Refused: what would do, by the name of the field.
    """
    levels: list[GridLevelOut]
    """
    By price, ascending; empty where refused.
    """
    least_step: float | None
    """
    Smallest step asked for, as a fraction: at least twice the fee.
    """
    committed: PlainDecimal
    """
    Notional of the orders that open a position, with fees.
    """
    bound: GridBoundOut | None
    worst_case: WorstCasesOut | None


class HedgeExecution(Model):
    """
    What is asked of the execution of a hedge; each part is left out where it is not given.
    """

    schedule: Twap | Participation | AlmgrenChriss | ScaleByTime | ScaleByPrice | None = None
    """
    Slices of the order. A hedge beyond the hard limit of its trigger is one slice, at once.
    """
    max_participation: float | None = None
    """
    Largest slice over the expected volume of the market in its time [fraction].
    """
    collar: PriceCollar | None = None
    """
    Worst price of each slice.
    """
    reflexivity: Reflexivity | None = None
    """
    Levels of the feedback of hedges: the band widens, gamma is preferred to delta, delta alone is refused.
    """
    latency_seconds: float | None = None
    """
    From the price that a hedge is computed of to its fill [s]: a buffer of margin, never a narrower band.
    """
    confidence_factor: float | None = None
    """
    Standard deviations that the buffer provides for.
    """


class HedgeOut(Model):
    """
    Hedge of one underlying.
    """

    underlying: str
    symbol: str
    status: Literal["ok", "limited", "held", "refused"]
    reason: str
    detail: str | None = None
    trigger: str
    fired: list[str] | None = None
    """
    Rules that are due; `hard_limit` and `no_options` are those that wait for no cooldown.
    """
    band: HedgeBandOut | None = None
    """
    Present under triggers that have one.
    """
    basis: HedgeBasisOut | None = None
    cooldown_until: AwareDatetime | None = None
    """
    Before it, only `hard_limit` and `no_options` act.
    """
    delta_before: float | None
    """
    Base units.
    """
    delta_after: float | None
    max_delta: float | None
    """
    Of the trigger `threshold`, in base units.
    """
    quantity: PlainDecimal | None
    """
    Signed order in contracts.
    """
    gamma_1pct: float | None = None
    """
    Base units for a move of 1 %.
    """
    vega_per_point: float | None = None
    """
    Quote currency per volatility point.
    """
    theta_per_day: float | None = None
    """
    Quote currency per day.
    """
    gate: HedgeGateOut | None = None
    """
    Present under policy.hedge_gate where a trade is wanted.
    """
    reflexivity: HedgeReflexivityOut | None = None
    latency: HedgeLatencyOut | None = None
    slices: list[HedgeSliceOut] | None = None
    """
    How to send the order of this row in parts; orders[] hold all of it.
    """
    slicing: HedgeSlicingOut | None = None
    netting: HedgeNettingOut | None = None
    """
    Present where the book has rows of several accounts.
    """


class HedgeTradeOut(Model):
    """
    One trade of a plan.
    """

    symbol: str
    quantity: PlainDecimal
    """
    Signed contracts, whole lots.
    """
    expected_cost: PlainDecimal
    """
    Half spread, fee and impact.
    """
    change: HedgedGreeksOut
    """
    What it adds to the book.
    """
    worth_per_contract: float | None
    """
    What one contract saves in risk and breaches at the marginal prices [account currency].
    """


class HedgesOut(Model):
    """
    Delta after hedges against delta before, to the next price on record.
    """

    residual_variance: MetricOut
    """
    Of profit and loss of the delta: 0 hedged, 1 as without.
    """
    residual_delta: MetricOut
    excluded: dict[str, int]


class HedgesPolicyIn(Model):
    """
    Policy of `POST /v1/hedges`: the trigger and its instrument.
    """

    preset: str | None = None
    """
    `default` or `crypto_perp_conservative`; fields that are sent win.
    """
    version: int | None = None
    """
    Version of the preset; the newest by default.
    """
    hedging: Annotated[
        Threshold | PriceMove | Interval | ServicesHedgingTriggersAdaptiveAdaptive | AnyOf,
        Field(discriminator="method"),
    ]
    estimator: (
        ServicesVolatilityEstimatorsAdaptiveAdaptive
        | Ewma
        | RiskMetrics2006
        | CloseToClose
        | Parkinson
        | GarmanKlass
        | RogersSatchell
        | YangZhang
        | AverageTrueRange
        | Realized
        | Har
        | Garch
        | GjrGarch
        | Egarch
        | Stochastic
        | Implied
        | None
    ) = None
    limits: Limits | None = None
    orders: OrderRules | None = None
    costs: Costs | None = None
    collateral: VolatilityHaircut | None = None
    hedge_optimizer: ServicesHedgingOptimizersGreekBoundsGreekBounds | None = None
    hedge_gate: HedgeGate | None = None
    hedge_execution: HedgeExecution | None = None


class ImpliedVolatilityRequest(Model):
    """
    Prices to invert; nothing is stored.
    """

    contracts: list[QuotedContract]
    as_of: AwareDatetime | None = None
    """
    Times to expiry count from it; default: the time of receipt, listed as an assumption.
    """
    options: OptionRequestOptions | None = None


class ImpliedVolatilityRow(Model):
    """
    One option, in the order of the request.
    """

    symbol: str | None
    status: Literal["ok", "expired", "degenerate", "refused"]
    """
    degenerate: the price is the intrinsic value, and the volatility 0.
    """
    reason: (
        Literal["none", "below_intrinsic", "no_time_value", "above_maximum", "bad_input", "expired", "above_limit"]
        | Literal["missing", "one_sided", "crossed", "zero_bid", "price_and_quote"]
    )
    detail: str | None
    implied_volatility: float | None
    """
    Annual, as a fraction; null where expired or refused.
    """
    source: Literal["price", "mark", "mid"] | None
    """
    Which price it comes from.
    """
    price_used: PlainDecimal | None
    """
    That price in quote, whatever unit it was sent in.
    """
    bid: SideVolatility | None
    ask: SideVolatility | None
    mark: SideVolatility | None
    time_to_expiry: float
    """
    Years of 365 days; negative once expired.
    """
    log_moneyness: float
    """
    ln(strike / forward).
    """


class InstrumentIn(Model):
    """
    Contract specification. Lot, minimum and maximum are in contracts (for spot and multiplier 1: base units).
    """

    symbol: str
    kind: Literal["spot", "linear", "inverse", "quanto", "option"]
    venue: str | None = None
    underlying: str | None = None
    """
    Series that carries the volatility; default: the symbol itself.
    """
    base_currency: str | None = None
    quote_currency: str | None = None
    """
    Default: the account currency.
    """
    settle_currency: str | None = None
    contract_multiplier: PlainDecimal | None = None
    """
    Base units per contract; for inverse its quote value, for quanto settlement currency per point.
    """
    quantity_unit: Literal["base", "contracts", "quote"] | None = None
    """
    Unit of quantities; default: contracts.
    """
    lot: PlainDecimal | None = None
    tick: PlainDecimal | None = None
    min_quantity: PlainDecimal | None = None
    max_quantity: PlainDecimal | None = None
    min_notional: PlainDecimal | None = None
    """
    Smallest opening order, in quote currency.
    """
    max_leverage: float | None = None
    margin_tiers: list[MarginTierIn] | None = None
    strike: PlainDecimal | None = None
    expiry: AwareDatetime | None = None
    right: Literal["call", "put"] | None = None
    averaged_settlement: bool | None = None
    """
    Options: the delivery price is the average over the last 30 minutes, in which the position fades.
    """


class InstrumentPage(Model):
    """
    Registered instruments.
    """

    items: list[InstrumentIn]
    next: str | None
    """
    Cursor of the next page; null on the last.
    """


class InstrumentsAnswer(Model):
    """
    What was registered.
    """

    event_id: str
    registered: int
    audit: AuditOut


class InstrumentsRequest(Model):
    """
    Instruments to register; one of the same venue and symbol replaces the former.
    """

    instruments: list[InstrumentIn]


class IntentOut(Model):
    """
    One order, ready for its venue, unsigned and unsent.
    """

    client_order_id: str
    venue: str | None
    account_id: str | None
    nonce: PlainDecimal
    """
    Whole number below 2^128, of the client order id: the same order has one.
    """
    valid_until: AwareDatetime
    bundle: BundleOut
    ccxt: CcxtOrderOut | None = None
    """
    On every venue but those in `settlements`.
    """
    eip712: TypedDataOut | None = None
    """
    On the venues in `settlements`.
    """


class KeyChanged(Model):
    """
    A key after a change, as it is on record.
    """

    key_id: str
    tenant_id: str
    label: str
    scopes: list[str]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    networks: list[str]
    """
    Addresses from which it may be used; empty: any.
    """
    signing: Literal["bearer", "ed25519", "hmac"]
    public_key: str | None
    units_per_second: int | None
    burst_units: int | None
    by: str | None
    """
    Key that made the change; null where none was needed.
    """
    event_id: str
    audit: AuditOut


class KeyCreated(Model):
    """
    The new key. Its secret is in this answer alone: the record and a repeated answer have null in its place.
    """

    key_id: str
    tenant_id: str
    label: str
    scopes: list[str]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    networks: list[str]
    """
    Addresses from which it may be used; empty: any.
    """
    signing: Literal["bearer", "ed25519", "hmac"]
    public_key: str | None
    units_per_second: int | None
    burst_units: int | None
    by: str | None
    """
    Key that made the change; null where none was needed.
    """
    event_id: str
    audit: AuditOut
    key: str | None
    """
    What to send as Authorization: Bearer.
    """
    signing_secret: str | None
    """
    Of signing `hmac`: 32 bytes, base64.
    """
    note: str


class LabelsOut(Model):
    """
    What policies may act on. No label changes the forecast.
    """

    regime: RegimeOut
    jump: JumpOut
    change: ChangeOut


class LadderOut(Model):
    """
    Profit and loss in every scenario: a row for each spot shock, a column for each volatility shock.
    """

    pnl: list[list[float]]
    """
    In the quote currency, coin collateral counted once.
    """
    pnl_coin: list[list[float]] | None
    """
    Of the book kept in coin, at the shocked price, without collateral; null over underlyings.
    """
    worst: WorstOut
    complete: bool
    """
    False: a position is in no cell; `left_out` names it.
    """


class LimitChanges(Model):
    """
    Limits that cut the size in one of the answers only.
    """

    began: list[LimitName]
    ceased: list[LimitName]


class LimitsAnswer(Model):
    """
    What a request may hold, and how long things are kept.
    """

    max_body_bytes: int
    max_batch_body_bytes: int
    """
    The same for POST /v1/margin:batch.
    """
    body_timeout_seconds: float
    """
    Time in which a body must arrive.
    """
    max_values: int
    """
    Values in a body.
    """
    max_containers: int
    """
    Objects and lists in a body.
    """
    max_url_bytes: int
    """
    Path and query.
    """
    max_head_bytes: int
    """
    Request line and headers.
    """
    max_symbols: int
    """
    Rows of each list of a snapshot.
    """
    max_batch_accounts: int
    """
    Accounts of POST /v1/margin:batch.
    """
    max_line_bytes: int
    """
    Bytes of a line of it.
    """
    max_record_batches: int
    """
    Record batches of an Arrow stream of it.
    """
    max_message_metadata_bytes: int
    """
    Bytes of the metadata of one message of such a stream.
    """
    max_batch_markets: int
    max_points_per_series: int
    max_points_per_request: int
    max_observations: int
    """
    Of one call.
    """
    max_path_points: int
    """
    Points of POST /v1/volatility:estimate with output path.
    """
    max_oracle_sources: int
    """
    Observations of one symbol, POST /v1/oracles:aggregate.
    """
    max_oracle_observations: int
    """
    Observations of all symbols of that call.
    """
    max_registered_per_call: int
    """
    Instruments of one PUT.
    """
    significant_digits: int
    """
    Of a JSON number given for money; decimal strings hold more.
    """
    request_timeout_ms_default: int
    request_timeout_ms_max: int
    idempotency_key_max_length: int
    idempotency_retention_seconds: int
    """
    How long a key surely answers with its stored bytes.
    """
    instrument_staleness_seconds: float
    """
    Age at which an instrument registered elsewhere is surely seen.
    """
    switch_staleness_seconds: float
    """
    Age at which an operator's switch set elsewhere is surely seen.
    """
    max_scorecard_entries: int
    """
    Entries of the log that GET /v1/scorecard reaches over at most.
    """
    max_scorecard_bytes: int
    """
    Bytes of their bodies.
    """
    max_waiting_records: int
    """
    Records that may wait for the audit log in a process; from four fifths on new work is refused.
    """
    max_computations: int
    """
    Long computations of a process, under way or waiting; then 503.
    """
    max_active_requests: int
    """
    Requests of a process that are not answered yet; then 503.
    """
    max_waiting_fits: int
    """
    Fits that may wait; a further one is answered 429.
    """
    fit_seconds: float
    """
    Longest time that a fit may take.
    """
    fit_retention_seconds: int
    """
    How long the result of a fit can be read.
    """
    errors_listed: int
    """
    Broken rules that one problem lists.
    """
    signature_window_seconds: float
    """
    Age at which the signature of a request is no longer taken.
    """
    signature_ahead_seconds: float
    """
    How far the clock of who signs may be ahead.
    """
    rate: ModelsApiDiscoveryRateOut


class LinearPositionIn(Model):
    """
    A perpetual, a future or spot.
    """

    symbol: str
    """
    Unique; it names the position in `previous` too.
    """
    underlying: str
    """
    Name of what prices it: positions of one underlying are netted.
    """
    trades: list[TradeIn] | None = None
    """
    All trades since `previous`.
    """
    funding: PlainDecimal | None = None
    """
    Received (> 0) or paid since `previous`, in `currency`.
    """
    fees: PlainDecimal | None = None
    """
    Paid (< 0) since `previous`, in `currency`.
    """
    carry: PlainDecimal | None = None
    """
    Other income since `previous`: interest, staking, fees of a pool; in `currency`.
    """
    kind: Literal["inverse", "linear", "spot"]
    quantity: PlainDecimal
    """
    Signed contracts.
    """
    multiplier: PlainDecimal | None = None
    """
    Base units of a contract; for inverse its quote value.
    """
    mark_price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    expiry: AwareDatetime | None = None
    """
    Of a dated future: its bucket.
    """


class LiquidationPriceAnswer(Model):
    """
    Liquidation prices of a book.
    """

    as_of: AwareDatetime
    underlying: str
    mark: PlainDecimal
    status: Literal["ok", "safe", "liquidatable"]
    """
    safe: no liquidation price within a factor of 10,000; liquidatable: equity is short at the mark.
    """
    down: LiquidationSideOut | None
    up: LiquidationSideOut | None
    equity: PlainDecimal
    """
    At the mark, in quote.
    """
    maintenance_margin: PlainDecimal
    """
    At the mark, in quote.
    """
    margin_ratio: float | None
    """
    Maintenance over equity; null where equity is not positive.
    """
    residual: float
    """
    Largest |equity − maintenance| at the prices, over the notional.
    """
    loans: list[LoanHealthOut]
    units: dict[str, str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class LiquidityPositionIn(Model):
    """
    Liquidity that is provided to a pool: delta is the base that it holds, gamma is negative.
    """

    symbol: str
    """
    Unique; it names the position in `previous` too.
    """
    underlying: str
    """
    Name of what prices it: positions of one underlying are netted.
    """
    trades: list[TradeIn] | None = None
    """
    All trades since `previous`.
    """
    funding: PlainDecimal | None = None
    """
    Received (> 0) or paid since `previous`, in `currency`.
    """
    fees: PlainDecimal | None = None
    """
    Paid (< 0) since `previous`, in `currency`.
    """
    carry: PlainDecimal | None = None
    """
    Other income since `previous`: interest, staking, fees of a pool; in `currency`.
    """
    kind: Literal["liquidity"] = "liquidity"
    pool: Annotated[ConstantProductIn | ConcentratedIn, Field(discriminator="kind")]
    mark_price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    quantity: PlainDecimal | None = None
    """
    How many such positions.
    """
    entry_price: PlainDecimal | None = None
    """
    Price when it was provided: impermanent loss.
    """
    volatility: float | None = None
    """
    Of the price: loss versus rebalancing.
    """


class MarginAccountIn(Model):
    """
    Account behind the position; every amount in the quote currency of the instrument.
    """

    equity: PlainDecimal
    """
    Mark to market, with the unrealised profit of this position too.
    """
    other_initial_margin: PlainDecimal | None = None
    """
    Of everything that is not in `positions`, nor the market of the request.
    """
    other_maintenance_margin: PlainDecimal | None = None
    """
    As other_initial_margin.
    """
    collateral: Literal["quote", "base"] | None = None
    """
    What the equity is held in: base moves with the price. Default: base for inverse, else quote; listed as an assumption.
    """
    positions: list[OtherPositionIn] | None = None
    """
    Other positions of the account, whose margin is added to the two above.
    """


class MarginBacktestRequest(Model):
    """
    A margin model on the bars of one market; nothing is stored.
    """

    series: SeriesIn
    model: LognormalExpectedShortfall | SigmaMultiple | FilteredHistorical | None = None
    """
    As in a policy. Its `horizon_days` is set to `horizon_bars`.
    """
    horizon_bars: int | None = None
    """
    Bars that a loss runs for; margins are judged that far apart.
    """
    procyclicality: AntiProcyclicality | None = None
    """
    Rules on top of the model; none by default.
    """
    estimator: (
        ServicesVolatilityEstimatorsAdaptiveAdaptive
        | Ewma
        | RiskMetrics2006
        | CloseToClose
        | Parkinson
        | GarmanKlass
        | RogersSatchell
        | YangZhang
        | AverageTrueRange
        | Realized
        | Har
        | Garch
        | GjrGarch
        | Egarch
        | Stochastic
        | Implied
        | None
    ) = None
    """
    Of the volatility that `sigma_multiple` and the lognormal model read.
    """
    warm_up_bars: int | None = None
    """
    Returns before the first margin that is judged.
    """
    as_of: AwareDatetime | None = None
    """
    Bars after it are not complete; default: the time of receipt.
    """
    expected_breach_rate: float | None = None
    """
    Breaches a margin as they should be. Default: 1 - alpha for a value at risk; 0.4 (1 - alpha) for an expected shortfall, as 97.5 % of that stands for a value at risk of 99 %.
    """
    significance: float | None = None
    """
    Of the verdict, one-sided.
    """
    comparisons: bool | None = None
    """
    Also a normal law with EWMA volatility, and plain historical simulation.
    """
    points: int | None = None
    """
    At most this many points of each margin path, evenly spread.
    """


class MarginBatchAnswer(Model):
    """
    Margins as columns, in the order of `accounts`.
    """

    as_of: AwareDatetime
    currency: str | None
    method: str
    """
    The preset, or the margin model.
    """
    units: dict[str, str]
    initial_margin: list[float | None]
    """
    null where unknown.
    """
    maintenance_margin: list[float | None]
    """
    null where unknown.
    """
    ratio: list[float | None]
    """
    Maintenance over equity: liquidation at 1. null where unknown or no equity is left.
    """
    status: list[Literal["ok", "below_initial", "below_maintenance", "deficit", "unknown"]]
    """
    deficit: equity below 0 and no position. unknown is not ok.
    """
    counts: BatchCountsOut
    queue: list[QueuedOut]
    """
    Accounts below maintenance, the least healthy first.
    """
    unknown: list[UnknownOut]
    """
    The first 1,000 accounts whose margin is not known, and why.
    """
    accounts: list[str] | None = None
    """
    In the order of the columns; of a request in lines.
    """
    refused: list[RefusedLineOut] | None = None
    """
    Lines that are no accounts; of a request in lines.
    """
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class MarginOptionIn(Model):
    """
    A position in one European option. Coin-settled ones count in `currency`, at the shocked price.
    """

    symbol: str
    """
    Unique.
    """
    underlying: str
    """
    One of `underlyings`.
    """
    quantity: PlainDecimal
    """
    Signed contracts.
    """
    multiplier: PlainDecimal | None = None
    """
    Base units of a contract; for inverse its quote value.
    """
    kind: Literal["option"] = "option"
    terms: OptionTerms
    implied_volatility: float | None = None
    """
    At its strike. Required until it expires: a margin without it would leave a risk out.
    """


class MarginOverridesIn(Model):
    """
    What to change of a preset; what is left out stays.
    """

    price_range: float | None = None
    regime: MarginRegimeIn | None = None
    """
    Makes the range follow each underlying's volatility.
    """
    scenarios: list[MarginScenarioIn] | None = None
    """
    Instead of the preset's; with those of the skew at most 40.
    """
    volatility_up: float | None = None
    volatility_down: float | None = None
    least_volatility_up: float | None = None
    initial_factor: float | None = None
    maintenance_factor: float | None = None
    maintenance_of_initial: float | None = None
    """
    Maintenance as a fraction of initial margin, instead of the factor.
    """
    perpetual_initial: float | None = None
    perpetual_maintenance: float | None = None
    option_initial: float | None = None
    option_maintenance: float | None = None
    confidence_threshold: float | None = None
    confidence_rate: float | None = None
    peg_threshold: float | None = None
    peg_factor: float | None = None


class MarginPolicy(Model):
    """
    A margin model and the rules around it: ``f = min(cap, max(floor, venue floor, f_model · multiplier) ⊕ size)``.
    """

    model: LognormalExpectedShortfall | SigmaMultiple | FilteredHistorical | None = None
    """
    Where the rates come from; filtered historical expected shortfall by default. Where a model that reads returns has too few, `SigmaMultiple` at its α and horizon stands in. A cached state holds none: its ring of standardised returns ``z = r/σ`` would do for full scaling, ``z σ_T``, but half scaling is ``r/2 + z σ_T/2``, and r is gone.
    """
    floor: float | None = None
    """
    Least initial margin rate; 0.05 for an instrument of unknown liquidity, 0.02 is usual for majors.
    """
    cap_short: float | None = None
    """
    Largest rate of a short; a long's is 1.
    """
    maintenance_fraction: float | None = None
    """
    Maintenance over initial margin (venues: 0.5 to 0.8).
    """
    size_addon: NoAddon | SqrtAddon | LinearAddon | OpenInterestRamp | OpenInterestLinear | ImpactAddon | None = None
    """
    How the rate grows with size, open interest or the volume that is traded.
    """
    procyclicality: AntiProcyclicality | None = None
    """
    Rules on the rates of the model, before floors and caps: stress weight, floor of ten years, buffer, release speed. The rates that were asked last travel with request and answer.
    """
    portfolio: PortfolioRules | None = None
    """
    Scenarios of an account in margin mode `portfolio`, which take the place of all of the above; `regime` where absent.
    """


class MarginPolicyIn(Model):
    """
    Policy of `POST /v1/margin`: no sizing.
    """

    preset: str | None = None
    """
    `default` or `crypto_perp_conservative`; fields that are sent win.
    """
    version: int | None = None
    """
    Version of the preset; the newest by default.
    """
    estimator: (
        ServicesVolatilityEstimatorsAdaptiveAdaptive
        | Ewma
        | RiskMetrics2006
        | CloseToClose
        | Parkinson
        | GarmanKlass
        | RogersSatchell
        | YangZhang
        | AverageTrueRange
        | Realized
        | Har
        | Garch
        | GjrGarch
        | Egarch
        | Stochastic
        | Implied
        | None
    ) = None
    limits: Limits | None = None
    margin: MarginPolicy | None = None
    collateral: VolatilityHaircut | None = None
    contagion: ContagionPolicy | None = None


class MarginSideOut(Model):
    """
    One side of a walk.
    """

    coverage: ModelsApiMarginBacktestCoverageOut
    procyclicality: ProcyclicalityOut | None
    """
    null where the margin is not always above 0.
    """
    mean_excess: float
    """
    Mean loss beyond the margin of the breaches [fraction of notional].
    """
    breaches: list[BreachOut]
    """
    The newest 500, oldest first.
    """


class MarginStrategyOut(Model):
    """
    One way to ask for margin, on the bars.
    """

    strategy: Literal["model", "model_without_rules", "normal_ewma", "plain_historical"]
    long: MarginSideOut
    short: MarginSideOut
    path: list[MarginPointOut]


class MarketExecutionsOut(Model):
    """
    Orders of one market.
    """

    symbol: str
    venue: str | None
    adherence: AdherenceOut
    shortfall: ShortfallOut | None


class MarketForecastsOut(Model):
    """
    The same of one market, in short.
    """

    symbol: str
    venue: str | None
    qlike: MetricOut
    bias: MetricOut
    qlike_gain: MetricOut


class MaxPositionAnswer(Model):
    """
    Largest long and short.
    """

    symbol: str
    venue: str | None = None
    as_of: AwareDatetime
    status: Literal["ok", "refused"]
    reason: str
    detail: str | None
    """
    Why it is refused.
    """
    long: LargestOut | None
    """
    null where refused.
    """
    short: LargestOut | None
    """
    null where refused.
    """
    reduce_only: bool
    """
    Nothing may be added: no margin is left, or the position is beyond its largest size.
    """
    margin_budget: PlainDecimal | None
    """
    max_utilisation * equity less other initial margin, >= 0.
    """
    other_initial_margin: PlainDecimal | None
    """
    Of everything else, `account.positions` included.
    """
    other_maintenance_margin: PlainDecimal | None
    method_used: str | None
    """
    Where the margin rate comes from.
    """
    mark_price: PlainDecimal
    quantity_unit: Literal["base", "contracts", "quote"]
    currency: str | None
    """
    Of all amounts: the quote currency; null where nothing says it.
    """
    volatility: MarketVolatilityOut | None
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class MaxPositionRequest(Model):
    """
    How large a long and a short may be; nothing is stored.
    """

    client_reference: str | None = None
    """
    Echoed, and searchable in the audit history.
    """
    as_of: AwareDatetime | None = None
    """
    Event time; default: the time of receipt, listed as an assumption.
    """
    options: StrictnessIn | None = None
    symbol: str
    venue: str | None = None
    instrument: InstrumentIn | None = None
    """
    Of this symbol; default: the one that is registered, else linear with lot 1e-8, as assumed.
    """
    mark_price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    quantity_unit: Literal["base", "contracts", "quote"] | None = None
    """
    Of quantities, here and in the answer; default: what the instrument says.
    """
    volatility: float | None = None
    """
    Annual, as a fraction; default: that of the cached state.
    """
    interval: str | None = None
    """
    Bar of the cached state, where no volatility is sent; default P1D.
    """
    account: MarginAccountIn
    position: PlainDecimal | None = None
    """
    Held now, signed, in quantity_unit. Open orders in this market count only if you add them.
    """
    margin: MarginPolicy | None = None
    """
    Margin model and the rules around it, as in a policy; no returns are read here.
    """
    caps: PositionCapsIn | None = None
    book: BookIn | None = None
    """
    Order book of the symbol, for the liquidity cap.
    """
    flow: FlowIn | None = None
    """
    Open interest and volume of the symbol, for a size_addon that reads them.
    """


class MispricingRequest(Model):
    """
    A chain of one underlying, and the model to fit to it.
    """

    as_of: AwareDatetime | None = None
    """
    Time of the quotes; default: the time of receipt.
    """
    quotes: list[QuoteIn]
    """
    Of at most 40 expiries; out-of-the-money options carry the information.
    """
    model: HestonFit | BatesFit | None = None
    """
    Model, bounds of its parameters, and a penalty on breaking Feller's condition.
    """
    threshold: float | None = None
    """
    Standard errors beyond which a difference counts.
    """
    fee: float | None = None
    """
    Of one trade, as a fraction of the forward.
    """
    fee_cap: float | None = None
    """
    Most that a fee may be, as a fraction of the option's price.
    """


class ModelFitOut(Model):
    """
    A fitted model, and how far to trust it.
    """

    parameters: list[ModelsApiOptionModelsParameterOut]
    feller: bool
    """
    2 · mean_reversion · long_run_variance >= volatility_of_variance².
    """
    quotes_used: int
    expiries: int
    root_mean_square_error_points: float
    within_error: float
    """
    Share of the quotes used that the model hits within half their spread.
    """
    reduced_chi_square: float
    """
    1 where model and errors are right. Far above, differences are the model's own.
    """
    converged: bool


class NearestOut(Model):
    """
    Joint move of least distance that was found.
    """

    crossing: CrossingOut | None
    """
    null: none within `max_sigmas`.
    """
    first_order_sigmas: float | None
    """
    Distance of the account's tangent at its prices; null: no move has a first-order effect.
    """
    rounds: int
    """
    Improvements of the search.
    """
    settled: bool
    """
    Whether it ended because no turn of the direction came nearer.
    """


class NodeIn(Model):
    """
    A venue, lender or desk.
    """

    name: str
    equity: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    shock: PlainDecimal | None = None
    """
    Loss from outside, in the unit of equity.
    """
    metrics: VenueMetricsIn | None = None
    previous_multiplier: float | None = None
    """
    `multiplier` of the last answer: all the state there is.
    """
    returns: list[float] | None = None
    """
    Of the node, over the periods of system_returns; gives its ΔCoVaR.
    """


class NodeOut(Model):
    """
    One node after contagion.
    """

    name: str
    direct: float
    """
    Share of equity lost to the shock alone.
    """
    propagated: float
    """
    Share of equity lost in all.
    """
    equity_after: PlainDecimal
    defaulted: bool
    venue: VenueDistressOut | None
    """
    null without metrics.
    """
    distress: float
    """
    Larger of both: send it as `venues[].distress`.
    """
    multiplier: float
    """
    On margin rates and haircuts, at least 1. Send it back next time.
    """
    contagion_multiplier: float
    """
    On sizes, 1 / multiplier: `venues[].contagion_multiplier`.
    """
    tail_risk: TailRiskOut | None


class ObservationsAnswer(Model):
    """
    What became of each observation.
    """

    event_id: str
    outcomes: list[
        Literal[
            "accepted",
            "merged",
            "revised",
            "gap_filled",
            "gap_reset",
            "stale",
            "ohlc_inconsistent",
            "wick_capped",
            "spike_reverted",
            "duplicate",
            "conflict",
            "out_of_order",
            "off_clock",
            "invalid_price",
            "corporate_action",
            "unfinished",
            "calendar_conflict",
            "needs_replay",
            "state_damaged",
        ]
    ]
    """
    One per observation, in the order of the request.
    """
    counts: dict[str, int]
    rejected: list[ModelsApiObservationRejectedOut]
    """
    The first 20 observations that were not stored, with the reason.
    """
    states: list[ModelsApiObservationStateOut]
    """
    States after this call.
    """
    assumptions: list[Assumption]
    audit: AuditOut


class ObservationsRequest(Model):
    """
    Bars to feed to the cached volatility states, in any order of symbols and of time.
    """

    observations: list[ModelsApiObservationObservationIn]
    estimator: (
        ServicesVolatilityEstimatorsAdaptiveAdaptive
        | Ewma
        | RiskMetrics2006
        | CloseToClose
        | Parkinson
        | GarmanKlass
        | RogersSatchell
        | YangZhang
        | AverageTrueRange
        | Realized
        | Har
        | Garch
        | GjrGarch
        | Egarch
        | Stochastic
        | Implied
        | None
    ) = None
    """
    Whose state to feed; other parameters have another state. Calibration and prior act on reading.
    """
    revise: bool | None = None
    """
    Whether a bar that is known with other values takes those of this request, if at most 64 bars are known after it; else it is a conflict. Fields that are left out, or null, stay as they are known: a close alone keeps the open, high, low, volume, … of its bar.
    """


class OptionChainIn(Model):
    """
    Quotes of one underlying of an evaluation: its options take from them what they do not bring.
    """

    quotes: list[OptionQuoteIn]
    """
    Of at most 64 expiries.
    """
    price_unit: Literal["quote", "base"] | None = None
    """
    Of bid, ask and mark; base: coin, as Deribit quotes.
    """
    surface: JointSvi | Essvi | Flat | None = None
    """
    How the smiles are fitted.
    """
    least_days: float | None = None
    """
    Nearer expiries are not fitted: the next one is scaled.
    """
    discount: float | None = None
    """
    Discount factor to every expiry; default: 1, or what parity says where forwards are inferred.
    """
    underlying: str
    """
    `underlying` of the options in instruments[]; else their base_currency.
    """
    max_age_seconds: float | None = None
    """
    Older quotes are dropped, and confidence falls to 0 at this age.
    """
    skew_stickiness: float | None = None
    """
    c in delta - c * vega * skew / forward: 0 the smile stays at its strikes, 1 it moves with the price, -1 about as a local volatility does.
    """


class OptionHeldIn(Model):
    """
    A position in one European option.
    """

    kind: Literal["option"] = "option"
    terms: OptionTerms
    quantity: PlainDecimal
    """
    Signed contracts.
    """
    multiplier: PlainDecimal | None = None
    """
    Base units of a contract.
    """
    implied_volatility: float
    maintenance_rate: float | None = None
    """
    Of a short option beyond its value, as a share of the price of the underlying; default 0.075. A long one needs none.
    """


class OptionPositionIn(Model):
    """
    A position in one European option.
    """

    symbol: str
    """
    Unique; it names the position in `previous` too.
    """
    underlying: str
    """
    Name of what prices it: positions of one underlying are netted.
    """
    trades: list[TradeIn] | None = None
    """
    All trades since `previous`.
    """
    funding: PlainDecimal | None = None
    """
    Received (> 0) or paid since `previous`, in `currency`.
    """
    fees: PlainDecimal | None = None
    """
    Paid (< 0) since `previous`, in `currency`.
    """
    carry: PlainDecimal | None = None
    """
    Other income since `previous`: interest, staking, fees of a pool; in `currency`.
    """
    kind: Literal["option"] = "option"
    terms: OptionTerms
    quantity: PlainDecimal
    """
    Signed contracts.
    """
    multiplier: PlainDecimal | None = None
    """
    Base units of a contract.
    """
    implied_volatility: float | None = None
    """
    At its strike. Without it the position is left out, and what it belongs to is not complete.
    """
    skew: float | None = None
    """
    Slope of implied volatility by ln(strike / forward) at its strike; see `stickiness`.
    """
    averaged_settlement: bool | None = None
    """
    The delivery price is the average over the last 30 minutes.
    """


class OptionSurfaceOut(Model):
    """
    What became of one block of `option_quotes`.
    """

    underlying: str
    status: Literal["ok", "refused", "unused"]
    """
    unused: no option of the request needs it, so that it was not fitted.
    """
    detail: str | None
    method: str
    slices: list[SurfaceSliceOut]
    """
    Ascending in expiry.
    """
    dropped: list[DroppedQuoteOut]
    """
    Quotes that are not used, less those that were not needed.
    """
    not_needed: int
    """
    Quotes in the money whose twin out of the money was sent.
    """
    reason_texts: dict[str, str]
    """
    What the reasons in dropped mean.
    """


class OracleStateIO(Model):
    """
    What one call tells the next: `state` of an answer is `previous` of the next request.
    """

    price: PlainDecimal
    """
    Last good price.
    """
    confidence: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    as_of: AwareDatetime
    pending: PendingIn | None = None
    """
    A jump that waits for confirmation.
    """


class OrderCheckAnswer(Model):
    """
    Verdict on an order.
    """

    evaluation_id: str
    client_reference: str | None = None
    mode: Literal["live", "historical"]
    symbol: str
    venue: str | None = None
    as_of: AwareDatetime
    received_at: AwareDatetime
    status: Literal["ok", "limited", "refused"]
    reason: str
    detail: str | None
    """
    Why it is limited or refused.
    """
    mark_price: PlainDecimal
    quantity_unit: Literal["base", "contracts", "quote"]
    currency: str | None
    """
    Of all amounts: the quote currency; null where nothing says it.
    """
    volatility: MarketVolatilityOut | None
    """
    null where none was needed or there is none.
    """
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    switches: list[ActiveSwitchOut] | None = None
    """
    Operator's switches that hold: present where one stops this market.
    """
    audit: AuditOut
    verdict: Literal["accept", "resize", "reject"]
    """
    resize: send `quantity` instead. What only shrinks a position is always accepted.
    """
    side: Literal["buy", "sell"]
    quantity: PlainDecimal
    """
    What may be traded, signed, in quantity_unit; 0 where rejected.
    """
    contracts: PlainDecimal
    """
    The same in contracts.
    """
    reduces: bool
    """
    The order only shrinks the position.
    """
    binding: list[Literal["margin", "distance", "tier", "liquidity", "venue", "user"]]
    """
    Caps that cut the order.
    """
    caps: list[CapOut]
    """
    Largest position on the side of the order, by cap; empty where unknown.
    """
    after: AfterFillOut
    method_used: str | None
    """
    Where the margin rate comes from.
    """


class OrderCheckRequest(Model):
    """
    An order before it is sent.
    """

    client_reference: str | None = None
    """
    Echoed, and searchable in the audit history.
    """
    as_of: AwareDatetime | None = None
    """
    Event time; default: the time of receipt, listed as an assumption.
    """
    options: StrictnessIn | None = None
    symbol: str
    venue: str | None = None
    instrument: InstrumentIn | None = None
    """
    Of this symbol; default: the one that is registered, else linear with lot 1e-8, as assumed.
    """
    mark_price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    quantity_unit: Literal["base", "contracts", "quote"] | None = None
    """
    Of quantities, here and in the answer; default: what the instrument says.
    """
    volatility: float | None = None
    """
    Annual, as a fraction; default: that of the cached state.
    """
    interval: str | None = None
    """
    Bar of the cached state, where no volatility is sent; default P1D.
    """
    account: MarginAccountIn
    position: PlainDecimal | None = None
    """
    Held now, signed, in quantity_unit. Open orders in this market count only if you add them.
    """
    margin: MarginPolicy | None = None
    """
    Margin model and the rules around it, as in a policy; no returns are read here.
    """
    caps: PositionCapsIn | None = None
    book: BookIn | None = None
    """
    Order book of the symbol, for the liquidity cap.
    """
    flow: FlowIn | None = None
    """
    Open interest and volume of the symbol, for a size_addon that reads them.
    """
    quantity: PlainDecimal
    """
    Of the order, signed: negative sells. In quantity_unit.
    """


class OwnPositionIn(Model):
    """
    A position that is not modelled here and brings its own figures.
    """

    symbol: str
    """
    Unique; it names the position in `previous` too.
    """
    underlying: str
    """
    Name of what prices it: positions of one underlying are netted.
    """
    trades: list[TradeIn] | None = None
    """
    All trades since `previous`.
    """
    funding: PlainDecimal | None = None
    """
    Received (> 0) or paid since `previous`, in `currency`.
    """
    fees: PlainDecimal | None = None
    """
    Paid (< 0) since `previous`, in `currency`.
    """
    carry: PlainDecimal | None = None
    """
    Other income since `previous`: interest, staking, fees of a pool; in `currency`.
    """
    kind: Literal["own"] = "own"
    mark_price: PlainDecimal
    """
    Of the underlying, which the Greeks refer to.
    """
    greeks: OwnGreeksIn
    value: PlainDecimal | None = None
    """
    Market value, in `currency`; `previous` needs it.
    """
    implied_volatility: float | None = None
    """
    What shocks of vega are relative to.
    """
    expiry: AwareDatetime | None = None
    """
    Its bucket; shocks of volatility are larger within 30 days.
    """
    ladder: OwnLadderIn | None = None
    """
    Without it the Greeks are expanded to second order, and `expanded` says so.
    """


class ParametersOut(Model):
    """
    One version of a market's parameters.
    """

    market: str
    version: int
    """
    From 1, without gaps.
    """
    effective_at: AwareDatetime
    published_at: AwareDatetime
    rates: MarketRates
    max_leverage: float | None
    max_position: PlainDecimal | None
    max_notional: PlainDecimal | None
    rules: PublicationRules
    emergency: bool
    actor: str
    reason: str
    inputs: dict[str, Any] | None
    """
    What the model was given and which of its rungs answered; null where the rates were sent.
    """


class ParametersPage(Model):
    """
    Every version of a market, oldest first.
    """

    items: list[ParametersOut]
    next: str | None
    """
    Cursor of the next page; null on the last.
    """


class ParametersPublished(Model):
    """
    The version that was published.
    """

    market: str
    version: int
    """
    From 1, without gaps.
    """
    effective_at: AwareDatetime
    published_at: AwareDatetime
    rates: MarketRates
    max_leverage: float | None
    max_position: PlainDecimal | None
    max_notional: PlainDecimal | None
    rules: PublicationRules
    emergency: bool
    actor: str
    reason: str
    inputs: dict[str, Any] | None
    """
    What the model was given and which of its rungs answered; null where the rates were sent.
    """
    event_id: str
    audit: AuditOut


class PolicyAnswer(Model):
    """
    The newest version of a policy, and which others there are.
    """

    policy_id: str
    version: int
    """
    From 1, without gaps.
    """
    sha256: str
    """
    Of the resolved policy: `policy_resolved_sha256` of an evaluation that sends it.
    """
    defaults_version: int
    """
    Version of the defaults that are written out in it.
    """
    comment: str | None
    created_at: AwareDatetime
    policy: dict[str, Any]
    """
    As it was sent.
    """
    policy_resolved: dict[str, Any]
    """
    With every default written out: what evaluations use.
    """
    versions: list[PolicySummary]
    """
    Newest first, at most 100; the others are read by number.
    """


class PolicyPage(Model):
    """
    Newest versions, in the order of their ids.
    """

    items: list[PolicySummary]
    next: str | None
    """
    Cursor of the next page; null on the last.
    """


class PolicyStored(Model):
    """
    The version that holds what was sent.
    """

    policy_id: str
    version: int
    """
    From 1, without gaps.
    """
    sha256: str
    """
    Of the resolved policy: `policy_resolved_sha256` of an evaluation that sends it.
    """
    defaults_version: int
    """
    Version of the defaults that are written out in it.
    """
    comment: str | None
    created_at: AwareDatetime
    policy: dict[str, Any]
    """
    As it was sent.
    """
    policy_resolved: dict[str, Any]
    """
    With every default written out: what evaluations use.
    """
    created: bool
    """
    False: the newest version held the same content already.
    """
    event_id: str
    audit: AuditOut


class PortfolioDeleted(Model):
    """
    What was deleted.
    """

    portfolio_id: str
    deleted: Literal[True] = True
    event_id: str
    audit: AuditOut


class PortfolioMarginOut(Model):
    """
    An account that is margined as a whole, in the account currency.
    """

    preset: str
    contagion_multiplier: float | None = None
    """
    Under policy.contagion: that of the worst venue of any row, on what the scenarios ask.
    """
    bound: Literal["scenario", "skew", "basis", "minimum_delta", "none"]
    """
    Which candidate set the loss.
    """
    worst: float | None
    """
    Its loss, <= 0; null where nothing could be valued.
    """
    separate_initial: PlainDecimal | None
    """
    Sum of the initial margins of the rows on their own; null where one of them is unknown.
    """
    benefit: PlainDecimal | None
    """
    What margining the account as a whole saves; negative where the scenarios ask more.
    """
    worst_scenarios: list[WorstScenarioOut]
    """
    Of the book without open orders, the worst first.
    """
    liquidations: list[UnderlyingLiquidationOut]
    unmodelled: list[UnmodelledOut]


class PortfolioOut(Model):
    """
    The book as a whole, at target (and now).
    """

    forecast_volatility: float | None
    current_volatility: float | None
    target_volatility: float | None
    exposure_multiplier: float | None
    gross_leverage: float | None
    net_leverage: float | None
    value_at_risk: PlainDecimal | None = None
    """
    One day, 99 %, Student t with 4 degrees of freedom.
    """
    expected_shortfall: PlainDecimal | None = None
    """
    One day, 97.5 %, Student t with 4 degrees of freedom.
    """
    diversification: float | None = None
    correlation: str
    baseline_gross_leverage: float | None = None
    tracking: ModelsApiDecisionTrackingOut | None = None
    survival: SurvivalOut | None = None
    """
    Present under the methods that bound a drawdown.
    """
    greeks: list[UnderlyingGreeksOut] | None = None
    """
    Per underlying, at the targets and before hedges. Present where the book holds options, positions with Greeks of their own or coin-settled contracts.
    """


class PortfolioPage(Model):
    """
    Registered portfolios, in the order of their ids.
    """

    items: list[PortfolioSummary]
    next: str | None
    """
    Cursor of the next page; null on the last.
    """


class PortfolioRegistered(Model):
    """
    What was registered, and what follows from it.
    """

    portfolio_id: str
    version: int
    """
    Counts the changes from 1, and goes on counting after a deletion.
    """
    updated_at: AwareDatetime
    comment: str | None
    portfolio: dict[str, Any]
    """
    As it was sent.
    """
    created: bool
    """
    Whether there was none before.
    """
    policy_resolved_sha256: str
    """
    Of the policy as it is now, defaults written out.
    """
    policy_version: int | None = None
    """
    Version of the stored policy that it names.
    """
    requires: list[str]
    """
    What the methods of the policy read: send it with snapshots.
    """
    assumptions: list[Assumption]
    event_id: str
    audit: AuditOut


class PreviousIn(Model):
    """
    `state` of the last answer, sent back as it was; without it the account starts now.
    """

    initial_capital: PlainDecimal | None = None
    """
    Equity at which the account started.
    """
    high_water_mark: PlainDecimal | None = None
    """
    Highest equity so far.
    """
    net_deposits: PlainDecimal | None = None
    """
    account.net_deposits at that time.
    """
    floor: PlainDecimal | None = None
    """
    Floor of a portfolio insurance.
    """
    as_of: AwareDatetime | None = None
    breaker_tier: int | None = None
    """
    0 normal, 1 caution, 2 reduce, 3 close only, 4 flatten.
    """
    rows: list[RowMemoryIn] | None = None
    hedges: list[HedgeMemoryIn] | None = None
    """
    Last hedge of each underlying; one that is missing was never hedged.
    """
    breakers: list[BreakerStateIn] | None = None
    """
    Circuit breakers by scope. Without them a breaker_tier starts the account's breaker.
    """
    contagion: list[ContagionStateIn] | None = None
    """
    Multiplier of each venue; one that is missing starts now.
    """
    margins: list[MarginMemoryIn] | None = None
    """
    Margin rates that were asked last, for policy.margin.procyclicality; a market that is missing starts with its buffer full.
    """


class Problem(Model):
    """
    Problem document. `outcome` says what became of the request: a client that retries can rely on it.
    """

    type: str
    """
    Reference to the code's entry at GET /v1/errors.
    """
    title: str
    status: int
    code: str
    """
    Stable code.
    """
    detail: str
    retryable: bool
    """
    Whether the same request may succeed later.
    """
    outcome: Literal["rejected", "recorded", "unknown"]
    """
    rejected: nothing recorded. recorded: durably audited. unknown: retry with the same key.
    """
    request_id: str
    instance: str
    """
    Path of the request.
    """
    errors: Annotated[list[ProblemError], Field(validate_default=True)] = []
    error_count: int = 0
    """
    Broken rules found; at most 20 are listed.
    """
    server_time: AwareDatetime


class ProposalAnswer(Model):
    """
    A proposal after a step of it, on record.
    """

    number: int
    """
    From 1, by policy.
    """
    kind: Literal["policy", "governance"]
    status: Literal[
        "failed", "open", "waiting", "ready", "activating", "activated", "rejected", "expired", "superseded"
    ]
    base_version: int
    """
    Version that it would follow.
    """
    content_sha256: str
    """
    `sha256` of the version that it would become, or of the rules that it would bring.
    """
    comment: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime
    policy_id: str
    detail: str
    """
    What it waits for, or how it ended.
    """
    quorum: int
    votes: list[VoteOut]
    activates_at: AwareDatetime | None
    """
    When its timelock ends; null without a quorum.
    """
    checks: ProposalChecks
    governance_sha256: str
    """
    Rules under which it was made.
    """
    version: int | None
    """
    Version that it became.
    """
    statements: ProposalStatements
    policy: dict[str, Any] | None
    """
    As it was sent; null for rules, and for what has long ended: the audit log has it.
    """
    policy_resolved: dict[str, Any] | None
    """
    With every default written out.
    """
    defaults_version: int | None
    """
    Version of the defaults that are written out in it.
    """
    governance: dict[str, Any] | None
    """
    The rules that are proposed.
    """
    action: Literal["propose", "approve", "reject", "activate"]
    changed: bool
    """
    False: it was so already.
    """
    event_id: str
    audit: AuditOut


class ProposalOut(Model):
    """
    A proposal.
    """

    number: int
    """
    From 1, by policy.
    """
    kind: Literal["policy", "governance"]
    status: Literal[
        "failed", "open", "waiting", "ready", "activating", "activated", "rejected", "expired", "superseded"
    ]
    base_version: int
    """
    Version that it would follow.
    """
    content_sha256: str
    """
    `sha256` of the version that it would become, or of the rules that it would bring.
    """
    comment: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime
    policy_id: str
    detail: str
    """
    What it waits for, or how it ended.
    """
    quorum: int
    votes: list[VoteOut]
    activates_at: AwareDatetime | None
    """
    When its timelock ends; null without a quorum.
    """
    checks: ProposalChecks
    governance_sha256: str
    """
    Rules under which it was made.
    """
    version: int | None
    """
    Version that it became.
    """
    statements: ProposalStatements
    policy: dict[str, Any] | None
    """
    As it was sent; null for rules, and for what has long ended: the audit log has it.
    """
    policy_resolved: dict[str, Any] | None
    """
    With every default written out.
    """
    defaults_version: int | None
    """
    Version of the defaults that are written out in it.
    """
    governance: dict[str, Any] | None
    """
    The rules that are proposed.
    """


class PublishRequest(Model):
    """
    Parameters of a market from a moment on: `rates`, or those of the margin model.
    """

    rates: MarketRates | None = None
    """
    Goes without `from_model`.
    """
    from_model: FromModelIn | None = None
    """
    Goes without `rates`; `{}` is all defaults.
    """
    max_leverage: float | None = None
    """
    Notional over margin. Also a floor of rates that the model gives: 1 / max_leverage.
    """
    max_position: PlainDecimal | None = None
    """
    Of one account [contracts].
    """
    max_notional: PlainDecimal | None = None
    """
    Of one account [quote currency].
    """
    effective_at: AwareDatetime | None = None
    """
    Default: when the notice has run; of a first publication or an emergency, at once.
    """
    rules: PublicationRules | None = None
    """
    For publications made while this version holds; default: those of the version before.
    """
    emergency: bool | None = None
    """
    Without notice and as far as need be, but upwards only: it loosens nothing.
    """
    actor: str
    """
    Who publishes; kept with the version.
    """
    reason: str
    """
    Why; kept with the version.
    """


class ReadoutOut(Model):
    """
    Volatility of one market, or why there is none. Volatilities are annual fractions.

    Where there is none the figures are absent, not null; so is whatever was not asked for.
    """

    status: Literal["ok", "refused"]
    """
    refused: status, reason, detail, method and periods_per_year (and path) are all there is.
    """
    reason: str
    """
    none, or the code of the refusal.
    """
    detail: str | None = None
    """
    Why there is no forecast; absent if ok.
    """
    volatility: float | None = None
    """
    Used for sizing: max(calibration × forecast, floor).
    """
    forecast: float | None = None
    calibration: float | None = None
    long_run: float | None = None
    floor: float | None = None
    method: str
    effective_half_life: float | None = None
    """
    Age at which half of the weight of the data is reached, now [bars].
    """
    confidence: float | None = None
    """
    1 / (1 + relative standard error of the forecast).
    """
    confidence_factor: float | None = None
    """
    Nine times in ten the volatility of a bar is below this times `volatility`.
    """
    tail: TailOut | None = None
    next_bar_factor: float | None = None
    """
    Variance of the next bar over `volatility` squared, from the hour of the day.
    """
    labels: LabelsOut | None = None
    driver_multiplier: float | None = None
    """
    What exogenous drivers multiplied the forecast variance with; 1 without drivers.
    """
    drivers: dict[str, float] | None = None
    """
    By driver, what it adds to the log of the variance that the drivers ask for.
    """
    event_volatility: float | None = None
    """
    `volatility` with the scheduled events of the next bar [annual]; present if events were sent.
    """
    horizon: HorizonOut | None = None
    """
    Present if asked for.
    """
    maturity: str | None = None
    guard: str | None = None
    """
    none; stale or gap: the volatility is kept at its long-run value or above.
    """
    observations: int | None = None
    periods_per_year: float
    last_close: float | None = None
    last_close_at: AwareDatetime | None = None


class ReplayAnswer(Model):
    """
    Whether a recorded decision, computed again, gives the same bytes.
    """

    evaluation_id: str
    match: bool
    differences: list[DifferenceOut]
    versions: VersionsOut


class ResetAnswer(Model):
    """
    A state that was forgotten.
    """

    event_id: str
    symbol: str
    venue: str | None = None
    interval: str
    existed: bool
    audit: AuditOut


class ReverseStressRequest(Model):
    """
    An account whose liquidating moves are looked for; nothing is stored.
    """

    as_of: AwareDatetime | None = None
    """
    Times to expiry are counted from it; default: the time of receipt.
    """
    currency: str | None = None
    """
    Quote currency of all prices and amounts; echoed.
    """
    preset: Literal["derive_pmrm2", "deribit_like", "paradex_24", "span16", "regime"] | None = None
    """
    derive_pmrm2: 33 scenarios with skew, basis and liquidation discount; deribit_like: risk matrix, extended table, roll shock; paradex_24: 24 scenarios and a least charge by delta; span16: 16 scenarios; regime: derive_pmrm2 on a grid that scales with current volatility.
    """
    overrides: MarginOverridesIn | None = None
    cash: PlainDecimal | None = None
    """
    In `currency`; negative where it is owed.
    """
    stable_price: PlainDecimal | None = None
    """
    Price of the stablecoin that the account is kept in.
    """
    positions: list[Annotated[MarginOptionIn | MarginLinearIn, Field(discriminator="kind")]]
    underlyings: list[MarginUnderlyingIn]
    """
    Each with its `volatility`: moves are counted in it.
    """
    correlation: list[list[float]] | None = None
    """
    Of the underlyings' log returns, in their order. Without it several underlyings have no joint moves.
    """
    horizon_days: float | None = None
    """
    Over which a standard deviation is counted, and touching is.
    """
    max_sigmas: float | None = None
    """
    How far moves are followed [standard deviations].
    """
    volatility_shifts: list[float] | None = None
    """
    Moves of all implied volatilities, as fractions of them, each with moves of prices of its own. An account without options is looked at once, unless its price range follows volatility.
    """


class RiskParity(Model):
    """
    Share one unit of gross exposure so that each row's part in the risk is its budget, ``w_i (Σw)_i = b_i w'Σw``.

    The sides are those of the signals, or without signals those held: a short is budgeted like a long, on the
    correlation matrix ``s s' ∘ R``. The policy's `scaling` makes a size of the composition; without one its
    gross leverage is 1.
    """

    method: Literal["risk_parity"] = "risk_parity"
    budgets: list[ServicesSizingMethodsRiskParityRiskBudget] | None = None
    """
    Part of each symbol in the risk; they add up to 1. By default equal for all rows with a side. Budgets of symbols without a side go to the others in proportion; a symbol with a side and no budget is refused.
    """
    scope: Literal["book", "instrument"] | None = None
    """
    By default, by the presence of signals.
    """
    max_share: float | None = None
    """
    Largest share of one row in the composition; what is cut is divided among the others in proportion. Where every row is at the limit the rest stays cash. Scaling keeps the ratios of the shares, not their sum. A share that is cut no longer makes its budget.
    """


class RowDifference(Model):
    """
    One row of which anything changed.
    """

    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    presence: Literal["both", "appeared", "vanished"]
    target: QuantityPair
    order: QuantityPair
    changes: list[ValueChange]
    """
    Outcome, volatility, price and signal.
    """
    limits: LimitChanges | None
    """
    null where the answers have no steps.
    """
    attribution: AttributionOut | None
    unexplained: str | None
    """
    Why there is no attribution.
    """


class ScalarResponse(Model):
    """
    Answer of `GET /v1/scalar`.
    """

    symbol: str
    venue: str | None = None
    interval: str
    status: Literal["ok", "limited", "refused"]
    reason: str
    detail: str | None = None
    scalar: PlainDecimal | None
    volatility: float | None
    target_volatility: float
    max_leverage: float
    as_of: AwareDatetime
    received_at: AwareDatetime
    valid_until: AwareDatetime | None
    evaluation_id: str
    audit: AuditOut


class ScenarioMarginAnswer(Model):
    """
    Requirement of an account, and what set it.
    """

    as_of: AwareDatetime
    currency: str
    preset: str
    overridden: list[str]
    """
    Names in `overrides` that changed the preset.
    """
    units: dict[str, str]
    initial_margin: PlainDecimal
    maintenance_margin: PlainDecimal
    equity: PlainDecimal
    """
    Everything at model value, cash included.
    """
    net_initial: PlainDecimal
    """
    Equity less initial margin: new risk may be taken while >= 0.
    """
    net_maintenance: PlainDecimal
    """
    Equity less maintenance margin: compliant while >= 0.
    """
    initial_met: bool
    maintenance_met: bool
    bound: Literal["scenario", "skew", "basis", "minimum_delta", "none"]
    """
    Which candidate set the loss; none: no candidate loses anything.
    """
    scenario: int | None
    """
    Place of the worst scenario; null where another candidate bound.
    """
    worst: float
    """
    Loss of the candidate among scenarios, skew and basis that bound, <= 0.
    """
    initial_factor: float
    """
    Applied to it, a surcharge for the stablecoin included.
    """
    scenario_initial: PlainDecimal
    """
    Part of initial margin without the contingencies in `charges`.
    """
    basis: float
    roll: float
    least_delta: float
    charges: list[MarginChargeOut]
    scenario_pnl: list[float]
    """
    Of every scenario, netted, in the order of the preset.
    """
    worst_scenarios: list[WorstScenarioOut]
    """
    The worst first.
    """
    underlyings: list[MarginUnderlyingOut]
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class ScenarioMarginRequest(Model):
    """
    An account to margin by scenarios; nothing is stored.
    """

    as_of: AwareDatetime | None = None
    """
    Times to expiry are counted from it; default: the time of receipt.
    """
    currency: str | None = None
    """
    Quote currency of all prices and amounts; echoed.
    """
    preset: Literal["derive_pmrm2", "deribit_like", "paradex_24", "span16", "regime"] | None = None
    """
    derive_pmrm2: 33 scenarios with skew, basis and liquidation discount; deribit_like: risk matrix, extended table, roll shock; paradex_24: 24 scenarios and a least charge by delta; span16: 16 scenarios; regime: derive_pmrm2 on a grid that scales with current volatility.
    """
    overrides: MarginOverridesIn | None = None
    cash: PlainDecimal | None = None
    """
    In `currency`; negative where it is owed.
    """
    stable_price: PlainDecimal | None = None
    """
    Price of the stablecoin that the account is kept in.
    """
    positions: list[Annotated[MarginOptionIn | MarginLinearIn, Field(discriminator="kind")]]
    underlyings: list[MarginUnderlyingIn]
    worst_count: int | None = None
    """
    How many of the worst scenarios to explain.
    """


class ScheduleAnswer(Model):
    """
    Slices of whole lots that sum to the order, less what the volume does not bear.
    """

    evaluation_id: str
    client_reference: str | None = None
    mode: Literal["live", "historical"]
    symbol: str
    venue: str | None = None
    as_of: AwareDatetime
    received_at: AwareDatetime
    status: Literal["ok", "limited", "refused"]
    reason: str
    detail: str | None
    """
    Why it is limited or refused.
    """
    mark_price: PlainDecimal
    quantity_unit: Literal["base", "contracts", "quote"]
    currency: str | None
    """
    Of all amounts: the quote currency; null where nothing says it.
    """
    volatility: MarketVolatilityOut | None
    """
    null where none was needed or there is none.
    """
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    switches: list[ActiveSwitchOut] | None = None
    """
    Operator's switches that hold: present where one stops this market.
    """
    audit: AuditOut
    side: Literal["buy", "sell"]
    quantity: PlainDecimal
    """
    Of all slices together, in quantity_unit, as a size.
    """
    contracts: PlainDecimal
    remainder: PlainDecimal
    """
    Part of a lot that cannot be traded [contracts].
    """
    slices: list[ModelsApiScheduleSliceOut]
    """
    In the order of time, or of distance from the mark.
    """
    unfilled: UnfilledOut | None
    joined: int
    """
    Slices that were too small, and joined another or went.
    """
    cost: ExecutionCostOut | None
    """
    null where impact or volatility is unknown, or prices decide.
    """
    venues: list[VenueOut] | None
    """
    As venues[] of the request; null without.
    """
    sandwich: SandwichOut | None
    reflexivity: ReflexivityOut | None
    latency: LatencyOut | None
    characteristic_seconds: float | None
    """
    almgren_chriss: 1/κ, the time in which what is left falls to 1/e, were there no deadline.
    """


class SidesOut(Model):
    """
    Moves down and up; null: none within `max_sigmas`.
    """

    underlying: str
    down: CrossingOut | None
    up: CrossingOut | None


class SmoothedOut(Model):
    """
    Both sides.
    """

    long: SmoothedRateOut
    short: SmoothedRateOut


class SnapshotIn(Model):
    """
    The book at an earlier moment, each position at its market of then; trades and flows are not read.
    """

    as_of: AwareDatetime
    positions: list[
        Annotated[
            OptionPositionIn | LinearPositionIn | LiquidityPositionIn | OwnPositionIn,
            Field(discriminator="kind"),
        ]
    ]
    underlyings: list[UnderlyingIn] | None = None
    """
    Equity in coin of then, and its price.
    """


class SnapshotTaken(Model):
    """
    A snapshot is stored; its evaluation follows.
    """

    portfolio_id: str
    snapshot_seq: int
    duplicate: bool
    """
    The same snapshot was stored before.
    """
    as_of: AwareDatetime
    received_at: AwareDatetime
    expires_at: AwareDatetime
    """
    Targets that are made of it expire then at the latest.
    """
    event_id: str
    audit: AuditOut


class SurfaceAuditOut(Model):
    """
    Static arbitrage in the surface, looked for at 61 strikes within |k| <= 1 of every expiry.
    """

    butterflies: int
    call_spreads: int
    calendars: int
    worst: float
    severity: Literal["none", "minor", "moderate", "severe"]
    """
    Of the worst: below 0.01 of the forward minor, below 0.10 moderate.
    """
    least_density: float
    """
    Least g of Durrleman's condition; below 0: a negative density.
    """
    largest_crossing: float | None
    """
    Largest fall of total variance from one expiry to the next; negative: none. Null with one expiry.
    """
    violations: list[SurfaceViolationOut]
    """
    The 20 largest.
    """


class SwitchAnswer(Model):
    """
    The switch as it is now on record.
    """

    scope: str
    mode: Literal["normal", "reduce_only", "halt"]
    """
    As it was set.
    """
    in_force: Literal["normal", "reduce_only", "halt"]
    """
    What holds now: `reduce_only` once it has expired.
    """
    actor: str | None
    reason: str | None
    version: int
    """
    Changes of this scope so far.
    """
    set_at: AwareDatetime | None
    expires_at: AwareDatetime | None
    loosened: bool
    """
    Whether more may be done than before, now or later.
    """
    before: SwitchBefore
    event_id: str
    audit: AuditOut


class TailsOut(Model):
    """
    One-day losses of target books, days that do not overlap, against the value at risk and shortfall stated.
    """

    breach_rate: MetricOut
    """
    0.01 where right.
    """
    coverage: ModelsApiScorecardCoverageOut | None
    shortfall_excess: MetricOut
    """
    0 where the expected shortfall is right, above where too small.
    """
    excluded: dict[str, int]


class TargetOut(Model):
    """
    Target of one row.
    """

    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    status: Literal["ok", "limited", "held", "refused"]
    action: Literal["increase", "decrease", "reverse", "close", "none"]
    permission: Literal["any", "reduce_only", "none"]
    reason: str
    detail: str | None = None
    quantity_unit: str | None = None
    current_quantity: PlainDecimal
    target_quantity: PlainDecimal | None
    """
    null on refused: do nothing; never read it as zero.
    """
    order_quantity: PlainDecimal | None
    """
    null on refused, and where a switch halts the row.
    """
    target_base: PlainDecimal | None = None
    target_contracts: PlainDecimal | None = None
    target_notional: PlainDecimal | None = None
    """
    In the account currency.
    """
    weight: float | None = None
    scalar: float | None = None
    """
    Full-risk size over equity: what a bot multiplies its own stake by.
    """
    capacity: CapacityOut | None = None
    volatility: VolatilityOut | None = None
    price_used: ModelsApiDecisionPriceOut | None = None
    risk_contribution: float | None = None
    dust: bool | None = None
    binding: list[BindingOut] | None = None
    steps: list[StepOut] | None = None
    overlays: list[OverlayOut] | None = None
    quote_skew: QuoteSkewOut | None = None
    """
    Present under `inventory_skew`.
    """
    expected_cost: CostOut | None = None
    baseline_quantity: PlainDecimal | None = None
    """
    Constant leverage 1 under the same caps and lots, in the unit of `target_quantity`.
    """


class TargetsAnswer(Model):
    """
    The newest published targets of a portfolio, and where they stand in its channel.
    """

    portfolio_id: str
    evaluation_id: str
    index: int
    """
    Audit entry of the decision.
    """
    as_of: AwareDatetime
    data_as_of: AwareDatetime | None
    computed_at: AwareDatetime
    valid_until: AwareDatetime
    """
    Do not act on it from then on.
    """
    on_expiry: Literal["reduce_only"] = "reduce_only"
    degraded: list[str]
    portfolio_version: int
    """
    Version of the registered portfolio that was evaluated.
    """
    snapshot_seq: int
    """
    Snapshot that was evaluated.
    """
    targets: list[TargetOut]
    orders: list[OrderOut]
    portfolio: PortfolioOut
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    auto: AutoOut | None = None
    """
    Present in mode auto.
    """
    intents: list[IntentOut] | None = None
    """
    What may be sent now: `orders` for their venues, or those of the last decision with orders on the same snapshot until they expire. Present in mode auto.
    """
    epoch: str
    seq: int
    expired: bool
    """
    `valid_until` has passed: positions may only be reduced.
    """


class TotalOut(Model):
    """
    All underlyings, in money; all of them moved by the same shock.
    """

    greeks: ExposureOut
    ladder: LadderOut


class UnderlyingOut(Model):
    """
    One underlying.
    """

    underlying: str
    price: float | None
    price_source: str
    collateral: float
    """
    Equity in coin, in base units, as sent.
    """
    net_delta_coin: float
    """
    Exposure of an account counted in coin [base units].
    """
    net_delta_usd_view: float
    """
    Exposure of an account counted in money: net_delta_coin and the collateral [base units].
    """
    greeks: ExposureOut
    by_expiry: list[BucketOut]
    """
    Days to expiry; none: what does not expire.
    """
    by_delta: list[BucketOut]
    """
    Size of one option's forward delta; none: other positions.
    """
    ladder: LadderOut


class ValuePolicyIn(Model):
    """
    Haircuts, the tightening of venues, and the forecast of posted series.
    """

    collateral: VolatilityHaircut | None = None
    contagion: ContagionPolicy | None = None
    estimator: (
        ServicesVolatilityEstimatorsAdaptiveAdaptive
        | Ewma
        | RiskMetrics2006
        | CloseToClose
        | Parkinson
        | GarmanKlass
        | RogersSatchell
        | YangZhang
        | AverageTrueRange
        | Realized
        | Har
        | Garch
        | GjrGarch
        | Egarch
        | Stochastic
        | Implied
        | None
    ) = None


class ValuedAccountIn(Model):
    """
    What is to be valued.
    """

    currency: str
    equity: PlainDecimal | None = None
    """
    Mark to market; default: the value of all balances and loans, where all prices are known.
    """
    collateral: list[CollateralIn] | None = None
    loans: list[AccountLoanIn] | None = None


class VariancePremiumAnswer(Model):
    """
    Variance risk premium.
    """

    as_of: AwareDatetime
    horizon_days: float
    ex_ante: ExAnteOut | None
    ex_post: ExPostOut | None
    units: dict[str, str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class VaultCandidateOut(Model):
    """
    One quote, or a pair of them, and what became of it.
    """

    options: list[VaultOptionOut]
    """
    In the order of the legs: bought, then sold.
    """
    reason: str
    """
    `chosen`, or why not; GET /v1/errors explains each one.
    """
    detail: str | None
    contracts: PlainDecimal
    """
    That would be traded; 0 where none.
    """
    score: float | None
    """
    Sale: edge a year over the collateral. Hedge: protection over the holding. Compared as fractions.
    """
    delta: float | None
    """
    Sale: forward delta of one base unit.
    """
    implied_volatility: float | None
    """
    Sale: of the bid.
    """
    edge: PlainDecimal | None
    """
    Sale: of one base unit, after fees [quote].
    """


class VaultFiguresOut(Model):
    """
    What the plan comes to.
    """

    premium: PlainDecimal
    """
    Received, negative where paid [settlement currency].
    """
    fees: PlainDecimal
    """
    [settlement currency]
    """
    net_premium: PlainDecimal
    """
    After fees; coin at the mark [quote].
    """
    floor: PlainDecimal
    """
    Least value of collateral and options at expiry [quote].
    """
    floor_price: PlainDecimal
    """
    Price at which it is reached.
    """
    maximum_loss: PlainDecimal
    """
    From the collateral at the mark to the floor [quote].
    """
    breakeven: PlainDecimal | None
    """
    Sale: price below which collateral and option are worth less than the collateral now. Hedge: price at which it stops paying for itself. null: none.
    """
    payoffs: list[VaultPayoffOut]
    greeks: VaultGreeksOut | None
    """
    Of the options; null where a price implies no volatility.
    """
    net_delta: float | None
    """
    Of collateral, options and coin premium together: change of their value [quote] per unit of price.
    """
    sale: VaultSaleOut | None
    """
    null for a hedge.
    """
    hedge: VaultHedgeOut | None
    """
    null for a sale.
    """


class VaultRequest(Model):
    """
    Options on one underlying; `symbol` and `mark_price` are those of the underlying, quantities are contracts.
    """

    client_reference: str | None = None
    """
    Echoed, and searchable in the audit history.
    """
    as_of: AwareDatetime | None = None
    """
    Event time; default: the time of receipt, listed as an assumption.
    """
    options: StrictnessIn | None = None
    symbol: str
    venue: str | None = None
    instrument: InstrumentIn | None = None
    """
    Of this symbol; default: the one that is registered, else linear with lot 1e-8, as assumed.
    """
    mark_price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    quantity_unit: Literal["base", "contracts", "quote"] | None = None
    """
    Of quantities, here and in the answer; default: what the instrument says.
    """
    volatility: float | None = None
    """
    Annual, as a fraction; default: that of the cached state.
    """
    interval: str | None = None
    """
    Bar of the cached state, where no volatility is sent; default P1D.
    """
    vault: Annotated[
        CoveredCall | CashSecuredPut | ProtectivePut | Collar | PutSpread,
        Field(discriminator="method"),
    ]
    """
    What is sold or bought, and by what rule.
    """
    collateral: VaultCollateralIn
    """
    Of a sale; for a hedge, what is protected. Calls and hedges: base; cash_secured_put: quote.
    """
    contract: VaultContractIn
    quotes: list[VaultQuoteIn] | None = None
    """
    Without them a sale is planned at a computed strike and price: expiry, implied_volatility.
    """
    fees: OptionFees | None = None
    """
    Default: none, listed as an assumption.
    """
    expiry: AwareDatetime | None = None
    """
    Where there are no quotes.
    """
    implied_volatility: float | None = None
    """
    Where there are no quotes.
    """


class VolatilityAnswer(Model):
    """
    A cached state and what it says.
    """

    symbol: str
    venue: str | None = None
    """
    Absent where none was given.
    """
    interval: str
    calendar: str
    version: int
    """
    Number of changes.
    """
    observations: int
    """
    Returns used.
    """
    inputs: Literal["close", "range"]
    """
    Whether any bar had a usable range (or realised variance), or closes only.
    """
    first_close_time: AwareDatetime
    last_close_time: AwareDatetime
    last_close: float
    model_version: str
    readout: ReadoutOut


class VolatilityPage(Model):
    """
    Cached states.
    """

    items: list[VolatilityAnswer | DamagedOut]
    next: str | None
    """
    Cursor of the next page; null on the last.
    """


class WaterfallAnswer(Model):
    """
    What the liquidation does, in the order of who bears it.
    """

    evaluation_id: str
    client_reference: str | None = None
    as_of: AwareDatetime
    received_at: AwareDatetime
    symbol: str
    currency: str
    units: dict[str, str]
    status: Literal["healthy", "restored", "closed", "deleveraged", "uncovered", "unsold"]
    """
    healthy: equity exceeds maintenance, nothing is done. restored, closed: by selling. deleveraged: others took the rest. uncovered: some of it stays open. unsold: above maintenance again but not restored in full, and no price is allowed.
    """
    ended: Literal["healthy", "restored", "closed", "not_fillable", "fund_exhausted"]
    """
    Why selling ended.
    """
    maintenance_margin: PlainDecimal
    """
    Of the account before anything is done.
    """
    bankruptcy_price: PlainDecimal
    """
    Closing there leaves the account its share of nothing.
    """
    worst_price: PlainDecimal
    """
    Worst at which a first slice may fill.
    """
    quantity_needed: PlainDecimal
    """
    Base units whose sale restores margin at the first price.
    """
    slices: list[ModelsApiWaterfallSliceOut]
    deleveraging: DeleveragingOut | None
    insurance_fund_before: PlainDecimal
    insurance_fund_after: PlainDecimal
    socialised: PlainDecimal
    """
    Loss that neither the fund nor a counterparty bears.
    """
    equity: PlainDecimal
    """
    Of the account at the end.
    """
    quantity: PlainDecimal
    """
    Left of the position, signed.
    """
    pool_deleveraging: bool | None
    """
    Whether deleveraging of the pool is on; null: no pool.
    """
    cover: CoverOut | None
    """
    null: no members.
    """
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    audit: AuditOut


class ModelsApiPlacementVenueIn(Model):
    """
    A place to trade: what it offers, what it charges, and how far it is to be relied on.
    """

    venue: str
    book: BookIn | None = None
    """
    Its book; the symbol in it is the venue's own.
    """
    depth: LinearDepthIn | SquareRootDepthIn | None = None
    """
    A form of its depth, instead of a book.
    """
    fee_rate: float
    """
    Of an order that takes, over notional: 0.0005 is 5 basis points; negative is a rebate.
    """
    age_seconds: float | None = None
    """
    Age of `depth`; default 0, listed as an assumption. A book has its own as_of.
    """
    trusted: bool | None = None
    """
    false leaves the venue out.
    """
    max_quantity: PlainDecimal | None = None
    """
    Largest order, in quantity_unit; default: max_quantity of the instrument.
    """
    min_quantity: PlainDecimal | None = None
    """
    Smallest order, in quantity_unit; default: that of the instrument.
    """
    margin_headroom: PlainDecimal | None = None
    """
    Margin that is free there, in the quote currency; used up by one slice after the other.
    """
    initial_margin_rate: float | None = None
    """
    Margin over notional there; default 1, listed as an assumption.
    """


class PublishedTargets(Model):
    """
    State of `targets:PORTFOLIO`, and answer of `GET /v1/portfolios/{portfolio_id}/targets`.
    """

    portfolio_id: str
    evaluation_id: str
    index: int
    """
    Audit entry of the decision.
    """
    as_of: AwareDatetime
    data_as_of: AwareDatetime | None
    computed_at: AwareDatetime
    valid_until: AwareDatetime
    """
    Do not act on it from then on.
    """
    on_expiry: Literal["reduce_only"] = "reduce_only"
    degraded: list[str]
    portfolio_version: int
    """
    Version of the registered portfolio that was evaluated.
    """
    snapshot_seq: int
    """
    Snapshot that was evaluated.
    """
    targets: list[TargetOut]
    orders: list[OrderOut]
    portfolio: PortfolioOut
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    auto: AutoOut | None = None
    """
    Present in mode auto.
    """
    intents: list[IntentOut] | None = None
    """
    What may be sent now: `orders` for their venues, or those of the last decision with orders on the same snapshot until they expire. Present in mode auto.
    """


class AccountIn(Model):
    """
    Account that the sizes are for.
    """

    equity: PlainDecimal
    """
    Mark-to-market equity in `currency`, collateral and loans at their market value.
    """
    currency: str
    """
    Account currency, such as USD.
    """
    margin_mode: Literal["cross", "isolated", "portfolio"] | None = None
    """
    cross: one equity backs the sum of the positions' margins. isolated: each position has its own isolated_margin, and nothing else backs it, so that policy.collateral and loans are refused. portfolio: one equity backs the scenario margin of the whole account, by policy.margin.portfolio.
    """
    net_deposits: PlainDecimal | None = None
    """
    Cumulative deposits less withdrawals: neither profit nor drawdown. Default: unchanged.
    """
    collateral: list[CollateralIn] | None = None
    """
    Coin balances behind the equity; their delta counts once per underlying.
    """
    loans: list[AccountLoanIn] | None = None
    """
    Loans of the account; they need policy.collateral.
    """


class AllocateAnswer(Model):
    """
    A plan of transfers; they are yours to make.
    """

    evaluation_id: str
    client_reference: str | None = None
    as_of: AwareDatetime
    received_at: AwareDatetime
    status: Literal["transfer", "keep", "reduce"]
    """
    keep: nothing is worth moving; reduce: all funds together do not suffice, so close positions.
    """
    safety_before: float | None
    """
    Of the least safe account.
    """
    safety_after: float | None
    safety_attainable: float | None
    """
    If moving were free, instant and certain.
    """
    binding: str | None
    """
    The least safe account after the plan.
    """
    moves: list[MoveOut]
    venues: list[CollateralAccountOut]
    balances: list[BalanceWorthOut]
    not_moved: list[NotMovedOut]
    expected_cost: PlainDecimal
    """
    Fees, failures and time, in the account currency.
    """
    expected_loss_averted: PlainDecimal
    """
    Of liquidations, in the account currency.
    """
    optimal: bool
    """
    False: the search was cut short; the plan is sound but may not be the best.
    """
    pooling: PoolingOut | None
    units: dict[str, str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    audit: AuditOut


class BackingOut(Model):
    """
    Equity that counts as margin, in the account currency, and where the rest of it went.
    """

    equity: PlainDecimal
    """
    Mark to market, every balance at its value.
    """
    equity_initial: PlainDecimal
    """
    Less haircuts for initial margin, and isolated loans.
    """
    equity_maintenance: PlainDecimal
    """
    Less haircuts for maintenance margin, and isolated loans.
    """
    locked_in_loans: PlainDecimal
    """
    Worth of isolated loans: it backs nothing else.
    """
    health_factor: float | None
    """
    Of all loans together; null without debt.
    """
    complete: bool
    """
    False: a price lacks, and no position is increased.
    """
    trusted: bool
    """
    False: a figure lacks or is stale. It gives less credit; nothing is flattened for it.
    """
    assets: list[CreditOut]
    loans: list[LoanStandingOut]
    units: dict[str, str]


class BacktestAnswer(Model):
    """
    The policy, and what it stands beside.
    """

    symbols: list[str]
    bars: int
    first_decision: AwareDatetime
    target_volatility: float | None
    periods_per_year: float
    strategies: list[StrategyOut]
    """
    The policy first, then the baselines.
    """
    last_targets: list[TargetOut]
    """
    The last decision of the policy, with its steps.
    """
    policy_resolved: dict[str, Any]
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class CheckedOut(Model):
    """
    One statement and its verdict.
    """

    detail: str
    """
    What is missing for a proof, or how the statement fails; empty where proved.
    """
    boxes: int
    """
    Boxes of inputs that were looked at.
    """
    points: int
    """
    Points that the engine decided.
    """
    counterexample: CounterexampleOut | None = None
    """
    Where refuted.
    """
    property: Annotated[
        LeverageCap | NonIncreasing | SolventAfterShock | NeverIncreases | TiersShrink,
        Field(discriminator="method"),
    ]
    verdict: Literal["proved", "refuted", "unknown"]


class CollateralValueAnswer(Model):
    """
    What an account counts as margin, in its currency.
    """

    equity: PlainDecimal
    """
    Mark to market, every balance at its value.
    """
    equity_initial: PlainDecimal
    """
    Less haircuts for initial margin, and isolated loans.
    """
    equity_maintenance: PlainDecimal
    """
    Less haircuts for maintenance margin, and isolated loans.
    """
    locked_in_loans: PlainDecimal
    """
    Worth of isolated loans: it backs nothing else.
    """
    health_factor: float | None
    """
    Of all loans together; null without debt.
    """
    complete: bool
    """
    False: a price lacks, and no position is increased.
    """
    trusted: bool
    """
    False: a figure lacks or is stale. It gives less credit; nothing is flattened for it.
    """
    assets: list[CreditOut]
    loans: list[LoanStandingOut]
    units: dict[str, str]
    as_of: AwareDatetime
    currency: str
    contagion: list[VenueTighteningOut] | None = None
    """
    Present under a policy with contagion.
    """
    state: ValueStateOut | None = None
    """
    Present under a policy with contagion.
    """
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class CollateralValueRequest(Model):
    """
    An account without its positions.
    """

    as_of: AwareDatetime | None = None
    """
    Event time; default: the time of receipt, listed as an assumption.
    """
    options: StrictnessIn | None = None
    interval: str | None = None
    """
    Bar of the cached states that `market` names; default P1D.
    """
    account: ValuedAccountIn
    series: list[SeriesIn] | None = None
    venues: list[ModelsApiMarketConditionsVenueIn] | None = None
    """
    State of the venues, for policy.contagion.
    """
    previous: PreviousIn | None = None
    """
    `state` of the last answer, from here or an evaluation.
    """
    policy: ValuePolicyIn | None = None


class CommitAnswer(Model):
    """
    Commitments and their openings. The service keeps neither: the openings are not given again.
    """

    commitments: CommitmentsOut
    openings: list[OpeningOut]
    """
    For the holder alone; `trimtab audit prove` makes proofs of them.
    """


class ComparePoliciesAnswer(Model):
    """
    Whether the new policy refines the old one.
    """

    detail: str
    """
    What is missing for a proof, or how the statement fails; empty where proved.
    """
    boxes: int
    """
    Boxes of inputs that were looked at.
    """
    points: int
    """
    Points that the engine decided.
    """
    counterexample: CounterexampleOut | None = None
    """
    Where refuted.
    """
    verdict: Literal["refines", "refuted", "unknown"]
    new: CheckedPolicyOut
    old: CheckedPolicyOut
    ranges: Ranges
    proves: str
    """
    What exactly a proof says, and what it does not.
    """
    assumptions: list[Assumption]


class ContagionAnswer(Model):
    """
    Distress of a network.
    """

    nodes: list[NodeOut]
    rounds: int
    converged: bool
    """
    False: losses are lower bounds.
    """
    total_loss: PlainDecimal
    units: dict[str, str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class ContagionRequest(Model):
    """
    A network, what strikes it, and what is seen of it.
    """

    nodes: list[NodeIn]
    exposures: list[ExposureIn] | None = None
    system_returns: list[float] | None = None
    tail: float | None = None
    """
    Level of ΔCoVaR.
    """
    distress: DistressPolicy | None = None
    tightening: TighteningPolicy | None = None


class EstimateRow(Model):
    """
    Estimate of one series.
    """

    status: Literal["ok", "refused"]
    """
    refused: status, reason, detail, method and periods_per_year (and path) are all there is.
    """
    reason: str
    """
    none, or the code of the refusal.
    """
    detail: str | None = None
    """
    Why there is no forecast; absent if ok.
    """
    volatility: float | None = None
    """
    Used for sizing: max(calibration × forecast, floor).
    """
    forecast: float | None = None
    calibration: float | None = None
    long_run: float | None = None
    floor: float | None = None
    method: str
    effective_half_life: float | None = None
    """
    Age at which half of the weight of the data is reached, now [bars].
    """
    confidence: float | None = None
    """
    1 / (1 + relative standard error of the forecast).
    """
    confidence_factor: float | None = None
    """
    Nine times in ten the volatility of a bar is below this times `volatility`.
    """
    tail: TailOut | None = None
    next_bar_factor: float | None = None
    """
    Variance of the next bar over `volatility` squared, from the hour of the day.
    """
    labels: LabelsOut | None = None
    driver_multiplier: float | None = None
    """
    What exogenous drivers multiplied the forecast variance with; 1 without drivers.
    """
    drivers: dict[str, float] | None = None
    """
    By driver, what it adds to the log of the variance that the drivers ask for.
    """
    event_volatility: float | None = None
    """
    `volatility` with the scheduled events of the next bar [annual]; present if events were sent.
    """
    horizon: HorizonOut | None = None
    """
    Present if asked for.
    """
    maturity: str | None = None
    guard: str | None = None
    """
    none; stale or gap: the volatility is kept at its long-run value or above.
    """
    observations: int | None = None
    periods_per_year: float
    last_close: float | None = None
    last_close_at: AwareDatetime | None = None
    symbol: str
    path: PathOut | None = None
    """
    Present if asked for, also where the last bar is refused.
    """


class EvaluationDifference(Model):
    """
    What changed between two recorded decisions, and why.
    """

    evaluation_id: str
    """
    `after` in each pair.
    """
    against: str
    """
    `before` in each pair.
    """
    as_of: TimePair
    book: list[ValueChange]
    """
    Account, figures of the book, policy and versions.
    """
    policy: list[PolicyChange] | None
    """
    At most 100; null where an answer does not hold its resolved policy.
    """
    rows: list[RowDifference]
    rows_unchanged: int


class ExecutionsAnswer(Model):
    """
    Executions of a live portfolio.
    """

    portfolio_id: str
    fills: int
    """
    Matched ones that are counted.
    """
    orders: int
    """
    Orders with fills.
    """
    orders_made: int | None
    """
    Orders that mode auto ever made; null where it was never on.
    """
    first_executed_at: AwareDatetime | None
    last_executed_at: AwareDatetime | None
    adherence: AdherenceOut | None
    markets: list[MarketExecutionsOut]
    impact: list[ImpactFitOut]
    """
    Venues with 30 usable orders.
    """
    feedback: FittedImpactIn | None
    """
    What evaluations are given now; null where nothing.
    """


class ExplainOut(Model):
    """
    Profit and loss between two snapshots, in the quote currency.
    """

    since: AwareDatetime
    underlyings: list[ExplainedUnderlyingOut]
    total: ProfitLinesOut
    complete: bool
    """
    False: a position could not be explained; `left_out` names it.
    """


class FitRequest(Model):
    """
    A series to fit a volatility model to, outside the request path.
    """

    series: SeriesIn
    """
    250 returns at least; 1,000 and more make good estimates.
    """
    model: Literal["garch", "gjr_garch", "egarch"]
    """
    Estimator whose parameters are wanted.
    """
    distribution: Literal["student_t", "normal"] | None = None
    """
    Density of the standardised returns.
    """
    mean: Literal["zero", "constant"] | None = None
    """
    zero is what estimators assume; constant is the default of arch.
    """
    procedure: Literal["full", "variance_targeted"] | None = None
    """
    variance_targeted takes the long-run variance from the sample: faster, steadier.
    """
    previous: FittedModelIO | None = None
    """
    `fitted` of an earlier answer: the search starts there, and a result that explains this series less well is rejected.
    """
    as_of: AwareDatetime | None = None
    """
    Bars after it are not complete; default: the time of receipt.
    """


class FitResult(Model):
    """
    Estimates and how good they are.
    """

    fitted: FittedModelIO
    log_likelihood: float
    """
    Of log returns; for returns in percent it is smaller by n × ln 100.
    """
    akaike: float
    bayes: float
    returns: int
    """
    One-bar returns that were used.
    """
    free_parameters: int
    iterations: int
    persistence: float
    """
    Share of a deviation of the variance that is left a bar later.
    """
    long_run_volatility: float
    """
    Annual, as a fraction.
    """
    last_volatility: float
    """
    Of the last bar of the series: annual, as a fraction.
    """
    residual_rms: float
    """
    Of the standardised returns: 1 where the variances have the right size.
    """


class FrontierPointOut(Model):
    """
    One margin.
    """

    varied: Literal["own", "confidence", "multiplier"]
    """
    own: the model as it was sent.
    """
    alpha: float
    multiplier: float
    observations: int
    """
    Judged margins of both sides.
    """
    mean_margin: float
    """
    Of both sides, a fraction of notional.
    """
    breaches: ModelsApiMarginFrontierRateOut
    """
    Of both sides.
    """
    liquidations: ModelsApiMarginFrontierRateOut
    """
    Of both sides.
    """
    efficient: bool
    """
    No other point is both cheaper on average and breached less often, sides together. Intervals overlap: that may be chance.
    """
    long: FrontierSideOut
    short: FrontierSideOut


class GovernanceAnswer(Model):
    """
    Rules of a policy, and its proposals.
    """

    policy_id: str
    version: int
    """
    The newest, which requests by name use.
    """
    governance: GovernanceOut
    proposals: list[ProposalSummary]
    """
    Newest first; of those that ended the last 50.
    """


class GridRequest(Model):
    """
    Terms of a grid; amounts are in the quote currency of the instrument.
    """

    client_reference: str | None = None
    """
    Echoed, and searchable in the audit history.
    """
    as_of: AwareDatetime | None = None
    """
    Event time; default: the time of receipt, listed as an assumption.
    """
    options: StrictnessIn | None = None
    symbol: str
    venue: str | None = None
    instrument: InstrumentIn | None = None
    """
    Of this symbol; default: the one that is registered, else linear with lot 1e-8, as assumed.
    """
    mark_price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    quantity_unit: Literal["base", "contracts", "quote"] | None = None
    """
    Of quantities, here and in the answer; default: what the instrument says.
    """
    volatility: float | None = None
    """
    Annual, as a fraction; default: that of the cached state.
    """
    interval: str | None = None
    """
    Bar of the cached state, where no volatility is sent; default P1D.
    """
    side: Literal["two_sided", "long_only", "short_only"]
    """
    long_only sells what is held and nothing else, short_only buys back what is short; spot is long_only.
    """
    low: PlainDecimal
    """
    Lower end of the range.
    """
    high: PlainDecimal
    """
    Upper end of the range.
    """
    stop_low: PlainDecimal | None = None
    """
    Below low: where what was bought is closed. Required where buys open a position.
    """
    stop_high: PlainDecimal | None = None
    """
    Above high: where what was sold short is closed. Required where sells open a position.
    """
    budget: PlainDecimal
    """
    Of all orders that open a position together, fees included.
    """
    spacing: LinearSpacing | GeometricSpacing | VolatilitySpacing | None = None
    """
    Where the levels lie.
    """
    max_levels: int | None = None
    inventory: PlainDecimal | None = None
    """
    What is held and the grid may close, signed; it counts in the worst case.
    """
    fee_rate: float | None = None
    """
    Of every fill, as a fraction of its notional; default 0, listed as an assumption.
    """
    risk_budget: PlainDecimal | None = None
    """
    Largest loss at the stop, and what confidence_factor standard deviations may cost.
    """
    confidence_factor: float | None = None
    """
    Standard deviations.
    """
    horizon_days: float | None = None
    """
    Of these standard deviations.
    """
    equity: PlainDecimal | None = None
    """
    Goes with max_leverage.
    """
    max_leverage: float | None = None
    """
    Largest notional of the inventory over equity.
    """


class HedgePlanOut(Model):
    """
    What became of `policy.hedge_optimizer`; present where it was asked, that is where a hedge is due.

    Money is in the account currency. Figures are of the plan: hedges[] say what of it is ordered.
    """

    used: bool
    """
    False: hedges[] hedge the delta alone, in policy.hedging.instrument.
    """
    status: Literal["optimal", "limited", "infeasible_fallback_delta_only", "refused"]
    reason: str
    detail: str
    trades: Annotated[list[HedgeTradeOut], Field(validate_default=True)] = []
    before: HedgedGreeksOut | None = None
    """
    The book without the trades.
    """
    after: HedgedGreeksOut | None = None
    risk_before: PlainDecimal | None = None
    """
    Standard deviation of profit and loss over horizon_seconds; never higher after.
    """
    risk_after: PlainDecimal | None = None
    expected_cost: PlainDecimal | None = None
    margin_before: PlainDecimal | None = None
    """
    Of all positions in the instruments.
    """
    margin_after: PlainDecimal | None = None
    margin_budget: PlainDecimal | None = None
    """
    limits.max_margin_use of the equity less the margin of all other positions.
    """
    gap: float | None = None
    """
    How far cost and risk may lie above the least possible, as a share of them: proven.
    """
    prices: Annotated[list[GreekPriceOut], Field(validate_default=True)] = []
    binding: Annotated[list[HedgeBindingOut], Field(validate_default=True)] = []
    breaches: Annotated[list[HedgeBreachOut], Field(validate_default=True)] = []
    instruments: Annotated[list[OfferedOut], Field(validate_default=True)] = []
    left_out: Annotated[list[ModelsApiHedgeLeftOutOut], Field(validate_default=True)] = []


class HedgesRequest(Model):
    """
    Snapshot for `POST /v1/hedges`: orders that bring the delta of an underlying within bounds.
    """

    portfolio_id: str | None = None
    client_reference: str | None = None
    """
    Echoed, and searchable in the audit history.
    """
    as_of: AwareDatetime | None = None
    """
    Event time; default: the time of receipt, listed as an assumption.
    """
    options: OptionsIn | None = None
    interval: str | None = None
    """
    Bar of the cached volatility state, where no series is sent; default P1D.
    """
    account: AccountIn
    instruments: list[InstrumentIn] | None = None
    positions: list[PositionIn] | None = None
    series: list[SeriesIn] | None = None
    marks: list[MarkIn] | None = None
    fx: list[FxIn] | None = None
    signals: list[SignalIn] | None = None
    """
    None: sign and composition come from the positions.
    """
    option_quotes: list[OptionChainIn] | None = None
    """
    Quotes of options by underlying: option positions without implied_volatility or forward_price take them from a surface of these; what they bring themselves wins. 5000 quotes and 200 expiries in all.
    """
    policy: HedgesPolicyIn | PolicyReference
    previous: PreviousIn | None = None
    """
    `state` of the last answer for this account, from here or from an evaluation.
    """
    books: list[BookIn] | None = None
    """
    The half spread of a hedge is that of its book, else of policy.costs; the depth is what policy.hedge_optimizer may trade.
    """
    pools: list[Annotated[ConstantProductPoolIn | ConcentratedPoolIn, Field(discriminator="kind")]] | None = None
    """
    Automated market makers, for markets without a book.
    """
    flow: list[FlowIn] | None = None
    """
    The average daily volume says what impact a hedge has.
    """


class HedgesResponse(Model):
    """
    Answer of `POST /v1/hedges`.
    """

    evaluation_id: str
    portfolio_id: str | None = None
    client_reference: str | None = None
    mode: Literal["live", "historical"]
    scope: Literal["book", "instrument"] | None = None
    as_of: AwareDatetime
    data_as_of: AwareDatetime | None
    received_at: AwareDatetime
    computed_at: AwareDatetime
    valid_until: AwareDatetime
    valid_until_reason: str
    on_expiry: Literal["reduce_only"] = "reduce_only"
    degraded: list[str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    switches: list[ActiveSwitchOut] | None = None
    """
    Operator's switches that hold: present where one stops the portfolio or a row of it.
    """
    policy: NamedPolicyOut | None = None
    inputs: InputsOut
    option_volatilities: list[OptionVolatilityOut] | None = None
    """
    What each option is computed with. Present where option_quotes were sent, in the full view.
    """
    option_surfaces: list[OptionSurfaceOut] | None = None
    """
    Each block of option_quotes, in order: its smiles, and the quotes that are not used.
    """
    audit: AuditOut
    hedges: list[HedgeOut]
    hedge_plan: HedgePlanOut | None = None
    orders: list[OrderOut]
    state: ModelsApiControlStateOut | None = None


class ImpliedVolatilityAnswer(Model):
    """
    Volatilities of the posted prices.
    """

    as_of: AwareDatetime
    contracts: list[ImpliedVolatilityRow]
    units: dict[str, str]
    """
    Unit of every figure.
    """
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class LiquidationPriceRequest(Model):
    """
    Everything of one account that one price moves.
    """

    as_of: AwareDatetime | None = None
    """
    Times to expiry count from it; default: the time of receipt.
    """
    underlying: str
    mark: PlainDecimal
    """
    Price now, in quote per base.
    """
    balance: PlainDecimal
    """
    Quote balance with the unrealised profit so far, without options, coin and loans.
    """
    other_maintenance_margin: PlainDecimal | None = None
    """
    Of positions in other underlyings, in quote.
    """
    collateral: CoinIn | None = None
    positions: list[Annotated[FuturePositionIn | OptionHeldIn | LoanIn, Field(discriminator="kind")]]
    long_option_credit: float | None = None
    """
    Share of the value of long options that counts as equity; default 1.
    """
    volatility: float | None = None
    """
    Of the underlying, annual: adds distance in sigmas and probability of touch.
    """
    horizon_days: float | None = None


class MarginBacktestAnswer(Model):
    """
    The model, and what it stands beside.
    """

    symbol: str
    as_of: AwareDatetime
    bars: int
    """
    Complete bars of the series.
    """
    first_margin: AwareDatetime
    """
    Close of the first margin that was judged.
    """
    horizon_bars: int
    horizon_days: float
    """
    Of a year of 365 days, as in the model.
    """
    expected_breach_rate: float
    significance: float
    units: dict[str, str]
    """
    What margins, losses and rates are fractions of.
    """
    strategies: list[MarginStrategyOut]
    """
    The model with its rules, without them where any is on, then what it is compared with.
    """
    model_resolved: dict[str, Any]
    """
    Every parameter of the model as it was used.
    """
    procyclicality_resolved: dict[str, Any]
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class MarginBatchRequest(Model):
    """
    Accounts with linear positions, as columns; nothing is stored.
    """

    as_of: AwareDatetime | None = None
    """
    Echoed; default: the time of receipt.
    """
    currency: str | None = None
    """
    Of every amount; echoed.
    """
    markets: list[BatchMarketIn]
    preset: Literal["derive_pmrm2", "span16", "regime"] | None = None
    """
    Portfolio margin by scenarios, as POST /v1/margin:scenario; default: `margin`, unnetted.
    """
    margin: MarginPolicy | None = None
    """
    Margin model and the rules around it, without a preset; no returns are read here.
    """
    queue_limit: int | None = None
    """
    Accounts of the liquidation queue that are listed.
    """
    accounts: list[str]
    """
    Names, unique; every column has one value for each of them.
    """
    equity: list[float | None]
    """
    Mark to market. What is no number makes its account `unknown`.
    """
    quantities: list[list[float | None]]
    """
    One column for each market, in their order: signed contracts of each account, 0 for none. What is no number makes its account `unknown`.
    """


class MarginRequest(Model):
    """
    Snapshot for `POST /v1/margin`: margin of the positions as they are.
    """

    portfolio_id: str | None = None
    client_reference: str | None = None
    """
    Echoed, and searchable in the audit history.
    """
    as_of: AwareDatetime | None = None
    """
    Event time; default: the time of receipt, listed as an assumption.
    """
    options: OptionsIn | None = None
    interval: str | None = None
    """
    Bar of the cached volatility state, where no series is sent; default P1D.
    """
    account: AccountIn
    instruments: list[InstrumentIn] | None = None
    positions: list[PositionIn] | None = None
    series: list[SeriesIn] | None = None
    marks: list[MarkIn] | None = None
    fx: list[FxIn] | None = None
    signals: list[SignalIn] | None = None
    """
    None: sign and composition come from the positions.
    """
    option_quotes: list[OptionChainIn] | None = None
    """
    Quotes of options by underlying: option positions without implied_volatility or forward_price take them from a surface of these; what they bring themselves wins. 5000 quotes and 200 expiries in all.
    """
    policy: MarginPolicyIn | PolicyReference | None = None
    venues: list[ModelsApiMarketConditionsVenueIn] | None = None
    """
    State of the venues, for policy.contagion.
    """
    previous: PreviousIn | None = None
    """
    `state` of the last answer for this account: rates that were asked last, multipliers of venues.
    """
    flow: list[FlowIn] | None = None
    """
    Open interest and volume, for a size_addon that reads them.
    """


class MispricingAnswer(Model):
    """
    Quotes against a model fitted to them; rows as in the request.
    """

    as_of: AwareDatetime
    status: Literal["ok", "refused"]
    detail: str | None
    """
    Why nothing could be fitted.
    """
    method: str
    fit: ModelFitOut | None
    quotes: list[QuoteVerdict]
    units: dict[str, str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class OracleIn(Model):
    """
    Sources of one symbol.
    """

    symbol: str
    observations: list[ModelsApiPriceSourcesObservationIn]
    previous: OracleStateIO | None = None
    """
    `state` of the last answer for this symbol.
    """
    volatility: float | None = None
    """
    Annual, as a fraction: how far it may move without confirmation.
    """
    average_price: PlainDecimal | None = None
    """
    Time-weighted average price to compare with.
    """


class OracleOut(Model):
    """
    Price of one symbol, and what it is good for.
    """

    symbol: str
    status: Literal["ok", "close_only", "fallback", "refused"]
    """
    ok; close_only: not to open on; fallback: the last good price stands in; refused: no price.
    """
    reason: Literal[
        "no_quorum",
        "too_few_signers",
        "clock_backwards",
        "jump_unconfirmed",
        "far_from_twap",
        "too_many_upstreams",
        "currencies_disagree",
        "dispersion",
        "confidence",
        "late",
        "mark_disagrees",
        "none",
    ]
    """
    The gravest finding.
    """
    detail: str
    price: PlainDecimal | None
    """
    null where refused: never read it as zero.
    """
    confidence: PlainDecimal | None
    """
    Half width of what the price may be off by.
    """
    long_price: PlainDecimal | None
    """
    To value longs at.
    """
    short_price: PlainDecimal | None
    """
    To value shorts at.
    """
    currency: str
    multiplier: float
    """
    On increases: 0 is reduce-only, 1 is no restriction.
    """
    allowed: list[Literal["open", "withdraw", "reduce", "liquidate"]]
    """
    What the price may be used for.
    """
    dispersion: float | None
    """
    (highest - lowest) / median of the accepted.
    """
    age_seconds: float | None
    """
    Age that a quorum of the accepted is not above.
    """
    quorum: int
    """
    Independent sources that must agree.
    """
    voices: int
    """
    Independent sources that do.
    """
    signers: int
    """
    Distinct keys that signed them.
    """
    accepted: list[AcceptedOut]
    rejected: list[ModelsApiPriceSourcesRejectedOut]
    currencies: list[CurrencyOut]
    findings: list[FindingOut]
    """
    All that is wrong, the gravest first.
    """
    state: OracleStateIO | None
    """
    Send it as `previous` next time; null before the first good price.
    """


class OraclesAnswer(Model):
    """
    One row a symbol, in the order of the request.
    """

    evaluation_id: str
    as_of: AwareDatetime
    received_at: AwareDatetime
    oracles: list[OracleOut]
    assumptions: list[Assumption]
    audit: AuditOut


class OraclesRequest(Model):
    """
    Prices of many sources, by symbol.
    """

    oracles: list[OracleIn]
    rates: list[RateIn] | None = None
    keys: list[str] | None = None
    """
    Ed25519 public keys whose signatures count.
    """
    policy: OraclePolicy | None = None
    as_of: AwareDatetime | None = None
    """
    The moment that prices are for; default: the time of receipt.
    """


class ParametersAnswer(Model):
    """
    What holds for a market, and what is to come.
    """

    market: str
    in_force: ParametersOut | None
    """
    null: the first version is not effective yet.
    """
    scheduled: ParametersOut | None
    """
    Version that holds next, as things stand.
    """


class PolicyIn(Model):
    """
    How to size, within which limits. Without a preset `sizing` is required: no default method, no default target.
    """

    preset: str | None = None
    """
    `default` or `crypto_perp_conservative`; fields that are sent win.
    """
    version: int | None = None
    """
    Version of the preset; the newest by default.
    """
    sizing: Annotated[
        VolatilityTarget
        | AverageTrueRangeUnit
        | CarryPair
        | ConstantLeverage
        | ContinuousKelly
        | DiscreteKelly
        | DrawdownControl
        | FixedRisk
        | FixedWeights
        | HierarchicalRiskParity
        | HistoricalRiskConstrainedKelly
        | InventorySkew
        | InverseVolatility
        | MarginLinked
        | MultiAssetKelly
        | PortfolioInsurance
        | ServicesSizingMethodsRiskBudgetRiskBudget
        | RiskConstrainedKelly
        | RiskParity
        | SignalScaled
        | ValueAtRiskBudget
        | VolatilityRebalancing
        | None,
        Field(discriminator="method"),
    ] = None
    capital: FullCompounding | FixedCapital | HalfCompounding | None = None
    scaling: NoScaling | ToVolatility | ToLeverage | None = None
    split: NoSplit | EqualSplit | HeldSplit | VenueSplit | None = None
    overlays: (
        list[
            Annotated[
                BreakerTier
                | Contagion
                | CorrelationShock
                | DataAge
                | OrderFlow
                | ServicesSizingOverlaysGreekBoundsGreekBounds
                | GrossLeverage
                | ImpliedVolatilityVelocity
                | Latency
                | Liquidity
                | OracleQuality
                | PortfolioRisk
                | ProtocolCaps
                | ScheduledEvents
                | SignalQuality
                | VenueCaps
                | VolatilityAttenuation
                | VolatilityShock,
                Field(discriminator="method"),
            ]
        ]
        | None
    ) = None
    damping: NoDamping | GapFraction | WeightStep | None = None
    estimator: (
        ServicesVolatilityEstimatorsAdaptiveAdaptive
        | Ewma
        | RiskMetrics2006
        | CloseToClose
        | Parkinson
        | GarmanKlass
        | RogersSatchell
        | YangZhang
        | AverageTrueRange
        | Realized
        | Har
        | Garch
        | GjrGarch
        | Egarch
        | Stochastic
        | Implied
        | None
    ) = None
    correlation: (
        DynamicConditional | Exponential | LedoitWolf | OracleApproximating | ConstantCorrelation | Undiversified | None
    ) = None
    limits: Limits | None = None
    costs: Costs | None = None
    buffer: (
        PositionBuffer
        | NoBuffer
        | ToleranceBuffer
        | IntervalBuffer
        | TrackingErrorBuffer
        | VolatilityBuffer
        | CostOptimalBuffer
        | None
    ) = None
    rounding: EachRounding | JointRounding | None = None
    orders: OrderRules | None = None
    margin: MarginPolicy | None = None
    guards: OraclePolicy | None = None
    breakers: Breakers | None = None
    collateral: VolatilityHaircut | None = None
    contagion: ContagionPolicy | None = None
    hedging: Threshold | PriceMove | Interval | ServicesHedgingTriggersAdaptiveAdaptive | AnyOf | None = None
    hedge_optimizer: ServicesHedgingOptimizersGreekBoundsGreekBounds | None = None
    hedge_gate: HedgeGate | None = None
    hedge_execution: HedgeExecution | None = None


class PositionMarginOut(Model):
    """
    Margin of one row, in the account currency.
    """

    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None
    initial: PlainDecimal | None
    maintenance: PlainDecimal | None
    rate_initial: float | None
    method_used: str
    contagion_multiplier: float | None = None
    """
    On the rate of the model, floors apart. Present under a policy with contagion.
    """
    venue_figures: VenueMarginOut | None = None
    liquidation: LiquidationOut | None = None
    procyclicality: SmoothedOut | None = None
    """
    Present under policy.margin.procyclicality.
    """


class PriceLadderAnswer(Model):
    """
    Greeks and ladders of a book.
    """

    as_of: AwareDatetime
    currency: str
    status: Literal["ok", "incomplete"]
    """
    incomplete: see `left_out`.
    """
    units: dict[str, str]
    spot_shocks: list[float]
    volatility_shocks: list[float]
    stickiness: float
    days_forward: float
    underlyings: list[UnderlyingOut]
    total: TotalOut
    beta_weighted: BetaWeightedOut | None
    """
    null without betas.
    """
    liquidity: list[PoolOut]
    explain: ExplainOut | None
    """
    null without `previous`.
    """
    left_out: list[LeftOutPositionOut]
    expanded: list[str]
    """
    Positions in the ladder by their own Greeks to second order, not by revaluation.
    """
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class PriceLadderRequest(Model):
    """
    A book to revalue; nothing is stored.
    """

    as_of: AwareDatetime | None = None
    """
    Times to expiry are counted from it; default: the time of receipt.
    """
    currency: str | None = None
    """
    Quote currency of all prices and amounts; echoed.
    """
    positions: list[
        Annotated[
            OptionPositionIn | LinearPositionIn | LiquidityPositionIn | OwnPositionIn,
            Field(discriminator="kind"),
        ]
    ]
    underlyings: list[UnderlyingIn] | None = None
    spot_shocks: list[float] | None = None
    """
    Relative moves of all prices. Default -30, -20, -10, -5, 0, 5, 10, 20, 30 %.
    """
    volatility_shocks: list[float] | None = None
    """
    Relative moves of implied volatility at 30 days and longer; times √(30 d / T) below, T >= 1 d. Default -25, 0, 25 %.
    """
    stickiness: float | None = None
    """
    How volatility slides along its skew with the price: 0 sticky strike, 1 moneyness.
    """
    days_forward: float | None = None
    """
    Calendar days that pass before the shocks.
    """
    previous: SnapshotIn | None = None
    """
    Explains the profit and loss since then.
    """


class ProposalRequest(Model):
    """
    A new version of a governed policy, or new rules; one of the two.
    """

    policy: PolicyIn | None = None
    governance: GovernanceIn | None = None
    comment: str | None = None
    """
    Why; kept with the version.
    """


class RegisterPortfolioRequest(Model):
    """
    A portfolio whose targets are kept up to date: everything of an evaluation that is no snapshot.
    """

    policy: PolicyIn | PolicyReference
    mode: Literal["manual", "auto"] | None = None
    """
    manual: whoever reads the targets acts on them. auto: orders are made by the rules of `auto`, as unsigned intents. Nothing is ever sent to a venue.
    """
    auto: AutoIn | None = None
    """
    Rules of mode auto, and its budget of a day.
    """
    feedback: FeedbackIn | None = None
    interval: str | None = None
    """
    Bar of the cached volatility states; default P1D.
    """
    max_snapshot_age: str | None = None
    """
    Age from which a snapshot must not be acted on: targets expire then, unless a newer one came. Default: `interval`, listed as an assumption.
    """
    refresh: str | None = None
    """
    Evaluate again after so long without a change, while the data is fresh: for what moves with the clock alone, such as the half-life of a signal. Default: only when something changes.
    """
    symbols: list[str] | None = None
    """
    Markets whose observations lead to an evaluation too, beside those that the book depends on.
    """
    instruments: list[InstrumentIn] | None = None
    """
    Contracts of this portfolio; others are those of PUT /v1/instruments.
    """
    oracle_keys: list[str] | None = None
    """
    Ed25519 public keys whose signatures count.
    """
    position_defaults: PositionDefaultsIn | None = None
    options: LiveOptionsIn | None = None
    previous: PreviousIn | None = None
    """
    Control state to start from. Read once, where none is on record: afterwards it is that of the last evaluation, also over a deletion.
    """
    comment: str | None = None
    """
    Kept with it.
    """


class ScheduleRequest(Model):
    """
    An order to spread over time or prices.
    """

    client_reference: str | None = None
    """
    Echoed, and searchable in the audit history.
    """
    as_of: AwareDatetime | None = None
    """
    Event time; default: the time of receipt, listed as an assumption.
    """
    options: StrictnessIn | None = None
    symbol: str
    venue: str | None = None
    instrument: InstrumentIn | None = None
    """
    Of this symbol; default: the one that is registered, else linear with lot 1e-8, as assumed.
    """
    mark_price: PlainDecimal
    """
    Decimal string, or JSON number of at most 15 significant digits.
    """
    quantity_unit: Literal["base", "contracts", "quote"] | None = None
    """
    Of quantities, here and in the answer; default: what the instrument says.
    """
    volatility: float | None = None
    """
    Annual, as a fraction; default: that of the cached state.
    """
    interval: str | None = None
    """
    Bar of the cached state, where no volatility is sent; default P1D.
    """
    quantity: PlainDecimal
    """
    Signed: negative sells.
    """
    reduce_only: bool | None = None
    """
    Whether the order reduces a position: in doubt it is then traded sooner, else later. Default false, listed as an assumption.
    """
    schedule: Annotated[
        Twap | Participation | AlmgrenChriss | ScaleByTime | ScaleByPrice,
        Field(discriminator="method"),
    ]
    """
    How it is spread.
    """
    start: AwareDatetime | None = None
    """
    Of the first slice; default: as_of.
    """
    impact: LinearImpact | None = None
    """
    Default: made of spread and average_daily_volume, listed as an assumption.
    """
    spread: PlainDecimal | None = None
    """
    Between best bid and ask.
    """
    average_daily_volume: float | None = None
    """
    Of the market, in base units.
    """
    volumes: list[float] | None = None
    """
    Expected in each slice, in base units; default: average_daily_volume, evenly.
    """
    max_participation: float | None = None
    """
    Largest slice over the volume in its time.
    """
    jitter: JitterIn | None = None
    venues: list[ModelsApiPlacementVenueIn] | None = None
    """
    Places to split each slice over, on the depth that they show now.
    """
    split_rules: SplitRules | None = None
    """
    Goes with venues.
    """
    collar: PriceCollar | None = None
    """
    Asks for the worst price of each slice.
    """
    pool: ConstantProductPoolIn | ConcentratedPoolIn | None = None
    """
    Where slices are swapped in public: asks for the sandwich bound.
    """
    sandwich: SandwichIn | None = None
    """
    Goes with pool.
    """
    net_gamma: float | None = None
    """
    Of the book that is hedged, in base units per unit of price, negative is short: asks for the feedback of the hedge.
    """
    impact_slope: float | None = None
    """
    What a base unit moves the price; default: of the largest slice by the square-root law, or impact.permanent, listed as an assumption.
    """
    reflexivity: Reflexivity | None = None
    """
    Levels of the feedback; goes with net_gamma.
    """
    latency_seconds: float | None = None
    """
    From the price that a hedge is computed of to its fill: asks for the margin buffer.
    """
    confidence_factor: float | None = None
    """
    Standard deviations that the buffer provides for; default 2.33, listed as an assumption.
    """


class ScorecardAnswer(Model):
    """
    How good recorded answers were, from the log alone.
    """

    portfolio_id: str | None
    symbol: str | None
    range: ScorecardRange
    forecasts: ForecastsOut
    markets: list[MarketForecastsOut]
    tails: TailsOut
    tracking: ModelsApiScorecardTrackingOut
    touches: TouchesOut
    hedges: HedgesOut


class ShiftOut(Model):
    """
    Moves that liquidate the account together with one shift of volatility.
    """

    volatility_shift: float
    status: Literal["ok", "liquidated"]
    """
    liquidated: equity does not exceed maintenance before any move of prices.
    """
    equity: PlainDecimal
    """
    With the shift, before any move of prices.
    """
    maintenance_margin: PlainDecimal
    alone: list[SidesOut]
    """
    Each underlying by itself, the others standing still.
    """
    together: list[SidesOut] | None
    """
    Each underlying, the others at their conditional means (betas). null without correlations.
    """
    nearest: NearestOut | None
    """
    Over all joint moves. null without correlations.
    """


class SnapshotRequest(Model):
    """
    What an evaluation needs of the account now: a whole snapshot, never a change of the last one.
    """

    snapshot_seq: int
    """
    Chosen by the client, increasing: an older one is refused.
    """
    as_of: AwareDatetime | None = None
    """
    When the account was so; default: the time of receipt.
    """
    client_reference: str | None = None
    """
    Echoed, and searchable in the audit history.
    """
    account: AccountIn
    positions: list[PositionIn] | None = None
    marks: list[MarkIn] | None = None
    fx: list[FxIn] | None = None
    signals: list[SignalIn] | None = None
    """
    None: sign and composition come from the positions.
    """
    option_quotes: list[OptionChainIn] | None = None
    """
    Quotes of options by underlying: option positions without implied_volatility or forward_price take them from a surface of these; what they bring themselves wins. 5000 quotes and 200 expiries in all.
    """
    oracles: list[OracleIn] | None = None
    """
    Price sources by symbol, judged by policy.guards: a price that they do not support blocks or shrinks increases. A row without a mark takes the price that they agree on.
    """
    oracle_rates: list[RateIn] | None = None
    """
    Conversion rates of their quote currencies.
    """
    breaker_reset: BreakerResetIn | None = None
    """
    Takes the latch of one circuit breaker off, before it is read; needs policy.breakers.
    """
    tracking: TrackingIn | None = None
    """
    Goes with portfolio_id.
    """
    venues: list[ModelsApiMarketConditionsVenueIn] | None = None
    """
    State of the venues of the rows; overlays and caps read them.
    """
    protocols: list[ProtocolIn] | None = None
    chains: list[ChainIn] | None = None
    volatilities: list[VolatilityViewIn] | None = None
    """
    Figures on volatility that overlays read and no series says.
    """
    books: list[BookIn] | None = None
    """
    Order books, or summaries of them; one for each market.
    """
    pools: list[Annotated[ConstantProductPoolIn | ConcentratedPoolIn, Field(discriminator="kind")]] | None = None
    """
    Automated market makers, for markets without a book.
    """
    flow: list[FlowIn] | None = None
    events: list[EventIn] | None = None
    """
    They lower the targets of a volatility target for the next bar, the step `events` says by how much; margin, value at risk and the volatility of the book stay those of ordinary bars.
    """


class StorePolicyRequest(Model):
    """
    A policy to store. It can be named in evaluations from then on, and never changes.
    """

    policy_id: str | None = None
    """
    Default: made up, `pol_` and 32 hexadecimal digits.
    """
    policy: PolicyIn
    comment: str | None = None
    """
    Why this version; kept with it.
    """


class SurfaceAnswer(Model):
    """
    A surface of smiles, what was not used and why, and an audit of what was made.
    """

    as_of: AwareDatetime
    underlying: str | None
    status: Literal["ok", "refused"]
    detail: str | None
    """
    Why there is no surface.
    """
    method: str
    units: dict[str, str]
    slices: list[SurfaceSliceOut]
    """
    Ascending in expiry.
    """
    dropped: list[DroppedQuoteOut]
    """
    Quotes that are not used, less those that were not needed.
    """
    not_needed: int
    """
    Quotes in the money whose twin out of the money was sent.
    """
    reason_texts: dict[str, str]
    """
    What the reasons in dropped mean.
    """
    audit: SurfaceAuditOut | None
    term_structure: list[TenorOut]
    model_free_30_days: HorizonVarianceOut | None
    points: list[SurfacePointOut]
    grid: SurfaceGridOut | None
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class TargetsResponse(Model):
    """
    Answer of `POST /v1/targets`.
    """

    evaluation_id: str
    portfolio_id: str | None = None
    client_reference: str | None = None
    mode: Literal["live", "historical"]
    scope: Literal["book", "instrument"] | None = None
    as_of: AwareDatetime
    data_as_of: AwareDatetime | None
    received_at: AwareDatetime
    computed_at: AwareDatetime
    valid_until: AwareDatetime
    valid_until_reason: str
    on_expiry: Literal["reduce_only"] = "reduce_only"
    degraded: list[str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    switches: list[ActiveSwitchOut] | None = None
    """
    Operator's switches that hold: present where one stops the portfolio or a row of it.
    """
    policy: NamedPolicyOut | None = None
    inputs: InputsOut
    option_volatilities: list[OptionVolatilityOut] | None = None
    """
    What each option is computed with. Present where option_quotes were sent, in the full view.
    """
    option_surfaces: list[OptionSurfaceOut] | None = None
    """
    Each block of option_quotes, in order: its smiles, and the quotes that are not used.
    """
    audit: AuditOut
    targets: list[TargetOut]
    orders: list[OrderOut]
    portfolio: PortfolioOut
    oracles: list[OracleOut] | None = None
    """
    Every source, accepted or rejected, by symbol.
    """
    state: ModelsApiControlStateOut | None = None


class VaultAnswer(Model):
    """
    Orders in options, their figures, and every candidate.
    """

    evaluation_id: str
    client_reference: str | None = None
    mode: Literal["live", "historical"]
    symbol: str
    venue: str | None = None
    as_of: AwareDatetime
    received_at: AwareDatetime
    status: Literal["ok", "limited", "refused"]
    reason: str
    detail: str | None
    """
    Why it is limited or refused.
    """
    mark_price: PlainDecimal
    quantity_unit: Literal["base", "contracts", "quote"]
    currency: str | None
    """
    Of all amounts: the quote currency; null where nothing says it.
    """
    volatility: MarketVolatilityOut | None
    """
    null where none was needed or there is none.
    """
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    switches: list[ActiveSwitchOut] | None = None
    """
    Operator's switches that hold: present where one stops this market.
    """
    audit: AuditOut
    method: str
    settlement: Literal["linear", "inverse"]
    """
    inverse: settlement currency is the base coin.
    """
    units: dict[str, str]
    """
    Of the Greeks and what is quoted.
    """
    legs: list[VaultLegOut]
    """
    Orders; empty where refused.
    """
    figures: VaultFiguresOut | None
    """
    null where refused.
    """
    steps: list[StepOut]
    """
    From the whole collateral to the lots [contracts].
    """
    candidates: list[VaultCandidateOut]
    """
    Hedges: quotes that cannot be used, then up to 40 combinations, the best first.
    """


class PublishedHedges(Model):
    """
    State of `hedges:PORTFOLIO`: published where there is a hedge order.
    """

    portfolio_id: str
    evaluation_id: str
    index: int
    """
    Audit entry of the decision.
    """
    as_of: AwareDatetime
    data_as_of: AwareDatetime | None
    computed_at: AwareDatetime
    valid_until: AwareDatetime
    """
    Do not act on it from then on.
    """
    on_expiry: Literal["reduce_only"] = "reduce_only"
    degraded: list[str]
    hedges: list[HedgeOut]
    hedge_plan: HedgePlanOut | None = None
    orders: list[OrderOut]


class BacktestRequest(Model):
    """
    A policy on posted bars; nothing is stored.
    """

    account: BacktestAccountIn
    series: list[SeriesIn]
    instruments: list[InstrumentIn] | None = None
    fx: list[FxIn] | None = None
    """
    Held constant over the back-test.
    """
    signals: list[BacktestSignalIn]
    policy: PolicyIn
    funding: list[FundingIn] | None = None
    """
    Default: none is paid, listed as an assumption for derivatives.
    """
    borrow_rate: float | None = None
    """
    Annual, on spot assets that are short and on cash that is borrowed for them.
    """
    lag_bars: int | None = None
    """
    Bars from decision to earning: 1 trades at the close that was decided on.
    """
    warm_up_bars: int | None = None
    """
    Bars that are observed before the first decision.
    """
    baselines: bool | None = None
    """
    Also constant leverage, fixed weights and monthly rebalancing, under the same limits.
    """
    points: int | None = None
    """
    At most this many points of each path, evenly spread.
    """


class CheckPolicyAnswer(Model):
    """
    Verdicts, in the order of the statements.
    """

    policy: NamedPolicyOut | None = None
    """
    Where a stored one was named.
    """
    policy_resolved_sha256: str
    """
    As in the answers of evaluations that use it.
    """
    verdict: Literal["proved", "refuted", "unknown"]
    """
    `refuted` where any statement is, else `unknown` where any is, else `proved`.
    """
    findings: list[CheckedOut]
    ranges: Ranges
    proves: str
    """
    What exactly a proof says, and what it does not.
    """
    assumptions: list[Assumption]


class CheckPolicyRequest(Model):
    """
    A policy, and what is to be proved or refuted of it; nothing is stored.
    """

    policy: PolicyIn | PolicyReference
    properties: (
        list[
            Annotated[
                LeverageCap | NonIncreasing | SolventAfterShock | NeverIncreases | TiersShrink,
                Field(discriminator="method"),
            ]
        ]
        | None
    ) = None
    """
    Default: leverage cap, size that falls with volatility, 20 % shock, no increase from tier 3.
    """
    ranges: Ranges | None = None
    most_boxes: int | None = None
    """
    Boxes of inputs after which a proof is given up as unknown; the statements of a request share them.
    """


class ComparePoliciesRequest(Model):
    """
    Two policies: does the new one never size larger, nor margin lower, than the old one? Nothing is stored.
    """

    new: PolicyIn | PolicyReference
    old: PolicyIn | PolicyReference
    ranges: Ranges | None = None
    most_boxes: int | None = None
    """
    Boxes of inputs after which a proof is given up as unknown; the statements of a request share them.
    """


class EstimateAnswer(Model):
    """
    Estimates, in the order of the request.
    """

    as_of: AwareDatetime
    estimates: list[EstimateRow]
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class EvaluationRequest(Model):
    """
    Snapshot and policy: everything that one decision needs.
    """

    portfolio_id: str | None = None
    client_reference: str | None = None
    """
    Echoed, and searchable in the audit history.
    """
    as_of: AwareDatetime | None = None
    """
    Event time; default: the time of receipt, listed as an assumption.
    """
    options: OptionsIn | None = None
    interval: str | None = None
    """
    Bar of the cached volatility state, where no series is sent; default P1D.
    """
    account: AccountIn
    instruments: list[InstrumentIn] | None = None
    positions: list[PositionIn] | None = None
    series: list[SeriesIn] | None = None
    marks: list[MarkIn] | None = None
    fx: list[FxIn] | None = None
    signals: list[SignalIn] | None = None
    """
    None: sign and composition come from the positions.
    """
    option_quotes: list[OptionChainIn] | None = None
    """
    Quotes of options by underlying: option positions without implied_volatility or forward_price take them from a surface of these; what they bring themselves wins. 5000 quotes and 200 expiries in all.
    """
    policy: PolicyIn | PolicyReference
    oracles: list[OracleIn] | None = None
    """
    Price sources by symbol, judged by policy.guards: a price that they do not support blocks or shrinks increases. A row without a mark takes the price that they agree on.
    """
    oracle_rates: list[RateIn] | None = None
    """
    Conversion rates of their quote currencies.
    """
    oracle_keys: list[str] | None = None
    """
    Ed25519 public keys whose signatures count.
    """
    previous: PreviousIn | None = None
    """
    `state` of the last answer for this account.
    """
    breaker_reset: BreakerResetIn | None = None
    """
    Takes the latch of one circuit breaker off, before it is read; needs policy.breakers.
    """
    tracking: TrackingIn | None = None
    """
    Goes with portfolio_id.
    """
    venues: list[ModelsApiMarketConditionsVenueIn] | None = None
    """
    State of the venues of the rows; overlays and caps read them.
    """
    protocols: list[ProtocolIn] | None = None
    chains: list[ChainIn] | None = None
    volatilities: list[VolatilityViewIn] | None = None
    """
    Figures on volatility that overlays read and no series says.
    """
    books: list[BookIn] | None = None
    """
    Order books, or summaries of them; one for each market.
    """
    pools: list[Annotated[ConstantProductPoolIn | ConcentratedPoolIn, Field(discriminator="kind")]] | None = None
    """
    Automated market makers, for markets without a book.
    """
    flow: list[FlowIn] | None = None
    events: list[EventIn] | None = None
    """
    They lower the targets of a volatility target for the next bar, the step `events` says by how much; margin, value at risk and the volatility of the book stay those of ordinary bars.
    """


class FitAccepted(Model):
    """
    A fit that was queued.
    """

    fit_id: str
    """
    Read it at GET /v1/volatility/fits/{fit_id}.
    """
    status: Literal["queued", "running", "done", "rejected", "failed"]
    reason: str
    """
    none, or why there is no result.
    """
    detail: str | None = None
    symbol: str
    interval: str
    periods_per_year: float
    model: Literal["garch", "gjr_garch", "egarch"]
    distribution: Literal["student_t", "normal"]
    mean: Literal["zero", "constant"]
    procedure: Literal["full", "variance_targeted"]
    submitted_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    kept_until: AwareDatetime | None = None
    """
    When a finished fit is forgotten at the latest.
    """
    result: FitResult | None = None
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class FitAnswer(Model):
    """
    Where a fit stands; `result` is there once it is done.
    """

    fit_id: str
    """
    Read it at GET /v1/volatility/fits/{fit_id}.
    """
    status: Literal["queued", "running", "done", "rejected", "failed"]
    reason: str
    """
    none, or why there is no result.
    """
    detail: str | None = None
    symbol: str
    interval: str
    periods_per_year: float
    model: Literal["garch", "gjr_garch", "egarch"]
    distribution: Literal["student_t", "normal"]
    mean: Literal["zero", "constant"]
    procedure: Literal["full", "variance_targeted"]
    submitted_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    kept_until: AwareDatetime | None = None
    """
    When a finished fit is forgotten at the latest.
    """
    result: FitResult | None = None


class FrontierAnswer(Model):
    """
    What margin costs against how often it fails.
    """

    symbol: str
    as_of: AwareDatetime
    bars: int
    """
    Complete bars of the series.
    """
    first_margin: AwareDatetime
    """
    Close of the first margin that was judged.
    """
    horizon_bars: int
    horizon_days: float
    maintenance_fraction: float
    units: dict[str, str]
    points: list[FrontierPointOut]
    """
    The model's own first, then confidences, then multipliers.
    """
    model_resolved: dict[str, Any]
    procyclicality_resolved: dict[str, Any]
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class MarginOut(Model):
    """
    Margin of a book, in `currency`.
    """

    currency: str
    initial: PlainDecimal
    maintenance: PlainDecimal
    initial_to_equity: float | None
    """
    Over the equity that counts for initial margin.
    """
    maintenance_to_equity: float | None
    """
    Over the equity that counts for maintenance margin.
    """
    complete: bool
    """
    False: some positions' margin is neither modelled here nor given.
    """
    method_used: list[str]
    per_position: list[PositionMarginOut]
    portfolio: PortfolioMarginOut | None = None
    """
    Present in margin mode portfolio; per_position then holds the rows on their own.
    """


class ReverseStressAnswer(Model):
    """
    What liquidates the account.
    """

    as_of: AwareDatetime
    currency: str
    preset: str
    overridden: list[str]
    units: dict[str, str]
    horizon_days: float
    max_sigmas: float
    least_sigmas: float | None
    """
    Least distance over everything below; null: nothing within `max_sigmas` liquidates the account.
    """
    shifts: list[ShiftOut]
    """
    In the order of `volatility_shifts`.
    """
    assumptions: list[Assumption]
    warnings: list[WarningOut]


class PublishedMargin(Model):
    """
    State of `margin:PORTFOLIO`.
    """

    portfolio_id: str
    evaluation_id: str
    index: int
    """
    Audit entry of the decision.
    """
    as_of: AwareDatetime
    data_as_of: AwareDatetime | None
    computed_at: AwareDatetime
    valid_until: AwareDatetime
    """
    Do not act on it from then on.
    """
    on_expiry: Literal["reduce_only"] = "reduce_only"
    degraded: list[str]
    current: MarginOut
    target: MarginOut | None = None
    breaker: BreakerScopeOut | None = None
    """
    The breaker of the highest level.
    """


class BothMarginsOut(Model):
    """
    Margin now and at target.
    """

    current: MarginOut
    target: MarginOut | None = None
    breaker: BreakerOut | None = None
    """
    Present under a policy with breakers.
    """
    collateral: BackingOut | None = None
    """
    Present under a policy with collateral.
    """
    contagion: list[VenueTighteningOut] | None = None
    """
    Present under a policy with contagion.
    """


class EvaluationResponse(Model):
    """
    Full answer.
    """

    evaluation_id: str
    portfolio_id: str | None = None
    client_reference: str | None = None
    mode: Literal["live", "historical"]
    scope: Literal["book", "instrument"] | None = None
    as_of: AwareDatetime
    data_as_of: AwareDatetime | None
    received_at: AwareDatetime
    computed_at: AwareDatetime
    valid_until: AwareDatetime
    valid_until_reason: str
    on_expiry: Literal["reduce_only"] = "reduce_only"
    degraded: list[str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    switches: list[ActiveSwitchOut] | None = None
    """
    Operator's switches that hold: present where one stops the portfolio or a row of it.
    """
    policy: NamedPolicyOut | None = None
    inputs: InputsOut
    option_volatilities: list[OptionVolatilityOut] | None = None
    """
    What each option is computed with. Present where option_quotes were sent, in the full view.
    """
    option_surfaces: list[OptionSurfaceOut] | None = None
    """
    Each block of option_quotes, in order: its smiles, and the quotes that are not used.
    """
    audit: AuditOut
    targets: list[TargetOut]
    orders: list[OrderOut]
    margin: BothMarginsOut | None = None
    hedges: list[HedgeOut] | None = None
    hedge_plan: HedgePlanOut | None = None
    portfolio: PortfolioOut
    oracles: list[OracleOut] | None = None
    """
    Every source, accepted or rejected, by symbol.
    """
    state: ModelsApiControlStateOut | None = None
    policy_resolved: dict[str, Any] | None = None


class LiveResponse(Model):
    """
    Answer of an evaluation of a live portfolio, as it is recorded.
    """

    evaluation_id: str
    portfolio_id: str | None = None
    client_reference: str | None = None
    mode: Literal["live", "historical"]
    scope: Literal["book", "instrument"] | None = None
    as_of: AwareDatetime
    data_as_of: AwareDatetime | None
    received_at: AwareDatetime
    computed_at: AwareDatetime
    valid_until: AwareDatetime
    valid_until_reason: str
    on_expiry: Literal["reduce_only"] = "reduce_only"
    degraded: list[str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    switches: list[ActiveSwitchOut] | None = None
    """
    Operator's switches that hold: present where one stops the portfolio or a row of it.
    """
    policy: NamedPolicyOut | None = None
    inputs: InputsOut
    option_volatilities: list[OptionVolatilityOut] | None = None
    """
    What each option is computed with. Present where option_quotes were sent, in the full view.
    """
    option_surfaces: list[OptionSurfaceOut] | None = None
    """
    Each block of option_quotes, in order: its smiles, and the quotes that are not used.
    """
    audit: AuditOut
    targets: list[TargetOut]
    orders: list[OrderOut]
    margin: BothMarginsOut | None = None
    hedges: list[HedgeOut] | None = None
    hedge_plan: HedgePlanOut | None = None
    portfolio: PortfolioOut
    oracles: list[OracleOut] | None = None
    """
    Every source, accepted or rejected, by symbol.
    """
    state: ModelsApiControlStateOut | None = None
    policy_resolved: dict[str, Any] | None = None
    portfolio_version: int
    """
    Version of the registered portfolio that was evaluated.
    """
    snapshot_seq: int
    """
    Snapshot that was evaluated.
    """
    auto: AutoOut | None = None
    """
    Present in mode auto.
    """
    intents: list[IntentOut] | None = None
    """
    What may be sent now: `orders` for their venues, or those of the last decision with orders on the same snapshot until they expire. Present in mode auto.
    """
    auto_memory: AutoMemoryOut | None = None
    """
    Present where mode is or was auto.
    """


class MarginResponse(Model):
    """
    Answer of `POST /v1/margin`.
    """

    evaluation_id: str
    portfolio_id: str | None = None
    client_reference: str | None = None
    mode: Literal["live", "historical"]
    scope: Literal["book", "instrument"] | None = None
    as_of: AwareDatetime
    data_as_of: AwareDatetime | None
    received_at: AwareDatetime
    computed_at: AwareDatetime
    valid_until: AwareDatetime
    valid_until_reason: str
    on_expiry: Literal["reduce_only"] = "reduce_only"
    degraded: list[str]
    assumptions: list[Assumption]
    warnings: list[WarningOut]
    switches: list[ActiveSwitchOut] | None = None
    """
    Operator's switches that hold: present where one stops the portfolio or a row of it.
    """
    policy: NamedPolicyOut | None = None
    inputs: InputsOut
    option_volatilities: list[OptionVolatilityOut] | None = None
    """
    What each option is computed with. Present where option_quotes were sent, in the full view.
    """
    option_surfaces: list[OptionSurfaceOut] | None = None
    """
    Each block of option_quotes, in order: its smiles, and the quotes that are not used.
    """
    audit: AuditOut
    margin: BothMarginsOut
    state: ModelsApiControlStateOut | None = None
    """
    Present under policy.margin.procyclicality or policy.contagion, and where previous was sent.
    """


class BlockOut(Model):
    """
    One block of a policy, or of a request.
    """

    block: str
    required: bool
    default_method: str | None
    methods: list[MethodOut]


class CatalogAnswer(Model):
    """
    Every method of a policy and of the execution-aware tools, with its parameters.
    """

    engine: str
    defaults_version: int
    presets: list[dict[str, Any]]
    blocks: list[BlockOut]
    tools: list[BlockOut]
    """
    Tagged objects of POST /v1/grids, /v1/schedules and /v1/vaults.
    """


class MethodOut(Model):
    """
    One method: the value of `method`, and its parameters.
    """

    method: str | None
    """
    null for a block of plain parameters.
    """
    summary: str
    description: str
    requires: list[str]
    """
    Market data that it needs.
    """
    parameters: list[ModelsApiDiscoveryParameterOut]
    notes: str | None = None
    references: str | None = None


class ModelsApiDiscoveryParameterOut(Model):
    """
    One parameter of a method.
    """

    name: str
    type: str
    required: bool
    default: Any = None
    description: str
    unit: str | None = None
    choices: list[Any] | None = None
    minimum: float | None = None
    exclusive_minimum: float | None = None
    maximum: float | None = None
    exclusive_maximum: float | None = None
    methods: list[MethodOut] | None = None
    """
    Where the parameter is itself a method, or a list of objects: the choices.
    """


BlockOut.model_rebuild()
MethodOut.model_rebuild()
