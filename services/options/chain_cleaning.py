r"""Quotes of options to smiles: which of them are used, and why the others are not.

A quote is dropped for one reason, the first that applies in the order of `QuoteFault`; the others of the chain go on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.options.chain import Chain, ChainRules, ExpiryQuotes, QuoteFault, Quotes
from services.options.forwards import parity
from services.options.implied_volatility import MAX_VOLATILITY, ImpliedVolatilityStatus, implied_volatility

LEAST_VOLATILITY = 1e-4
"""Volatility below which a quote is a mistake: 0.01 % a year, at which its weight would drown all others."""

_FAULTS = tuple(QuoteFault)
_BY_STATUS = {
    ImpliedVolatilityStatus.BELOW_INTRINSIC: QuoteFault.BELOW_INTRINSIC,
    ImpliedVolatilityStatus.NO_TIME_VALUE: QuoteFault.NO_TIME_VALUE,
    ImpliedVolatilityStatus.ABOVE_MAXIMUM: QuoteFault.ABOVE_MAXIMUM,
    ImpliedVolatilityStatus.ABOVE_LIMIT: QuoteFault.VOLATILITY_OUT_OF_RANGE,
}


class _Carry(NamedTuple):
    """F (NaN where unknown) and df of every quote, and whether F was inferred."""

    forward: Floats
    discount: Floats
    inferred: Bools


class _Sides(NamedTuple):
    """Implied volatility to fit, of the bid and of the ask."""

    volatility: Floats
    bid: Floats
    ask: Floats


class _Faults:
    """First fault of every row."""

    def __init__(self, rows: int) -> None:
        self.codes = np.full(rows, -1)

    @property
    def live(self) -> Bools:
        return np.asarray(self.codes < 0)

    def drop(self, mask: Bools, why: QuoteFault) -> None:
        self.codes[(self.codes < 0) & mask] = _FAULTS.index(why)

    def named(self) -> tuple[QuoteFault | None, ...]:
        return tuple(_FAULTS[code] if code >= 0 else None for code in self.codes.tolist())


def clean_chain(quotes: Quotes, as_of: float, rules: ChainRules = ChainRules()) -> Chain:  # noqa: B008 - frozen
    """Sort quotes into smiles and faults.

    Out of the money only; an option in the money stands in for its twin by put-call parity where the twin was not sent.
    The volatility to fit is the one that was sent; else that of the mark, where it lies between bid and ask; else that
    of their mean; else that of the mark alone.

    Parameters
    ----------
    quotes : Quotes
    as_of : float
        [s since 1970].
    rules : ChainRules

    Returns
    -------
    Chain
        Its expiries may be none.

    Raises
    ------
    InvalidInput
        Columns of different lengths, a strike that is not positive, a right that is not ±1.

    Notes
    -----
    A listed forward is always preferred: an implied one carries the spreads of two options. Cost O(n log n), and O(m²)
    in the strikes m of an expiry whose forward is inferred.
    """
    _check(quotes)
    faults = _Faults(quotes.strike.size)
    years, age = (quotes.expiry - as_of) / SECONDS_PER_YEAR, np.nan_to_num(quotes.age_seconds)
    faults.drop(years <= 0.0, QuoteFault.EXPIRED)
    if rules.max_age_seconds is not None:
        faults.drop(age > rules.max_age_seconds, QuoteFault.STALE)
    faults.drop(_repeated(quotes, age, faults.live), QuoteFault.DUPLICATE)
    _judge_prices(quotes, faults)
    carry = _carry(quotes, faults.live, rules)
    faults.drop(np.isnan(carry.forward), QuoteFault.FORWARD_UNKNOWN)
    faults.drop(_has_twin(quotes, carry.forward), QuoteFault.TWIN_PREFERRED)
    sides = _volatilities(quotes, carry, years, faults)
    faults.drop(years * SECONDS_PER_YEAR < rules.least_days * SECONDS_PER_DAY, QuoteFault.TOO_NEAR)
    kept = np.flatnonzero(faults.live)
    expiries = []
    for when in np.unique(quotes.expiry[kept]).tolist():
        rows = kept[quotes.expiry[kept] == when]
        rows = rows[np.argsort(quotes.strike[rows] / carry.forward[rows], kind="stable")]
        expiries.append(_expiry(quotes, carry, sides, rows, float(years[rows[0]]), float(age[rows].mean()), rules))
    return Chain(as_of=as_of, expiries=tuple(expiries), faults=faults.named())


def _check(quotes: Quotes) -> None:
    lengths = {column.size for column in (quotes.expiry, quotes.strike, quotes.right, quotes.bid, quotes.ask)}
    if len(lengths) != 1:
        raise InvalidInput("quotes", "must have columns of one length", sorted(lengths))
    if not (np.all(quotes.strike > 0.0) and np.all(np.isfinite(quotes.strike)) and np.all(np.isfinite(quotes.expiry))):
        raise InvalidInput("quotes", "must have finite strikes > 0 and finite expiries", float(np.min(quotes.strike)))
    if not np.all(np.abs(quotes.right) == 1.0):
        raise InvalidInput("right", "must be 1 or -1", float(quotes.right[np.abs(quotes.right) != 1.0][0]))


def _repeated(quotes: Quotes, age: Floats, live: Bools) -> Bools:
    """All but the newest, of equals the last, of each option."""
    rows = np.flatnonzero(live)
    order = rows[np.lexsort((-rows, age[rows], quotes.right[rows], quotes.strike[rows], quotes.expiry[rows]))]
    keys = np.stack([quotes.expiry[order], quotes.strike[order], quotes.right[order]])
    repeated = np.zeros(live.shape, dtype=bool)
    repeated[order[1:]] = np.all(keys[:, 1:] == keys[:, :-1], axis=0)
    return repeated


def _judge_prices(quotes: Quotes, faults: _Faults) -> None:
    known, bid, ask = quotes.volatility > 0.0, quotes.bid > 0.0, quotes.ask > 0.0
    one_side = ~np.isnan(quotes.bid) | ~np.isnan(quotes.ask)
    faults.drop(~known & ~bid & ~ask & ~(quotes.mark > 0.0), QuoteFault.NO_PRICE)
    faults.drop(~known & one_side & ~bid, QuoteFault.NO_BID)
    faults.drop(~known & one_side & ~ask, QuoteFault.NO_ASK)
    faults.drop(bid & ask & (quotes.bid > quotes.ask), QuoteFault.CROSSED)


def _target(quotes: Quotes) -> Floats:
    """Price to fit: of the mark between bid and ask, else their mean, else the mark alone."""
    middle = (quotes.bid + quotes.ask) / 2.0
    outside = (quotes.mark < quotes.bid) | (quotes.mark > quotes.ask) | ~(quotes.mark > 0.0)
    return np.where(outside, middle, quotes.mark)


def _carry(quotes: Quotes, live: Bools, rules: ChainRules) -> _Carry:
    forward = np.where(quotes.forward > 0.0, quotes.forward, np.nan)
    discount = np.full(forward.shape, 1.0 if rules.discount is None else rules.discount)
    inferred = np.zeros(forward.shape, dtype=bool)
    target = _target(quotes)
    for when in np.unique(quotes.expiry[np.isnan(forward)]).tolist():
        rows = np.flatnonzero(quotes.expiry == when)
        told = rows[~np.isnan(forward[rows])]
        # A forward of hours ago, beside a stale quote, is used only where nothing newer was sent.
        given = forward[told[live[told]]] if live[told].any() else forward[told]
        missing = rows[np.isnan(forward[rows])]
        if given.size:
            forward[missing] = np.median(given)
            continue
        usable = rows[live[rows] & (target[rows] > 0.0)]
        calls, puts = usable[quotes.right[usable] > 0.0], usable[quotes.right[usable] < 0.0]
        strikes, call, put = np.intersect1d(quotes.strike[calls], quotes.strike[puts], return_indices=True)
        found = parity(strikes, target[calls[call]], target[puts[put]], in_base=quotes.in_base, discount=rules.discount)
        if found is not None:
            forward[rows], discount[rows], inferred[rows] = found.forward, found.discount, True
    return _Carry(forward, discount, inferred)


def _has_twin(quotes: Quotes, forward: Floats) -> Bools:
    """In the money, with the option of the other right in the chain; at the forward the call counts as out of it."""
    ahead = np.where(quotes.right > 0.0, quotes.strike < forward, quotes.strike >= forward)
    keys = np.stack([quotes.expiry, quotes.strike], axis=1)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    sides = np.zeros((2, int(group.max(initial=-1)) + 1), dtype=bool)
    sides[(quotes.right > 0.0).astype(int), group.ravel()] = True
    return np.asarray(ahead & sides[:, group.ravel()].all(axis=0))


def _volatilities(quotes: Quotes, carry: _Carry, years: Floats, faults: _Faults) -> _Sides:
    live = np.flatnonzero(faults.live)
    unit = carry.forward if quotes.in_base else np.ones_like(carry.forward)
    prices = np.stack([_target(quotes), quotes.bid, quotes.ask])[:, live] * unit[live]
    terms = (carry.forward[live], quotes.strike[live], years[live], quotes.right[live])
    found = implied_volatility(np.nan_to_num(prices, nan=-1.0), *terms, discount=carry.discount[live])
    two_sided = (quotes.bid > 0.0) & (quotes.ask > 0.0)
    known = quotes.volatility > 0.0
    volatility, bid, ask = np.zeros(years.shape), np.zeros(years.shape), np.full(years.shape, np.inf)
    volatility[live], bid[live] = found.volatility[0], found.volatility[1]
    # A bid below intrinsic bounds nothing from below, an ask above any volatility nothing from above.
    ask[live] = np.where(found.status[2] == ImpliedVolatilityStatus.OK, found.volatility[2], MAX_VOLATILITY)
    for status, why in _BY_STATUS.items():
        broken = np.zeros(years.shape, dtype=bool)
        broken[live] = found.status[0] == status
        faults.drop(broken & ~known, why)
    volatility = np.where(known, quotes.volatility, volatility)
    faults.drop(
        ~((volatility >= LEAST_VOLATILITY) & (volatility <= MAX_VOLATILITY)), QuoteFault.VOLATILITY_OUT_OF_RANGE
    )
    return _Sides(volatility, np.where(two_sided, bid, 0.0), np.where(two_sided, ask, np.inf))


def _expiry(
    quotes: Quotes, carry: _Carry, sides: _Sides, rows: NDArray[np.intp], years: float, age: float, rules: ChainRules
) -> ExpiryQuotes:
    limit = rules.max_age_seconds
    return ExpiryQuotes(
        expiry=float(quotes.expiry[rows[0]]),
        time_to_expiry=years,
        forward=float(np.median(carry.forward[rows])),
        discount=float(np.median(carry.discount[rows])),
        forward_source="parity" if carry.inferred[rows[0]] else "given",
        strike=quotes.strike[rows],
        log_moneyness=np.log(quotes.strike[rows] / carry.forward[rows]),
        volatility=sides.volatility[rows],
        bid_volatility=sides.bid[rows],
        ask_volatility=sides.ask[rows],
        places=rows,
        age_seconds=age,
        freshness=1.0 if limit is None else min(1.0, max(0.0, 1.0 - age / limit)),
    )
