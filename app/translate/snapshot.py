"""A request and what was gathered for it, as inputs of the engine: every assumption is written down."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import numpy as np

from app.translate.backing import Balances, balance_market
from app.translate.instruments import InstrumentKey, assumed_instrument, by_key, find
from app.translate.margin_modes import in_margin_mode
from app.translate.notes import Notes
from app.translate.option_quotes import read_quotes, surface_rows
from app.translate.oracles import aggregated
from app.translate.series import series_input
from models.api.balance import BalanceIn
from models.api.evaluation import EvaluationRequest, SnapshotIn
from models.api.market import AccountIn, MarkIn, PositionIn, SignalIn
from services.core.annualization import parse_interval
from services.core.book import Account, Collateral, OwnGreeks, PriceUsed, Row, Signal
from services.core.errors import InvalidInput
from services.core.instrument import Instrument, Kind, QuantityUnit, must_be_described
from services.core.outcome import Reason
from services.engine.inputs import SeriesInput, StateInput
from services.engine.option_quotes import QuotedRows
from services.guards.observation import Aggregate
from services.guards.policy import OraclePolicy
from services.sizing.diversification import FORECAST_SCALE, combined_forecast
from services.volatility.readout import VolatilityReadout

CLOCK_SKEW = timedelta(seconds=5)
DEFAULT_INTERVAL = "P1D"
FAR_FROM_CLOSE = 0.25
ZERO = Decimal(0)
_FIGURES = (
    "entry_price",
    "stop_price",
    "average_true_range",
    "expected_return",
    "win_probability",
    "win_loss_ratio",
)
"""Figures of a signal that some sizing methods need."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Translated request: account, rows and series, with the notes; `quoted` where option quotes were sent, and their
    `surfaces` as the full view tells them.
    """

    as_of: datetime
    account: Account
    rows: tuple[Row, ...]
    series: dict[str, SeriesInput]
    notes: Notes
    oracles: dict[str, Aggregate] = field(default_factory=dict)
    quoted: QuotedRows | None = None
    surfaces: list[dict[str, Any]] = field(default_factory=list)


class RowKey(NamedTuple):
    """Identity of a row."""

    symbol: str
    venue: str | None = None
    account_id: str | None = None
    position_side: str | None = None


@dataclass(frozen=True, slots=True)
class StateNeed:
    """Market whose cached state is needed, with the venue under which to look first."""

    market_key: str
    symbol: str
    venue: str | None


def row_keys(
    request: SnapshotIn, described: Mapping[InstrumentKey, Instrument], hedge_symbol: str | None = None
) -> list[RowKey]:
    """Rows of a request: its positions, signals without a position, else series that are no underlying of a row; and
    the instrument that hedges.
    """
    keys = {RowKey(row.symbol, row.venue, row.account_id, row.position_side): None for row in request.positions}
    held: dict[str, list[RowKey]] = {}
    for key in keys:
        held.setdefault(key.symbol, []).append(key)
    for signal in request.signals or ():
        if not any(answers(signal, key) for key in held.get(signal.symbol, ())):
            keys.setdefault(RowKey(signal.symbol, signal.venue, signal.account_id))
    if hedge_symbol is not None and all(key.symbol != hedge_symbol for key in keys):
        keys.setdefault(RowKey(hedge_symbol))
    taken = {key.symbol for key in keys}
    taken |= {
        instrument.underlying
        for key in keys
        if (instrument := find(described, key.venue, key.symbol)) and instrument.underlying
    }
    if not request.signals:
        for item in request.series:
            if item.symbol not in taken:
                keys.setdefault(RowKey(item.symbol))
    return list(keys)


def answers(signal: SignalIn, key: RowKey) -> bool:
    """Whether a signal speaks of a row: same symbol, and no other venue or account."""
    same = signal.symbol == key.symbol and signal.venue in (None, key.venue)
    return same and signal.account_id in (None, key.account_id)


def describe_instruments(
    request: SnapshotIn, registered: Mapping[InstrumentKey, Instrument]
) -> dict[InstrumentKey, Instrument]:
    """Registered instruments, overridden by those of the request."""
    return {**registered, **by_key(request.instruments)} if registered else by_key(request.instruments)


def market_key(
    symbol: str, venue: str | None, instrument: Instrument | None, series: Mapping[str, object]
) -> tuple[str, str]:
    """(key, symbol) of what carries a row's volatility: its own series or its underlying's, else the venue's state."""
    own = symbol in series or instrument is None or instrument.underlying is None
    name = symbol if own or instrument is None or instrument.underlying is None else instrument.underlying
    return (name if name in series or venue is None else f"{name}@{venue}"), name


