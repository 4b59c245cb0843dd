"""Quotes of an evaluation: their order does not matter, and no quote breaks a decision."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from app.examples import HEDGES_BY_QUOTES
from app.usecases.call import Door
from app.usecases.decide import Gathered, decide, render
from app.usecases.evaluate_portfolio import splice
from models.api.evaluation import HedgesRequest, HedgesResponse

RECEIVED = datetime(2026, 11, 20, 0, 0, 6, tzinfo=UTC)
QUOTES = HEDGES_BY_QUOTES["option_quotes"][0]["quotes"]
FIGURES = {
    "strike": st.sampled_from([0.000001, 1, 8000, 9000, 100000000]),
    "bid": st.sampled_from([None, 0, 0.000001, 0.05, 5, 10000000]),
    "ask": st.sampled_from([None, 0, 0.000001, 0.05, 5, 10000000]),
    "mark": st.sampled_from([None, 0, 0.04, 100]),
    "implied_volatility": st.sampled_from([None, 0.0001, 0.6, 10]),
    "forward": st.sampled_from([None, 0.01, 8050, 1000000]),
    "expiry": st.sampled_from(
        ["2019-10-17T00:00:06Z", "2019-10-17T08:00:00Z", "2019-12-27T08:00:00Z", "2080-01-01T00:00:00Z"]
    ),
    "right": st.sampled_from(["call", "put"]),
}


def answered(quotes: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    body = copy.deepcopy(HEDGES_BY_QUOTES)
    body["option_quotes"][0] |= {"quotes": quotes, **changes}
    raw = orjson.dumps(body)
    request = HedgesRequest.model_validate(orjson.loads(raw))
    made = decide(Door.HEDGES, request, raw, Gathered(), evaluation_id="ev_" + "0" * 32, received_at=RECEIVED)
    answer: dict[str, Any] = orjson.loads(render(made, RECEIVED))
    HedgesResponse.model_validate_json(splice(render(made, RECEIVED), 1))
    return answer


@settings(max_examples=15, deadline=None)
@given(st.permutations(QUOTES))
def test_the_order_of_quotes_does_not_matter(shuffled: list[dict[str, Any]]) -> None:
    found, again = answered(QUOTES), answered(shuffled)
    assert found["hedges"] == again["hedges"]
    assert found["option_volatilities"] == again["option_volatilities"]
    assert found["option_surfaces"] == again["option_surfaces"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({}, optional=FIGURES), min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from(["svi", "essvi"]),
    st.sampled_from([-1, 0, 1]),
)
def test_no_quote_breaks_a_decision(changes: list[dict[str, Any]], alone: bool, method: str, stickiness: float) -> None:
    broken = [{**QUOTES[index % len(QUOTES)], **change} for index, change in enumerate(changes)]
    quotes = broken if alone else [*broken, *QUOTES]
    found = answered(quotes, surface={"method": method}, skew_stickiness=stickiness)
    (hedge,), (used,) = found["hedges"], found["option_volatilities"]
    assert (hedge["status"] == "refused") == (used["source"] == "none")
    assert used["source"] == "none" or 0.0 < used["volatility"] <= 10.0
