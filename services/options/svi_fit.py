r"""Raw SVI for all expiries at once, inside the region that holds no static arbitrage: an interior-point method.

Each expiry is x = (v, L, R, m, σ) as in `svi_box`. Over fixed nodes k_j the fit minimises the weighted squares subject
to

``g_i(k_j) >= ε`` (butterflies),  ``w_{i+1}(k_j) >= w_i(k_j)``, ``L_{i+1} >= L_i``, ``R_{i+1} >= R_i`` (calendars).

The constraints hold no data: what was free of arbitrage yesterday is so today.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, solveh_banded

from services.core.explain import Floats
from services.options.smiles import Smiles
from services.options.svi import (
    LARGEST_SLOPE,
    RawSvi,
    Shape,
    butterfly_free,
    density_ratio,
    durrleman,
    ssvi,
    total_variance,
)
from services.options.svi_box import box_of, density_slopes, hyperbola, raw_of, slopes_of

AUDIT_NODES = np.linspace(-1.0, 1.0, 61)
_NEAR, _STEP, _FAR = 0.004, 0.13, 4.0
"""Nodes lie at 0.004 sinh(0.13 i): 0.0005 apart at the money, where a smile of one day turns, 0.13 k apart far out."""
_LEAST_DENSITY = 1e-3
"""ε: what g may lose between nodes."""
_MARGIN = 1e-8
"""Total variance by which an expiry stays above the one before it after a lift."""
_FIRST_BARRIER, _LAST_BARRIER, _BARRIER_FALL = 1.0, 1e-5, 0.2
_ROUNDS, _ROUNDS_PER_BARRIER, _HALVINGS = 150, 6, 12
_DUAL_RANGE = 1e3
"""How far multipliers may lie from μ/c, as a factor: keeps the step well-conditioned (Waechter & Biegler)."""


class _Multipliers(NamedTuple):
    butterflies: Floats
    calendars: Floats
    wings: Floats


class _Room(NamedTuple):
    """Distance of every constraint from its bound."""

    butterflies: Floats
    calendars: Floats
    wings: Floats
    below: Floats
    above: Floats

    @property
    def inside(self) -> bool:
        return all(part.size == 0 or bool(part.min() > 0.0) for part in self)


@dataclass(slots=True, eq=False)
class _System:
    """Normal equations: gradient (s, 5), blocks of the diagonal (s, 5, 5), of sooner by later (s - 1, 5, 5)."""

    gradient: Floats
    blocks: Floats
    beside: Floats


class _Newton(NamedTuple):
    step: Floats
    descent: float
    multipliers: _Multipliers


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Nodes at which arbitrage is excluded, and the boxes of the parameters."""

    nodes: Floats
    lower: Floats
    upper: Floats


def fit_jointly(smiles: Smiles, initial: Floats | None = None) -> Floats:
    r"""Raw parameters of every expiry: the weighted least squares among surfaces without static arbitrage.

    Parameters
    ----------
    smiles : Smiles
    initial : (s, 5) array, optional
        Raw parameters to start near, such as those of the chain a minute ago. Where they are not strictly inside, they
        are drawn towards the cold start.

    Returns
    -------
    (s, 5) array
        a, b, ρ, m, σ of each expiry.

    Notes
    -----
    Gauss-Newton on ``½ Σ r² − μ Σ ln c`` with primal-dual weights on the constraints, μ falling by 5 from 1 to 1e-5,
    each step cut to the interior and until it descends. The normal equations are a band,
    solved in O(s): with 12 expiries a round takes about half a millisecond, a chain 20 to 40 rounds. Every iterate is
    free of arbitrage on the nodes, so that there is nothing to repair; what is left between them is lifted away
    (`without_crossings`). Fitting from the shortest expiry on, each above the last, is what is usually done: it makes
    long expiries, which are quoted far out, yield to the wings of short ones, which are not.

    References
    ----------
    Gatheral & Jacquier (2014), Arbitrage-free SVI volatility surfaces, Quantitative Finance 14.
    Lee (2004), The moment formula for implied volatility at extreme strikes, Mathematical Finance 14.
    Waechter & Biegler (2006), On the implementation of an interior-point filter line-search algorithm, Mathematical
    Programming 106.
    """
    for step in (_STEP, _STEP / 4.0):
        nodes = _nodes(smiles, step)
        cold = _cold_start(smiles, nodes)
        start, barrier = (cold, _FIRST_BARRIER) if initial is None else _warm_start(box_of(initial), cold, nodes)
        raw = without_crossings(raw_of(_minimise(smiles, nodes, start, barrier)))
        dense = [_least(partial(durrleman, row)) >= 0.0 for row in raw]
        if all(dense):
            return raw
    mended = [row if good else np.array(butterfly_free(RawSvi(*row))) for row, good in zip(raw, dense, strict=True)]
    return without_crossings(np.array(mended))


