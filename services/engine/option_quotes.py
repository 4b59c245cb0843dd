"""Option rows that lack a volatility or a forward take them from the quotes of their underlying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np

from services.core.book import Row
from services.core.instrument import Kind
from services.core.outcome import Reason
from services.options.chain import Chain, ChainRules, Quotes
from services.options.chain_cleaning import clean_chain
from services.options.implied_volatility import MAX_VOLATILITY
from services.options.surface import Surface
from services.options.surface_fit import fit_surface
from services.options.surface_registry import SurfaceMethod

VolatilitySource = Literal["position", "surface", "greeks", "none"]
ForwardSource = Literal["position", "quotes", "parity", "interpolated", "underlying"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OptionChain:
    """Quotes of one underlying, what they must keep to, and how their smiles are fitted.

    `stickiness` c says how the smile moves with the price: 0 sticks to strikes, 1 to moneyness.
    """

    underlying: str
    quotes: Quotes
    rules: ChainRules
    method: SurfaceMethod
    stickiness: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadChain:
    """What became of a chain; `surface` is None where no quote is usable, or no row needs any."""

    chain: OptionChain
    cleaned: Chain
    surface: Surface | None
    used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RowVolatility:
    """What the Greeks of an option row are computed with.

    Parameters
    ----------
    row : int
        In the rows.
    source, forward_source : str
        Where volatility and forward came from.
    volatility, forward : float, optional
        σ [annual fraction], F [quote].
    log_moneyness, skew : float, optional
        ``k = ln(K/F)`` with F of the surface, and ``dσ/dk`` there; None where no surface was read.
    confidence, age_seconds : float, optional
        Of the smiles around the expiry: the lower and the older one.
    extrapolated : bool, optional
        Beyond the quoted strikes or expiries.
    old : bool
        A smile around the expiry has lost half of its freshness.
    detail : str
        Why a surface that was asked gave no volatility.
    """

    row: int
    source: VolatilitySource
    volatility: float | None = None
    forward: float | None = None
    forward_source: ForwardSource | None = None
    log_moneyness: float | None = None
    skew: float | None = None
    confidence: float | None = None
    age_seconds: float | None = None
    extrapolated: bool | None = None
    old: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedRows:
    """Rows with what the quotes gave them."""

    rows: tuple[Row, ...]
    volatilities: tuple[RowVolatility, ...] = ()
    chains: tuple[ReadChain, ...] = ()


def quoted_rows(rows: tuple[Row, ...], chains: Sequence[OptionChain], as_of: datetime) -> QuotedRows:
    r"""Rows of options with the volatility and forward of the surface of their underlying.

    Parameters
    ----------
    rows : tuple of Row
    chains : sequence of OptionChain
        At most one of each underlying.
    as_of : datetime

    Returns
    -------
    QuotedRows
        The rows in their order, what each option row is computed with, and what became of each chain.

    Notes
    -----
    What a row brings wins: its own implied volatility, its own forward. A row that has neither a volatility of its own
    nor one of a surface stays without: its Greeks are unknown, and whoever needs them refuses. A surface is fitted only
    where a row needs it. With a stickiness c the row carries ``−c dσ/dk`` (`Row.skew_slope`), its own implied
    volatility notwithstanding. Cost: that of a fit, about 4 ms for each expiry.
    """
    if not chains:
        return QuotedRows(rows=rows)
    moment = as_of.timestamp()
    asked = {index: chain for index, row in enumerate(rows) if (chain := chain_of(row, chains)) is not None}
    needed = {id(chain) for index, chain in asked.items() if _needs(rows[index], chain)}
    read = tuple(_read(chain, moment, id(chain) in needed) for chain in chains)
    by_chain = {id(item.chain): item for item in read}
    options = [index for index, row in enumerate(rows) if _live(row)]
    found = [_row_volatility(index, rows[index], by_chain.get(id(asked.get(index)))) for index in options]
    filled = list(rows)
    for item in found:
        chain = asked.get(item.row)
        slope = -chain.stickiness * item.skew if chain is not None and item.skew is not None else 0.0
        filled[item.row] = replace(
            rows[item.row], implied_volatility=item.volatility, forward=item.forward, skew_slope=slope
        )
    return QuotedRows(rows=tuple(filled), volatilities=tuple(found), chains=read)


def chain_of(row: Row, chains: Sequence[OptionChain]) -> OptionChain | None:
    """Chain of a live option: of its underlying, else of its base currency."""
    if not _live(row):
        return None
    for name in (row.instrument.underlying, row.instrument.base_currency):
        if (found := next((chain for chain in chains if chain.underlying == name), None)) is not None:
            return found
    return None


def _live(row: Row) -> bool:
    return row.instrument.kind is Kind.OPTION and row.problem is not Reason.EXPIRED


def _needs(row: Row, chain: OptionChain) -> bool:
    lacking = row.implied_volatility is None or not row.forward_given
    return row.own_greeks is None and (lacking or chain.stickiness != 0.0)


def _read(chain: OptionChain, moment: float, needed: bool) -> ReadChain:
    cleaned = clean_chain(chain.quotes, moment, chain.rules)
    surface = fit_surface(cleaned, chain.method) if needed and cleaned.expiries else None
    return ReadChain(chain=chain, cleaned=cleaned, surface=surface, used=needed)


def _row_volatility(index: int, row: Row, read: ReadChain | None) -> RowVolatility:
    """The row's own figures, completed by the surface."""
    given = row.implied_volatility
    own = RowVolatility(
        row=index,
        source="none" if given is None else "position",
        volatility=given,
        forward=row.forward,
        forward_source=None if row.forward is None else "position" if row.forward_given else "underlying",
        detail="no option_quotes of its underlying" if given is None and read is None else "",
    )
    if row.own_greeks is not None:
        return replace(own, source="greeks", detail="")
    if read is None or not read.used:
        return own
    if read.surface is None:
        return replace(own, detail="" if given is not None else "no quote of its underlying is usable")
    return _off_surface(own, row, read, read.surface)


