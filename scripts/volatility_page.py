"""docs/volatility.md: its tables are written from the code, its pictures drawn from public data (`make docs`).

What stands between `<!-- begin NAME -->` and `<!-- end NAME -->` is replaced; the rest of the page is written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.catalog import catalog
from services.core.outcome import REASON_TEXT, Reason
from services.risk.options import CorrelationOptions
from services.volatility import calibration, horizon, long_run, pool, tails
from services.volatility.outcome import OUTCOME_TEXT
from services.volatility.readout import LONG_RUN_FLOOR, Maturity, maturity_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "volatility.md"
IMAGES = ROOT / "docs" / "images"
SHARED = frozenset({"calibrate", "prior_volatility", *CorrelationOptions.__dataclass_fields__})
"""Parameters that every method of a block has."""
CALIBRATION = (calibration.SMALLEST, calibration.LARGEST, calibration.HALF_LIFE)
REFUSALS = (Reason.INSUFFICIENT_HISTORY, Reason.STALE_PRICE, Reason.INVALID_PRICE, Reason.ZERO_VOLATILITY)
WHEN = {
    "adaptive": "Always, unless you know better. Takes ranges, realised and implied variance where bars have them",
    "ewma": "You want one transparent number, or to match RiskMetrics (λ .94 is a half-life of 11.2, .97 of 22.8)",
    "riskmetrics2006": "Closes only and no learning wanted: long memory without a parameter to choose",
    "close_to_close": "Reports and comparisons. As a forecast it drops a crash from one bar to the next",
    "parkinson": "Markets that never close; the least biased range where prices are watched rarely",
    "garman_klass": "Open, high and low are good and prices are watched often; smoother than r² at the same memory",
    "rogers_satchell": "Strong trends within the bar. Blindest of all to jumps",
    "yang_zhang": "Sessions with opening jumps; window estimates as most terminals show them",
    "average_true_range": "Systems that already think in ATR",
    "realized": "Intraday bars, one forecast a day; `bipower`, `min_rv`, `med_rv` leave jumps out",
    "har": "Good ranges and years of bars; weeks and months of a session market are 5 and 22 bars",
    "garch": "Parameters of your own, or of `POST /v1/volatility:fit`",
    "gjr_garch": "As garch, where falls raise volatility more than rises: equities",
    "egarch": "Comparison, and parameters that exist. One wild return answers with an exponential",
    "stochastic": "Equities with ranges; research",
    "implied": "Options alone: VIX or at-the-money volatility as a column of the bars. The pool takes it too",
    "dynamic_conditional": "Always, unless you know better",
    "exponential": "One half-life that you choose",
    "ledoit_wolf": "Many markets, few bars, no view on structure",
    "oracle_approximating": "The same where returns are close to normal",
    "constant_correlation": "Many markets of one kind, such as coins: shrinks to their mean correlation",
    "none": "The most careful book: nothing diversifies",
}
"""When to use which; the rest of those tables is the catalogue."""


def tables() -> dict[str, str]:
    """Name to text of every generated part."""
    blocks = {block["block"]: block["methods"] for block in catalog()["blocks"]}
    return {
        "pool": markdown(("of the default forecaster", "value"), constants()),
        "estimators": methods(blocks["estimator"]),
        "correlations": methods(blocks["correlation"]),
        "outcomes": markdown(("outcome", "kept", "meaning"), outcomes()),
        "refusals": "A market without an answer says why. " + " ".join(map(refusal, REFUSALS)) + "\n",
    }


def constants() -> list[tuple[str, str]]:
    """Numbers of the default forecaster and of what is made of its forecast."""
    first = {level: next(bars for bars in range(1, 1000) if maturity_of(bars - 1) is level) for level in Maturity}
    matured = ", ".join(f"{level.value} {bars}" for level, bars in first.items() if level is not Maturity.COLD)
    return [
        ("half-lives on r², the last two weigh falls more [bars]", values(*pool.CLOSE_HALF_LIVES)),
        ("half-lives on ranges, the last two weigh falls more [bars]", values(*pool.RANGE_HALF_LIVES)),
        ("η, ε, bound b of r²/h", values(pool.LEARNING_RATE, pool.SHARE, pool.SURPRISE_CAP)),
        ("k: least, most, half-life of a lasting error [bars]", values(*CALIBRATION)),
        ("floor: share of the long run, half-life of that [bars]", values(LONG_RUN_FLOOR, long_run.HALF_LIFE)),
        ("maturity from [bars]", matured),
        ("degrees of freedom of the tails", values(*tails.GRID)),
        ("ρ of a day, for horizons", values(horizon.DAILY_PERSISTENCE)),
    ]


def values(*numbers: float) -> str:
    """Numbers of a cell."""
    return ", ".join(f"{number:g}" for number in numbers)


def methods(found: Iterable[Mapping[str, Any]]) -> str:
    """Methods of a block, as the catalogue has them."""
    rows = [
        (f"`{item['method']}`", item["summary"], needs(item), parameters(item), WHEN[item["method"]]) for item in found
    ]
    return markdown(("method", "what it is", "needs", "parameters", "use it for"), rows)


def needs(item: Mapping[str, Any]) -> str:
    """Columns of the bars that it cannot do without."""
    names = {"range": "open, high, low", "standardized": "two series", "implied_volatility": "implied volatility"}
    return ", ".join(names.get(name, name) for name in item["requires"]) or "–"


def parameters(item: Mapping[str, Any]) -> str:
    """Own parameters with their defaults."""
    own = [field for field in item["parameters"] if field["name"] not in SHARED]
    return ", ".join(f"`{field['name']}`{_default(field)}" for field in own) or "–"


def _default(field: Mapping[str, Any]) -> str:
    value = field["default"]
    if field["required"]:
        return " (required)"
    if isinstance(value, bool | str):
        return f" {str(value).lower()}"
    return f" {value:g}" if isinstance(value, int | float) else ""


def refusal(code: Reason) -> str:
    """Meaning of a reason."""
    return f"`{code}`: {REASON_TEXT[code]}"


def outcomes() -> list[tuple[str, str, str]]:
    """What may become of a bar."""
    return [(f"`{code}`", "yes" if code.stored else "no", text) for code, text in OUTCOME_TEXT.items()]


def markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = (heading, ["---"] * len(heading), *rows)
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def rewritten(text: str, parts: Mapping[str, str]) -> str:
    """The page with its generated parts replaced.

    Raises
    ------
    ValueError
        If a part has no place in the page, or a place no part.

    Examples
    --------
    >>> rewritten("<!-- begin a -->\\nold\\n<!-- end a -->", {"a": "new\\n"})
    '<!-- begin a -->\\nnew\\n<!-- end a -->'
    """
    places = re.findall(r"<!-- begin ([\w-]+) -->", text)
    if sorted(places) != sorted(parts):
        raise ValueError(f"the page has places for {sorted(places)}, there are parts {sorted(parts)}")
    for name, part in parts.items():
        filled = f"<!-- begin {name} -->\n{part}<!-- end {name} -->"
        marks = re.compile(rf"<!-- begin {name} -->.*?<!-- end {name} -->", re.DOTALL)
        text = marks.sub(filled.replace("\\", r"\\"), text)
    return text


def main(arguments: Sequence[str]) -> int:
    """Write the tables; without `--tables`, the pictures too."""
    PAGE.write_text(rewritten(PAGE.read_text(), tables()))
    if "--tables" not in arguments:
        from scripts.volatility_markets import bitcoin, standard_and_poors
        from scripts.volatility_plots import draw

        draw([standard_and_poors(), bitcoin()], IMAGES)
    print(f"{PAGE.relative_to(ROOT)} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
