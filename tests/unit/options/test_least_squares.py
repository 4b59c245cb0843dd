"""Least squares side by side, against SciPy one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares

from services.core.explain import Floats
from services.options.least_squares import minimise

T = np.linspace(0.0, 2.0, 15)
TRUE = np.array([[2.0, 1.5], [1.0, 0.3], [3.0, 4.0]])
NOISE = 0.02 * np.sin(37.0 * np.arange(45)).reshape(3, 15)
TARGET = TRUE[:, :1] * np.exp(-TRUE[:, 1:] * T) + NOISE


def decay(x: Floats, target: Floats) -> tuple[Floats, Floats]:
    curve = np.exp(-x[:, 1:] * T)
    return x[:, :1] * curve - target, np.stack([curve, -x[:, :1] * T * curve], axis=-1)


@pytest.mark.parametrize("cap", [10.0, 2.5])
def test_each_problem_ends_where_scipy_does(cap: float) -> None:
    lower, upper = np.zeros((3, 2)), np.full((3, 2), cap)
    found = minimise(lambda x: decay(x, TARGET), np.ones((3, 2)), lower, upper)
    for row, target in enumerate(TARGET):
        expected = least_squares(lambda x, y=target: decay(x[None], y)[0][0], [1.0, 1.0], bounds=(0.0, cap))
        assert found.parameters[row] == pytest.approx(expected.x, abs=2e-5)
        assert found.cost[row] == pytest.approx(expected.cost, rel=1e-6)


def test_a_parameter_that_moves_nothing_stays() -> None:
    def blind(x: Floats) -> tuple[Floats, Floats]:
        return x[:, :1] - 1.0, np.array([[[1.0, 0.0]]])

    box = np.full((1, 2), 5.0)
    found = minimise(blind, np.array([[3.0, 2.0]]), -box, box)
    assert found.parameters[0].tolist() == pytest.approx([1.0, 2.0])


def test_rounds_are_bounded() -> None:
    found = minimise(
        lambda x: decay(x, TARGET), np.full((3, 2), 9.0), np.zeros((3, 2)), np.full((3, 2), 10.0), rounds=4
    )
    assert found.rounds == 4
