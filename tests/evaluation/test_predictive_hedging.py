"""What the study of predictive hedging computes, on paths and flows that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.simulation.hedging import PriceModel
from tests.evaluation import predictive_hedging as study
from tests.evaluation.hedge_paths import SPOT, Difference, Market, Variant, Windows, hedged, short_calls
from tests.evaluation.predictive_samples import HALF_LIVES, Sample, part_of

HOUR = 3_600.0


def sample(count: int = 12, steps: int = 48, forecast: float = 0.8) -> Sample:
    rng = np.random.default_rng(9)
    price = PriceModel(volatility=0.8).paths(rng, count=count, steps=steps, step_seconds=HOUR, spot=SPOT)
    seconds = np.tile(HOUR * np.arange(steps + 1.0), (count, 1))
    known = {f"flow {life}": rng.normal(size=price.shape) for life in HALF_LIVES}
    windows = Windows(seconds, price, known, np.arange(count) // 2)
    plain = np.full(price.shape, 0.8)
    return Sample("known", True, windows, plain, forecast / 0.8 * plain, HOUR)


def row(family: str, variant: str, value: float, name: str = "main", **columns: object) -> study.Row:
    figures = (Difference(value, value - 0.1, value + 0.1),) * 3
    return replace(study.Row(name, True, family, variant, figures, figures, figures), **columns)  # type: ignore[arg-type]


def test_a_forecast_that_agrees_changes_nothing() -> None:
    found = {(item.family, item.variant): item for item in study.rows_of(sample())}
    for case in (("delta", "forecast"), ("band", "half-way"), ("scale", "p = 1")):
        assert found[case].both == (Difference(0.0, 0.0, 0.0),) * 3
    assert {family for family, _ in found} == {"delta", "band", "scale", "lean", "flow width"}
    assert len(found) == 2 + 2 + 4 + 2 * 4 * 3


def test_a_forecast_enters_where_its_family_says() -> None:
    given = sample(forecast=1.6)
    book = short_calls(given.windows, given.plain)
    changes = study.variants_of(given)
    delta, band, scale = (
        changes[case](book, study.COSTS[0])
        for case in (("delta", "forecast"), ("band", "forecast"), ("scale", "p = 1"))
    )
    assert delta.gamma is None
    assert delta.delta is not None
    # At the money and at the start the delta of a short call falls with volatility, and its gamma halves.
    assert (delta.delta[:, 0] < book.greeks.delta[:, 0]).all()
    assert band.delta is None
    assert band.gamma is not None
    assert band.gamma[:, 0] == pytest.approx(0.5 * book.greeks.gamma[:, 0], rel=0.02)
    assert scale.gamma == pytest.approx(2.0**1.5 * book.greeks.gamma)


def test_a_lean_is_in_widths() -> None:
    given = sample()
    book = short_calls(given.windows, given.plain)
    change = study.variants_of(given)["lean", "κ = 0.5, half-life 6"](book, study.COSTS[2])
    assert change.aim is not None
    width = np.cbrt(1.5 * 0.002 * book.price[:, :-1] * book.greeks.gamma**2 / 0.1)
    assert change.aim == pytest.approx(0.5 * given.flows[6] * width)


def test_a_lean_gains_where_the_flow_knows_the_next_return() -> None:
    """The z of each time is the next standardised return itself: leaning with it must gain, against it lose."""
    given = sample(count=40)
    known = np.diff(np.log(given.windows.price), axis=1) / (0.8 * np.sqrt(1.0 / 8_760.0))
    padded = np.concatenate([known, np.zeros((40, 1))], axis=1)
    windows = replace(given.windows, known={f"flow {life}": padded for life in HALF_LIVES})
    clear = replace(given, windows=windows)
    found = {item.variant: item for item in study.rows_of(clear) if item.family == "lean"}
    assert found["κ = 0.25, half-life 1"].both[0].high < 0.0
    assert found["κ = -0.25, half-life 1"].both[0].low > 0.0
    prediction = study.predictions_of(clear)[0]
    assert prediction.slope == pytest.approx((1.0, 1.0, 1.0))
    assert prediction.correlation == pytest.approx((1.0, 1.0, 1.0))


def test_a_regression_finds_the_slope_of_noise() -> None:
    rng = np.random.default_rng(2)
    known = rng.normal(size=(200, 50))
    following = 0.3 * known + rng.normal(size=known.shape)
    slope, correlation = study.regression(known, following, np.arange(200))
    # 2.58 deviations of a slope of 10,000 pairs to either side.
    assert slope.high - slope.low == pytest.approx(2.0 * 2.576 / 100.0, rel=0.15)
    assert slope.low < 0.3 < slope.high
    assert correlation.value == pytest.approx(0.3 / np.sqrt(1.09), abs=0.03)


def test_the_choice_is_by_the_mean_over_design_samples() -> None:
    rows = [
        row("scale", "wide", -0.4, "first"),
        row("scale", "narrow", -0.2, "first"),
        row("scale", "wide", 0.3, "second"),
        row("scale", "narrow", 0.0, "second"),
        row("delta", "only", 5.0, "first"),
    ]
    assert study.chosen_of(rows) == {"scale": "narrow", "delta": "only"}
    grid = study.design_grid(rows, study.chosen_of(rows))
    assert ["scale: narrow", "-0.2000", "+0.0000", "chosen"] in grid.rows
    assert ["delta: only", "+5.0000", "", "chosen"] in grid.rows


def test_a_gain_is_better_on_the_main_hold_out_and_nowhere_worse() -> None:
    cases = {
        "good": (-0.2, -0.05),
        "undecided": (-0.05, -0.2),
        "worse elsewhere": (-0.2, 0.2),
    }
    rows = [row(family, "x", values[place], name) for place, name in enumerate(("main", "other"))
            for family, values in cases.items()]  # fmt: skip
    found = {verdict.family: verdict for verdict in study.verdicts_of(rows)}
    assert [found[name].gains for name in cases] == [True, False, False]
    assert found["worse elsewhere"].reason == "worse on other"
    assert "gain" in study.verdict_grid(list(found.values())).rows[0]


def test_what_is_known_at_a_part_comes_from_before_it() -> None:
    seconds = HOUR * np.arange(10.0)
    whole = Market("A", seconds, np.arange(1.0, 11.0), {"plain": np.arange(10.0)})
    part = part_of(whole, 3.0 * HOUR, 6.0 * HOUR)
    assert (part.price.tolist(), part.known["plain"].tolist()) == ([4.0, 5.0, 6.0, 7.0], [3.0, 4.0, 5.0, 6.0])


def test_controls_know_nothing() -> None:
    given = sample()
    found = study.compared(given, study.controls_of())
    assert [item.variant for item in found] == ["width x 0.7", "width x 0.85", "width x 1.2"]
    book, costs = short_calls(given.windows, given.plain), study.COSTS[2]
    narrow, base, wide = (
        hedged(book, Variant(study.RULE, costs, gamma=book.greeks.gamma * factor**1.5)).cost.mean()
        for factor in (0.7, 1.0, 1.2)
    )
    assert narrow > base > wide


def test_the_page_has_every_table() -> None:
    given = sample()
    rows = study.rows_of(given)
    chosen = study.chosen_of(rows)
    held = [item for item in rows if chosen[item.family] == item.variant]
    grids = [
        study.verdict_grid(study.verdicts_of(held)),
        study.prediction_grid(study.predictions_of(given)),
        *study.hold_out_grids(held),
        study.control_grid(study.compared(given, study.controls_of())),
    ]
    text = study.document(grids)
    assert "Held out: known (12 windows, 6 blocks)" in text
    assert all(f"| {family}: {variant} |" in text for family, variant in chosen.items())
    assert "| 5 bp + 0.01 |" in text
