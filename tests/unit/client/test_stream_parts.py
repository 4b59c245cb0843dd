"""Parts of the client's stream: close codes, back-off, the service's clock, notices."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.streaming.close import CloseCode
from tests.support.stream_server import Connection, Published, text_of
from trimtab_client.errors import SubscriptionRefused
from trimtab_client.retry import STREAM_BACKOFF, Backoff
from trimtab_client.stream.clock import SAMPLES, ServiceClock
from trimtab_client.stream.closing import after_close
from trimtab_client.stream.events import Degraded, Expired, Notice, Position
from trimtab_client.stream.reader import Reader

START = 1_800_000_000.0


@pytest.mark.parametrize("code", list(CloseCode))
def test_the_client_reconnects_where_the_service_says_so(code: CloseCode) -> None:
    assert (after_close(code, code.reason()) is not None) == code.reconnects


@pytest.mark.parametrize("code", [1000, 1005, 1006, 1011, 1014, 1015])
def test_what_the_network_does_is_no_reason_to_stop(code: int) -> None:
    plan = after_close(code, "")
    assert plan is not None
    assert plan.resume


@pytest.mark.parametrize("code", [1002, 1008, 1010, 3000, 4000, 4600])
def test_a_code_that_is_not_understood_stops(code: int) -> None:
    assert after_close(code, "") is None


def test_backoff_of_the_stream_is_250_ms_to_30_s_with_full_jitter() -> None:
    least, most = (Backoff(jitter=lambda value=value: value) for value in (0.0, 1.0))
    assert {least.seconds(attempt) for attempt in range(10)} == {0.0}
    assert [most.seconds(attempt) for attempt in range(8)] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    draws = {STREAM_BACKOFF.seconds(5) for _ in range(50)}
    assert len(draws) > 40
    assert all(0.0 <= draw <= 8.0 for draw in draws)


class Clocks:
    """Own clocks that a test sets."""

    def __init__(self) -> None:
        self.mono, self.wall = 100.0, START
        self.clock = ServiceClock(monotonic=lambda: self.mono, wall=lambda: self.wall)

    def hear(self, there: float) -> None:
        self.clock.hear(_moment(there))

    @property
    def now(self) -> float:
        return self.clock.now().timestamp()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_a_wrong_clock_here_does_not_change_the_time_there() -> None:
    clocks = Clocks()
    clocks.hear(START + 3600)
    clocks.mono += 5
    clocks.wall += 5
    assert clocks.now == pytest.approx(START + 3605)


def test_the_least_delayed_time_counts() -> None:
    clocks = Clocks()
    clocks.hear(START)
    clocks.hear(START - 4)  # four seconds under way
    assert clocks.now == pytest.approx(START)


def test_a_machine_that_slept_does_not_believe_that_no_time_passed() -> None:
    clocks = Clocks()
    clocks.hear(START)
    clocks.wall += 600  # the monotonic clock stood still
    assert clocks.now == pytest.approx(START + 600)


def test_a_clock_that_is_set_back_does_not_prolong_a_target() -> None:
    clocks = Clocks()
    clocks.hear(START)
    clocks.wall -= 3600
    clocks.mono += 10
    assert clocks.now == pytest.approx(START + 10)


def test_a_clock_that_is_set_forward_is_forgotten_after_some_heartbeats() -> None:
    clocks = Clocks()
    clocks.hear(START)
    clocks.wall += 3600
    assert clocks.now == pytest.approx(START + 3600)  # early is the safe side
    for _ in range(SAMPLES):
        clocks.hear(START)
    assert clocks.now == pytest.approx(START)


def reader_of(*channels: Published, now: float = START) -> tuple[Reader, Connection]:
    reader = Reader(
        [channel.name for channel in channels],
        clock=ServiceClock(monotonic=lambda: now, wall=lambda: now),
        backoff=Backoff(jitter=lambda: 1.0),
    )
    connection = Connection({channel.name: channel for channel in channels})
    reader.connected()
    reader.receive(connection.hello(now), 0.0)
    for frame in tuple(reader.outbox):
        for answer in connection.take(dict(frame)):
            reader.receive(answer, 0.0)
    reader.outbox.clear()
    return reader, connection


def test_a_channel_that_is_refused_for_good_is_an_error() -> None:
    reader = Reader(["targets:other"])
    reader.connected()
    reader.receive(Connection({}).hello(START), 0.0)
    error = {"code": "forbidden", "retryable": False, "detail": "no such channel"}
    with pytest.raises(SubscriptionRefused, match="targets:other: forbidden"):
        reader.receive({"type": "reply", "id": "1", "ok": False, "error": error}, 0.0)


def test_a_channel_that_is_refused_for_now_is_asked_for_again() -> None:
    reader = Reader(["targets:a"], backoff=Backoff(jitter=lambda: 1.0))
    reader.connected()
    reader.receive(Connection({}).hello(START), 0.0)
    for attempt, wait in enumerate([0.25, 0.5, 1.0], start=1):
        error = {"code": "backend_unavailable", "retryable": True}
        reader.receive({"type": "reply", "id": str(attempt), "ok": False, "error": error}, 10.0)
        reader.outbox.clear()
        assert reader.seconds_until_tick(10.0) == pytest.approx(wait)
        assert reader.tick(10.0 + wait / 2) == []
        assert reader.outbox == []
        reader.tick(10.0 + wait)
        assert [frame["op"] for frame in reader.outbox] == ["subscribe"]


def test_the_service_may_end_a_state_before_its_time_and_only_the_one_it_names() -> None:
    channel = Published("targets:a", "latest")
    channel.publish(START, 60.0)
    reader, _ = reader_of(channel)
    notice = {"type": "notice", "code": "expired", "ch": "targets:a", "epoch": "e1", "seq": 7}
    assert reader.receive(notice, 0.0) == []
    (event,) = reader.receive(notice | {"seq": 1}, 0.0)
    assert isinstance(event, Expired)
    assert event.position == Position("e1", 1)
    assert reader.current("targets:a") is None
    assert reader.take() == (None, [])
    assert reader.receive(notice | {"seq": 1}, 0.0) == []


def test_a_state_that_is_over_when_it_arrives_is_told_and_not_given() -> None:
    channel = Published("targets:a", "latest")
    channel.publish(START - 120, 60.0)
    reader, _ = reader_of(channel)
    assert reader.take() == (None, [])
    assert reader.current("targets:a") is None


def test_a_slow_user_of_a_latest_channel_is_given_the_newest() -> None:
    channel = Published("targets:a", "latest")
    reader, connection = reader_of(channel)
    for _ in range(5):
        reader.receive(connection.push("targets:a", channel.publish(START, 60.0)), 0.0)
    update, _ = reader.take()
    assert update is not None
    assert update.position.seq == 5
    assert reader.take() == (None, [])


def test_a_user_that_takes_nothing_acknowledges_nothing_of_what_it_must_see() -> None:
    """The service then holds back: no more than its window is under way."""
    channel = Published("audit", "every")
    reader, connection = reader_of(channel)
    for _ in range(connection.window):
        reader.receive(connection.push("audit", channel.publish(START, None)), 0.0)
    reader.receive(connection.heartbeat(START), 0.0)
    assert [frame["n"] for frame in reader.outbox if frame["op"] == "ack"] == [0]
    for _ in range(connection.window // 2):
        reader.take()
    assert reader.outbox[-1] == {"op": "ack", "n": connection.window // 2}


def test_health_is_told_when_it_changes() -> None:
    reader, _ = reader_of(Published("targets:a", "latest"))
    degraded = {"type": "notice", "code": "degraded", "degraded": True, "detail": "redis"}
    assert reader.receive(degraded, 0.0) == [Degraded(True, "redis")]
    assert reader.receive(degraded, 0.0) == []
    assert reader.receive(degraded | {"degraded": False, "detail": ""}, 0.0) == [Degraded(False, "")]


def test_other_notices_and_frames_of_a_newer_service_do_no_harm() -> None:
    reader, _ = reader_of(Published("targets:a", "latest"))
    draining = {"type": "notice", "code": "draining", "reconnect_after_ms": [0, 5000]}
    assert reader.receive(draining, 0.0) == [Notice("draining", draining)]
    assert reader.receive({"type": "something"}, 0.0) == []
    pushed = {"type": "update", "ch": "new:x", "epoch": "e", "seq": 1, "prev": 0, "data": {}, "ts": text_of(START)}
    assert reader.receive(pushed, 0.0) == []
