"""Measure what exogenous drivers and scheduled events are worth: `python -m tests.evaluation.drivers`.

Protocol and hold-out: drivers_README.md, written before the first run.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tests.evaluation.driver_base import base_forecast
from tests.evaluation.driver_data import DATA, all_series
from tests.evaluation.driver_measure import ALL, EACH, EventRow, FormRow, Row, driver_rows, event_rows, form_rows, holm

REPORT = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "drivers.md"
FEWEST_ALARMS = 0.005
"""Share of bars on alarm below which a driver is left out of the table of warnings."""
Line = TypeVar("Line")


def table(lines: Iterable[Line], columns: Mapping[str, Callable[[Line], str]]) -> str:
    """A Markdown table."""
    rows = [list(columns), ["---"] * len(columns), *([cell(line) for cell in columns.values()] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def form_table(rows: list[FormRow]) -> str:
    """The two ways to learn b."""
    return table(
        rows,
        {
            "b learnt by": lambda row: row.form,
            "drivers × series": lambda row: str(row.pairs),
            "alone: mean gain": lambda row: f"{row.own_gain:+.4f}",
            "worst": lambda row: f"{row.worst_own_gain:+.4f}",
            "pooled: mean gain": lambda row: f"{row.gain:+.4f}",
            "worst ": lambda row: f"{row.worst_gain:+.4f}",
            "above zero": lambda row: f"{row.positive:.0%}",
        },
    )


def gain_table(rows: list[Row]) -> str:
    """Gains of one part; what survives Holm's correction in bold."""
    firm = holm(rows)

    def pooled(row: Row, text: str) -> str:
        return f"**{text}**" if (row.group, row.driver) in firm else text

    def alone(row: Row, text: str) -> str:
        return "" if row.driver == EACH else text

    return table(
        rows,
        {
            "series": lambda row: row.group,
            "driver": lambda row: row.driver,
            "bars": lambda row: f"{row.bars:,}",
            "mean b": lambda row: "" if row.driver in (ALL, EACH) else f"{row.slope:+.2f}",
            "alone: gain": lambda row: alone(row, f"{row.own_gain:+.4f}"),
            "t": lambda row: alone(row, f"{row.own_t:+.1f}"),
            "pooled: gain": lambda row: pooled(row, f"{row.gain:+.4f}"),
            "t ": lambda row: pooled(row, f"{row.t:+.1f}"),
        },
    )


def driver_table(rows: list[Row]) -> str:
    """Each driver over the series that have it, best first."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.driver].append(row)

    def mean(name: str) -> float:
        return float(np.mean([row.gain for row in found[name]]))

    return table(
        sorted(found, key=mean, reverse=True),
        {
            "driver": lambda name: name,
            "series": lambda name: str(len(found[name])),
            "gain above zero": lambda name: str(sum(row.gain > 0.0 for row in found[name])),
            "t above 1.64": lambda name: str(sum(row.t > 1.64 for row in found[name])),
            "mean gain, pooled": lambda name: f"{mean(name):+.4f}",
        },
    )


def alarm_table(rows: list[Row]) -> str:
    """Warnings before spikes, of drivers that warn at all on series that had spikes."""
    return table(
        [row for row in rows if row.spikes and row.alarm_share >= FEWEST_ALARMS],
        {
            "series": lambda row: row.group,
            "driver": lambda row: row.driver,
            "bars on alarm": lambda row: f"{row.alarm_share:.1%}",
            "spikes": lambda row: str(row.spikes),
            "warned of": lambda row: str(row.warned),
            "by chance": lambda row: f"{row.spikes * row.alarm_share:.1f}",
            "lead, median bars": lambda row: "" if math.isnan(row.lead) else f"{row.lead:.0f}",
            "false alarms a year": lambda row: f"{row.false_alarms_per_year:,.0f}",
        },
    )


def event_table(rows: list[EventRow]) -> str:
    """Extra variance of scheduled events."""
    return table(
        rows,
        {
            "event": lambda row: row.event,
            "part": lambda row: row.part,
            "events": lambda row: str(row.events),
            "r²/h 1 hour before · in the hour · 1 · 2 · 3 after": lambda row: " · ".join(
                f"{x:.1f}" for x in row.ratios
            ),
            "k": lambda row: f"{row.factor:.1f}",
            "gain of k·h": lambda row: f"{row.gain:+.2f}",
            "better at": lambda row: f"{row.better:.0%}",
            "gain of h + e": lambda row: f"{row.absolute_gain:+.2f}",
            "24 hours after, if discounted": lambda row: f"{row.gain_after:+.3f}",
        },
    )


def counted(rows: list[Row], firm: set[tuple[str, str]]) -> str:
    """How many gain anything, and how many surely."""
    above, sure = sum(row.gain > 0.0 for row in rows), sum((row.group, row.driver) in firm for row in rows)
    return f"{above} gain anything and {sure} survive{'s' if sure == 1 else ''} the correction"


def report(forms: list[FormRow], rows: list[Row], events: list[EventRow]) -> str:
    """The measurement as a page."""
    parts = {part: [row for row in rows if row.part == part] for part in ("design", "hold-out")}
    single = [row for row in parts["hold-out"] if row.driver not in (ALL, EACH)]
    together = [row for row in parts["hold-out"] if row.driver == ALL]
    firm = holm(parts["hold-out"])
    return f"""# What exogenous drivers and scheduled events are worth

