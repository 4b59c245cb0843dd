"""Exogenous drivers and scheduled events over HTTP: series, observations, states, evaluations and their replay."""

from __future__ import annotations

import copy
import math
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from models.api.evaluation import EvaluationResponse, TargetsResponse
from models.api.observation import EstimateAnswer, VolatilityAnswer
from tests.support.bodies import AS_OF, book, closes, midnight, series, text
from tests.support.http import client

Body = dict[str, Any]
DRIVEN = {"method": "adaptive", "drivers": ["flow", "funding"]}
MODEL = "adaptive.1-True,True,flow:funding"
BARS = 300


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def driven(symbol: str = "COIN00-PERP", seed: int = 0) -> Body:
    """Closes, `flow` that foretold their moves, and `funding` with holes that is noise."""
    draws, prices = np.random.default_rng(seed), closes(seed, BARS)
    moves = np.log(np.abs(np.diff(np.log(prices))) + 1e-3)
    flow = [*moves.tolist(), float(moves.mean() + 2.0 * moves.std())]
    funding = [None if draw < -1.0 else round(draw, 6) for draw in draws.standard_normal(BARS).tolist()]
    return {**series(symbol, seed, BARS), "drivers": {"flow": flow, "funding": funding}}


async def estimated(http: httpx.AsyncClient, *items: Body, **more: Any) -> Body:
    body = {"as_of": text(AS_OF), "series": list(items), "estimator": DRIVEN, **more}
    answer = await http.post("/v1/volatility:estimate", json=body)
    assert answer.status_code == 200, answer.text
    EstimateAnswer.model_validate(answer.json())
    found: Body = answer.json()
    return found


def points(item: Body) -> list[Body]:
    """The same bars as observations."""
    last = midnight(AS_OF)
    return [
        {
            "symbol": item["symbol"],
            "interval": "P1D",
            "close_time": text(last - timedelta(days=BARS - 1 - bar)),
            "close": close,
            "drivers": {name: values[bar] for name, values in item["drivers"].items()},
        }
        for bar, close in enumerate(item["close"])
    ]


async def observe(http: httpx.AsyncClient, rows: list[Body], **more: Any) -> httpx.Response:
    return await http.post("/v1/observations", json={"observations": rows, "estimator": DRIVEN, **more})


async def test_an_estimate_says_what_its_drivers_do(http: httpx.AsyncClient) -> None:
    found = await estimated(http, driven())
    (row,) = found["estimates"]
    assert 1.02 < row["driver_multiplier"] < 4.0
    assert list(row["drivers"]) == ["flow", "funding"] and row["drivers"]["flow"] > 0.05
    plain = await estimated(http, {**series("COIN00-PERP", 0, BARS)}, estimator={"method": "adaptive"})
    (bare,) = plain["estimates"]
    assert (bare["driver_multiplier"], bare["drivers"]) == (1.0, {})
    assert row["forecast"] == pytest.approx(bare["forecast"] * math.sqrt(row["driver_multiplier"]), rel=1e-6)
    assert row["effective_half_life"] == bare["effective_half_life"]
    path = (await estimated(http, driven(), output="path"))["estimates"][0]["path"]
    assert path["forecast"][-1] == pytest.approx(row["forecast"], rel=1e-7)


async def test_ccxt_rows_take_drivers_too(http: httpx.AsyncClient) -> None:
    item = driven()
    opened = [midnight(AS_OF) - timedelta(days=BARS - bar) for bar in range(BARS)]
    rows = [[int(at.timestamp() * 1000), *[close] * 4, 7] for at, close in zip(opened, item["close"], strict=True)]
    rows = [[row[0], row[1], row[1] * 1.001, row[1] * 0.999, row[1], 7] for row in rows]
    bars = {"symbol": "COIN00-PERP", "interval": "P1D", "calendar": "24/7", "ohlcv": rows, "drivers": item["drivers"]}
    columns = {"open": [row[1] for row in rows], "high": [row[2] for row in rows], "low": [row[3] for row in rows]}
    one, other = (await estimated(http, bars)), (await estimated(http, {**item, **columns, "volume": [7] * BARS}))
    assert one["estimates"] == other["estimates"]


