"""Connections: phases, operations, rates, age, heartbeats."""

from __future__ import annotations

from itertools import product

import pytest

from services.streaming.close import MAX_REASON_BYTES, CloseCode
from services.streaming.session import (
    ACK_COST,
    LEGAL,
    NEXT,
    Ended,
    IllegalTransition,
    Operation,
    Phase,
    Refused,
    Session,
    SessionRules,
)

ILLEGAL = [pair for pair in product(Phase, Phase) if pair[1] not in NEXT[pair[0]]]
REFUSED = [pair for pair in product(Phase, Operation) if pair[1] not in LEGAL[pair[0]]]
CODES = {
    Phase.CONNECTING: "closed",
    Phase.GREETED: "unauthenticated",
    Phase.OPEN: "too_late",
    Phase.DRAINING: "draining",
    Phase.CLOSED: "closed",
}


def session(**rules: float | None) -> Session:
    """A connection that was opened at second 100."""
    return Session(SessionRules(**rules), 100.0)  # type: ignore[arg-type]


def test_there_are_twenty_four_illegal_transitions() -> None:
    assert len(ILLEGAL) == 24


@pytest.mark.parametrize(("phase", "to"), ILLEGAL)
def test_an_illegal_transition_is_refused_and_changes_nothing(phase: Phase, to: Phase) -> None:
    found = session()
    found.phase = phase
    with pytest.raises(IllegalTransition, match=f"is {phase} cannot become {to}"):
        found.move(to)
    assert found.phase is phase


@pytest.mark.parametrize(("phase", "to"), [(phase, to) for phase in Phase for to in sorted(NEXT[phase])])
def test_a_legal_transition_is_made(phase: Phase, to: Phase) -> None:
    found = session()
    found.phase = phase
    found.move(to)
    assert found.phase is to


@pytest.mark.parametrize(("phase", "operation"), REFUSED)
def test_an_operation_out_of_phase_is_refused_with_its_code(phase: Phase, operation: Operation) -> None:
    found = session()
    found.phase = phase
    with pytest.raises(Refused) as refusal:
        found.admit(operation)
    assert refusal.value.code == CODES[phase]
    assert refusal.value.retryable == (phase in (Phase.CONNECTING, Phase.DRAINING, Phase.CLOSED))
    assert found.phase is phase


@pytest.mark.parametrize(("phase", "operation"), [(phase, item) for phase in Phase for item in sorted(LEGAL[phase])])
def test_an_operation_in_phase_passes(phase: Phase, operation: Operation) -> None:
    found = session()
    found.phase = phase
    found.admit(operation)


def test_without_keys_everybody_is_known_at_once_and_never_cut() -> None:
    found = session()
    found.greet()
    assert found.phase is Phase.AUTHENTICATED
    found.check_age(106.0)


def test_with_keys_one_must_come_in_five_seconds() -> None:
    found = session(auth_seconds=5.0)
    found.greet()
    assert found.phase is Phase.GREETED
    found.check_age(104.9)
    with pytest.raises(Ended) as end:
        found.check_age(105.0)
    assert end.value.code is CloseCode.UNAUTHENTICATED
    found.authenticate()
    found.check_age(200.0)


def test_a_key_may_come_again() -> None:
    found = session(auth_seconds=5.0)
    found.greet()
    found.authenticate()
    found.authenticate()
    found.count_subscriptions(1)
    found.authenticate()
    assert found.phase is Phase.OPEN


def test_frames_are_counted_by_a_bucket() -> None:
    found = session(frames_per_second=20.0, frames_at_once=40.0)
    for _ in range(40):
        found.count_frame(100.0)
    with pytest.raises(Ended) as end:
        found.count_frame(100.0)
    assert (end.value.code, end.value.detail) == (CloseCode.RATE_LIMITED, "retry_after_ms=2000")
    steady = session(frames_per_second=20.0, frames_at_once=40.0)
    for number in range(2000):
        steady.count_frame(100.0 + number / 20.0)


def test_an_acknowledgement_costs_a_tenth() -> None:
    found = session(frames_at_once=2.0)
    for _ in range(round(2.0 / ACK_COST) - 1):
        found.count_frame(100.0, is_ack=True)
    found.count_frame(100.05, is_ack=True)
    with pytest.raises(Ended):
        found.count_frame(100.05)


def test_ten_errors_a_minute_are_borne() -> None:
    found = session()
    for number in range(100):
        found.count_error(100.0 + 6.0 * number)
    burst = session()
    for _ in range(10):
        burst.count_error(100.0)
    with pytest.raises(Ended) as end:
        burst.count_error(159.9)
    assert end.value.code is CloseCode.TOO_MANY_ERRORS


def test_two_hundred_channels_are_borne() -> None:
    found = session()
    found.greet()
    found.count_subscriptions(200)
    assert found.phase is Phase.OPEN
    with pytest.raises(Ended) as end:
        found.count_subscriptions(201)
    assert end.value.code is CloseCode.SUBSCRIPTION_LIMIT


def test_a_connection_is_told_before_it_is_too_old() -> None:
    found = session(session_seconds=100.0, farewell_seconds=60.0)
    found.greet()
    assert not found.farewell_due(139.9)
    assert found.farewell_due(140.0)
    assert not found.farewell_due(141.0)
    found.check_age(199.9)
    with pytest.raises(Ended) as end:
        found.check_age(200.0)
    assert end.value.code is CloseCode.SESSION_EXPIRED


def test_heartbeats_keep_their_beat_and_are_not_made_up_for() -> None:
    found = session(heartbeat_seconds=5.0)
    found.greet()
    beats = [second for second in range(100, 121) if found.heartbeat_due(float(second))]
    assert beats == [105, 110, 115, 120]
    assert found.heartbeat_due(160.0)
    assert [second for second in range(161, 170) if found.heartbeat_due(float(second))] == [165]


def test_no_heartbeat_before_hello_and_after_the_end() -> None:
    found = session()
    assert not found.heartbeat_due(200.0)
    found.move(Phase.CLOSED)
    assert not found.heartbeat_due(300.0)


@pytest.mark.parametrize("code", CloseCode)
def test_every_close_code_says_what_to_do(code: CloseCode) -> None:
    reason = code.reason("ü" * 200)
    assert len(reason.encode()) <= MAX_REASON_BYTES
    assert reason.split()[0] == code.word
    assert code.meaning.why and code.meaning.client
    if code >= 4400:
        assert code.reconnects == (code < 4500) == (not code.meaning.client.startswith("Stop"))
