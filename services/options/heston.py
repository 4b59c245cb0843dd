r"""Heston's stochastic volatility and Bates's jumps on top of it: parameters, characteristic functions, moments.

Letters inside the kernels: v₀ κ θ σ ρ as in ``dF/F = √v dW + jumps``, ``dv = κ(θ − v) dt + σ √v dZ``,
``dW dZ = ρ dt``; jumps of ln F arrive λ times a year, normal with mean μ and standard deviation δ, compensated;
T time to expiry; φ(u) = E exp(iu ln(F_T/F)). Prices are in `cosine`, fits in `calibration`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np
from annotated_types import Ge, Gt, Lt
from numpy.typing import ArrayLike, NDArray

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.options.checks import positive

Complexes = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heston:
    """Parameters of the variance process.

    Parameters
    ----------
    initial_variance, long_run_variance : float
        v₀ and θ [annual variance].
    mean_reversion : float
        κ [per year].
    volatility_of_variance : float
        σ. Feller's 2κθ > σ² is not asked for.
    correlation : float
        ρ, in (−1, 1).
    """

    method: Literal["heston"] = "heston"
    initial_variance: Annotated[float, Ge(0)]
    mean_reversion: Annotated[float, Gt(0)]
    long_run_variance: Annotated[float, Ge(0)]
    volatility_of_variance: Annotated[float, Gt(0)]
    correlation: Annotated[float, Gt(-1), Lt(1)]

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        _check(self)

    @property
    def feller(self) -> bool:
        """Whether 2κθ >= σ²: the variance then never touches zero."""
        return 2.0 * self.mean_reversion * self.long_run_variance >= self.volatility_of_variance**2

    def expected_variance(self, time_to_expiry: float) -> float:
        """Fair strike of a variance swap, ``θ + (v₀ − θ)(1 − e^(−κT))/(κT)`` [annual variance].

        Examples
        --------
        >>> model = Heston(
        ...     initial_variance=0.04, mean_reversion=2.0, long_run_variance=0.09,
        ...     volatility_of_variance=0.5, correlation=-0.7,
        ... )
        >>> round(model.expected_variance(1.0), 6)
        0.068383
        """
        return _expected_variance(self, time_to_expiry)

    def exponent(self, argument: ArrayLike, time_to_expiry: ArrayLike) -> Complexes:
        """``ln φ(u)``, see `heston_exponent`; argument and time broadcast."""
        return heston_exponent(argument, time_to_expiry, *_variance_parameters(self))

    def characteristic(self, argument: ArrayLike, time_to_expiry: ArrayLike) -> Complexes:
        """``φ(u)``, see `heston_exponent`; argument and time broadcast."""
        return np.asarray(np.exp(self.exponent(argument, time_to_expiry)), dtype=complex)

    def log_moment(self, order: Floats, time_to_expiry: Floats) -> Floats:
        """``ln E (F_T/F)^p`` of each order p, and infinity where the moment does not exist."""
        finite = _moment_exists(self, order, time_to_expiry)
        at = np.where(finite, order, 0.5)
        return np.where(finite, self.exponent(-1j * at, time_to_expiry).real, np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bates:
    """Heston's variance, and jumps of the price.

    Parameters
    ----------
    initial_variance, mean_reversion, long_run_variance, volatility_of_variance, correlation : float
        As in `Heston`.
    jump_intensity : float
        λ [jumps a year]; 0 is Heston.
    jump_mean, jump_volatility : float
        μ and δ: mean and standard deviation of ln(1 + jump).

    References
    ----------
    Bates (1996), Jumps and stochastic volatility, Rev. Financial Studies 9.
    """

    method: Literal["bates"] = "bates"
    initial_variance: Annotated[float, Ge(0)]
    mean_reversion: Annotated[float, Gt(0)]
    long_run_variance: Annotated[float, Ge(0)]
    volatility_of_variance: Annotated[float, Gt(0)]
    correlation: Annotated[float, Gt(-1), Lt(1)]
    jump_intensity: Annotated[float, Ge(0)]
    jump_mean: float
    jump_volatility: Annotated[float, Ge(0)]

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        _check(self)
        for name in ("jump_intensity", "jump_volatility"):
            if not getattr(self, name) >= 0.0:
                raise InvalidInput(name, "must be >= 0", getattr(self, name))

    @property
    def feller(self) -> bool:
        """Whether 2κθ >= σ²: the variance then never touches zero."""
        return 2.0 * self.mean_reversion * self.long_run_variance >= self.volatility_of_variance**2

    def expected_variance(self, time_to_expiry: float) -> float:
        """Expected quadratic variation a year, jumps included: that of Heston plus ``λ(μ² + δ²)`` [annual variance].

        With jumps this is not what a strip of options replicates; it is what a variance swap pays on average.
        """
        jumps = self.jump_intensity * (self.jump_mean**2 + self.jump_volatility**2)
        return _expected_variance(self, time_to_expiry) + jumps

    def exponent(self, argument: ArrayLike, time_to_expiry: ArrayLike) -> Complexes:
        """``ln φ(u)``, `heston_exponent` plus `jump_exponent`; argument and time broadcast."""
        jumps = jump_exponent(argument, time_to_expiry, self.jump_intensity, self.jump_mean, self.jump_volatility)
        return heston_exponent(argument, time_to_expiry, *_variance_parameters(self)) + jumps

    def characteristic(self, argument: ArrayLike, time_to_expiry: ArrayLike) -> Complexes:
        """``φ(u)``; argument and time broadcast."""
        return np.asarray(np.exp(self.exponent(argument, time_to_expiry)), dtype=complex)

    def log_moment(self, order: Floats, time_to_expiry: Floats) -> Floats:
        """``ln E (F_T/F)^p`` of each order p, and infinity where the moment does not exist or overflows."""
        finite = _moment_exists(self, order, time_to_expiry)
        at = np.where(finite, order, 0.5)
        diffusion = heston_exponent(-1j * at, time_to_expiry, *_variance_parameters(self)).real
        size = at * self.jump_mean + 0.5 * (at * self.jump_volatility) ** 2
        finite = finite & (size < 500.0)
        drift = np.expm1(self.jump_mean + 0.5 * self.jump_volatility**2)
        jumps = self.jump_intensity * time_to_expiry * (np.expm1(np.where(finite, size, 0.0)) - at * drift)
        return np.where(finite, diffusion + jumps, np.inf)


StochasticVolatility: TypeAlias = Heston | Bates


def heston_exponent(
    argument: ArrayLike,
    time_to_expiry: ArrayLike,
    initial_variance: ArrayLike,
    mean_reversion: ArrayLike,
    long_run_variance: ArrayLike,
    volatility_of_variance: ArrayLike,
    correlation: ArrayLike,
) -> Complexes:
    r"""``ln φ(u) = κθ C + v₀ D`` of Heston, over arrays of any broadcastable shape.

    ``D = −(u² + iu)/(β + d) · (1 − e^{−dT})/(1 − g e^{−dT})``,
    ``C = −(u² + iu) T/(β + d) − (2/σ²) ln((1 − g e^{−dT})/(1 − g))``,
    with ``β = κ − ρσiu``, ``d² = β² + σ²(u² + iu)``, ``g = (β − d)/(β + d)``.

    Notes
    -----
    The branch with e^{−dT} has no jumps of the logarithm; ``β − d`` is written as ``−σ²(u² + iu)/(β + d)``, so that
    nothing cancels as σ → 0.

    References
    ----------
    Albrecher, Mayer, Schoutens & Tistaert (2007), The little Heston trap, Wilmott; Lord & Kahl (2010).
    """
    u, time = np.asarray(argument, dtype=complex), np.asarray(time_to_expiry, dtype=float)
    kappa, sigma = np.asarray(mean_reversion, dtype=float), np.asarray(volatility_of_variance, dtype=float)
    beta = kappa - np.asarray(correlation, dtype=float) * sigma * 1j * u
    power = u * u + 1j * u
    root = np.sqrt(beta * beta + sigma * sigma * power)
    slope = -power / (beta + root)
    g = sigma * sigma * slope / (beta + root)
    fade = -np.expm1(-root * time)
    ratio = _log_of_one_plus(g * fade / (1.0 - g))
    level = slope * time - 2.0 / (sigma * sigma) * ratio
    start = slope * fade / (1.0 - g * (1.0 - fade))
    return np.asarray(
        kappa * np.asarray(long_run_variance) * level + np.asarray(initial_variance) * start, dtype=complex
    )


def jump_exponent(
    argument: ArrayLike,
    time_to_expiry: ArrayLike,
    jump_intensity: ArrayLike,
    jump_mean: ArrayLike,
    jump_volatility: ArrayLike,
) -> Complexes:
    """``λT [e^{iuμ − δ²u²/2} − 1 − iu (e^{μ + δ²/2} − 1)]``: compensated normal jumps, over broadcastable arrays."""
    u, mean = np.asarray(argument, dtype=complex), np.asarray(jump_mean, dtype=float)
    half_variance = 0.5 * np.asarray(jump_volatility, dtype=float) ** 2
    drift = np.expm1(mean + half_variance)
    size = np.expm1(1j * u * mean - half_variance * u * u)
    return np.asarray(np.asarray(jump_intensity) * np.asarray(time_to_expiry) * (size - 1j * u * drift), dtype=complex)


def _variance_parameters(model: StochasticVolatility) -> tuple[float, float, float, float, float]:
    return (
        model.initial_variance,
        model.mean_reversion,
        model.long_run_variance,
        model.volatility_of_variance,
        model.correlation,
    )


def _check(model: StochasticVolatility) -> None:
    for name in ("mean_reversion", "volatility_of_variance"):
        if not getattr(model, name) > 0.0:
            raise InvalidInput(name, "must be > 0", getattr(model, name))
    for name in ("initial_variance", "long_run_variance"):
        if not getattr(model, name) >= 0.0:
            raise InvalidInput(name, "must be >= 0", getattr(model, name))
    if not model.initial_variance + model.long_run_variance > 0.0:
        raise InvalidInput("initial_variance", "must be > 0 when long_run_variance is 0", model.initial_variance)
    if not -1.0 < model.correlation < 1.0:
        raise InvalidInput("correlation", "must lie in (-1, 1)", model.correlation)
    for name in (field.name for field in fields(model) if field.name != "method"):
        if not np.isfinite(getattr(model, name)):
            raise InvalidInput(name, "must be finite", getattr(model, name))


def _expected_variance(model: StochasticVolatility, time_to_expiry: float) -> float:
    elapsed = model.mean_reversion * float(positive("time_to_expiry", time_to_expiry))
    excess = model.initial_variance - model.long_run_variance
    return model.long_run_variance - excess * float(np.expm1(-elapsed)) / elapsed


def _moment_exists(model: StochasticVolatility, order: Floats, time_to_expiry: Floats) -> Bools:
    """Whether E (F_T/F)^p is finite: expiry comes before the time at which the p-th moment explodes.

    References
    ----------
    Andersen & Piterbarg (2007), Moment explosions in stochastic volatility models, proposition 3.1.
    """
    pull = model.correlation * model.volatility_of_variance * order - model.mean_reversion
    discriminant = pull**2 - model.volatility_of_variance**2 * order * (order - 1.0)
    size = np.sqrt(np.abs(discriminant))
    oscillating = discriminant < 0.0
    # arctan2 is the angle in (0, π) that the paper writes as an arctangent plus π where the pull is negative.
    angle = 2.0 * np.arctan2(size, pull)
    growing = (discriminant > 0.0) & (pull > size)
    safe = np.where(growing, 2.0 * size / np.where(growing, pull - size, 1.0), 1.0)
    limit = np.where(oscillating, angle, np.where(growing, np.log1p(safe), np.inf))
    return np.asarray(size * time_to_expiry < 0.999 * limit, dtype=bool)


def _log_of_one_plus(value: Complexes) -> Complexes:
    """``ln(1 + z)``, exact for small z; numpy's own loses the digits of its real part."""
    real, imaginary = value.real, value.imag
    size = 0.5 * np.log1p(real * (2.0 + real) + imaginary * imaginary)
    return np.asarray(size + 1j * np.arctan2(imaginary, 1.0 + real), dtype=complex)
