"""How well and how fast surfaces fit real chains: `python -m tests.evaluation.surfaces`.

Protocol: chains of Deribit beside the repository (none of them is part of it), quotes with bid and ask out of the
money, fitted to the volatility of the mean of bid and ask; marks are not used. RMSE in volatility points and the share
of fits between bid and ask are over all fitted quotes of a chain, then the median of the chains. Violations are sums
over the chains: prices on 61 strikes within |k| <= 1 of every expiry; crossing is the largest fall of total variance
from an expiry to the next on the same strikes. Milliseconds of processor time are the least of three runs of the fit
alone, the median of the chains; warm starts from the surface of the chain before, where there is one. `free` is each
expiry alone by SciPy's least squares from two starts.
`--write` puts the tables into docs/measurements/surfaces.md.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from services.options.chain import Chain, ChainRules
from services.options.chain_cleaning import clean_chain
from services.options.no_arbitrage import Audit, audit
from services.options.surface import Surface
from services.options.surface_fit import fit_surface
from services.options.surfaces.essvi import Essvi
from services.options.surfaces.flat import Flat
from services.options.surfaces.joint_svi import JointSvi
from tests.evaluation.chains import RecordedChain, recorded_chains
from tests.evaluation.free_svi import FreeSvi
from tests.evaluation.report import Gate, Grid, followed, gate_grid, number

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "measurements" / "surfaces.md"
REPEATS = 3
CUTS = (1.0, 2.0)
"""Nearest expiry that is fitted [days]; the goals were set on chains of ten expiries, which are those beyond two."""
GOAL_RMSE, GOAL_INSIDE, GOAL_CROSSING, GOAL_COLD, GOAL_WARM = 0.43, 0.91, 1e-8, 300.0, 60.0
# The peer has the shape of a method without being one of the service's.
METHODS: dict[str, Any] = {
    "svi": JointSvi(),
    "svi, narrow quotes first": JointSvi(wide_spread=0.02),
    "free": FreeSvi(),
    "essvi": Essvi(),
    "flat": Flat(),
}


@dataclass(frozen=True, slots=True)
class Fit:
    """One chain by one method; errors in volatility points, times in milliseconds."""

    group: str
    method: str
    quotes: int
    rmse: float
    inside: float
    audit: Audit
    cold: float
    warm: float


def fits_of(chains: Sequence[RecordedChain], least_days: float) -> list[Fit]:
    """Every method on every chain."""
    found = []
    for name, method in METHODS.items():
        before: dict[tuple[str, str], Surface] = {}
        for recorded in followed(chains, f"{name}, from {least_days:g} days"):
            chain = clean_chain(recorded.quotes, recorded.as_of, ChainRules(least_days=least_days))
            fit, surface = measured(recorded.group, name, method, chain, before.get(_key(recorded)))
            before[_key(recorded)] = surface
            found.append(fit)
    return found


def measured(group: str, name: str, method: Any, chain: Chain, previous: Surface | None) -> tuple[Fit, Surface]:
    """Figures of one fit."""
    surface = fit_surface(chain, method)
    strikes = np.array([part.strikes for part in surface.slices])
    squares = np.array([part.rmse**2 for part in surface.slices])
    inside = np.array([part.inside or 0.0 for part in surface.slices])
    fit = Fit(
        group=group,
        method=name,
        quotes=int(strikes.sum()),
        rmse=100.0 * math.sqrt(float(squares @ strikes) / strikes.sum()),
        inside=float(inside @ strikes) / strikes.sum(),
        audit=audit(surface),
        cold=_milliseconds(chain, method, None),
        warm=math.nan if previous is None else _milliseconds(chain, method, previous),
    )
    return fit, surface


def grid(fits: Sequence[Fit], least_days: float) -> Grid:
    """A row for each group and method, and for all chains together."""
    columns = ["chains", "method", "n", "quotes", "RMSE", "inside %", "butterflies", "calendars", "crossing"]
    columns += ["ms cold", "ms warm"]
    groups = [*dict.fromkeys(fit.group for fit in fits), "all"]
    rows = [
        _row(group, method, [fit for fit in fits if fit.method == method and group in (fit.group, "all")])
        for group in groups
        for method in METHODS
    ]
    return Grid(f"Surfaces of expiries beyond {least_days:g} days", columns, rows)


def gates_of(fits: Sequence[Fit]) -> list[Gate]:
    """Goals of the default method; speed is that of the machine, and only shown."""
    mine = [fit for fit in fits if fit.method == "svi"]
    crossing = max(fit.audit.largest_crossing or -math.inf for fit in mine)
    return [
        Gate("median RMSE [volatility points]", _median([fit.rmse for fit in mine]), most=GOAL_RMSE),
        Gate("median share inside bid and ask", _median([fit.inside for fit in mine]), least=GOAL_INSIDE),
        Gate("butterflies", float(sum(fit.audit.butterflies for fit in mine)), most=0.0),
        Gate("largest crossing [total variance]", crossing, most=GOAL_CROSSING),
        Gate("ms cold", _median([fit.cold for fit in mine]), most=GOAL_COLD, goal=True),
        Gate("ms warm", _median([fit.warm for fit in mine]), most=GOAL_WARM, goal=True),
    ]


def document(tables: Sequence[Grid], gates: Sequence[Gate]) -> str:
    """The page in docs/measurements."""
    protocol = (__doc__ or "").partition("\n\n")[2].strip()
    note = "Goals are those of the expiries beyond 2 days, where the chains have the ten expiries they were set on."
    parts = ["# Volatility surfaces: what was measured", protocol, *(table.markdown() for table in tables), note]
    return "\n\n".join([*parts, gate_grid(gates).markdown()])


def _row(group: str, method: str, fits: Sequence[Fit]) -> list[str]:
    crossings = [fit.audit.largest_crossing for fit in fits if fit.audit.largest_crossing is not None]
    return [
        group,
        method,
        str(len(fits)),
        f"{_median([float(fit.quotes) for fit in fits]):.0f}",
        number(_median([fit.rmse for fit in fits]), 3),
        f"{100.0 * _median([fit.inside for fit in fits]):.1f}",
        str(sum(fit.audit.butterflies for fit in fits)),
        str(sum(fit.audit.calendars for fit in fits)),
        f"{max(max(crossings, default=0.0), 0.0):.1e}",
        number(_median([fit.cold for fit in fits]), 1),
        number(_median([fit.warm for fit in fits]), 1),
    ]


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan


def _milliseconds(chain: Chain, method: Any, initial: Surface | None) -> float:
    best = math.inf
    for _ in range(REPEATS):
        started = time.process_time()
        fit_surface(chain, method, initial=initial)
        best = min(best, time.process_time() - started)
    return 1e3 * best


def _key(recorded: RecordedChain) -> tuple[str, str]:
    return recorded.group, recorded.underlying


def main(words: Sequence[str] | None = None) -> int:
    """Measure, show, and answer whether the goals are met; 0 where there are no chains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/measurements/surfaces.md")
    options = parser.parse_args(words)
    console, chains = Console(width=None if sys.stdout.isatty() else 200), recorded_chains()
    if not chains:
        console.print("no chains beside the repository: nothing to measure")
        return 0
    fits = {cut: fits_of(chains, cut) for cut in CUTS}
    tables, gates = [grid(found, cut) for cut, found in fits.items()], gates_of(fits[CUTS[-1]])
    for table in (*tables, gate_grid(gates)):
        console.print(table.on_terminal())
    if options.write:
        DOCUMENT.write_text(document(tables, gates))
    return 0 if all(gate.held or gate.goal for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
