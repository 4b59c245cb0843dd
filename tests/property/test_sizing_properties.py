"""What must hold for every book, whatever the numbers: symmetry, monotonicity, limits."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sizing.buffers import PositionBuffer, apply_buffer
from services.sizing.columns import SizingColumns, volatility_multiplier
from services.sizing.limits import Limits
from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.methods.volatility_target import VolatilityTarget
from services.sizing.pipeline import RowLimits, size_rows
from tests.support.columns import standing

TARGET = VolatilityTarget(target_volatility=0.2)
SLACK = 1 + 1e-9


@st.composite
def books(draw: st.DrawFn) -> SizingColumns:
    """Books of 1 to 6 rows with a proper correlation matrix."""
    n = draw(st.integers(1, 6))

    def column(low: float, high: float) -> np.ndarray:
        return np.array(draw(st.lists(st.floats(low, high), min_size=n, max_size=n)))

    loadings = column(-1.0, 1.0)
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    volatility = column(0.02, 3.0)
    calibration = column(0.7, 1.6)
    return SizingColumns(
        equity=draw(st.floats(1.0, 1e9)),
        current=column(-5.0, 5.0),
        unit_value=column(0.01, 1e5),
        direction=column(-1.0, 1.0),
        live=np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n))),
        sizable=np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n))),
        volatility=volatility,
        forecast=volatility / calibration,
        calibration=calibration,
        known_risk=np.ones(n, dtype=bool),
        correlation=correlation if draw(st.booleans()) else None,
        collateral=np.zeros(n),
        delta_weight=np.zeros(n),
        fixed_notional=np.zeros(n),
        side=np.zeros(n),
        primary=np.ones(n, dtype=bool),
    )


def open_limits(n: int, rate: float = 0.05) -> RowLimits:
    flat = np.full(n, rate)
    return RowLimits(
        initial_long=flat,
        initial_short=flat,
        maintenance_long=0.6 * flat,
        maintenance_short=0.6 * flat,
        distance_long=np.full(n, 3.0),
        distance_short=np.full(n, 3.0),
        max_contracts=np.full(n, np.inf),
        max_leverage_contracts=np.full(n, np.inf),
        isolated=np.full(n, np.nan),
    )


def changed(book: SizingColumns, **changes: Any) -> SizingColumns:
    fields = {name: getattr(book, name) for name in SizingColumns.__dataclass_fields__}
    book = SizingColumns(**{**fields, **changes})
    return replace(book, fixed_notional=np.abs(book.current) * book.unit_value)


def sizes(book: SizingColumns, scope: str, method: Any = TARGET) -> np.ndarray:
    book = changed(book)
    return size_rows(book, method, Limits(), open_limits(book.current.size), scope=scope).trail.value


SCOPES = st.sampled_from(["book", "instrument"])


@given(books(), SCOPES)
def test_output_is_finite_and_within_limits(book: SizingColumns, scope: str) -> None:
    value = sizes(book, scope)
    assert np.isfinite(value).all()
    rows = book.sizable
    notional = np.abs(value) * book.unit_value
    fixed = notional[~rows].sum()
    room = max(2.0 * book.equity - fixed, 0.0)
    assert notional[rows].sum() <= room * SLACK + 1e-9
    assert (value[~rows] == book.current[~rows]).all()


@given(books(), SCOPES)
def test_flipping_every_sign_flips_every_target(book: SizingColumns, scope: str) -> None:
    mirror = changed(book, current=-book.current, direction=-book.direction)
    flat = book.live & (book.direction == 0.0)
    if not flat.any():
        assert sizes(mirror, scope) == pytest.approx(-sizes(book, scope), rel=1e-9, abs=1e-12)


@given(books(), SCOPES, st.floats(0.01, 100.0))
def test_scale_invariance_in_equity(book: SizingColumns, scope: str, factor: float) -> None:
    bigger = changed(book, equity=book.equity * factor, current=book.current * factor)
    assert sizes(bigger, scope) == pytest.approx(sizes(book, scope) * factor, rel=1e-6, abs=1e-9 * factor)


@given(books(), st.floats(1.0, 5.0))
def test_more_volatility_never_gives_more_gross_exposure(book: SizingColumns, factor: float) -> None:
    wilder = changed(book, volatility=book.volatility * factor, forecast=book.forecast * factor)
    gross = np.abs(
        sizes(book, "instrument")[book.sizable & book.live] * book.unit_value[book.sizable & book.live]
    ).sum()
    calmer = np.abs(
        sizes(wilder, "instrument")[book.sizable & book.live] * book.unit_value[book.sizable & book.live]
    ).sum()
    if book.sizable.all() and book.live.all():
        assert calmer <= gross * SLACK + 1e-9


@given(books())
def test_permutation_of_rows_permutes_targets(book: SizingColumns) -> None:
    order = np.arange(book.current.size)[::-1]
    fields: dict[str, Any] = {}
    for name in SizingColumns.__dataclass_fields__:
        value = getattr(book, name)
        fields[name] = value[order] if isinstance(value, np.ndarray) and value.ndim == 1 else value
    fields["correlation"] = book.correlation[np.ix_(order, order)] if book.correlation is not None else None
    assert sizes(SizingColumns(**fields), "instrument") == pytest.approx(
        sizes(book, "instrument")[order], rel=1e-9, abs=1e-12
    )


@given(books(), SCOPES)
def test_the_trail_is_a_chain(book: SizingColumns, scope: str) -> None:
    trail = size_rows(book, TARGET, Limits(), open_limits(book.current.size), scope=scope).trail
    for former, latter in pairwise(trail.stages):
        assert latter.before is former.after
    assert trail.value is trail.stages[-1].after
    for row in range(book.current.size):
        steps = trail.steps(row)
        assert all(former.after == latter.before for former, latter in pairwise(steps))


@given(books())
def test_unpermitted_rows_are_never_increased(book: SizingColumns) -> None:
    value = sizes(book, "instrument")
    silent = book.sizable & ~book.live
    assert (np.abs(value[silent]) <= np.abs(book.current[silent]) * SLACK).all()


@given(books(), SCOPES)
def test_nothing_is_increased_while_margin_is_incomplete(book: SizingColumns, scope: str) -> None:
    limits = open_limits(book.current.size)
    unknown = RowLimits(
        **{name: getattr(limits, name) for name in RowLimits.__dataclass_fields__} | {"margin_complete": False}
    )
    value = size_rows(book, TARGET, Limits(), unknown, scope=scope).trail.value
    assert (np.abs(value) <= np.abs(book.current) * SLACK).all()


@given(books(), SCOPES)
@settings(max_examples=50)
def test_a_book_of_unknown_risk_is_never_scaled_up(book: SizingColumns, scope: str) -> None:
    known = np.abs(sizes(changed(book, risk_complete=True), scope) * book.unit_value).sum()
    unknown = np.abs(sizes(changed(book, risk_complete=False), scope) * book.unit_value).sum()
    assert unknown <= known * SLACK + 1e-9


@given(books())
def test_the_book_multiplier_reaches_the_target(book: SizingColumns) -> None:
    weights = book.weights(book.current)
    multiplier = volatility_multiplier(book, weights, np.zeros(weights.size), 0.2)
    if multiplier > 0 and book.portfolio_volatility(weights) > 1e-9:
        assert book.portfolio_volatility(weights * multiplier) == pytest.approx(0.2, rel=1e-6)


@given(books(), st.floats(0.0, 0.5))
def test_buffer_holds_inside_and_stops_at_the_edge(book: SizingColumns, fraction: float) -> None:
    limits = open_limits(book.current.size, 1e-6)
    trail = size_rows(book, TARGET, Limits(max_leverage=100.0), limits, scope="instrument").trail
    optimal, cut = trail.value, trail.bound_mask()
    inside = apply_buffer(trail, standing(book, optimal), PositionBuffer(fraction=fraction))
    band = fraction * np.abs(optimal)
    assert (trail.value[inside] == book.current[inside]).all()
    allowed = np.minimum.reduce([np.full(optimal.shape, np.inf), *(limit for _, _, limit in trail.limits)])
    free = ~inside & ~cut & (np.abs(optimal) + band < allowed) & (np.abs(book.current) <= allowed)
    # The difference of two sizes is exact to the last digits of the sizes, not to its own.
    off = np.abs(np.abs(trail.value - optimal) - band)[free]
    assert (off <= 1e-9 + 1e-6 * band[free] + 1e-14 * np.abs(optimal[free])).all()


@given(books())
def test_constant_leverage_reaches_its_leverage(book: SizingColumns) -> None:
    everything = changed(book, sizable=np.ones(book.current.size, dtype=bool))
    gross = np.abs(everything.current * everything.unit_value).sum()
    value = sizes(everything, "book", ConstantLeverage(leverage=0.5))
    if gross > 1e-9 * everything.equity:
        assert np.abs(value * everything.unit_value).sum() == pytest.approx(0.5 * everything.equity, rel=1e-9)
