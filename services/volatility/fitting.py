r"""Maximum-likelihood fits of the GARCH family. For workers: a fit costs milliseconds, and no request waits for one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility.estimators.egarch import Egarch
from services.volatility.estimators.garch import Garch
from services.volatility.estimators.gjr_garch import GjrGarch
from services.volatility.fit_coordinates import MEAN, Coordinates, EgarchCoordinates, GarchCoordinates
from services.volatility.garch import FLAT_FROM
from services.volatility.likelihood import Likelihood, Parameters, backcast, egarch_likelihood, garch_likelihood

FittedEstimator = Garch | GjrGarch | Egarch
ModelName = Literal["garch", "gjr_garch", "egarch"]
MIN_RETURNS = 250
LARGEST_PERSISTENCE = FLAT_FROM
SMALLEST_FREEDOM = 2.05
SMALLEST_RMS, LARGEST_RMS = 0.8, 1.25
"""Of the standardised residuals: outside, sizes made from the variances would be off by a quarter."""
MAX_ITERATIONS = 300
SLOPE_TOLERANCE = 1e-4
"""Largest slope of the mean log-likelihood, in coordinates of size one, at which an optimum counts as found."""
_OPTIONS = {"maxiter": MAX_ITERATIONS, "ftol": 1e-13, "gtol": 1e-7, "maxcor": 8}
WORSE_BY = 1e-6
"""Log-likelihood by which a fit may fall behind the former parameters: rounding, not a loss."""


class FitReason(StrEnum):
    """Why a fit is not to be used."""

    INSUFFICIENT_HISTORY = "insufficient_history"
    NO_VARIATION = "no_variation"
    INTEGRATED = "integrated"
    TAILS_TOO_HEAVY = "tails_too_heavy"
    VARIANCES_OFF = "variances_off"
    WORSE_THAN_PREVIOUS = "worse_than_previous"
    NOT_CONVERGED = "not_converged"


FIT_REASON_TEXT: dict[FitReason, str] = {
    FitReason.INSUFFICIENT_HISTORY: f"Fewer than {MIN_RETURNS} returns: the parameters would be noise.",
    FitReason.NO_VARIATION: "Every return is the mean (zero, or that of the returns): there is no variance to explain.",
    FitReason.INTEGRATED: "Persistence above 0.9999: no long-run variance. Try variance_targeted or another window.",
    FitReason.TAILS_TOO_HEAVY: "Degrees of freedom at 2.05 or below: the variance hardly exists.",
    FitReason.VARIANCES_OFF: f"Returns over their volatilities must have a root mean square of {SMALLEST_RMS} to "
    f"{LARGEST_RMS}: one return or the tail rules the fit. Try the normal distribution or another window.",
    FitReason.WORSE_THAN_PREVIOUS: "The former parameters explain the same window better: keep them.",
    FitReason.NOT_CONVERGED: "The optimiser stopped before it found an optimum.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FitChoice:
    """What to fit, and how.

    Parameters
    ----------
    model : {"garch", "gjr_garch", "egarch"}
        Recursion.
    distribution : {"student_t", "normal"}
        Density of the standardised returns.
    mean : {"zero", "constant"}
        Zero is what the filters assume; constant is what `arch` fits by default.
    procedure : {"full", "variance_targeted"}
        Full: every parameter is free. Targeted: the long-run variance is the sample's, one parameter fewer, faster, and
        robust against a flat likelihood; α and ω then differ by a few percent.
    """

    model: ModelName
    distribution: Literal["student_t", "normal"] = "student_t"
    mean: Literal["zero", "constant"] = "zero"
    procedure: Literal["full", "variance_targeted"] = "full"

    def __post_init__(self) -> None:
        if self.model == "egarch" and self.procedure != "full":
            rule = "must be full for egarch: the mean of its variance has no simple form to aim at"
            raise InvalidInput("procedure", rule, self.procedure)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModel:
    """An estimator with the rest of what its likelihood depends on.

    Parameters
    ----------
    estimator : Garch, GjrGarch or Egarch
        Ready to filter with.
    mean : float
        Mean return [per bar]; the filters take it as zero.
    degrees_of_freedom : float, optional
        Of the Student-t density; None: normal.
    """

    estimator: FittedEstimator
    mean: float = 0.0
    degrees_of_freedom: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Estimates, and how good they are.

    Parameters
    ----------
    model : FittedModel
        Estimates.
    log_likelihood : float
        Of the returns as given; for returns in percent it is smaller by n ln 100.
    observations, free_parameters, iterations : int
        Returns, estimated numbers, steps of the optimiser.
    akaike, bayes : float
        ``2k − 2ℓ`` and ``k ln n − 2ℓ``.
    persistence : float
        α + γ/2 + β, for EGARCH β.
    long_run_variance : float
        [variance per bar]
    last_variance : float
        Of the last return in the window [variance per bar].
    residual_rms : float
        Root mean square of the standardised residuals: 1 where the variances have the right size; 0.8 to 1.25.
    """

    model: FittedModel
    log_likelihood: float
    observations: int
    free_parameters: int
    iterations: int
    akaike: float
    bayes: float
    persistence: float
    long_run_variance: float
    last_variance: float
    residual_rms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRejected:
    """No parameters to use, and why."""

    reason: FitReason
    detail: str


