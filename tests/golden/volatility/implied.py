"""Variance from strips of options, and Heston's prices."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from services.core.explain import Floats
from services.options.black import black_price
from services.options.cosine import model_prices
from services.options.heston import Heston
from services.options.model_free import VarianceStrip, constant_maturity_variance, quoted_variance, replicated_variance

CBOE = json.loads((Path(__file__).parent.parent / "cboe_2009.json").read_text())


def variance_swap(case: dict[str, Any]) -> dict[str, Any]:
    inputs, split = case["inputs"], case["params"]["put_call_split"]
    strikes, volatilities = np.array(inputs["strikes"], dtype=float), np.array(inputs["black_vols"])
    time, discount = inputs["T"], math.exp(-inputs["rate"] * inputs["T"])
    forward = inputs["spot"] / discount
    puts, calls = strikes <= split, strikes >= split

    def priced(side: Any, right: int) -> Floats:
        return black_price(forward, strikes[side], time, volatilities[side], right, discount=discount)

    variance = replicated_variance(
        strikes[puts], priced(puts, -1), strikes[calls], priced(calls, 1),
        forward=forward, time_to_expiry=time, discount=discount, end_step=inputs["dk"],
    )  # fmt: skip
    return {"fair_variance": variance}


def heston(inputs: dict[str, Any], params: dict[str, Any], strikes: Any, right: Any) -> Floats:
    """Prices from the letters of the literature."""
    spot = math.exp(-0.021) if inputs["S"] == "exp(-0.021)" else inputs["S"]
    model = Heston(
        initial_variance=params["v0"], mean_reversion=params["kappa"], long_run_variance=params["theta"],
        volatility_of_variance=params["sigma"], correlation=params["rho"],
    )  # fmt: skip
    forward = spot * math.exp((inputs["r"] - inputs["q"]) * inputs["T"])
    return model_prices(model, forward, strikes, inputs["T"], right, discount=math.exp(-inputs["r"] * inputs["T"]))


def lewis(case: dict[str, Any]) -> dict[str, Any]:
    inputs, params = case["inputs"], case["params"]
    return {
        side: heston(inputs, params, inputs["strikes"], right).tolist() for side, right in (("call", 1), ("put", -1))
    }


def cboe_strip(term: dict[str, Any]) -> VarianceStrip:
    """One expiry of the white paper; a side that it is not asked for is missing."""
    puts, calls = ({strike: quote for strike, *quote in term[side]} for side in ("puts", "calls"))
    strikes, missing = sorted(puts | calls), [math.nan, math.nan]
    sides = [np.array([side.get(strike, missing) for strike in strikes]).T for side in (calls, puts)]
    (call_bid, call_ask), (put_bid, put_ask) = sides
    return quoted_variance(
        strikes, call_bid=call_bid, call_ask=call_ask, put_bid=put_bid, put_ask=put_ask,
        time_to_expiry=term["days"] / 365.0, rate=CBOE["rate"],
    )  # fmt: skip


def cboe_index() -> float:
    """VIX of the white paper."""
    near, following = CBOE["terms"]
    variances = (cboe_strip(near).variance, cboe_strip(following).variance)
    times = (near["days"] / 365.0, following["days"] / 365.0)
    return 100.0 * math.sqrt(constant_maturity_variance(variances, times, 30.0 / 365.0))


COVERED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "derman-varswap": variance_swap,
    "heston-alan-lewis": lewis,
}
