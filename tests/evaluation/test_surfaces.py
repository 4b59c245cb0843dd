"""What the measurement of surfaces computes, on chains that are made up; and its goals where the real ones are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.options.chain import ChainRules
from services.options.chain_cleaning import clean_chain
from services.options.surface_fit import fit_surface
from services.options.surfaces.joint_svi import JointSvi
from services.options.svi import total_variance
from tests.evaluation import surfaces
from tests.evaluation.chains import RecordedChain, recorded_chains
from tests.evaluation.free_svi import FreeSvi
from tests.support.surfaces import AS_OF, chain, smile_parameters, smiles

CHAINS = recorded_chains()
MADE_UP = [RecordedChain("made up", "X", AS_OF, chain()), RecordedChain("made up", "X", AS_OF + 60.0, chain())]


def test_a_chain_without_noise_is_met_exactly() -> None:
    fits = surfaces.fits_of(MADE_UP, 1.0)
    mine = [fit for fit in fits if fit.method == "svi"]
    assert [fit.quotes for fit in mine] == [39, 39]
    assert max(fit.rmse for fit in mine) < 0.05
    assert [fit.inside for fit in mine] == [1.0, 1.0]
    assert math.isnan(mine[0].warm)
    assert mine[1].warm > 0.0
    flat = next(fit for fit in fits if fit.method == "flat")
    assert flat.rmse > 3.0
    assert flat.inside < 0.5


def test_the_page_has_every_method_and_goal() -> None:
    fits = surfaces.fits_of(MADE_UP, 2.0)
    text = surfaces.document([surfaces.grid(fits, 2.0)], surfaces.gates_of(fits))
    assert text.count("| made up |") == len(surfaces.METHODS)
    assert text.count("held") == 6


def test_the_peer_finds_smiles_that_are_known() -> None:
    parts = smiles()
    for part, row in zip(parts, FreeSvi().fit(parts), strict=True):
        fitted = np.sqrt(total_variance(row, part.log_moneyness) / part.time_to_expiry)
        assert fitted == pytest.approx(part.volatility, abs=2e-4)
    assert total_variance(smile_parameters(7.0), 0.0) > 0.0


@pytest.mark.skipif(not CHAINS, reason="the shared data sets are not beside this repository")
def test_real_chains_hold_no_arbitrage_and_keep_the_goals() -> None:
    """All 22 chains: the goals of quality, and nothing that the audit or a dense grid finds."""
    rmse, inside, dense = [], [], np.linspace(-1.0, 1.0, 2_001)
    for recorded in CHAINS:
        cleaned = clean_chain(recorded.quotes, recorded.as_of, ChainRules(least_days=2.0))
        surface = fit_surface(cleaned, JointSvi())
        fit, _ = surfaces.measured(recorded.group, "svi", JointSvi(), cleaned, None)
        assert fit.audit.clean
        assert np.diff(total_variance(surface.raw, dense), axis=0).min() >= -1e-8
        rmse.append(fit.rmse)
        inside.append(fit.inside)
    assert np.median(rmse) <= surfaces.GOAL_RMSE
    assert np.median(inside) >= surfaces.GOAL_INSIDE