def without_crossings(raw: Floats) -> Floats:
    """Each expiry lifted by what it lacks to the one before it, anywhere within |k| <= 4.

    The lift is what the constraints leave between nodes: of the order of 1e-6 of total variance on real chains.
    """
    lifted = np.array(raw)
    for place in range(1, len(lifted)):
        gap = _least(partial(_gap, lifted[place - 1 : place + 1]))
        if gap < 0.0:
            lifted[place, 0] += _MARGIN - gap
    return lifted


def _gap(pair: Floats, k: Floats) -> Floats:
    sooner, later = total_variance(pair, k)
    return np.asarray(later - sooner, dtype=float)


def _least(function: Callable[[Floats], Floats]) -> float:
    """Least value over |k| <= 4: of dense nodes, then twice of denser ones around the lowest."""
    nodes = _axis(_STEP / 16.0, _FAR)
    for _ in range(3):
        values = function(nodes)
        lowest = int(np.argmin(values))
        nodes = np.linspace(nodes[max(lowest - 1, 0)], nodes[min(lowest + 1, nodes.size - 1)], 41)
    return float(values[lowest])


def _axis(step: float, far: float) -> Floats:
    count = int(np.ceil(np.arcsinh(far / _NEAR) / step))
    return np.asarray(_NEAR * np.sinh(step * np.arange(-count, count + 1)), dtype=float)


def _nodes(smiles: Smiles, step: float) -> Nodes:
    quoted = smiles.weight > 0.0
    far = max(_FAR, 1.2 * float(np.max(np.abs(smiles.log_moneyness[quoted]))))
    low = np.where(quoted, smiles.log_moneyness, np.inf).min(axis=1)
    high = np.where(quoted, smiles.log_moneyness, -np.inf).max(axis=1)
    span = 2.0 * (high - low) + np.sqrt(smiles.atm_variance)
    count, most = len(low), 4.0 * float(np.max(smiles.variance[quoted]))
    width = 0.02 * np.sqrt(smiles.atm_variance)
    lower = (np.full(count, 1e-9), np.full(count, 1e-7), np.full(count, 1e-7), low - span, width)
    upper = (np.full(count, most), *(np.full(count, LARGEST_SLOPE),) * 2, high + span, np.full(count, 10.0))
    return Nodes(
        np.unique(np.concatenate([AUDIT_NODES, _axis(step, far)])), np.stack(lower, axis=-1), np.stack(upper, axis=-1)
    )


def _cold_start(smiles: Smiles, nodes: Nodes) -> Floats:
    """SSVI with one skew and ψ ∝ √θ, the levels made to ascend: strictly inside whatever the quotes are."""
    rank = np.arange(1, len(smiles.atm_variance) + 1)
    theta = np.maximum.accumulate(smiles.atm_variance) * (1.0 + 1e-3 * rank)
    psi = np.minimum(0.8 * np.sqrt(theta), 1.5 - 0.015 / rank)
    box = box_of(ssvi(theta, np.full(theta.shape, -0.1), psi))
    box[:, 1:3] *= (1.0 + 1e-3 * rank)[:, None]
    return np.asarray(np.clip(box, nodes.lower * 1.01 + 1e-12, nodes.upper * 0.99), dtype=float)


