"""From prices to independent voices, and which of them agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from services.guards.observation import OracleObservation

NORMAL_MAD = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """An observation in the currency of the answer; `lateness`, `age_seconds` and `confidence` include those of the
    rate.
    """

    observation: OracleObservation
    price: float
    confidence: float
    deviation: float
    age_seconds: float
    lateness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Quotes that count once, and what they say together."""

    price: float
    confidence: float
    deviation: float
    age_seconds: float
    lateness: float
    newest: datetime
    quotes: tuple[Quote, ...]


def median_absolute_deviation(values: Sequence[float], centre: float) -> float:
    """Median of ``|x − centre|``.

    Examples
    --------
    >>> median_absolute_deviation([1.0, 2.0, 4.0, 8.0, 9.0], 4.0)
    3.0
    """
    return median(abs(value - centre) for value in values)


def by_key(quotes: Iterable[Quote], key: Callable[[Quote], str]) -> list[list[Quote]]:
    """Quotes that share a key, in the order in which the keys first appear."""
    groups: defaultdict[str, list[Quote]] = defaultdict(list)
    for quote in quotes:
        groups[key(quote)].append(quote)
    return list(groups.values())


def upstream_price(quotes: Iterable[Quote]) -> float:
    """Median over upstreams of the median of each one's quotes."""
    return median(median(quote.price for quote in group) for group in by_key(quotes, _origin))


def voices_of(quotes: Iterable[Quote], *, per_signer: bool) -> list[Voice]:
    """Quotes as independent voices: one an upstream, or one a signer.

    A signer's voice is the median over the upstreams that it reports, so that neither many sources of one upstream
    nor many sources of one key weigh more than one.
    """
    return [_voice(group) for group in by_key(quotes, _signer if per_signer else _origin)]


def _voice(quotes: Sequence[Quote]) -> Voice:
    # The freshest speaks for the age: a late twin takes nothing from it, and none gains by leaving.
    return Voice(
        price=upstream_price(quotes),
        confidence=max(quote.confidence for quote in quotes),
        deviation=max(quote.deviation for quote in quotes),
        age_seconds=min(quote.age_seconds for quote in quotes),
        lateness=min(quote.lateness for quote in quotes),
        newest=max(quote.observation.as_of for quote in quotes),
        quotes=tuple(quotes),
    )


def _origin(quote: Quote) -> str:
    return quote.observation.origin


def _signer(quote: Quote) -> str:
    return quote.observation.signer or ""


def agreeing(prices: Sequence[float], deviations: Sequence[float], mad_multiple: float) -> list[bool]:
    r"""Which voices lie near the median m of all: ``|p − m| ≤ max(mad_multiple · MAD, deviation · m)``.

    Notes
    -----
    At least half of the voices lie within one MAD, so that half always stays. With four honest voices or more, one liar
    moves neither the median nor the median of what stays beyond the range of the honest.

    Examples
    --------
    The MAD of 100, 101 and 180 is 1, so that 5 is the most.

    >>> agreeing([100.0, 101.0, 180.0], [0.001] * 3, 5.0)
    [True, True, False]
    """
    centre = median(prices)
    spread = mad_multiple * median_absolute_deviation(prices, centre)
    pairs = zip(prices, deviations, strict=True)
    return [abs(price - centre) <= max(spread, deviation * centre) for price, deviation in pairs]


def nth_smallest(values: Iterable[float], rank: int) -> float:
    """The value that `rank` of the values are not above; the largest where there are fewer.

    Examples
    --------
    >>> nth_smallest([30.0, 10.0, 20.0], 2), nth_smallest([30.0], 2)
    (20.0, 30.0)
    """
    ordered = sorted(values)
    return ordered[min(rank, len(ordered)) - 1]


def distinct(values: Iterable[str | None]) -> int:
    """Number of distinct values other than None."""
    return len({value for value in values if value is not None})
