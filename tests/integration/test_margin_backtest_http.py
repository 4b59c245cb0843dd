"""`POST /v1/margin:backtest` over HTTP, and margins of an evaluation that come from returns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app import examples
from models.api.margin_backtest import MarginBacktestAnswer
from services.margin.backtest import BacktestRules, backtest_margin
from services.margin.methods.filtered_historical import FilteredHistorical
from services.margin.view import MarginView
from tests.support.bodies import AS_OF as NOW
from tests.support.bodies import SYMBOLS, Body, closes, series, text, with_series
from tests.support.http import client

PATH = "/v1/margin:backtest"
FILTERED = {"method": "filtered_historical"}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(bars: int = 700, **more: Any) -> Body:
    return {"as_of": text(NOW), "series": series("COIN", 3, bars), "model": FILTERED, **more}


async def answered(http: httpx.AsyncClient, request: Body) -> MarginBacktestAnswer:
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    return MarginBacktestAnswer.model_validate(answer.json())


async def test_the_answer_is_that_of_the_core(http: httpx.AsyncClient) -> None:
    found = await answered(http, body(points=2000))
    returns = np.diff(np.log(closes(3, 700)))
    expected = backtest_margin(returns, FilteredHistorical(), periods_per_year=365.0, how=BacktestRules())
    own = found.strategies[0]
    assert [item.strategy for item in found.strategies] == list(expected)
    assert own.long.coverage.breaches == int(expected["model"].long.hits.sum()) == len(own.long.breaches)
    assert own.short.mean_excess == pytest.approx(expected["model"].short.mean_excess)
    assert own.path[-1].long == pytest.approx(expected["model"].long.margin[-1], rel=1e-7)
    assert len(own.path) == 700 - 250
    assert (found.expected_breach_rate, found.horizon_days) == (0.01, 1.0)
    for breach in own.long.breaches:
        assert breach.loss > breach.margin


async def test_rules_on_top_and_a_model_of_volatility(http: httpx.AsyncClient) -> None:
    rules = {"stress_weight": 0.25, "long_run_floor": True, "buffer": 0.25, "release": 0.03}
    found = await answered(http, body(model={"method": "sigma_multiple"}, procyclicality=rules, comparisons=False))
    assert [item.strategy for item in found.strategies] == ["model", "model_without_rules"]
    with_rules, without = found.strategies
    assert with_rules.long.procyclicality is not None
    assert without.long.procyclicality is not None
    assert with_rules.long.procyclicality.mean > without.long.procyclicality.mean
    assert with_rules.long.coverage.breaches <= without.long.coverage.breaches
    assert found.procyclicality_resolved["rebuild"] == 0.05
    pointers = {item.pointer for item in found.assumptions}
    assert pointers >= {"/procyclicality/long_run_floor", "/procyclicality/stress_weight", "/expected_breach_rate"}


async def test_what_was_left_open_is_said(http: httpx.AsyncClient) -> None:
    request = body(bars=320)
    del request["as_of"], request["series"]["calendar"]
    found = await answered(http, request)
    assert {item.pointer for item in found.assumptions} == {"/as_of", "/series/calendar", "/expected_breach_rate"}
    assert "few_observations" in [item.code for item in found.warnings]


async def test_closes_at_which_the_model_is_silent_are_counted(http: httpx.AsyncClient) -> None:
    found = await answered(http, body(warm_up_bars=100))
    assert [item.code for item in found.warnings if item.code == "margin_unknown"] == ["margin_unknown"]
    assert found.strategies[0].long.coverage.observations == 699 - 250
    assert found.strategies[2].strategy == "plain_historical"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"model": {"method": "filtered_historical", "window": 100}}, "window"),
        ({"model": {"method": "nonsense"}}, "model"),
        ({"horizon_bars": 0}, "horizon_bars"),
        ({"warm_up_bars": 699}, "/series"),
        ({"procyclicality": {"buffer": -1}}, "procyclicality"),
        ({"expected_breach_rate": 0.5}, "expected_breach_rate"),
        ({"as_of": "2200-01-01T00:00:00Z"}, "as_of"),
        ({"series": {**series("COIN", 3, 400), "close": [0] * 400}}, "series"),
        ({"series": {**series("COIN", 3, 20_000)}, "model": {**FILTERED, "window": 5000}}, "window"),
    ],
)
async def test_a_broken_request_is_told_where(http: httpx.AsyncClient, change: Body, pointer: str) -> None:
    answer = await http.post(PATH, json=body() | change)
    assert answer.status_code == 422, answer.text
    assert pointer in answer.text


async def test_the_example_runs(http: httpx.AsyncClient) -> None:
    found = await answered(http, examples.MARGIN_BACKTEST)
    assert found.strategies[1].strategy == "model_without_rules"


async def test_margins_of_posted_series_come_from_their_returns(http: httpx.AsyncClient) -> None:
    """The policy's model reads the returns of the request, row by row; a short history falls to the next rung."""
    request = with_series(3, 400)
    request["series"][2] = series(SYMBOLS[2], 2, 120)
    request["policy"] = {"margin": {"model": {**FILTERED, "horizon_days": 1.0}, "floor": 0.02}}
    for name in ("signals", "options"):
        request.pop(name)
    answer = await http.post("/v1/margin", json=request)
    assert answer.status_code == 200, answer.text
    lines = answer.json()["margin"]["current"]["per_position"]
    methods = [line["method_used"] for line in lines]
    assert methods == ["filtered_historical", "filtered_historical", "sigma_multiple"]
    returns = np.diff(np.log(closes(0, 400)))
    view = MarginView(np.array([np.nan]), (returns,), np.array([365.0]))
    long, _ = FilteredHistorical(horizon_days=1.0).rates(view)
    assert lines[0]["rate_initial"] == pytest.approx(long[0], rel=1e-6)
