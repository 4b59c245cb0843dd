"""Puts days of decisions on record: `python examples/record_days.py CSV DAYS [URL]`, one a day after the close.

The file has the columns date and close. Each request holds the 300 closes up to its day and nothing later, as a bot
would have sent it then.
"""

import csv
import sys
from datetime import UTC, datetime, timedelta

import httpx

WINDOW = 300


def decide(url, symbol, end, closes):
    """Size a long view on the closes up to a day, with a leveraged position at hand."""
    moment, price = datetime.fromisoformat(end).replace(tzinfo=UTC) + timedelta(days=1), closes[-1]
    body = {
        "portfolio_id": "desk",
        "as_of": (moment + timedelta(seconds=5)).isoformat(),
        "account": {"equity": "100000", "currency": "USD"},
        "positions": [{"symbol": symbol, "quantity": f"{400000 / price:.6f}", "mark_price": str(price)}],
        "signals": [{"symbol": symbol, "direction": 1}],
        "series": [
            {"symbol": symbol, "interval": "P1D", "end": moment.isoformat(), "calendar": "24/7", "close": closes}
        ],
        "policy": {"sizing": {"method": "volatility_target", "target_volatility": 0.2}, "buffer": {"method": "none"}},
    }
    httpx.post(f"{url}/v1/evaluations", json=body, timeout=30).raise_for_status()


def main(path, days, url="http://127.0.0.1:8000"):
    """Walk through the last days of the file."""
    with open(path, newline="") as file:
        rows = [(row["date"], float(row["close"])) for row in csv.DictReader(file)]
    for last in range(len(rows) - int(days), len(rows)):
        decide(url, "BTC", rows[last][0], [close for _, close in rows[last + 1 - WINDOW : last + 1]])
    print(f"{days} decisions recorded")


if __name__ == "__main__":
    main(*sys.argv[1:])
