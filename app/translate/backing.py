"""Balances, loans and distress of the wire as those of the core, and what they count as margin as an answer."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from app.translate.answer import money, stat
from app.translate.notes import Notes
from models.api.balance import AccountLoanIn, BalanceIn, CollateralIn, OwedIn, PledgedIn
from services.core.book import AccountLoan, AssetClass, Collateral, LoanMargin
from services.core.decimals import decimal_text
from services.core.errors import InvalidInput
from services.engine.contagion import Tightening, VenueTightening
from services.margin.collateral import Backing, Correlated, Credit, CreditReason, LoanStanding
from services.margin.loans import health_factor

MAJORS = frozenset({"BTC", "ETH"})
UNITS = {
    "value": "account currency",
    "haircut": "fraction of the value",
    "parts": "fraction of the value; wrong_way, contagion and stale are factors on their sum",
    "health_factor": "liquidation threshold of the collateral over the debt",
}


class Balances:
    """Builds balances of the core and remembers what it had to assume, so that it can be listed once for all."""

    def __init__(self, currency: str, as_of: datetime, markets: Iterable[str], tolerance: timedelta) -> None:
        self.currency, self.as_of, self.markets, self.tolerance = currency, as_of, frozenset(markets), tolerance
        self.assumed: dict[str, list[str]] = {}

    def collateral(self, items: Iterable[CollateralIn]) -> tuple[Collateral, ...]:
        """Balances behind the equity.

        Raises
        ------
        InvalidInput
            For a price of the future.
        """
        pointer = "account.collateral"
        return tuple(self._balance(item, item.amount, f"{pointer}.{place}") for place, item in enumerate(items))

    def loans(self, items: Iterable[AccountLoanIn]) -> tuple[AccountLoan, ...]:
        """Loans, named by their place where they have no name."""
        return tuple(self._loan(item, place) for place, item in enumerate(items))

    def tell(self, notes: Notes) -> None:
        """One assumption for all balances that share it."""
        for text, names in self.assumed.items():
            value, _, effect = text.partition(": ")
            notes.assume("/account/collateral", value, f"for {', '.join(dict.fromkeys(names))}: {effect}")

    def _loan(self, item: AccountLoanIn, place: int) -> AccountLoan:
        name, pointer = item.name or str(place), f"account.loans.{place}.collateral"
        if item.maximum_loan_to_value is None and item.margin == "cross":
            self._assume("maximum_loan_to_value 0: what the loan pledges gives no credit for initial margin", name)
        return AccountLoan(
            name=name,
            collateral=self._balance(item.collateral, item.collateral.amount, pointer, counted=item.margin == "cross"),
            debt=self._owed(item.debt),
            liquidation_threshold=item.liquidation_threshold,
            maximum_loan_to_value=item.maximum_loan_to_value or 0.0,
            borrow_rate=item.borrow_rate,
            supply_rate=item.supply_rate,
            margin=LoanMargin(item.margin),
        )

    def _owed(self, item: OwedIn) -> Collateral:
        return Collateral(item.asset, float(item.amount), self._price(item))

    def _price(self, item: BalanceIn | OwedIn) -> float | None:
        if item.asset == self.currency:
            return 1.0
        return None if item.price is None else float(item.price)

    def _balance(
        self, item: CollateralIn | PledgedIn, amount: Decimal, pointer: str, *, counted: bool = True
    ) -> Collateral:
        """Balance of the core; what is not counted as margin, as in an isolated loan, has no haircut to assume for."""
        price, held = self._price(item), counted and item.asset != self.currency and amount > 0
        if item.as_of is not None and item.as_of > self.as_of + self.tolerance:
            rule = f"must not lie after as_of ({self.as_of.isoformat()})"
            raise InvalidInput(f"{pointer}.as_of", rule, item.as_of.isoformat())
        return Collateral(
            asset=item.asset,
            amount=float(amount),
            price=price,
            asset_class=self._class(item, needed=held),
            volatility=item.volatility,
            market_key=self._market(item),
            venue=item.venue,
            age_seconds=self._age(item, known=price is not None and held),
            heartbeat_seconds=item.heartbeat_seconds,
            peg_price=self._peg(item, price, needed=held),
            spread=item.spread,
            average_daily_volume=self._volume(item, needed=held),
            deposits=None if item.deposits is None else float(item.deposits),
            deposit_cap=None if item.deposit_cap is None else float(item.deposit_cap),
            wrong_way_correlation=item.wrong_way_correlation,
        )

    def _class(self, item: BalanceIn, *, needed: bool) -> AssetClass:
        if item.asset_class is not None:
            return AssetClass(item.asset_class)
        if item.asset == self.currency:
            return AssetClass.CASH
        if item.asset in MAJORS:
            return AssetClass.MAJOR
        if needed:
            self._assume("asset_class other: the largest floor of a haircut", item.asset)
        return AssetClass.OTHER

    def _market(self, item: BalanceIn) -> str | None:
        if item.market is None:
            return None
        return balance_market(item.market, item.venue, self.markets)

    def _age(self, item: BalanceIn, *, known: bool) -> float | None:
        if item.as_of is not None:
            return max((self.as_of - item.as_of).total_seconds(), 0.0)
        if known:
            self._assume("as_of of the request: the price is taken as of now", item.asset)
        return None

    def _peg(self, item: BalanceIn, price: float | None, *, needed: bool) -> float | None:
        if item.peg_price is not None:
            return float(item.peg_price)
        if item.asset_class != "stable" or item.asset == self.currency:
            return None
        if needed:
            self._assume("peg_price as price: it is taken to be pegged to the account currency", item.asset)
        return price

    def _volume(self, item: BalanceIn, *, needed: bool) -> float | None:
        if item.average_daily_volume is not None:
            return float(item.average_daily_volume)
        if needed:
            self._assume("no average_daily_volume: the haircut has no add-on for size", item.asset)
        return None

    def _assume(self, text: str, name: str) -> None:
        self.assumed.setdefault(text, []).append(name)


def balance_market(market: str, venue: str | None, posted: Container[str]) -> str:
    """Key of the market of a balance: the posted series, else the state of its venue."""
    return market if market in posted or venue is None else f"{market}@{venue}"


def backing_block(found: Backing) -> dict[str, Any]:
    """`margin.collateral`: the equity that counts, balance by balance and loan by loan."""
    return {
        "equity": money(found.equity),
        "equity_initial": money(found.equity_initial),
        "equity_maintenance": money(found.equity_maintenance),
        "locked_in_loans": money(found.locked),
        "health_factor": stat(found.health_factor),
        "complete": found.complete,
        "trusted": found.trusted,
        "assets": [_credit(item) for item in found.credits],
        "loans": [_loan(item) for item in found.loans],
        "units": UNITS,
    }


def _credit(item: Credit) -> dict[str, Any]:
    holding, owed = item.holding, item.reason is CreditReason.OWED
    out: dict[str, Any] = {"asset": holding.balance.asset, **({"loan": holding.loan.name} if holding.loan else {})}
    out |= {
        "amount": decimal_text(holding.balance.amount),
        "price": money(holding.seen.price),
        "value": money(item.value),
        "credit_initial": money(item.initial),
        "credit_maintenance": money(item.maintenance),
        "haircut_initial": stat(item.haircut_initial),
        "haircut_maintenance": stat(item.haircut_maintenance),
        "reason": item.reason,
    }
    return out if owed else {**out, "volatility": stat(holding.seen.volatility), "parts": _parts(item)}


def _parts(item: Credit) -> dict[str, Any]:
    parts, seen = item.parts, item.holding.seen
    return {
        **{name: stat(float(getattr(parts, name)[0])) for name in ("tail", "spread", "size", "peg")},
        "floor": stat(item.floor),
        "wrong_way": stat(float(parts.wrong_way[0])),
        "wrong_way_correlation": stat(seen.correlation),
        "wrong_way_source": seen.source,
        "contagion": stat(seen.multiplier),
        "stale": bool(parts.stale[0]),
    }


def _loan(item: LoanStanding) -> dict[str, Any]:
    loan, known = item.loan, item.value
    out: dict[str, Any] = {"name": loan.name, "margin": loan.margin}
    if known is None:
        return {**out, "reason": CreditReason.PRICE_REQUIRED}
    return {
        **out,
        "collateral": money(known.collateral),
        "debt": money(known.debt),
        "equity": money(known.equity),
        "loan_to_value": stat(known.loan_to_value),
        "health_factor": stat(health_factor([known])),
        "borrowable": money(known.borrowable),
        "liquidation_price": money(item.liquidation_price),
        "seconds_to_liquidation": stat(known.seconds_to_liquidation()),
    }


def tightening_rows(found: Tightening) -> list[dict[str, Any]]:
    """`contagion[]`: how far each venue is tightened, and by what."""
    return [{"venue": name, **_venue(item)} for name, item in found.venues.items()]


def _venue(item: VenueTightening) -> dict[str, Any]:
    seen = item.seen
    return {
        "multiplier": stat(item.multiplier),
        "previous": stat(item.previous),
        "increase_multiplier": stat(1.0 / item.multiplier) if item.known else 0.0,
        "distress": stat(item.distress),
        "given": stat(item.given),
        "coverage": None if seen is None else stat(seen.coverage),
        "scores": {} if seen is None else {name: stat(score) for name, score in seen.scores.items()},
    }


def tell_backing(found: Backing, notes: Notes) -> None:
    """Correlations that were taken at their worst, and figures that lack or are stale."""
    by_reason: dict[CreditReason, list[str]] = {}
    for item in found.credits:
        by_reason.setdefault(item.reason, []).append(item.holding.balance.asset)
    worst = [item.holding.balance.asset for item in found.credits if item.holding.seen.source is Correlated.WORST]
    if worst:
        effect = "its correlation with the positions is not known: send wrong_way_correlation, or a series for all"
        notes.assume("/account/collateral", "wrong_way_correlation 1", f"for {_names(worst)}: {effect}")
    lacking = by_reason.get(CreditReason.PRICE_REQUIRED, [])
    lacking += [item.loan.name for item in found.loans if item.value is None]
    if lacking:
        rest = "" if found.complete else ", and no position is increased"
        notes.warn("collateral_unpriced", f"{_names(lacking)}: without a price it is not known what counts{rest}")
    if blind := by_reason.get(CreditReason.VOLATILITY_UNAVAILABLE):
        notes.warn("collateral_unknown", f"{_names(blind)}: without a volatility it gives no credit")
    if stale := by_reason.get(CreditReason.STALE_PRICE):
        text = f"{_names(stale)}: older than its heartbeat, so no credit for initial margin; nothing is closed for it"
        notes.warn("collateral_stale", text)


def tell_tightening(found: Tightening, places: Iterable[tuple[str, str | None]], notes: Notes) -> None:
    """Venues and rows of which nothing is known."""
    held = [name for name, item in found.venues.items() if item.distress is None and item.remembered]
    if held:
        notes.warn("distress_unknown", f"{_names(held)}: no distress and no metric, so nothing is loosened")
    unknown = {symbol for symbol, place in places if place is None or not _known(found, place)}
    if unknown:
        text = f"{_names(sorted(unknown))}: nothing is known of the distress of its venue, so it is not increased"
        notes.warn("venue_unknown", text)


def _known(found: Tightening, place: str) -> bool:
    return place in found.venues and found.venues[place].known


def _names(items: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(items))
