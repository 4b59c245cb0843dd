"""Members of the sizing registries with parameters that fit, and books with every figure that any of them needs."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from services.core.explain import Bools, Floats
from services.sizing.columns import SizingColumns
from services.sizing.evidence import Evidence
from services.sizing.methods.fixed_weights import FixedWeight
from services.sizing.registry import SizingMethod
from tests.support.columns import columns

REQUIRED: dict[str, dict[str, Any]] = {
    "fixed_weights": {"weights": tuple(FixedWeight(symbol=f"M{row}", weight=0.1 + 0.05 * row) for row in range(8))},
    "continuous_kelly": {"max_volatility": 0.3, "observations": 5_000},
    "discrete_kelly": {"max_volatility": 0.3},
    "drawdown_control": {"max_drawdown": 0.2},
    "historical_risk_constrained_kelly": {"max_drawdown": 0.3, "drawdown_probability": 0.1},
    "multi_asset_kelly": {"max_volatility": 0.3, "observations": 20_000},
    "risk_budget": {"budget_fraction": 0.01},
    "risk_constrained_kelly": {"max_drawdown": 0.3, "drawdown_probability": 0.1},
    "portfolio_insurance": {"protection": 0.8},
    "signal_scaled": {"target_volatility": 0.2},
    "value_at_risk": {"value_at_risk": 0.02, "expected_shortfall": 0.02},
    "volatility_rebalancing": {"account_volatility": 0.2},
    "volatility_target": {"target_volatility": 0.2},
}
"""Values of the fields without a default, by method."""


def members() -> tuple[type, ...]:
    """Classes of the registry."""
    return get_args(SizingMethod)


def example(kind: type) -> SizingMethod:
    """Instance with its defaults."""
    name = next(field.default for field in dataclasses.fields(kind) if field.name == "method")
    made: SizingMethod = kind(**REQUIRED.get(str(name), {}))
    return made


def evidence(n: int, side: Floats, rng: np.random.Generator, **changes: Any) -> Evidence:
    """Evidence of n linear rows: an edge and a stop on the side of each row, histories of 400 bars."""
    price = rng.uniform(10.0, 1000.0, n)
    volatility = rng.uniform(0.2, 1.0, n)
    returns = rng.standard_t(5, (n, 400)) * 0.77 * volatility[:, None] / 365.0**0.5
    base: dict[str, Any] = {
        "price": price,
        "contract_multiplier": np.ones(n),
        "inverse": np.zeros(n, dtype=bool),
        "fx": np.ones(n),
        "entry_price": price,
        "stop_price": price * (1.0 - 0.1 * np.where(side == 0.0, 1.0, side)),
        "average_true_range": price * 0.03,
        "expected_return": 0.3 * side,
        "win_probability": np.full(n, 0.55),
        "win_loss_ratio": np.full(n, 1.4),
        "trades": np.full(n, 200.0),
        "returns": tuple(returns),
        "standardized": tuple(returns / returns.std(axis=1, keepdims=True)),
        "periods_per_year": np.full(n, 365.0),
        "initial_margin_long": np.full(n, 0.1),
        "initial_margin_short": np.full(n, 0.12),
        "delta": np.ones(n),
        "underlying": tuple(f"M{row}" for row in range(n)),
        "venue": (None,) * n,
        "spot": np.zeros(n, dtype=bool),
        "option": np.zeros(n, dtype=bool),
    }
    return Evidence(**{**base, **changes})


def book(seed: int, n: int = 5, *, equity: float = 100_000.0) -> SizingColumns:
    """A book of n rows with a correlation matrix, positions, directions of both signs and evidence."""
    rng = np.random.default_rng(seed)
    loading = rng.uniform(0.2, 0.8, n)
    correlation = np.outer(loading, loading)
    np.fill_diagonal(correlation, 1.0)
    direction = rng.uniform(0.2, 1.0, n) * rng.choice([-1.0, 1.0], n)
    seen = evidence(n, np.sign(direction), rng)
    return columns(
        rng.uniform(0.2, 1.0, n),
        correlation,
        equity=equity,
        unit_value=seen.price * seen.fx,
        direction=direction,
        current=rng.uniform(0.1, 0.5, n) * np.sign(direction) * equity / seen.price,
        evidence=seen,
        symbols=seen.underlying,
    )


def pair_book(seed: int, pairs: int = 3) -> SizingColumns:
    """Pairs of an asset and a perpetual on it, a percent of basis between them, on opposite sides."""
    single = book(seed, pairs)
    twice = np.repeat(np.arange(pairs), 2)
    found = selected(single, twice)
    assert found.evidence is not None
    derivative = np.arange(2 * pairs) % 2 == 1
    price = found.evidence.price * np.where(derivative, 1.01, 1.0)
    correlation = found.correlation
    assert correlation is not None
    correlation[np.ix_(derivative, ~derivative)] = correlation[np.ix_(~derivative, ~derivative)]
    side = np.where(derivative, -1.0, 1.0)
    return replace(
        found,
        unit_value=price,
        direction=side * np.abs(found.direction),
        current=side * np.abs(found.current),
        evidence=replace(found.evidence, price=price, spot=~derivative),
    )


def book_for(method: SizingMethod, seed: int) -> SizingColumns:
    """A book that a method can size."""
    return pair_book(seed) if method.tied else book(seed)


def selected(found: SizingColumns, order: Any) -> SizingColumns:
    """The rows of a book in another order, or some of them."""
    fields: dict[str, Any] = {}
    for name in SizingColumns.__dataclass_fields__:
        value = getattr(found, name)
        fields[name] = value[order] if isinstance(value, np.ndarray) and value.ndim == 1 else value
    fields["symbols"] = tuple(np.array(found.symbols)[order].tolist())
    if found.correlation is not None:
        fields["correlation"] = found.correlation[np.ix_(order, order)]
    if found.evidence is not None:
        seen = {name: getattr(found.evidence, name) for name in Evidence.__dataclass_fields__}
        for name, value in seen.items():
            if isinstance(value, tuple):
                seen[name] = tuple(value[row] for row in order) if value else value
            elif isinstance(value, np.ndarray):
                seen[name] = value[order]
        fields["evidence"] = Evidence(**seen)
    return SizingColumns(**fields)


def everything(found: SizingColumns) -> Bools:
    """All rows."""
    return np.ones(found.current.shape, dtype=bool)