async def test_a_driver_without_values_is_neutral_and_an_assumption(http: httpx.AsyncClient) -> None:
    item = driven()
    del item["drivers"]["funding"]
    found = await estimated(http, item, series("COIN01-PERP", 1, BARS))
    assumed = {entry["pointer"]: entry["value"] for entry in found["assumptions"]}
    assert assumed == {"/series/0/drivers": "no funding", "/series/1/drivers": "no flow, funding"}
    first, second = found["estimates"]
    assert first["drivers"]["funding"] == 0.0 and first["driver_multiplier"] > 1.0
    assert (second["driver_multiplier"], second["drivers"]) == (1.0, {"flow": 0.0, "funding": 0.0})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spread": [1.0] * BARS}, "among the drivers that the estimator names (flow, funding), found 'spread'"),
        ({"flow": [1.0] * (BARS - 1)}, "drivers.flow must have as many values as there are bars (300), found 299"),
        ({"flow": ["1.0"] * BARS}, "JSON numbers or null only"),
        ({"flow": [True] * BARS}, "JSON numbers or null only"),
        ({"flow": [1e101] * BARS}, "within -1e100 and 1e100"),
        ({"a b": [1.0] * BARS}, ""),
        ({f"d{place}": [1.0] * BARS for place in range(9)}, ""),
    ],
)
async def test_drivers_that_cannot_be_are_refused_by_name(http: httpx.AsyncClient, change: Body, words: str) -> None:
    item = driven()
    item["drivers"] = {**({} if len(change) > 1 else item["drivers"]), **change}
    body = {"as_of": text(AS_OF), "series": [item], "estimator": DRIVEN}
    answer = await http.post("/v1/volatility:estimate", json=body)
    assert answer.status_code == 422 and words in answer.text


@pytest.mark.parametrize("names", [["flow", "flow"], ["a,b"], ["x" * 21], list("abcdefghi"), [1], "flow"])
async def test_names_that_are_none_are_refused(http: httpx.AsyncClient, names: Any) -> None:
    body = {"as_of": text(AS_OF), "series": [series("A", 0, 60)], "estimator": {**DRIVEN, "drivers": names}}
    answer = await http.post("/v1/volatility:estimate", json=body)
    assert answer.status_code == 422, answer.text


async def test_other_estimators_know_no_drivers(http: httpx.AsyncClient) -> None:
    body = {"as_of": text(AS_OF), "series": [driven()], "estimator": {"method": "ewma"}}
    answer = await http.post("/v1/volatility:estimate", json=body)
    assert answer.status_code == 422 and "names (none), found 'flow'" in answer.text
    refused = await observe(http, points(driven())[:3], estimator={"method": "ewma"})
    assert refused.status_code == 422 and "flow is no driver of the estimator, which names none" in refused.text


async def test_observations_say_what_the_series_says(http: httpx.AsyncClient) -> None:
    item = driven()
    rows = points(item)
    shuffled = [rows[place] for first in range(0, BARS, 20) for place in (*range(first + 19, first - 1, -1),)]
    for first in range(0, BARS, 50):
        answer = await observe(http, shuffled[first : first + 50])
        assert answer.status_code == 200, answer.text
    found = await http.get("/v1/volatility", params={"symbol": "COIN00-PERP", "model": MODEL})
    assert found.status_code == 200, found.text
    VolatilityAnswer.model_validate(found.json())
    readout, (row,) = found.json()["readout"], (await estimated(http, item))["estimates"]
    assert found.json()["model_version"] == MODEL
    for name in ("volatility", "forecast", "driver_multiplier", "calibration", "effective_half_life"):
        assert readout[name] == pytest.approx(row[name], rel=1e-6), name
    assert readout["drivers"] == pytest.approx(row["drivers"], rel=1e-5)
    bare = await http.get("/v1/volatility", params={"symbol": "COIN00-PERP"})
    assert bare.status_code == 404  # another model has another state


async def test_a_contradicting_value_is_a_conflict_that_names_the_driver(http: httpx.AsyncClient) -> None:
    rows = points(driven())[:40]
    await observe(http, rows)
    again = copy.deepcopy(rows[-3:])
    again[0]["drivers"] = {"flow": 99.5}
    again[1]["drivers"] = None
    again[2]["drivers"] = {"funding": None}
    answer = (await observe(http, again)).json()
    assert answer["outcomes"] == ["conflict", "duplicate", "duplicate"]
    assert "drivers.flow is" in answer["rejected"][0]["detail"] and "found 99.5" in answer["rejected"][0]["detail"]
    revised = (await observe(http, again[:1], revise=True)).json()
    assert revised["outcomes"] == ["revised"]


async def test_an_unknown_driver_of_an_observation_is_refused_by_name(http: httpx.AsyncClient) -> None:
    rows = points(driven())[:3]
    rows[1]["drivers"] = {"flow": 1.0, "spread": 2.0}
    answer = await observe(http, rows)
    assert answer.status_code == 422
    assert "observations.1.drivers: spread is no driver of the estimator, which names flow, funding" in answer.text


async def replayed(http: httpx.AsyncClient, made: Body) -> Body:
    answer = await http.post(f"/v1/evaluations/{made['evaluation_id']}:replay")
    assert answer.status_code == 200, answer.text
    found: Body = answer.json()
    return found