class _Window(NamedTuple):
    """Returns over their root mean square around the mean (`unit`), and the variance before the first."""

    returns: Floats
    unit: float
    before: float
    likelihood: Likelihood


def fit(
    log_returns: Floats,
    choice: FitChoice,
    previous: FittedModel | None = None,
    on_iteration: Callable[[int], object] | None = None,
) -> Fit | FitRejected:
    """Maximum-likelihood estimates on one window.

    Parameters
    ----------
    log_returns : (n,) array
        One bar each, oldest first; any unit, which the estimates are then in.
    choice : FitChoice
        Model and procedure.
    previous : FittedModel, optional
        Former parameters: the optimiser starts there, and a result that explains this window less well is rejected.
    on_iteration : callable, optional
        Told the number of steps so far.

    Raises
    ------
    InvalidInput
        If a return is not finite, or `previous` is of another model or density.

    Notes
    -----
    The start is the best of a coarse grid. Initial variance: `likelihood.backcast`. Cost: some twenty passes over the
    returns, each two linear filters; EGARCH has no linear filter and costs ten times as much.

    References
    ----------
    Bollerslev and Wooldridge (1992), Econometric Reviews 11 (quasi-likelihood); Engle and Mezrich (1996), Risk 9
    (variance targeting).
    """
    if not np.isfinite(log_returns).all():
        raise InvalidInput("log_returns", "must be finite", "a value that is not")
    if previous is not None:
        check_previous(previous, choice)
    if log_returns.size < MIN_RETURNS:
        text = f"{log_returns.size} returns, at least {MIN_RETURNS} are needed"
        return FitRejected(reason=FitReason.INSUFFICIENT_HISTORY, detail=text)
    window = _window(log_returns, choice)
    if window is None:
        text = f"{log_returns.size} returns of {float(log_returns[0]):g}"
        return FitRejected(reason=FitReason.NO_VARIATION, detail=text)
    return _judged(_maximise(window, choice, previous, on_iteration), window, choice, previous)


def check_previous(previous: FittedModel, choice: FitChoice) -> None:
    """Raise `InvalidInput` if former parameters are of another model or density than is to be fitted."""
    if previous.estimator.method != choice.model:
        raise InvalidInput("previous.estimator.method", f"must be {choice.model}", previous.estimator.method)
    if (previous.degrees_of_freedom is None) != (choice.distribution == "normal"):
        rule = "must be given with student_t, and only then"
        raise InvalidInput("previous.degrees_of_freedom", rule, previous.degrees_of_freedom)


def _window(log_returns: Floats, choice: FitChoice) -> _Window | None:
    residuals = log_returns - log_returns.mean() if choice.mean == "constant" else log_returns
    largest = float(np.abs(residuals).max())
    if largest <= 1e-12 * float(np.abs(log_returns).max()) or largest == 0.0:
        return None
    unit = largest * math.sqrt(float(np.mean((residuals / largest) ** 2)))
    likelihood = egarch_likelihood if choice.model == "egarch" else garch_likelihood
    return _Window(log_returns / unit, unit, max(backcast(residuals / unit), 1e-8), likelihood)


def _value(window: _Window, at: Parameters) -> float:
    return window.likelihood(window.returns, at, window.before).value - window.returns.size * math.log(window.unit)


def _coordinates(choice: FitChoice) -> Coordinates:
    constant, student = choice.mean == "constant", choice.distribution == "student_t"
    if choice.model == "egarch":
        return EgarchCoordinates(constant_mean=constant, student=student)
    targeted = choice.procedure == "variance_targeted"
    symmetric = choice.model == "garch"
    return GarchCoordinates(symmetric=symmetric, targeted=targeted, constant_mean=constant, student=student)


class _Optimum(NamedTuple):
    at: Parameters
    iterations: int
    slope: float
    free: int


def _maximise(
    window: _Window, choice: FitChoice, previous: FittedModel | None, on_iteration: Callable[[int], object] | None
) -> _Optimum:
    from scipy.optimize import minimize

    coordinates, size, steps = _coordinates(choice), window.returns.size, 0
    theta, free = _start(window, coordinates, choice, previous), coordinates.free
    box = np.array(coordinates.bounds)[free]

    def loss(values: Floats) -> tuple[float, Floats]:
        theta[free] = values
        at, by = coordinates.parameters(theta)
        slope = window.likelihood(window.returns, at, window.before)
        return -slope.value / size, (np.array(slope.gradient) @ by)[free] / -size

    def count(_: Floats) -> None:
        nonlocal steps
        steps += 1
        if on_iteration is not None:
            on_iteration(steps)

    found = minimize(loss, theta[free], jac=True, method="L-BFGS-B", bounds=box, callback=count, options=_OPTIONS)
    theta[free] = found.x
    # The slope that counts is that inside the box: at a face, what points out of it is no defect.
    slope = found.x - np.clip(found.x - found.jac, *box.T)
    return _Optimum(coordinates.parameters(theta)[0], steps, float(np.abs(slope).max()), len(free))


