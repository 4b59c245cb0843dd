"""Which work leaves the event loop, where it would delay every other request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Annotated, Any, cast

import numpy as np
import orjson
import pytest
from pydantic import AfterValidator, create_model

from app.adapters.memory_volatility import MemoryVolatilityStore
from app.container import Container
from app.ports import StateChange
from app.translate.snapshot import StateNeed
from app.usecases import fit_volatility, gather, read_volatility
from app.usecases.call import Call
from app.usecases.effort import INLINE_BYTES, validated
from app.usecases.gather import INLINE_MARKETS, INLINE_STATES, remembered_correlation
from services.core.annualization import Calendar
from services.engine.inputs import StateInput
from services.engine.market import correlate_states
from services.risk.methods.dynamic_conditional import DynamicConditional
from services.risk.methods.ledoit_wolf import LedoitWolf
from services.volatility.bars import Bar
from services.volatility.estimators.ewma import Ewma
from services.volatility.registry import model_version
from services.volatility.replay import Observed, begin, observe
from tests.support.bodies import AS_OF, series
from tests.unit.volatility.markets import DAY, times, walk

MODEL = Ewma()


class Watch:
    """Says of every call whether it ran on the event loop."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self.work, self.inline = work, list[bool]()

    def __call__(self, *values: Any) -> Any:
        self.inline.append(threading.current_thread() is threading.main_thread())
        return self.work(*values)


def states(count: int) -> dict[str, StateInput]:
    """Inputs of fed states, each a market of its own."""
    made = {}
    for seed in range(count):
        rows = zip(times(120).tolist(), walk(seed, 120).tolist(), strict=True)
        bars = [Observed(Bar(at, close)) for at, close in rows]
        fed = observe(*begin(MODEL, bar_seconds=DAY, calendar=Calendar()), bars, estimator=MODEL)
        made[f"S{seed}"] = gather.state_input(fed.state, MODEL)
    return made


@pytest.mark.parametrize(("length", "inline"), [(INLINE_BYTES, True), (INLINE_BYTES + 1, False)])
async def test_large_bodies_are_validated_in_a_thread(length: int, inline: bool) -> None:
    watch = Watch(lambda value: value)

    body = create_model("Body", text=(Annotated[str, AfterValidator(lambda value: watch(value))], ...))
    found = await validated(body, Call(b" " * length, {"text": "a"}, None, AS_OF, 1.0))
    assert (found.model_dump(), watch.inline) == ({"text": "a"}, [inline])


@pytest.mark.parametrize(("count", "inline"), [(INLINE_STATES, True), (INLINE_STATES + 1, False)])
async def test_many_states_are_read_out_in_a_thread(count: int, inline: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    store, watch = MemoryVolatilityStore(), Watch(gather.state_input)
    bars = [Observed(Bar(at, close)) for at, close in zip(times(30).tolist(), walk(1, 30).tolist(), strict=True)]
    state, replay, _ = observe(*begin(MODEL, bar_seconds=DAY, calendar=Calendar()), bars, estimator=MODEL)
    names = [f"READ{count}-{index}" for index in range(count)]
    keys = [gather.state_keys("local", None, name, DAY, MODEL)[0] for name in names]
    await store.compare_and_set([StateChange(key, None, state, replay) for key in keys])
    monkeypatch.setattr(gather, "state_input", watch)
    box = cast(Container, SimpleNamespace(tenant_id="local", volatility=store))
    needs = [StateNeed(name, name, None) for name in names]
    found = await gather.load_states(box, needs, "P1D", MODEL)
    assert (list(found), watch.inline) == (names, [inline] * count)
    assert await gather.load_states(box, needs, "P1D", MODEL) == found
    assert len(watch.inline) == count


@pytest.mark.parametrize(("count", "inline"), [(INLINE_MARKETS, True), (INLINE_MARKETS + 1, False)])
async def test_many_markets_are_correlated_in_a_thread_once(
    count: int, inline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, inputs = Watch(correlate_states), states(count)
    monkeypatch.setattr(gather, "correlate_states", watch)
    first, again = [await remembered_correlation(inputs, DynamicConditional()) for _ in range(2)]
    assert first is again
    assert watch.inline == [inline]


async def test_two_methods_on_one_book_do_not_forget_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, inputs = Watch(correlate_states), states(3)
    monkeypatch.setattr(gather, "correlate_states", watch)
    methods = (DynamicConditional(), LedoitWolf(), DynamicConditional(asynchronous="overlapping"))
    for _ in range(2):
        found = [await remembered_correlation(inputs, method) for method in methods]
        for method, recorded in zip(methods, found, strict=True):
            assert recorded.matrix is not None
            assert np.array_equal(recorded.matrix, correlate_states(inputs, method).matrix)  # type: ignore[arg-type]
    assert len(watch.inline) == len(methods)


@pytest.mark.parametrize(("count", "inline"), [(100, True), (101, False)])
async def test_long_lists_are_made_in_a_thread(count: int, inline: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryVolatilityStore()
    bars = [Observed(Bar(at, close)) for at, close in zip(times(30).tolist(), walk(1, 30).tolist(), strict=True)]
    state, replay, _ = observe(*begin(MODEL, bar_seconds=DAY, calendar=Calendar()), bars, estimator=MODEL)
    key = read_volatility.VolatilityQuery(symbol="A", model=model_version(MODEL)).key_of("local")
    names = [key._replace(symbol=f"S{index:03d}") for index in range(count)]
    await store.compare_and_set([StateChange(name, None, state, replay) for name in names])
    watch = Watch(read_volatility._item)
    monkeypatch.setattr(read_volatility, "_item", watch)
    page = await read_volatility.list_volatility(
        cast(Container, SimpleNamespace(tenant_id="local", volatility=store)), None, 200
    )
    assert [item["symbol"] for item in orjson.loads(page.body)["items"]] == [name.symbol for name in names]
    assert watch.inline == [inline] * count


@pytest.mark.parametrize(("bars", "inline"), [(2_000, True), (2_001, False)])
async def test_long_series_are_checked_for_a_fit_in_a_thread(
    bars: int, inline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(fit_volatility.fit_job)
    monkeypatch.setattr(fit_volatility, "fit_job", watch)
    body = {"series": series("A", 1, bars), "model": "garch"}
    raw, taken = orjson.dumps(body), list[Any]()

    def submit(tenant: str, subject: Any, job: Any, submitted_at: datetime) -> Any:
        taken.append(job.log_returns)
        raise fit_volatility.FitQueueFull

    box = cast(Container, SimpleNamespace(tenant_id="local", fits=SimpleNamespace(submit=submit)))
    with pytest.raises(fit_volatility.RequestProblem, match="wait already"):
        await fit_volatility.submit_fit(box, Call(raw, orjson.loads(raw), None, AS_OF + timedelta(days=1), 1.0))
    assert (watch.inline, [len(log_returns) for log_returns in taken]) == ([inline], [bars - 1])
