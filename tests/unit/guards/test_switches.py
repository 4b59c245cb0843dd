"""Switches: what lets more be done, at any time, is told apart; strictness; the end of a switch."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from services.core.errors import InvalidInput
from services.guards.switches import (
    ActiveSwitch,
    Switch,
    SwitchMode,
    active_switches,
    check_expiry,
    loosens,
    market_scopes,
    strictest,
    within,
)

NOW = datetime(2026, 11, 20, tzinfo=UTC)
HOURS = [NOW + timedelta(hours=hour) for hour in range(-2, 6)]
ENDS = (None, *HOURS)


def test_loosening_is_what_is_less_strict_at_any_moment_from_now_on() -> None:
    """Against every hour looked at one by one."""
    every = [Switch(scope="global", mode=mode, expires_at=end) for mode, end in itertools.product(SwitchMode, ENDS)]
    seen = set()
    for before, after in itertools.product(every, every):
        moments = [hour for hour in HOURS if hour >= NOW]
        slow = any(after.mode_at(m).severity < before.mode_at(m).severity for m in moments)
        assert loosens(before, after, NOW) == slow
        seen.add(slow)
    assert seen == {True, False}


def test_modes_are_ordered() -> None:
    assert [mode.severity for mode in (SwitchMode.NORMAL, SwitchMode.REDUCE_ONLY, SwitchMode.HALT)] == [0, 1, 2]


def test_no_switch_ends_in_more_than_reduce_only() -> None:
    for mode in SwitchMode:
        assert Switch(scope="global", mode=mode, expires_at=NOW).mode_at(NOW) is SwitchMode.REDUCE_ONLY
        assert Switch(scope="global", mode=mode, expires_at=NOW + timedelta(microseconds=1)).mode_at(NOW) is mode


def test_an_end_that_means_nothing_is_refused() -> None:
    check_expiry(Switch(scope="global", mode=SwitchMode.HALT), NOW)
    check_expiry(Switch(scope="global", mode=SwitchMode.HALT, expires_at=NOW + timedelta(microseconds=1)), NOW)
    for mode, end in ((SwitchMode.HALT, NOW), (SwitchMode.REDUCE_ONLY, NOW + timedelta(hours=1))):
        with pytest.raises(InvalidInput, match="expires_at"):
            check_expiry(Switch(scope="global", mode=mode, expires_at=end), NOW)


def test_what_is_active_is_what_stops_something() -> None:
    switches = [
        Switch(scope="venue:b", mode=SwitchMode.HALT, version=2),
        Switch(scope="global", mode=SwitchMode.NORMAL, version=1, expires_at=NOW),
        Switch(scope="symbol:c", mode=SwitchMode.NORMAL, version=9),
    ]
    found = active_switches(switches, NOW)
    assert [(item.scope, item.mode, item.expired) for item in found] == [
        ("global", SwitchMode.REDUCE_ONLY, True),
        ("venue:b", SwitchMode.HALT, False),
    ]
    worst = strictest(found)
    assert worst is not None
    assert worst.scope == "venue:b"
    assert strictest(()) is None
    assert [item.scope for item in within(found, market_scopes("c", "a"))] == ["global"]
    assert [item.scope for item in within(found, market_scopes("c", "b"))] == ["global", "venue:b"]


def test_of_equals_the_first_is_named() -> None:
    one, two = (ActiveSwitch(scope, SwitchMode.HALT, "a", "b", 1) for scope in ("global", "venue:a"))
    assert strictest((one, two)) is one
