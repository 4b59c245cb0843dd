"""Hedge problems, and slow clear references for them: the objective in plain loops, and a general convex solver."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal
from typing import Any

import numpy as np
from scipy.optimize import minimize

from services.hedging.exposures import GREEKS, Exposure, GreekBound
from services.hedging.hedge_problem import HedgeInstrument, HedgeProblem
from services.hedging.risk_model import RiskModel
from services.options.black import black_greeks

SPOT = 60_000.0
VOLATILITY = 0.6


def perpetual(**changes: Any) -> HedgeInstrument:
    terms = {
        "symbol": "PERP",
        "greeks": Exposure(delta=1.0),
        "buy_cost": 18.0,
        "sell_cost": 18.0,
        "buy_depth": 500.0,
        "sell_depth": 500.0,
        "lot": Decimal("0.001"),
        "margin_long": 1200.0,
        "margin_short": 1200.0,
    }
    return HedgeInstrument(**(terms | changes))  # type: ignore[arg-type]


def option(symbol: str, strike: float, days: float, right: int, **changes: Any) -> HedgeInstrument:
    """Coin-settled option on one coin, half spread 1 % of its price, fee 3 basis points."""
    found = black_greeks(SPOT, strike, days / 365.0, VOLATILITY, right)
    price = float(found.price)
    terms = {
        "symbol": symbol,
        "greeks": Exposure(
            delta=float(found.delta) - price / SPOT,
            gamma_1pct=float(found.gamma) * SPOT / 100.0,
            vega_per_point=float(found.vega) / 100.0,
            vanna_per_point=float(found.vanna) / 100.0,
            volga_per_point=float(found.volga) / 10_000.0,
        ),
        "buy_cost": max(0.01 * price, 2e-4 * SPOT) + 3e-4 * SPOT,
        "sell_cost": 1.1 * max(0.01 * price, 2e-4 * SPOT) + 3e-4 * SPOT,
        "buy_depth": 60.0,
        "sell_depth": 60.0,
        "lot": Decimal("0.1"),
        "margin_short": 0.15 * SPOT,
        "price": price,
    }
    return HedgeInstrument(**(terms | changes))  # type: ignore[arg-type]


def random_problem(count: int, seed: int, *, lot: str = "0.1", impact: float = 0.0, **changes: Any) -> HedgeProblem:
    """A perpetual and options with random strikes, expiries, depths and positions; a short-gamma book."""
    rng = np.random.default_rng(seed)
    rows = [perpetual(impact=0.02 * impact)]
    for index in range(count - 1):
        strike, days = SPOT * math.exp(rng.uniform(-0.3, 0.3)), float(rng.choice([7, 14, 30, 60, 90, 180]))
        rows.append(
            option(
                f"OPTION-{index:03d}",
                strike,
                days,
                int(rng.choice([-1, 1])),
                buy_depth=float(rng.integers(5, 60)),
                sell_depth=float(rng.integers(5, 60)),
                position=float(rng.integers(-3, 3)),
                impact=impact * float(rng.uniform(0.1, 1.0)),
                lot=Decimal(lot),
            )
        )
    terms: dict[str, Any] = {
        "exposure": Exposure(
            delta=float(rng.normal(0.0, 10.0)),
            gamma_1pct=float(rng.normal(-3.0, 2.0)),
            vega_per_point=float(rng.normal(-2000.0, 1500.0)),
            vanna_per_point=float(rng.normal(0.0, 0.5)),
            volga_per_point=float(rng.normal(-10.0, 10.0)),
        ),
        "instruments": tuple(rows),
        "bounds": (
            GreekBound(greek="delta", lower=-0.5, upper=0.5, breach_cost=20_000.0),
            GreekBound(greek="gamma_1pct", lower=-2.0, upper=2.0, breach_cost=100_000.0),
            GreekBound(greek="vega_per_point", lower=-800.0, upper=800.0, breach_cost=500.0),
        ),
        "risk": RiskModel.over_horizon(
            price=SPOT,
            volatility=VOLATILITY,
            horizon_seconds=86_400.0,
            volatility_of_volatility=1.0,
            correlation=-0.3,
        ),
        "risk_aversion": 1e-5,
    }
    # A solver that is cut off by the clock gives another plan on a machine that stands still for a second.
    return HedgeProblem(**({"time_limit_seconds": 60.0} | terms | changes))


def plain_value(problem: HedgeProblem, trades: dict[str, float]) -> float:
    """Objective of trades by symbol, one sum after another; infinite where a rule is broken."""
    exposure = list(problem.exposure.values())
    cost = margin = held = cash = 0.0
    for row in problem.instruments:
        trade = trades.get(row.symbol, 0.0)
        size = abs(trade)
        unit = row.buy_cost if trade > 0 else row.sell_cost
        exposure = [total + trade * greek for total, greek in zip(exposure, row.greeks.values(), strict=True)]
        cost += size * (unit + row.impact * size)
        margin += plain_margin(row, row.position + trade)
        held += plain_margin(row, row.position)
        cash += max(trade, 0.0) * row.price
        if size > (row.buy_depth if trade > 0 else row.sell_depth) + 1e-9 or 0 < size < float(row.minimum) - 1e-9:
            return math.inf
        if row.reduce_only and size and (trade * row.position >= 0 or size > abs(row.position) + 1e-9):
            return math.inf
    if problem.margin_budget is not None and margin > max(problem.margin_budget, held) * (1 + 1e-6):
        return math.inf
    if problem.cash_budget is not None and cash + cost > problem.cash_budget * (1 + 1e-6):
        return math.inf
    total = cost + plain_risk(problem, exposure)
    for bound in problem.bounds:
        excess = bound.excess(exposure[GREEKS.index(bound.greek)])
        if excess > 1e-6 * max(abs(bound.lower), abs(bound.upper)):
            total += math.inf if bound.breach_cost is None else bound.breach_cost * excess
    return total


def plain_margin(row: HedgeInstrument, position: float) -> float:
    return position * row.margin_long if position > 0 else -position * row.margin_short


def plain_risk(problem: HedgeProblem, exposure: list[float]) -> float:
    variance = sum(
        exposure[i] * exposure[j] * problem.risk.covariance[i, j]
        for i in range(len(GREEKS))
        for j in range(len(GREEKS))
    )
    return 0.5 * problem.risk_aversion * float(variance)


def brute_force(problem: HedgeProblem) -> tuple[float, dict[str, float]]:
    """Least objective over all whole lots: every combination is tried."""
    choices = []
    for row in problem.instruments:
        lot = float(row.lot)
        counts = range(-int(row.sell_depth / lot + 1e-9), int(row.buy_depth / lot + 1e-9) + 1)
        choices.append([count * lot for count in counts])
    symbols = [row.symbol for row in problem.instruments]
    tried = (dict(zip(symbols, sizes, strict=True)) for sizes in itertools.product(*choices))
    return min(((plain_value(problem, trades), trades) for trades in tried), key=lambda pair: pair[0])


def continuous_optimum(problem: HedgeProblem) -> float:
    """Least objective in fractions of lots, by SLSQP on another formulation, from several starts.

    Variables, scaled: what is bought and sold of each instrument, the long and short position after it, and what lies
    outside each side of each bound. A convex problem, so the least of what is found is an upper bound that is tight.
    """
    rows, bounds = problem.instruments, problem.bounds
    n, b = len(rows), len(bounds)
    greeks = np.array([row.greeks.values() for row in rows])
    index = [GREEKS.index(bound.greek) for bound in bounds]
    book = np.array(problem.exposure.values())
    sigma, aversion = problem.risk.covariance, problem.risk_aversion
    depth = np.array([[row.buy_depth for row in rows], [row.sell_depth for row in rows]])
    unit_depth = np.where(depth > 0.0, depth, 1.0)
    outside = np.array(
        [max(bound.excess(book[at]), 1e-3 * abs(book[at]) + 1e-9) for at, bound in zip(index, bounds, strict=True)]
    )
    scale = np.concatenate([unit_depth[0], unit_depth[1], outside, outside])
    cost = np.array([[row.buy_cost for row in rows], [row.sell_cost for row in rows]])
    impact = np.array([row.impact for row in rows])
    breach = np.array([bound.breach_cost for bound in bounds], dtype=float)
    start_value = plain_value(problem, {}) or 1.0

    def parts(z: Any) -> tuple[Any, Any, Any, Any]:
        y = z * scale
        return y[:n], y[n : 2 * n], y[2 * n : 2 * n + b], y[2 * n + b :]

    def value(z: Any) -> float:
        buy, sell, over, under = parts(z)
        exposure = book + (buy - sell) @ greeks
        linear = cost[0] @ buy + cost[1] @ sell + impact @ (buy**2 + sell**2) + breach @ (over + under)
        return float(linear + 0.5 * aversion * exposure @ sigma @ exposure) / start_value

    def slope(z: Any) -> Any:
        buy, sell, _, _ = parts(z)
        risk = aversion * greeks @ sigma @ (book + (buy - sell) @ greeks)
        gradient = [cost[0] + 2 * impact * buy + risk, cost[1] + 2 * impact * sell - risk, breach, breach]
        return np.concatenate(gradient) * scale / start_value

    chosen = greeks[:, index].T
    upper = np.array([bound.upper for bound in bounds])
    lower = np.array([bound.lower for bound in bounds])
    size = np.maximum(np.maximum(np.abs(upper), np.abs(lower)), np.abs(book[index]))[:, None]
    eye = np.eye(b)
    rows_upper = np.hstack([-chosen, chosen, eye, 0 * eye]) * scale / size
    rows_lower = np.hstack([chosen, -chosen, 0 * eye, eye]) * scale / size
    right_upper, right_lower = (upper - book[index]) / size[:, 0], (book[index] - lower) / size[:, 0]
    constraints = [
        {"type": "ineq", "fun": lambda z: rows_upper @ z + right_upper, "jac": lambda z: rows_upper},
        {"type": "ineq", "fun": lambda z: rows_lower @ z + right_lower, "jac": lambda z: rows_lower},
    ]
    limits = [(0.0, float(size > 0)) for size in depth.ravel()] + [(0.0, None)] * (2 * b)
    best = math.inf
    for start in (0.01, 0.2):
        z = np.concatenate([np.full(2 * n, start), np.full(2 * b, 1.0)])
        for _ in range(4):
            found = minimize(
                value,
                z,
                jac=slope,
                bounds=limits,
                constraints=constraints,
                method="SLSQP",
                options={"maxiter": 2000, "ftol": 1e-15},
            )
            z = found.x
        buy, sell, _, _ = parts(np.clip(found.x, 0.0, [limit or math.inf for _, limit in limits]))
        trades = {row.symbol: float(size) for row, size in zip(rows, buy - sell, strict=True)}
        best = min(best, plain_value(problem, trades))
    return best
