"""Cost and quality of a surface beside its peers, on the same made-up chain in the same run.

Hypothesis: a round of the joint fit costs the same array passes for any number of expiries up to where they leave the
cache, so that a chain grows less than linearly; SciPy's least squares and QuantLib's SVI section cost as much for each
expiry as for the first. Input: SVI smiles with one volatility point of noise, 20 strikes, 1, 12 and 40 expiries.
Processor time, the least of five. Printed, never asserted on time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import QuantLib

from services.options.smiles import Smile
from services.options.surfaces.essvi import Essvi
from services.options.surfaces.joint_svi import JointSvi
from services.options.svi import durrleman, total_variance
from tests.evaluation.free_svi import FreeSvi
from tests.support.surfaces import smiles

pytestmark = pytest.mark.benchmark
NODES = np.linspace(-1.0, 1.0, 61)


def noisy(expiries: int) -> list[Smile]:
    """Smiles from a week to two years, each with its own errors."""
    generator = np.random.default_rng(7)
    days = tuple(np.geomspace(7.0, 730.0, expiries).tolist()) if expiries > 1 else (30.0,)
    return [
        Smile(
            time_to_expiry=part.time_to_expiry,
            log_moneyness=part.log_moneyness,
            volatility=part.volatility + 0.01 * generator.standard_normal(part.volatility.size),
            spread=part.spread,
        )
        for part in smiles(days, 20)
    ]


def quantlib(parts: Sequence[Smile]) -> np.ndarray:
    """Raw parameters by QuantLib, from its own start."""
    rows = []
    today = QuantLib.Date(1, 1, 2026)
    QuantLib.Settings.instance().evaluationDate = today
    for part in parts:
        quotes = [QuantLib.QuoteHandle(QuantLib.SimpleQuote(float(value))) for value in part.volatility]
        atm = QuantLib.QuoteHandle(QuantLib.SimpleQuote(0.6))
        section = QuantLib.SviInterpolatedSmileSection(
            today + max(round(part.time_to_expiry * 365.0), 1),
            QuantLib.QuoteHandle(QuantLib.SimpleQuote(1.0)),
            [float(strike) for strike in np.exp(part.log_moneyness)],
            False,
            atm,
            quotes,
            float(part.atm_variance),
            0.1,
            0.1,
            -0.1,
            0.0,
            False,
            False,
            False,
            False,
            False,
        )
        rows.append([section.a(), section.b(), section.rho(), section.m(), section.sigma()])
    return np.array(rows)


def row(name: str, work: Callable[[Sequence[Smile]], np.ndarray], parts: Sequence[Smile]) -> str:
    best = np.inf
    for _ in range(5):
        started = time.process_time()
        raw = work(parts)
        best = min(best, time.process_time() - started)
    errors = [
        np.sqrt(np.maximum(total_variance(each, part.log_moneyness), 0.0) / part.time_to_expiry) - part.volatility
        for part, each in zip(parts, raw, strict=True)
    ]
    rmse = 100.0 * float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))
    crossings = int(np.count_nonzero(np.diff(total_variance(raw, NODES), axis=0) < -1e-8))
    butterflies = int(np.count_nonzero(durrleman(raw, NODES) < 0.0))
    return f"{name:<12}{1e3 * best:10.1f} ms{rmse:10.3f}{crossings:12d}{butterflies:12d}"


@pytest.mark.parametrize("expiries", [1, 12, 40])
def test_a_surface_beside_its_peers(expiries: int) -> None:
    parts = noisy(expiries)
    print(f"\n{expiries} expiries    time    RMSE [points]   crossings   butterflies")
    for name, work in {
        "svi": JointSvi().fit,
        "essvi": Essvi().fit,
        "scipy": FreeSvi().fit,
        "QuantLib": quantlib,
    }.items():
        print(row(name, work, parts))
    raw = JointSvi().fit(parts)
    assert np.diff(total_variance(raw, NODES), axis=0).min(initial=0.0) >= -1e-8
