"""Books whose figures break careless arithmetic (S15): singular and contradicting covariances, prices that stand still,
jump, vanish or overflow. Each is answered with finite numbers within its caps, or refused by name; nothing is a defect.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from app.settings import Settings
from tests.support.bodies import AS_OF, text
from tests.support.http import client

METHODS: tuple[dict[str, Any], ...] = (
    {"method": "volatility_target", "target_volatility": 0.2},
    {"method": "volatility_target", "target_volatility": 1e-9},
    {"method": "volatility_target", "target_volatility": 2.0},
    {"method": "risk_parity"},
    {"method": "inverse_volatility"},
    {"method": "hierarchical_risk_parity"},
)
CAP = 2.0
"""Gross leverage of the default policy."""


def path(rng: np.random.Generator, bars: int, common: np.ndarray) -> np.ndarray:
    """Closes of one market, of a kind chosen at random."""
    steps = 0.02 * rng.standard_normal(bars)
    kind = rng.integers(0, 11)
    if kind == 0:
        steps = np.zeros(bars)
    elif kind == 1:
        steps = common
    elif kind == 2:
        steps = -common
    elif kind == 3:
        steps = common + 1e-12 * steps
    elif kind == 4:
        steps = np.where(rng.random(bars) < 0.1, 5.0 * rng.standard_normal(bars), 0.0)
    elif kind == 5:
        steps = np.resize([0.5, -0.5], bars)
    elif kind == 6:
        steps = 1e-15 * steps
    elif kind == 7:
        steps = np.full(bars, 0.3)
    closes = np.exp(np.cumsum(np.clip(steps, -30, 30)).clip(-15, 15)) * 10.0 ** rng.choice(
        (-300, -9, 0, 2, 2, 2, 9, 300)
    )
    if kind == 8:
        closes[rng.integers(0, bars)] = rng.choice((0.0, -1.0, 1e-308, 1e308))
    return closes


def request(rng: np.random.Generator) -> dict[str, Any]:
    """A book of one to five markets."""
    count, bars = int(rng.integers(1, 6)), int(rng.choice((1, 2, 3, 19, 20, 21, 60, 90)))
    common = 0.02 * rng.standard_normal(bars)
    names = [f"M{number}" for number in range(count)]
    closes = [path(rng, bars, common) for _ in names]
    marks = [float(np.clip(found[-1], 1e-9, 1e15)) for found in closes]
    sizing = METHODS[int(rng.integers(0, len(METHODS)))]
    return {
        "as_of": text(AS_OF),
        "account": {"equity": str(rng.choice(("100000", "1", "0.01", "1000000000000", "0", "-5"))), "currency": "USD"},
        "positions": [
            {"symbol": name, "quantity": str(rng.choice(("0", "1", "-2.5", "100000"))), "mark_price": f"{mark:.9f}"}
            for name, mark in zip(names, marks, strict=True)
        ],
        "signals": [{"symbol": name, "direction": float(rng.choice((-1.0, -0.3, 0.0, 1.0)))} for name in names],
        "series": [
            {
                "symbol": name,
                "interval": "P1D",
                "calendar": "24/7",
                "end": text(AS_OF)[:11] + "00:00:00Z",
                "close": found.tolist(),
            }
            for name, found in zip(names, closes, strict=True)
        ],
        "policy": {"sizing": sizing}
        | ({} if "target_volatility" in sizing else {"scaling": {"method": "volatility", "target_volatility": 0.2}}),
    }


def infinite(value: Any) -> bool:
    """Whether a number somewhere in an answer is not finite."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return any(infinite(item) for item in value)
    return isinstance(value, float) and not math.isfinite(value)


def beyond_cap(body: dict[str, Any], answer: dict[str, Any]) -> bool:
    """Whether targets need more than the cap, and more than the book has already."""
    marks = {row["symbol"]: float(row["mark_price"]) for row in body["positions"]}
    held = {row["symbol"]: float(row["quantity"]) for row in body["positions"]}
    targets = {row["symbol"]: row.get("target_quantity") for row in answer["targets"]}
    gross = sum(abs(float(held[name] if size is None else size)) * marks[name] for name, size in targets.items())
    before = sum(abs(size) * marks[name] for name, size in held.items())
    return gross > max(CAP * max(float(body["account"]["equity"]), 0.0), before) * (1 + 1e-6) + 1e-6


@pytest.mark.parametrize(
    ("seed", "cases"),
    [
        pytest.param(15, 150, id="short"),
        *(pytest.param(seed, 2_500, id=f"long-{seed}", marks=pytest.mark.fuzz) for seed in range(16, 20)),
    ],
)
async def test_every_book_has_finite_sizes_within_its_cap_or_a_reason(tmp_path: Path, seed: int, cases: int) -> None:
    rng, seen = np.random.default_rng(seed), Counter[Any]()
    async with client(tmp_path, Settings(data_dir=tmp_path, request_timeout_seconds=30.0)) as http:
        for number in range(cases):
            body = request(rng)
            answer = await http.post(
                "/v1/evaluations", content=orjson.dumps(body), headers={"Content-Type": "application/json"}
            )
            found = orjson.loads(answer.content)
            assert answer.status_code in (200, 422), (number, answer.text[:500])
            assert not infinite(found), (number, body["policy"])
            if answer.status_code == 200:
                assert not beyond_cap(body, found), (number, found["targets"])
                seen.update(row["status"] for row in found["targets"])
    assert min(seen["ok"], seen.total() - seen["ok"]) > cases // 10, f"some are sized, some are not: {seen}"
