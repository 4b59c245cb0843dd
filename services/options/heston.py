r"""Heston's stochastic volatility: prices of European options by one integral.

Letters inside the kernels: F forward, K strike, T time to expiry; v₀ κ θ σ ρ as in
``dS/S = √v dW``, ``dv = κ(θ − v) dt + σ √v dZ``, ``dW dZ = ρ dt``; φ(u) = E exp(iu ln(S_T/F)).

A reference for tests of surfaces and hedges; it is not calibrated here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt
from numpy.typing import ArrayLike, NDArray

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.checks import positive

Complexes = NDArray[np.complex128]

STEP = 0.1
"""Of the trapezoid rule. The integrand is analytic within ±i/2, hence the error e^(−π/STEP) = 2e-14 of max(F, K)."""
BLOCK, BLOCKS = 2_048, 1_024
SMALLEST = 1e-17


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

    initial_variance: Annotated[float, Ge(0)]
    mean_reversion: Annotated[float, Gt(0)]
    long_run_variance: Annotated[float, Ge(0)]
    volatility_of_variance: Annotated[float, Gt(0)]
    correlation: Annotated[float, Gt(-1), Lt(1)]

    def __post_init__(self) -> None:
        for name in ("mean_reversion", "volatility_of_variance"):
            if not getattr(self, name) > 0.0:
                raise InvalidInput(name, "must be > 0", getattr(self, name))
        for name in ("initial_variance", "long_run_variance"):
            if not getattr(self, name) >= 0.0:
                raise InvalidInput(name, "must be >= 0", getattr(self, name))
        if not self.initial_variance + self.long_run_variance > 0.0:
            raise InvalidInput("initial_variance", "must be > 0 when long_run_variance is 0", self.initial_variance)
        if not -1.0 < self.correlation < 1.0:
            raise InvalidInput("correlation", "must lie in (-1, 1)", self.correlation)

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
        elapsed = self.mean_reversion * float(positive("time_to_expiry", time_to_expiry))
        excess = self.initial_variance - self.long_run_variance
        return self.long_run_variance - excess * float(np.expm1(-elapsed)) / elapsed

    def characteristic(self, argument: ArrayLike, time_to_expiry: float) -> Complexes:
        r"""``φ(u) = exp(κθ C + v₀ D)``.

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
        u = np.asarray(argument, dtype=complex)
        sigma, kappa = self.volatility_of_variance, self.mean_reversion
        beta = kappa - self.correlation * sigma * 1j * u
        power = u * u + 1j * u
        root = np.sqrt(beta * beta + sigma * sigma * power)
        slope = -power / (beta + root)
        g = sigma * sigma * slope / (beta + root)
        fade = -np.expm1(-root * time_to_expiry)
        ratio = _log_of_one_plus(g * fade / (1.0 - g))
        level = slope * time_to_expiry - 2.0 / (sigma * sigma) * ratio
        start = slope * fade / (1.0 - g * (1.0 - fade))
        return np.asarray(np.exp(kappa * self.long_run_variance * level + self.initial_variance * start), dtype=complex)


def _log_of_one_plus(value: Complexes) -> Complexes:
    """``ln(1 + z)``, exact for small z; numpy's own loses the digits of its real part."""
    real, imaginary = value.real, value.imag
    size = 0.5 * np.log1p(real * (2.0 + real) + imaginary * imaginary)
    return np.asarray(size + 1j * np.arctan2(imaginary, 1.0 + real), dtype=complex)


def heston_price(
    model: Heston,
    forward: float,
    strike: ArrayLike,
    time_to_expiry: float,
    right: ArrayLike,
    *,
    discount: float = 1.0,
) -> Floats:
    r"""Price of European options.

    ``df · (F − X)`` for calls and ``df · (K − X)`` for puts, with Lewis's
    ``X = (√(FK)/π) ∫_0^∞ Re[(F/K)^{iu} φ(u − i/2)] / (u² + 1/4) du``.

    Parameters
    ----------
    forward : float
        F [quote].
    strike : array
        K, any shape [quote].
    time_to_expiry : float
        T [years].
    right : array
        +1 call, −1 put; broadcast against `strike`.
    discount : float
        df to expiry.

    Returns
    -------
    array
        [quote], of the shape of `strike` and `right`; never below the intrinsic value.

    Raises
    ------
    InvalidInput
        Numbers out of range, or an expiry so short against σ that the integrand has not decayed within 2 million steps.

    Notes
    -----
    Absolute error about 2e-14 · max(F, K): options further out of the money than that have no digits. Cost: the nodes,
    ten a unit of u until |φ|/u < 1e-17 (50 to 50,000 units), times the strikes.

    References
    ----------
    Heston (1993), Rev. Financial Studies 6; Lewis (2000), Option Valuation under Stochastic Volatility, ch. 2;
    Trefethen & Weideman (2014), The exponentially convergent trapezoidal rule, SIAM Review 56.

    Examples
    --------
    Alan Lewis's reference call at a spot of 100, rate 1 %, yield 2 %:

    >>> model = Heston(
    ...     initial_variance=0.04, mean_reversion=4.0, long_run_variance=0.25,
    ...     volatility_of_variance=1.0, correlation=-0.5,
    ... )
    >>> float(heston_price(model, 100.0 * np.exp(-0.01), 100.0, 1.0, 1, discount=np.exp(-0.01)).round(10))
    16.070154917
    """
    strikes, rights = np.broadcast_arrays(positive("strike", strike), np.asarray(right, dtype=float))
    if np.any(np.abs(rights) != 1.0):
        raise InvalidInput("right", "must be +1 (call) or -1 (put)", rights.tolist())
    for name, value in (("forward", forward), ("time_to_expiry", time_to_expiry), ("discount", discount)):
        positive(name, value)
    shared = np.sqrt(forward * strikes) / np.pi * _integral(model, np.log(forward / strikes), time_to_expiry)
    intrinsic = np.maximum(rights * (forward - strikes), 0.0)
    return np.asarray(discount * np.maximum(np.where(rights > 0.0, forward, strikes) - shared, intrinsic), dtype=float)


def _integral(model: Heston, log_moneyness: Floats, time_to_expiry: float) -> Floats:
    """``∫_0^∞ Re[e^{iuk} φ(u − i/2)]/(u² + 1/4) du`` for each k, block by block until the rest is nothing."""
    total = np.zeros(log_moneyness.shape)
    for block in range(BLOCKS):
        u = STEP * np.arange(block * BLOCK, (block + 1) * BLOCK, dtype=float)
        values = model.characteristic(u - 0.5j, time_to_expiry)
        weights = values * STEP / (u * u + 0.25)
        if not block:
            weights[0] /= 2.0
        total += (np.exp(1j * u * log_moneyness[..., None]) @ weights).real
        if abs(values[-1]) < SMALLEST * u[-1]:
            return total
    raise InvalidInput("time_to_expiry", "is too short against volatility_of_variance for the integral", time_to_expiry)
