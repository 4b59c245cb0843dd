"""Every registered volatility estimator with default and with other parameters."""

from __future__ import annotations

from typing import Any, get_args

from services.volatility.registry import Estimator

VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {
    "adaptive": ({}, {"use_range": False}, {"log_har": False}, {"drivers": ("funding", "log_volume")}),
    "average_true_range": ({}, {"window": 2}),
    "close_to_close": ({}, {"window": 5, "mean": "sample"}, {"window": 250}),
    "egarch": ({"omega": -0.35, "alpha": 0.2, "gamma": -0.08, "beta": 0.96},),
    "ewma": ({}, {"half_life": 0.5}, {"half_life": 333.3}),
    "garch": (
        {"omega": 4e-6, "alpha": 0.08, "beta": 0.9},
        {"omega": 1e-5, "alpha": 0.3, "beta": 0.5, "start_variance": 1e-3},
    ),
    "gjr_garch": ({"omega": 4e-6, "alpha": 0.03, "gamma": 0.1, "beta": 0.9},),
    "har": ({}, {"form": "level"}, {"week": 5, "month": 22, "match_close_variance": False}),
    "realized": ({}, {"measure": "bipower", "half_life_days": 2.0}),
    "riskmetrics2006": ({}, {"shortest": 2.0, "components": 5}),
    "stochastic": ({}, {"persistence": 0.9, "innovation_variance": 0.1, "overnight": False}),
    "yang_zhang": ({}, {"window": 5, "match_close_variance": False}),
}
"""Parameters to try, by method; a method that is not listed is tried with its defaults."""


def members() -> tuple[type[Estimator], ...]:
    """Classes of the registry."""
    return get_args(Estimator)


def examples_of(kind: type[Estimator]) -> list[Estimator]:
    """One member with each of its variants."""
    return [kind(**parameters) for parameters in VARIANTS.get(_method(kind), ({},))]


def examples() -> list[Estimator]:
    """All members with all their variants."""
    return [model for kind in members() for model in examples_of(kind)]


def label(model: Estimator) -> str:
    """Name of a case in a test report."""
    names = {name: value for variant in VARIANTS.get(model.method, ()) for name, value in variant.items()}
    given = ", ".join(f"{name}={getattr(model, name)}" for name in names)
    return f"{model.method}({given})"


def _method(kind: type[Estimator]) -> str:
    return str(kind.__dataclass_fields__["method"].default)
