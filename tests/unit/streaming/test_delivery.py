"""Deliveries: window, conflation, prev, losses, slow readers."""

from __future__ import annotations

import pytest

from services.streaming.close import CloseCode
from services.streaming.delivery import Delivery, DeliveryRules
from services.streaming.session import Ended
from services.streaming.update import Channel, Kind, Position
from tests.support.stream_reference import Text

LATEST = Channel("local", Kind.TARGETS, "pf_main")
OTHER = Channel("local", Kind.MARGIN, "pf_main")
EVERY = Channel("local", Kind.AUDIT)


def delivery(*channels: Channel, window: int = 4, **rules: float) -> Delivery:
    """A reader of channels at position 0 of epoch a."""
    found = Delivery(DeliveryRules(window=window, **rules))  # type: ignore[arg-type]
    for channel in channels:
        found.subscribe(channel, Position("a", 0))
    return found


def pushes(found: Delivery, now: float = 0.0) -> list[tuple[int, int, int]]:
    """(seq, prev, conflated) of everything that may be sent now."""
    sent = []
    while found.has_push:
        push = found.next_push(now)
        sent.append((push.message.position.seq, push.prev, push.conflated))
    return sent


def test_a_fast_reader_is_sent_every_state() -> None:
    found = delivery(LATEST)
    for seq in range(1, 8):
        assert found.offer(Text(LATEST, Position("a", seq)), 0.0)
        assert pushes(found) == [(seq, seq - 1, 0)]
        found.acknowledge(seq, 0.0)


def test_behind_a_full_window_the_newest_state_wins_and_prev_says_what_was_sent() -> None:
    found = delivery(LATEST)
    for seq in range(1, 11):
        found.offer(Text(LATEST, Position("a", seq)), 0.0)
    assert pushes(found) == [(1, 0, 0), (2, 1, 0), (3, 2, 0), (10, 3, 6)]
    found.acknowledge(1, 0.0)
    assert pushes(found) == []
    found.offer(Text(LATEST, Position("a", 11)), 0.0)
    assert pushes(found) == [(11, 10, 0)]


def test_an_every_channel_leaves_nothing_out() -> None:
    found = delivery(EVERY)
    for seq in range(1, 11):
        found.offer(Text(EVERY, Position("a", seq)), 0.0)
    sent = []
    for _ in range(10):
        sent += pushes(found)
        found.acknowledge(found.pushed, 0.0)
    assert sent == [(seq, seq - 1, 0) for seq in range(1, 11)]


def test_a_loud_channel_does_not_keep_a_quiet_one_waiting() -> None:
    found = delivery(LATEST, OTHER, window=1)
    found.offer(Text(LATEST, Position("a", 1)), 0.0)
    assert pushes(found) == [(1, 0, 0)]
    found.offer(Text(LATEST, Position("a", 2)), 0.0)
    found.offer(Text(OTHER, Position("a", 1)), 0.0)
    for seq in range(3, 9):
        found.offer(Text(LATEST, Position("a", seq)), 0.0)
    found.acknowledge(1, 0.0)
    first = found.next_push(0.0)
    found.acknowledge(2, 0.0)
    second = found.next_push(0.0)
    assert (first.message.name, first.message.position.seq) == (LATEST.name, 8)
    assert (second.message.name, second.prev) == (OTHER.name, 0)


def test_a_lost_state_shows_even_behind_others_that_wait() -> None:
    for channel in (EVERY, LATEST):
        found = delivery(channel)
        for seq in (1, 2, 4):
            found.offer(Text(channel, Position("a", seq)), 0.0)
        assert pushes(found) == [(1, 0, 0), (2, 1, 0), (4, 3, 0)]


def test_conflation_does_not_hide_a_loss() -> None:
    found = delivery(LATEST, window=1)
    for seq in (1, 2, 4, 5):
        found.offer(Text(LATEST, Position("a", seq)), 0.0)
    assert pushes(found) == [(5, 4, 0)]


def test_a_first_state_that_is_not_the_first_of_its_stream_shows_as_loss() -> None:
    found = Delivery(DeliveryRules())
    found.subscribe(EVERY, None)
    found.offer(Text(EVERY, Position("a", 3)), 0.0)
    assert pushes(found) == [(3, 2, 0)]
    found.subscribe(EVERY, None)
    found.offer(Text(EVERY, Position("a", 1)), 0.0)
    assert pushes(found) == [(1, 0, 0)]


def test_a_new_epoch_begins_at_prev_0() -> None:
    found = delivery(LATEST)
    found.offer(Text(LATEST, Position("a", 1)), 0.0)
    found.offer(Text(LATEST, Position("b", 7)), 0.0)
    found.offer(Text(LATEST, Position("b", 8)), 0.0)
    assert pushes(found) == [(1, 0, 0), (7, 0, 6), (8, 7, 0)]


def test_what_was_seen_before_is_not_sent_again() -> None:
    found = delivery(LATEST)
    assert found.offer(Text(LATEST, Position("a", 2)), 0.0)
    assert not found.offer(Text(LATEST, Position("a", 2)), 0.0)
    assert not found.offer(Text(LATEST, Position("a", 1)), 0.0)
    assert not found.offer(Text(OTHER, Position("a", 1)), 0.0)


