"""Metrics of one process, in a registry of its own, and the watch on the event loop."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector

from app.tracing import Tracer
from services.guards.switches import SwitchMode
from services.streaming.close import CloseCode

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LAG_PERIOD = 0.25
CLOSE_CODES = frozenset(CloseCode)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
QUANTILES = (0.5, 0.9, 0.99, 1.0)
IN_DOUBT = "deadline_exceeded"
"""Problem of a caller who was not told whether its record is durable."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class BatchSizes(Collector):
    """Histogram of the batches of the audit log, made of the counts by size that the writer keeps."""

    def __init__(self) -> None:
        self.counts: Mapping[int, int] = {}

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The histogram as it is now."""
        sizes = [(f"{bound:g}", sum(n for size, n in self.counts.items() if size <= bound)) for bound in BATCH_SIZES]
        buckets: list[tuple[str, float]] = [*sizes, ("+Inf", sum(self.counts.values()))]
        total = sum(size * count for size, count in self.counts.items())
        text = "Entries that one transaction of this process wrote to the audit log."
        yield HistogramMetricFamily("audit_batch_size", text, buckets=buckets, sum_value=total)

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """Names, without counts."""
        return self.collect()


class Telemetry:
    """Counters and histograms of a process; every one of them is fed."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # one line per series that nobody reads
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests_total",
            "Answered requests; code is the problem code, empty on success.",
            ("route", "method", "status", "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "http_request_seconds", "Time from request to answer.", ("route",), buckets=SECONDS, registry=self.registry
        )
        self._stages = Histogram(
            "eval_seconds", "Time of one stage of an evaluation.", ("stage",), buckets=SECONDS, registry=self.registry
        )
        self._audit = Histogram(
            "audit_commit_seconds", "Wait for the durable write.", buckets=SECONDS, registry=self.registry
        )
        self._lag = Histogram(
            "event_loop_lag_seconds", "How late the event loop ran a timer.", buckets=SECONDS, registry=self.registry
        )
        self._up = Gauge(
            "dependency_up", "Whether a store answered the last probe.", ("dependency",), registry=self.registry
        )
        self._log_size = Gauge("log_size", "Entries of the audit log.", registry=self.registry)
        self._waiting = Gauge(
            "audit_queue_depth", "Records of this process that wait for the audit log.", registry=self.registry
        )
        self._batches = Counter(
            "audit_batches_total", "Transactions of this process on the audit log.", registry=self.registry
        )
        self._written = Counter(
            "audit_entries_total",
            "Entries that this process wrote; over the batches, the size of a batch.",
            registry=self.registry,
        )
        self._audit_seen = (0, 0)
        self._sizes = BatchSizes()
        self.registry.register(self._sizes)
        self._unknown = Counter(
            "audit_unknown_total",
            "Callers who were not told in time whether their record is durable.",
            registry=self.registry,
        )
        self._checkpoint_age = Gauge(
            "checkpoint_age_seconds",
            "Time since this process last read and signed the head of the audit log; NaN where nobody signs.",
            registry=self.registry,
        )
        self._redis = Gauge(
            "redis_up", "Whether Redis answered the last probe; NaN where none is used.", registry=self.registry
        )
        self._breakers = Gauge(
            "breaker_state",
            "Operator's switches that hold, by mode.",
            ("mode",),
            registry=self.registry,
        )
        self._state_ages = Gauge(
            "vol_state_age_seconds",
            "Time since the last bar of cached volatility states; NaN where there are none.",
            ("quantile",),
            registry=self.registry,
        )
        self.state_ages(())
        self.switches({})
        self.redis(up=None)
        self.checkpoint_age(None)
        self._connections = Gauge("ws_connections", "Open streams.", registry=self.registry)
        self._staleness = Histogram(
            "ws_staleness_seconds",
            "Time from the arrival of a state to its push, of pushes that had to wait for their reader.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._pushes = Counter("ws_pushes_total", "States pushed to readers.", registry=self.registry)
        self._conflated = Counter(
            "ws_conflated_total", "States that were left out for slow readers.", registry=self.registry
        )
        self._closes = Counter("ws_closes_total", "Ends of streams, by close code.", ("code",), registry=self.registry)
        self._resumes = Counter(
            "ws_resume_total",
            "Subscriptions with a position, and whether nothing was missing.",
            ("recovered",),
            registry=self.registry,
        )
        self._relay_lag = Gauge(
            "relay_lag_entries", "Entries of the audit log that the stream has not told yet.", registry=self.registry
        )
        self._leads = Gauge("live_leads", "Whether this process runs the live engine.", registry=self.registry)
        self._shared = Gauge(
            "stream_shared", "Whether the stream reaches other processes (Redis answers).", registry=self.registry
        )
        self._rates_shared = Gauge(
            "rates_shared", "Whether rates are counted over all processes (Redis answers).", registry=self.registry
        )
        self._findings = Gauge(
            "log_check_findings",
            "Changes that the last check of the newest entries of the audit log by this process found.",
            registry=self.registry,
        )
        self._checks = Counter(
            "log_checks_total",
            "Checks of the newest entries of the audit log, by outcome: ok, damaged, failed.",
            ("outcome",),
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        self.tracer: Tracer | None = None
        """Where requests leave spans; set while the process runs."""
        self._children: dict[tuple[str, str, int, str], tuple[Counter, Histogram]] = {}

    def request(self, route: str, method: str, status: int, code: str, seconds: float) -> None:
        """Count one answered request. Every label comes from a closed set: no client can grow the registry."""
        key = (route, method, status, code)
        children = self._children.get(key)
        if children is None:
            labelled = self._requests.labels(route, method, str(status), code), self._seconds.labels(route)
            children = self._children[key] = labelled
        children[0].inc()
        children[1].observe(seconds)
        if code == IN_DOUBT:
            self._unknown.inc()

    def timings(self, stages: Mapping[str, float]) -> None:
        """Record the stages of one answer."""
        for stage, seconds in stages.items():
            if stage == "audit":
                self._audit.observe(seconds)
            else:
                self._stages.labels(stage).observe(seconds)

    def dependency(self, name: str, *, up: bool) -> None:
        """Record a probe."""
        self._up.labels(name).set(up)

    def log_size(self, entries: int) -> None:
        """Record the size of the audit log."""
        self._log_size.set(entries)

    def audit_activity(self, waiting: int, batches: int, entries: int) -> None:
        """Record what the writer of the audit log says of itself: what waits, and what it wrote since its start."""
        self._waiting.set(waiting)
        before, self._audit_seen = self._audit_seen, (batches, entries)
        self._batches.inc(max(batches - before[0], 0))
        self._written.inc(max(entries - before[1], 0))

    def batch_sizes(self, counts: Mapping[int, int]) -> None:
        """Record what the writer says of the size of its batches since its start."""
        self._sizes.counts = counts

    def checkpoint_age(self, seconds: float | None) -> None:
        """Record how long ago a head was read and signed; None where nobody signs, or never was able to."""
        self._checkpoint_age.set(math.nan if seconds is None else seconds)

    def redis(self, *, up: bool | None) -> None:
        """Record whether Redis answers; None where none is used."""
        self._redis.set(math.nan if up is None else up)

    def switches(self, counts: Mapping[str, int]) -> None:
        """Record how many operator's switches hold, by mode."""
        for mode in SwitchMode:
            if mode is not SwitchMode.NORMAL:
                self._breakers.labels(mode.value).set(counts.get(mode.value, 0))

    def state_ages(self, ages: Sequence[float]) -> None:
        """Record the ages of cached states [s] by their quantiles: never one series a market."""
        ordered = sorted(ages)
        for quantile in QUANTILES:
            place = max(math.ceil(quantile * len(ordered)) - 1, 0)
            self._state_ages.labels(f"{quantile:g}").set(ordered[place] if ordered else math.nan)

    def connections(self, count: int) -> None:
        """Record the number of open streams."""
        self._connections.set(count)

    def pushed(self, count: int) -> None:
        """Count pushes of streams."""
        self._pushes.inc(count)

    def delayed(self, waited: float, conflated: int) -> None:
        """Record a push that waited [s], or before which states were left out."""
        self._staleness.observe(waited)
        if conflated:
            self._conflated.inc(conflated)

    def closed(self, code: int) -> None:
        """Count the end of a stream; codes that are not in the protocol count as one."""
        known = code in (1000, 1005, 1006, 1011) or code in CLOSE_CODES
        self._closes.labels(str(int(code)) if known else "other").inc()

    def resumed(self, *, recovered: bool) -> None:
        """Count a subscription that named a position."""
        self._resumes.labels(str(recovered).lower()).inc()

    def relay_lag(self, entries: int) -> None:
        """Record how far the stream is behind the log."""
        self._relay_lag.set(entries)

    def live(self, *, leads: bool, shared: bool) -> None:
        """Record what this process does for the others."""
        self._leads.set(leads)
        self._shared.set(shared)

    def rates_shared(self, *, shared: bool) -> None:
        """Record whether rates are counted over all processes."""
        self._rates_shared.set(shared)

    def log_check(self, outcome: str, findings: int | None) -> None:
        """Record a check of the audit log; None for one that could not be made."""
        self._checks.labels(outcome).inc()
        if findings is not None:
            self._findings.set(findings)

    def render(self) -> bytes:
        """Text exposition format."""
        return generate_latest(self.registry)

    async def watch_loop(self) -> None:
        """Measure, for ever, how late timers run."""
        while True:
            started = time.perf_counter()
            await asyncio.sleep(LAG_PERIOD)
            self._lag.observe(max(time.perf_counter() - started - LAG_PERIOD, 0.0))


def server_timing(stages: Mapping[str, float]) -> str:
    """Value of the header `Server-Timing`.

    Examples
    --------
    >>> server_timing({"compute": 0.0031, "audit": 0.0024})
    'compute;dur=3.1, audit;dur=2.4'
    """
    return ", ".join(f"{stage};dur={seconds * 1000:.4g}" for stage, seconds in stages.items())
