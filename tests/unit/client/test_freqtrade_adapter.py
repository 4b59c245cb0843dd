"""Stakes of the freqtrade mixin by its rules, on a scripted service; `make interop` runs a real back-test."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import httpx
import pandas as pd
import pytest

from models.api.evaluation import EvaluationRequest
from trimtab_client import Backoff, Retry, Trimtab
from trimtab_client.adapters.freqtrade import TrimtabMixin
from trimtab_client.calls import encode

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=50)
FRAME = pd.DataFrame(
    {
        "date": pd.date_range(START, periods=100, freq="D", tz="UTC"),
        **dict.fromkeys(("open", "high", "low", "close", "volume"), 100.0),
    }
)


class Bot(TrimtabMixin):
    """A strategy as far as the mixin sees it."""

    trimtab_target_volatility = 0.2
    trimtab_safe_stake = 50.0
    trimtab_max_leverage = 3.0
    timeframe = "1d"

    def __init__(self, answer: Any, slots: float = 4) -> None:
        self.sent: list[dict[str, Any]] = []
        self.dp = self
        self.wallets = self
        self.config = {"stake_currency": "USDT", "max_open_trades": slots}
        self._answer = answer
        retry = Retry(attempts=2, backoff=Backoff(jitter=lambda: 0.0))
        self._trimtab_client = Trimtab(transport=httpx.MockTransport(self._serve), retry=retry)

    def _serve(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(json.loads(request.content))
        if isinstance(self._answer, Exception):
            raise self._answer
        return httpx.Response(200, content=self._answer)

    def get_total_stake_amount(self) -> float:
        return 10_000.0

    def get_pair_dataframe(self, pair: str, timeframe: str) -> pd.DataFrame:
        return FRAME

    def current_whitelist(self) -> list[str]:
        return ["A", "B", "C", "D", "E"]

    def stake(self, side: str = "long", proposed: float = 1000.0, **changes: Any) -> float:
        options = {"min_stake": 10.0, "max_stake": 9_000.0, "leverage": 1.0} | changes
        return self.custom_stake_amount(PAIR, NOW, 100.0, proposed, entry_tag=None, side=side, **options)

    def lever(self, proposed: float = 1.0, most: float = 20.0) -> float:
        return self.leverage(PAIR, NOW, 100.0, proposed, most, None, "long")


PAIR = "BTC/USDT:USDT"


class Target:
    """What `size_of` reads of a target."""

    def __init__(self, notional: float | None, status: str = "ok") -> None:
        self.status, self.reason = status, status
        self.target_notional = None if notional is None else Decimal(str(notional))


@pytest.fixture
def sized(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bot whose service answers a target of this notional."""

    def make(notional: float | None, status: str = "ok", **options: Any) -> Bot:
        bot = Bot(b"{}", **options)
        found = SimpleNamespace(targets=[Target(notional, status)])

        def targets(request: Any) -> Any:
            bot.sent.append(json.loads(encode(request)))
            return found

        monkeypatch.setattr(bot._trimtab_client, "targets", targets)
        return bot

    return make


def test_the_stake_is_what_the_service_says(sized: Any) -> None:
    assert sized(2500.0).stake() == pytest.approx(2500.0)
    assert sized(-2500.0).stake("short") == pytest.approx(2500.0)


def test_what_points_the_other_way_or_is_refused_is_no_trade(sized: Any) -> None:
    assert sized(2500.0).stake("short") == 0.0
    assert sized(None, "refused").stake() == 0.0
    assert sized(0.0).stake() == 0.0


def test_it_is_never_raised_to_the_least_nor_above_the_most(sized: Any) -> None:
    assert sized(9.0).stake() == 0.0
    assert sized(20_000.0).stake() == 9_000.0


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ReadTimeout("late"), b"<html>", b"{}"])
@pytest.mark.parametrize(("proposed", "stake"), [(1000.0, 50.0), (30.0, 30.0)])
def test_without_an_answer_it_is_never_more_than_without_the_service(
    failure: Any, proposed: float, stake: float
) -> None:
    bot = Bot(failure)
    assert bot.stake(proposed=proposed) == stake
    assert bot.lever(proposed=5.0) == 1.0


def test_leverage_is_what_the_size_needs_and_no_more(sized: Any) -> None:
    assert sized(2_500.0).lever() == 1.0
    assert sized(16_000.0).lever() == pytest.approx(1.6)
    assert sized(16_000.0).lever(most=1.2) == pytest.approx(1.2)
    assert sized(90_000.0).lever() == 3.0
    assert sized(16_000.0).stake(leverage=1.6, max_stake=20_000.0) == pytest.approx(10_000.0)


def test_one_question_serves_leverage_and_stake(sized: Any) -> None:
    bot = sized(2500.0)
    bot.lever()
    bot.stake()
    assert len(bot.sent) == 1


@pytest.mark.parametrize(("slots", "target"), [(1, 0.2), (4, 0.05), (-1, 0.04), (float("inf"), 0.04)])
def test_each_slot_has_an_equal_share_of_the_target(sized: Any, slots: float, target: float) -> None:
    bot = sized(2500.0, slots=slots)
    bot.stake()
    assert bot.sent[0]["policy"]["sizing"]["target_volatility"] == pytest.approx(target)


def test_what_comes_later_is_not_looked_at_and_the_service_can_read_it(sized: Any) -> None:
    bot = sized(2500.0)
    bot.stake()
    request = EvaluationRequest.model_validate(bot.sent[0])
    last = datetime.fromtimestamp(bot.sent[0]["series"][0]["ohlcv"][-1][0] / 1000, UTC)
    assert last == NOW - timedelta(days=1)
    assert request.as_of == NOW
    assert request.instruments[0].kind == "linear"
