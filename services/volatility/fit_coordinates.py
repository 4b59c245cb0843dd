r"""Coordinates in which the legal parameters of the GARCH family are a box.

GARCH and GJR: mean, ln V, logit p, logit b, s, ln(ν − 2), with V the long-run variance, p the persistence, b the share
of it that is memory and s the share of the reaction that answers to rises:
``β = p b``, ``a = 2 p (1−b) s``, ``c = 2 p (1−b)(1−s)``, ``ω = V (1−p)``. So p < 1 is ``(a + c)/2 + β < 1``, no
further constraint is left, and a = 0 is a face of the box, reached exactly. GARCH holds s at ½, variance targeting
holds V at 1.

EGARCH: mean, ω/(1 − β), α >= 0, γ, logit β, ln(ν − 2).

Returns are in units of their own root mean square, so that every coordinate is of size one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np

from services.core.explain import Floats
from services.volatility.likelihood import Parameters

MEAN, LEVEL, SHARE, FREEDOM = 0, 1, 4, 5
Box = tuple[tuple[float, float], ...]
_MEAN_BOUND, _LEVEL_BOUND = (-2.0, 2.0), (-7.0, 7.0)
_PERSISTENCE_BOUND, _MEMORY_BOUND = (-6.0, 11.5), (-8.0, 12.0)
"""As logits; 11.5 is 0.99999, beyond the persistence at which a fit is rejected."""
_FREEDOM_BOUND = (math.log(0.01), math.log(500.0))
_TYPICAL_FREEDOM = math.log(6.0)


class Coordinates(Protocol):
    """A box, and the way between it and the parameters."""

    @property
    def free(self) -> list[int]:
        """Coordinates that are estimated."""
        ...

    @property
    def bounds(self) -> Box:
        """Of all six."""
        ...

    def parameters(self, theta: Floats) -> tuple[Parameters, Floats]:
        """Parameters at a point, and their derivatives: one row a parameter, one column a coordinate."""
        ...

    def point(self, at: Parameters) -> Floats:
        """Coordinates of parameters, moved into the box."""
        ...

    def starts(self) -> Iterator[Floats]:
        """Coarse grid to start from."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GarchCoordinates:
    """Of GARCH (`symmetric`) and GJR."""

    symmetric: bool
    targeted: bool
    constant_mean: bool
    student: bool

    @property
    def free(self) -> list[int]:
        """Coordinates that are estimated."""
        held = {
            MEAN: not self.constant_mean,
            LEVEL: self.targeted,
            SHARE: self.symmetric,
            FREEDOM: not self.student,
        }
        return [index for index in range(6) if not held.get(index, False)]

    @property
    def bounds(self) -> Box:
        """Of all six."""
        return (_MEAN_BOUND, _LEVEL_BOUND, _PERSISTENCE_BOUND, _MEMORY_BOUND, (0.0, 1.0), _FREEDOM_BOUND)

    def parameters(self, theta: Floats) -> tuple[Parameters, Floats]:
        """Parameters at a point, and their derivatives."""
        mean, level, kept, memory, share, tail = theta.tolist()
        long_run, p, b = math.exp(level), _sigmoid(kept), _sigmoid(memory)
        reaction, dp, db = p * (1.0 - b), p * (1.0 - p), b * (1.0 - b)
        freedom, slope = _freedom(tail, self.student)
        at = Parameters(
            mean, long_run * (1.0 - p), 2.0 * reaction * share, 2.0 * reaction * (1.0 - share), p * b, freedom
        )
        by = np.zeros((6, 6))
        by[0, 0], by[5, 5] = 1.0, slope
        by[1, 1:3] = at.omega, -long_run * dp
        by[2, 2:5] = 2.0 * (1.0 - b) * share * dp, -2.0 * p * share * db, 2.0 * reaction
        by[3, 2:5] = 2.0 * (1.0 - b) * (1.0 - share) * dp, -2.0 * p * (1.0 - share) * db, -2.0 * reaction
        by[4, 2:4] = b * dp, p * db
        return at, by

    def point(self, at: Parameters) -> Floats:
        """Coordinates of parameters, moved into the box."""
        reaction = 0.5 * (at.rise + at.fall)
        kept = min(max(reaction + at.beta, 1e-6), 1.0 - 1e-6)
        level = 0.0 if self.targeted else math.log(at.omega / (1.0 - kept))
        share = 0.5 * at.rise / reaction if reaction > 0.0 and not self.symmetric else 0.5
        return _boxed(
            [at.mean, level, _logit(kept), _logit(at.beta / kept), share, _tail(at.degrees_of_freedom)], self.bounds
        )

    def starts(self) -> Iterator[Floats]:
        """Coarse grid to start from."""
        share = 0.5 if self.symmetric else 0.2
        for kept, memory in product((0.93, 0.98, 0.995), (0.85, 0.95)):
            yield np.array([0.0, 0.0, _logit(kept), _logit(memory), share, _TYPICAL_FREEDOM])


@dataclass(frozen=True, slots=True, kw_only=True)
class EgarchCoordinates:
    """Of EGARCH."""

    constant_mean: bool
    student: bool

    @property
    def free(self) -> list[int]:
        """Coordinates that are estimated."""
        held = {MEAN: not self.constant_mean, FREEDOM: not self.student}
        return [index for index in range(6) if not held.get(index, False)]

    @property
    def bounds(self) -> Box:
        """Of all six."""
        return (_MEAN_BOUND, _LEVEL_BOUND, (0.0, 2.0), (-2.0, 2.0), _PERSISTENCE_BOUND, _FREEDOM_BOUND)

    def parameters(self, theta: Floats) -> tuple[Parameters, Floats]:
        """Parameters at a point, and their derivatives."""
        mean, level, size, sign, kept, tail = theta.tolist()
        beta = _sigmoid(kept)
        freedom, slope = _freedom(tail, self.student)
        by = np.diag([1.0, 1.0 - beta, 1.0, 1.0, beta * (1.0 - beta), slope])
        by[1, 4] = -level * beta * (1.0 - beta)
        return Parameters(mean, level * (1.0 - beta), size, sign, beta, freedom), by

    def point(self, at: Parameters) -> Floats:
        """Coordinates of parameters, moved into the box."""
        kept = min(max(at.beta, 1e-6), 1.0 - 1e-6)
        level = at.omega / (1.0 - kept)
        return _boxed([at.mean, level, at.rise, at.fall, _logit(kept), _tail(at.degrees_of_freedom)], self.bounds)

    def starts(self) -> Iterator[Floats]:
        """Coarse grid to start from."""
        for kept, size, sign in product((0.95, 0.985), (0.1, 0.2), (0.0, -0.1)):
            yield np.array([0.0, -0.2, size, sign, _logit(kept), _TYPICAL_FREEDOM])


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


def _logit(share: float) -> float:
    inside = min(max(share, 1e-6), 1.0 - 1e-6)
    return math.log(inside / (1.0 - inside))


def _freedom(tail: float, student: bool) -> tuple[float, float]:
    """Degrees of freedom and their derivative by ln(ν − 2)."""
    return (2.0 + math.exp(tail), math.exp(tail)) if student else (math.inf, 0.0)


def _tail(freedom: float) -> float:
    return _TYPICAL_FREEDOM if math.isinf(freedom) else math.log(max(freedom - 2.0, 0.01))


def _boxed(values: list[float], bounds: Box) -> Floats:
    low, high = np.array(bounds).T
    return np.asarray(np.clip(np.array(values), low, high), dtype=float)
