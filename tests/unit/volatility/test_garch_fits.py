"""Maximum-likelihood fits: `arch` is the oracle, simulated series hold the truth, and every rejection is typed."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pytest
from arch import arch_model
from arch.data import nasdaq, sp500
from pydantic import TypeAdapter, ValidationError
from scipy.optimize import approx_fprime

from services.core.annualization import Calendar
from services.core.errors import InvalidInput, Refusal
from services.core.explain import Floats
from services.volatility import fitting
from services.volatility.estimators.egarch import Egarch
from services.volatility.estimators.garch import Garch
from services.volatility.estimators.gjr_garch import GjrGarch
from services.volatility.fit_coordinates import Coordinates, EgarchCoordinates, GarchCoordinates
from services.volatility.fit_window import fit_returns
from services.volatility.fitting import Fit, FitChoice, FitReason, FitRejected, FittedModel, fit
from services.volatility.likelihood import Parameters, backcast, egarch_likelihood, garch_likelihood
from services.volatility.series import SeriesInput
from tests.unit.volatility.garch_series import garch_returns

DAY = 86_400
MODELS: tuple[fitting.ModelName, ...] = ("garch", "gjr_garch", "egarch")
Density = Literal["normal", "student_t"]
Mean = Literal["zero", "constant"]


def percent(loader: Any, first: int, bars: int) -> Floats:
    """Percent returns of a data set of `arch`."""
    prices = loader.load()["Adj Close"]
    return np.asarray(100.0 * prices.pct_change().dropna(), dtype=float)[first : first + bars]


def done(found: Fit | FitRejected) -> Fit:
    assert isinstance(found, Fit), found
    return found


def rejected(found: Fit | FitRejected) -> FitReason:
    assert isinstance(found, FitRejected), found
    return found.reason


def oracle(returns: Floats, choice: FitChoice) -> Any:
    """Fit of `arch` under the same choices."""
    return arch_model(
        returns,
        mean="Constant" if choice.mean == "constant" else "Zero",
        vol="EGARCH" if choice.model == "egarch" else "GARCH",
        p=1,
        o=0 if choice.model == "garch" else 1,
        q=1,
        dist="t" if choice.distribution == "student_t" else "normal",
        rescale=False,
    ).fit(disp="off", options={"ftol": 1e-12, "maxiter": 1000})


def named(found: Fit) -> dict[str, float]:
    """Estimates under the names of `arch`."""
    model = found.model.estimator
    values = {"omega": model.omega, "alpha[1]": model.alpha, "beta[1]": model.beta}
    if not isinstance(model, Garch):
        values["gamma[1]"] = model.gamma
    if found.model.mean:
        values["mu"] = found.model.mean
    if found.model.degrees_of_freedom is not None:
        values["nu"] = found.model.degrees_of_freedom
    return values


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("distribution", ["normal", "student_t"])
@pytest.mark.parametrize(
    ("loader", "first", "mean"), [(sp500, 0, "constant"), (sp500, 2_000, "zero"), (nasdaq, 1_000, "constant")]
)
def test_full_fits_equal_arch(
    loader: Any, first: int, mean: Mean, model: fitting.ModelName, distribution: Density
) -> None:
    returns = percent(loader, first, 2_000)
    choice = FitChoice(model=model, distribution=distribution, mean=mean)
    found, expected = done(fit(returns, choice)), oracle(returns, choice)
    assert found.log_likelihood >= expected.loglikelihood - 1e-4
    assert found.log_likelihood == pytest.approx(expected.loglikelihood, abs=0.1)
    assert named(found) == pytest.approx(expected.params.to_dict(), rel=2e-3, abs=2e-4)
    assert math.sqrt(found.last_variance) == pytest.approx(expected.conditional_volatility[-1], rel=2e-3)
    assert found.akaike == pytest.approx(expected.aic, abs=0.2)
    assert found.bayes == pytest.approx(expected.bic, abs=0.2)


@pytest.mark.parametrize("model", MODELS)
def test_value_of_the_likelihood_is_that_of_arch_at_the_same_parameters(model: fitting.ModelName) -> None:
    returns = percent(sp500, 500, 1_000)
    choice = FitChoice(model=model, mean="zero")
    if model == "egarch":
        given, at = [0.02, 0.15, -0.1, 0.97, 7.0], Parameters(0.0, 0.02, 0.15, -0.1, 0.97, 7.0)
        value = egarch_likelihood(returns, at, backcast(returns)).value
    else:
        extra = 0.1 if model == "gjr_garch" else 0.0
        given = [0.02, 0.03, *([extra] if extra else []), 0.88, 7.0]
        value = garch_likelihood(returns, Parameters(0.0, 0.02, 0.03, 0.03 + extra, 0.88, 7.0), backcast(returns)).value
    reference = arch_model(
        returns, mean="Zero", vol="EGARCH" if model == "egarch" else "GARCH", o=0 if model == "garch" else 1, dist="t"
    )
    assert value == pytest.approx(reference.fix(given).loglikelihood, rel=1e-10)
    assert choice.model == model


@pytest.mark.parametrize("freedom", [math.inf, 5.0])
@pytest.mark.parametrize("likelihood", [garch_likelihood, egarch_likelihood])
def test_gradient_of_the_likelihood(likelihood: Any, freedom: float) -> None:
    returns = garch_returns(4, 400) / 0.02
    at = Parameters(0.03, 0.02, 0.06, 0.12, 0.85, freedom)
    found = likelihood(returns, at, 1.3)
    for place, name in enumerate(Parameters._fields):
        if math.isinf(at[place]):
            continue
        up, down = (at._replace(**{name: at[place] + step}) for step in (1e-6, -1e-6))
        slope = (likelihood(returns, up, 1.3).value - likelihood(returns, down, 1.3).value) / 2e-6
        assert found.gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-5), name


@pytest.mark.parametrize(
    "coordinates",
    [
        GarchCoordinates(symmetric=False, targeted=False, constant_mean=True, student=True),
        EgarchCoordinates(constant_mean=True, student=True),
    ],
)
def test_coordinates_lead_there_and_back(coordinates: Coordinates) -> None:
    theta = np.array([0.05, 0.3, 1.5, 1.2, 0.4, 1.1])
    at, by = coordinates.parameters(theta)
    assert coordinates.point(at) == pytest.approx(theta, rel=1e-9)
    for place in range(6):
        slope = approx_fprime(theta, lambda value, place=place: coordinates.parameters(value)[0][place], 1e-7)
        assert by[place] == pytest.approx(slope, abs=1e-5)


def test_truth_is_found_in_a_long_series() -> None:
    found = done(fit(garch_returns(11, 20_000), FitChoice(model="gjr_garch"))).model
    model = found.estimator
    assert isinstance(model, GjrGarch)
    assert (model.alpha, model.gamma, model.beta) == pytest.approx((0.04, 0.08, 0.9), abs=0.02)
    assert math.sqrt(model.long_run_variance) == pytest.approx(0.02, rel=0.1)
    assert found.degrees_of_freedom == pytest.approx(6.0, rel=0.15)


@pytest.mark.parametrize("model", MODELS)
def test_units_of_returns_change_units_only(model: fitting.ModelName) -> None:
    returns, choice = garch_returns(12, 1_200), FitChoice(model=model)
    plain = done(fit(returns, choice))
    for unit in (1e-5, 100.0, 1e5):
        scaled, shift = done(fit(unit * returns, choice)), returns.size * math.log(unit)
        assert scaled.log_likelihood == pytest.approx(plain.log_likelihood - shift, abs=1e-5)
        assert scaled.persistence == pytest.approx(plain.persistence, rel=1e-4)
        assert scaled.long_run_variance == pytest.approx(unit**2 * plain.long_run_variance, rel=1e-3)


def test_targeting_takes_the_long_run_variance_of_the_sample() -> None:
    returns = percent(sp500, 0, 5_000)
    for model in ("garch", "gjr_garch"):
        for distribution in ("normal", "student_t"):
            full = FitChoice(model=model, distribution=distribution)
            quick = FitChoice(model=model, distribution=distribution, procedure="variance_targeted")
            free, held = done(fit(returns, full)), done(fit(returns, quick))
            assert held.long_run_variance == pytest.approx(np.mean(returns**2), rel=1e-9)
            assert free.log_likelihood - 3.0 < held.log_likelihood <= free.log_likelihood + 1e-6
            assert held.free_parameters == free.free_parameters


@pytest.mark.parametrize("model", MODELS)
def test_a_warm_start_ends_where_a_cold_one_does_in_fewer_steps(model: fitting.ModelName) -> None:
    returns, choice = garch_returns(13, 1_501), FitChoice(model=model)
    former = done(fit(returns[:-1], choice))
    cold, warm = done(fit(returns[1:], choice)), done(fit(returns[1:], choice, former.model))
    assert warm.iterations < cold.iterations
    assert warm.log_likelihood == pytest.approx(cold.log_likelihood, abs=1e-3)


def test_steps_are_reported() -> None:
    seen: list[int] = []
    found = done(fit(garch_returns(14, 600), FitChoice(model="garch"), on_iteration=seen.append))
    assert seen == list(range(1, found.iterations + 1))


def test_too_few_returns_are_rejected() -> None:
    returns = garch_returns(15, 250)
    assert rejected(fit(returns[:249], FitChoice(model="garch"))) is FitReason.INSUFFICIENT_HISTORY
    assert not isinstance(fit(returns, FitChoice(model="garch")), FitRejected)


@pytest.mark.parametrize("mean", ["zero", "constant"])
def test_a_series_without_variation_is_rejected(mean: Mean) -> None:
    value = 0.0 if mean == "zero" else 0.01
    found = fit(np.full(400, value), FitChoice(model="garch", mean=mean))
    assert rejected(found) is FitReason.NO_VARIATION


def test_an_integrated_fit_is_rejected() -> None:
    """Volatility that doubles every 200 bars has no long-run level."""
    rng = np.random.default_rng(16)
    growing = rng.standard_normal(1_500) * 0.01 * 2.0 ** (np.arange(1_500) / 200.0)
    assert rejected(fit(growing, FitChoice(model="garch"))) is FitReason.INTEGRATED


def test_tails_without_a_variance_are_rejected() -> None:
    """Cauchy returns: one degree of freedom."""
    wild = 1e-3 * np.random.default_rng(17).standard_cauchy(2_000)
    for model in MODELS:
        assert rejected(fit(wild, FitChoice(model=model))) is FitReason.TAILS_TOO_HEAVY


def test_variances_of_the_wrong_size_are_rejected() -> None:
    """One return that Student's t takes in its stride: 400 calm bars and a fall of 90 log points."""
    returns = np.append(1e-4 * np.random.default_rng(21).standard_normal(399), -0.9)
    for model in MODELS:
        found = fit(returns, FitChoice(model=model))
        assert rejected(found) is FitReason.VARIANCES_OFF
        assert isinstance(found, FitRejected) and re.search(r"root mean square .* [\d.]+$", found.detail)


