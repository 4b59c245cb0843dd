"""Whatever chain is sent, the answer fits its model and holds no arbitrage; numpy's warnings are errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from app.usecases.fit_option_surface import surface_response
from models.api.option_surface import SurfaceAnswer, SurfaceRequest

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def later(days: float) -> str:
    return (NOW + timedelta(days=days)).isoformat()


def quote(generator: np.random.Generator, forward: float, days: float, scale: float) -> dict[str, Any]:
    """A strike near or far, with a volatility, a mark, or two sides that know nothing of it."""
    strike = forward * float(np.exp(generator.normal() * min(2.0 * scale * np.sqrt(days / 365.0), 3.0)))
    row = {"expiry": later(days), "strike": f"{strike:.12f}", "right": str(generator.choice(["call", "put"]))}
    if generator.random() < 0.7:
        row["forward"] = f"{forward:.12f}"
    kind = generator.integers(0, 4)
    if kind == 0:
        return {**row, "implied_volatility": float(np.clip(scale * generator.uniform(0.5, 2.0), 1e-5, 10.0))}
    if kind == 1:
        return {**row, "mark": f"{forward * generator.random():.12f}"}
    bid, ask = np.sort(forward * scale * generator.random(2))
    return {**row, "bid": f"{bid:.12f}", "ask": f"{ask:.12f}"}


def chain(seed: int) -> dict[str, Any]:
    """Forwards from a millionth to a million, expiries from hours to decades, volatilities from 0.01 % to 1000 %."""
    generator, quotes = np.random.default_rng(seed), []
    forward = float(10.0 ** generator.uniform(-6.0, 6.0))
    for _ in range(int(generator.integers(1, 6))):
        days, scale = float(10.0 ** generator.uniform(-1.0, 3.9)), float(10.0 ** generator.uniform(-4.0, 1.0))
        quotes += [quote(generator, forward, days, scale) for _ in range(int(generator.integers(1, 12)))]
    return {
        "as_of": later(0.0),
        "quotes": quotes,
        "price_unit": str(generator.choice(["quote", "base"])),
        "surface": {"method": ("svi", "essvi", "flat")[seed % 3]},
        "least_days": seed % 2,
        "at": [
            {"expiry": later(50.0), "delta": float(generator.uniform(-0.99, 0.99))},
            {"expiry": later(5000.0), "strike": f"{forward:.12f}"},
        ],
        "grid": {"log_moneyness": [-4.0, 0.0, 4.0], "days": [0.01, 3650.0]},
    }


@pytest.mark.parametrize("seed", range(30))
def test_any_chain_is_answered(seed: int) -> None:
    answer = SurfaceAnswer.model_validate_json(surface_response(SurfaceRequest.model_validate(chain(seed)), NOW))
    assert (answer.status == "ok") == bool(answer.slices)
    if answer.audit is not None:
        assert answer.audit.severity == "none"
        assert answer.audit.least_density >= 0.0


def test_the_chains_of_this_file_are_fitted_mostly() -> None:
    """Else the test above would test little."""
    answers = [
        SurfaceAnswer.model_validate_json(surface_response(SurfaceRequest.model_validate(chain(seed)), NOW))
        for seed in range(12)
    ]
    assert sum(answer.status == "ok" for answer in answers) >= 10
    assert sum(len(answer.slices) for answer in answers) >= 24