def test_subscribing_again_forgets_what_waits() -> None:
    found = delivery(LATEST, OTHER)
    found.offer(Text(LATEST, Position("a", 1)), 0.0)
    found.offer(Text(OTHER, Position("a", 1)), 0.0)
    found.subscribe(LATEST, Position("a", 5))
    found.offer(Text(LATEST, Position("a", 6)), 0.0)
    assert [found.next_push(0.0).message.name for _ in range(2)] == [OTHER.name, LATEST.name]
    assert not found.has_push
    assert found.waiting_bytes == 0
    assert found.unsubscribe(LATEST)
    assert not found.unsubscribe(LATEST)


def test_without_acknowledgements_only_the_queue_is_bounded() -> None:
    found = delivery(LATEST)
    found.acks = False
    for seq in range(1, 101):
        found.offer(Text(LATEST, Position("a", seq)), 0.0)
        if seq % 10 == 0:
            assert pushes(found)[-1][0] == seq
    found.check(1000.0)


def test_an_acknowledgement_of_the_future_breaks_the_protocol() -> None:
    found = delivery(LATEST)
    with pytest.raises(Ended) as end:
        found.acknowledge(1, 0.0)
    assert end.value.code is CloseCode.PROTOCOL_ERROR


def stalled(now: float, found: Delivery) -> CloseCode | None:
    """Code with which the connection is cut."""
    try:
        found.check(now)
    except Ended as end:
        return end.code
    return None


def test_thirty_seconds_without_acknowledgement_are_too_many() -> None:
    found = delivery(LATEST)
    found.offer(Text(LATEST, Position("a", 1)), 10.0)
    assert stalled(1000.0, found) is None, "nothing was sent"
    pushes(found, 1000.0)
    assert stalled(1029.9, found) is None
    assert stalled(1030.0, found) is CloseCode.SLOW_CONSUMER
    found.acknowledge(1, 1031.0)
    assert stalled(9999.0, found) is None


def test_acknowledgements_that_stand_still_have_a_code_of_their_own() -> None:
    found = delivery(LATEST)
    for seq in (1, 2):
        found.offer(Text(LATEST, Position("a", seq)), 0.0)
    pushes(found, 0.0)
    for second in range(1, 31):
        found.acknowledge(1, float(second))
    assert stalled(30.9, found) is None
    assert stalled(31.0, found) is CloseCode.ACK_STALLED


def test_a_socket_that_takes_nothing_is_cut_also_without_acknowledgements() -> None:
    found = delivery(LATEST)
    found.acks = False
    found.blocked(5.0)
    assert stalled(34.9, found) is None
    assert stalled(35.0, found) is CloseCode.SLOW_CONSUMER
    found.unblocked()
    assert stalled(99.0, found) is None


def test_too_much_that_waits_for_a_second_is_cut() -> None:
    found = delivery(LATEST, window=1, max_bytes=1000)
    for seq in range(1, 50):
        found.offer(Text(LATEST, Position("a", seq), size=400), 0.0)
    assert stalled(0.0, found) is None, "conflated"
    found.offer(Text(LATEST, Position("a", 50), size=1001), 0.0)
    assert stalled(0.0, found) is None, "a burst"
    assert stalled(0.9, found) is None
    assert stalled(1.0, found) is CloseCode.SLOW_CONSUMER
    found.offer(Text(LATEST, Position("a", 51), size=8001), 1.0)
    found._crowded_since = None
    assert stalled(1.0, found) is CloseCode.SLOW_CONSUMER, "a flood"


def test_a_burst_that_is_read_is_no_slow_reader() -> None:
    found = delivery(LATEST, max_bytes=1000)
    for second in range(10):
        found.offer(Text(LATEST, Position("a", second + 1), size=1500), float(second))
        assert stalled(float(second), found) is None
        assert len(pushes(found)) == 1
        found.acknowledge(found.pushed, float(second))
        assert stalled(second + 0.5, found) is None


def test_too_many_messages_that_must_not_be_left_out_are_cut() -> None:
    many = delivery(EVERY, max_messages=1000)
    for seq in range(1, 1001):
        many.offer(Text(EVERY, Position("a", seq)), 0.0)
    assert stalled(0.0, many) is stalled(2.0, many) is None
    many.offer(Text(EVERY, Position("a", 1001)), 2.0)
    assert stalled(2.0, many) is None
    assert stalled(3.0, many) is CloseCode.SLOW_CONSUMER


def test_the_lag_is_the_age_of_the_oldest_change_that_was_not_told() -> None:
    found = delivery(LATEST, window=1)
    assert found.lag_seconds(5.0) == 0.0
    found.offer(Text(LATEST, Position("a", 1)), 1.0)
    found.offer(Text(LATEST, Position("a", 2)), 3.0)
    assert found.lag_seconds(5.0) == 4.0
    push = found.next_push(6.0)
    assert push.waited == 5.0
