"""What one evaluation depends on, complete: equal inputs give equal answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.core.book import Account, Row
from services.core.control import Control
from services.core.errors import Refusal
from services.core.explain import Floats
from services.core.market_conditions import MarketConditions
from services.engine.policy import Policy
from services.engine.tracking import Tracking
from services.guards.breakers import ResetOrder
from services.guards.observation import Aggregate
from services.liquidity.flow import Flow
from services.liquidity.markets import MarketKey, PostedDepth
from services.risk.clock import Ring
from services.volatility.events import ScheduledEvent
from services.volatility.readout import VolatilityReadout
from services.volatility.series import SeriesInput

__all__ = ["EvaluationInputs", "MarketEvent", "RecordedCorrelation", "SeriesInput", "StateInput"]


@dataclass(frozen=True, slots=True)
class StateInput:
    """Cached state of one market as it was read: its readout, or why there is none, and its standardised returns.

    `digest` names the state exactly, for the record; empty where the state is not at hand. `without_venue`: the market
    has a venue, and its state is the one that was fed without any.
    """

    readout: VolatilityReadout | Refusal
    ring: Ring | None = None
    digest: str = ""
    without_venue: bool = False


@dataclass(frozen=True, slots=True)
class RecordedCorrelation:
    """Correlation matrix over `keys` as it was read with the states, or recorded; used instead of their rings."""

    keys: tuple[str, ...]
    matrix: Floats | None
    source: str


@dataclass(frozen=True, slots=True)
class MarketEvent:
    """Scheduled event and the keys of the markets that it moves; None: all of them, together."""

    event: ScheduledEvent
    markets: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationInputs:
    """Inputs of `evaluate`.

    Parameters
    ----------
    evaluation_id : str
        Seeds the client order ids, so that a retry cannot trade twice.
    as_of : datetime
        The only clock of the decision.
    interval : str
        Bar of the cached states that were looked for, as the request names it.
    signals_present : bool
        Whether the request had a `signals` block at all: absence and silence mean different things.
    history : mapping
        Bars behind cached states, for methods that read returns or ranges; no forecast is made of them.
    correlation : RecordedCorrelation, optional
        Given where it was read with the states or comes from the record; otherwise computed.
    tracking : Tracking, optional
        Recorded returns of the book; a volatility target is corrected by what they say.
    events : tuple of MarketEvent
        Their variance comes on top of the forecasts that targets are sized with.
    control : Control, optional
        Control state that the last answer left; None: the account starts now.
    breaker_reset : ResetOrder, optional
        Latch of a circuit breaker to take off before it is read.
    conditions : MarketConditions
        Venues, protocols, chains and volatility views, for overlays.
    depths, flows : mappings
        Books or pools and flow, by symbol and venue, in contracts; for overlays.
    oracles : mapping
        What price sources agree on, by symbol; each judges the rows of its symbol, and of that underlying.
    marks : mapping
        Mark prices by symbol, of what is no row too: indices that hedges are judged by.
    snapshot_id : str, optional
        Seeds the ids of orders that increase a position instead of `evaluation_id`: decisions on one snapshot share it.
    expires_at : datetime, optional
        From when what was sent must not be acted on, whatever the market data says.
    historical : bool
        No orders are made.
    figures : bool
        Whether margin tables and capacities are wanted besides targets and orders.
    """

    evaluation_id: str
    as_of: datetime
    account: Account
    rows: tuple[Row, ...]
    policy: Policy
    interval: str = "P1D"
    signals_present: bool = False
    series: Mapping[str, SeriesInput] = field(default_factory=dict)
    states: Mapping[str, StateInput] = field(default_factory=dict)
    history: Mapping[str, SeriesInput] = field(default_factory=dict)
    correlation: RecordedCorrelation | None = None
    tracking: Tracking | None = None
    events: tuple[MarketEvent, ...] = ()
    control: Control | None = None
    breaker_reset: ResetOrder | None = None
    oracles: Mapping[str, Aggregate] = field(default_factory=dict)
    conditions: MarketConditions = MarketConditions()
    depths: Mapping[MarketKey, PostedDepth] = field(default_factory=dict)
    flows: Mapping[MarketKey, Flow] = field(default_factory=dict)
    marks: Mapping[str, float] = field(default_factory=dict)
    snapshot_id: str | None = None
    expires_at: datetime | None = None
    historical: bool = False
    figures: bool = True

    @property
    def hedge_rows(self) -> dict[str, int]:
        """Rows that hedges may trade, by symbol: the first of each symbol that the policy names for it."""
        named = set(self.policy.hedge_symbols)
        places = [(row.symbol, index) for index, row in enumerate(self.rows) if row.symbol in named] if named else []
        return dict(reversed(places))
