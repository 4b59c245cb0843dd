r"""Extended SSVI: every expiry an SSVI smile of its own skew, free of arbitrage in the whole plane by construction.

Letters: θ total variance at the money, ρ skew, ψ = θφ slope of the smile, of expiry i; w as in `svi.ssvi`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.checks import finite, positive
from services.options.least_squares import minimise
from services.options.smiles import Smiles
from services.options.svi import largest_psi, ssvi, total_variance

_HAIR = 1e-9
"""Part by which ψ keeps away from its ends: rounding must not cross them."""
_LARGEST_SKEW = 0.95


def essvi(rho: ArrayLike, first: ArrayLike, rises: ArrayLike, places: ArrayLike) -> Floats:
    r"""Smiles without butterfly or calendar arbitrage, of parameters that know no constraint but their own ranges.

    With ``p_i = max((1 + ρ_{i−1})/(1 + ρ_i), (1 − ρ_{i−1})/(1 − ρ_i))`` and f_i = `svi.largest_psi`:
    ``θ_i = p_i θ_{i−1} + a_i``; ψ_i lies the part c_i of the way from ``p_i ψ_{i−1}`` (0 for the first) to
    ``min(ψ_{i−1} θ_i/θ_{i−1}, f_i, f_{i+1}/p_{i+1}, f_{i+2}/(p_{i+1} p_{i+2}), …)``.

    Parameters
    ----------
    rho : (..., s) array
        Within ±1, exclusive.
    first : (...) array
        θ of the first expiry, > 0.
    rises : (..., s - 1) array
        a_i >= 0 of all others.
    places : (..., s) array
        c_i between 0 and 1.

    Returns
    -------
    (..., s, 5) array
        Raw parameters.

    Raises
    ------
    InvalidInput
        A parameter out of its range.

    Notes
    -----
    All conditions used are sufficient, not necessary: θ must rise whenever ρ changes, and quality is the price of a
    guarantee that reaches to every strike.

    References
    ----------
    Mingone (2022), No arbitrage global parametrization for the eSSVI volatility surface, Quantitative Finance 22.
    Hendriks & Martini (2019), The extended SSVI volatility surface, Journal of Computational Finance 22.

    Examples
    --------
    >>> raw = essvi([-0.3, -0.1], 0.01, [0.01], [0.5, 0.5])
    >>> [round(float(value), 4) for value in total_variance(raw, [0.0])[:, 0]]
    [0.01, 0.0218]
    """
    skew, start, steps, part = (finite("parameters", value) for value in (rho, first, rises, places))
    positive("first", start)
    if np.any(np.abs(skew) >= 1.0) or np.any(steps < 0.0) or np.any((part < 0.0) | (part > 1.0)):
        raise InvalidInput("parameters", "must have |rho| < 1, rises >= 0 and places within 0 and 1", skew.tolist())
    up, down = 1.0 + skew, 1.0 - skew
    growth = np.maximum(up[..., :-1] / up[..., 1:], down[..., :-1] / down[..., 1:])
    count = skew.shape[-1]
    theta = np.empty(skew.shape)
    theta[..., 0] = start
    for place in range(1, count):
        theta[..., place] = growth[..., place - 1] * theta[..., place - 1] + steps[..., place - 1]
    ceiling = largest_psi(theta, skew)
    for place in range(count - 2, -1, -1):
        ceiling[..., place] = np.minimum(ceiling[..., place], ceiling[..., place + 1] / growth[..., place])
    psi = np.empty(skew.shape)
    inner = _HAIR + (1.0 - 2.0 * _HAIR) * part
    psi[..., 0] = inner[..., 0] * ceiling[..., 0]
    for place in range(1, count):
        low = growth[..., place - 1] * psi[..., place - 1]
        steepest = psi[..., place - 1] * theta[..., place] / theta[..., place - 1]
        high = np.minimum(steepest, ceiling[..., place])
        psi[..., place] = low + inner[..., place] * np.maximum(high - low, 0.0)
    return ssvi(theta, skew, psi)


def fit_essvi(smiles: Smiles, initial: Floats | None = None) -> Floats:
    """Raw parameters (s, 5) of the eSSVI surface nearest to the points, by weighted squares.

    Parameters
    ----------
    smiles : Smiles
    initial : (s, 5) array, optional
        Raw parameters to read the starting skews and levels off.

    Notes
    -----
    Levenberg-Marquardt over 3 s parameters; the Jacobian by forward differences, all at once. Finds a local minimum.
    Cost O(s² n) a round for n points in all, 60 rounds at most.
    """
    count = len(smiles.atm_variance)
    # Points alone: one wide expiry among narrow ones would fill most of a padded array.
    expiry, column = np.nonzero(smiles.weight)
    k, quoted, weight = (part[expiry, column] for part in (smiles.log_moneyness, smiles.variance, smiles.weight))

    def variances(x: Floats) -> Floats:
        raw = essvi(x[:, :count], x[:, count], x[:, count + 1 : 2 * count], x[:, 2 * count :])
        return total_variance(raw[:, expiry], k[:, None])[..., 0]

    def evaluate(x: Floats) -> tuple[Floats, Floats]:
        # Forward, and backward where forward would leave the box.
        steps = 1e-7 * np.maximum(np.abs(x[0]), scale)
        steps = np.where(x[0] + steps > upper, -steps, steps)
        found = variances(np.concatenate([x, x + np.diag(steps)]))
        slopes = (found[1:] - found[0]) / steps[:, None] * weight
        return ((found[0] - quoted) * weight)[None], slopes.T[None]

    level = np.maximum.accumulate(smiles.atm_variance)
    skew = np.full(count, -0.1) if initial is None else np.clip(initial[:, 2], -_LARGEST_SKEW, _LARGEST_SKEW)
    scale = np.concatenate([np.full(count, 0.1), [level[0]], np.full(count - 1, level[-1] / count), np.ones(count)])
    lower = np.concatenate([np.full(count, -_LARGEST_SKEW), [1e-3 * level[0]], np.zeros(count - 1), np.zeros(count)])
    upper = np.concatenate([np.full(count, _LARGEST_SKEW), np.full(count, 4.0 * level[-1]), np.ones(count)])
    start = np.concatenate([skew, level[:1], np.diff(level), np.full(count, 0.5)])
    x = minimise(evaluate, start[None], lower[None], upper[None], tolerance=1e-6).parameters
    return essvi(x[0, :count], x[0, count], x[0, count + 1 : 2 * count], x[0, 2 * count :])
