"""Published parameters: what holds when, and how far a new version may move."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.core.errors import InvalidInput
from services.margin.published import (
    CAPS,
    DAY,
    LEAST_STEP,
    RATES,
    MarketRates,
    Publication,
    PublicationRules,
    check_publication,
    held_before,
    in_force,
    scheduled,
)

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LEVEL = {"initial_long": 0.08, "initial_short": 0.1, "maintenance_long": 0.04, "maintenance_short": 0.05}


def hours(count: float) -> datetime:
    return NOW + timedelta(hours=count)


def version(number: int, at: float, scale: float = 1.0, **changes: Any) -> Publication:
    rates = MarketRates(**{name: value * scale for name, value in LEVEL.items()}, haircut=0.1)
    return Publication(version=number, effective_at=hours(at), rates=rates, **changes)


def refusal(history: list[Publication], wanted: Publication, now: datetime = NOW) -> str:
    with pytest.raises(InvalidInput) as caught:
        check_publication(history, wanted, now)
    return f"{caught.value.parameter}: {caught.value.rule}"


def test_the_newest_effective_version_holds_and_supersedes_what_was_scheduled_after_it() -> None:
    history = [version(1, 0), version(2, 48), version(3, 24)]
    held = [in_force(history, hours(at)) for at in (-1, 0, 23, 24, 48, 99)]
    assert [item and item.version for item in held] == [None, 1, 1, 3, 3, 3]
    coming = [scheduled(history, hours(at)) for at in (-1, 0, 24)]
    assert [item and item.version for item in coming] == [1, 3, None], "version 2 will never hold"


def test_what_holds_agrees_with_a_replay_of_the_clock() -> None:
    """Slow reference: hour by hour, a version takes over when its hour comes, unless a later one already holds."""
    generator = random.Random(7)
    for _ in range(200):
        history = [version(number, generator.randrange(24)) for number in range(1, 7)]
        holding: Publication | None = None
        for hour in range(26):
            for item in history:
                if item.effective_at == hours(hour) and (holding is None or item.version > holding.version):
                    holding = item
            assert in_force(history, hours(hour)) == holding
            ahead = scheduled(history, hours(hour))
            later = [in_force(history, hours(at)) for at in range(hour + 1, 26)]
            assert ahead == next((item for item in later if item != holding), None)


def test_a_first_publication_is_free_but_not_backdated() -> None:
    check_publication([], version(1, 0), NOW)
    assert refusal([], version(1, -1)).startswith("effective_at: must not lie before")


def test_notice_is_kept_to_the_microsecond() -> None:
    history = [version(1, -100)]
    check_publication(history, version(2, 24), NOW)
    early = replace(version(2, 24), effective_at=hours(24) - timedelta(microseconds=1))
    assert "notice of 86400 s" in refusal(history, early)


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize(("factor", "fits"), [(1.25, True), (0.75, True), (1.2501, False), (0.7499, False)])
def test_a_rate_stays_within_the_change_of_a_day(name: str, factor: float, fits: bool) -> None:
    base = version(1, -100)
    # Room on the other side of maintenance <= initial, so that only the change is tested.
    base = replace(base, rates=replace(base.rates, initial_long=0.2, initial_short=0.2))
    wanted = replace(version(2, 24), rates=replace(base.rates, **{name: getattr(base.rates, name) * factor}))
    if fits:
        check_publication([base], wanted, NOW)
    else:
        assert f"rates.{name}: must lie within" in refusal([base], wanted)


def test_a_rate_near_zero_may_move_by_a_tenth_of_a_percent() -> None:
    base = version(1, -100)
    base = replace(base, rates=replace(base.rates, haircut=0.0))
    check_publication([base], replace(version(2, 24), rates=replace(base.rates, haircut=LEAST_STEP)), NOW)
    text = refusal([base], replace(version(2, 24), rates=replace(base.rates, haircut=1.01 * LEAST_STEP)))
    assert "between" not in text
    assert "0 and 0.001" in text


def test_two_steps_within_a_day_are_one_change() -> None:
    history = [version(1, -100), version(2, 24, 1.25)]
    text = refusal(history, version(3, 36, 1.25**2))
    assert "within 0.075 and 0.1 " in text, "both versions that hold in the day before bound it"
    check_publication(history, version(3, 48, 1.25**2), NOW)
    assert [item.version for item in held_before(history, hours(36))] == [1, 2]
    assert [item.version for item in held_before(history, hours(48))] == [2]


@pytest.mark.parametrize("cap", CAPS)
def test_caps_move_in_steps_are_not_dropped_and_may_be_introduced(cap: str) -> None:
    def capped(number: int, at: float, value: str | None) -> Publication:
        made = None if value is None else float(value) if cap == "max_leverage" else Decimal(value)
        return replace(version(number, at), **{cap: made})

    check_publication([capped(1, -100, "20")], capped(2, 24, "25"), NOW)
    check_publication([capped(1, -100, "20")], capped(2, 24, "15"), NOW)
    check_publication([capped(1, -100, None)], capped(2, 24, "2"), NOW)
    for value, rule in (("25.1", "must lie within 15 and 25"), ("14.9", "must lie within"), (None, "must stay")):
        assert f"{cap}: {rule}" in refusal([capped(1, -100, "20")], capped(2, 24, value))


def test_an_emergency_tightens_at_once_and_by_any_amount() -> None:
    history = [version(1, -100, max_leverage=20.0)]
    check_publication(history, version(2, 0, 5.0, max_leverage=2.0, emergency=True), NOW)
    check_publication(history, version(2, 0, 1.0, max_leverage=20.0, emergency=True), NOW)


@pytest.mark.parametrize("name", [*RATES, *CAPS])
def test_an_emergency_loosens_nothing(name: str) -> None:
    limits: dict[str, Any] = {"max_leverage": 20.0, "max_position": Decimal(10), "max_notional": Decimal(100)}
    base = version(1, -100, **limits)
    urgent = version(2, 0, **limits, emergency=True)
    for looser in (0.999, None):
        if name in RATES and looser is not None:
            changed = replace(urgent, rates=replace(urgent.rates, **{name: getattr(base.rates, name) * looser}))
        elif name in CAPS:
            raised = None if looser is None else type(limits[name])(str(limits[name])) + type(limits[name])(1)
            changed = replace(urgent, **{name: raised})
        else:
            continue
        assert f"{name}: must be at" in refusal([base], changed)


def test_an_emergency_does_not_undo_a_scheduled_tightening() -> None:
    history = [version(1, -100), version(2, 12, 1.25)]
    assert "version 2 has scheduled" in refusal(history, version(3, 0, 1.1, emergency=True))
    check_publication(history, version(3, 0, 1.25, emergency=True), NOW)


def test_what_an_emergency_raised_is_the_measure_from_then_on() -> None:
    history = [version(1, -100), version(2, 0, 4.0, emergency=True)]
    check_publication(history, version(3, 24, 3.0), NOW)
    assert "must lie within 0.24 and 0.4 " in refusal(history, version(3, 24, 2.9))
    assert [item.version for item in held_before(history, hours(12))] == [2]


def test_looser_rules_give_room_only_once_they_hold() -> None:
    loose = PublicationRules(notice_seconds=0.0, max_change_per_day=1.0)
    history = [version(1, -100), version(2, 24, rules=loose)]
    assert "notice" in refusal(history, version(3, 1, 1.1))
    check_publication(history, version(3, 24, 1.9), hours(24))


def test_no_path_of_publications_moves_faster_than_the_rules() -> None:
    """Random publishers who try everything: in any day that no emergency is in, no figure has moved further."""
    generator, change = random.Random(11), PublicationRules().max_change_per_day
    accepted, loosened = 0, 0
    for _ in range(60):
        history, clock = [version(1, 0)], 0.0
        for _ in range(12):
            clock += generator.choice([1.0, 5.0, 13.0, 25.0])
            last = history[-1].rates.initial_long / LEVEL["initial_long"]
            at = clock + generator.choice([0.0, 24.0, 30.0, 60.0])
            urgent = generator.random() < 0.2
            made = version(len(history) + 1, at, last * generator.uniform(0.6, 1.6), emergency=urgent)
            try:
                check_publication(history, made, hours(clock))
            except InvalidInput:
                continue
            history.append(made)
            accepted += 1
        for hour in range(int(clock) + 90):
            earlier, later = in_force(history, hours(hour)), in_force(history, hours(hour) + DAY)
            assert earlier is not None
            assert later is not None
            ratio = later.rates.initial_long / earlier.rates.initial_long
            between = [in_force(history, hours(hour + step)) for step in range(25)]
            urgent = any(item is not None and item.emergency for item in between)
            loosened += ratio < 1.0
            # Down never faster than the rules, against an emergency's level too; up only with one.
            assert ratio >= 1.0 - change - 1e-9
            assert urgent or ratio <= 1.0 + change + 1e-9
    assert accepted > 100
    assert loosened > 100


def test_maintenance_is_at_most_initial() -> None:
    with pytest.raises(InvalidInput, match="maintenance_short"):
        MarketRates(initial_long=0.1, initial_short=0.1, maintenance_long=0.1, maintenance_short=0.11, haircut=0.0)