def test_egarch_reacts_to_size_with_more_variance_or_none() -> None:
    """Calm after every large move: the likelihood wants a negative reaction, a forecast must not have one."""
    rng, returns = np.random.default_rng(22), [0.01]
    for shock in rng.standard_normal(3_000).tolist():
        returns.append(shock * (0.004 if abs(returns[-1]) > 0.01 else 0.012))
    choice = FitChoice(model="egarch", distribution="normal")
    found = done(fit(np.array(returns), choice)).model.estimator
    assert oracle(100.0 * np.array(returns), choice).params["alpha[1]"] < -0.05
    assert found.alpha == 0.0  # type: ignore[union-attr]
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        TypeAdapter(Egarch).validate_python({"omega": -0.2, "alpha": -0.01, "gamma": 0.0, "beta": 0.97})


def test_a_fit_that_explains_less_than_the_former_parameters_is_rejected() -> None:
    """Targeting cannot reach the likelihood of the free fit on the same window."""
    returns = percent(sp500, 0, 3_000)
    free = done(fit(returns, FitChoice(model="garch", distribution="normal")))
    quick = FitChoice(model="garch", distribution="normal", procedure="variance_targeted")
    assert rejected(fit(returns, quick, free.model)) is FitReason.WORSE_THAN_PREVIOUS
    assert not isinstance(fit(returns, quick), FitRejected)


