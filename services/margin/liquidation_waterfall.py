"""What happens when a position is liquidated: at which price, how much of it, and who bears what is left.

The order of the waterfall: the position is sold, in part where that is enough; what the sale lacks comes from the
insurance fund; what the fund lacks, from the positions of others (auto-deleveraging), at a price that is bounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Floats

Skipped = Literal["same_side", "under_maintenance", "no_profit_left", "would_fall_under_maintenance"]


def bankruptcy_price(
    quantity: float, mark: float, maintenance: float, total_collateral: float, total_maintenance: float
) -> float:
    r"""Price at which closing one position leaves an account with its share of nothing.

    ``P = (Q P_mark − TNC · MMR / TMMR) / Q``: its part of the collateral is its part of maintenance.

    Parameters
    ----------
    quantity : float
        Q, signed [base].
    mark : float
        [quote per base].
    maintenance : float
        MMR of this position [quote], > 0.
    total_collateral : float
        TNC: equity of the account, which may be negative [quote].
    total_maintenance : float
        TMMR of the account [quote], >= `maintenance`.

    References
    ----------
    dYdX v4, `x/clob`, GetBankruptcyPriceInQuoteQuantums: ``(−DNNV − TNC |DMMR| / TMMR) / size`` for a full close.

    Examples
    --------
    >>> bankruptcy_price(1.0, 50_000.0, 1_500.0, 5_000.0, 1_500.0)
    45000.0
    """
    _check_share(quantity, mark, maintenance, total_maintenance)
    return mark - total_collateral * (maintenance / total_maintenance) / quantity


def fillable_price(
    quantity: float,
    mark: float,
    maintenance: float,
    total_collateral: float,
    total_maintenance: float,
    *,
    bankruptcy_adjustment: float = 1.0,
    spread_to_maintenance: float = 0.1,
) -> float:
    r"""Worst price at which a liquidation order may fill: the more under water, the further from the mark.

    ``P = (Q P_mark − ABR · s · MMR) / Q``, ``ABR = clamp(a (1 − TNC / TMMR), 0, 1)``.

    Parameters
    ----------
    quantity, mark, maintenance, total_collateral, total_maintenance : float
        As in `bankruptcy_price`.
    bankruptcy_adjustment : float
        a >= 1: how soon the widest spread is reached.
    spread_to_maintenance : float
        s > 0: widest spread over maintenance.

    References
    ----------
    dYdX v4, `x/clob`, GetFillablePrice.

    Examples
    --------
    >>> fillable_price(-2.0, 100.0, 10.0, 4.0, 10.0, spread_to_maintenance=1.5)
    104.5
    """
    _check_share(quantity, mark, maintenance, total_maintenance)
    if not bankruptcy_adjustment >= 1.0 or not spread_to_maintenance > 0.0:
        raise InvalidInput("bankruptcy_adjustment", "must be >= 1, the spread > 0", bankruptcy_adjustment)
    rating = min(max(bankruptcy_adjustment * (1.0 - total_collateral / total_maintenance), 0.0), 1.0)
    return mark - rating * spread_to_maintenance * maintenance / quantity


def auction_fraction(
    net_maintenance: float, mark_to_market: float, *, discount: float, buffer: float = 0.1, reserved: float = 0.0
) -> float:
    r"""Largest share of an account that an auction may sell: what brings it back above maintenance with a buffer.

    ``f = B / (B − M d − R (1 − d))``, ``B = N + (N − M) · buffer``, clamped to [0, 1].

    Parameters
    ----------
    net_maintenance : float
        N: equity after haircuts less maintenance [quote]; negative where the account is short.
    mark_to_market : float
        M: value of the account [quote].
    discount : float
        d in [0, 1]: share of the value that the auction asks for now; it falls as time passes.
    buffer : float
        Extra margin, as a share of M − N.
    reserved : float
        R: cash of earlier bids that is not sold again [quote].

    Returns
    -------
    float
        0 where the account is not short, 1 where selling all of it does not suffice.

    References
    ----------
    Derive (Lyra v2), DutchAuction, `_getMaxProportion`.

    Examples
    --------
    Short by 20 and worth 80: a fifth sold at its value brings 16, and four fifths are short by 16.

    >>> auction_fraction(-20.0, 80.0, discount=1.0, buffer=0.0)
    0.2
    """
    if not 0.0 <= discount <= 1.0:
        raise InvalidInput("discount", "must lie in [0, 1]", discount)
    buffered = net_maintenance + (net_maintenance - mark_to_market) * buffer
    if buffered >= 0.0:
        return 0.0
    rest = buffered - mark_to_market * discount - reserved * (1.0 - discount)
    return min(max(buffered / rest, 0.0), 1.0) if rest < 0.0 else 1.0


def partial_liquidation_size(
    shortage: float,
    price: float,
    liability_weight: float,
    *,
    asset_weight: float = 0.0,
    asset_multiplier: float = 1.0,
    liability_multiplier: float = 1.0,
    insurance_fee: float = 0.0,
    position: float = math.inf,
) -> float:
    r"""Liability that is taken over so that an account's margin is whole again.

    ``shortage / (P (w_l − w_a m_a / m_l) − P · fee · w_l)``: freed margin per unit, less the asset given for it.

    Parameters
    ----------
    shortage : float
        Margin that is missing [quote].
    price : float
        P of the liability [quote per base].
    liability_weight, asset_weight : float
        w_l >= 1 and w_a <= 1: what a unit of debt costs, and a unit of asset brings, in margin.
    asset_multiplier, liability_multiplier : float
        m_a >= 1 and m_l <= 1: discounts that the liquidator gets.
    insurance_fee : float
        Share that goes to the insurance fund.
    position : float
        Size of the liability [base]; no more than that is taken over.

    Returns
    -------
    float
        [base]; the whole position where no part of it would free margin.

    References
    ----------
    Drift Protocol v2, `calculate_liability_transfer_to_cover_margin_shortage`.

    Examples
    --------
    >>> round(partial_liquidation_size(10.0, 100.0, 1.2, asset_weight=0.8, insurance_fee=0.01), 9)
    0.257731959
    """
    if not price > 0.0 or not liability_multiplier > 0.0:
        raise InvalidInput("price", "and liability_multiplier must be > 0", price)
    if shortage <= 0.0:
        return 0.0
    freed = liability_weight - asset_weight * asset_multiplier / liability_multiplier
    margin_per_unit = price * freed - price * insurance_fee * liability_weight
    return min(shortage / margin_per_unit, position) if margin_per_unit > 0.0 else position


class LossShares(NamedTuple):
    """Who bears a loss [quote]: the fund, and what is left for others' positions."""

    insurance: float
    uncovered: float
    fund_left: float