def policy(**more: Any) -> Body:
    return {"sizing": {"method": "volatility_target", "target_volatility": 0.20}, "estimator": DRIVEN, **more}


async def test_evaluations_size_with_drivers_of_series_and_of_states(http: httpx.AsyncClient) -> None:
    request = book(1, bars=BARS, policy=policy(), series=[driven()])
    posted = await http.post("/v1/evaluations", json=request)
    assert posted.status_code == 200, posted.text
    EvaluationResponse.model_validate(posted.json())
    (row,) = (await estimated(http, driven()))["estimates"]
    assert posted.json()["targets"][0]["volatility"]["annual"] == row["volatility"]
    assert posted.json()["policy_resolved"]["estimator"]["drivers"] == ["flow", "funding"]
    await observe(http, points(driven()))
    cached = await http.post("/v1/evaluations", json=book(1, bars=BARS, policy=policy()))
    annual = cached.json()["targets"][0]["volatility"]["annual"]
    assert annual == pytest.approx(row["volatility"], rel=1e-6)
    for made in (posted.json(), cached.json()):
        assert (await replayed(http, made))["match"] is True


async def test_events_over_http_and_their_replay(http: httpx.AsyncClient) -> None:
    tomorrow = text(midnight(AS_OF) + timedelta(hours=14))
    request = book(2, bars=BARS, series=[series(f"COIN0{place}-PERP", place, BARS) for place in range(2)])
    for path, model in (("/v1/evaluations", EvaluationResponse), ("/v1/targets", TargetsResponse)):
        plain = (await http.post(path, json=request)).json()
        answer = await http.post(path, json={**request, "events": [{"at": tomorrow, "move": 0.1}]})
        assert answer.status_code == 200, answer.text
        made = answer.json()
        model.model_validate(made)
        for before, after in zip(plain["targets"], made["targets"], strict=True):
            assert abs(float(after["target_quantity"])) < abs(float(before["target_quantity"]))
            assert "events" in [step["stage"] for step in after["steps"]]
            annual = math.hypot(after["volatility"]["annual"], 0.1 * math.sqrt(365.0))
            assert after["volatility"]["event_volatility"] == pytest.approx(annual, rel=1e-7)
        assert (await replayed(http, made))["match"] is True


async def test_events_in_an_estimate_raise_the_next_bar_and_the_horizon(http: httpx.AsyncClient) -> None:
    events = [
        {"symbol": "COIN00-PERP", "at": text(midnight(AS_OF) + timedelta(hours=6)), "move": 0.04},
        {"at": text(midnight(AS_OF) + timedelta(days=3)), "volatility": 0.9, "seconds": 43_200},
        {"symbol": "ELSE", "at": text(midnight(AS_OF)), "move": 0.5},
    ]
    items = [series(f"COIN0{place}-PERP", place, BARS) for place in range(2)]
    plain = await estimated(http, *items, estimator={"method": "adaptive"}, horizon="P7D")
    found = await estimated(http, *items, estimator={"method": "adaptive"}, horizon="P7D", events=events)
    assert [warning["symbol"] for warning in found["warnings"]] == ["ELSE"]
    extra = 0.9**2 * 43_200 / 31_536_000
    for place, own in enumerate((0.04**2, 0.0)):
        before, after = plain["estimates"][place], found["estimates"][place]
        assert "event_volatility" not in before and after["volatility"] == before["volatility"]
        assert after["event_volatility"] == pytest.approx(math.sqrt(before["volatility"] ** 2 + own * 365), rel=1e-7)
        deviation = math.sqrt(before["horizon"]["deviation"] ** 2 + own + extra)
        assert after["horizon"]["deviation"] == pytest.approx(deviation, rel=1e-7)
        assert after["horizon"]["volatility"] == pytest.approx(deviation * math.sqrt(365 / 7), rel=1e-7)


async def test_events_that_are_none_are_refused(http: httpx.AsyncClient) -> None:
    request = book(1, bars=BARS, series=[series("COIN00-PERP", 0, BARS)])
    at = text(midnight(AS_OF))
    for wrong, words in (
        ({"at": at}, "either volatility (with seconds) or move"),
        ({"at": at, "volatility": 0.4}, "volatility goes with seconds > 0"),
        ({"at": 1e9, "move": 0.1}, "RFC 3339"),
        ({"at": at, "move": -0.1}, "move"),
        ({"at": at, "move": 0.1, "size": 1}, "size"),
    ):
        answer = await http.post("/v1/evaluations", json={**request, "events": [wrong]})
        assert answer.status_code == 422 and words in answer.text, answer.text
    many = [{"at": at, "move": 0.1}] * 101
    assert (await http.post("/v1/evaluations", json={**request, "events": many})).status_code == 422
