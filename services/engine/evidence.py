"""Evidence of a book: the figures that some sizing methods ask for, gathered from rows, series and Greeks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.core.book import Row
from services.core.explain import Floats
from services.core.instrument import Kind
from services.core.outcome import Reason
from services.engine.inputs import EvaluationInputs, SeriesInput
from services.engine.market import Market
from services.engine.option_legs import row_greeks
from services.engine.policy import Policy
from services.options.portfolio_greeks import LegGreeks
from services.sizing.abilities import requirements
from services.sizing.columns import SizingColumns
from services.sizing.evidence import Evidence, lacking
from services.sizing.legs import NoSplit
from services.sizing.pipeline import RowLimits
from services.sizing.registry import SizingMethod
from services.volatility.estimators.average_true_range import average_true_range

TRUE_RANGE_WINDOW = 20
"""n of Wilder's average for sizing units [bars]; the Turtles' N."""


def uses_evidence(policy: Policy) -> bool:
    """Whether the sizing of a policy reads evidence at all."""
    return policy.sizing is not None and (policy.sizing.uses_evidence or not isinstance(policy.split, NoSplit))


def evidence_of_book(inputs: EvaluationInputs, market: Market, contracts: Floats) -> Evidence:
    """Evidence over all rows, which hold `contracts`."""
    rows = inputs.rows
    series = [inputs.series.get(row.market_key) or inputs.history.get(row.market_key) for row in rows]
    kinds = [row.instrument.kind for row in rows]
    readouts = [market.readouts.get(row.market_key) for row in rows]
    unknown = np.full(len(rows), np.nan)
    return Evidence(
        price=_column([row.price.value if row.price else None for row in rows]),
        contract_multiplier=_column([row.instrument.contract_multiplier for row in rows]),
        inverse=np.array([kind is Kind.INVERSE for kind in kinds], dtype=bool),
        fx=_column([row.fx for row in rows]),
        entry_price=_signals(rows, "entry_price"),
        stop_price=_signals(rows, "stop_price"),
        average_true_range=_true_ranges(rows, series),
        expected_return=_signals(rows, "expected_return"),
        win_probability=_signals(rows, "win_probability"),
        win_loss_ratio=_signals(rows, "win_loss_ratio"),
        trades=_signals(rows, "trades"),
        returns=tuple(_returns(item) for item in series),
        standardized=tuple(_standardized(row.market_key, inputs, market) for row in rows),
        periods_per_year=_column([readout.periods_per_year if readout else None for readout in readouts]),
        initial_margin_long=unknown,
        initial_margin_short=unknown,
        delta=contract_greeks(inputs, contracts)["delta"],
        underlying=tuple(row.instrument.underlying or row.instrument.base_currency or row.market_key for row in rows),
        venue=tuple(row.venue for row in rows),
        spot=np.array([kind is Kind.SPOT for kind in kinds], dtype=bool),
        option=np.array([kind is Kind.OPTION for kind in kinds], dtype=bool),
        last_close_at=tuple(readout.last_close_at if readout else None for readout in readouts),
        return_times=tuple(item.close_times[1:] if item and item.close_times is not None else None for item in series),
        long_run=_column([readout.long_run if readout else None for readout in readouts]),
        coin_numeraire=np.array([row.instrument.base_currency == inputs.account.currency for row in rows], dtype=bool),
    )


def contract_greeks(inputs: EvaluationInputs, contracts: Floats) -> dict[str, Floats]:
    """Greeks of one contract of each row, by the names of `LegGreeks`; NaN where unknown.

    Greeks that a client brings are those of the whole position of `contracts`: of a flat row they say nothing.
    """
    rows = inputs.rows
    legs = row_greeks(rows, [1.0] * len(rows), inputs.as_of)
    own = np.array([row.own_greeks is not None for row in rows], dtype=bool)
    per_contract = np.where(own, np.where(contracts != 0.0, contracts, np.nan), 1.0)
    return {
        name: _column([getattr(leg or _linear_leg(row), name, None) for leg, row in zip(legs, rows, strict=True)])
        / per_contract
        for name in ("delta", "gamma_1pct", "vega_per_point")
    }


def _column(values: list[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _signals(rows: tuple[Row, ...], name: str) -> Floats:
    return _column([getattr(row.signal, name) if row.signal is not None else None for row in rows])


def _linear_leg(row: Row) -> LegGreeks | None:
    if row.price is None or row.instrument.kind is Kind.OPTION:
        return None
    return LegGreeks(delta=row.instrument.base_per_contract(row.price.value))


def _returns(series: SeriesInput | None) -> Floats | None:
    if series is None or series.closes.size < 2:
        return None
    closes = series.closes
    found: Floats = closes[1:] / closes[:-1] - 1.0
    return found


def _standardized(key: str, inputs: EvaluationInputs, market: Market) -> Floats | None:
    """Of a posted series; of a cached state only where its bars are here too, since a record holds no state whole."""
    found = market.standardized.get(key)
    state = inputs.states.get(key)
    if found is not None or key not in inputs.history or state is None or state.ring is None:
        return found
    ring = state.ring.standardized
    return ring[np.isfinite(ring)]


def _true_ranges(rows: tuple[Row, ...], series: list[SeriesInput | None]) -> Floats:
    """Average true range: the client's own, else Wilder's of a posted series with ranges."""
    given = _signals(rows, "average_true_range")
    for index in np.flatnonzero(np.isnan(given)).tolist():
        item = series[index]
        if item is not None and item.high is not None and item.low is not None:
            given[index] = average_true_range(item.high, item.low, item.closes, TRUE_RANGE_WINDOW)[-1]
    return given


def with_margin(columns: SizingColumns, limits: RowLimits) -> SizingColumns:
    """The same columns, with the margin figures that limits and evidence share."""
    if columns.evidence is None:
        return columns
    evidence = replace(
        columns.evidence,
        initial_margin_long=limits.initial_long,
        initial_margin_short=limits.initial_short,
        committed_margin=limits.fixed_initial + limits.uncounted_initial,
        distance_long=limits.distance_long,
        distance_short=limits.distance_short,
    )
    return replace(columns, evidence=evidence)


def method_faults(
    method: SizingMethod | None, columns: SizingColumns, *, signals_present: bool
) -> dict[int, tuple[Reason, str]]:
    """Rows that the method must refuse: figures that are missing, then figures that cannot be used.

    Only rows that it would size, and none that is to be flat: closing needs no figure.
    """
    if method is None:
        return {}
    scope = method.scope or ("instrument" if signals_present else "book")
    asked = columns.live & (columns.direction != 0.0) if scope == "instrument" else columns.current != 0.0
    rows = columns.sizable & asked
    missing = lacking(requirements(method), columns.evidence, rows) if columns.evidence is not None else {}
    faults = {index: (Reason.DATA_REQUIRED, text) for index, text in missing.items()}
    rows = rows & ~np.isin(np.arange(rows.size), list(faults))
    unusable = method.unusable(columns, rows)
    return faults | {index: (Reason.UNUSABLE_DATA, text) for index, text in unusable.items()}
