"""Option quotes of a request: to chains of the core, and what was read off them as an answer."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from app.translate import option_surface
from app.translate.answer import identity, money, stat, time_text
from app.translate.notes import Notes
from models.api.option_quotes import OptionChainIn
from services.core.book import Row
from services.core.errors import InvalidInput
from services.engine.option_quotes import OptionChain, QuotedRows, ReadChain, RowVolatility, quoted_rows
from services.options.chain import QuoteFault


def read_quotes(
    posted: list[OptionChainIn], rows: tuple[Row, ...], as_of: datetime, notes: Notes, *, tolerance: timedelta
) -> QuotedRows:
    """Rows with the volatilities and forwards of the quotes of a request, and notes on what was assumed.

    Raises
    ------
    InvalidInput
        For a quote from the future.
    """
    for place, item in enumerate(posted):
        _check_times(item, place, as_of + tolerance)
    found = quoted_rows(rows, [option_chain(item, as_of) for item in posted], as_of)
    for place, (item, read) in enumerate(zip(posted, found.chains, strict=True)):
        _remark(item, read, f"/option_quotes/{place}", notes)
    for volatility in found.volatilities:
        _warn(volatility, rows[volatility.row].symbol, notes)
    return found


def option_chain(item: OptionChainIn, as_of: datetime) -> OptionChain:
    """Chain of the core."""
    return OptionChain(
        underlying=item.underlying,
        quotes=option_surface.quotes(item, as_of),
        rules=option_surface.rules(item),
        method=item.surface,
        stickiness=item.skew_stickiness,
    )


def _check_times(item: OptionChainIn, place: int, latest: datetime) -> None:
    late = ((index, row.as_of) for index, row in enumerate(item.quotes) if row.as_of is not None)
    for index, moment in late:
        if moment > latest:
            pointer = f"option_quotes.{place}.quotes.{index}.as_of"
            raise InvalidInput(pointer, "must not lie after as_of", moment.isoformat())


def _remark(item: OptionChainIn, read: ReadChain, pointer: str, notes: Notes) -> None:
    """What was assumed of a chain that is used, and which of its quotes are not."""
    if not read.used:
        text = f"no option of the request takes anything from the quotes of {item.underlying}"
        notes.warn("option_quotes_unused", text)
        return
    option_surface.remark(item, read.cleaned, notes, pointer)
    if ageless := sum(row.as_of is None for row in item.quotes):
        notes.assume(
            f"{pointer}/quotes/as_of", "as_of of the request", f"for {ageless} quotes: they are taken as fresh"
        )
    if read.surface is None:
        notes.warn("option_quotes_refused", f"{item.underlying}: {option_surface.why_none(read.cleaned)}")
    elif broken := [fault for fault in read.cleaned.faults if fault not in (None, QuoteFault.TWIN_PREFERRED)]:
        counts = ", ".join(f"{count} {fault}" for fault, count in Counter(broken).most_common())
        text = f"{item.underlying}: {len(broken)} of {len(item.quotes)} quotes are not used: {counts}"
        notes.warn("option_quotes_dropped", text)


def _warn(found: RowVolatility, symbol: str, notes: Notes) -> None:
    if found.detail:
        notes.warn("volatility_unknown", found.detail, symbol)
    if found.source != "surface":
        return
    if found.extrapolated:
        text = "its strike or expiry lies beyond the quotes: its volatility is extrapolated"
        notes.warn("volatility_extrapolated", text, symbol)
    if found.old and found.age_seconds is not None:
        text = f"the quotes behind its volatility are {found.age_seconds:.0f} s old, more than half of what is allowed"
        notes.warn("volatility_old", text, symbol)


def volatility_rows(rows: tuple[Row, ...], found: QuotedRows) -> list[dict[str, Any]]:
    """option_volatilities[] of an answer."""
    return [_volatility_row(rows[item.row], item) for item in found.volatilities]


def _volatility_row(row: Row, item: RowVolatility) -> dict[str, Any]:
    assert row.instrument.expiry is not None
    out = identity(row)
    out["expiry"], out["source"] = time_text(row.instrument.expiry), item.source
    if item.detail:
        out["detail"] = item.detail
    out["volatility"], out["forward"] = stat(item.volatility), money(item.forward)
    out["forward_source"] = item.forward_source
    if item.skew is not None:
        out |= {name: stat(getattr(item, name)) for name in ("log_moneyness", "skew", "confidence", "age_seconds")}
        out["extrapolated"] = item.extrapolated
    return out


def surface_rows(found: QuotedRows) -> list[dict[str, Any]]:
    """option_surfaces[] of an answer."""
    return [_surface_row(read) for read in found.chains]


def _surface_row(read: ReadChain) -> dict[str, Any]:
    surface, refused = read.surface, read.used and read.surface is None
    pairs = zip(read.cleaned.expiries, surface.slices, strict=True) if surface is not None else ()
    return {
        "underlying": read.chain.underlying,
        "status": "refused" if refused else "ok" if read.used else "unused",
        "detail": option_surface.why_none(read.cleaned) if refused else None,
        "method": read.chain.method.method,
        "slices": [_slice(option_surface.slice_row(*pair)) for pair in pairs],
        **option_surface.dropped(read.cleaned),
    }


def _slice(row: dict[str, Any]) -> dict[str, Any]:
    """Smile of an answer that is recorded: in as many digits as a replay on another machine gives again."""
    return {**row, "parameters": {name: stat(value) for name, value in row["parameters"].items()}}
