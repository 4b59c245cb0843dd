"""`POST /v1/options:mispricing` and `:variance-premium` over HTTP: figures, refused rows, and broken requests."""

from __future__ import annotations

import copy
import math
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.option_model_examples import MISPRICING, VARIANCE_PREMIUM
from models.api.option_models import MispricingAnswer, VariancePremiumAnswer
from services.core.annualization import SECONDS_PER_YEAR
from tests.support.http import client

Body = dict[str, Any]
MODELS = {"mispricing": MispricingAnswer, "variance-premium": VariancePremiumAnswer}
EXAMPLES = {"mispricing": MISPRICING, "variance-premium": VARIANCE_PREMIUM}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


async def answered(http: httpx.AsyncClient, name: str, body: Body) -> Body:
    answer = await http.post(f"/v1/options:{name}", json=body)
    assert answer.status_code == 200, answer.text
    MODELS[name].model_validate(answer.json())
    found: Body = answer.json()
    return found


async def broken(http: httpx.AsyncClient, name: str, **changes: Any) -> Body:
    answer = await http.post(f"/v1/options:{name}", json={**EXAMPLES[name], **changes})
    assert answer.status_code == 422, answer.text
    found: Body = answer.json()["errors"][0]
    return found


async def test_the_example_names_what_was_moved(http: httpx.AsyncClient) -> None:
    """The fit follows the two odd quotes a little."""
    found = await answered(http, "mispricing", MISPRICING)
    verdicts = {row["symbol"]: row["verdict"] for row in found["quotes"] if row["verdict"] != "fair"}
    assert verdicts == {"BTC-19-11-29-8400": "rich", "BTC-20-03-27-7600": "cheap"}
    rich = next(row for row in found["quotes"] if row["verdict"] == "rich")
    assert -5.5 < rich["difference_points"] < -3.5
    assert rich["z_score"] == pytest.approx(rich["difference_points"] / rich["standard_error_points"])
    assert 0.0 < rich["edge_points"] < -rich["difference_points"] - 1.0 + 1e-6
    assert found["fit"]["quotes_used"] == 15 and found["fit"]["expiries"] == 3
    assert [item["name"] for item in found["fit"]["parameters"]][:2] == ["initial_variance", "mean_reversion"]
    assert found["warnings"] == [] or found["warnings"][0]["code"] != "model_misfit"


@pytest.mark.parametrize(
    "odd",
    [
        {"expiry": "2019-10-17T00:00:05.000001Z"},
        {"implied_volatility": 1e-9},
        {"implied_volatility": 5e-324},
    ],
)
async def test_a_quote_that_no_model_can_be_priced_at_spoils_no_other(http: httpx.AsyncClient, odd: Body) -> None:
    request = copy.deepcopy(MISPRICING)
    plain = await answered(http, "mispricing", request)
    quote = {**request["quotes"][10], "symbol": "ODD", "bid_volatility": None, "ask_volatility": None, **odd}
    quote["strike"] = quote["forward"]
    request["quotes"].append(quote)
    found = await answered(http, "mispricing", request)
    assert found["fit"] == plain["fit"]
    assert [row["verdict"] for row in found["quotes"]] == [*(row["verdict"] for row in plain["quotes"]), None]
    assert found["quotes"][-1]["reason"] == "unusable_data"


async def test_rows_that_cannot_be_used_are_refused_and_the_rest_is_fitted(http: httpx.AsyncClient) -> None:
    request = copy.deepcopy(MISPRICING)
    request["quotes"][0]["expiry"] = "2019-10-16T08:00:00Z"
    request["quotes"][5]["bid_volatility"] = 0.9
    request["quotes"].append({**request["quotes"][10], "strike": "500000", "symbol": "FAR"})
    found = await answered(http, "mispricing", request)
    rows = found["quotes"]
    refused = {place: row["reason"] for place, row in enumerate(rows) if row["status"] == "refused"}
    assert refused == {0: "expired", 5: "unusable_data", 15: "unusable_data"}
    assert rows[5]["detail"] == "bid 0.9 lies above ask 0.629"
    assert rows[15]["model_volatility"] is None and rows[15]["verdict"] is None
    assert (found["status"], found["fit"]["quotes_used"]) == ("ok", 13)


