"""Which cached state stands for a row with a venue, and that the answer says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.api.observation import DEFAULT_ESTIMATOR
from services.volatility.registry import model_version
from tests.support.bodies import SYMBOLS, book, observations
from tests.support.http import client

FALLEN, OWN = SYMBOLS[0], SYMBOLS[1]
CHOICE = "state without a venue"


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """States of two symbols without a venue, one of them also under venue x."""
    async with client(tmp_path) as opened:
        bars = observations(2, 300)["observations"]
        bars += [{**row, "venue": "x"} for row in bars if row["symbol"] == OWN]
        assert (await opened.post("/v1/observations", json={"observations": bars})).json()["counts"] == {
            "accepted": 900
        }
        yield opened


def on_venue(venue: str | None, **options: Any) -> dict[str, Any]:
    """Book of both symbols on a venue."""
    made = book(2)
    where = {"venue": venue} if venue else {}
    for name in ("positions", "signals", "instruments"):
        made[name] = [{**row, **where} for row in made[name]]
    made["options"] = {**made["options"], **options}
    return made


async def evaluated(http: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await http.post("/v1/evaluations", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_state_of_no_venue_in_the_place_of_one_is_an_assumption(http: httpx.AsyncClient) -> None:
    found = await evaluated(http, on_venue("x"))
    assert {row["status"] for row in found["targets"]} <= {"ok", "limited"}
    (told,) = [row for row in found["assumptions"] if row["value"] == CHOICE]
    assert told["pointer"] == "/positions"
    assert told["effect"].startswith(f"for {FALLEN}@x: ")
    assert OWN not in told["effect"]


async def test_it_is_replayed_from_the_record(http: httpx.AsyncClient) -> None:
    found = await evaluated(http, on_venue("x"))
    replayed = (await http.post(f"/v1/evaluations/{found['evaluation_id']}:replay")).json()
    assert (replayed["match"], replayed["differences"]) == (True, [])


async def test_under_strict_it_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/evaluations", json=on_venue("x", strict=True))
    assert (answer.status_code, answer.json()["code"]) == (422, "assumptions_refused")
    assert CHOICE in answer.text


async def test_rows_without_a_venue_assume_nothing(http: httpx.AsyncClient) -> None:
    for body in (on_venue(None), {**on_venue("x"), "positions": on_venue("x")["positions"][1:], "signals": []}):
        found = await evaluated(http, body)
        assert CHOICE not in [row["value"] for row in found["assumptions"]]


async def test_a_missing_state_is_named_by_interval_and_model(http: httpx.AsyncClient) -> None:
    found = await evaluated(http, {**book(1), "interval": "PT1H"})
    (row,) = found["targets"]
    assert (row["status"], row["reason"]) == ("refused", "volatility_unavailable")
    assert f"{FALLEN} with PT1H bars and model {model_version(DEFAULT_ESTIMATOR)}" in row["detail"]
    query = {"symbol": FALLEN, "interval": "PT1H", "target_volatility": "0.2"}
    scalar = (await http.get("/v1/scalar", params=query)).json()
    assert (scalar["status"], scalar["reason"]) == ("refused", "volatility_unavailable")
    assert f"PT1H bars and model {model_version(DEFAULT_ESTIMATOR)}" in scalar["detail"]
