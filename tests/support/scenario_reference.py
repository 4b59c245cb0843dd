"""Scenario margin of one underlying, one option and one scenario at a time: slow, and written from the rules alone.

It shares nothing with `services.margin`: a portfolio and its parameters are plain dictionaries, as in
`tests/golden/margin.json`, prices come from `math.erfc`, and every scenario is a list ``[shock, volatility, damping]``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

YEAR = 31_536_000.0
MONTH, DAY, WINDOW = 30 * 86_400.0, 86_400.0, 1_800.0


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def option_value(forward: float, strike: float, years: float, volatility: float, kind: str, discount: float) -> float:
    sign = 1.0 if kind == "call" else -1.0
    if years <= 0.0 or volatility <= 0.0:
        return discount * max(sign * (forward - strike), 0.0)
    total = volatility * math.sqrt(years)
    d1 = math.log(forward / strike) / total + 0.5 * total
    return discount * sign * (forward * normal(sign * d1) - strike * normal(sign * (d1 - total)))


@dataclass
class Expiry:
    """Options of one expiry, and what they are priced with."""

    seconds: float
    forward: float
    rate: float
    confidence: float
    options: list[dict[str, Any]] = field(default_factory=list)

    @property
    def years(self) -> float:
        return max(self.seconds, 0.0) / YEAR

    @property
    def discount(self) -> float:
        return math.exp(-max(self.rate, 0.0) * self.years)

    def shocked_forward(self, shock: float) -> float:
        alive = min(max(self.seconds, 0.0) / WINDOW, 1.0)
        return self.forward * alive * shock + self.forward * (1.0 - alive)

    def value(self, shock: float, volatilities: list[float]) -> float:
        forward = self.shocked_forward(shock)
        return sum(
            option["qty"]
            * option_value(forward, option["strike"], self.years, volatility, option["type"], self.discount)
            for option, volatility in zip(self.options, volatilities, strict=True)
        )

    @property
    def volatilities(self) -> list[float]:
        return [option["vol"] for option in self.options]

    @property
    def now(self) -> float:
        return self.value(1.0, self.volatilities)


def shocked_volatilities(expiry: Expiry, state: str, parameters: dict[str, Any]) -> list[float]:
    ratio = MONTH / max(expiry.seconds, parameters["dte_floor_days"] * DAY)
    power = parameters["pow_short"] if expiry.seconds <= MONTH else parameters["pow_long"]
    if state == "up":
        factor = 1.0 + parameters["vol_up"] * ratio**power
        return [max(parameters["min_up_vol"], volatility * factor) for volatility in expiry.volatilities]
    if state == "down":
        factor = max(0.0, 1.0 - parameters["vol_dn"] * ratio**power)
        return [volatility * factor for volatility in expiry.volatilities]
    return expiry.volatilities


def skewed_volatilities(expiry: Expiry, kind: str, skew: dict[str, float]) -> list[float]:
    root = math.sqrt(expiry.years)
    prefix = "lin" if kind == "linear" else "abs"
    cap = skew[f"{prefix}_base"] * root + skew[f"{prefix}_cap"]
    turn = max(skew["min_k_star"], root * skew["width"] * (skew["vol_static"] + skew["vol_scale"] * root))
    found = []
    for option in expiry.options:
        moneyness = math.log(option["strike"] / expiry.forward)
        if kind != "linear":
            moneyness = abs(moneyness)
        change = min(max(moneyness * cap / turn, -cap), cap)
        found.append(option["vol"] * max(0.0, 1.0 + change))
    return found


def static_discounted(value: float, expiry: Expiry, static: dict[str, float] | None) -> float:
    if static is None:
        return value
    rate, years = max(expiry.rate, 0.0), expiry.years
    if value >= 0.0:
        return value * static["pos"] * math.exp(-years * (rate * static["long_mult"] + static["long_add"]))
    grown = static["neg"] * math.exp(years * (rate * static["short_mult"] + static["short_add"]))
    return value * min(1.0 / expiry.discount, grown)


def scenario_rows(parameters: dict[str, Any]) -> list[tuple[float, str, float]]:
    rows = []
    for multiple in parameters["grid"]:
        shock = 1.0 + multiple * parameters["price_range"]
        ends = abs(multiple) == max(abs(other) for other in parameters["grid"])
        rows += [(shock, state, 1.0) for state in (("up",) if ends else ("down", "none", "up"))]
    return rows + [(1.0 + move, "up", damping) for move, damping in parameters["tails"]]


def reference_margin(portfolio: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Net initial and maintenance margin, the P&L of every scenario, and the parts."""
    spot, stable = portfolio["spot"], portfolio.get("stable", 1.0)
    expiries = _expiries(portfolio)
    perpetual, price = portfolio.get("perp_qty", 0.0), portfolio.get("perp_price", spot)
    collateral = portfolio.get("collateral", [])
    cancelling = sum(c["amount"] * c["price"] / stable for c in collateral if c.get("risk_cancelling"))
    rows = scenario_rows(parameters)
    pnl = [
        (shock - 1.0) * (perpetual * price + cancelling) * damping
        + sum(_change(expiry, shock, state, parameters) for expiry in expiries) * damping
        for shock, state, damping in rows
    ]
    if parameters.get("skew"):
        pnl += [-sum(abs(_skew_change(e, kind, parameters)) for e in expiries) for kind in ("linear", "absolute")]
    basis = parameters["basis"]
    basis_loss = sum(
        min(*(e.value(basis[side], e.volatilities) - e.now for side in ("up", "dn")), 0.0)
        * (basis["add"] + basis["mult"] * e.years)
        for e in expiries
    )
    initial, maintenance = _contingencies(portfolio, parameters, expiries)
    marked = sum(e.now for e in expiries) + portfolio.get("perp_upnl", 0.0) + portfolio.get("funding", 0.0)
    marked += sum(c["amount"] * c["price"] / stable for c in collateral)
    worst, contingency = min(basis_loss, *pnl), parameters["cont"]
    peg = max(0.0, contingency["peg_thr"] - stable) * contingency["peg_factor"]
    equity = marked + portfolio["cash"]
    return {
        "net_im": worst * (parameters["im_factor"] + peg) - initial - maintenance + equity,
        "net_mm": worst * parameters["mm_factor"] - maintenance + equity,
        "scenario_pnl": pnl,
        "worst": worst,
        "basis": basis_loss,
        "equity": equity,
    }


