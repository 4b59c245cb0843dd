"""A real back-test of freqtrade, offline, with stakes from a running service; and what it does when there is none."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType, RunMode
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.resolvers import ExchangeResolver

PAIR = "BTC/USDT"
START = datetime(2025, 1, 1, tzinfo=UTC)
BARS, FIRST = 500, 300
DAILY = 0.02
"""Daily moves of the generated prices: ±2 % by turns, so that their volatility is .02 √365 a year."""
STRATEGY = """
from freqtrade.strategy import IStrategy
from trimtab_client.adapters.freqtrade import TrimtabMixin


class Sized(TrimtabMixin, IStrategy):
    timeframe = "1d"
    minimal_roi = {"0": 10.0}
    stoploss = -0.99
    startup_candle_count = 30
    trimtab_url = URL
    trimtab_target_volatility = 0.20
    trimtab_safe_stake = 50.0
    trimtab_timeout = 5.0

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe.loc[dataframe.index % 20 == 0, "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe.loc[dataframe.index % 20 == 10, "exit_long"] = 1
        return dataframe
"""


def prices() -> pd.DataFrame:
    closes = 50_000.0 * np.exp(DAILY * (np.arange(BARS) % 2))
    opens = np.concatenate([[closes[0]], closes[:-1]])
    return pd.DataFrame(
        {
            "date": pd.date_range(START, periods=BARS, freq="D", tz="UTC"),
            "open": opens,
            "high": np.maximum(opens, closes),
            "low": np.minimum(opens, closes),
            "close": closes,
            "volume": 100.0,
        }
    )


def configuration(folder: Path, slots: int) -> dict[str, Any]:
    data = folder / "data"
    data.mkdir()
    return {
        "runmode": RunMode.BACKTEST,
        "user_data_dir": folder,
        "datadir": data,
        "exportdirectory": folder,
        "exportfilename": folder / "result",
        "export": "none",
        "strategy": "Sized",
        "strategy_path": str(folder),
        "recursive_strategy_search": False,
        "exchange": {"name": "binance", "pair_whitelist": [PAIR], "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList"}],
        "stake_currency": "USDT",
        "stake_amount": 1000.0,
        "dry_run": True,
        "dry_run_wallet": 10_000.0,
        "max_open_trades": slots,
        "timeframe": "1d",
        "trading_mode": "spot",
        "margin_mode": "",
        "candle_type_def": CandleType.SPOT,
        "dataformat_ohlcv": "feather",
        "dataformat_trades": "feather",
        "timerange": f"{(START + timedelta(days=FIRST)):%Y%m%d}-",
        "fee": 0.001,
        "tradable_balance_ratio": 1.0,
        "position_stacking": False,
        "enable_protections": False,
        "internals": {},
        "entry_pricing": {"price_side": "same", "use_order_book": False, "order_book_top": 1},
        "exit_pricing": {"price_side": "same", "use_order_book": False, "order_book_top": 1},
        "unfilledtimeout": {"entry": 10, "exit": 10, "unit": "minutes"},
        "original_config": {},
        "verbosity": 0,
        "cache": "none",
        "backtest_cache": "none",
    }


RAW_MARKET = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "baseAssetPrecision": 8,
    "quotePrecision": 8,
    "orderTypes": ["LIMIT", "MARKET"],
    "isSpotTradingAllowed": True,
    "isMarginTradingAllowed": False,
    "permissions": ["SPOT"],
    "permissionSets": [["SPOT"]],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        {"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": True, "maxNotional": "9000000"},
    ],
}


def backtest(folder: Path, url: str, slots: int = 1) -> pd.DataFrame:
    """Trades of a back-test, by freqtrade's own engine on its own exchange class with one market."""
    config = configuration(folder, slots)
    (folder / "sized.py").write_text(STRATEGY.replace("URL", repr(url)))
    get_datahandler(config["datadir"], "feather").ohlcv_store(PAIR, "1d", prices(), CandleType.SPOT)
    exchange = ExchangeResolver.load_exchange(config, validate=False, load_leverage_tiers=False)
    exchange._api.options |= {"crossMarginPairsData": [], "isolatedMarginPairsData": {}}  # else asked of the venue
    market = exchange._api.parse_market(RAW_MARKET)
    exchange._api.set_markets([market])
    exchange._markets = {PAIR: market}
    exchange.reload_markets = lambda *arguments, **options: None
    testing = Backtesting(config, exchange)
    try:
        testing.start()
        return next(iter(testing.all_bt_content.values()))["results"]
    finally:
        testing.cleanup()
        exchange.close()


@pytest.mark.parametrize("slots", [1, 4])
def test_stakes_are_those_of_the_target_volatility(tmp_path: Path, service_url: str, slots: int) -> None:
    """``stake = equity · τ / (slots · σ)``, σ of the alternating series, within the forecaster's calibration."""
    trades = backtest(tmp_path, service_url, slots)
    assert len(trades) >= 5
    annual = DAILY * math.sqrt(365)
    expected = 10_000 * 0.20 / (slots * annual)
    assert trades["stake_amount"].iloc[0] == pytest.approx(expected, rel=0.25)
    assert (trades["stake_amount"] < 10_000).all()


def test_without_a_service_the_safe_stake_is_the_most(tmp_path: Path) -> None:
    trades = backtest(tmp_path, "http://127.0.0.1:9")
    assert len(trades) >= 5
    assert trades["stake_amount"].to_numpy() == pytest.approx(50.0, rel=1e-3)
