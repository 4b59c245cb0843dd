"""Scenario margin of an account by its number of options, expiries, scenarios and underlyings, beside QuantLib.

Hypothesis: 1,000 options of 1,000 strikes and volatilities in 33 scenarios take less than 2 ms, 0.3 ms of which do not
depend on the book; linear in options and in scenarios; a chain whose calls and puts share volatilities takes about
half; expiries cost little, underlyings some 0.4 ms each. QuantLib's calculator, called from Python option by option and
scenario by scenario, is tens of times slower. 10,000 accounts of 20 perpetuals take less than 1.5 ms.

Input: strikes between half and twice the spot, volatilities with a smile, ten expiries of a day to 300 days, signed
normal quantities. `make bench` prints the tables; nothing is asserted about time, only that both sides agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - as everybody writes it

from services.core.explain import Floats
from services.margin.scenario_book import ExpiryFeed, LinearColumns, OptionColumns, ScenarioBook, UnderlyingBook
from services.margin.scenario_linear import linear_moves, linear_scenario_margins
from services.margin.scenario_margin import scenario_margin
from services.margin.scenario_preset import ScenarioPreset
from services.margin.scenario_presets import DERIVE_PMRM2
from services.margin.scenario_pricing import option_values
from services.margin.scenario_rows import scenario_rows

pytestmark = pytest.mark.benchmark

SPOT, DAY = 60_000.0, 86_400.0
REPETITIONS = 300


def timed(work: Callable[[], Any], repetitions: int = REPETITIONS) -> Floats:
    """Sorted wall-clock milliseconds, after calls to warm up."""
    for _ in range(5):
        work()
    samples = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        samples.append((time.perf_counter() - start) * 1e3)
    return np.sort(samples)


def account(options: int, expiries: int = 10, underlyings: int = 1, paired: bool = False) -> ScenarioBook:
    """Options spread over expiries and underlyings; `paired`: calls and puts share strike and volatility."""
    each = options // underlyings
    return ScenarioBook(
        underlyings=tuple(one_underlying(f"U{place}", each, expiries, paired) for place in range(underlyings))
    )


def one_underlying(name: str, options: int, expiries: int, paired: bool) -> UnderlyingBook:
    rng = np.random.default_rng(1)
    seconds = np.linspace(DAY, 300 * DAY, expiries)
    nodes = max(options // 2, 1) if paired else options
    strike = np.round(SPOT * np.exp(rng.uniform(-0.7, 0.7, nodes)), 2)
    volatility = 0.5 + 0.3 * np.log(strike / SPOT) ** 2
    place = np.arange(nodes) % expiries
    right = np.where(rng.random(nodes) < 0.5, 1.0, -1.0)
    columns = {"seconds": seconds[place], "strike": strike, "volatility": volatility, "right": right}
    if paired:
        columns = {key: np.concatenate([value, value]) for key, value in columns.items()}
        columns["right"] = np.repeat([1.0, -1.0], nodes)
    return UnderlyingBook(
        name=name,
        spot=SPOT,
        expiries=tuple(ExpiryFeed(seconds=s, forward=SPOT * (1 + s * 1e-9), rate=0.03) for s in seconds.tolist()),
        options=OptionColumns(quantity=rng.normal(size=columns["strike"].size), **columns),
        linear=LinearColumns.perpetual(1.0, SPOT),
    )


def fewer_scenarios(count: int) -> ScenarioPreset:
    return replace(DERIVE_PMRM2, scenarios=DERIVE_PMRM2.scenarios[:count])


def row(label: str, took: Floats) -> None:
    middle, late = np.quantile(took, [0.5, 0.99])
    print(f"{label:<64}{took[0]:>9.3f}{middle:>9.3f}{late:>9.3f}")


def test_growth() -> None:
    print(f"\n{'scenario margin of an account':<64}{'least':>9}{'p50':>9}{'p99 ms':>9}")
    for count in (10, 100, 1_000, 2_000):
        for paired in (False, True):
            book = account(count, paired=paired)
            label = f"{count:,} options, {'calls and puts paired' if paired else 'all of them different'}"
            row(label, timed(lambda book=book: scenario_margin(book, DERIVE_PMRM2)))
    for expiries in (1, 10, 100):
        book = account(1_000, expiries=expiries)
        row(f"1,000 options, {expiries} expiries", timed(lambda book=book: scenario_margin(book, DERIVE_PMRM2)))
    for scenarios in (8, 16, 31):
        preset, book = fewer_scenarios(scenarios), account(1_000)
        row(
            f"1,000 options, {scenarios + 2} scenarios",
            timed(lambda preset=preset, book=book: scenario_margin(book, preset)),
        )
    for underlyings in (1, 2, 10):
        book = account(1_000, underlyings=underlyings)
        row(f"1,000 options in {underlyings} underlyings", timed(lambda book=book: scenario_margin(book, DERIVE_PMRM2)))


def test_beside_quantlib() -> None:
    book, rows = account(100).underlyings[0], scenario_rows(DERIVE_PMRM2, 0.18)
    values = option_values(book, DERIVE_PMRM2, rows)

    def theirs() -> Floats:
        """The rows without a move of volatility, option by option."""
        state, first, end = rows.spans[0]
        assert state == 0
        total = np.zeros((end - first, values.expiries.seconds.size))
        columns = (book.options.seconds, book.options.strike, book.options.right, book.options.quantity)
        legs = list(zip(*(column.tolist() for column in (*columns, book.options.volatility)), strict=True))
        places = {seconds: place for place, seconds in enumerate(values.expiries.seconds.tolist())}
        for shock in range(first, end):
            for seconds, strike, right, quantity, volatility in legs:
                place = places[seconds]
                payoff = ql.PlainVanillaPayoff(ql.Option.Call if right > 0 else ql.Option.Put, strike)
                forward = float(values.expiries.forward[place] * rows.shock[shock])
                deviation = volatility * float(values.expiries.years[place]) ** 0.5
                discount = float(values.expiries.discount[place])
                price = ql.BlackCalculator(payoff, forward, deviation, discount).value()
                total[shock - first, place] += quantity * price
        return total

    found = theirs()
    np.testing.assert_allclose(found, values.value[: found.shape[0]], rtol=1e-9, atol=1e-6)
    print(f"\n{'100 options':<64}{'least':>9}{'p50':>9}{'p99 ms':>9}")
    row("ours: the whole margin", timed(lambda: scenario_margin(account(100), DERIVE_PMRM2)))
    row("ours: values and Greeks in 33 rows", timed(lambda: option_values(book, DERIVE_PMRM2, rows)))
    row("QuantLib: values alone, scaled to 33 rows", timed(theirs, 10) * rows.shock.size / found.shape[0])


def test_many_linear_accounts() -> None:
    rng = np.random.default_rng(0)
    held = rng.normal(size=(10_000, 20)) * 1e4
    print(f"\n{'10,000 accounts, 20 perpetuals, 33 scenarios':<64}{'least':>9}{'p50':>9}{'p99 ms':>9}")
    shared = linear_moves(DERIVE_PMRM2, [None] * 20)
    different = rng.normal(0.0, 0.1, (33, 20))
    for label, moves, offset in (
        ("one grid for all, netted in full", shared, 1.0),
        ("33 different rows, netted in full", different, 1.0),
        ("33 different rows, offsets of 0.6", different, 0.6),
    ):
        row(
            label,
            timed(
                lambda moves=moves, offset=offset: linear_scenario_margins(held, moves, DERIVE_PMRM2, offsets=offset)
            ),
        )
    loss = -np.minimum((held @ different.T).min(axis=1), 0.0)
    np.testing.assert_allclose(linear_scenario_margins(held, different, DERIVE_PMRM2, offsets=1.0).worst, -loss)
