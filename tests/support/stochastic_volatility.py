"""Random models, QuantLib's prices of them, and moments by Riccati's equation."""

from __future__ import annotations

import numpy as np
import QuantLib
from scipy.integrate import solve_ivp

from services.core.explain import Floats
from services.options.heston import Bates, Heston, StochasticVolatility


def random_heston(rng: np.random.Generator) -> Heston:
    """From calm to wild; nearly half of them break Feller's condition."""
    low, high = np.log([4e-3, 0.3, 4e-3, 0.05]), np.log([1.0, 12.0, 1.0, 4.0])
    v0, kappa, theta, sigma = np.exp(rng.uniform(low, high)).tolist()
    return Heston(
        initial_variance=v0, mean_reversion=kappa, long_run_variance=theta, volatility_of_variance=sigma,
        correlation=float(rng.uniform(-0.95, 0.95)),
    )  # fmt: skip


def random_bates(rng: np.random.Generator) -> Bates:
    """The same with jumps."""
    base = random_heston(rng)
    return with_jumps(base, *rng.uniform([0.0, -0.4, 0.02], [8.0, 0.3, 0.4]).tolist())


def with_jumps(base: Heston, intensity: float, mean: float, volatility: float) -> Bates:
    """A diffusion that also jumps."""
    return Bates(
        initial_variance=base.initial_variance,
        mean_reversion=base.mean_reversion,
        long_run_variance=base.long_run_variance,
        volatility_of_variance=base.volatility_of_variance,
        correlation=base.correlation,
        jump_intensity=intensity,
        jump_mean=mean,
        jump_volatility=volatility,
    )


def quantlib_puts(model: StochasticVolatility, strikes: Floats, days: int) -> Floats:
    """Of QuantLib's adaptive Gauss-Lobatto integration, on a forward of 100 without rates."""
    today, count = QuantLib.Date(1, 1, 2026), QuantLib.Actual365Fixed()
    QuantLib.Settings.instance().evaluationDate = today
    flat = QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, 0.0, count))
    terms = (
        flat, flat, QuantLib.QuoteHandle(QuantLib.SimpleQuote(100.0)), model.initial_variance, model.mean_reversion,
        model.long_run_variance, model.volatility_of_variance, model.correlation,
    )  # fmt: skip
    if isinstance(model, Bates):
        jumps = (model.jump_intensity, model.jump_mean, model.jump_volatility)
        engine = QuantLib.BatesEngine(QuantLib.BatesModel(QuantLib.BatesProcess(*terms, *jumps)), 1e-12, 1_000_000)
    else:
        engine = QuantLib.AnalyticHestonEngine(QuantLib.HestonModel(QuantLib.HestonProcess(*terms)), 1e-12, 1_000_000)
    found = []
    for strike in strikes.tolist():
        option = QuantLib.VanillaOption(
            QuantLib.PlainVanillaPayoff(QuantLib.Option.Put, strike), QuantLib.EuropeanExercise(today + days)
        )
        option.setPricingEngine(engine)
        found.append(option.NPV())
    return np.array(found)


def riccati_log_moment(model: Heston, order: float, time: float) -> float:
    """``ln E (F_T/F)^p`` from ``D' = p(p − 1)/2 − (κ − ρσp) D + σ²D²/2``; infinite where it explodes before T."""

    def drift(_: float, state: Floats) -> list[float]:
        d = state[0]
        pull = model.mean_reversion - model.correlation * model.volatility_of_variance * order
        growth = 0.5 * order * (order - 1.0) - pull * d + 0.5 * model.volatility_of_variance**2 * d * d
        return [growth, model.mean_reversion * model.long_run_variance * d]

    def exploded(_: float, state: Floats) -> float:
        return 1e7 - abs(float(state[0]))

    exploded.terminal = True  # type: ignore[attr-defined]
    path = solve_ivp(drift, (0.0, time), [0.0, 0.0], method="LSODA", rtol=1e-11, atol=1e-13, events=exploded)
    if path.t[-1] < time:
        return float("inf")
    return float(path.y[1, -1] + model.initial_variance * path.y[0, -1])
