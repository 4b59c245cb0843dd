"""What one underlying's book is after its price and its implied volatilities have moved, all at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.core.explain import Floats
from services.margin.scenario_book import ExpiryFeed, UnderlyingBook
from services.margin.scenario_pricing import settling_share


def moved_book(
    book: UnderlyingBook, ratio: float, *, volatility_factor: float = 1.0, settlement_seconds: float = 0.0
) -> UnderlyingBook:
    """The book at another price: spot, forwards, marks and coin move by `ratio`, volatilities by their factor.

    Parameters
    ----------
    book : UnderlyingBook
    ratio : float
        Price after over price before, > 0.
    volatility_factor : float
        Of implied volatilities, and of the volatility that a price range follows.
    settlement_seconds : float
        Window over which a delivery price is averaged: what has been averaged no longer moves [s].

    Notes
    -----
    What derivatives gain is unrealised profit; spot and coin are worth their price. A contract of fixed quote value N
    gains ``N (F/F₀ − 1)`` and holds ``N/F`` afterwards. Bases between prices stay as they are in proportion; what has
    expired stands still. No time passes.

    Examples
    --------
    >>> from services.margin.scenario_book import LinearColumns
    >>> held = UnderlyingBook(name="X", spot=100.0, linear=LinearColumns.perpetual(2.0, 101.0))
    >>> found = moved_book(held, 0.9)
    >>> found.spot, round(found.linear.unrealized, 9), found.linear.base.tolist()
    (90.0, -20.2, [2.0])
    """
    linear = book.linear
    factor = 1.0 + settling_share(linear.seconds, settlement_seconds) * (ratio - 1.0)
    gain: Floats = linear.base * linear.price * (factor - 1.0)
    inverse = linear.inverse
    moved = replace(
        linear,
        price=linear.price * factor,
        base=linear.base if inverse is None else linear.base / (1.0 + inverse * (factor - 1.0)),
        unrealized=linear.unrealized + float(gain[~linear.spot].sum()),
    )
    return replace(
        book,
        spot=book.spot * ratio,
        expiries=tuple(_moved_feed(feed, ratio, settlement_seconds) for feed in book.expiries),
        options=replace(book.options, volatility=book.options.volatility * volatility_factor),
        linear=moved,
        collateral=tuple(replace(item, price=item.price * ratio) for item in book.collateral),
        volatility=None if book.volatility is None else book.volatility * volatility_factor,
    )


def _moved_feed(feed: ExpiryFeed, ratio: float, window: float) -> ExpiryFeed:
    alive = float(settling_share(np.asarray(feed.seconds), window))
    return replace(feed, forward=feed.forward * (1.0 + alive * (ratio - 1.0)))
