"""Compositions in a whole decision: shares, sides, budgets, limits of a share, faults, events, and on the wire."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.usecases.call import Door
from app.usecases.decide import Gathered, decide, render
from app.usecases.evaluate_portfolio import splice
from models.api.evaluation import EvaluationRequest, EvaluationResponse
from services.core.book import Account, Row
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.core.instrument import Instrument, QuantityUnit
from services.core.outcome import Permission, Reason, Status
from services.engine import Evaluation, Policy, evaluate
from services.engine.inputs import RecordedCorrelation
from services.hedging.registry import Threshold
from services.risk.covariance import risk_contributions
from services.sizing.buffers import NoBuffer
from services.sizing.columns import SizingColumns
from services.sizing.methods.fixed_weights import FixedWeight, FixedWeights
from services.sizing.methods.hierarchical_risk_parity import HierarchicalRiskParity
from services.sizing.methods.inverse_volatility import InverseVolatility
from services.sizing.methods.risk_parity import RiskBudget, RiskParity
from services.sizing.methods.volatility_target import VolatilityTarget
from services.sizing.scaling import NoScaling, Scaling, ToLeverage, ToVolatility
from tests.support import requests
from tests.support.books import AS_OF, OPEN, inputs, inverse, row

NAMES = ("A", "B", "C")
VOLATILITY = {"A": 0.2, "B": 0.4, "C": 0.8}
OPTIONS = [RiskParity(max_share=0.3), HierarchicalRiskParity(linkage="ward", leaf_order="optimal")]
COMPOSITIONS = [InverseVolatility(), RiskParity(), HierarchicalRiskParity()]
MATRIX = np.array([[1.0, 0.6, -0.2], [0.6, 1.0, 0.1], [-0.2, 0.1, 1.0]])
UNSCALED = NoScaling()
BUDGETED = RiskParity(
    budgets=tuple(RiskBudget(symbol=name, budget=part) for name, part in zip(NAMES, (0.5, 0.3, 0.2), strict=True))
)
Method = InverseVolatility | RiskParity | HierarchicalRiskParity | FixedWeights


def fine(symbol: str, direction: float | None = None, quantity: str = "0", **changes: Any) -> Row:
    """Row in lots of a millionth, so that rounding hides nothing."""
    instrument = Instrument(symbol=symbol, lot=Decimal("0.000001"), quantity_unit=QuantityUnit.BASE)
    return row(symbol, quantity, direction=direction, instrument=instrument, **changes)


def book(
    method: Method,
    directions: tuple[float | None, ...] = (1.0, 1.0, 1.0),
    *,
    quantities: tuple[str, ...] = ("0", "0", "0"),
    matrix: Floats | None = MATRIX,
    scaling: Scaling = UNSCALED,
    equity: float = 10_000.0,
    **changes: Any,
) -> Evaluation:
    rows = [
        fine(name, direction, quantity)
        for name, direction, quantity in zip(NAMES, directions, quantities, strict=False)
    ]
    policy = Policy(sizing=method, limits=OPEN, buffer=NoBuffer(), scaling=scaling)
    correlation = RecordedCorrelation(NAMES, matrix, "given" if matrix is not None else "none")
    return evaluate(
        inputs(*rows, volatility=VOLATILITY, policy=policy, correlation=correlation, equity=equity, **changes)
    )


def weights(result: Evaluation, equity: float = 10_000.0) -> Floats:
    return np.array([float(target.target or 0) * 100.0 / equity for target in result.targets])


def test_inverse_volatility_by_hand() -> None:
    """1/.2 : 1/.4 : 1/.8 is 4 : 2 : 1."""
    assert weights(book(InverseVolatility())) == pytest.approx([4 / 7, 2 / 7, 1 / 7], abs=1e-7)


def test_the_sides_are_those_of_the_signals_and_a_half_direction_is_a_half_position() -> None:
    assert weights(book(InverseVolatility(), (1.0, -1.0, 0.5))) == pytest.approx([4 / 7, -2 / 7, 0.5 / 7], abs=1e-7)


def test_a_flat_signal_is_no_member() -> None:
    assert weights(book(InverseVolatility(), (1.0, 0.0, -1.0))) == pytest.approx([0.8, 0.0, -0.2], abs=1e-7)


@pytest.mark.parametrize("directions", [(1.0, 1.0, 1.0), (1.0, -1.0, 1.0), (-1.0, -1.0, 1.0)])
def test_risk_parity_makes_equal_parts_of_the_risk_on_every_side(directions: tuple[float, ...]) -> None:
    found = weights(book(RiskParity(), directions))
    parts = risk_contributions(found, np.array(list(VOLATILITY.values())), MATRIX)
    assert parts / parts.sum() == pytest.approx(np.full(3, 1 / 3), abs=1e-6)
    assert (np.sign(found) == directions).all()
    assert np.abs(found).sum() == pytest.approx(1.0, abs=1e-6)


def test_budgets_are_the_parts_of_the_risk() -> None:
    found = weights(book(BUDGETED, (1.0, -1.0, 1.0)))
    parts = risk_contributions(found, np.array(list(VOLATILITY.values())), MATRIX)
    assert parts / parts.sum() == pytest.approx([0.5, 0.3, 0.2], abs=1e-6)


def test_a_budget_of_zero_is_flat_and_a_symbol_without_one_is_refused() -> None:
    method = RiskParity(budgets=(RiskBudget(symbol="A", budget=1.0), RiskBudget(symbol="B", budget=0.0)))
    result = book(method)
    assert weights(result)[:2] == pytest.approx([1.0, 0.0], abs=1e-7)
    refused = result.targets[2]
    assert (refused.status, refused.reason, refused.target) == (Status.REFUSED, Reason.UNUSABLE_DATA, None)
    assert refused.detail == "C is not named in sizing.budgets"


def test_one_symbol_on_two_venues_shares_its_budget() -> None:
    method = RiskParity(budgets=(RiskBudget(symbol="A", budget=0.5), RiskBudget(symbol="B", budget=0.5)))
    rows = [fine("A", 1.0, venue="x"), fine("A", 1.0, venue="y"), fine("B", 1.0)]
    policy = Policy(sizing=method, limits=OPEN, buffer=NoBuffer())
    correlation = RecordedCorrelation(("A", "B"), np.eye(2), "given")
    result = evaluate(inputs(*rows, volatility=VOLATILITY, policy=policy, correlation=correlation))
    assert weights(result) == pytest.approx([1 / 3, 1 / 3, 1 / 3], abs=1e-7)


@pytest.mark.parametrize("method", COMPOSITIONS)
def test_without_a_correlation_matrix_volatilities_add_up(method: Method) -> None:
    assert weights(book(method, matrix=None)) == pytest.approx([4 / 7, 2 / 7, 1 / 7], abs=1e-7)


def test_budgets_without_a_correlation_matrix() -> None:
    """b/σ: .5/.2 : .3/.4 : .2/.8 is 2.5 : .75 : .25."""
    assert weights(book(BUDGETED, matrix=None)) == pytest.approx(np.array([2.5, 0.75, 0.25]) / 3.5, abs=1e-7)


@pytest.mark.parametrize("method", COMPOSITIONS)
def test_scaling_makes_the_size(method: Method) -> None:
    scaled = book(method, (1.0, -1.0, 1.0), scaling=ToVolatility(target_volatility=0.3))
    assert scaled.portfolio.forecast_volatility == pytest.approx(0.3, rel=1e-6)
    levered = book(method, (1.0, -1.0, 1.0), scaling=ToLeverage(leverage=1.5))
    assert weights(levered) == pytest.approx(1.5 * weights(book(method, (1.0, -1.0, 1.0))), abs=1e-6)


@pytest.mark.parametrize("method", COMPOSITIONS)
def test_a_book_without_signals_keeps_its_sides(method: Method) -> None:
    held = weights(book(method, (None, None, None), quantities=("5", "-3", "1")))
    assert held == pytest.approx(weights(book(method, (1.0, -1.0, 1.0))), abs=1e-7)


def test_a_largest_share_is_filled_to_the_others_and_named() -> None:
    """4/7 : 2/7 : 1/7 under 1/2: the half that is left is 1/3 : 1/6."""
    result = book(InverseVolatility(max_share=0.5))
    assert weights(result) == pytest.approx([1 / 2, 1 / 3, 1 / 6], abs=1e-7)
    assert result.trail is not None
    steps = {step.stage: step.factor for step in result.trail.steps(0)}
    assert steps["max_share"] == pytest.approx(0.5 / (4 / 7))


def test_a_largest_share_that_cannot_be_kept_leaves_cash() -> None:
    assert weights(book(RiskParity(max_share=0.2), (1.0, -1.0, 1.0))) == pytest.approx([0.2, -0.2, 0.2], abs=1e-7)


@pytest.mark.parametrize("method", COMPOSITIONS)
@pytest.mark.parametrize("held", [False, True])
def test_a_fault_of_one_row_never_adds_to_another(method: Method, held: bool) -> None:
    """The price of B is old: its part stays unused, with signals and without."""
    directions = (None, None, None) if held else (1.0, 1.0, 1.0)
    rows = [fine(name, direction, "5" if held else "0") for name, direction in zip(NAMES, directions, strict=True)]
    rows[1] = replace(rows[1], problem=Reason.STALE_PRICE)
    policy = Policy(sizing=method, limits=OPEN, buffer=NoBuffer())
    correlation = RecordedCorrelation(NAMES, np.eye(3), "given")
    result = evaluate(inputs(*rows, volatility={"A": 0.2, "B": 0.2, "C": 0.2}, policy=policy, correlation=correlation))
    found = weights(result)
    assert result.targets[1].reason is Reason.STALE_PRICE
    assert found[[0, 2]] == pytest.approx([1 / 3, 1 / 3], abs=1e-7)


def test_the_budget_of_a_faulty_row_stays_unused() -> None:
    rows = [fine("A", 1.0), replace(fine("B", 1.0), price=None, problem=Reason.PRICE_REQUIRED), fine("C", 1.0)]
    policy = Policy(sizing=BUDGETED, limits=OPEN, buffer=NoBuffer())
    correlation = RecordedCorrelation(NAMES, MATRIX, "given")
    result = evaluate(inputs(*rows, volatility=VOLATILITY, policy=policy, correlation=correlation))
    assert np.abs(weights(result)).sum() == pytest.approx(0.7, abs=1e-6)


def test_a_row_reserved_for_hedges_is_no_fault() -> None:
    policy = Policy(
        sizing=InverseVolatility(),
        limits=OPEN,
        buffer=NoBuffer(),
        hedging=Threshold(instrument="C", max_delta=1e9),
    )
    rows = [fine("A", None, "5"), fine("B", None, "5"), fine("C", None, "5")]
    correlation = RecordedCorrelation(NAMES, MATRIX, "given")
    result = evaluate(inputs(*rows, volatility=VOLATILITY, policy=policy, correlation=correlation))
    assert weights(result)[:2] == pytest.approx([2 / 3, 1 / 3], abs=1e-7)


@pytest.mark.parametrize("directions", [(1.0, -1.0, 1.0), (None, None, None)])
def test_sides_that_offset_one_another_are_refused_not_levered(directions: tuple[float | None, ...]) -> None:
    """A and B are one market, long and short; C alone is sized, on its own part of the whole."""
    matrix = np.array([[1.0, 1.0, 0.2], [1.0, 1.0, 0.2], [0.2, 0.2, 1.0]])
    quantities = ("5", "-5", "5") if directions[0] is None else ("0", "0", "0")
    result = book(RiskParity(), directions, matrix=matrix, quantities=quantities)
    assert [target.reason for target in result.targets[:2]] == [Reason.UNUSABLE_DATA] * 2
    assert "A, B offset one another" in result.targets[0].detail
    expected = Permission.REDUCE_ONLY if directions[0] is None else Permission.NONE
    assert result.targets[0].permission is expected
    assert weights(result)[2] == pytest.approx(1 / 3, abs=1e-7)


def test_hierarchical_sides_that_offset_one_another_are_refused() -> None:
    names = ("A", "B", "C", "D")
    matrix = np.eye(4)
    matrix[0, 1] = matrix[1, 0] = 1.0
    matrix[2, 3] = matrix[3, 2] = 0.5
    rows = [fine(name, direction) for name, direction in zip(names, (1.0, -1.0, 1.0, 1.0), strict=True)]
    policy = Policy(sizing=HierarchicalRiskParity(), limits=OPEN, buffer=NoBuffer())
    correlation = RecordedCorrelation(names, matrix, "given")
    result = evaluate(inputs(*rows, volatility=dict.fromkeys(names, 0.3), policy=policy, correlation=correlation))
    assert [target.status for target in result.targets] == [Status.REFUSED, Status.REFUSED, Status.OK, Status.OK]
    assert weights(result)[2:] == pytest.approx([0.25, 0.25], abs=1e-7)


@pytest.mark.parametrize("method", COMPOSITIONS)
def test_linear_and_inverse_have_the_same_base_delta(method: Method) -> None:
    """An inverse contract of one quote unit at 100 is 0.01 base units."""
    correlation = RecordedCorrelation(NAMES, MATRIX, "given")
    policy = Policy(sizing=method, limits=OPEN, buffer=NoBuffer())
    linear = weights(book(method, (1.0, -1.0, 1.0)))
    rows = [
        row(name, direction=side, instrument=inverse(name, 1.0))
        for name, side in zip(NAMES, (1.0, -1.0, 1.0), strict=True)
    ]
    coin = evaluate(inputs(*rows, volatility=VOLATILITY, policy=policy, correlation=correlation))
    delta = np.array([float(target.target or 0) * 0.01 for target in coin.targets])
    assert delta == pytest.approx(linear * 10_000.0 / 100.0, abs=0.011)


@pytest.mark.parametrize("method", COMPOSITIONS)
def test_currency_and_capital_scale_out(method: Method) -> None:
    base = weights(book(method, (1.0, -1.0, 0.5)))
    richer = weights(book(method, (1.0, -1.0, 0.5), equity=1e6), 1e6)
    assert richer == pytest.approx(base, abs=1e-7)
    rows = [fine(name, side, fx=0.5) for name, side in zip(NAMES, (1.0, -1.0, 0.5), strict=True)]
    correlation = RecordedCorrelation(NAMES, MATRIX, "given")
    policy = Policy(sizing=method, limits=OPEN, buffer=NoBuffer())
    abroad = evaluate(
        inputs(*rows, volatility=VOLATILITY, policy=policy, correlation=correlation, account=Account(5_000.0, "EUR"))
    )
    assert weights(abroad) == pytest.approx(base, abs=1e-7)


@st.composite
def books(draw: st.DrawFn) -> tuple[SizingColumns, Method]:
    """Books of 1 to 6 named rows with signals, and a composition."""
    size = draw(st.integers(1, 6))

    def column(low: float, high: float) -> Floats:
        return np.array(draw(st.lists(st.floats(low, high), min_size=size, max_size=size)))

    loadings = column(-0.95, 0.95)
    matrix = np.outer(loadings, loadings)
    np.fill_diagonal(matrix, 1.0)
    volatility = column(0.02, 3.0)
    method = draw(
        st.sampled_from(
            [*COMPOSITIONS, RiskParity(max_share=0.3), HierarchicalRiskParity(linkage="ward", leaf_order="optimal")]
        )
    )
    directions = draw(st.lists(st.sampled_from([-1.0, -0.4, 0.0, 0.7, 1.0]), min_size=size, max_size=size))
    return SizingColumns(
        equity=draw(st.floats(1.0, 1e9)),
        current=column(-5.0, 5.0),
        unit_value=column(0.01, 1e5),
        direction=np.array(directions),
        live=np.ones(size, dtype=bool),
        sizable=np.ones(size, dtype=bool),
        volatility=volatility,
        forecast=volatility,
        calibration=np.ones(size),
        known_risk=np.ones(size, dtype=bool),
        correlation=matrix if draw(st.booleans()) else None,
        collateral=np.zeros(size),
        delta_weight=np.zeros(size),
        fixed_notional=np.zeros(size),
        side=np.zeros(size),
        primary=np.ones(size, dtype=bool),
        symbols=tuple("ABCDEF"[:size]),
    ), method


def sized(columns: SizingColumns, method: Method) -> Floats:
    trail = method.size_instruments(columns, columns.live & columns.sizable)
    return trail.value * columns.unit_value / columns.equity


@given(books())
@settings(max_examples=60)
def test_shares_are_whole_finite_and_explained(drawn: tuple[SizingColumns, Method]) -> None:
    columns, method = drawn
    trail = method.size_instruments(columns, columns.live)
    found = trail.value * columns.unit_value / columns.equity
    assert np.isfinite(found).all()
    assert (np.sign(found) == np.sign(columns.direction)).all()
    full = np.divide(found, columns.direction, out=np.zeros(found.shape), where=columns.direction != 0.0)
    members = np.count_nonzero(columns.direction)
    whole = min(1.0, (method.max_share or 1.0) * members) if members else 0.0
    assert full.sum() == pytest.approx(whole, rel=1e-9)
    for index in np.flatnonzero(columns.direction).tolist():
        steps = trail.steps(index)
        product = np.prod([step.factor for step in steps[1:] if step.factor is not None])
        assert steps[0].after * product == pytest.approx(trail.value[index], rel=1e-9)


@given(books())
@settings(max_examples=60)
def test_every_sign_flipped_flips_every_size(drawn: tuple[SizingColumns, Method]) -> None:
    columns, method = drawn
    mirror = replace(columns, direction=-columns.direction)
    assert sized(mirror, method) == pytest.approx(-sized(columns, method), rel=1e-9, abs=1e-12)


@given(books(), st.integers(0, 99))
@settings(max_examples=60)
def test_the_order_of_rows_does_not_matter(drawn: tuple[SizingColumns, Method], seed: int) -> None:
    columns, method = drawn
    order = np.random.default_rng(seed).permutation(columns.current.size)
    moved: dict[str, Any] = {}
    for name in SizingColumns.__dataclass_fields__:
        value = getattr(columns, name)
        moved[name] = value[order] if isinstance(value, np.ndarray) and value.ndim == 1 else value
    moved["symbols"] = tuple(columns.symbols[index] for index in order.tolist())
    if columns.correlation is not None:
        moved["correlation"] = columns.correlation[np.ix_(order, order)]
    assert sized(SizingColumns(**moved), method) == pytest.approx(sized(columns, method)[order], rel=1e-7, abs=1e-12)


@given(books())
@settings(max_examples=60)
def test_twice_the_volatility_of_all_is_half_the_size_at_a_target(drawn: tuple[SizingColumns, Method]) -> None:
    columns, method = drawn
    wilder = replace(columns, volatility=2.0 * columns.volatility, forecast=2.0 * columns.forecast)
    scaling = ToVolatility(target_volatility=0.2)

    def size(book: SizingColumns) -> Floats:
        contracts = method.size_instruments(book, book.live).value
        return contracts * scaling.factor(book, contracts, book.live)

    assert size(wilder) == pytest.approx(0.5 * size(columns), rel=1e-6, abs=1e-12)


def test_a_scheduled_event_counts_in_shares_and_in_the_scale() -> None:
    """An event triples the volatility of A for the next bar: shares 4/3 : 2 : 1, and the target is of that bar."""
    base = SizingColumns(
        equity=1.0, current=np.zeros(3), unit_value=np.ones(3), direction=np.ones(3), live=np.ones(3, dtype=bool),
        sizable=np.ones(3, dtype=bool), volatility=np.array([0.2, 0.4, 0.8]), forecast=np.array([0.2, 0.4, 0.8]),
        calibration=np.ones(3), known_risk=np.ones(3, dtype=bool), correlation=np.eye(3), collateral=np.zeros(3),
        delta_weight=np.zeros(3), fixed_notional=np.zeros(3), side=np.zeros(3), primary=np.ones(3, dtype=bool),
        shocks=np.array([[0.2 * 8.0**0.5], [0.0], [0.0]]),
    )  # fmt: skip
    rows = np.ones(3, dtype=bool)
    contracts = InverseVolatility().size_instruments(base, rows).value
    assert contracts == pytest.approx(np.array([4 / 3, 2.0, 1.0]) / (13 / 3), rel=1e-12)
    scale = ToVolatility(target_volatility=0.3).factor(base, contracts, rows)
    assert scale * np.linalg.norm(contracts * np.array([0.6, 0.4, 0.8])) == pytest.approx(0.3, rel=1e-12)


def test_scaling_does_not_undo_what_an_event_took_away() -> None:
    """`volatility_target` shrinks for an event; scaling to the same target must not make up for it."""
    target = VolatilityTarget(target_volatility=0.2)
    base = SizingColumns(
        equity=1.0, current=np.zeros(1), unit_value=np.ones(1), direction=np.ones(1), live=np.ones(1, dtype=bool),
        sizable=np.ones(1, dtype=bool), volatility=np.array([0.4]), forecast=np.array([0.4]), calibration=np.ones(1),
        known_risk=np.ones(1, dtype=bool), correlation=np.ones((1, 1)), collateral=np.zeros(1),
        delta_weight=np.zeros(1), fixed_notional=np.zeros(1), side=np.zeros(1), primary=np.ones(1, dtype=bool),
        shocks=np.array([[0.3]]),
    )  # fmt: skip
    rows = np.ones(1, dtype=bool)
    contracts = target.size_instruments(base, rows).value
    assert contracts == pytest.approx([0.4], rel=1e-12)
    assert ToVolatility(target_volatility=0.2).factor(base, contracts, rows) == pytest.approx(1.0, rel=1e-12)


def test_fixed_weights_by_hand() -> None:
    method = FixedWeights(weights=(FixedWeight(symbol="A", weight=0.6), FixedWeight(symbol="B", weight=0.4)))
    result = book(method, (1.0, -0.5, 1.0))
    assert weights(result)[:2] == pytest.approx([0.6, -0.2], abs=1e-7)
    assert (result.targets[2].status, result.targets[2].detail) == (
        Status.REFUSED,
        "C is not named in sizing.weights",
    )
    held = book(method, (None, None), quantities=("-3", "1"))
    assert weights(held) == pytest.approx([-0.6, 0.4], abs=1e-7)


def test_fixed_weights_need_a_price_and_nothing_else() -> None:
    method = FixedWeights(weights=(FixedWeight(symbol="A", weight=0.6),))
    policy = Policy(sizing=method, limits=OPEN, buffer=NoBuffer())
    request = inputs(fine("A", 1.0), policy=policy)
    result = evaluate(replace(request, states={}))
    assert weights(result) == pytest.approx([0.6], abs=1e-7)


def test_a_row_that_is_to_be_flat_needs_no_weight() -> None:
    method = FixedWeights(weights=(FixedWeight(symbol="A", weight=0.6),))
    result = book(method, (1.0, 0.0), quantities=("0", "5"))
    assert (result.targets[1].status, result.targets[1].target) == (Status.OK, Decimal(0))


@pytest.mark.parametrize(
    ("budgets", "rule"),
    [([("A", 0.5), ("B", 0.4)], "add up to 1"), ([("A", 0.5), ("A", 0.5)], "each symbol once")],
)
def test_budgets_that_contradict_themselves_are_refused(budgets: list[tuple[str, float]], rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        RiskParity(budgets=tuple(RiskBudget(symbol=symbol, budget=part) for symbol, part in budgets))


def test_weights_name_each_symbol_once() -> None:
    with pytest.raises(InvalidInput, match="each symbol once"):
        FixedWeights(weights=(FixedWeight(symbol="A", weight=0.5), FixedWeight(symbol="A", weight=0.1)))


COINS = [f"COIN{index}-PERP" for index in range(20)]
WIRE: list[dict[str, Any]] = [
    {"method": "inverse_volatility", "max_share": 0.06},
    {"method": "risk_parity"},
    {"method": "risk_parity", "budgets": [{"symbol": name, "budget": 0.05} for name in COINS]},
    {"method": "hierarchical_risk_parity", "linkage": "ward", "leaf_order": "optimal"},
    {"method": "fixed_weights", "weights": [{"symbol": name, "weight": 0.04} for name in COINS]},
]


def answered(sizing: dict[str, Any], scaling: dict[str, Any]) -> bytes:
    body = requests.book(policy={"sizing": sizing, "scaling": scaling})
    request = EvaluationRequest.model_validate(orjson.loads(orjson.dumps(body)))
    made = decide(Door.EVALUATIONS, request, b"{}", Gathered(), evaluation_id="ev_" + "0" * 32, received_at=AS_OF)
    return splice(render(made, AS_OF), 7)


@pytest.mark.parametrize("sizing", WIRE, ids=lambda sizing: sizing["method"])
@pytest.mark.parametrize("scaling", [{"method": "none"}, {"method": "volatility", "target_volatility": 0.1}])
def test_answers_fit_their_model_and_are_recomputed(sizing: dict[str, Any], scaling: dict[str, Any]) -> None:
    answer = answered(sizing, scaling)
    EvaluationResponse.model_validate_json(answer)
    assert answered(sizing, scaling) == answer
    found = orjson.loads(answer)
    assert {row["status"] for row in found["targets"]} == {"ok"}
    stages = {step["stage"] for row in found["targets"] for step in row["steps"]}
    assert ("fixed_weight" if sizing["method"] == "fixed_weights" else sizing["method"]) in stages


@pytest.mark.parametrize(
    "sizing",
    [
        {"method": "risk_parity", "budgets": [{"symbol": "A", "budget": "1"}]},
        {"method": "risk_parity", "budgets": []},
        {"method": "risk_parity", "budgets": [{"symbol": "A", "budget": 1.0, "note": "x"}]},
        {"method": "fixed_weights"},
        {"method": "hierarchical_risk_parity", "linkage": "median"},
        {"method": "inverse_volatility", "max_share": 0},
    ],
)
def test_parameters_are_strict(sizing: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EvaluationRequest.model_validate(requests.book(policy={"sizing": sizing}))