def _start(window: _Window, coordinates: Coordinates, choice: FitChoice, previous: FittedModel | None) -> Floats:
    if previous is not None:
        return coordinates.point(_parameters_of(previous, window.unit))
    mean = float(window.returns.mean()) if choice.mean == "constant" else 0.0
    starts = list(coordinates.starts())
    for theta in starts:
        theta[MEAN] = mean
    return max(starts, key=lambda theta: _value(window, coordinates.parameters(theta)[0]))


def _judged(optimum: _Optimum, window: _Window, choice: FitChoice, previous: FittedModel | None) -> Fit | FitRejected:
    at, freedom = optimum.at, optimum.at.degrees_of_freedom
    kept = at.beta if choice.model == "egarch" else 0.5 * (at.rise + at.fall) + at.beta
    if not optimum.slope < SLOPE_TOLERANCE:
        text = f"slope {optimum.slope:.2g} after {optimum.iterations} steps"
        return FitRejected(reason=FitReason.NOT_CONVERGED, detail=text)
    if kept > LARGEST_PERSISTENCE:
        return FitRejected(reason=FitReason.INTEGRATED, detail=f"persistence {kept:.6f} > {LARGEST_PERSISTENCE}")
    if freedom <= SMALLEST_FREEDOM:
        text = f"{freedom:.4f} degrees of freedom <= {SMALLEST_FREEDOM}"
        return FitRejected(reason=FitReason.TAILS_TOO_HEAVY, detail=text)
    found = _fit_of(optimum, window, choice)
    if not SMALLEST_RMS <= found.residual_rms <= LARGEST_RMS:
        text = f"root mean square of the standardised residuals {found.residual_rms:.4f}"
        return FitRejected(reason=FitReason.VARIANCES_OFF, detail=text)
    if previous is not None:
        former = _value(window, _parameters_of(previous, window.unit))
        if found.log_likelihood < former - WORSE_BY:
            text = f"log-likelihood {found.log_likelihood:.4f} < {former:.4f} of the former parameters"
            return FitRejected(reason=FitReason.WORSE_THAN_PREVIOUS, detail=text)
    return found


def _fit_of(optimum: _Optimum, window: _Window, choice: FitChoice) -> Fit:
    at, unit, size = optimum.at, window.unit, window.returns.size
    slope = window.likelihood(window.returns, at, window.before)
    value = slope.value - size * math.log(unit)
    count = optimum.free + (choice.procedure == "variance_targeted")
    estimator = _estimator(at, unit, choice.model)
    freedom = None if math.isinf(at.degrees_of_freedom) else at.degrees_of_freedom
    return Fit(
        model=FittedModel(estimator=estimator, mean=at.mean * unit, degrees_of_freedom=freedom),
        log_likelihood=value,
        observations=size,
        free_parameters=count,
        iterations=optimum.iterations,
        akaike=2.0 * count - 2.0 * value,
        bayes=count * math.log(size) - 2.0 * value,
        persistence=estimator.persistence,
        long_run_variance=estimator.long_run_variance,
        last_variance=float(slope.variance[-1]) * unit * unit,
        residual_rms=math.sqrt(float(np.mean((window.returns - at.mean) ** 2 / slope.variance))),
    )


def _estimator(at: Parameters, unit: float, model: ModelName) -> FittedEstimator:
    if model == "egarch":
        omega = at.omega + (1.0 - at.beta) * 2.0 * math.log(unit)
        return Egarch(omega=omega, alpha=at.rise, gamma=at.fall, beta=at.beta)
    omega = at.omega * unit * unit
    if model == "garch":
        return Garch(omega=omega, alpha=at.rise, beta=at.beta)
    return GjrGarch(omega=omega, alpha=at.rise, gamma=at.fall - at.rise, beta=at.beta)


def _parameters_of(model: FittedModel, unit: float) -> Parameters:
    """Parameters for returns in units of `unit`."""
    given, mean = model.estimator, model.mean / unit
    freedom = math.inf if model.degrees_of_freedom is None else model.degrees_of_freedom
    if isinstance(given, Egarch):
        omega = given.omega - (1.0 - given.beta) * 2.0 * math.log(unit)
        return Parameters(mean, omega, given.alpha, given.gamma, given.beta, freedom)
    extra = given.gamma if isinstance(given, GjrGarch) else 0.0
    return Parameters(mean, given.omega / (unit * unit), given.alpha, given.alpha + extra, given.beta, freedom)
