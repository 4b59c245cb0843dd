"""One suite for every member of the trigger registry: what a trigger promises, whatever it computes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from app.translate.policy import policy_fields, resolved_json, restored
from models.api.policy import HedgesPolicyIn, PolicyIn
from services.core.errors import InvalidInput
from services.core.outcome import Reason
from services.engine.policy import Policy
from services.hedging.registry import AnyOf, HedgeTrigger
from services.hedging.view import HedgeView, decide, traded
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.hedging import KINDS, NAME, TRIGGERS, paths, together

EVERY = pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda item: item.method)


def test_every_member_is_here() -> None:
    assert {type(trigger) for trigger in TRIGGERS} == set(KINDS)


@EVERY
def test_many_paths_at_once_are_each_book_alone(trigger: HedgeTrigger) -> None:
    books = paths(200)
    all_at_once = traded(view := together(books), trigger.judge(view))
    alone = [decide(trigger, book).delta_to_trade for book in books]
    assert all_at_once == pytest.approx([trade or 0.0 for trade in alone], rel=1e-12, abs=1e-15)
    assert any(alone) and not all(alone)


@EVERY
def test_no_trade_leads_away_from_zero_or_across_it(trigger: HedgeTrigger) -> None:
    view = together(paths(500, seed=1))
    before = np.asarray(view.net_delta)
    after = before + traded(view, trigger.judge(view))
    assert (np.abs(after) <= np.abs(before)).all()
    assert (after * before >= 0.0).all()


@EVERY
def test_longs_and_shorts_are_treated_alike(trigger: HedgeTrigger) -> None:
    view = together(paths(200, seed=2))
    mirrored = replace(view, net_delta=-np.asarray(view.net_delta))
    assert traded(mirrored, trigger.judge(mirrored)) == pytest.approx(-traded(view, trigger.judge(view)), abs=1e-15)


@EVERY
def test_the_sign_of_the_gamma_does_not_matter(trigger: HedgeTrigger) -> None:
    for book in paths(100, seed=3):
        last = replace(book.last, gamma_1pct=None) if book.last is not None else None
        known, other = replace(book, last=last), replace(book, last=last, gamma_1pct=-float(book.gamma_1pct or 0.0))
        assert decide(trigger, known) == decide(trigger, other)


@EVERY
def test_a_flat_book_is_left_alone(trigger: HedgeTrigger) -> None:
    flat = replace(paths(1)[0], last=None)
    decision = decide(trigger, flat)
    assert (decision.delta_to_trade, decision.reason, decision.fired) == (None, Reason.WITHIN_BUFFER, ())


@EVERY
def test_a_band_is_a_band_and_says_what_happens(trigger: HedgeTrigger) -> None:
    for book in paths(200, seed=4):
        decision = decide(trigger, book)
        if decision.outer is not None and decision.inner is not None:
            assert 0.0 <= decision.inner <= decision.outer
            assert (
                decision.delta_to_trade is not None
                or decision.reason is Reason.COOLDOWN
                or (abs(float(book.net_delta)) <= decision.outer)
            )
        assert (decision.delta_to_trade is not None) == (decision.reason is Reason.NONE)
        assert decision.delta_to_trade is None or decision.fired
        assert all(np.isfinite(value) for value in decision.basis.values())


@EVERY
def test_what_is_not_known_is_never_guessed(trigger: HedgeTrigger) -> None:
    """Each trigger acts on what is known, or says what it lacks; no number comes out of nothing."""
    blind = HedgeView(net_delta=0.4, spot=60_000.0, conversion=None, last=paths(1)[0].last)
    decision = decide(trigger, blind)
    lacking = {Reason.GREEKS_UNAVAILABLE, Reason.FX_REQUIRED, Reason.VOLATILITY_UNAVAILABLE}
    assert decision.reason in lacking | {Reason.NONE, Reason.WITHIN_BUFFER, Reason.COOLDOWN}
    assert decision.reason not in lacking or decision.detail
    assert decision.basis == {}


@EVERY
def test_a_hard_limit_acts_whatever_the_rule_says(trigger: HedgeTrigger) -> None:
    if isinstance(trigger, AnyOf):
        return
    rule: Any = type(trigger).__mro__[1]
    plain = rule(**{field.name: getattr(trigger, field.name) for field in fields(rule)})
    bounded = AnyOf(**NAME, triggers=(plain,), cooldown_seconds=1e6, hard_limit=0.8)
    for book in paths(200, seed=5):
        just = replace(book, last=replace(book.last, seconds_ago=1.0)) if book.last is not None else book
        decision, size = decide(bounded, just), abs(float(book.net_delta))
        assert (decision.delta_to_trade is not None) == (size > 0.8)
        if decision.delta_to_trade is not None:
            assert abs(float(book.net_delta) + decision.delta_to_trade) <= 0.8 + 1e-12
    blind = HedgeView(net_delta=-5.0, spot=60_000.0, conversion=None, last=None)
    assert decide(bounded, blind).delta_to_trade is not None


@EVERY
def test_the_wire_reads_what_is_stored(trigger: HedgeTrigger) -> None:
    policy = Policy(sizing=VolatilityTarget(target_volatility=0.2), hedging=trigger)
    assert restored(resolved_json(policy)) == policy
    sent = {"hedging": policy_fields(policy)["hedging"]}
    assert HedgesPolicyIn.model_validate(sent).resolved().hedging == trigger


@EVERY
def test_fields_that_do_not_exist_are_refused(trigger: HedgeTrigger) -> None:
    policy = Policy(sizing=VolatilityTarget(target_volatility=0.2), hedging=trigger)
    sent = dict(policy_fields(policy)["hedging"])
    with pytest.raises(ValidationError):
        HedgesPolicyIn.model_validate({"hedging": {**sent, "max_gama": 1.0}})
    with pytest.raises(ValidationError):
        HedgesPolicyIn.model_validate({"hedging": {**sent, "instrument": 5}})


@EVERY
def test_a_trigger_does_not_change(trigger: HedgeTrigger) -> None:
    with pytest.raises(FrozenInstanceError):
        trigger.instrument = "OTHER"  # type: ignore[misc]


def test_a_policy_without_a_method_still_means_a_threshold() -> None:
    old = {"instrument": "BTC-PERP", "max_delta": 0.25}
    named = HedgesPolicyIn.model_validate({"hedging": {"method": "threshold", **old}}).resolved()
    assert HedgesPolicyIn.model_validate({"hedging": old}).resolved() == named
    whole = {"sizing": {"method": "volatility_target", "target_volatility": 0.2}, "hedging": old}
    assert PolicyIn.model_validate(whole).resolved().hedging == named.hedging


@pytest.mark.parametrize(
    ("sent", "parameter"),
    [
        ({"method": "threshold"}, "policy.hedging.max_delta"),
        ({"method": "threshold", "max_delta": 1, "max_move": 0.1}, "policy.hedging.max_delta"),
        (
            {"method": "threshold", "max_delta": 1, "max_gamma_drift": 1, "rebalance_to": "edge"},
            "policy.hedging.rebalance_to",
        ),
        ({"method": "price_move"}, "policy.hedging.move"),
        ({"method": "price_move", "move": 0.1, "move_daily_sigmas": 1}, "policy.hedging.move"),
        ({"method": "adaptive", "atm_band": 0.1}, "policy.hedging.atm_gamma_1pct"),
        (
            {"method": "adaptive", "atm_band": 1, "atm_gamma_1pct": 1, "risk_aversion": 1},
            "policy.hedging.risk_aversion",
        ),
    ],
)
def test_parameters_that_exclude_each_other_are_refused(sent: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        HedgesPolicyIn.model_validate({"hedging": {**NAME, **sent}})
    assert refusal.value.parameter == parameter


@pytest.mark.parametrize(
    "sent",
    [
        {"method": "any_of", "triggers": []},
        {"method": "any_of", "triggers": [{"method": "adaptive"}] * 9},
        {"method": "any_of", "triggers": [{"method": "adaptive", "instrument": "ELSE"}]},
        {"method": "any_of", "triggers": [{"method": "any_of", "triggers": [{"method": "adaptive"}]}]},
        {"method": "any_of", "triggers": [{"method": "adaptive"}], "cooldown_seconds": -1},
        {"method": "any_of", "triggers": [{"method": "adaptive"}], "hard_limit": 0},
        {"method": "interval", "interval_seconds": 0},
        {"method": "interval", "interval_seconds": "60"},
        {"method": "adaptive", "risk_aversion": 0},
        {"method": "magic"},
    ],
)
def test_what_is_out_of_bounds_is_refused(sent: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HedgesPolicyIn.model_validate({"hedging": {**NAME, **sent}})