def test_an_optimiser_that_is_stopped_early_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fitting._OPTIONS, "maxiter", 1)
    found = fit(garch_returns(18, 500), FitChoice(model="gjr_garch"))
    assert rejected(found) is FitReason.NOT_CONVERGED


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("distribution", ["normal", "student_t"])
def test_hostile_windows_end_in_an_answer(model: fitting.ModelName, distribution: Density) -> None:
    """A day of +355 %, long stretches of zeros, one move in silence, alternating signs, tiny and huge units."""
    plain = garch_returns(19, 500)
    spike, holes, single = plain.copy(), plain.copy(), np.zeros(500)
    spike[250], holes[100:300], single[77] = 1.52, 0.0, 0.3
    swing = np.where(np.arange(500) % 2, 0.01, -0.01)
    for returns in (spike, holes, single, swing, 1e-12 * plain, 1e6 * plain):
        found = fit(returns, FitChoice(model=model, distribution=distribution))
        if isinstance(found, Fit):
            assert 0.0 <= found.persistence <= 0.9999
            assert math.isfinite(found.log_likelihood) and math.isfinite(found.residual_rms)
            assert 0.0 < found.long_run_variance < math.inf


def test_illegal_choices_name_themselves() -> None:
    returns = garch_returns(20, 300)
    with pytest.raises(InvalidInput, match="procedure must be full for egarch"):
        FitChoice(model="egarch", procedure="variance_targeted")
    with pytest.raises(InvalidInput, match="log_returns must be finite"):
        fit(np.append(returns, np.nan), FitChoice(model="garch"))
    model = FittedModel(estimator=Egarch(omega=-0.2, alpha=0.1, gamma=0.0, beta=0.95))
    with pytest.raises(InvalidInput, match=r"previous\.estimator\.method must be garch"):
        fit(returns, FitChoice(model="garch"), model)
    with pytest.raises(InvalidInput, match=r"previous\.degrees_of_freedom"):
        fit(returns, FitChoice(model="egarch"), model)


def test_returns_are_those_that_a_filter_would_see() -> None:
    end = datetime(2026, 11, 20, tzinfo=UTC)
    closes = np.array([100.0, 110.0, 110.0, 110.0, 110.0, 110.0, 99.0])
    steps = np.log(closes[1:] / closes[:-1])
    # The third unchanged close in a row, and every one after it, tells nothing.
    seen = fit_returns(SeriesInput(closes, end, DAY, Calendar()))
    assert seen == pytest.approx([steps[0], 0.0, 0.0, steps[-1]])
    times = end.timestamp() + DAY * np.array([-11.0, -10.0, -8.0, -1.0, 0.0])
    gaps = fit_returns(SeriesInput(np.array([100.0, 101.0, 105.0, 90.0, 91.0]), end, DAY, Calendar(), times))
    spread = math.log(105 / 101) / math.sqrt(2)
    assert gaps == pytest.approx([math.log(1.01), spread, spread, math.log(91 / 90)])
    bad = fit_returns(SeriesInput(np.array([100.0, -1.0]), end, DAY, Calendar()))
    assert isinstance(bad, Refusal) and "index 1" in bad.detail
