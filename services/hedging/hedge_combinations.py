"""Combinations of options that protect a holding, and the best number of lots of each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le, Len, Lt
from numpy.typing import NDArray

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.hedging.option_quotes import OptionMarket, whole_lots
from services.hedging.vault_plan import BUY, SELL

Places = NDArray[np.int64]
Shock = Annotated[float, Gt(-1), Lt(0)]
MOST_LOTS = 10**15
"""Far more than any market has, and whole in a double."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeTerms:
    """What all tail hedges share; see `ProtectivePut`."""

    horizon_days: Annotated[float, Gt(0), Le(1000)]
    max_cost: Annotated[float, Ge(0), Le(1)] = 0.01
    shocks: Annotated[tuple[Shock, ...], Len(1, 10)] = (-0.3,)
    objective: Literal["shocks", "floor"] = "shocks"
    coverage: Annotated[float, Gt(0), Le(1)] = 1.0

    requires: ClassVar[frozenset[str]] = frozenset({"option_quotes"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if not self.shocks or any(not -1.0 < shock < 0.0 for shock in self.shocks):
            raise InvalidInput("vault.shocks", "must each lie within -1 and 0", list(self.shocks))

    def pairs(self, market: OptionMarket, long: Places, short: Places) -> tuple[Places, Places]:
        """Places of bought and of sold options that may go together; the second is empty where nothing is sold."""
        raise NotImplementedError


class Combinations(NamedTuple):
    """One row for each hedge; costs are exact."""

    long: Places
    short: Places
    costs: tuple[Decimal, ...]
    most: tuple[Decimal, ...]
    bounds: tuple[str, ...]


class BestNumbers(NamedTuple):
    """Best number of each combination, and what it comes to."""

    lots: NDArray[np.int64]
    protection: Floats
    cap: Floats


def together(market: OptionMarket, long: Places, short: Places) -> tuple[Places, Places]:
    moments = np.array([quote.expiry.timestamp() for quote in market.quotes])
    same = moments[long][:, None] == moments[short][None, :]
    rows, columns = np.nonzero(same)
    return long[rows], short[columns]


def combined(method: HedgeTerms, market: OptionMarket, usable: Places) -> Combinations:
    asks, bids = market.premiums(BUY), market.premiums(SELL)
    long = usable[(market.rights[usable] < 0.0) & (asks[usable] > 0.0)]
    bought, sold = method.pairs(market, long, usable[bids[usable] > 0.0])
    paid = {place: (market.quotes[place].ask or Decimal(0)) + market.fee(place, BUY) for place in set(bought.tolist())}
    got = {place: (market.quotes[place].bid or Decimal(0)) - market.fee(place, SELL) for place in set(sold.tolist())}
    pairs = list(zip(bought.tolist(), sold.tolist() or [-1] * bought.size, strict=True))
    costs = tuple(paid[long] - got.get(short, Decimal(0)) for long, short in pairs)
    limits = [_most(method, market, pair, cost) for pair, cost in zip(pairs, costs, strict=True)]
    return Combinations(bought, sold, costs, tuple(most for most, _ in limits), tuple(name for _, name in limits))


def _most(method: HedgeTerms, market: OptionMarket, pair: tuple[int, int], cost: Decimal) -> tuple[Decimal, str]:
    """Largest number of contracts, and what bounds it."""
    contract = market.contract
    covered = market.holding * Decimal(repr(method.coverage)) / contract.multiplier
    sells_calls = pair[1] >= 0 and market.quotes[pair[1]].right > 0
    if sells_calls and contract.coin_settled and cost > 0:
        # Coin that pays the premium covers no call.
        covered = min(covered, market.holding / (contract.multiplier * (1 + cost)))
    limits = [(covered, "coverage")]
    if cost > 0:
        limits.append((budget_of(method, market) / (cost * contract.multiplier), "max_cost"))
    depths = [market.quotes[place].depth for place in pair if place >= 0]
    limits += [(depth, "depth") for depth in depths if depth is not None]
    return min(limits, key=lambda limit: limit[0])


def budget_of(method: HedgeTerms, market: OptionMarket) -> Decimal:
    """Largest net premium with fees [settlement currency]: coin is valued at the mark, so that the mark cancels."""
    value = market.holding * (Decimal(1) if market.contract.coin_settled else market.mark)
    return value * Decimal(repr(method.max_cost))


def best_numbers(method: HedgeTerms, market: OptionMarket, rows: Combinations) -> BestNumbers:
    """Best lots of every combination: an end, or next to the kink of the floor."""
    contract = market.contract
    most = np.array([min(whole_lots(size, contract.lot), MOST_LOTS) for size in rows.most], dtype=np.int64)
    lot = float(contract.lot * contract.multiplier)
    choices = [most]
    if method.objective == "floor":
        # The values at zero and at the bought strike, as functions of the lots, meet here.
        kink = np.floor(np.minimum(_kinks(market, rows) / lot, most)).astype(np.int64)
        choices += [kink, np.minimum(kink + 1, most)]
    lots, protection = np.zeros_like(most), np.zeros(most.size)
    for number in choices:
        usable = np.where(number >= contract.smallest, number, 0)
        gain = np.where(usable > 0, _protection(method, market, rows, usable * lot), 0.0)
        better = gain > protection
        lots, protection = np.where(better, usable, lots), np.where(better, gain, protection)
    caps = market.strikes[rows.short] if rows.short.size else np.zeros(most.size)
    return BestNumbers(lots, protection, np.where(lots > 0, caps, 0.0))


def _kinks(market: OptionMarket, rows: Combinations) -> Floats:
    """Size at which the value at a price of zero equals that at the bought strike [base units]; N without one.

    With a premium in coin: ``q D = (N − q c) K``, D being the strike less that of a put which is sold.
    """
    held, strike = float(market.holding), market.strikes[rows.long]
    cost = np.array([float(cost) for cost in rows.costs])
    width = strike.copy()
    if rows.short.size:
        width -= np.where(market.rights[rows.short] < 0.0, market.strikes[rows.short], 0.0)
    return (
        held * strike / np.maximum(width + np.where(market.contract.coin_settled, cost, 0.0) * strike, 1e-12 * strike)
    )


def _protection(method: HedgeTerms, market: OptionMarket, rows: Combinations, sizes: Floats) -> Floats:
    """What is maximised, for each combination at its size [base units], as a fraction of the holding's value."""
    mark, held = float(market.mark), float(market.holding)
    if method.objective == "shocks":
        prices = np.broadcast_to(mark * (1.0 + np.array(method.shocks)), (sizes.size, len(method.shocks)))
        return np.asarray(_gain(market, rows, sizes, prices).mean(axis=1) / (held * mark))
    strikes = [market.strikes[rows.long]] + ([market.strikes[rows.short]] if rows.short.size else [])
    prices = np.column_stack([np.zeros(sizes.size), *strikes])
    return np.asarray((held * prices + _gain(market, rows, sizes, prices)).min(axis=1) / (held * mark))


def _gain(market: OptionMarket, rows: Combinations, sizes: Floats, prices: Floats) -> Floats:
    """Pay-off less cost at expiry of each combination [quote], shape (combinations, prices)."""
    cost = np.array([float(cost) for cost in rows.costs])[:, None]
    paid = cost * prices if market.contract.coin_settled else cost
    gain = np.maximum(market.strikes[rows.long][:, None] - prices, 0.0) - paid
    if rows.short.size:
        right = market.rights[rows.short][:, None]
        gain = gain - np.maximum(right * (prices - market.strikes[rows.short][:, None]), 0.0)
    return np.asarray(sizes[:, None] * gain)