def _warm_start(previous: Floats, cold: Floats, nodes: Nodes) -> tuple[Floats, float]:
    for part in (0.95, 0.8, 0.6, 0.3):
        tried = part * previous + (1.0 - part) * cold
        if _room(tried, nodes).inside:
            return tried, 0.1
    return cold, _FIRST_BARRIER


def _room(box: Floats, nodes: Nodes, found: Shape | None = None) -> _Room:
    shape = hyperbola(box, nodes.nodes) if found is None else found
    wings = box[1:, 1:3] - box[:-1, 1:3]
    # A tangent of zero variance divides by zero in g: outside anyway.
    density = density_ratio(shape, nodes.nodes) - _LEAST_DENSITY
    return _Room(density, shape.variance[1:] - shape.variance[:-1], wings, box - nodes.lower, nodes.upper - box)


def _residual(box: Floats, smiles: Smiles) -> Floats:
    return (hyperbola(box, smiles.log_moneyness).variance - smiles.variance) * smiles.weight


def _value(box: Floats, smiles: Smiles, nodes: Nodes, barrier: float) -> float:
    if np.any(box <= nodes.lower) or np.any(box >= nodes.upper):
        return np.inf
    room = _room(box, nodes)
    if not room.inside:
        return np.inf
    residual = _residual(box, smiles)
    return 0.5 * float(np.sum(residual * residual)) - barrier * float(sum(np.log(part).sum() for part in room))


def _minimise(smiles: Smiles, nodes: Nodes, box: Floats, barrier: float) -> Floats:
    room = _room(box, nodes)
    multipliers = _Multipliers(*(barrier / part for part in room[:3]))
    damping, value, spent = 1e-4, _value(box, smiles, nodes, barrier), 0
    for _ in range(_ROUNDS):
        newton = _newton(box, smiles, nodes, barrier, multipliers, damping)
        length, new = _line_search(box, newton, smiles, nodes, barrier, value)
        spent += 1
        if length > 0.0:
            box, value = box + length * newton.step, new
            multipliers = _updated(multipliers, newton.multipliers, length, _room(box, nodes), barrier)
            damping = max(damping * (0.2 if length > 0.9 else 1.0 if length > 0.2 else 4.0), 1e-8)
        else:
            damping *= 30.0
        if newton.descent < max(10.0 * barrier, 1e-3 * abs(value)) or spent > _ROUNDS_PER_BARRIER:
            if barrier <= _LAST_BARRIER:
                break
            barrier, spent = max(barrier * _BARRIER_FALL, _LAST_BARRIER), 0
            value = _value(box, smiles, nodes, barrier)
    return box


def _newton(
    box: Floats, smiles: Smiles, nodes: Nodes, barrier: float, multipliers: _Multipliers, damping: float
) -> _Newton:
    found, slopes = hyperbola(box, nodes.nodes), slopes_of(box, nodes.nodes)
    room, density = _room(box, nodes, found), density_slopes(found, slopes, nodes.nodes)
    system = _of_data(box, smiles)
    _add_butterflies(system, density, room, barrier, multipliers)
    _add_calendars(system, slopes.variance, room, barrier, multipliers)
    _add_wings(system, room, barrier, multipliers)
    system.gradient += barrier / room.above - barrier / room.below
    bounds = barrier / room.above**2 + barrier / room.below**2
    step = _solved(system, bounds, damping)
    later, sooner = slopes.variance[1:] @ step[1:, :, None], slopes.variance[:-1] @ step[:-1, :, None]
    changes = ((density @ step[..., None])[..., 0], (later - sooner)[..., 0], step[1:, 1:3] - step[:-1, 1:3])
    new = ((barrier - have * change) / gap for have, change, gap in zip(multipliers, changes, room[:3], strict=True))
    return _Newton(step, -float(np.sum(system.gradient * step)), _Multipliers(*new))