def states_needed(
    request: SnapshotIn, described: Mapping[InstrumentKey, Instrument], hedge_symbol: str | None = None
) -> list[StateNeed]:
    """Markets without a series in the request."""
    series = dict.fromkeys(item.symbol for item in request.series)
    needs: dict[str, StateNeed] = {}
    for row in row_keys(request, described, hedge_symbol):
        key, name = market_key(row.symbol, row.venue, find(described, row.venue, row.symbol), series)
        if name not in series:
            needs.setdefault(key, StateNeed(key, name, row.venue))
    return list(needs.values())


def translate(
    request: SnapshotIn,
    *,
    described: Mapping[InstrumentKey, Instrument],
    states: Mapping[str, StateInput],
    received_at: datetime,
    hedge_symbol: str | None = None,
    drivers: tuple[str, ...] = (),
    guards: OraclePolicy | None = None,
    counts_collateral: bool = False,
) -> Snapshot:
    """Domain view of a request; `drivers` are those of its estimator, `guards` judge its price sources,
    `counts_collateral` says whether its policy takes haircuts.

    Raises
    ------
    InvalidInput
        For what no default can mend: times in the future, bars out of order.
    """
    notes = Notes()
    as_of = event_time(request, received_at, notes)
    posted = enumerate(request.series)
    series = {item.symbol: series_input(item, index, as_of, notes, drivers=drivers) for index, item in posted}
    keys = row_keys(request, described, hedge_symbol)
    check_times(request, as_of, notes)
    oracles = request_oracles(request, guards or OraclePolicy(), as_of)
    builder = _RowBuilder(request, described, series, states, as_of, notes)
    builder.oracles, builder.guards = oracles, guards or OraclePolicy()
    rows = in_margin_mode(tuple(builder.row(key) for key in keys), request, notes)
    builder.summarise()
    quoted, surfaces = None, []
    if request.option_quotes:
        quoted = read_quotes(request.option_quotes, rows, as_of, notes, tolerance=CLOCK_SKEW)
        # Here and not with the answer: the figures of a smile take a millisecond each, and this runs in a thread.
        surfaces = surface_rows(quoted) if request.options.view == "full" else []
    if states and request.interval is None:
        notes.assume(
            "/interval", DEFAULT_INTERVAL, "cached volatility states of daily bars are used where no series is sent"
        )
    own = account(request, as_of, notes, counts_collateral=counts_collateral)
    return Snapshot(as_of, own, quoted.rows if quoted else rows, series, notes, oracles, quoted, surfaces)


def request_oracles(request: SnapshotIn, guards: OraclePolicy, as_of: datetime) -> dict[str, Aggregate]:
    """What the price sources of a request agree on, by symbol."""
    if not isinstance(request, EvaluationRequest) or not request.oracles:
        return {}
    return aggregated(request.oracles, request.oracle_rates, request.oracle_keys, guards, as_of)


def check_times(request: SnapshotIn, as_of: datetime, notes: Notes) -> None:
    """Marks and signals of the future are refused; a half-life without a time is read as starting now."""
    times = [(f"marks.{index}.as_of", row.as_of) for index, row in enumerate(request.marks)]
    times += [(f"signals.{index}.as_of", row.as_of) for index, row in enumerate(request.signals or ())]
    for pointer, moment in times:
        if moment is not None and moment > as_of + CLOCK_SKEW:
            raise InvalidInput(pointer, f"must not lie after as_of ({as_of.isoformat()})", moment.isoformat())
    ageless = [row.symbol for row in request.signals or () if row.half_life is not None and row.as_of is None]
    if ageless:
        notes.assume("/signals", "as_of of the request", f"for {names(ageless)}: a half_life without as_of starts now")


class Dated(Protocol):
    """A request that may say when it is of."""

    @property
    def as_of(self) -> datetime | None:
        """Event time."""
        ...


