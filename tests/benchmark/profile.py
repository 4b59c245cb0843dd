"""Where the time of one evaluation goes, stage by stage: ``python -m tests.benchmark.profile``.

Runs the use case in process, without HTTP, on the embedded stores (in-memory states, SQLite audit log with fsync), one
call after the other. Stages are measured in processor time of the event loop's thread, so that a busy machine does not
distort them; `other threads` is the writer of the audit log (compression, hashing, SQLite). `--top` lists the functions
that cost most.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import uvloop

import app.usecases.decide as decide_module
import app.usecases.evaluate_portfolio as usecase_module
from app.body import parse_json
from app.container import Container
from app.lifespan import open_container
from app.settings import Settings
from app.usecases.call import Call, Door
from models.api.evaluation import EvaluationRequest
from tests.benchmark.comparison import table
from tests.support.bodies import book, observations, with_series

SYMBOLS = 20
STATE_BARS = 400
LOADS: dict[str, Callable[[datetime], dict[str, Any]]] = {
    "state": lambda now: book(SYMBOLS, now, bars=STATE_BARS),
    "compact": lambda now: book(SYMBOLS, now, bars=STATE_BARS, view="compact"),
    "series": lambda now: with_series(SYMBOLS, 1000, now),
}
STAGES = (
    (usecase_module, "gather"),
    (decide_module, "translate"),
    (decide_module, "evaluate"),
    (usecase_module, "render"),
    (usecase_module, "audit_record"),
)


class Stopwatch:
    """Times of named stages, one sample per call."""

    def __init__(self) -> None:
        self.samples: defaultdict[str, list[float]] = defaultdict(list)

    def wrap(self, module: ModuleType, name: str) -> None:
        """Measure a function where its callers look it up."""
        inner = getattr(module, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.thread_time()
            result = inner(*arguments, **options)
            self.samples[name].append(time.thread_time() - started)
            return result

        async def timed_async(*arguments: Any, **options: Any) -> Any:
            started = time.thread_time()
            result = await inner(*arguments, **options)
            self.samples[name].append(time.thread_time() - started)
            return result

        setattr(module, name, timed_async if asyncio.iscoroutinefunction(inner) else timed)

    def measure(self, name: str, function: Callable[[], Any]) -> Any:
        """Measure one call."""
        started = time.thread_time()
        result = function()
        self.samples[name].append(time.thread_time() - started)
        return result

    async def measure_async(self, name: str, waiting: Awaitable[Any]) -> Any:
        """Measure one awaited call."""
        started = time.thread_time()
        result = await waiting
        self.samples[name].append(time.thread_time() - started)
        return result

    def median_us(self, name: str) -> float:
        """Median of a stage [us]."""
        return 1e6 * statistics.median(self.samples[name])


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Container]:
    """Container on embedded stores, with warm states."""
    from app.usecases.observe_prices import observe_prices

    settings = Settings.from_mapping({"TRIMTAB_DATA_DIR": str(folder)})
    async with open_container(settings) as container:
        now = datetime.now(UTC)
        body = orjson.dumps(observations(SYMBOLS, STATE_BARS, now))
        await observe_prices(container, Call(body, orjson.loads(body), None, now, 30.0))
        yield container


async def evaluate_once(container: Container, raw: bytes, watch: Stopwatch) -> None:
    """One evaluation from bytes to durable answer, without HTTP."""
    parsed = watch.measure("parse", lambda: parse_json(raw))
    watch.measure("validate", lambda: EvaluationRequest.model_validate(parsed))
    on_loop, everywhere = time.thread_time(), time.process_time()
    call = Call(raw, parsed, None, datetime.now(UTC), 5.0)
    answer = await usecase_module.evaluate_portfolio(container, call, Door.EVALUATIONS)
    on_loop, everywhere = time.thread_time() - on_loop, time.process_time() - everywhere
    watch.samples["loop"].append(on_loop + watch.samples["parse"][-1])
    watch.samples["writer"].append(everywhere - on_loop)
    watch.samples["append"].append(answer.timings["audit"])


def report(name: str, watch: Stopwatch) -> str:
    """Table of the stages; `rest` is what no stage accounts for: awaiting, hashing, splicing."""
    figures = [(stage, watch.median_us(stage)) for stage in ["parse", "validate", *(stage for _, stage in STAGES)]]
    figures.append(("rest", watch.median_us("loop") - sum(value for _, value in figures)))
    figures.append(("other threads", watch.median_us("writer")))
    whole = sum(value for _, value in figures)
    lines = [[stage, f"{value:,.0f}", f"{100 * value / whole:.0f} %"] for stage, value in [*figures, ("all", whole)]]
    waited = f"durable after {watch.median_us('append'):,.0f} us (wall)"
    return table(
        f"{name}: one evaluation, medians of {len(watch.samples['loop'])}; {waited}",
        ["stage", "CPU us", "share"],
        lines,
    )


async def profile(name: str, count: int, top: int) -> None:
    """Measure one load and print it."""
    watch = Stopwatch()
    raw = orjson.dumps(LOADS[name](datetime.now(UTC)))
    with tempfile.TemporaryDirectory() as folder:
        async with embedded(Path(folder)) as container:
            for _ in range(count // 10):
                await evaluate_once(container, raw, Stopwatch())
            originals = [(module, stage, getattr(module, stage)) for module, stage in STAGES]
            for module, stage in STAGES:
                watch.wrap(module, stage)
            for _ in range(count):
                await evaluate_once(container, raw, watch)
            for module, stage, original in originals:
                setattr(module, stage, original)
            print("\n" + report(name, watch))
            if top:
                recorder = cProfile.Profile()
                recorder.enable()
                for _ in range(count):
                    await evaluate_once(container, raw, Stopwatch())
                recorder.disable()
                pstats.Stats(recorder).sort_stats("tottime").print_stats(top)


def main(arguments: list[str]) -> None:
    """Print the stages of each load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loads", nargs="*", default=list(LOADS), help=f"any of {', '.join(LOADS)}")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--top", type=int, default=0, help="also list that many functions by own time")
    options = parser.parse_args(arguments)
    for name in options.loads:
        uvloop.run(profile(name, options.count, options.top))


if __name__ == "__main__":
    main(sys.argv[1:])
