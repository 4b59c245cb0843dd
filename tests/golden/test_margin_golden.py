"""Golden cases of margin.json: peers' own tests and two-route values, by id; all of them."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from services.core.control import BreakerState
from services.guards.breakers import Breakers, Reading, advance
from services.margin.allocation import allocate
from services.margin.allocation_terms import AllocationPolicy, Asset, Balance, Route, Venue
from services.margin.assembly import requirement
from services.margin.coverage import kupiec, traffic_light
from services.margin.filtered_returns import Scaling, ewma_variances, losses_of, scenario_returns, tail_loss
from services.margin.haircuts import VolatilityHaircut, cap_scaled_weight, size_discounted_weight
from services.margin.liquidation import (
    distance_in_sigmas,
    liquidation_price_inverse,
    liquidation_price_linear,
    touch_probability,
)
from services.margin.liquidation_waterfall import partial_liquidation_size
from services.margin.max_position import margin_budget, max_contracts_for_distance, max_contracts_for_margin_budget
from services.margin.methods.lognormal_expected_shortfall import LognormalExpectedShortfall
from services.margin.procyclicality import AntiProcyclicality
from services.margin.scenario_book import ExpiryFeed, LinearColumns, ScenarioBook, UnderlyingBook
from services.margin.scenario_margin import scenario_margin
from services.margin.scenario_netting import netted_rows, roll_shock
from services.margin.scenario_presets import SPAN16
from services.margin.size_addons import LinearAddon, SqrtAddon
from services.margin.view import MarginView
from services.risk.contagion import gaussian_delta_covar, propagate, quantile_regression
from services.risk.tails import expected_shortfall_multiple
from tests.golden.harness import check, covered_cases, load, unlisted
from tests.support.scenario_books import book_from, option_columns, preset_from

CASES = load("margin")
DAYS = 365.0


def weight_by_size(inputs: dict[str, Any]) -> dict[str, Any]:
    """Drift keeps weights as integers of 1e-4, rounded down; sizes have nine decimals."""
    if inputs["kind"] == "asset":
        return asset_weight({**inputs, "upnl_1e6": inputs["size_1e9"] / 1e3})
    addon = SqrtAddon(coefficient=inputs["imf_factor_1e6"] / 1e6)
    return {"weight_1e4": math.floor(addon.rate(inputs["weight_1e4"] / 1e4, inputs["size_1e9"] / 1e9) * 1e4)}


def asset_weight(inputs: dict[str, Any]) -> dict[str, Any]:
    found = size_discounted_weight(inputs["weight_1e4"] / 1e4, inputs["upnl_1e6"] / 1e6, inputs["imf_factor_1e6"] / 1e6)
    return {"weight_1e4": math.floor(float(found) * 1e4)}


def scaled_weight(inputs: dict[str, Any]) -> dict[str, Any]:
    deposits, cap = inputs["total_deposit_value_usd"], inputs["scale_start_usd"]
    return {"weight_1e4": round(float(cap_scaled_weight(inputs["weight_1e4"], deposits, cap)), 9)}


def liability_transfer(inputs: dict[str, Any]) -> dict[str, Any]:
    size = partial_liquidation_size(
        inputs["margin_shortage"],
        inputs["price"],
        inputs["liab_weight"],
        asset_weight=inputs["asset_weight"],
        asset_multiplier=inputs["asset_mult"],
        liability_multiplier=inputs["liab_mult"],
        insurance_fee=inputs["if_fee"],
    )
    return {"liability_transfer": size}


def haircut(inputs: dict[str, Any]) -> float:
    policy = VolatilityHaircut(
        tail_multiple=inputs["k"],
        liquidation_seconds=inputs["hours"] * 3_600.0,
        impact=inputs["impact"],
        peg_threshold=inputs.get("peg_threshold", 0.99),
        peg_factor=inputs.get("peg_factor", 2.0),
    )
    found = policy.haircuts(
        inputs["sigma"],
        floor=inputs["floor"],
        spread=inputs["spread"],
        size_quote=inputs["size_usd"],
        average_daily_volume=inputs["adv_usd"],
        peg_price=inputs.get("price", math.inf),
    )
    return float(found.maintenance)


def equal_safety(inputs: dict[str, Any]) -> dict[str, Any]:
    unit = Decimal("0.0000000001")
    venues = [
        Venue(name=str(place), equity=item["E"], maintenance=item["MM"], loss_per_sigma=item["k"])
        for place, item in enumerate(inputs["venues"])
    ]
    balances = [Balance(venue=item.name, asset="USD", withdrawable=Decimal(str(item.equity))) for item in venues]
    routes = [
        Route(source=one.name, destination=other.name, asset="USD")
        for one in venues
        for other in venues
        if one is not other
    ]
    plan = allocate(venues, [Asset(name="USD", unit=unit)], balances, routes, AllocationPolicy())
    return {"z": plan.safety_after, "equity": [row.equity_after for row in plan.venues]}


def network_equity(inputs: dict[str, Any]) -> list[float]:
    columns = (inputs[name] for name in ("equity", "exposures_i_holds_claim_on_j", "shock"))
    found: list[float] = propagate(*(np.array(column, dtype=np.float64) for column in columns)).equity.tolist()
    return found


def gaussian_tail(inputs: dict[str, Any]) -> float:
    return gaussian_delta_covar(inputs["rho"], inputs["sigma_system"], inputs["alpha"])


def tail_regression(inputs: dict[str, Any]) -> dict[str, Any]:
    line = quantile_regression(np.array(inputs["x"]), np.array(inputs["y"]), inputs["tau"])
    return {"objective": line.objective, "alpha": line.intercept, "beta": line.slope}


def isolated_entry_basis(inputs: dict[str, Any]) -> dict[str, Any]:
    sign = 1.0 if inputs["side"] == "long" else -1.0
    return {
        "liq": liquidation_price_linear(
            equity_quote=inputs["entry"] / inputs["leverage"],
            base_quantity=sign,
            mark=inputs["entry"],
            tiers=[(0.0, inputs["mmr"], 0.0)],
            maintenance_basis="entry",
            entry_price=inputs["entry"],
        )
    }


def shortfall_multiple(inputs: dict[str, Any]) -> float:
    name = inputs["dist"].removesuffix("_unit_variance")
    return expected_shortfall_multiple(name, inputs["alpha"], float(inputs.get("nu", 4)))


def shortfall_factor(inputs: dict[str, Any]) -> dict[str, Any]:
    model = LognormalExpectedShortfall(alpha=1.0 - inputs["lam"], horizon_days=inputs["horizon_y"] * DAYS)
    long, short = model.rates(MarginView.of(inputs["sigma_ann"]))
    return {"long": float(long), "short": float(short)}


def tiered_liquidation(inputs: dict[str, Any]) -> float | None:
    return liquidation_price_linear(
        equity_quote=inputs["wallet"],
        base_quantity=inputs["qty"],
        mark=inputs["entry"],
        tiers=[tuple(tier) for tier in inputs["tiers"]],
    )


def inverse_liquidation(inputs: dict[str, Any]) -> float | None:
    return liquidation_price_inverse(
        equity_coin=inputs["margin_coin"],
        contracts_quote=inputs["side"] * inputs["contracts_usd"],
        mark=inputs["entry"],
        maintenance_rate=inputs["mmr"],
    )


def distance(inputs: dict[str, Any]) -> dict[str, Any]:
    position = (inputs["price"], inputs["liq"], inputs["sigma_ann"], inputs["horizon_y"] * DAYS)
    return {"distance_sigma": distance_in_sigmas(*position), "touch_prob": touch_probability(*position)}


def budget_with_linear_addon(inputs: dict[str, Any]) -> float:
    budget = margin_budget(inputs["equity"], inputs["other_im"], inputs["max_utilisation"])
    addon = LinearAddon(per_contract=inputs["imr_per_unit"])
    return float(max_contracts_for_margin_budget(budget, inputs["price"], inputs["imr_base"], size_addon=addon))


def distance_cap(inputs: dict[str, Any]) -> float:
    return float(
        max_contracts_for_distance(
            inputs["free_equity"],
            inputs["price"],
            inputs["sigma_h"] * DAYS**0.5,
            inputs["mmr"],
            inputs["min_distance_sigma"],
            side=1 if inputs["side"] == "long" else -1,
        )
    )


def sqrt_addon(inputs: dict[str, Any]) -> list[float]:
    return list(SqrtAddon(coefficient=inputs["imf"]).rate(inputs["im"], inputs["qty"]))


def order_aware(inputs: dict[str, Any]) -> float:
    answer = requirement(
        inputs["pos"],
        inputs["price"],
        inputs["f_long"],
        inputs["f_short"],
        open_buys=inputs["buys"],
        open_sells=inputs["sells"],
        funding_per_contract=inputs["funding_per_unit"],
    )
    return float(answer.initial)


def scenario_portfolio(inputs: dict[str, Any]) -> dict[str, Any]:
    found = scenario_margin(book_from(inputs["portfolio"]), preset_from(inputs["parameters"]))
    return {
        "net_im": found.net_initial,
        "net_mm": found.net_maintenance,
        "scenario_pnl": found.underlyings[0].pnl.tolist(),
    }


def netting(inputs: dict[str, Any]) -> dict[str, Any]:
    rows = netted_rows(*([one[name] for one in inputs["underlyings"]] for name in ("pnl", "offset")))
    return {"per_scenario": rows.tolist(), "worst": float(rows.min())}


def roll(inputs: dict[str, Any]) -> float:
    positions, years = zip(*inputs["positions_usd_years"], strict=True)
    return roll_shock(positions, years, least=inputs["min_annualised_move"], risk=inputs["annualised_move_risk"])


def risk_array(inputs: dict[str, Any]) -> dict[str, Any]:
    """Losses are positive there, and the worst one is counted from 1. A leg without strike is a future."""
    forward, seconds = inputs["forward"], 0.25 * DAYS * 86_400.0
    preset = replace(
        SPAN16,
        price_range=inputs["price_scan_range"] / forward,
        volatility=replace(SPAN16.volatility, up=inputs["vol_scan_range_abs"], down=inputs["vol_scan_range_abs"]),
    )
    assert [leg["t"] for leg in inputs["legs"]] == [0.25, 0.25, None]
    options = [leg | {"expiry_s": seconds, "type": "call"} for leg in inputs["legs"] if leg["strike"] is not None]
    futures = sum(leg["qty"] for leg in inputs["legs"] if leg["strike"] is None)
    book = UnderlyingBook(
        name="X",
        spot=forward,
        expiries=(ExpiryFeed(seconds=seconds, forward=forward),),
        options=option_columns(options),
        linear=replace(LinearColumns.perpetual(futures, forward), seconds=np.array([seconds])),
    )
    found = scenario_margin(ScenarioBook(underlyings=(book,)), preset)
    assert found.scenario is not None
    return {
        "risk_array": (-found.pnl).tolist(),
        "scan_risk": -found.worst,
        "worst": float(found.scenario + 1),
    }


def filtered_scenarios(inputs: dict[str, Any]) -> dict[str, Any]:
    returns = np.array(inputs["returns"])
    volatility = np.sqrt(ewma_variances(returns, inputs["lam"], inputs["var0"]))
    names: dict[str, Scaling] = {"none": "none", "mid": "half", "full": "full"}
    moves = scenario_returns(returns, volatility[:-1], volatility[-1], names[inputs["scaling"]])
    losses = losses_of(moves, 1 if inputs["side"] == "long" else -1)
    return {"scenarios": moves.tolist(), "es": float(tail_loss(losses, inputs["alpha"], "expected_shortfall"))}


def buffered_path(inputs: dict[str, Any]) -> list[float]:
    rules = AntiProcyclicality(buffer=inputs["buffer"], rebuild=inputs["rebuild_per_step"])
    return list(rules.path(np.array(inputs["base"], dtype=float)))


def stress_and_floor(inputs: dict[str, Any]) -> float:
    rules = AntiProcyclicality(stress_weight=inputs["w"], long_run_floor=True)
    return float(rules.base(inputs["base"], stressed=inputs["stress"], floor=inputs["floor10y"]))


def proportion_of_failures(inputs: dict[str, Any]) -> dict[str, Any]:
    found = kupiec(int(inputs["breaches"]), int(inputs["n"]), inputs["p"])
    return {"LR": found.statistic, "p_value": found.p_value}


def traffic_lights(inputs: dict[str, Any]) -> list[str]:
    return [traffic_light(int(breaches), int(inputs["n"]), inputs["p"]) for breaches in inputs["breaches"]]


def breaker_trace(inputs: dict[str, Any]) -> list[str]:
    """The trace gives an exit and a dwell to levels that have none: normal is not left downwards, flatten latches."""
    rules = Breakers(
        enter=tuple(inputs["enter"][1:]), leave=tuple(inputs["exit"][1:4]), dwell_seconds=tuple(inputs["dwell_s"][1:4])
    )
    state, levels, start = BreakerState(), [], datetime(2026, 1, 1, tzinfo=UTC)
    for seconds, ratio in inputs["trace_time_marginratio"]:
        state = advance(state, Reading(ratio), start + timedelta(seconds=seconds), rules).state
        levels.append(inputs["levels"][state.level])
    return levels


COVERED = {
    "drift.weight.": weight_by_size,
    "drift.upnl.": asset_weight,
    "drift.scaled_asset.": scaled_weight,
    "drift.liab_transfer.": liability_transfer,
    "haircut.": haircut,
    "xvenue.": equal_safety,
    "debtrank.": network_equity,
    "covar.gaussian": gaussian_tail,
    "covar.quantreg": tail_regression,
    "jesse.iso.long": isolated_entry_basis,
    "es_mult.": shortfall_multiple,
    "own.es_factor.": shortfall_factor,
    "own.size_sqrt": sqrt_addon,
    "own.order_aware": order_aware,
    "own.scenario_pm.": scenario_portfolio,
    "own.netting": netting,
    "own.roll_shock": roll,
    "own.span16": risk_array,
    "liq.linear.": tiered_liquidation,
    "liq.inverse.": inverse_liquidation,
    "distance.": distance,
    "maxpos.linear_addon": budget_with_linear_addon,
    "maxpos.distance_cap": distance_cap,
    "fhs.": filtered_scenarios,
    "apc.buffer_path": buffered_path,
    "apc.stress_floor": stress_and_floor,
    "own.kupiec.": proportion_of_failures,
    "own.traffic": traffic_lights,
    "breaker.": breaker_trace,
}


@pytest.mark.parametrize("case", covered_cases(CASES, COVERED), ids=lambda case: case["id"])
def test_golden_case(case: dict[str, Any]) -> None:
    check(case, COVERED)


def test_every_case_is_computed() -> None:
    assert unlisted(CASES, COVERED, {}) == []
