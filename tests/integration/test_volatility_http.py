"""The volatility resources over HTTP: which state is meant, and what is wrong with a question."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.api.observation import DEFAULT_ESTIMATOR, EstimateAnswer, VolatilityAnswer
from services.volatility.registry import model_version
from tests.support.http import client
from tests.unit.volatility.markets import END, walk

CLOSES = walk(30, 90).tolist()
EWMA = {"method": "ewma", "half_life": 5.0}
ROWS = [
    {
        "symbol": "A",
        "interval": "P1D",
        "close_time": (END - timedelta(days=400 - place)).isoformat(),
        "close": close,
        "open": close * 0.995,
        "high": close * 1.02,
        "low": close * 0.98,
        "volume": 10,
    }
    for place, close in enumerate(CLOSES)
]


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(tmp_path) as opened:
        for estimator in ({}, {"estimator": EWMA}):
            answer = await opened.post("/v1/observations", json={"observations": ROWS, **estimator})
            assert answer.status_code == 200, answer.text
            assert answer.json()["counts"] == {"accepted": 90}
        yield opened


async def ask(http: httpx.AsyncClient, **query: str) -> dict[str, Any]:
    answer = await http.get("/v1/volatility", params=query)
    assert answer.status_code == 200, answer.text
    VolatilityAnswer.model_validate_json(answer.content)
    found: dict[str, Any] = answer.json()
    return found


async def test_a_state_is_named_by_model_by_half_life_or_not_at_all(http: httpx.AsyncClient) -> None:
    plain = await ask(http, symbol="A")
    assert plain["model_version"] == model_version(DEFAULT_ESTIMATOR)
    assert plain["inputs"] == "range"
    assert await ask(http, symbol="A", model=plain["model_version"]) == plain
    ewma = await ask(http, symbol="A", half_life="5")
    assert (ewma["model_version"], ewma["readout"]["method"]) == ("ewma.1-5.0", "ewma")
    assert await ask(http, symbol="A", model="ewma.1-5.0") == ewma
    assert (await http.get("/v1/volatility")).json()["items"] == sorted(
        [plain, ewma], key=lambda item: item["model_version"]
    )
    gone = await http.delete("/v1/volatility", params={"symbol": "A", "model": "ewma.1-5.0"})
    assert gone.json()["existed"] is True
    assert (await http.get("/v1/volatility", params={"symbol": "A", "half_life": "5"})).status_code == 404
    assert await ask(http, symbol="A") == plain


async def test_a_horizon_stands_between_now_and_the_long_run(http: httpx.AsyncClient) -> None:
    readout = (await ask(http, symbol="A", horizon="P30D"))["readout"]
    low, high = sorted((readout["volatility"], readout["long_run"]))
    assert low <= readout["horizon"]["volatility"] <= high
    assert readout["horizon"]["bars"] == 30.0


async def test_an_estimate_of_the_same_bars_is_the_state(http: httpx.AsyncClient) -> None:
    columns = {name: [row[name] for row in ROWS] for name in ("close", "open", "high", "low", "volume")}
    series = {"symbol": "A", "interval": "P1D", "end": ROWS[-1]["close_time"], **columns}
    answer = await http.post("/v1/volatility:estimate", json={"series": [series], "horizon": "P30D"})
    EstimateAnswer.model_validate_json(answer.content)
    (row,) = answer.json()["estimates"]
    readout = (await ask(http, symbol="A", horizon="P30D"))["readout"]
    assert row.pop("symbol") == "A"
    assert row.keys() == readout.keys()
    for name in ("volatility", "forecast", "long_run", "effective_half_life", "confidence", "confidence_factor"):
        assert row[name] == pytest.approx(readout[name], rel=1e-7), name
    assert row["horizon"]["deviation"] == pytest.approx(readout["horizon"]["deviation"], rel=1e-7)
    assert row["tail"]["degrees_of_freedom"] == pytest.approx(readout["tail"]["degrees_of_freedom"], rel=1e-7)
    assert row["labels"]["regime"]["label"] == readout["labels"]["regime"]["label"]


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ({"symbol": "A", "model": "ewma.1-20.0", "half_life": "5"}, 422, "send one"),
        ({"model": "ewma.1-20.0"}, 422, "go with symbol"),
        ({"horizon": "P7D"}, 422, "go with symbol"),
        ({"symbol": "A", "horizon": "7d"}, 422, "horizon"),
        ({"symbol": "A", "horizon": "P0D"}, 422, "duration"),
        ({"symbol": "A", "model": "ewma"}, 422, "model"),
        ({"symbol": "A", "model": "ewma.1-" + "9" * 400}, 422, "model"),
        ({"symbol": "A", "model": "ewma.1-__import__('os')"}, 404, "no state"),
        ({"symbol": "A", "half_life": "7"}, 404, "ewma.1-7.0"),
    ],
)
async def test_questions_that_make_no_sense_say_why(
    http: httpx.AsyncClient, query: dict[str, str], status: int, text: str
) -> None:
    answer = await http.get("/v1/volatility", params=query)
    assert (answer.status_code, text in answer.text) == (status, True), answer.text


async def test_a_refused_market_has_no_figures_rather_than_nulls(http: httpx.AsyncClient) -> None:
    """What the documentation says of refused readouts: their figures are absent."""
    few = [{**row, "symbol": "FEW"} for row in ROWS[:5]]
    assert (await http.post("/v1/observations", json={"observations": few})).status_code == 200
    refused = {"status", "reason", "detail", "method", "periods_per_year"}
    found = await ask(http, symbol="FEW", horizon="P7D")
    assert (found["readout"]["status"], set(found["readout"])) == ("refused", refused)
    assert None not in found.values()
    sized = (await ask(http, symbol="A"))["readout"]
    assert {"volatility", "forecast", "floor", "confidence"} < set(sized)
    assert not {"detail", "horizon", "event_volatility"} & set(sized)
    series = {"symbol": "FEW", "interval": "P1D", "end": END.isoformat(), "close": CLOSES[:5]}
    for output, more in (("last", {"symbol"}), ("path", {"symbol", "path"})):
        body = {"series": [series], "output": output, "horizon": "P7D"}
        answer = await http.post("/v1/volatility:estimate", json=body)
        EstimateAnswer.model_validate_json(answer.content)
        assert set(answer.json()["estimates"][0]) == refused | more
