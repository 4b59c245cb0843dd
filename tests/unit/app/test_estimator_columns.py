"""An estimator that lives on ranges is not silently fed with closes."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from app.translate.series import check_columns
from app.usecases.decide import Door, Gathered, decide
from models.api.evaluation import EvaluationRequest
from services.core.annualization import Calendar
from services.core.errors import InvalidInput
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.implied import Implied
from services.volatility.estimators.parkinson import Parkinson
from services.volatility.registry import Estimator
from services.volatility.series import SeriesInput
from tests.support import requests

RECEIVED = datetime(2026, 11, 20, 0, 0, 6, tzinfo=UTC)
CLOSES = np.array([100.0, 101.0, 99.0])
BARE = SeriesInput(CLOSES, datetime(2026, 1, 1, tzinfo=UTC), 86_400, Calendar())
RANGED = SeriesInput(CLOSES, BARE.end, 86_400, Calendar(), None, CLOSES, CLOSES * 1.01, CLOSES * 0.99)


@pytest.mark.parametrize(
    ("estimator", "words"), [(Parkinson(), "open, high and low for parkinson"), (Implied(), "implied_volatility")]
)
def test_missing_columns_are_named(estimator: Estimator, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        check_columns(BARE, 3, estimator)
    assert refused.value.parameter == "series.3"


def test_columns_that_are_there_pass() -> None:
    check_columns(BARE, 0, Adaptive())
    check_columns(RANGED, 0, Parkinson())


def test_a_decision_is_refused_before_it_is_made() -> None:
    body = requests.smallest()
    body["policy"]["estimator"] = {"method": "yang_zhang"}
    request = EvaluationRequest.model_validate(body)
    with pytest.raises(InvalidInput, match="open, high and low for yang_zhang"):
        decide(Door.EVALUATIONS, request, b"{}", Gathered(), evaluation_id="ev_1", received_at=RECEIVED)
