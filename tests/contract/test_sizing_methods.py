"""One suite for every member of the sizing registry: what a method promises, whatever it computes."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import annotated_types
import numpy as np
import pytest

from services.core.errors import TrimtabError
from services.sizing.columns import SizingColumns
from services.sizing.evidence import BASIC, REQUIREMENTS, lacking
from services.sizing.registry import SizingMethod
from tests.support.sizing import book_for, everything, example, members, selected

METHODS = pytest.mark.parametrize("method", [example(kind) for kind in members()], ids=lambda method: method.method)
SEEDS = pytest.mark.parametrize("seed", range(4))
SCOPES = pytest.mark.parametrize("scope", ["instrument", "book"])


def sizes(method: SizingMethod, found: SizingColumns, scope: str, **changes: Any) -> np.ndarray:
    rows = changes.get("rows", everything(found))
    size: Callable[..., Any] = method.size_book if scope == "book" else method.size_instruments
    value: np.ndarray = size(found, rows).value
    return value


def gross(found: SizingColumns, value: np.ndarray) -> float:
    return float(np.abs(value * found.unit_value).sum())


@METHODS
@SEEDS
@SCOPES
def test_sizes_are_finite_and_the_trail_is_a_chain(method: SizingMethod, seed: int, scope: str) -> None:
    found = book_for(method, seed)
    trail = (method.size_book if scope == "book" else method.size_instruments)(found, everything(found))
    assert np.isfinite(trail.value).all()
    for former, latter in pairwise(trail.stages):
        assert latter.before is former.after
    for row in range(found.current.size):
        steps = trail.steps(row)
        product = steps[0].before if steps else trail.value[row]
        for step in steps:
            product = step.after if step.factor is None or step.before == 0.0 else product * step.factor
        assert product == pytest.approx(trail.value[row], rel=1e-12, abs=1e-12)


@METHODS
@SEEDS
def test_sides_are_those_of_the_directions(method: SizingMethod, seed: int) -> None:
    found = book_for(method, seed)
    value = sizes(method, found, "instrument")
    assert (value * found.direction >= 0.0).all()


@METHODS
@SEEDS
@SCOPES
def test_rows_that_are_not_resized_keep_their_position(method: SizingMethod, seed: int, scope: str) -> None:
    found = book_for(method, seed)
    rows = np.arange(found.current.size) % 2 == 0
    value = sizes(method, replace(found, live=rows), scope, rows=rows)
    assert (value[~rows] == found.current[~rows]).all()


@METHODS
def test_a_direction_of_zero_is_flat_without_any_figure(method: SizingMethod) -> None:
    found = book_for(method, 1)
    direction = found.direction.copy()
    direction[0] = 0.0
    blind = found.evidence
    assert blind is not None
    nothing = {
        field.name: np.where(np.arange(found.current.size) == 0, np.nan, value)
        for field in dataclasses.fields(blind)
        if isinstance(value := getattr(blind, field.name), np.ndarray)
        and value.dtype == float
        and field.name not in ("price", "fx", "contract_multiplier", "periods_per_year")
    }
    value = sizes(method, replace(found, direction=direction, evidence=replace(blind, **nothing)), "instrument")
    assert value[0] == 0.0
    assert np.isfinite(value).all()


@METHODS
@SEEDS
@SCOPES
def test_twice_the_equity_and_positions_is_twice_the_size(method: SizingMethod, seed: int, scope: str) -> None:
    found = book_for(method, seed)
    double = replace(found, equity=2.0 * found.equity, current=2.0 * found.current)
    assert sizes(method, double, scope) == pytest.approx(2.0 * sizes(method, found, scope), rel=1e-9)


@METHODS
@SEEDS
@SCOPES
def test_the_account_currency_does_not_matter(method: SizingMethod, seed: int, scope: str) -> None:
    found, rate = book_for(method, seed), 150.0
    assert found.evidence is not None
    seen = replace(
        found.evidence,
        fx=found.evidence.fx * rate,
    )
    other = replace(found, equity=found.equity * rate, unit_value=found.unit_value * rate, evidence=seen)
    assert sizes(method, other, scope) == pytest.approx(sizes(method, found, scope), rel=1e-9)


@METHODS
@SEEDS
@SCOPES
def test_the_order_of_rows_does_not_matter(method: SizingMethod, seed: int, scope: str) -> None:
    found = book_for(method, seed)
    order = np.random.default_rng(seed).permutation(found.current.size)
    expected = sizes(method, found, scope)[order]
    assert sizes(method, selected(found, order), scope) == pytest.approx(expected, rel=1e-7)


@METHODS
@SEEDS
def test_more_volatility_never_gives_more_exposure(method: SizingMethod, seed: int) -> None:
    found = book_for(method, seed)
    wilder = replace(found, volatility=found.volatility * 1.5, forecast=found.forecast * 1.5)
    more = gross(found, sizes(method, wilder, "instrument"))
    assert more <= gross(found, sizes(method, found, "instrument")) * (1.0 + 1e-9)


@METHODS
@SEEDS
def test_capacity_is_a_weight(method: SizingMethod, seed: int) -> None:
    found = book_for(method, seed)
    weight = method.full_weight(found, 1)
    assert weight.shape == found.current.shape
    assert (np.isfinite(weight) & (weight >= 0.0)).all()
    assert method.full_weight(found, 4) == pytest.approx(weight / 4.0)


@METHODS
def test_what_is_required_can_be_lacked_and_is_named(method: SizingMethod) -> None:
    """Each requirement is known, and a row without its figure is refused by name."""
    found = book_for(method, 2)
    assert found.evidence is not None
    for name in method.requires - BASIC:
        assert name in REQUIREMENTS
        n = found.current.size
        missing = {
            field.name: (None,) * n if isinstance(getattr(found.evidence, field.name), tuple) else np.full(n, np.nan)
            for field in dataclasses.fields(found.evidence)
        }
        told = lacking(method.requires, replace(found.evidence, **missing), everything(found))
        assert set(told) == set(range(n))
        assert any(name in text for text in told.values()) or len(method.requires - BASIC) > 1
    assert lacking(method.requires, found.evidence, everything(found)) == {}
    assert method.unusable(found, everything(found)) == {}


def edges() -> list[Any]:
    """Every method with one numeric parameter at the smallest and at the largest value that its type allows."""
    found = []
    for kind in members():
        for name, hint in typing.get_type_hints(kind, include_extras=True).items():
            bounds = [part for part in (hint, *typing.get_args(hint)) if typing.get_origin(part) is typing.Annotated]
            for bound in bounds:
                number = typing.get_args(bound)[0]
                if number not in (int, float):
                    continue
                values = {at_edge(item, number) for item in bound.__metadata__} - {None}
                found += [
                    pytest.param(kind, name, value, id=f"{example(kind).method}-{name}-{value}") for value in values
                ]
    return found


def at_edge(bound: Any, number: type) -> float | None:
    """The extreme value that a bound allows."""
    step = 1 if number is int else None
    match bound:
        case annotated_types.Ge(ge=limit) | annotated_types.Le(le=limit):
            return number(limit)
        case annotated_types.Gt(gt=limit):
            return number(limit + step) if step else math.nextafter(limit, math.inf)
        case annotated_types.Lt(lt=limit):
            return number(limit - step) if step else math.nextafter(limit, -math.inf)
    return None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("kind", "name", "value"), edges())
@SCOPES
def test_parameters_at_the_edge_of_what_is_legal_size_or_are_refused(
    kind: type, name: str, value: float, scope: str
) -> None:
    """Whatever a policy may say, no size is NaN or infinite where the row is not refused."""
    try:
        method = replace(example(kind), **{name: value})
    except TrimtabError:
        return
    found = book_for(method, 2)
    refused = list(method.unusable(found, everything(found)))
    size = sizes(method, found, scope)
    assert np.isfinite(np.delete(size, refused)).all()
