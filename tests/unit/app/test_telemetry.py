"""Metrics: closed labels, a watch on the loop, timings as a header."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest

from app import telemetry as module
from app.telemetry import Telemetry, server_timing


def test_series_do_not_grow_with_what_clients_send() -> None:
    telemetry = Telemetry()
    for _ in range(3):
        telemetry.request("unmatched", "other", 404, "not_found", 0.01)
    lines = [line for line in telemetry.render().decode().splitlines() if line.startswith("http_requests_total{")]
    assert lines == ['http_requests_total{code="not_found",method="other",route="unmatched",status="404"} 3.0']


def test_processes_have_registries_of_their_own() -> None:
    first, second = Telemetry(), Telemetry()
    first.log_size(7)
    assert "log_size 7.0" in first.render().decode()
    assert "log_size 7.0" not in second.render().decode()


async def test_the_watch_counts_until_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAG_PERIOD", 0.001)
    telemetry = Telemetry()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await telemetry.watch_loop()
    counted = re.search(r"event_loop_lag_seconds_count (\d+)", telemetry.render().decode())
    assert counted is not None
    assert int(counted[1]) >= 1


def test_no_stage_gives_no_header() -> None:
    assert server_timing({}) == ""


def test_the_writer_s_counts_become_counters_that_never_fall() -> None:
    telemetry = Telemetry()
    for waiting, batches, entries in ((3, 2, 10), (0, 5, 12)):
        telemetry.audit_activity(waiting, batches, entries)
    text = telemetry.render().decode()
    assert "audit_queue_depth 0.0" in text and "audit_batches_total 5.0" in text and "audit_entries_total 12.0" in text