def absorb_loss(loss: float, fund: float) -> LossShares:
    """A loss beyond an account's collateral, taken from the insurance fund as far as it goes.

    Examples
    --------
    >>> absorb_loss(120.0, 100.0)
    LossShares(insurance=100.0, uncovered=20.0, fund_left=0.0)
    """
    paid = min(max(loss, 0.0), max(fund, 0.0))
    return LossShares(paid, max(loss, 0.0) - paid, max(fund, 0.0) - paid)


class FundCover(NamedTuple):
    """Fund over the largest loss, over the two largest together, and how many of the largest it bears in full."""

    cover_1: float
    cover_2: float
    members: int


def fund_cover(losses: Floats, fund: float) -> FundCover:
    """How an insurance fund stands against the default of its largest members in one scenario.

    Parameters
    ----------
    losses : (n,) array
        Loss of each member beyond its own collateral; a gain does not count [quote].
    fund : float
        [quote], >= 0.

    Returns
    -------
    FundCover
        Ratios are infinite without a loss; at least 1 is passed.

    References
    ----------
    CPMI-IOSCO (2012), Principles for financial market infrastructures, principle 4: cover 1 and cover 2.

    Examples
    --------
    >>> fund_cover(np.array([40.0, -10.0, 60.0, 20.0]), 110.0)
    FundCover(cover_1=1.8333333333333333, cover_2=1.1, members=2)
    """
    if not fund >= 0.0 or not np.isfinite(losses).all():
        raise InvalidInput("fund", "must be >= 0, and losses finite", fund)
    ordered = np.sort(np.maximum(losses, 0.0))[::-1]
    needed = np.cumsum(ordered)
    one, two = (float(ordered[:count].sum()) for count in (1, 2))
    members = int(np.count_nonzero(needed <= fund * (1.0 + 1e-12)))
    return FundCover(fund / one if one else math.inf, fund / two if two else math.inf, members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterparty:
    """A position that may be deleveraged.

    Parameters
    ----------
    name : str
        Of the account.
    quantity : float
        Signed [base].
    entry_price : float
        [quote per base].
    equity : float
        Of the account, at the mark [quote].
    maintenance_rate : float
        Of the position [fraction of notional].
    """

    name: str
    quantity: float
    entry_price: float
    equity: float
    maintenance_rate: float = 0.0


class Deleveraged(NamedTuple):
    """One closed part: unsigned size [base], and what it costs its owner against the mark [quote]."""

    name: str
    quantity: float
    cost: float


@dataclass(frozen=True, slots=True)
class Deleveraging:
    """Who was deleveraged, who was not and why.

    `uncovered`: the size that nobody could take [base]; `socialised`: what the price cap leaves of the loss [quote].
    """

    price: float
    filled: tuple[Deleveraged, ...]
    skipped: tuple[tuple[str, Skipped], ...]
    uncovered: float
    socialised: float


def deleveraging_score(position: Counterparty, mark: float) -> float:
    """Rank of a position: profit times leverage where it wins, profit over leverage where it loses; larger goes first.

    ``profit = (mark/entry − 1) · side``, ``leverage = |q| mark / equity``.

    References
    ----------
    BitMEX, Binance and Bybit, auto-deleveraging: profit and leverage ranking.

    Examples
    --------
    >>> winner = Counterparty(name="a", quantity=-1.0, entry_price=125.0, equity=50.0)
    >>> round(deleveraging_score(winner, 100.0), 12)
    0.4
    """
    side = math.copysign(1.0, position.quantity)
    profit = side * (mark / position.entry_price - 1.0)
    leverage = abs(position.quantity) * mark / position.equity if position.equity > 0.0 else math.inf
    if not math.isfinite(leverage):
        return math.inf if profit > 0.0 else 0.0
    return profit * leverage if profit > 0.0 else profit / leverage if leverage else 0.0


def deleverage(
    quantity: float,
    bankruptcy: float,
    mark: float,
    counterparties: Sequence[Counterparty],
    *,
    price_cap: float = 0.05,
) -> Deleveraging:
    r"""Close a bankrupt position against those who gained from it, by rank.

    Parameters
    ----------
    quantity : float
        Of the bankrupt position, signed [base].
    bankruptcy : float
        Price at which it should close [quote per base]: see `bankruptcy_price`.
    mark : float
        [quote per base].
    counterparties : sequence of Counterparty
        Any order: of equal rank the name decides.
    price_cap : float
        Largest distance of the closing price from the mark [fraction]: nobody pays more. What it leaves of the loss
        is `socialised`.

    Returns
    -------
    Deleveraging

    Notes
    -----
    Checked **before**: the other side, equity above maintenance, and a profit left at the closing price. Checked
    **after**: an account that would fall under its maintenance is passed over. Each position is closed in whole or to
    the size that is needed. Cost O(n log n).

    References
    ----------
    GMX v2, audit findings sherlock-audit/2023-02-gmx #143 (no bound on the price) and #153 (candidates not checked
    again).

    Examples
    --------
    >>> others = [Counterparty(name="a", quantity=-1.0, entry_price=125.0, equity=50.0),
    ...           Counterparty(name="b", quantity=-1.0, entry_price=105.0, equity=500.0)]
    >>> found = deleverage(1.5, 102.0, 100.0, others)
    >>> [(item.name, item.quantity) for item in found.filled], found.uncovered
    ([('a', 1.0), ('b', 0.5)], 0.0)
    """
    for name, value in (("bankruptcy", bankruptcy), ("mark", mark)):
        if not 0.0 < value < math.inf:
            raise InvalidInput(name, "must be finite and > 0", value)
    if not 0.0 <= price_cap < 1.0:
        raise InvalidInput("price_cap", "must lie in [0, 1)", price_cap)
    price = min(max(bankruptcy, mark * (1.0 - price_cap)), mark * (1.0 + price_cap))
    left, filled, skipped = abs(quantity), [], []
    for item in sorted(counterparties, key=lambda item: (-deleveraging_score(item, mark), item.name)):
        if left <= 0.0:
            break
        size = min(abs(item.quantity), left)
        reason = _unfit(item, quantity, price, mark, size)
        if reason is not None:
            skipped.append((item.name, reason))
            continue
        filled.append(Deleveraged(item.name, size, _cost(item, size, price, mark)))
        left -= size
    lost = math.copysign(1.0, quantity) * (bankruptcy - price) * (abs(quantity) - left)
    return Deleveraging(price, tuple(filled), tuple(skipped), left, max(lost, 0.0))


def keeps_deleveraging(profit_share: float, active: bool, *, start: float = 0.85, stop: float = 0.77) -> bool:
    """Whether deleveraging is on: from the share of a pool's value that traders' profits take, with hysteresis.

    References
    ----------
    GMX v2: maximum profit factor for deleveraging, and the least factor after it.

    Examples
    --------
    >>> keeps_deleveraging(0.8, False), keeps_deleveraging(0.8, True), keeps_deleveraging(0.76, True)
    (False, True, False)
    """
    if not stop < start:
        raise InvalidInput("stop", "must be below start", stop)
    return profit_share > (stop if active else start)


def _unfit(item: Counterparty, quantity: float, price: float, mark: float, size: float) -> Skipped | None:
    if item.quantity * quantity >= 0.0:
        return "same_side"
    if item.equity <= item.maintenance_rate * abs(item.quantity) * mark:
        return "under_maintenance"
    if math.copysign(1.0, item.quantity) * (price - item.entry_price) <= 0.0:
        return "no_profit_left"
    after = item.equity - _cost(item, size, price, mark)
    if after < item.maintenance_rate * (abs(item.quantity) - size) * mark or after < 0.0:
        return "would_fall_under_maintenance"
    return None


def _cost(item: Counterparty, size: float, price: float, mark: float) -> float:
    return math.copysign(1.0, item.quantity) * (mark - price) * size


def _check_share(quantity: float, mark: float, maintenance: float, total_maintenance: float) -> None:
    if not quantity or not math.isfinite(quantity):
        raise InvalidInput("quantity", "must be finite and not 0", quantity)
    if not mark > 0.0:
        raise InvalidInput("mark", "must be > 0", mark)
    if not 0.0 < maintenance <= total_maintenance:
        raise InvalidInput("maintenance", "must lie in (0, total_maintenance]", maintenance)
