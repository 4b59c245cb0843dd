"""An order checked, and accounts margined in bulk.

Hypothesis: a check costs below 1 ms, as it searches whole lots by a few vectorised calls; a batch grows with accounts
times markets. Input: one order under tiers, a distance and a book; 10,000 accounts of 20 perpetuals. The peer is one
account after the other in the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import orjson
import pytest

from app.body import parse_json
from app.margin_examples import ORDER_CHECK
from app.ports import EventKind
from app.translate.account_lines import AccountLines
from app.usecases.margin_batch import as_columns, as_lines, columns_of, figures
from app.usecases.plan_execution import MarketRead, plan_response
from models.api.margin_batch import MarginBatchRequest
from models.api.position_limits import OrderCheckRequest
from services.margin.registry import MarginPolicy

pytestmark = pytest.mark.benchmark
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNTS, MARKETS = 10_000, 20


def milliseconds(run: Callable[[], object], repeats: int) -> np.ndarray:
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        taken.append(1e3 * (time.perf_counter() - started))
    return np.array(taken)


def test_an_order_checked(capsys: pytest.CaptureFixture[str]) -> None:
    request = OrderCheckRequest.model_validate(ORDER_CHECK)
    taken = milliseconds(
        lambda: plan_response(EventKind.ORDER_CHECK, request, MarketRead(), "ev_" + "0" * 32, NOW), 1_000
    )
    with capsys.disabled():
        low, middle, high = taken.min(), *np.percentile(taken, [50, 99])
        print(f"\norders:check, in process: min {low:.2f}, p50 {middle:.2f}, p99 {high:.2f} ms")


@pytest.mark.parametrize("preset", [None, "regime"])
def test_ten_thousand_accounts(capsys: pytest.CaptureFixture[str], preset: str | None) -> None:
    generator = np.random.default_rng(1)
    held, sigma = generator.normal(size=(MARKETS, ACCOUNTS)), 0.5 + np.arange(MARKETS) / 50
    request = MarginBatchRequest.model_validate(
        {
            "preset": preset,
            "markets": [
                {"symbol": f"M{place}", "mark_price": 100, "volatility": float(sigma[place]), "netting_offset": 1.0}
                for place in range(MARKETS)
            ],
            "accounts": [f"a{place}" for place in range(ACCOUNTS)],
            "equity": generator.uniform(100.0, 5_000.0, ACCOUNTS).tolist(),
            "quantities": held.tolist(),
        }
    )
    taken = milliseconds(lambda: as_columns(figures(request, columns_of(request), NOW)), 7).min()
    policy = MarginPolicy()
    rates, value = policy.rates(sigma), np.full(MARKETS, 100.0)
    alone = milliseconds(lambda: [policy.requirement(row, value, rates) for row in held.T[:500]], 3).min()
    with capsys.disabled():
        each = f"one by one: {alone * ACCOUNTS / 500:.0f} ms" if preset is None else "netted"
        print(f"\nmargin:batch {preset or 'rates'}, {ACCOUNTS} accounts x {MARKETS}: {taken:.0f} ms ({each})")


def test_ten_thousand_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The same accounts as lines: 2.6 MB in, 1.7 MB out."""
    generator = np.random.default_rng(1)
    markets = [{"symbol": f"M{place}", "mark_price": 100, "volatility": 0.5} for place in range(MARKETS)]
    held = generator.normal(size=(ACCOUNTS, MARKETS)).round(4)
    rows = [
        {"account": f"a{place}", "equity": 1_000.0, "quantities": {f"M{m}": q for m, q in enumerate(row.tolist())}}
        for place, row in enumerate(held)
    ]
    lines = [orjson.dumps(row) for row in ({"markets": markets}, *rows)]

    def read() -> AccountLines:
        found = AccountLines(parse_json)
        found.take(lines)
        return found

    parsed = read()
    assert parsed.head is not None
    request = MarginBatchRequest.model_validate(
        {"markets": markets, "accounts": parsed.names, "equity": parsed.equity, "quantities": held.T.tolist()}
    )
    found = figures(request, columns_of(request), NOW)
    reading, writing = (milliseconds(run, 5).min() for run in (read, lambda: sum(map(len, as_lines(found)))))
    with capsys.disabled():
        print(f"\nmargin:batch, {ACCOUNTS} lines x {MARKETS}: read in {reading:.0f} ms, written in {writing:.0f} ms")