def event_time(request: Dated, received_at: datetime, notes: Notes) -> datetime:
    """`as_of` of the request; the time of receipt by default."""
    if request.as_of is None:
        notes.assume("/as_of", received_at.isoformat(), "the time of receipt is taken as the event time")
        return received_at
    if request.as_of > received_at + CLOCK_SKEW:
        raise InvalidInput(
            "as_of",
            f"must not lie in the future (server time {received_at.isoformat()})",
            request.as_of.isoformat(),
            "check your clock against GET /v1/time",
        )
    return request.as_of


def account(request: SnapshotIn, as_of: datetime, notes: Notes, *, counts_collateral: bool) -> Account:
    """Account of the core; what haircuts are made of only where they are asked for.

    Raises
    ------
    InvalidInput
        For loans without a policy that says what they count, haircuts or loans where each position has a wallet of its
        own, or a price of the future.
    """
    given = request.account
    known = Account(
        equity=float(given.equity),
        currency=given.currency,
        net_deposits=float(given.net_deposits) if given.net_deposits is not None else None,
        margin_mode=given.margin_mode,
    )
    if given.margin_mode == "isolated" and (counts_collateral or given.loans):
        rule = "must not be isolated with policy.collateral or account.loans: its own wallet alone backs a position"
        hint = "leave them out; POST /v1/collateral:value says what balances and loans are worth"
        raise InvalidInput("account.margin_mode", rule, given.margin_mode, hint)
    if not counts_collateral:
        if given.loans:
            rule = "needs policy.collateral, which says what loans count as margin"
            raise InvalidInput("account.loans", rule, len(given.loans), "add it, {} takes its defaults")
        plain = tuple(
            Collateral(item.asset, float(item.amount), float(item.price) if item.price else None)
            for item in given.collateral
        )
        return replace(known, collateral=plain)
    balances = Balances(given.currency, as_of, [item.symbol for item in request.series], CLOCK_SKEW)
    collateral, loans = balances.collateral(given.collateral), balances.loans(given.loans)
    balances.tell(notes)
    return replace(known, collateral=collateral, loans=loans)


def collateral_needs(items: Iterable[BalanceIn], posted: Container[str]) -> list[StateNeed]:
    """States of the markets that balances name and no series is posted of."""
    named = [(item.market, item.venue) for item in items if item.market is not None and item.market not in posted]
    needs = {balance_market(name, venue, posted): (name, venue) for name, venue in named}
    return [StateNeed(key, name, venue) for key, (name, venue) in needs.items()]


def account_balances(account: AccountIn) -> list[BalanceIn]:
    """Everything of an account that may need a haircut."""
    return [*account.collateral, *(loan.collateral for loan in account.loans)]