def _off_surface(own: RowVolatility, row: Row, read: ReadChain, surface: Surface) -> RowVolatility:
    assert row.instrument.expiry is not None
    assert row.instrument.strike is not None
    expiry = row.instrument.expiry.timestamp()
    time = float(surface.years(expiry))
    forward, source = _forward(expiry, time, read, surface)
    # The smile is read at its own forward: a strike keeps its volatility whatever forward the row brings.
    k = float(np.log(row.instrument.strike / float(surface.forward(time))))
    around = np.clip(np.searchsorted(surface.times, time, side="left") - np.array([1, 0]), 0, len(surface.slices) - 1)
    smiles = [surface.slices[place] for place in around] if time not in surface.times else [surface.slices[around[1]]]
    known = replace(
        own,
        forward=own.forward if row.forward_given else forward,
        forward_source="position" if row.forward_given else source,
        log_moneyness=k,
        skew=float(surface.skew(k, time)),
        confidence=min(smile.confidence for smile in smiles),
        age_seconds=max(smile.age_seconds for smile in smiles),
        extrapolated=bool(surface.extrapolated(k, time)),
        old=min(smile.freshness for smile in smiles) < 0.5,
    )
    if own.volatility is not None:
        return known
    volatility = float(np.sqrt(surface.total_variance(k, time) / time))
    if not 0.0 < volatility <= MAX_VOLATILITY:
        return replace(
            known, detail=f"the surface gives {volatility:.3g} at its strike: outside 0 and {MAX_VOLATILITY:g}"
        )
    return replace(known, source="surface", volatility=volatility)


def _forward(expiry: float, time: float, read: ReadChain, surface: Surface) -> tuple[float, ForwardSource]:
    """Forward of an expiry: of its smile, else of its quotes (too near to be fitted), else between the smiles."""
    same = next((part for part in surface.slices if part.expiry == expiry), None)
    if same is not None:
        return same.forward, "quotes" if same.forward_source == "given" else "parity"
    quotes, limit = read.chain.quotes, read.chain.rules.max_age_seconds
    fresh = np.ones(quotes.expiry.shape, dtype=bool) if limit is None else np.nan_to_num(quotes.age_seconds) <= limit
    listed = quotes.forward[(quotes.expiry == expiry) & (quotes.forward > 0.0) & fresh]
    if listed.size:
        return float(np.median(listed)), "quotes"
    return float(surface.forward(time)), "interpolated"
