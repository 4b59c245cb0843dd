"""One market of an execution-aware request: instrument, unit, mark, volatility, and what was assumed of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from app.translate.answer import counted, stat, time_text
from app.translate.instruments import InstrumentKey, assumed_instrument, by_key, find
from app.translate.notes import Notes
from app.translate.snapshot import CLOCK_SKEW, DEFAULT_INTERVAL, FAR_FROM_CLOSE, StateNeed, event_time, market_key
from models.api.execution import MarketRequest
from services.core.annualization import parse_interval
from services.core.decimals import plain
from services.core.errors import Refusal
from services.core.instrument import Instrument, Kind, QuantityUnit, must_be_described
from services.core.outcome import Reason
from services.engine.columns import MIN_AGE_SECONDS, max_age_seconds
from services.engine.inputs import StateInput
from services.sizing.limits import Limits
from services.volatility.readout import VolatilityReadout

MOST_DECIMALS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class OneMarket:
    """What a request says of its market.

    `volatility` is annual, None where none is needed or there is none; `missing` then says why. `problem` is why the
    market cannot be described at all.
    """

    request: MarketRequest
    as_of: datetime
    historical: bool
    instrument: Instrument
    unit: QuantityUnit
    volatility: float | None
    last_close_at: datetime | None
    missing: Refusal | None
    problem: Refusal | None
    notes: Notes

    @property
    def mark(self) -> Decimal:
        """Mark price."""
        return self.request.mark_price

    def contracts(self, quantity: Decimal) -> Decimal:
        """Contracts of a quantity in the client's unit, rounded toward zero far below a lot."""
        if self.unit is QuantityUnit.CONTRACTS:
            return quantity
        one = Decimal(repr(self.instrument.contract_multiplier))
        inverse = self.instrument.kind is Kind.INVERSE
        if self.unit is QuantityUnit.BASE:
            return quantity * self.mark / one if inverse else quantity / one
        return quantity / one if inverse else quantity / (one * self.mark)

    def quantity(self, contracts: Decimal) -> str:
        """Contracts in the client's unit, as text."""
        return plain(counted(self.instrument, self.unit, self.mark, contracts))


def described_instrument(request: MarketRequest, registered: Mapping[InstrumentKey, Instrument]) -> Instrument | None:
    """Instrument of the request, else the registered one."""
    own = by_key([request.instrument]) if request.instrument is not None else {}
    return find({**registered, **own}, request.venue, request.symbol)


def state_need(request: MarketRequest, instrument: Instrument | None) -> StateNeed:
    """State that carries the volatility."""
    key, name = market_key(request.symbol, request.venue, instrument, {})
    return StateNeed(key, name, request.venue)


def one_market(
    request: MarketRequest,
    registered: Mapping[InstrumentKey, Instrument],
    states: Mapping[str, StateInput],
    received_at: datetime,
    *,
    wanted: bool,
    traded: bool = True,
) -> OneMarket:
    """Market of a request; `wanted` says whether a volatility is of use, `traded` whether the symbol itself is traded.

    Raises
    ------
    InvalidInput
        For a time in the future.
    """
    notes = Notes()
    as_of = event_time(request, received_at, notes)
    found = described_instrument(request, registered)
    problem = _undescribed(request) if found is None and traded else None
    if found is None and problem is None and traded:
        effect = "the symbol is taken for a linear contract of one base unit, lots of 0.00000001, no tick, no minimum"
        notes.assume("/instrument", "linear", effect)
    instrument = found or assumed_instrument(request.symbol)
    default = instrument.quantity_unit if traded else QuantityUnit.CONTRACTS
    unit = QuantityUnit(request.quantity_unit) if request.quantity_unit else default
    interval = request.interval or DEFAULT_INTERVAL
    age = (received_at - as_of).total_seconds()
    readout: VolatilityReadout | Refusal | None = None
    if wanted and request.volatility is None:
        readout = _readout(request, instrument, states, as_of, interval)
    if isinstance(readout, VolatilityReadout):
        _remark(request, readout, states, notes)
    return OneMarket(
        request=request,
        as_of=as_of,
        historical=age > max(Limits().max_data_age_bars * parse_interval(interval), MIN_AGE_SECONDS),
        instrument=instrument,
        unit=unit,
        volatility=readout.volatility if isinstance(readout, VolatilityReadout) else request.volatility,
        last_close_at=readout.last_close_at if isinstance(readout, VolatilityReadout) else None,
        missing=readout if isinstance(readout, Refusal) else None,
        problem=problem,
        notes=notes,
    )


