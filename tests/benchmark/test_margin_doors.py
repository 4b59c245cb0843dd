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
from app.translate.account_stream import read_accounts
from app.usecases.margin_batch import Columns, as_arrow, as_columns, as_lines, columns_of, figures
from app.usecases.plan_execution import MarketRead, plan_response
from models.api.margin_batch import MarginBatchRequest
from models.api.position_limits import OrderCheckRequest
from services.core.explain import Floats
from services.margin.registry import MarginPolicy
from tests.support.arrow import batch_of, written

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


def test_ten_thousand_accounts_in_each_form(capsys: pytest.CaptureFixture[str]) -> None:
    """The same accounts as JSON, as lines and as an Arrow stream: bytes, and time from bytes to arrays and back."""
    generator = np.random.default_rng(1)
    symbols = [f"M{place}" for place in range(MARKETS)]
    head = {"markets": [{"symbol": symbol, "mark_price": 100, "volatility": 0.5} for symbol in symbols]}
    held = generator.normal(size=(MARKETS, ACCOUNTS)).round(4)
    names, equity = [f"a{place}" for place in range(ACCOUNTS)], [1_000.0] * ACCOUNTS
    body = head | {"accounts": names, "equity": equity, "quantities": held.tolist()}
    rows = (
        {"account": name, "equity": 1_000.0, "quantities": dict(zip(symbols, row, strict=True))}
        for name, row in zip(names, held.T.tolist(), strict=True)
    )
    lines = [orjson.dumps(row) for row in (head, *rows)]
    sent = {"json": orjson.dumps(body), "lines": b"\n".join(lines), "arrow": written(batch_of(body))}

    def read_lines() -> Floats:
        found = AccountLines(parse_json)
        found.take(lines)
        return found.contracts()

    def read_json() -> Columns:
        return columns_of(MarginBatchRequest.model_validate(parse_json(sent["json"])))

    columns, request = read_json(), MarginBatchRequest.model_validate(body)
    found = figures(request, columns, NOW)
    reading = {"json": read_json, "lines": read_lines, "arrow": lambda: read_accounts(sent["arrow"], parse_json)}
    writing = {
        "json": lambda: as_columns(found),
        "lines": lambda: b"".join(as_lines(found)),
        "arrow": lambda: as_arrow(found),
    }
    assert (read_lines() == columns.contracts).all()
    assert (reading["arrow"]().contracts == columns.contracts).all()
    with capsys.disabled():
        for form in sent:
            spent_in, spent_out = milliseconds(reading[form], 7).min(), milliseconds(writing[form], 7).min()
            sizes = f"{len(sent[form]) / 1e6:.2f} MB in, {len(writing[form]()) / 1e6:.2f} MB out"
            spent = f"read in {spent_in:.1f} ms, written in {spent_out:.1f} ms"
            print(f"\nmargin:batch {ACCOUNTS} x {MARKETS} as {form}: {sizes}; {spent}")
        computed = milliseconds(lambda: figures(request, columns, NOW), 7).min()
        print(f"\nmargin:batch {ACCOUNTS} x {MARKETS}: computed in {computed:.1f} ms")