def _expiries(portfolio: dict[str, Any]) -> list[Expiry]:
    found = [
        Expiry(feed["expiry_s"], feed["forward"], feed["rate"], feed.get("conf", 1.0))
        for feed in portfolio.get("feeds", [])
    ]
    for option in portfolio.get("options", []):
        next(e for e in found if e.seconds == option["expiry_s"]).options.append(option)
    return [expiry for expiry in found if expiry.options]


def _change(expiry: Expiry, shock: float, state: str, parameters: dict[str, Any]) -> float:
    value = expiry.value(shock, shocked_volatilities(expiry, state, parameters))
    return static_discounted(value, expiry, parameters["static"]) - expiry.now


def _skew_change(expiry: Expiry, kind: str, parameters: dict[str, Any]) -> float:
    value = expiry.value(1.0, skewed_volatilities(expiry, kind, parameters["skew"]))
    return static_discounted(value, expiry, parameters["static"]) - expiry.now


def _contingencies(
    portfolio: dict[str, Any], parameters: dict[str, Any], expiries: list[Expiry]
) -> tuple[float, float]:
    rates, spot, stable = parameters["cont"], portfolio["spot"], portfolio.get("stable", 1.0)
    notional = abs(portfolio.get("perp_qty", 0.0)) * spot
    initial, maintenance = rates["im_perp"] * notional, rates["mm_perp"] * notional
    confidence = portfolio.get("spot_conf", 1.0)
    for item in portfolio.get("collateral", []):
        value = item["amount"] * item["price"] / stable
        initial += item["im_haircut"] * value + _doubt(min(item.get("conf", 1.0), confidence), value, rates)
        maintenance += item["mm_haircut"] * value
    if notional:
        confidence = min(confidence, portfolio.get("perp_conf", 1.0))
        initial += _doubt(confidence, notional, rates)
    for expiry in expiries:
        by_strike: dict[float, list[float]] = {}
        for option in expiry.options:
            by_strike.setdefault(option["strike"], []).append(option["qty"])
        naked = 0.0
        for quantities in by_strike.values():
            short, long = -sum(q for q in quantities if q < 0.0), sum(q for q in quantities if q > 0.0)
            naked += short - min(short, long)
        initial += rates["im_opt"] * naked * spot
        maintenance += rates["mm_opt"] * naked * spot
        gross = sum(abs(option["qty"]) for option in expiry.options) * spot
        initial += _doubt(min(confidence, expiry.confidence), gross, rates)
    return initial, maintenance


def _doubt(confidence: float, notional: float, rates: dict[str, float]) -> float:
    return (1.0 - confidence) * rates["conf_margin"] * notional if confidence < rates["conf_thr"] else 0.0
