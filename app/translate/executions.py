"""Fills and orders of the record as executions of the core, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.translate.answer import stat
from services.liquidity.impact_fit import ImpactFit, fit_impact
from services.liquidity.shortfall import Execution, adherence_of, shortfall_of

DAYS_OF_YEAR = 365.0
Json = Mapping[str, Any]
DEFAULT_COEFFICIENT = 1.0


def matched_order(answer: Json, order: Json) -> dict[str, Any]:
    """Order of a recorded decision with what is needed to judge its fills."""
    target: Json = next((row for row in answer["targets"] if _identity(row) == _identity(order)), {})
    cost: Json = target.get("expected_cost") or {}
    costs: Json = (answer.get("policy_resolved") or {}).get("costs") or {}
    coefficient, notional = costs.get("impact_coefficient"), float(cost.get("notional") or 0)
    predicted = {name: _rate(cost, name, notional) for name in ("fee", "spread", "impact")}
    if not cost.get("impact_known"):
        predicted["impact"] = None
    volatility = target.get("volatility")
    traded = abs(float(target.get("order_quantity") or 0))
    scale = None
    if predicted["impact"] and coefficient and traded > 0.0:
        # That of the row, of which the order may be a part.
        scale = predicted["impact"] / coefficient * min(float(order["quantity"]) / traded, 1.0) ** 0.5
    return {
        "client_order_id": order["client_order_id"],
        "evaluation_id": answer["evaluation_id"],
        "symbol": order["symbol"],
        "venue": order.get("venue"),
        "side": order["side"],
        "quantity": order["quantity"],
        "quantity_unit": order["quantity_unit"],
        "valid_until": order["valid_until"],
        "decision_price": target["price_used"]["value"] if "price_used" in target else None,
        "predicted_fee": stat(predicted["fee"]),
        "predicted_spread": stat(predicted["spread"]),
        "predicted_impact": stat(predicted["impact"]),
        "daily_volatility": stat(volatility["annual"] / DAYS_OF_YEAR**0.5) if volatility else None,
        "impact_scale": stat(scale),
        "impact_coefficient": coefficient,
    }


def _rate(cost: Json, name: str, notional: float) -> float | None:
    return float(cost[name]) / notional if notional > 0.0 else None


def _identity(row: Json) -> tuple[Any, ...]:
    return row["symbol"], row.get("venue"), row.get("account_id"), row.get("position_side")


def executions_of(orders: Mapping[str, Json], fills: Iterable[Json]) -> list[tuple[Json, Execution]]:
    """Each order with fills, and its execution, in the order of their first fills."""
    by_order: dict[str, list[Json]] = {}
    for fill in fills:
        by_order.setdefault(fill["client_order_id"], []).append(fill)
    return [(orders[name], _execution(orders[name], rows)) for name, rows in by_order.items() if name in orders]


def _execution(order: Json, fills: Sequence[Json]) -> Execution:
    own = [fill for fill in fills if fill["side"] == order["side"]]
    until = datetime.fromisoformat(order["valid_until"])
    ordered, filled = Decimal(order["quantity"]), _total(own)
    late = [fill for fill in own if datetime.fromisoformat(fill["executed_at"]) > until]
    scale = order["impact_scale"]
    share = float(filled / ordered) if ordered else 0.0
    return Execution(
        side=1 if order["side"] == "buy" else -1,
        ordered=float(ordered),
        filled=float(filled),
        late=float(_total(late)),
        wrong_side=float(_total([fill for fill in fills if fill["side"] != order["side"]])),
        decision_price=_number(order["decision_price"]),
        average_price=_weighted(own, [float(_decimal(fill["price"])) for fill in own]) or 0.0,
        arrival_price=_weighted(own, [_number(fill.get("arrival_price")) for fill in own]),
        half_spread=_weighted(own, [_half_spread(fill) for fill in own]),
        fee_rate=_weighted(own, [_number(fill.get("fee_rate")) for fill in own]),
        predicted_fee=order["predicted_fee"],
        predicted_spread=order["predicted_spread"],
        predicted_impact=order["predicted_impact"],
        daily_volatility=order["daily_volatility"],
        impact_scale=scale * share**0.5 if scale is not None else None,
    )


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value))


def _number(value: Any) -> float | None:
    return None if value is None else float(_decimal(value))


def _half_spread(fill: Json) -> float | None:
    spread, price = _number(fill.get("spread")), _number(fill.get("arrival_price") or fill["price"])
    return None if spread is None or not price else 0.5 * spread / price


def _total(fills: Iterable[Json]) -> Decimal:
    return sum((_decimal(fill["quantity"]) for fill in fills), Decimal(0))


def _weighted(fills: Sequence[Json], values: Sequence[float | None]) -> float | None:
    """Mean weighted by quantity; None where a fill does not say it."""
    weights = [float(_decimal(fill["quantity"])) for fill in fills]
    known = [value for value in values if value is not None]
    if not fills or len(known) < len(fills):
        return None
    return sum(weight * value for weight, value in zip(weights, known, strict=True)) / sum(weights)


def market_rows(executions: Sequence[tuple[Json, Execution]]) -> list[dict[str, Any]]:
    """Adherence and shortfall of each market."""
    groups: dict[tuple[str, str, str], list[Execution]] = {}
    for order, execution in executions:
        groups.setdefault((order["symbol"], order["venue"] or "", order["quantity_unit"]), []).append(execution)
    return [
        {
            "symbol": symbol,
            "venue": venue or None,
            "adherence": adherence_row(rows),
            "shortfall": _rounded(shortfall_of(rows)),
        }
        for (symbol, venue, _), rows in sorted(groups.items())
    ]


def adherence_row(executions: Sequence[Execution]) -> dict[str, Any] | None:
    """Adherence of orders; None without one."""
    return _rounded(adherence_of(executions))


def _rounded(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    return {name: stat(value) if isinstance(value, float) else value for name, value in asdict(found).items()}


def fits_by_venue(executions: Sequence[tuple[Json, Execution]]) -> dict[str, tuple[ImpactFit | None, float]]:
    """Fit and prior of each venue that orders were filled at."""
    groups: dict[str, list[tuple[Json, Execution]]] = {}
    for order, execution in executions:
        groups.setdefault(order["venue"] or "", []).append((order, execution))
    found = {}
    for venue, rows in groups.items():
        prior = next((o["impact_coefficient"] for o, _ in reversed(rows) if o["impact_coefficient"]), None)
        prior = DEFAULT_COEFFICIENT if prior is None else prior
        found[venue] = fit_impact([execution for _, execution in rows], prior=prior), prior
    return found


def fit_rows(fits: Mapping[str, tuple[ImpactFit | None, float]]) -> list[dict[str, Any]]:
    """Fits that there are."""
    return [
        {
            "venue": venue or None,
            "orders": fit.orders,
            "estimate": stat(fit.estimate),
            "standard_error": stat(fit.standard_error),
            "prior": stat(prior),
            "coefficient": stat(fit.coefficient),
            "interval": [stat(end) for end in fit.interval],
        }
        for venue, (fit, prior) in sorted(fits.items())
        if fit is not None
    ]


def feedback_of(fits: Mapping[str, tuple[ImpactFit | None, float]], *, may_loosen: bool) -> dict[str, Any] | None:
    """What evaluations are given: the largest coefficient of all venues, for one policy has one.

    It may loosen only where every venue that was traded at has a fit.
    """
    known = {venue: fit for venue, (fit, _) in fits.items() if fit is not None}
    if not known:
        return None
    return {
        "coefficient": stat(max(fit.coefficient for fit in known.values())),
        "venues": sorted(known),
        "orders": sum(fit.orders for fit in known.values()),
        "may_loosen": may_loosen and len(known) == len(fits),
    }
