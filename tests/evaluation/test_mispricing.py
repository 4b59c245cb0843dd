"""What the measurement of mispricing computes, on chains and walks that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from services.options.black import black_price
from services.options.model_fits import HestonFit
from tests.evaluation import mispricing as evaluation

EXPIRIES = ("2026-02-13T08:00:00Z", "2026-03-27T08:00:00Z")


def rows(snapshot: str, forward: float, moved: dict[tuple[str, float], float] | None = None) -> list[dict[str, str]]:
    """A chain at a volatility of 60 %, some quotes elsewhere; spreads of two points of volatility."""
    found = []
    for expiry in EXPIRIES:
        for strike in np.arange(60_000.0, 81_000.0, 2_000.0):
            row = {"expiry": expiry, "snapshot": snapshot}
            time, right = evaluation.years(row), "P" if strike < forward else "C"
            mean = 0.6 + (moved or {}).get((expiry, strike), 0.0)
            bid, ask = (
                black_price(1.0, strike / forward, time, mean + side, -1 if right == "P" else 1)
                for side in (-0.01, 0.01)
            )
            terms = {"futures_price": str(forward), "strike": str(strike), "cp": right}
            found.append({**row, **terms, "bid": repr(float(bid)), "ask": repr(float(ask))})
    return found


def walk(*chains: list[dict[str, str]]) -> list[evaluation.Fitted]:
    made = [evaluation.usable(evaluation.chain_of(str(place), chain)) for place, chain in enumerate(chains)]
    return [evaluation.fitted(chain, HestonFit()) for chain in made]


def test_a_chain_is_read_and_inverted() -> None:
    chain = evaluation.usable(evaluation.chain_of("BTC", rows("2026-02-03T08:00:00Z", 70_001.0)))
    mean, bid, ask = chain.volatilities
    assert chain.size == 22
    assert mean == pytest.approx(0.6, abs=5e-4)
    assert [bid, ask] == [pytest.approx(0.59, abs=1e-9), pytest.approx(0.61, abs=1e-9)]
    one_sided = [{**row, "bid": ""} for row in rows("2026-02-03T08:00:00Z", 70_001.0)[:3]]
    left = evaluation.chain_of("BTC", one_sided + rows("2026-02-03T08:00:00Z", 70_001.0)[3:])
    assert evaluation.usable(left).size == 19


def test_a_quote_that_comes_back_is_earned() -> None:
    """One quote five points high, back six hours later; the fit had followed it by half a point."""
    odd = (EXPIRIES[1], 74_000.0)
    fits = walk(rows("2026-02-03T08:00:00Z", 70_001.0, {odd: 0.05}), rows("2026-02-03T14:00:00Z", 70_001.0))
    steps = evaluation.steps_of(fits)
    (place,) = np.flatnonzero(steps.verdict == "rich")
    assert fits[0].chain.contract[place][1] == "74000.0"
    assert -5.0 < steps.difference[place] < -4.0
    assert steps.gain[place] - steps.gain[place - 1] == pytest.approx(-5.0, abs=0.2)
    assert steps.cost[place] > 2.0
    # What is left of the others is six hours of decay, most for the near expiry.
    others = np.delete(steps.gain, place)
    assert others.max() < 0.0 and others.min() > -1.0


def test_a_move_of_the_forward_is_hedged() -> None:
    steps = evaluation.steps_of(walk(rows("2026-02-03T08:00:00Z", 70_001.0), rows("2026-02-03T08:01:00Z", 70_021.0)))
    assert np.abs(steps.gain).max() < 0.02


def test_clustered_errors_are_those_of_statsmodels() -> None:
    rng = np.random.default_rng(3)
    cluster = np.repeat(np.arange(10), 20)
    by = rng.normal(size=200) + 0.5 * rng.normal(size=10)[cluster]
    explained = 0.7 * by + rng.normal(size=10)[cluster] + rng.normal(size=200)
    found = evaluation.slope(explained, by, cluster)
    groups = {"groups": cluster, "use_correction": False}
    fit = OLS(explained, np.column_stack([np.ones(200), by])).fit(cov_type="cluster", cov_kwds=groups)
    width = 2.262157 * float(fit.bse[1]) * np.sqrt(10.0 / 9.0)
    assert (found.value, found.high - found.value) == pytest.approx((float(fit.params[1]), width), rel=1e-6)
    average = evaluation.mean(explained, cluster)
    fit = OLS(explained, np.ones(200)).fit(cov_type="cluster", cov_kwds=groups)
    assert average.high - average.value == pytest.approx(2.262157 * float(fit.bse[0]) * np.sqrt(10.0 / 9.0), rel=1e-6)
    assert evaluation.mean(explained[:20], cluster[:20]).high == np.inf


def test_the_document_has_every_table() -> None:
    fits = walk(rows("2026-02-03T08:00:00Z", 70_001.0), rows("2026-02-03T14:00:00Z", 70_101.0))
    steps = {"Heston": evaluation.steps_of([fits[0], replace(fits[1])])}
    grids = [evaluation.fit_grid({"made up": fits}), evaluation.reversion_grid(steps), evaluation.trade_grid(steps)]
    text = evaluation.document(grids)
    assert "| made up | 2 | 22 | 2 |" in text
    assert "Protocol: full Deribit chains" in text
