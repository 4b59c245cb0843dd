"""The waterfall as a whole: a liquidated position sold in slices, the fund, then the positions of others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from services.core.errors import InvalidInput
from services.margin.liquidation_waterfall import (
    Counterparty,
    Deleveraging,
    absorb_loss,
    bankruptcy_price,
    deleverage,
    fillable_price,
    partial_liquidation_size,
)

Ended = Literal["healthy", "restored", "closed", "not_fillable", "fund_exhausted"]
"""Why selling ended: never begun, margin whole, nothing left, no price allowed, or the fund could not pay for it."""
_MAX_SLICES = 200
_WHOLE = 1e-9
"""Relative slack of what is whole again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidatedAccount:
    """An account, and the position of it that is sold.

    Parameters
    ----------
    quantity : float
        Signed [base], not 0.
    mark : float
        [quote per base].
    equity : float
        Of the whole account at the mark; may be negative [quote].
    maintenance_rate : float
        Of the position [fraction of notional], > 0.
    other_maintenance : float
        Of the account's other positions [quote], >= 0.
    """

    quantity: float
    mark: float
    equity: float
    maintenance_rate: float
    other_maintenance: float = 0.0

    def __post_init__(self) -> None:
        if not self.quantity or not math.isfinite(self.quantity):
            raise InvalidInput("quantity", "must be finite and not 0", self.quantity)
        if not 0.0 < self.mark < math.inf or not math.isfinite(self.equity):
            raise InvalidInput("mark", "must be > 0, and equity finite", self.mark)
        if not 0.0 < self.maintenance_rate < 1.0:
            raise InvalidInput("maintenance_rate", "must lie in (0, 1)", self.maintenance_rate)
        if not 0.0 <= self.other_maintenance < math.inf:
            raise InvalidInput("other_maintenance", "must be finite and >= 0", self.other_maintenance)

    @property
    def side(self) -> float:
        """1 for a long, -1 for a short."""
        return math.copysign(1.0, self.quantity)

    @property
    def own_maintenance(self) -> float:
        """Of the position [quote]."""
        return self.maintenance_rate * abs(self.quantity) * self.mark

    @property
    def maintenance(self) -> float:
        """Of the account [quote]."""
        return self.own_maintenance + self.other_maintenance

    @property
    def bankruptcy(self) -> float:
        """Price at which closing leaves the account its share of nothing."""
        return bankruptcy_price(self.quantity, self.mark, self.own_maintenance, self.equity, self.maintenance)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallRules:
    """How a position is liquidated.

    Parameters
    ----------
    slippage : float, optional
        Of a slice against the mark [fraction]; by default slices fill at the worst price that is allowed.
    slice_fraction, slice_quote : float
        A slice is the larger of this share of the position and this notional [quote].
    restore_to : float
        Equity over maintenance at which selling ends, >= 1.
    fee_rate : float
        Of a slice's notional, paid to the fund as far as the price is better than bankruptcy.
    bankruptcy_adjustment, spread_to_maintenance : float
        See `fillable_price`, counted against the maintenance that is to be restored; dYdX: 1 and 1.5.
    price_cap : float
        See `deleverage`.
    """

    slippage: float | None = None
    slice_fraction: float = 0.1
    slice_quote: float = 100_000.0
    restore_to: float = 1.1
    fee_rate: float = 0.005
    bankruptcy_adjustment: float = 1.0
    spread_to_maintenance: float = 1.5
    price_cap: float = 0.05

    def __post_init__(self) -> None:
        if self.slippage is not None and not 0.0 <= self.slippage < 1.0:
            raise InvalidInput("slippage", "must lie in [0, 1)", self.slippage)
        if not 0.01 <= self.slice_fraction <= 1.0 or not self.slice_quote >= 0.0:
            raise InvalidInput("slice_fraction", "must lie in [0.01, 1], slice_quote be >= 0", self.slice_fraction)
        if not 1.0 <= self.restore_to <= 10.0:
            raise InvalidInput("restore_to", "must lie in [1, 10]", self.restore_to)
        if not 0.0 <= self.fee_rate < 1.0:
            raise InvalidInput("fee_rate", "must lie in [0, 1)", self.fee_rate)


@dataclass(frozen=True, slots=True)
class Slice:
    """One sale of a part: unsigned size, prices, what the fund got (> 0) or paid, and the account after it."""

    quantity: float
    worst_price: float
    bankruptcy: float
    price: float
    to_fund: float
    equity: float
    maintenance: float


@dataclass(frozen=True, slots=True)
class Waterfall:
    """What a liquidation does.

    Parameters
    ----------
    account : LiquidatedAccount or None
        What is left of it; None where nothing of the position is.
    equity : float
        Of the account at the end [quote].
    needed : float
        Size that restores margin at the first slice's price, before slices change it; all where none does [base].
    slices : tuple of Slice
    ended : str
        Why selling ended.
    deleveraging : Deleveraging or None
        At the bankruptcy price of what was left.
    fund_left : float
        [quote].
    socialised : float
        Loss that neither the fund nor a counterparty bears [quote].
    uncovered : float
        Size that nobody took, which stays open [base].
    """

    account: LiquidatedAccount | None
    equity: float
    needed: float
    slices: tuple[Slice, ...]
    ended: Ended
    deleveraging: Deleveraging | None
    fund_left: float
    socialised: float
    uncovered: float


