"""What is computed on the event loop: never more than 50 ms, whatever the prices turn out to be."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from app.examples import HEDGES, HEDGES_BY_QUOTES
from app.usecases.effort import takes_a_while, takes_long
from models.api.evaluation import HedgesRequest
from models.api.market import SeriesIn
from services.core.annualization import Calendar
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.path import forecast_path
from services.volatility.registry import Estimator
from services.volatility.series import SeriesInput
from services.volatility.state import Feed
from tests.support.bodies import series


def posted(count: int, bars: int) -> list[SeriesIn]:
    return [SeriesIn.model_validate(series(f"S{index}", index, bars)) for index in range(count)]


@pytest.mark.parametrize(
    ("count", "bars", "long"),
    [(1, 250, False), (3, 300, False), (1, 2_001, True), (4, 300, True), (40, 30, True), (1, 380, False)],
)
def test_series_that_may_have_to_be_fed_bar_by_bar_leave_the_event_loop(count: int, bars: int, long: bool) -> None:
    assert takes_long(posted(count, bars)) is long


def test_nothing_takes_no_time() -> None:
    assert not takes_long([])


def test_a_surface_is_never_fitted_on_the_event_loop() -> None:
    found = [takes_a_while(HedgesRequest.model_validate(body)) for body in (HEDGES, HEDGES_BY_QUOTES)]
    assert found == [False, True]


@pytest.mark.parametrize("model", [Ewma(), Adaptive()], ids=["ewma", "adaptive"])
def test_a_path_with_a_jump_taken_back_builds_no_state_for_each_bar(
    model: Estimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state copies its ring of 512; the readouts are those of the states all the same (property test)."""
    returns = 0.01 * np.random.default_rng(0).standard_normal(300)
    returns[150:152] = 0.4, -0.39
    item = SeriesInput(100.0 * np.exp(np.cumsum(returns)), datetime(2026, 1, 1, tzinfo=UTC), 86_400, Calendar())
    taken: list[int] = []
    take = Feed.take
    monkeypatch.setattr(Feed, "take", lambda feed, bar: (taken.append(1), take(feed, bar))[1])
    monkeypatch.setattr(Feed, "state", None)
    path = forecast_path(item, model)
    assert len(taken) == 300
    assert path.volatility[-1] < 0.5