def _undescribed(request: MarketRequest) -> Refusal | None:
    if not must_be_described(request.symbol):
        return None
    text = f"describe {request.symbol} in instrument (kind, contract_multiplier, lot), or PUT /v1/instruments once"
    return Refusal(Reason.INSTRUMENT_REQUIRED, text)


def _readout(
    request: MarketRequest, instrument: Instrument, states: Mapping[str, StateInput], as_of: datetime, interval: str
) -> VolatilityReadout | Refusal:
    state = states.get(state_need(request, instrument).market_key)
    if state is None:
        text = f"no state of {interval} bars is cached: send volatility, or feed bars with POST /v1/observations"
        return Refusal(Reason.VOLATILITY_UNAVAILABLE, text)
    if isinstance(state.readout, Refusal):
        return state.readout
    until = usable_until(state.readout, as_of)
    return until if isinstance(until, Refusal) else state.readout


def usable_until(readout: VolatilityReadout, as_of: datetime) -> datetime | Refusal:
    """Until when a cached readout may be used at `as_of`; a refusal where it is too new or too old for that."""
    if readout.last_close_at > as_of + CLOCK_SKEW:
        seen = time_text(readout.last_close_at)
        return Refusal(Reason.VOLATILITY_UNAVAILABLE, f"the cached state has seen bars up to {seen}, after as_of")
    until = readout.last_close_at + timedelta(seconds=max_age_seconds(readout, Limits().max_data_age_bars))
    if as_of > until:
        return Refusal(Reason.STALE_PRICE, f"the last bar closed at {time_text(readout.last_close_at)}")
    return until


def _remark(request: MarketRequest, readout: VolatilityReadout, states: Mapping[str, StateInput], notes: Notes) -> None:
    if request.interval is None:
        notes.assume("/interval", DEFAULT_INTERVAL, "the cached volatility state of daily bars is used")
    if any(state.without_venue for state in states.values()):
        effect = "no state is cached for the venue, so the one that was fed without a venue is used"
        notes.assume("/venue", "state without a venue", effect)
    mark, close = float(request.mark_price), readout.last_close
    if close > 0 and abs(mark / close - 1.0) > FAR_FROM_CLOSE:
        text = f"mark_price {mark:.12g} is more than 25 % away from the last close {close:.12g}: check symbol and units"
        notes.warn("mark_far_from_close", text, request.symbol)


def head(market: OneMarket) -> dict[str, Any]:
    """What every answer says of its market."""
    request = market.request
    volatility = None
    if market.volatility is not None:
        source = "request" if market.last_close_at is None else "state"
        last = None if market.last_close_at is None else time_text(market.last_close_at)
        volatility = {"annual": stat(market.volatility), "source": source, "last_close_at": last}
    return {
        "mark_price": plain(request.mark_price),
        "quantity_unit": market.unit.value,
        "currency": market.instrument.quote_currency,
        "volatility": volatility,
    }


def amount(value: Decimal) -> str:
    """Decimal text: as it is, or to 12 digits where a division made it endless."""
    exponent = value.normalize().as_tuple().exponent
    endless = isinstance(exponent, int) and -exponent > MOST_DECIMALS
    return plain(Decimal(f"{value:.12g}")) if endless else plain(value)


def lots_in(contracts: Decimal, lot: Decimal) -> int:
    """Whole lots of a size, toward zero; one that a division missed by a hair is one."""
    return int((abs(contracts) / lot + Decimal("1e-9")).to_integral_value(ROUND_FLOOR))