def _of_data(box: Floats, smiles: Smiles) -> _System:
    slopes = slopes_of(box, smiles.log_moneyness).variance * smiles.weight[..., None]
    turned = slopes.transpose(0, 2, 1)
    gradient = (turned @ _residual(box, smiles)[..., None])[..., 0]
    return _System(gradient, turned @ slopes, np.zeros((len(box) - 1, 5, 5)))


def _add_butterflies(system: _System, density: Floats, room: _Room, barrier: float, multipliers: _Multipliers) -> None:
    turned = density.transpose(0, 2, 1)
    system.gradient -= barrier * (turned @ (1.0 / room.butterflies)[..., None])[..., 0]
    system.blocks += turned @ ((multipliers.butterflies / room.butterflies)[..., None] * density)


def _add_calendars(system: _System, variance: Floats, room: _Room, barrier: float, multipliers: _Multipliers) -> None:
    sooner, later = variance[:-1], variance[1:]
    down, up = sooner.transpose(0, 2, 1), later.transpose(0, 2, 1)
    push, stiffness = barrier / room.calendars[..., None], (multipliers.calendars / room.calendars)[..., None]
    system.gradient[:-1] += (down @ push)[..., 0]
    system.gradient[1:] -= (up @ push)[..., 0]
    system.blocks[:-1] += down @ (stiffness * sooner)
    system.blocks[1:] += up @ (stiffness * later)
    system.beside -= down @ (stiffness * later)


def _add_wings(system: _System, room: _Room, barrier: float, multipliers: _Multipliers) -> None:
    system.gradient[:-1, 1:3] += barrier / room.wings
    system.gradient[1:, 1:3] -= barrier / room.wings
    stiffness, places = multipliers.wings / room.wings, np.array([1, 2])
    system.blocks[:-1, places, places] += stiffness
    system.blocks[1:, places, places] += stiffness
    system.beside[:, places, places] -= stiffness


def _solved(system: _System, bounds: Floats, damping: float) -> Floats:
    """Newton step of the block-tridiagonal system, as a band of ten diagonals."""
    count = len(system.blocks)
    band = np.zeros((10, count, 5))
    for row in range(5):
        for column in range(row + 1):
            band[row - column, :, column] = system.blocks[:, row, column]
        for column in range(5):
            # Row of the later expiry, column of the sooner one: the transpose of `beside`.
            band[5 + row - column, :-1, column] = system.beside[:, column, row]
    band[0] += bounds
    diagonal = band[0].copy()
    while True:
        band[0] = diagonal * (1.0 + damping)
        try:
            step = solveh_banded(band.reshape(10, 5 * count), -system.gradient.ravel(), lower=True, check_finite=False)
        except LinAlgError:
            # Rounding made it indefinite: more damping mends it, and a step of steepest descent is the end of that.
            damping = 100.0 * max(damping, 1e-6)
        else:
            return np.asarray(step.reshape(count, 5), dtype=float)


def _line_search(
    box: Floats, newton: _Newton, smiles: Smiles, nodes: Nodes, barrier: float, value: float
) -> tuple[float, float]:
    """Longest of 1, ½, ¼ … of the step that stays inside and descends, and the value there; 0 where none does."""
    bound = np.where(newton.step < 0.0, box - nodes.lower, nodes.upper - box)
    reach = np.abs(newton.step) / bound
    length = min(1.0, 0.95 / max(float(reach.max()), 1e-300))
    for _ in range(_HALVINGS):
        new = _value(box + length * newton.step, smiles, nodes, barrier)
        if new <= value - 1e-4 * length * newton.descent:
            return length, new
        length /= 2.0
    return 0.0, value


def _updated(old: _Multipliers, new: _Multipliers, length: float, room: _Room, barrier: float) -> _Multipliers:
    mixed = (before + length * (after - before) for before, after in zip(old, new, strict=True))
    held = (
        np.clip(part, barrier / (_DUAL_RANGE * gap), _DUAL_RANGE * barrier / gap)
        for part, gap in zip(mixed, room[:3], strict=True)
    )
    return _Multipliers(*held)
