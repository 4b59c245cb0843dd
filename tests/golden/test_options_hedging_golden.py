"""Golden cases of options_hedging.json: textbooks, QuantLib, Deribit; all of them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from services.core.instrument import Instrument, Kind
from services.hedging.bands import two_band, whalley_wilmott_target, zakamouline_band
from services.hedging.delta_neutral import hedge_contracts
from services.hedging.latency import LatencyBuffer
from services.hedging.neutral import neutral_trades
from services.hedging.option_strikes import strike_at_delta
from services.hedging.schedules.almgren_chriss import urgency
from services.liquidity.impact import square_root_impact
from services.options.black import Greeks, SpotGreeks, black_greeks, delta_in_convention, spot_greeks
from services.options.cosine import model_prices
from services.options.heston import Bates
from services.options.implied_volatility import ImpliedVolatility, implied_volatility
from services.options.portfolio_greeks import OptionLeg, leg_greeks
from services.options.svi import JumpWings, durrleman, from_jump_wings
from tests.golden.harness import check, covered_cases, load, unlisted
from tests.golden.volatility.implied import heston

CASES = load("options_hedging")
CONVENTIONS = {"PaSpot": "pa_spot", "PaFwd": "pa_forward", "Spot": "spot", "Fwd": "forward"}


def years(text: float | str) -> float:
    return float(Fraction(text)) if isinstance(text, str) else text


def from_spot(inputs: dict[str, Any]) -> SpotGreeks:
    terms = (inputs["S"], inputs["K"], inputs["T"], inputs["vol"], inputs["cp"])
    return spot_greeks(*terms, rate=inputs["r"], dividend_yield=inputs["q"])


def spot_price(inputs: dict[str, Any]) -> float:
    return float(from_spot(inputs).price)


def spot_greek(inputs: dict[str, Any]) -> float:
    return float(getattr(from_spot(inputs), inputs["greek"])) * inputs.get("scale", 1)


def from_forward(inputs: dict[str, Any]) -> Greeks:
    return black_greeks(inputs["F"], inputs["K"], years(inputs["T"]), inputs["vol"], inputs["cp"])


def usd_value(inputs: dict[str, Any]) -> float:
    return float(from_forward(inputs).price)


def coin_quote(inputs: dict[str, Any]) -> float:
    return usd_value(inputs) / inputs["F"]


def black_delta(inputs: dict[str, Any]) -> float:
    return float(from_forward(inputs).delta)


def premium_adjusted_delta(inputs: dict[str, Any]) -> float:
    terms = {"strike": inputs["K"], "forward": inputs["F"], "time_to_expiry": years(inputs["T"])}
    leg = OptionLeg(quantity=1, multiplier=1, right=inputs["cp"], volatility=inputs["vol"], coin_settled=True, **terms)
    return leg_greeks(leg).delta


def quoted_delta(inputs: dict[str, Any]) -> float:
    forward = inputs["S"] * inputs["df_for"] / inputs["df_dom"]
    terms = (forward, inputs["K"], 1.0, inputs["stdev"], inputs["cp"])
    convention: Any = CONVENTIONS[inputs["type"]]
    return float(delta_in_convention(*terms, convention=convention, foreign_discount=inputs["df_for"]))


def inverse_hedge(inputs: dict[str, Any]) -> float:
    """USD notional of the hedge, ten dollars a contract."""
    perpetual = Instrument(symbol="BTC-PERPETUAL", kind=Kind.INVERSE, contract_multiplier=10.0, lot=Decimal(1))
    delta = sum(leg["qty"] * (leg["delta"] - leg["mark"]) for leg in inputs["legs"])
    return float(hedge_contracts(-delta, perpetual, inputs["hedge_price"])) * perpetual.contract_multiplier


def deribit_mark(inputs: dict[str, Any]) -> list[float]:
    terms = {"strike": inputs["K"], "forward": inputs["F"], "time_to_expiry": inputs["T"]}
    greeks = leg_greeks(OptionLeg(quantity=1, multiplier=1, right=inputs["cp"], volatility=inputs["mark_iv"], **terms))
    return [greeks.value / inputs["F"], greeks.delta_black]


def call_deltas(inputs: dict[str, Any]) -> list[float]:
    spot = np.exp(inputs["log_moneyness"])
    return list(spot_greeks(spot, 1.0, inputs["T"], inputs["vol"], 1).delta)


def heston_price(inputs: dict[str, Any]) -> float | list[float]:
    """Put and call where the case has one strike without a side: as Alan Lewis printed them."""
    sides: Any = inputs.get("cp", [-1, 1] if inputs["S"] == 100 and inputs["rho"] == -0.5 else 1)
    prices = heston(inputs, inputs, inputs.get("strikes", inputs.get("K")), sides)
    found: float | list[float] = np.asarray(prices).tolist()
    return found


def strike_of_delta(inputs: dict[str, Any]) -> list[float]:
    """The strike, and its delta again."""
    terms = (years(inputs["T"]), inputs["vol"], 1)
    strike = strike_at_delta(inputs["F"], *terms, inputs["delta"])
    return [float(strike), float(black_greeks(inputs["F"], strike, *terms).delta)]


def bates_price(inputs: dict[str, Any]) -> float:
    model = Bates(
        initial_variance=inputs["v0"], mean_reversion=inputs["kappa"], long_run_variance=inputs["theta"],
        volatility_of_variance=inputs["sigma"], correlation=inputs["rho"], jump_intensity=inputs["lam"],
        jump_mean=inputs["muJ"], jump_volatility=inputs["sigJ"],
    )  # fmt: skip
    time, discount = inputs["T"], np.exp(-inputs["r"] * inputs["T"])
    forward = inputs["S"] * np.exp(-inputs["q"] * time) / discount
    return float(model_prices(model, forward, inputs["K"], time, 1, discount=discount))


def optimal_urgency(inputs: dict[str, Any]) -> float:
    return urgency(inputs["lam"], inputs["sigma"], inputs["eta"], inputs["gamma"], inputs["T"] / inputs["N"])


def neutral_hedge(inputs: dict[str, Any]) -> list[float]:
    """Options first, the underlying last."""
    options = [inputs[name] for name in ("opt", "opt1", "opt2") if name in inputs]
    columns = [*options, {"delta": 1.0}]
    greeks = [[column.get(greek, 0.0) for column in columns] for greek in inputs["portfolio"]]
    return neutral_trades(list(inputs["portfolio"].values()), greeks).tolist()


def impact_bps(inputs: dict[str, Any]) -> float:
    terms = {"average_daily_volume": inputs["ADV"], "daily_volatility": inputs["sigma_daily"]}
    return float(square_root_impact(inputs["Q"], coefficient=inputs["Y"], **terms)) * 1e4


def latency_buffer(inputs: dict[str, Any]) -> float:
    buffer = LatencyBuffer(confidence_factor=inputs["z"])
    return buffer.of(inputs["gamma"], inputs["S"], inputs["vol"], inputs["latency_s"]).delta


def inverted(inputs: dict[str, Any]) -> ImpliedVolatility:
    price = np.nan if inputs["price"] is None else inputs["price"]
    return implied_volatility(price, inputs["F"], inputs["K"], inputs["T"], inputs["cp"], discount=inputs["df"])


def least_density(inputs: dict[str, Any]) -> float:
    low, high, count = inputs["k_grid"].removeprefix("linspace(").removesuffix(")").split(",")
    return float(durrleman(inputs["raw"], np.linspace(float(low), float(high), int(count))).min())


def raw_of_wings(inputs: dict[str, Any]) -> list[float]:
    return list(from_jump_wings(JumpWings(*inputs["jw"]), inputs["T"]))


def whalley_wilmott(inputs: dict[str, Any]) -> list[float]:
    spot = inputs["K"] * np.exp(inputs["log_moneyness"])
    option = spot_greeks(spot, inputs["K"], inputs["T"], inputs["vol"], 1)
    terms = {"cost_rate": inputs["cost"], "risk_aversion": inputs["a"]}
    return list(whalley_wilmott_target(option.delta, option.gamma, spot, inputs["prev_hedge"], **terms))


def band(inputs: dict[str, Any]) -> list[float]:
    costs = {"cost_rate": inputs["lam"], "fixed_cost": inputs["k"], "risk_aversion": inputs["risk_aversion"]}
    return [float(width) for width in two_band(inputs["gamma"], inputs["S"], **costs)]


def band_residuals(inputs: dict[str, Any]) -> list[float]:
    """The widths of the case and ours both solve the two equations."""
    outer, inner = band(inputs)
    assert (outer, inner) == pytest.approx((inputs["outer"], inputs["inner"]), abs=1e-9)
    total, gap = outer + inner, outer - inner
    unit = 12.0 * inputs["gamma"] ** 2 / inputs["risk_aversion"]
    first = total * (total**2 - gap**2) - unit * inputs["lam"] * inputs["S"]
    return [first, total * gap**3 - unit * inputs["k"]]


def zakamouline(inputs: dict[str, Any]) -> list[float]:
    terms = {"volatility": inputs["vol"], "time_to_expiry": inputs["T"], "rate": inputs["r"]}
    costs = {"cost_rate": inputs["lam"], "risk_aversion": inputs["risk_aversion"]}
    return [float(term) for term in zakamouline_band(inputs["gamma"], inputs["S"], **terms, **costs)]


COVERED = {
    "sqrt_impact_bps": impact_bps,
    "latency_buffer_delta": latency_buffer,
    "iv_roundtrip_": lambda inputs: float(inverted(inputs).volatility),
    "iv_status_": lambda inputs: int(inverted(inputs).status),
    "lewis_heston_": heston_price,
    "fang_oosterlee_T1": heston_price,
    "ql_cos_heston": heston_price,
    "kahl_jaeckel": heston_price,
    "ql_all_integrations": heston_price,
    "wilmott_heston_T0.7": heston_price,
    "bates_limit_merton": bates_price,
    "haug_price_": spot_price,
    "haug_": spot_greek,
    "inverse_usd_value": usd_value,
    "inverse_coin_quote": coin_quote,
    "inverse_black_delta": black_delta,
    "inverse_premium_adjusted_delta": premium_adjusted_delta,
    "ql_delta_": quoted_delta,
    "paradigm_deribit_hedge_usd": inverse_hedge,
    "almgren_chriss_kappa": optimal_urgency,
    "hull_gamma": neutral_hedge,
    "hull_gamma_vega": neutral_hedge,
    "vogt_g_min_negative": least_density,
    "vogt_fixed_raw": raw_of_wings,
    "pfhedge_bs_delta_nocost": call_deltas,
    "pfhedge_ww_cost1e-5": whalley_wilmott,
    "band_mixed_residuals": band_residuals,
    "band_": band,
    "zakamouline_H0_H1_K": zakamouline,
    "deribit_live_BTC-25JUN27-68000-P": deribit_mark,
    "deribit_live_ETH-26MAR27-2800-P": deribit_mark,
    "covered_call_strike_10delta": strike_of_delta,
}


@pytest.mark.parametrize("case", covered_cases(CASES, COVERED), ids=lambda case: case["id"])
def test_golden_case(case: dict[str, Any]) -> None:
    check(case, COVERED)


def test_every_case_is_computed() -> None:
    assert unlisted(CASES, COVERED, {}) == []
