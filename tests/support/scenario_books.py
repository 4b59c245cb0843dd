"""Scenario books from the dictionaries of golden cases and of the slow reference, and random ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from services.margin.scenario_book import (
    Collateral,
    ExpiryFeed,
    LinearColumns,
    OptionColumns,
    ScenarioBook,
    UnderlyingBook,
)
from services.margin.scenario_preset import (
    BasisShock,
    Contingencies,
    Scenario,
    ScenarioPreset,
    SkewShock,
    StaticDiscount,
    VolatilityShock,
)


def option_columns(options: list[dict[str, Any]]) -> OptionColumns:
    """Columns of options as the golden cases write them."""
    return OptionColumns(
        seconds=np.array([option["expiry_s"] for option in options], dtype=np.float64),
        strike=np.array([option["strike"] for option in options], dtype=np.float64),
        right=np.array([1.0 if option["type"] == "call" else -1.0 for option in options]),
        quantity=np.array([option["qty"] for option in options], dtype=np.float64),
        volatility=np.array([option["vol"] for option in options], dtype=np.float64),
    )


def book_from(portfolio: dict[str, Any]) -> ScenarioBook:
    """Book of a golden portfolio."""
    linear = LinearColumns.empty()
    if portfolio.get("perp_qty"):
        linear = LinearColumns.perpetual(portfolio["perp_qty"], portfolio.get("perp_price", portfolio["spot"]))
    unrealized = portfolio.get("perp_upnl", 0.0) + portfolio.get("funding", 0.0)
    one = UnderlyingBook(
        name="BTC",
        spot=portfolio["spot"],
        expiries=tuple(
            ExpiryFeed(
                seconds=feed["expiry_s"],
                forward=feed["forward"],
                rate=feed["rate"],
                confidence=feed.get("conf", 1.0),
            )
            for feed in portfolio.get("feeds", [])
        ),
        options=option_columns(portfolio.get("options", [])),
        linear=replace(linear, unrealized=unrealized),
        collateral=tuple(
            Collateral(
                amount=item["amount"],
                price=item["price"],
                maintenance_haircut=item["mm_haircut"],
                initial_haircut=item["im_haircut"],
                risk_cancelling=item["risk_cancelling"],
                confidence=item.get("conf", 1.0),
            )
            for item in portfolio.get("collateral", [])
        ),
        spot_confidence=portfolio.get("spot_conf", 1.0),
        perpetual_confidence=portfolio.get("perp_conf", 1.0),
    )
    return ScenarioBook(underlyings=(one,), cash=portfolio["cash"], stable_price=portfolio.get("stable", 1.0))


def preset_from(parameters: dict[str, Any]) -> ScenarioPreset:
    """Preset of golden parameters."""
    skew, static, basis, rates = (parameters[name] for name in ("skew", "static", "basis", "cont"))
    ends = max(abs(multiple) for multiple in parameters["grid"])
    return ScenarioPreset(
        name="golden",
        scenarios=(
            *(
                Scenario(range_multiple=multiple, volatility=move)
                for multiple in parameters["grid"]
                for move in (("up",) if abs(multiple) == ends else ("down", "none", "up"))
            ),
            *(Scenario(move=move, volatility="up", damping=damping) for move, damping in parameters["tails"]),
        ),
        price_range=parameters["price_range"],
        volatility=VolatilityShock(
            up=parameters["vol_up"],
            down=parameters["vol_dn"],
            short_power=parameters["pow_short"],
            long_power=parameters["pow_long"],
            floor_days=parameters["dte_floor_days"],
            least_up=parameters["min_up_vol"],
        ),
        skew=skew
        and SkewShock(
            linear_slope=skew["lin_base"],
            linear_level=skew["lin_cap"],
            absolute_slope=skew["abs_base"],
            absolute_level=skew["abs_cap"],
            width=skew["width"],
            static=skew["vol_static"],
            scale=skew["vol_scale"],
            least=skew["min_k_star"],
        ),
        discount=static
        and StaticDiscount(
            long_base=static["pos"],
            short_base=static["neg"],
            long_multiplier=static["long_mult"],
            short_multiplier=static["short_mult"],
            long_spread=static["long_add"],
            short_spread=static["short_add"],
        ),
        basis=BasisShock(up=basis["up"] - 1.0, down=basis["dn"] - 1.0, constant=basis["add"], per_year=basis["mult"]),
        contingencies=Contingencies(
            perpetual_maintenance=rates["mm_perp"],
            perpetual_initial=rates["im_perp"],
            option_maintenance=rates["mm_opt"],
            option_initial=rates["im_opt"],
            confidence_threshold=rates["conf_thr"],
            confidence_rate=rates["conf_margin"],
        ),
        initial_factor=parameters["im_factor"],
        maintenance_factor=parameters["mm_factor"],
        peg_threshold=rates["peg_thr"],
        peg_factor=rates["peg_factor"],
    )


def reference_parameters() -> dict[str, Any]:
    """Parameters for the slow reference that say what Derive's mainnet figures are, written out by hand."""
    return {
        "price_range": 0.18,
        "grid": [1.0, 0.75, 0.5, 0.25, 0.0, -0.25, -0.5, -0.75, -1.0],
        "vol_up": 0.5,
        "vol_dn": 0.3,
        "pow_short": 0.3,
        "pow_long": 0.13,
        "dte_floor_days": 1.0,
        "min_up_vol": 0.4,
        "skew": {
            "lin_base": -0.1,
            "abs_base": -0.1,
            "lin_cap": 0.25,
            "abs_cap": 0.25,
            "min_k_star": 0.01,
            "width": 4.0,
            "vol_static": 0.6,
            "vol_scale": 0.0,
        },
        "static": {
            "pos": 0.95,
            "neg": 1.05,
            "long_mult": 0.0,
            "long_add": 0.16,
            "short_mult": 0.0,
            "short_add": 0.16,
        },
        "basis": {"up": 1.045, "dn": 0.955, "mult": 2.0, "add": 0.5},
        "cont": {
            "mm_perp": 0.03,
            "im_perp": 0.01,
            "mm_opt": 0.003,
            "im_opt": 0.002,
            "conf_thr": 0.55,
            "conf_margin": 1.0,
            "peg_thr": 0.99,
            "peg_factor": 4.0,
        },
        "im_factor": 1.0,
        "mm_factor": 0.8,
        "tails": [
            [-0.66, 0.21],
            [-0.33, 0.42],
            [0.5, 0.2772],
            [1.0, 0.1386],
            [2.0, 0.0693],
            [3.0, 0.0462],
            [4.0, 0.03465],
            [5.0, 0.02772],
        ],
    }


