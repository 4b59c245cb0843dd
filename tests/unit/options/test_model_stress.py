"""Options repriced under shocked models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.options.black import black_price
from services.options.cosine import model_prices
from services.options.heston import Heston
from services.options.model_smile import model_volatilities
from services.options.model_stress import stressed_prices
from tests.support.heston_reference import integral_price
from tests.support.stochastic_volatility import with_jumps

MODEL = Heston(
    initial_variance=0.25, mean_reversion=3.0, long_run_variance=0.3, volatility_of_variance=1.5, correlation=-0.4
)
STRIKES = np.array([80.0, 100.0, 120.0])


def test_each_scenario_is_a_shocked_model() -> None:
    found = stressed_prices(
        MODEL, 100.0, STRIKES, 30 / 365, [-1, 1, 1], forward_move=[0.0, -0.3], variance_factor=[1.0, 4.0]
    )
    calm = model_prices(MODEL, 100.0, STRIKES, 30 / 365, [-1, 1, 1])
    shocked = replace(MODEL, initial_variance=1.0)
    crash = integral_price(shocked, 70.0, STRIKES, 30 / 365, np.array([-1, 1, 1]))
    assert found.shape == (2, 3)
    assert found[0] == pytest.approx(calm, abs=1e-12)
    assert found[1] == pytest.approx(crash, abs=1e-10)


def test_more_jumps_cost_more_out_of_the_money() -> None:
    model = with_jumps(MODEL, 2.0, -0.1, 0.1)
    found = stressed_prices(model, 100.0, [60.0, 70.0], 10 / 365, -1, jump_factor=[0.0, 1.0, 5.0])
    assert (np.diff(found, axis=0) > 0.0).all()
    assert found[0] == pytest.approx(model_prices(MODEL, 100.0, [60.0, 70.0], 10 / 365, -1), abs=1e-12)


def test_a_fall_carries_the_smile_along() -> None:
    """At unchanged strikes Black's reprice keeps each volatility, the model moves along its skew."""
    moneyness = np.log(STRIKES / 100.0)
    volatility = model_volatilities(MODEL, moneyness, 30 / 365)
    black = black_price(80.0, STRIKES, 30 / 365, volatility, -1)
    found = stressed_prices(MODEL, 100.0, STRIKES, 30 / 365, -1, forward_move=-0.2)[0]
    after = model_volatilities(MODEL, np.log(STRIKES / 80.0), 30 / 365)
    assert found == pytest.approx(black_price(80.0, STRIKES, 30 / 365, after, -1), abs=1e-9)
    assert abs(found[0] - black[0]) > 0.05


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ({"forward_move": -1.0}, "forward_move \\+ 1 must be > 0"),
        ({"variance_factor": -0.5}, "variance_factor must be >= 0"),
        ({"jump_factor": 2.0}, "jump_factor needs a model with jumps"),
    ],
)
def test_scenarios_out_of_range(scenario: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        stressed_prices(MODEL, 100.0, STRIKES, 0.1, 1, **scenario)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="strike must be a list of options"):
        stressed_prices(MODEL, 100.0, STRIKES[:, None] + np.zeros(2), 0.1, 1)