async def test_a_side_without_a_quote_is_not_traded_and_no_spread_is_assumed(http: httpx.AsyncClient) -> None:
    request = copy.deepcopy(MISPRICING)
    request["quotes"][8]["bid_volatility"] = None
    del request["quotes"][3]["bid_volatility"], request["quotes"][3]["ask_volatility"]
    found = await answered(http, "mispricing", request)
    assert found["quotes"][8]["verdict"] == "fair" and found["quotes"][8]["edge_points"] is None
    assert found["quotes"][3]["verdict"] == "fair" and found["quotes"][3]["status"] == "ok"
    assert [item["pointer"] for item in found["assumptions"]] == ["/quotes"]


async def test_too_few_quotes_are_refused_as_a_whole(http: httpx.AsyncClient) -> None:
    found = await answered(http, "mispricing", {**MISPRICING, "quotes": MISPRICING["quotes"][:5]})
    assert (found["status"], found["fit"]) == ("refused", None)
    assert found["detail"].startswith("5 usable quotes of 1 expiries")
    assert {row["reason"] for row in found["quotes"]} == {"unusable_data"}
    bates = await answered(http, "mispricing", {**MISPRICING, "model": {"method": "bates"}})
    assert bates["detail"].startswith("15 usable quotes of 3 expiries; 8 parameters need 16")


async def test_bounds_hold_and_are_named(http: httpx.AsyncClient) -> None:
    model = {"method": "heston", "mean_reversion_bounds": [0.5, 1.0]}
    found = await answered(http, "mispricing", {**MISPRICING, "model": model})
    reversion = found["fit"]["parameters"][1]
    assert 0.5 <= reversion["value"] <= 1.0
    assert reversion["at_bound"] is True and reversion["standard_error"] is None
    assert "parameter_at_bound" in [item["code"] for item in found["warnings"]]


async def test_a_chain_that_no_diffusion_has_is_called_a_misfit(http: httpx.AsyncClient) -> None:
    request = copy.deepcopy(MISPRICING)
    for place, quote in enumerate(request["quotes"]):
        shift = 0.1 * (-1) ** place
        for name in ("implied_volatility", "bid_volatility", "ask_volatility"):
            quote[name] = round(quote[name] + shift, 3)
    found = await answered(http, "mispricing", request)
    assert found["fit"]["reduced_chi_square"] > 4.0
    assert "model_misfit" in [item["code"] for item in found["warnings"]]


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"model": {"method": "sabr"}}, "/model/method", "'heston'"),
        ({"model": {"method": "heston", "variance_bounds": [0.5, 0.1]}}, "/model/variance_bounds", "ascending"),
        ({"model": {"method": "heston", "jump_mean_bounds": [-0.1, 0.1]}}, "/model/jump_mean_bounds", "unknown"),
        ({"quotes": []}, "/quotes", "at least 1"),
        ({"threshold": -1}, "/threshold", ">= 0"),
        ({"as_of": "2199-01-01T00:00:00Z"}, "/as_of", "must not lie in the future"),
    ],
)
async def test_broken_chains_are_told_what_is_wrong(
    http: httpx.AsyncClient, changes: Body, pointer: str, words: str
) -> None:
    problem = await broken(http, "mispricing", **changes)
    assert problem["pointer"] == pointer
    assert words in problem["detail"]


async def test_more_expiries_than_a_request_may_hold(http: httpx.AsyncClient) -> None:
    first = datetime.fromisoformat("2019-11-01T08:00:00Z")
    quotes = [{**MISPRICING["quotes"][0], "expiry": (first + timedelta(days=day)).isoformat()} for day in range(41)]
    problem = await broken(http, "mispricing", quotes=quotes)
    assert "40 expiries, these are of 41" in problem["detail"]


