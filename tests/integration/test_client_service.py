"""The client against the service as its users run it: a process behind a socket, killed and started again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import ServiceProcess, running
from trimtab_client import (
    AsyncTrimtab,
    Backoff,
    Conflict,
    Handlers,
    InvalidRequest,
    Retry,
    Trimtab,
    Update,
    members,
    models,
)

SYMBOL = "BTC-USDC-PERP"
HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
SOON = Backoff(first=0.05, longest=0.3)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(tmp_path_factory.mktemp("client")) as process:
        yield process


def closes(count: int) -> list[float]:
    """An alternating walk: log returns of ±1 % exactly, so that its volatility is known."""
    return [100.0 * math.exp(0.01 * (index % 2)) for index in range(count)]


def request(**changes: Any) -> models.EvaluationRequest:
    members: dict[str, Any] = {
        "as_of": datetime(2026, 11, 20, 0, 0, 5, tzinfo=UTC),
        "account": models.AccountIn(equity=Decimal(100_000), currency="USD"),
        "series": [
            models.SeriesIn(
                symbol="BTC-PERP", interval="P1D", end=datetime(2026, 11, 20, tzinfo=UTC), close=closes(300)
            )
        ],
        "signals": [models.SignalIn(symbol="BTC-PERP", direction=1)],
        "policy": models.PolicyIn(sizing=models.VolatilityTarget(target_volatility=0.2)),
    }
    return models.EvaluationRequest(**(members | changes))


def test_every_door_answers_its_model(service: ServiceProcess) -> None:
    with Trimtab(service.url) as client:
        answer = client.evaluate(request())
        target = answer.targets[0]
        # Returns of ±1 % a day, all year: σ = .01 √365; the target is τ/σ of the equity, shrunk by the forecaster only.
        assert target.volatility is not None
        assert target.volatility.annual == pytest.approx(0.01 * math.sqrt(365), rel=0.1)
        assert isinstance(target.target_quantity, Decimal)
        assert target.target_quantity > 0
        assert client.targets(request()).targets[0].target_quantity == target.target_quantity
        held = request(positions=[models.PositionIn(symbol="BTC-PERP", quantity="1", mark_price="100")], signals=None)
        margin = {name: value for name, value in members(held).items() if name not in ("policy", "signals")}
        assert client.margin(margin).margin.current.initial > 0
        read = client.request("GET", f"/v1/evaluations/{answer.evaluation_id}")
        assert read.value["evaluation_id"] == answer.evaluation_id
        time = client.request("GET", "/v1/time", answer=models.TimeAnswer)
        assert isinstance(time.value, models.TimeAnswer)


def test_a_key_makes_two_calls_one(service: ServiceProcess) -> None:
    with Trimtab(service.url) as client:
        first, again = (client.evaluate(request(), idempotency_key="once") for _ in range(2))
        assert first == again
        with pytest.raises(InvalidRequest) as caught:
            client.evaluate(request(client_reference="other"), idempotency_key="once")
        assert caught.value.code == "idempotency_mismatch"


def test_a_slip_is_refused_by_the_service_with_its_place(service: ServiceProcess) -> None:
    slip = {"sizing": {"method": "volatility_target", "target_volatility": 0.2, "max_leverge": 2}}
    with Trimtab(service.url) as client, pytest.raises(InvalidRequest) as caught:
        client.evaluate(request(policy=slip))
    assert caught.value.code == "invalid_request"
    assert caught.value.pointer is not None
    assert caught.value.pointer.startswith("/policy/sizing")


def test_state_of_an_answer_is_the_previous_of_the_next(service: ServiceProcess) -> None:
    with Trimtab(service.url) as client:
        first = client.evaluate(request(portfolio_id="chain"))
        assert first.state is not None
        later = datetime(2026, 11, 20, 0, 1, tzinfo=UTC)
        second = client.evaluate(request(portfolio_id="chain", as_of=later, previous=first.state))
        assert second.state is not None


def registration() -> models.RegisterPortfolioRequest:
    return models.RegisterPortfolioRequest(
        policy=models.PolicyIn(sizing=models.VolatilityTarget(target_volatility=0.15)),
        interval="PT1H",
        max_snapshot_age="PT1H",
        instruments=[models.InstrumentIn(symbol=SYMBOL, kind="linear", quote_currency="USD", lot="0.001")],
    )


def taken(seq: int, equity: str = "100000") -> models.SnapshotRequest:
    return models.SnapshotRequest(
        snapshot_seq=seq,
        account=models.AccountIn(equity=equity, currency="USD"),
        positions=[models.PositionIn(symbol=SYMBOL, quantity="0.4", mark_price="100")],
        signals=[models.SignalIn(symbol=SYMBOL, direction=1)],
    )


async def feed(client: AsyncTrimtab) -> None:
    """300 hours up to the last full one."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    bars = [
        {"symbol": SYMBOL, "interval": "PT1H", "close_time": end - HOUR * (299 - index), "close": close}
        for index, close in enumerate(closes(300))
    ]
    answer = await client.observe({"observations": bars})
    assert set(answer.outcomes) == {"accepted"}


async def test_live_targets_arrive_are_what_rest_answers_and_survive_a_crash(tmp_path: Path) -> None:
    """Killed without warning, the service comes back and the stream goes on; snapshots are repeated under one key."""
    process = ServiceProcess(tmp_path / "live").start()
    updates: asyncio.Queue[Update] = asyncio.Queue()
    patient = Retry(attempts=1000, backoff=Backoff(first=0.1, longest=0.5))
    try:
        async with AsyncTrimtab(process.url, retry=patient, deadline=100.0) as client, asyncio.timeout(200):
            await feed(client)
            made = await client.put_portfolio("desk", registration(), create=True)
            assert made.etag == '"1"'
            with pytest.raises(Conflict):
                await client.put_portfolio("desk", registration(), create=True)
            handlers = Handlers(on_update=updates.put)
            async with client.subscribe("targets:desk", "margin:desk", handlers=handlers, backoff=SOON) as stream:
                running = asyncio.create_task(stream.run())
                await client.snapshot("desk", taken(1))
                first = await state_of(updates, 1)
                assert first.targets[0].symbol == SYMBOL
                rest = await client.portfolio_targets("desk")
                assert rest.value is not None
                while rest.value.evaluation_id != first.evaluation_id:  # registration and snapshot may be decided apart
                    first = await state_of(updates, 1)
                assert not rest.value.expired
                assert (await client.portfolio_targets("desk", known=rest.etag)).value is None

                process.kill()
                snapshot = asyncio.create_task(client.snapshot("desk", taken(2, "50000")))
                await asyncio.to_thread(process.start)
                assert (await snapshot).snapshot_seq == 2
                second = await state_of(updates, 2)
                assert second.targets[0].target_quantity is not None
                assert first.targets[0].target_quantity is not None
                assert second.targets[0].target_quantity < first.targets[0].target_quantity
                running.cancel()
            assert (await client.delete_portfolio("desk")).deleted
    finally:
        process.kill()


async def state_of(updates: asyncio.Queue[Update], seq: int) -> models.PublishedTargets:
    """The targets that were made of a snapshot."""
    while True:
        update = await updates.get()
        if update.channel.startswith("targets"):
            state = update.parse(models.PublishedTargets)
            if state.snapshot_seq == seq:
                return state
