"""`POST /v1/margin:frontier` over HTTP: the answer of the core, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from models.api.margin_frontier import FrontierAnswer
from services.margin.backtest import BacktestRules
from services.margin.frontier import margin_frontier
from services.margin.methods.filtered_historical import FilteredHistorical
from tests.support.bodies import AS_OF as NOW
from tests.support.bodies import Body, closes, series, text
from tests.support.http import client

PATH = "/v1/margin:frontier"
MODEL = {"method": "filtered_historical", "profile": "lean"}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(bars: int = 700, **more: Any) -> Body:
    return {"as_of": text(NOW), "series": series("COIN", 3, bars), "model": MODEL, **more}


async def test_the_answer_is_that_of_the_core(http: httpx.AsyncClient) -> None:
    request = body(confidences=[0.9, 0.99], multipliers=[0.8], maintenance_fraction=0.5)
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    found = FrontierAnswer.model_validate(answer.json())
    expected = margin_frontier(
        np.diff(np.log(closes(3, 700))),
        FilteredHistorical(profile="lean"),
        periods_per_year=365.0,
        confidences=[0.9, 0.99],
        multipliers=[0.8],
        how=BacktestRules(),
        maintenance_fraction=0.5,
    )
    for point, core in zip(found.points, expected, strict=True):
        assert (point.varied, point.alpha, point.multiplier) == (core.varied, core.alpha, core.multiplier)
        assert (point.breaches.count, point.liquidations.count) == (core.breaches.count, core.liquidations.count)
        assert (point.mean_margin, point.breaches.high) == pytest.approx(
            (core.mean_margin, core.breaches.high), rel=1e-7
        )
        assert point.efficient is core.efficient
        assert point.long.mean_leverage == pytest.approx(core.long.mean_leverage, rel=1e-7)


async def test_what_is_left_open_is_listed(http: httpx.AsyncClient) -> None:
    answer = (await http.post(PATH, json=body())).json()
    assert {"/confidences", "/multipliers", "/maintenance_fraction"} <= {
        one["pointer"] for one in answer["assumptions"]
    }
    assert len(answer["points"]) == 1 + 4 + 5


async def test_a_model_of_volatility_and_rules_on_top(http: httpx.AsyncClient) -> None:
    rules = {"buffer": 0.25}
    request = body(model={"method": "sigma_multiple"}, procyclicality=rules, confidences=[0.9], multipliers=[])
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    assert answer.json()["procyclicality_resolved"]["buffer"] == 0.25


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"confidences": [1.0]}, "/confidences/0"),
        ({"confidences": [], "multipliers": []}, ""),
        ({"multipliers": [0]}, "/multipliers/0"),
        ({"maintenance_fraction": 2}, "/maintenance_fraction"),
        ({"warm_up_bars": 699}, "/series"),
        ({"model": {"method": "filtered_historical", "window": 20_000}, "confidences": [0.9, 0.99]}, ""),
    ],
)
async def test_broken_requests_name_the_field(http: httpx.AsyncClient, changes: Body, pointer: str) -> None:
    answer = await http.post(PATH, json=body(**changes))
    assert answer.status_code == 422, answer.text
    assert pointer in [one["pointer"] for one in answer.json()["errors"]]
