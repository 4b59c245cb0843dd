"""Stakes and leverage of a freqtrade strategy, sized by the service.

::

    class MyStrategy(TrimtabMixin, IStrategy):
        trimtab_target_volatility = 0.20   # of the whole account, a year
        trimtab_safe_stake = 50.0          # stake currency; the most that is staked where the service does not answer
        ...

The mixin answers `custom_stake_amount` and `leverage`, live and in back-tests: there `as_of` is the time of the candle,
and the service records the calls as historical. freqtrade itself is not imported.

Rules
-----
* Every one of `max_open_trades` slots gets an equal share of the target: a pair is sized to
  ``target_volatility / max_open_trades``. Whatever the correlation, what is open then stays within the target.
* The service does not answer, or answers what cannot be read: the stake is ``min(proposed, trimtab_safe_stake)`` and
  the leverage ``min(proposed, 1)``. Never more than without the service.
* The service refuses (too little history, a price that stands still, …): 0, no trade. A refusal is no size.
* Less than the least stake: 0. freqtrade would raise it, and the risk with it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from trimtab_client.adapters.ccxt import interval_of
from trimtab_client.calls import Body
from trimtab_client.errors import TrimtabError
from trimtab_client.models import TargetOut
from trimtab_client.retry import Backoff, Retry
from trimtab_client.synchronous import Trimtab

_LOGGER = logging.getLogger("trimtab_client.freqtrade")
LEAST_BARS = 2


@dataclass(frozen=True, slots=True)
class Sized:
    """What the service said of one entry: notional over equity, None where nobody could be asked.

    `weight` is 0 for a refusal, and never negative.
    """

    weight: float | None
    reason: str


UNKNOWN = "unknown"


class TrimtabMixin:
    """Put it before `IStrategy` among the bases."""

    trimtab_url: str = "http://127.0.0.1:8000"
    trimtab_key: str | None = None
    trimtab_target_volatility: float
    """Annual, of the account."""
    trimtab_safe_stake: float
    """Most that is staked without the service [stake currency]."""
    trimtab_max_leverage: float = 1.0
    """Of one trade; needs futures."""
    trimtab_bars: int = 400
    trimtab_policy: Mapping[str, Any] = MappingProxyType({})
    """More blocks of the policy, such as ``{"limits": {"max_leverage": 3}}``."""
    trimtab_timeout: float = 2.0
    """For the call with its repetitions [s]: freqtrade's loop waits meanwhile."""

    # What freqtrade gives to every strategy.
    dp: Any
    wallets: Any
    config: Any
    timeframe: str

    _trimtab_client: Trimtab | None = None
    _trimtab_last: tuple[tuple[Any, ...], Sized] | None = None

    def custom_stake_amount(
        self,
        pair: str,
        current_time: datetime,
        current_rate: float,
        proposed_stake: float,
        min_stake: float | None,
        max_stake: float,
        leverage: float,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> float:
        """Stake of an entry [stake currency], without what is borrowed for it."""
        sized = self._trimtab_size(pair, current_time, current_rate, side)
        if sized.weight is None:
            stake = min(proposed_stake, self.trimtab_safe_stake)
        else:
            stake = sized.weight * self._trimtab_equity() / leverage
        stake = min(stake, max_stake)
        return stake if stake > 0.0 and (min_stake is None or stake >= min_stake) else 0.0

    def leverage(
        self,
        pair: str,
        current_time: datetime,
        current_rate: float,
        proposed_leverage: float,
        max_leverage: float,
        entry_tag: str | None,
        side: str,
        **kwargs: Any,
    ) -> float:
        """Leverage of an entry: 1, or as much as its size needs beyond the equity."""
        sized = self._trimtab_size(pair, current_time, current_rate, side)
        if sized.weight is None:
            return min(proposed_leverage, 1.0)
        return max(1.0, min(sized.weight, self.trimtab_max_leverage, max_leverage))

    def _trimtab_size(self, pair: str, current_time: datetime, current_rate: float, side: str) -> Sized:
        """Size of an entry; the answer is kept, as freqtrade asks for leverage and stake one after the other."""
        entry = (pair, current_time, current_rate, side, self._trimtab_equity())
        if self._trimtab_last is None or self._trimtab_last[0] != entry:
            self._trimtab_last = (entry, self._trimtab_ask(pair, current_time, current_rate, side))
        return self._trimtab_last[1]

    def _trimtab_ask(self, pair: str, current_time: datetime, current_rate: float, side: str) -> Sized:
        try:
            asked = self._trimtab_request(pair, current_time, current_rate, side)
            (target,) = self._trimtab_client_of().targets(asked).targets
            sized = size_of(target, _digits(self._trimtab_equity()), _direction(side))
        except (TrimtabError, ValueError, ArithmeticError) as error:
            _LOGGER.warning("%s: sized without the service: %s", pair, error)
            return Sized(None, UNKNOWN)
        if not sized.weight:
            _LOGGER.info("%s: no trade: %s", pair, sized.reason)
        return sized

    def _trimtab_client_of(self) -> Trimtab:
        if self._trimtab_client is None:
            self._trimtab_client = Trimtab(
                self.trimtab_url,
                key=self.trimtab_key,
                timeout=self.trimtab_timeout,
                deadline=self.trimtab_timeout,
                retry=Retry(attempts=3, backoff=Backoff(first=0.1, longest=0.5)),
            )
        return self._trimtab_client

    def _trimtab_equity(self) -> float:
        return float(self.wallets.get_total_stake_amount())

    def _trimtab_request(self, pair: str, current_time: datetime, current_rate: float, side: str) -> Body:
        now = current_time if current_time.tzinfo else current_time.replace(tzinfo=UTC)
        currency = str(self.config["stake_currency"])
        kind = {"kind": "linear", "settle_currency": currency} if ":" in pair else {"kind": "spot"}
        return {
            "as_of": now,
            "account": {"equity": _digits(self._trimtab_equity()), "currency": currency},
            "instruments": [
                {"symbol": pair, "quote_currency": currency, "quantity_unit": "base", **kind},
            ],
            "positions": [{"symbol": pair, "quantity": "0", "mark_price": _digits(current_rate)}],
            "series": [
                {
                    "symbol": pair,
                    "interval": interval_of(self.timeframe),
                    "ohlcv": rows_until(self.dp.get_pair_dataframe(pair, self.timeframe), now, self.trimtab_bars),
                    "calendar": "24/7",
                }
            ],
            "signals": [{"symbol": pair, "direction": _direction(side)}],
            "policy": {
                **self.trimtab_policy,
                "sizing": {
                    "method": "volatility_target",
                    "target_volatility": self.trimtab_target_volatility / self._trimtab_slots(),
                },
            },
            "options": {"explain": False},
        }

    def _trimtab_slots(self) -> float:
        """Trades that may be open at a time; where that is unlimited, one for each pair of the list."""
        slots = float(self.config.get("max_open_trades", 1))
        unlimited = slots <= 0 or math.isinf(slots)
        return max(1.0, float(len(self.dp.current_whitelist())) if unlimited else slots)


def size_of(target: TargetOut, equity: Decimal, direction: int) -> Sized:
    """Size of an entry from a flat position: what the target holds in the direction of the entry."""
    if target.status == "refused" or target.target_notional is None:
        return Sized(0.0, target.reason)
    return Sized(max(0.0, float(direction * target.target_notional / equity)), target.reason)


def rows_until(frame: Any, now: datetime, count: int) -> list[list[float]]:
    """The last rows of a candle frame that had begun before `now`, as ccxt lists them.

    A back-test's frame may hold what comes later: that is not looked at. The service drops one that is unfinished.
    """
    begun = frame[frame["date"] < now].tail(count)
    columns = [begun[name] for name in ("date", "open", "high", "low", "close", "volume")]
    rows = [[int(date.timestamp() * 1000), *map(float, prices)] for date, *prices in zip(*columns, strict=True)]
    if len(rows) < LEAST_BARS:
        raise ValueError(f"{len(rows)} candles before {now.isoformat()}: at least {LEAST_BARS} are needed")
    return rows


def _digits(value: float) -> Decimal:
    """The number to 15 digits: what a float holds."""
    return Decimal(f"{value:.15g}")


def _direction(side: str) -> int:
    return -1 if side == "short" else 1