class _RowBuilder:
    """Builds rows and remembers which assumptions it had to make, so that they can be listed once for all symbols."""

    def __init__(
        self,
        request: SnapshotIn,
        described: Mapping[InstrumentKey, Instrument],
        series: Mapping[str, SeriesInput],
        states: Mapping[str, StateInput],
        as_of: datetime,
        notes: Notes,
    ) -> None:
        self.request, self.described, self.series, self.states = request, described, series, states
        self.as_of, self.notes = as_of, notes
        self.taken_ago = max((as_of - request.taken_at).total_seconds(), 0.0) if request.taken_at else None
        self.positions = {
            RowKey(row.symbol, row.venue, row.account_id, row.position_side): row for row in request.positions
        }
        self.marks: dict[str, MarkIn] = {mark.symbol: mark for mark in request.marks}
        self.signals: dict[str, list[SignalIn]] = {}
        for item in request.signals or ():
            self.signals.setdefault(item.symbol, []).append(item)
        self.fx = {item.currency: float(item.rate) for item in request.fx}
        self.oracles: Mapping[str, Aggregate] = {}
        self.guards = OraclePolicy()
        self.assumed: list[str] = []
        self.from_close: list[str] = []
        self.quote_assumed: list[str] = []
        self.calendar_assumed = [item.symbol for item in request.series if item.calendar is None]

    def row(self, key: RowKey) -> Row:
        """Row of one key, with the reason why it cannot be described, if so."""
        position = self.positions.get(key)
        found = find(self.described, key.venue, key.symbol)
        instrument = found or assumed_instrument(key.symbol)
        name, market = market_key(key.symbol, key.venue, found, self.series)
        price = self.price(key, position, name, own=market == key.symbol)
        problem, detail = self.problem(key, found, instrument, price)
        fx = self.rate(instrument)
        if problem is None and fx is None:
            problem, detail = (
                Reason.FX_REQUIRED,
                fx_text(
                    instrument.settle_currency if instrument.kind is Kind.QUANTO else instrument.quote_currency,
                    self.request.account.currency,
                ),
            )
        if found is None and problem is not Reason.INSTRUMENT_REQUIRED:
            self.assumed.append(key.symbol)
        unit = QuantityUnit(position.quantity_unit) if position and position.quantity_unit else instrument.quantity_unit
        return Row(
            symbol=key.symbol,
            market_key=name,
            instrument=instrument,
            unit=unit,
            quantity=position.quantity if position else ZERO,
            venue=key.venue,
            account_id=key.account_id,
            position_side=key.position_side,
            open_buys=position.open_buys if position else ZERO,
            open_sells=position.open_sells if position else ZERO,
            price=price,
            fx=fx,
            signal=self.signal(key),
            problem=problem,
            detail=detail,
            **_extras(position, self.forward(position, instrument)),
        )

    def price(self, key: RowKey, position: PositionIn | None, name: str, *, own: bool) -> PriceUsed | None:
        """Mark of the position, else of marks[], of oracles[], else the last close of the row's own market."""
        if position is not None and position.mark_price is not None:
            value = float(position.mark_price)
            if own:
                self._compare_with_close(key, name, value)
            return PriceUsed(value, "position", self.taken_ago)
        mark = self.marks.get(key.symbol)
        if mark is not None:
            age = (self.as_of - mark.as_of).total_seconds() if mark.as_of else None
            return PriceUsed(float(mark.price), "marks", age)
        if (agreed := self._oracle_price(key)) is not None:
            return agreed
        close = self._close(name) if own else None
        if close is None or not close[0] > 0:
            return None
        self.from_close.append(key.symbol)
        return PriceUsed(close[0], "close", (self.as_of - close[1]).total_seconds())

    def _oracle_price(self, key: RowKey) -> PriceUsed | None:
        """Price that sources agree on, where it may open positions and is in the row's own currency."""
        found = self.oracles.get(key.symbol)
        if found is None or found.price is None or found.multiplier == 0.0:
            return None
        described = find(self.described, key.venue, key.symbol) or assumed_instrument(key.symbol)
        quote = described.quote_currency or self.request.account.currency
        if quote != self.guards.currency:
            return None
        return PriceUsed(found.price, "oracle", found.age_seconds)

    def _close(self, name: str) -> tuple[float, datetime] | None:
        item = self.series.get(name)
        if item is not None:
            return float(item.closes[-1]), item.end
        state = self.states.get(name)
        if state is not None and isinstance(state.readout, VolatilityReadout):
            return state.readout.last_close, state.readout.last_close_at
        return None

    def _compare_with_close(self, key: RowKey, name: str, value: float) -> None:
        close = self._close(name)
        if close is not None and close[0] > 0 and abs(value / close[0] - 1.0) > FAR_FROM_CLOSE:
            self.notes.warn(
                "mark_far_from_close",
                f"mark_price {value:.12g} is more than 25 % away from the last close {close[0]:.12g}: "
                "check symbol and units, and that closes are sent oldest first",
                key.symbol,
            )

    def problem(
        self, key: RowKey, found: Instrument | None, instrument: Instrument, price: PriceUsed | None
    ) -> tuple[Reason | None, str]:
        """Why a row cannot be described."""
        if found is None and must_be_described(key.symbol):
            return (
                Reason.INSTRUMENT_REQUIRED,
                f"describe {key.symbol} in instruments[] (kind, contract_multiplier, lot), or PUT /v1/instruments once",
            )
        if instrument.kind is Kind.OPTION and instrument.expiry is not None and instrument.expiry <= self.as_of:
            return Reason.EXPIRED, f"expired at {instrument.expiry.isoformat()}"
        if price is None and instrument.kind is not Kind.OPTION:
            return Reason.PRICE_REQUIRED, "send positions[].mark_price, marks[] or a series"
        return None, ""

    def rate(self, instrument: Instrument) -> float | None:
        """Account currency per unit of quote currency; the quote is taken for the account currency where nothing
        says otherwise.
        """
        if instrument.kind is Kind.QUANTO:
            # profit and loss per point is a fixed amount of the settlement currency, whatever the quote is
            settle = instrument.settle_currency or ""
            return 1.0 if settle == self.request.account.currency else self.fx.get(settle)
        quote = instrument.quote_currency
        if quote is None:
            self.quote_assumed.append(instrument.symbol)
            return 1.0
        return 1.0 if quote == self.request.account.currency else self.fx.get(quote)

    def signal(self, key: RowKey) -> Signal | None:
        """Signal for a row: one for its venue and account, else one for the symbol anywhere."""
        matching = [item for item in self.signals.get(key.symbol, ()) if answers(item, key)]
        if not matching:
            return None
        return _signal(max(matching, key=lambda item: (item.venue is not None) + (item.account_id is not None)))

    def forward(self, position: PositionIn | None, instrument: Instrument) -> float | None:
        """Forward of an option: the client's, else the mark or close of its underlying."""
        if position is not None and position.forward_price is not None:
            return float(position.forward_price)
        if instrument.kind is not Kind.OPTION or instrument.underlying is None:
            return None
        mark = self.marks.get(instrument.underlying)
        close = self._close(instrument.underlying)
        if mark is not None:
            return float(mark.price)
        return close[0] if close is not None and close[0] > 0 else None

    def summarise(self) -> None:
        """One assumption for all symbols that share it."""
        if self.assumed:
            self.notes.assume(
                "/instruments",
                "linear, multiplier 1, lot 0.00000001",
                f"for {names(self.assumed)}: no tick, minimum order or venue tiers are respected",
            )
        if self.quote_assumed:
            self.notes.assume(
                "/instruments",
                f"quote currency {self.request.account.currency}",
                f"for {names(self.quote_assumed)}: prices are read in the account currency",
            )
        if self.from_close:
            self.notes.assume("/marks", "last close", f"for {names(self.from_close)}: no mark price was sent")
        if self.calendar_assumed:
            self.notes.assume(
                "/series",
                "calendar 24/7",
                f"for {names(self.calendar_assumed)}: volatility is annualised with 365 days",
            )