def random_portfolio(rng: np.random.Generator, options: int, expiries: int = 3) -> dict[str, Any]:
    """Portfolio in the shape of the golden cases: calls and puts of all moneyness, a perpetual and coin."""
    spot = 60_000.0
    seconds = np.sort(rng.uniform(60.0, 3.2e7, expiries))
    feeds = [
        {"expiry_s": float(s), "forward": float(spot * (1.0 + rng.normal(0.0, 0.01))), "rate": 0.03} for s in seconds
    ]
    chosen = [
        {
            "expiry_s": float(seconds[rng.integers(expiries)]),
            "strike": float(round(spot * np.exp(rng.normal(0.0, 0.4)), -3)),
            "type": "call" if rng.random() < 0.5 else "put",
            "qty": float(rng.normal()),
            "vol": float(rng.choice([0.4, 0.6, 0.9])),
        }
        for _ in range(options)
    ]
    return {
        "cash": 1e6,
        "spot": spot,
        "feeds": feeds,
        "options": chosen,
        "perp_qty": float(rng.normal()),
        "perp_price": 60_020.0,
        "perp_upnl": float(rng.normal(0.0, 500.0)),
        "collateral": [{"amount": 0.5, "price": spot, "mm_haircut": 0.02, "im_haircut": 0.03, "risk_cancelling": True}],
    }
