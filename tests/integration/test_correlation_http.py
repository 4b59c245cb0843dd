"""`POST /v1/correlation:estimate` over HTTP: figures, what is left out and why, and what a broken request is told."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app import examples
from models.api.correlation import CorrelationAnswer
from tests.support.bodies import AS_OF, book, closes, observations, series, text
from tests.support.http import client

PATH = "/v1/correlation:estimate"
Body = dict[str, Any]


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(count: int = 3, bars: int = 300, **correlation: Any) -> Body:
    """Daily closes of markets that share a third of their variance."""
    method = {"method": "dynamic_conditional", **correlation}
    return {
        "as_of": text(AS_OF),
        "series": [series(f"COIN{index}", index, bars) for index in range(count)],
        "correlation": method,
    }


async def answered(http: httpx.AsyncClient, request: Body) -> Body:
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    CorrelationAnswer.model_validate(answer.json())
    found: Body = answer.json()
    return found


async def test_matrix_volatilities_and_covariance_belong_together(http: httpx.AsyncClient) -> None:
    found = await answered(http, body())
    matrix, covariance = np.array(found["matrix"]), np.array(found["covariance"])
    assert (found["status"], found["detail"], found["symbols"]) == ("ok", None, ["COIN0", "COIN1", "COIN2"])
    assert np.array_equal(np.diag(matrix), np.ones(3))
    assert 0.1 < matrix[np.triu_indices(3, 1)].min() <= matrix[np.triu_indices(3, 1)].max() < 0.7
    np.testing.assert_allclose(covariance, matrix * np.outer(*[found["volatilities"]] * 2), rtol=1e-12)
    spectrum = np.linalg.eigvalsh(matrix)
    assert found["eigenvalues"]["smallest"] == pytest.approx(spectrum[0])
    assert found["eigenvalues"]["condition"] == pytest.approx(spectrum[-1] / spectrum[0])
    assert (found["repaired"], found["stress"]) == (False, {"applied": False, "weight": 0.0})
    assert found["monitor"]["label"] in ("calm", "shifted")
    assert found["monitor"]["average_slow"] == pytest.approx(matrix[np.triu_indices(3, 1)].mean(), abs=0.1)


async def test_volatilities_are_those_of_the_volatility_estimate(http: httpx.AsyncClient) -> None:
    request = body()
    found = await answered(http, request)
    alone = await http.post("/v1/volatility:estimate", json={"as_of": request["as_of"], "series": request["series"]})
    expected = [row["volatility"] for row in alone.json()["estimates"]]
    assert found["volatilities"] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    "method", ["exponential", "ledoit_wolf", "oracle_approximating", "constant_correlation", "dynamic_conditional"]
)
async def test_every_method_answers(http: httpx.AsyncClient, method: str) -> None:
    found = await answered(http, body(method=method))
    assert found["method"] == method
    assert 0.05 < found["matrix"][0][1] < 0.7


async def test_stress_moves_all_correlations_up_and_says_so(http: httpx.AsyncClient) -> None:
    plain, stressed = await answered(http, body()), await answered(http, body(stress="always", stress_weight=0.5))
    expected = 0.5 * np.array(plain["matrix"]) + 0.5
    np.testing.assert_allclose(stressed["matrix"], expected, atol=1e-12)
    assert stressed["stress"] == {"applied": True, "weight": 0.5}
    assert [item["pointer"] for item in stressed["assumptions"]] == ["/correlation/stress"]


async def test_a_short_series_is_left_out_and_the_others_are_answered(http: httpx.AsyncClient) -> None:
    request = body(4)
    request["series"][1]["close"] = request["series"][1]["close"][-50:]
    request["series"][3]["close"] = request["series"][3]["close"][-5:]
    found = await answered(http, request)
    assert found["symbols"] == ["COIN0", "COIN2"]
    assert len(found["matrix"]) == len(found["observations"]) == len(found["volatilities"]) == 2
    assert [(item["symbol"], item["reason"]) for item in found["left_out"]] == [
        ("COIN1", "insufficient_history"),
        ("COIN3", "insufficient_history"),
    ]
    assert "fewer than 60 shared" in found["left_out"][0]["detail"]


async def test_pairs_with_bars_missing_are_counted_by_themselves(http: httpx.AsyncClient) -> None:
    request, day = body(2, 200), 86_400_000
    start = int(AS_OF.timestamp()) // 86_400 * 86_400_000 - 200 * day
    rows = [[start + day * place, close, close, close, close, 1.0] for place, close in enumerate(closes(5, 200))]
    del rows[100:103]
    request["series"].append({"symbol": "HOLES", "interval": "P1D", "calendar": "24/7", "ohlcv": rows})
    found = await answered(http, request)
    counts = np.array(found["observations"])
    assert counts[0, 0] == counts[0, 1]
    assert counts[2, 2] < counts[0, 0]
    assert counts[2, 0] == counts[2, 2]
    assert found["matrix"][0][1] == pytest.approx((await answered(http, body(2, 200)))["matrix"][0][1], abs=1e-9)


async def test_shorter_bars_are_added_up(http: httpx.AsyncClient) -> None:
    request = body(1, 300)
    quarter = series("QUARTER", 9, 4 * 130)
    request["series"].append({**quarter, "interval": "PT6H"})
    found = await answered(http, request)
    assert found["status"] == "ok"
    assert 60 <= found["observations"][0][1] <= 130
    assert found["observations"][0][0] > 250


async def test_without_a_common_clock_there_is_no_matrix_and_a_reason(http: httpx.AsyncClient) -> None:
    request = body(2)
    request["series"][1]["end"] = "2026-11-19T21:00:00Z"
    found = await answered(http, request)
    assert (found["status"], found["matrix"], found["covariance"], found["monitor"]) == ("refused", None, None, None)
    assert found["detail"].startswith("COIN1: bars close at different moments")
    assert len(found["volatilities"]) == 2
    found = await answered(http, {**request, "correlation": {"method": "exponential", "asynchronous": "lead_lag"}})
    assert found["status"] == "ok"


async def test_nothing_is_recorded(http: httpx.AsyncClient) -> None:
    await answered(http, body())
    assert "log_size 0.0" in (await http.get("/metrics")).text.splitlines()
    assert (await http.get("/v1/volatility")).json()["items"] == []


async def test_many_series(http: httpx.AsyncClient) -> None:
    found = await answered(http, body(40, 100))
    assert len(found["matrix"]) == 40
    assert found["eigenvalues"]["smallest"] > 0.0


async def test_a_stressed_decision_is_smaller_says_so_and_replays(http: httpx.AsyncClient) -> None:
    """On cached states, whose correlation is recorded and not computed again."""
    assert (await http.post("/v1/observations", json=observations(4, 100))).status_code == 200
    gross, sources = [], []
    for stress in ("never", "always"):
        request = book(4, bars=100)
        request["policy"]["correlation"] = {"method": "dynamic_conditional", "stress": stress}
        made = (await http.post("/v1/evaluations", json=request)).json()
        gross.append(made["portfolio"]["gross_leverage"])
        sources.append(made["portfolio"]["correlation"])
        replayed = (await http.post(f"/v1/evaluations/{made['evaluation_id']}:replay")).json()
        assert (replayed["match"], replayed["differences"]) == (True, [])
    assert sources == ["dynamic_conditional", "dynamic_conditional_stressed"]
    assert gross[1] < gross[0]


def change(path: str, value: Any) -> Callable[[Body], None]:
    def edit(request: Body) -> None:
        place: Any = request
        *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        for part in parents:
            place = place[part]
        place[last] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "pointer", "words"),
    [
        (change("correlation", {"method": "none"}), "/correlation/method", "'dynamic_conditional', 'exponential'"),
        (change("correlation", {"method": "pearson"}), "/correlation/method", "found 'pearson'"),
        (change("correlation/half_life", 20), "/correlation/half_life", "unknown"),
        (change("correlation/stress", "sometimes"), "/correlation/stress", "'never', 'shifted' or 'always'"),
        (change("correlation/stress_weight", 30), "/correlation/stress_weight", "<= 1"),
        (change("correlation/persistence", 0.99), "/correlation", "innovation + persistence < 1"),
        (change("series/1/symbol", "COIN0"), "", "COIN0 more than once"),
        (change("series", [series("ALONE", 1, 100)]), "/series", "at least 2"),
        (change("series/0/close", [1.0, True]), "/series/0/close", "numbers"),
        (change("as_of", "2199-01-01T00:00:00Z"), "/as_of", "must not lie in the future"),
        (change("weights", {}), "/weights", "unknown"),
    ],
)
async def test_broken_requests_are_told_what_is_wrong(
    http: httpx.AsyncClient, edit: Callable[[Body], None], pointer: str, words: str
) -> None:
    request = copy.deepcopy(body())
    edit(request)
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 422
    problem = answer.json()["errors"][0]
    assert problem["pointer"] == pointer
    assert words in problem["detail"]


async def test_the_documented_example(http: httpx.AsyncClient) -> None:
    found = await answered(http, examples.CORRELATION)
    assert found["matrix"][0][1] == pytest.approx(0.5, abs=0.05)