def fx_text(quote: str | None, account: str) -> str:
    """How to send a missing conversion.

    Examples
    --------
    >>> fx_text("USDT", "USD")
    'prices are in USDT, the account in USD: send fx: [{"currency": "USDT", "rate": USD per USDT}]'
    """
    rate = f'{{"currency": "{quote}", "rate": {account} per {quote}}}'
    return f"prices are in {quote}, the account in {account}: send fx: [{rate}]"


def names(symbols: list[str]) -> str:
    """First symbols of a list, and how many more."""
    unique = list(dict.fromkeys(symbols))
    return ", ".join(unique[:3]) + (f" and {len(unique) - 3} more" if len(unique) > 3 else "")


def _forecast(item: SignalIn) -> float:
    if item.forecasts is None:
        return item.forecast or 0.0
    rules, weights = ([getattr(rule, name) for rule in item.forecasts] for name in ("forecast", "weight"))
    return combined_forecast(np.array(rules), np.array(weights), item.forecast_diversification)


def _signal(item: SignalIn) -> Signal:
    direction = item.direction if item.direction is not None else _forecast(item) / FORECAST_SCALE
    figures = {name: float(value) for name in _FIGURES if (value := getattr(item, name)) is not None}
    half_life = float(parse_interval(item.half_life)) if item.half_life else None
    return Signal(direction, item.confidence, item.as_of, half_life, trades=item.trades, **figures)


def _extras(position: PositionIn | None, forward: float | None) -> dict[str, Any]:
    if position is None:
        return {}
    greeks = position.greeks
    return {
        "own_greeks": OwnGreeks(greeks.delta, greeks.gamma, greeks.vega, greeks.theta) if greeks else None,
        "implied_volatility": position.implied_volatility,
        "forward": forward,
        "forward_given": position.forward_price is not None,
        "isolated_margin": float(position.isolated_margin) if position.isolated_margin else None,
        "initial_margin": float(position.initial_margin) if position.initial_margin is not None else None,
        "maintenance_margin": float(position.maintenance_margin) if position.maintenance_margin is not None else None,
    }