async def test_variance_premium_before_and_after(http: httpx.AsyncClient) -> None:
    found = await answered(http, "variance-premium", VARIANCE_PREMIUM)
    ahead, past = found["ex_ante"], found["ex_post"]
    assert ahead["premium_variance"] == pytest.approx(0.62**2 - 0.55**2)
    assert ahead["premium_points"] == pytest.approx(7.0)
    assert ahead["z_score"] == pytest.approx(ahead["premium_variance"] / 0.06)
    history = VARIANCE_PREMIUM["history"]
    moves, implied = np.diff(np.log(history["prices"])), np.array(history["implied_volatilities"])
    realized = np.array([np.sum(moves[day : day + 10] ** 2) for day in range(50)]) * SECONDS_PER_YEAR / 864_000.0
    assert past["premium_variance"] == pytest.approx(np.mean(implied[:50] ** 2 - realized))
    assert past["premium_points"] == pytest.approx(100.0 * np.mean(implied[:50] - np.sqrt(realized)))
    assert (past["observations"], past["independent_windows"], past["overlapping"]) == (50, 5, True)
    low, high = past["interval_points"]
    assert low < past["premium_points"] < high
    assert [item["code"] for item in found["warnings"]] == ["overlapping_windows"]


async def test_realised_volatilities_may_be_sent_instead_of_prices(http: httpx.AsyncClient) -> None:
    history = {
        "times": ["2019-07-01T00:00:00Z", "2019-08-01T00:00:00Z", "2019-09-15T00:00:00Z"],
        "implied_volatilities": [0.6, 0.7, 0.8],
        "realized_volatilities": [0.5, 0.6, None],
    }
    found = await answered(http, "variance-premium", {"as_of": VARIANCE_PREMIUM["as_of"], "history": history})
    past = found["ex_post"]
    assert found["ex_ante"] is None
    assert past["premium_points"] == pytest.approx(10.0)
    assert past["premium_variance"] == pytest.approx((0.11 + 0.13) / 2.0)
    assert (past["observations"], past["independent_windows"], past["overlapping"]) == (2, 2, False)
    assert past["standard_error_variance"] == pytest.approx(0.01 / math.sqrt(2.0))


async def test_a_history_shorter_than_its_horizon_is_refused_and_the_forecast_answered(
    http: httpx.AsyncClient,
) -> None:
    found = await answered(http, "variance-premium", {**VARIANCE_PREMIUM, "horizon_days": 90})
    assert found["ex_post"]["status"] == "refused" and found["ex_post"]["premium_points"] is None
    assert "no window has ended" in found["ex_post"]["detail"]
    assert found["ex_ante"]["premium_points"] == pytest.approx(7.0)


def history(**changes: Any) -> Body:
    return {**VARIANCE_PREMIUM["history"], **changes}


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"current": None, "history": None}, "", "needs current, history or both"),
        ({"history": history(prices=None)}, "/history", "either prices or realized_volatilities"),
        ({"history": history(prices=[1.0, 2.0])}, "/history", "one value for each of the 60 times"),
        ({"history": history(times=history()["times"][::-1])}, "/history/times", "ascending"),
        ({"as_of": "2019-09-01T00:00:00Z"}, "/history/times", "must not lie after as_of"),
        ({"horizon_days": 0}, "/horizon_days", ">= 1"),
    ],
)
async def test_broken_premiums_are_told_what_is_wrong(
    http: httpx.AsyncClient, changes: Body, pointer: str, words: str
) -> None:
    problem = await broken(http, "variance-premium", **changes)
    assert problem["pointer"].startswith(pointer)
    assert words in problem["detail"]


async def test_nothing_is_recorded(http: httpx.AsyncClient) -> None:
    for name, body in EXAMPLES.items():
        await answered(http, name, body)
    assert "log_size 0.0" in (await http.get("/metrics")).text.splitlines()