def run_waterfall(
    account: LiquidatedAccount, rules: WaterfallRules, *, fund: float, counterparties: Sequence[Counterparty] = ()
) -> Waterfall:
    r"""Liquidate a position: slices while the price is allowed and the fund can pay, then deleverage the rest.

    A slice of size s at price p moves equity by ``side · s · (p − mark) − to_fund``, where the fund gets
    ``min(fee · s · p, gap)`` while ``gap = side · s · (p − bankruptcy)`` is positive, and pays the gap where it is not:
    the account keeps its share of nothing. What is left is closed at its bankruptcy price against others.

    Parameters
    ----------
    account : LiquidatedAccount
    rules : WaterfallRules
    fund : float
        Insurance fund [quote], >= 0.
    counterparties : sequence of Counterparty
        Who may be deleveraged.

    Returns
    -------
    Waterfall

    Raises
    ------
    InvalidInput
        If the fund is negative or not finite.

    Notes
    -----
    Nobody is deleveraged for an account above maintenance, restored in full or not.

    Bankruptcy and worst price are taken anew for every slice, from the account as it is then. Against the mark nothing
    is lost or made: equity, fund, buyers, counterparties and what is socialised sum to zero. At the bankruptcy price no
    part of a position restores margin, so deleveraging takes the whole rest. The mark stands still meanwhile.

    References
    ----------
    dYdX v4, `x/clob` (slices, fund, deleveraging). Drift v2 (partial size). GMX v2 audits (see `deleverage`).

    Examples
    --------
    >>> thin = LiquidatedAccount(quantity=10.0, mark=100.0, equity=40.0, maintenance_rate=0.05)
    >>> found = run_waterfall(thin, WaterfallRules(slice_quote=0.0), fund=50.0)
    >>> found.ended, len(found.slices), round(found.equity / found.account.maintenance, 9)
    ('restored', 5, 1.1)
    """
    if not 0.0 <= fund < math.inf:
        raise InvalidInput("fund", "must be finite and >= 0", fund)
    if account.equity > account.maintenance:
        return Waterfall(account, account.equity, 0.0, (), "healthy", None, fund, 0.0, 0.0)
    needed = _needed(account, rules, _price(account, rules))
    left, slices, fund, ended = _sold(account, rules, fund)
    equity = slices[-1].equity if slices else account.equity
    if left is None or left.equity > left.maintenance:
        return Waterfall(left, equity, needed, slices, ended, None, fund, 0.0, 0.0)
    taken = deleverage(left.quantity, left.bankruptcy, left.mark, counterparties, price_cap=rules.price_cap)
    size = abs(left.quantity) - taken.uncovered
    borne = absorb_loss(taken.socialised, fund)
    equity += left.side * (taken.price - left.mark) * size + taken.socialised
    rest = replace(left, quantity=left.side * taken.uncovered, equity=equity) if taken.uncovered else None
    return Waterfall(rest, equity, needed, slices, ended, taken, borne.fund_left, borne.uncovered, taken.uncovered)


def _sold(
    account: LiquidatedAccount, rules: WaterfallRules, fund: float
) -> tuple[LiquidatedAccount | None, tuple[Slice, ...], float, Ended]:
    whole, slices = abs(account.quantity), list[Slice]()
    most = max(rules.slice_fraction * whole, rules.slice_quote / account.mark)
    while len(slices) < _MAX_SLICES:
        if account.equity >= rules.restore_to * account.maintenance * (1.0 - _WHOLE):
            return account, tuple(slices), fund, "restored"
        price, worst, bankruptcy = _price(account, rules), worst_price(account, rules), account.bankruptcy
        if account.side * (price - worst) < 0.0:
            return account, tuple(slices), fund, "not_fillable"
        size = min(abs(account.quantity), most, _needed(account, rules, price))
        gap = account.side * (price - bankruptcy) * size
        to_fund = min(rules.fee_rate * price * size, gap)
        if -to_fund > fund:
            return account, tuple(slices), fund, "fund_exhausted"
        fund += to_fund
        equity = account.equity + account.side * (price - account.mark) * size - to_fund
        left = abs(account.quantity) - size
        after = replace(account, quantity=account.side * left, equity=equity) if left > _WHOLE * whole else None
        maintenance = account.other_maintenance if after is None else after.maintenance
        slices.append(Slice(size, worst, bankruptcy, price, to_fund, equity, maintenance))
        if after is None:
            return None, tuple(slices), fund, "closed"
        account = after
    return account, tuple(slices), fund, "not_fillable"


def worst_price(account: LiquidatedAccount, rules: WaterfallRules) -> float:
    """Worst price at which a slice of the account may fill: see `fillable_price`."""
    return fillable_price(
        account.quantity,
        account.mark,
        account.own_maintenance * rules.restore_to,
        account.equity,
        account.maintenance * rules.restore_to,
        bankruptcy_adjustment=rules.bankruptcy_adjustment,
        spread_to_maintenance=rules.spread_to_maintenance,
    )


def _price(account: LiquidatedAccount, rules: WaterfallRules) -> float:
    if rules.slippage is None:
        return worst_price(account, rules)
    return account.mark * (1.0 - account.side * rules.slippage)


def _needed(account: LiquidatedAccount, rules: WaterfallRules, price: float) -> float:
    """Size that brings equity to `restore_to` times maintenance at a price, the fee included; all where none does.

    As a liability of weight ``1 + restore_to · rate`` for which a unit of asset is given, made dearer by price and fee.
    """
    dearer = (account.side * (account.mark - price) + rules.fee_rate * price) / account.mark
    return partial_liquidation_size(
        rules.restore_to * account.maintenance - account.equity,
        account.mark,
        1.0 + rules.restore_to * account.maintenance_rate,
        asset_weight=1.0,
        asset_multiplier=1.0 + dearer,
        position=abs(account.quantity),
    )
