"""One damaged state costs its own market an answer, and no other market anything."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from app.adapters.redis_volatility import open_redis_volatility
from app.ports import StateDamaged
from app.settings import Settings
from models.api.observation import ObservationsAnswer, VolatilityPage
from tests.support.bodies import AS_OF, DAY, SYMBOLS, book, observations
from tests.support.http import client

BROKEN, WELL = SYMBOLS[0], SYMBOLS[1]


def head_name(url: str, symbol: str) -> bytes:
    with redis.Redis.from_url(url) as direct:
        names: list[bytes] = direct.keys(f"*:{symbol}:86400:*:head")  # type: ignore[assignment]
    (name,) = names
    return name


def damage(url: str, symbol: str) -> None:
    """Cut the head of a state short."""
    with redis.Redis.from_url(url) as direct:
        name = head_name(url, symbol)
        whole: bytes = direct.get(name)  # type: ignore[assignment]
        direct.set(name, whole[:-3])


@pytest.fixture
async def http(tmp_path: Path, redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Service on two fed states, of which one is damaged then."""
    async with client(tmp_path, Settings(data_dir=tmp_path, redis_url=redis_url)) as opened:
        fed = await opened.post("/v1/observations", json=observations(2, 300))
        assert fed.json()["counts"] == {"accepted": 600}
        damage(redis_url, BROKEN)
        yield opened


def assert_names_the_remedy(detail: str) -> str:
    """The path of the reset, as it stands in the text."""
    assert "trimtab state rebuild" in detail
    found = re.search(r"DELETE (\S+) and feed it again", detail)
    assert found is not None, detail
    return found[1]


async def test_the_row_is_refused_and_the_rest_of_the_book_is_sized(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/evaluations", json=book(2))
    assert answer.status_code == 200, answer.text
    broken, well = answer.json()["targets"]
    assert (broken["symbol"], broken["status"], broken["reason"]) == (BROKEN, "refused", "volatility_unavailable")
    assert_names_the_remedy(broken["detail"])
    assert well["status"] in ("ok", "limited")
    again = await http.post(f"/v1/evaluations/{answer.json()['evaluation_id']}:replay")
    assert again.json()["match"], again.text


async def test_the_scalar_is_refused(http: httpx.AsyncClient) -> None:
    found = (await http.get("/v1/scalar", params={"symbol": BROKEN, "target_volatility": "0.2"})).json()
    assert (found["status"], found["reason"]) == ("refused", "volatility_unavailable")
    assert_names_the_remedy(found["detail"])


async def test_lists_hold_it_as_a_refused_item_and_its_own_page_as_unavailable(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/volatility")
    VolatilityPage.model_validate_json(answer.content)
    broken, well = answer.json()["items"]
    assert (broken["symbol"], broken["interval"]) == (BROKEN, "P1D")
    assert (broken["readout"]["status"], broken["readout"]["reason"]) == ("refused", "volatility_unavailable")
    assert_names_the_remedy(broken["readout"]["detail"])
    assert (well["symbol"], well["readout"]["status"]) == (WELL, "ok")
    alone = await http.get("/v1/volatility", params={"symbol": BROKEN})
    assert (alone.status_code, alone.json()["code"]) == (503, "vol_state_unavailable")
    assert_names_the_remedy(alone.json()["detail"])


async def test_bars_of_other_markets_are_stored_and_the_named_remedy_mends_it(http: httpx.AsyncClient) -> None:
    bars = observations(2, 301, AS_OF + DAY)
    newest = [row for row in bars["observations"] if row["close_time"].startswith("2026-11-21")]
    answer = await http.post("/v1/observations", json={"observations": newest})
    ObservationsAnswer.model_validate_json(answer.content)
    found: dict[str, Any] = answer.json()
    assert found["outcomes"][0] == "state_damaged"
    assert [row["symbol"] for row in found["states"]] == [WELL]
    (rejected,) = [row for row in found["rejected"] if row["outcome"] == "state_damaged"]
    reset = await http.delete(assert_names_the_remedy(rejected["detail"]))
    assert (reset.status_code, reset.json()["existed"]) == (200, True)
    again = await http.post("/v1/observations", json=observations(1, 300))
    assert again.json()["counts"] == {"accepted": 300}


async def test_any_part_of_a_head_may_be_nonsense(tmp_path: Path, redis_url: str) -> None:
    """One wrong bit could be a wrong size: whatever stands in its place is no state, and reading raises nothing."""
    async with client(tmp_path, Settings(data_dir=tmp_path, redis_url=redis_url)) as opened:
        await opened.post("/v1/observations", json=observations(1, 60))
    name, damaged = head_name(redis_url, BROKEN), list[bool]()
    with redis.Redis.from_url(redis_url) as direct:
        whole: bytes = direct.get(name)  # type: ignore[assignment]
        async with open_redis_volatility(redis_url) as store:
            for place in range(0, len(whole), 3):
                direct.set(name, whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
                ((_, found),) = await store.list("local", after=None, limit=2)
                damaged.append(isinstance(found, StateDamaged))
            direct.set(name, whole)
            ((_, found),) = await store.list("local", after=None, limit=2)
    assert all(damaged)
    assert not isinstance(found, StateDamaged)
