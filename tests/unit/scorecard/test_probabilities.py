"""Brier score and bins against scikit-learn; forecasters that are right and wrong."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from services.scorecard.mean import hac_mean
from services.scorecard.probabilities import BIN_EDGES, brier, expected_calibration_error, reliability


def sample(seed: int, count: int = 4000, distortion: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.beta(0.4, 3.0, count)
    return np.clip(truth**distortion, 0.0, 1.0), rng.random(count) < truth


def test_the_brier_score_is_that_of_scikit_learn() -> None:
    stated, happened = sample(1)
    assert brier(stated, happened).mean() == pytest.approx(brier_score_loss(happened, stated), rel=1e-12)


def test_bins_hold_every_statement_once() -> None:
    stated, happened = np.array([0.0, 0.001, 0.1, 0.95, 1.0]), np.array([False, False, True, True, True])
    bins = reliability(stated, happened)
    assert [(item.low, item.n) for item in bins] == [(0.0, 1), (0.001, 1), (0.1, 1), (0.9, 2)]
    assert sum(item.n * item.happened for item in reliability(*sample(2))) == sample(2)[1].sum()


def test_the_error_is_a_weighted_sum_over_bins() -> None:
    stated, happened = sample(3)
    place = np.minimum(np.digitize(stated, BIN_EDGES) - 1, len(BIN_EDGES) - 2)
    slow = sum(
        abs(stated[place == number].sum() - happened[place == number].sum()) for number in range(len(BIN_EDGES) - 1)
    )
    assert expected_calibration_error(reliability(stated, happened)) == pytest.approx(slow / stated.size, rel=1e-12)


def test_one_who_is_right_is_told_from_one_who_is_not() -> None:
    (right, happened), (wrong, same) = sample(4), sample(4, distortion=2.0)
    assert (happened == same).all()
    assert expected_calibration_error(reliability(right, happened)) < 0.02
    assert expected_calibration_error(reliability(wrong, happened)) > 0.03
    times = np.arange(4000.0)
    fair, low = hac_mean(happened - right, times), hac_mean(happened - wrong, times)
    assert abs(fair.value) < 3.0 * fair.standard_error  # type: ignore[arg-type,operator]
    assert low.value > 5.0 * low.standard_error  # type: ignore[operator]
