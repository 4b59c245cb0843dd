"""Options repriced under a stochastic-volatility model whose state is shocked: price, variance and jumps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.checks import finite, positive
from services.options.cosine import model_prices
from services.options.heston import Bates, StochasticVolatility


def stressed_prices(
    model: StochasticVolatility,
    forward: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    right: ArrayLike,
    *,
    discount: ArrayLike = 1.0,
    forward_move: ArrayLike = 0.0,
    variance_factor: ArrayLike = 1.0,
    jump_factor: ArrayLike = 1.0,
) -> Floats:
    r"""Prices in each scenario.

    Forwards times ``1 + forward_move``, v₀ times `variance_factor`, λ times `jump_factor`; all else as it was.

    Parameters
    ----------
    model : Heston or Bates
    forward, strike, time_to_expiry, right, discount : (n,) arrays
        As in `model_prices`, broadcast to one dimension.
    forward_move : (s,) array
        Jump of every forward [fraction], > −1; −0.3 is a crash of 30 %.
    variance_factor : (s,) array
        Of v₀, >= 0. The long-run variance stays: the shock fades along the term structure with half-life ln 2/κ.
    jump_factor : (s,) array
        Of the jump intensity, >= 0; for Bates only.

    Returns
    -------
    (s, n) array
        [quote].

    Raises
    ------
    InvalidInput
        Numbers out of range, or a `jump_factor` other than 1 for Heston.

    Notes
    -----
    The strike stays, so its place on the smile moves: a fall carries the skew along, as a Black reprice at unchanged
    volatilities does not. Cost: one call of `model_prices` a scenario.

    Examples
    --------
    >>> from services.options.heston import Heston
    >>> model = Heston(
    ...     initial_variance=0.25, mean_reversion=3.0, long_run_variance=0.3,
    ...     volatility_of_variance=1.5, correlation=-0.4,
    ... )
    >>> moves = {"forward_move": [0.0, -0.3, -0.3], "variance_factor": [1.0, 1.0, 4.0]}
    >>> stressed_prices(model, 100.0, [80.0, 100.0], 30 / 365, -1, **moves).round(2).tolist()
    [[0.55, 5.61], [10.82, 30.01], [13.91, 30.83]]
    """
    f, k, time, w, df = np.broadcast_arrays(
        *(np.atleast_1d(finite("quotes", part)) for part in (forward, strike, time_to_expiry, right, discount))
    )
    if f.ndim != 1:
        raise InvalidInput("strike", "must be a list of options", f.shape)
    moves, factors, jumps = np.broadcast_arrays(
        np.atleast_1d(finite("forward_move", forward_move)),
        np.atleast_1d(finite("variance_factor", variance_factor)),
        np.atleast_1d(finite("jump_factor", jump_factor)),
    )
    positive("forward_move + 1", moves + 1.0)
    scenarios = zip(moves.ravel().tolist(), factors.ravel().tolist(), jumps.ravel().tolist(), strict=True)
    return np.array(
        [
            model_prices(shocked(model, factor, jump), f * (1.0 + move), k, time, w, discount=df)
            for move, factor, jump in scenarios
        ]
    )


def shocked(
    model: StochasticVolatility, variance_factor: float = 1.0, jump_factor: float = 1.0
) -> StochasticVolatility:
    """The model with v₀ and λ times a factor."""
    for name, factor in (("variance_factor", variance_factor), ("jump_factor", jump_factor)):
        if factor < 0.0:
            raise InvalidInput(name, "must be >= 0", factor)
    variance = model.initial_variance * variance_factor
    if isinstance(model, Bates):
        return replace(model, initial_variance=variance, jump_intensity=model.jump_intensity * jump_factor)
    if jump_factor != 1.0:
        raise InvalidInput("jump_factor", "needs a model with jumps", jump_factor, "calibrate bates")
    return replace(model, initial_variance=variance)
