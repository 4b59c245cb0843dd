"""What capital positions are sized on, and that limits stay on the equity."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from services.core.control import Control
from services.core.outcome import Status
from services.engine import Policy, evaluate
from services.sizing.buffers import NoBuffer
from services.sizing.capital import Capital, FixedCapital, FullCompounding, HalfCompounding
from services.sizing.limits import Limits
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import OPEN, inputs, row
from tests.support.columns import columns

D = Decimal


def size(capital: Capital, equity: float, initial: float | None = None, limits: Limits = OPEN) -> Decimal | None:
    """At σ = .4 and τ = .2 half of the capital, at 100 a contract."""
    method = VolatilityTarget(target_volatility=0.2)
    policy = Policy(sizing=method, capital=capital, limits=limits, buffer=NoBuffer())
    control = Control(initial_capital=initial, high_water_mark=initial)
    return evaluate(inputs(row(direction=1.0), equity=equity, policy=policy, control=control)).targets[0].target


@pytest.mark.parametrize(
    ("capital", "won", "lost"),
    [
        (FullCompounding(), D(60), D(40)),
        (FixedCapital(capital=10_000.0), D(50), D(50)),
        (HalfCompounding(), D(50), D(40)),
    ],
)
def test_profits_and_losses_by_rule(capital: Capital, won: Decimal, lost: Decimal) -> None:
    """An account of 10,000 that has become 12,000, or 8,000."""
    assert (size(capital, 12_000.0, 10_000.0), size(capital, 8_000.0, 10_000.0)) == (won, lost)


def test_the_first_decision_starts_half_compounding_at_the_equity() -> None:
    assert size(HalfCompounding(), 12_000.0) == D(60)
    assert HalfCompounding().sized_on(7.0, Control()) == 7.0


def test_deposits_are_capital_not_profit() -> None:
    """10,000 and a deposit of 5,000 are an initial capital of 15,000."""
    before = Control(initial_capital=10_000.0, high_water_mark=10_000.0)
    assert HalfCompounding().sized_on(15_000.0, before.at(15_000.0, 5_000.0)) == 15_000.0
    assert HalfCompounding().sized_on(15_000.0, before.at(15_000.0, 0.0)) == 10_000.0


def test_limits_stay_on_the_equity_under_a_fixed_capital() -> None:
    """Sized on a million with 10,000 in the account: the gross limit of 2 is 200 contracts."""
    policy = Policy(
        sizing=VolatilityTarget(target_volatility=0.2),
        capital=FixedCapital(capital=1e6),
        limits=Limits(max_leverage=2.0, max_margin_use=1.0, min_liquidation_distance=0.0),
        buffer=NoBuffer(),
    )
    target = evaluate(inputs(row(direction=1.0), policy=policy)).targets[0]
    assert (target.status, target.target) == (Status.LIMITED, D(200))


def test_the_explanation_names_the_rule() -> None:
    method = VolatilityTarget(target_volatility=0.2)
    for capital, parameter in ((FixedCapital(capital=5_000.0), "capital"), (FullCompounding(), "account.equity")):
        policy = Policy(sizing=method, capital=capital, limits=OPEN, buffer=NoBuffer())
        trail = evaluate(inputs(row(direction=1.0), policy=policy)).trail
        assert trail is not None
        first = trail.steps(0)[0]
        assert (first.stage, first.parameter) == ("equity", parameter)
        assert first.after == (50.0 if parameter == "capital" else 100.0)


def test_weights_over_another_capital_keep_the_risk_of_what_is_not_sized() -> None:
    """Half the capital doubles the weight of an option's delta over it."""
    book = columns([0.2], equity=100.0, delta_weight=np.array([0.1]))
    assert book.on_capital(50.0).delta_weight.tolist() == [0.2]
    assert book.on_capital(100.0) is book