Written by `python -m tests.evaluation.drivers --write`. Protocol, publication times and hold-out were declared before
the first run in `tests/evaluation/drivers_README.md`, where the reading of these figures stands too.

Gain: mean QLIKE of the adaptive forecaster less that with the drivers (positive = better). *Alone*: the expert
`h · exp(Σ b f)`. *Pooled*: with the base, half the weight each at the start, as the service does it. t:
Diebold–Mariano, Newey–West; markets of a group are averaged by date. Bold: survives Holm's correction (5 %, one-sided)
over its table.

**Hold-out, pooled: of {len(single)} single drivers {counted(single, firm)}; of {len(together)} series with all drivers
together {counted(together, firm)}.**

## Hold-out: each driver over its series
{driver_table(parts["hold-out"])}

## Two ways to learn b (design part only)
{form_table(forms)}

## Hold-out: gains
{gain_table(parts["hold-out"])}

## Hold-out: warnings before spikes
Alarm: the expert's multiplier above 1.2. Spike: |r| > 4 σ of the base forecast. *By chance*: spikes × share of bars on
alarm. False: no spike in the run or in the 24 hours after (daily bars: 5 days), which says little on 3 days of minutes.
Drivers that are on alarm less than {FEWEST_ALARMS:.1%} of the time warn of nothing and are left out.

{alarm_table(parts["hold-out"])}

## Design part: gains
{gain_table(parts["design"])}

## Scheduled events (BTC perpetual, hourly)
k: mean r²/h in the hour of the design's events; e: mean r² − h of them, added by `event_variance`. Gains are per event,
in its hour, and rest on few large moves: most events pass quietly, hence the share at which it was better. The last
column: mean gain in each of the next 24 hours if the forecaster learnt from the event's hour with its squares divided
by k (negative: it should not).

{event_table(events)}

## Not measured
Liquidations, quoted spread and order-book depth over time, trade-signed order flow: no data at hand. They enter by the
same interface; their effect is unmeasured. Premium over spot has values in the design part only.
"""


def finite(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures of which none is NaN, which JSON does not know."""
    return {name: None if value != value else value for name, value in figures.items()}


def main(arguments: list[str] | None = None) -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation.drivers", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {REPORT.relative_to(REPORT.parents[2])}")
    parser.add_argument("--json", action="store_true", help="print figures instead of tables")
    chosen = parser.parse_args(arguments)
    if not DATA.is_dir():
        print("the shared data sets are not beside this repository", file=sys.stderr)
        return 2
    studies = []
    for series in all_series():
        print(f"base forecast: {series.group}, {len(series.bars.close):,} bars", file=sys.stderr)
        studies.append((series, base_forecast(series)))
    print("drivers", file=sys.stderr)
    rows = driver_rows(studies)
    print("forms and events", file=sys.stderr)
    forms, events = form_rows([study for study in studies if study[0].design]), event_rows(*studies[0])
    page = report(forms, rows, events)
    if chosen.json:
        print(
            json.dumps(
                {"forms": [*map(asdict, forms)], "drivers": [*map(asdict, rows)], "events": [*map(asdict, events)]}
            )
        )
    else:
        print(page)
    if chosen.write:
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
