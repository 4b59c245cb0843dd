"""One suite for every member of the estimator registry: what a volatility estimator promises."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import math
import pkgutil
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from services.core.explain import Floats
from services.volatility import estimators
from services.volatility.estimators.egarch import Egarch
from services.volatility.estimators.garch import Garch
from services.volatility.estimators.gjr_garch import GjrGarch
from services.volatility.estimators.interface import Memory
from services.volatility.moves import Moves
from services.volatility.registry import READ_ONLY, Estimator, estimator_of, model_version
from tests.support.estimators import examples, examples_of, label, members
from tests.unit.volatility.ranged_moves import DAY, START, ranged_moves, scaled

BARS = 400
MODELS = pytest.mark.parametrize("model", examples(), ids=label)
KINDS = pytest.mark.parametrize("kind", members(), ids=lambda kind: kind.__name__)
MARKET_DATA = {"close", "range", "realized_variance", "implied_volatility"}


def closes_only(seed: int, bars: int = BARS, markets: int = 3) -> Moves:
    moves = ranged_moves(seed, bars, markets=markets)
    return dataclasses.replace(moves, overnight=None, high=None, low=None, body=None)


def ranged(seed: int, bars: int = BARS, markets: int = 3) -> Moves:
    """With ranges; one bar in ten has none, but the first has."""
    moves = ranged_moves(seed, bars, markets=markets, missing=0.0)
    lost = holes(seed, moves.shape)
    columns = {name: np.where(lost, np.nan, getattr(moves, name)) for name in ("overnight", "high", "low", "body")}
    return dataclasses.replace(moves, **columns)


def everything(seed: int, bars: int = BARS, markets: int = 3) -> Moves:
    """With realised and implied variances and two drivers too, each with holes of its own."""
    moves = ranged(seed, bars, markets)
    rng, level = np.random.default_rng(seed), np.mean(moves.log_return**2)
    realized = np.where(holes(seed + 1, moves.shape), np.nan, level * rng.chisquare(5, moves.shape) / 5.0)
    implied = np.where(holes(seed + 2, moves.shape), np.nan, level * np.exp(0.2 * rng.standard_normal(moves.shape)))
    drivers = np.where(rng.random((*moves.shape, 2)) < 0.1, np.nan, rng.standard_normal((*moves.shape, 2)))
    return dataclasses.replace(moves, realized_variance=realized, implied_variance=implied, drivers=drivers)


def holes(seed: int, shape: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    lost = np.random.default_rng(seed).random(shape) < 0.1
    lost[:, 0] = False
    return lost


PANELS = pytest.mark.parametrize("panel", [closes_only, ranged, everything], ids=lambda panel: panel.__name__)
Panel = Callable[[int], Moves]


def rows(moves: Moves, chosen: list[int]) -> Moves:
    return columns_of(moves, lambda column: column[chosen])


def columns_of(moves: Moves, change: Callable[[Floats], Floats]) -> Moves:
    found = {field.name: getattr(moves, field.name) for field in dataclasses.fields(Moves)}
    return Moves(**{name: None if column is None else change(column) for name, column in found.items()})


def folded(model: Estimator, moves: Moves, read: Callable[[Memory], float]) -> Floats:
    """What `read` says after each move, fed one by one."""
    found = []
    for row in range(moves.shape[0]):
        memory, said = model.start(), []
        for move in moves.row(row):
            memory = model.advance(memory, move)
            said.append(read(memory))
        found.append(said)
    return np.array(found)


def answers(model: Estimator, moves: Moves) -> bool:
    """Whether a forecast is due: who reads implied volatilities alone says nothing without one."""
    return "implied_volatility" not in model.requires or moves.implied_variance is not None


@MODELS
@PANELS
def test_batch_equals_stream(model: Estimator, panel: Panel) -> None:
    moves = panel(1)
    path = model.variance_path(moves)
    assert path.shape == moves.shape
    assert np.isfinite(path[:, 250:]).all() == answers(model, moves)
    np.testing.assert_allclose(path, folded(model, moves, model.variance), rtol=1e-10)


@MODELS
@PANELS
def test_half_life_of_whole_series(model: Estimator, panel: Panel) -> None:
    """Series rely on this: the half-life never moves, or `paths` gives it for every bar."""
    moves = panel(2)
    fold = folded(model, moves, model.effective_half_life)
    assert np.isfinite(fold).all() and (fold > 0.0).all()
    if hasattr(model, "paths"):
        variance, half_life = model.paths(moves)[:2]
        np.testing.assert_array_equal(variance, model.variance_path(moves))
        np.testing.assert_allclose(half_life, fold, rtol=1e-9)
    else:
        assert np.unique(fold).tolist() == [model.effective_half_life(model.start())]


@MODELS
def test_effective_observations_never_exceed_the_bars(model: Estimator) -> None:
    moves = everything(3, 60)
    seen = folded(model, moves, model.effective_observations)
    assert (seen >= 0.0).all()
    assert (seen[:, 1:] > 0.0).all()
    assert (seen <= np.arange(1, 61) * (1.0 + 1e-9)).all()


@MODELS
@PANELS
def test_a_memory_is_plain_floats_and_resumes_bit_for_bit(model: Estimator, panel: Panel) -> None:
    moves = list(panel(4).row(0))[:120]
    whole = model.start()
    restored = dict.fromkeys((0, 1, 2, 19, 20, 21, 64, 119), whole)
    for place, move in enumerate(moves):
        for cut in [cut for cut in restored if place >= cut]:
            before = through_bytes(restored[cut]) if place == cut else restored[cut]
            restored[cut] = model.advance(before, move)
        whole = model.advance(whole, move)
        assert {type(value) for value in whole} == {float}
        assert type(model.variance(whole)) is float
        for cut in restored:
            if cut > place:
                restored[cut] = whole
    assert {packed(memory) for memory in restored.values()} == {packed(whole)}


def packed(memory: Memory) -> bytes:
    return struct.pack(f"<{len(memory)}d", *memory)


def through_bytes(memory: Memory) -> Memory:
    return struct.unpack(f"<{len(memory)}d", packed(memory))


@MODELS
@PANELS
@pytest.mark.parametrize("bar", [1, 20, 150])
def test_the_future_never_shows(model: Estimator, panel: Panel, bar: int) -> None:
    moves, other = panel(5), panel(6)
    scrambled = Moves(
        **{
            field.name: None if mine is None else np.concatenate([mine[:, :bar], weight * theirs[:, bar:]], axis=1)
            for field in dataclasses.fields(Moves)
            for mine, theirs in [(getattr(moves, field.name), getattr(other, field.name))]
            for weight in [1.0 if field.name == "close_at" else 9.0]
        }
    )
    path, changed = model.variance_path(moves), model.variance_path(scrambled)
    np.testing.assert_array_equal(changed[:, :bar], path[:, :bar])
    assert bar < 150 or not answers(model, moves) or not np.array_equal(changed[:, bar:], path[:, bar:])


@MODELS
@PANELS
def test_neighbours_and_their_order_do_not_matter(model: Estimator, panel: Panel) -> None:
    moves, order = panel(7), [2, 0, 1]
    path = model.variance_path(moves)
    np.testing.assert_allclose(model.variance_path(rows(moves, order)), path[order], rtol=1e-12)
    for row in range(3):
        np.testing.assert_allclose(model.variance_path(rows(moves, [row])), path[[row]], rtol=1e-12)


def rescaled(model: Estimator, factor: float) -> Estimator:
    """The model of returns times `factor`: the constants of the GARCH family are in units of variance."""
    if isinstance(model, Egarch):
        return dataclasses.replace(model, omega=model.omega + (1.0 - model.beta) * 2.0 * math.log(factor))
    if isinstance(model, Garch | GjrGarch):
        start = None if model.start_variance is None else factor**2 * model.start_variance
        return dataclasses.replace(model, omega=factor**2 * model.omega, start_variance=start)
    return model


@pytest.mark.parametrize("model", [model for model in examples() if model.method != "average_true_range"], ids=label)
@PANELS
@pytest.mark.parametrize("factor", [1e-3, 3.7])
def test_scale_equivariance(model: Estimator, panel: Panel, factor: float) -> None:
    """Returns times k, variance times k². (The average true range is made of prices: only to first order.)"""
    moves = panel(8)
    larger = rescaled(model, factor).variance_path(scaled(moves, factor))
    np.testing.assert_allclose(larger, factor**2 * model.variance_path(moves), rtol=1e-9)


def hostile(name: str) -> Moves:
    """Returns that break careless recursions; with ranges where half of the bars touch only their ends."""
    rng = np.random.default_rng(9)
    returns = {
        "zeros": np.zeros(300),
        "zeros, then a jump": np.append(np.zeros(299), 0.1),
        "a day of 1.5": np.where(np.arange(300) == 150, 1.5, 0.03 * rng.standard_normal(300)),
        "a crash of 3 and back": 0.01 * rng.standard_normal(300) + 3.0 * np.diff(np.arange(301) == 150),
        "tiny": 1e-9 * rng.standard_normal(300),
        "constant": np.full(300, 0.01),
        "alternating": 0.02 * (-1.0) ** np.arange(300),
        "a move, then nothing": np.append(0.05, np.zeros(299)),
        "five hundred still, then 10 %": np.concatenate([0.02 * rng.standard_normal(60), np.zeros(500), [0.1]]),
    }[name][None, :]
    bars = returns.shape[1]
    extent = np.where(np.arange(bars) % 2 == 0, 0.0, np.abs(returns))
    high, low = np.maximum(returns, 0.0) + extent, np.minimum(returns, 0.0) - extent
    times = np.broadcast_to(START + DAY * np.arange(1.0, bars + 1), returns.shape)
    closes = 100.0 * np.exp(np.cumsum(returns, axis=-1))
    return Moves(returns, closes, times, np.zeros(returns.shape), high, low, returns)


HOSTILE = (
    "zeros", "zeros, then a jump", "a day of 1.5", "a crash of 3 and back", "tiny", "constant", "alternating",
    "a move, then nothing", "five hundred still, then 10 %",
)  # fmt: skip


@MODELS
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("with_ranges", [True, False])
def test_hostile_moves_give_finite_figures(model: Estimator, name: str, with_ranges: bool) -> None:
    moves = hostile(name)
    if not with_ranges:
        moves = dataclasses.replace(moves, overnight=None, high=None, low=None, body=None)
    path, fold = model.variance_path(moves), folded(model, moves, model.variance)
    scale = float(np.max(moves.log_return**2))
    np.testing.assert_allclose(path, fold, rtol=1e-9, atol=1e-15 * scale)
    moved = np.logical_or.accumulate(moves.log_return != 0.0, axis=1) & (np.arange(moves.shape[1]) >= 250)
    for figures in (path, fold):
        assert not np.isinf(figures).any()
        assert np.isfinite(figures[moved]).all() or not answers(model, moves)
        assert not (figures < 0.0).any()
    swings = name in ("a day of 1.5", "a crash of 3 and back", "tiny", "alternating")
    assert not swings or not answers(model, moves) or (path[moved] > 0.0).all()
    half_lives = folded(model, moves, model.effective_half_life)
    assert np.isfinite(half_lives).all() and (half_lives > 0.0).all()


@MODELS
def test_a_version_names_the_recursion_and_its_parameters(model: Estimator) -> None:
    version = model_version(model)
    assert version.startswith(f"{model.method}.{model.revision}-")
    assert estimator_of(version) == dataclasses.replace(model, calibrate=True, prior_volatility=None)
    assert model_version(estimator_of(version)) == version
    assert model_version(dataclasses.replace(model, calibrate=False, prior_volatility=0.5)) == version


def test_versions_differ_where_states_would() -> None:
    versions = [model_version(model) for model in examples()]
    assert len(set(versions)) == len(versions)


@KINDS
def test_another_revision_is_another_model(kind: type[Estimator], monkeypatch: pytest.MonkeyPatch) -> None:
    (model, *_), version = examples_of(kind), model_version(examples_of(kind)[0])
    monkeypatch.setattr(kind, "revision", kind.revision + 1)
    assert model_version.__wrapped__(model) != version  # past its cache: a class never changes while a process runs
    with pytest.raises(ValueError, match="no estimator of version"):
        estimator_of(version)


@KINDS
def test_the_parameter_object_is_the_wire_format(kind: type[Estimator]) -> None:
    (model, *_), adapter = examples_of(kind), TypeAdapter(kind)
    plain = dataclasses.asdict(model)
    assert adapter.validate_python(plain) == model
    assert adapter.validate_json(adapter.dump_json(model)) == model
    for wrong in ({"surprise": 1}, {"prior_volatility": math.nan}, {"prior_volatility": 0.0}, {"method": "other"}):
        with pytest.raises(ValidationError):
            adapter.validate_python(plain | wrong)
    assert {type(value) for value in plain.values()} <= {str, bool, int, float, tuple, type(None)}


@KINDS
def test_bounds_of_every_number_are_finite(kind: type[Estimator]) -> None:
    """A client cannot ask for a window of a billion bars."""
    schema = TypeAdapter(kind).json_schema()["properties"]
    for name, described in schema.items():
        for choice in described.get("anyOf", [described]):
            if choice.get("type") in ("number", "integer"):
                assert {"maximum", "exclusiveMaximum"} & set(choice), name
                assert {"minimum", "exclusiveMinimum"} & set(choice), name


@KINDS
def test_class_and_docstring_follow_the_pattern(kind: type[Estimator]) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[union-attr]
    assert not hasattr(examples_of(kind)[0], "__dict__")
    assert {given.kind for given in inspect.signature(kind).parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert {"close"} <= kind.requires <= MARKET_DATA
    assert READ_ONLY <= {field.name for field in dataclasses.fields(kind)}
    text = inspect.getdoc(kind) or ""
    for section in ("Parameters", "Notes", "References"):
        assert f"\n{section}\n---" in text, section
    described = [
        name for names in re.findall(r"^([a-z_, ]+)(?: : .*)?\n    \S", text, re.M) for name in names.split(", ")
    ]
    assert [field.name for field in dataclasses.fields(kind) if field.name not in {"method", *described}] == []


def test_every_estimator_of_the_package_is_registered() -> None:
    found = set()
    for module in pkgutil.iter_modules(estimators.__path__):
        loaded = importlib.import_module(f"{estimators.__name__}.{module.name}")
        for _, kind in inspect.getmembers(loaded, inspect.isclass):
            if kind.__module__ == loaded.__name__ and "method" in getattr(kind, "__dataclass_fields__", {}):
                found.add(kind)
    assert found == set(members())
    methods = [kind.__dataclass_fields__["method"].default for kind in members()]  # type: ignore[union-attr]
    assert len(set(methods)) == len(methods)
