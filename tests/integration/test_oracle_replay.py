"""The de-peg of USDC, minute by minute: what the guards believed, and what they are compared with."""

from __future__ import annotations

import pytest

from scripts.guards_page import PAGE, kept
from scripts.oracle_replay import (
    ALL,
    DATA,
    DEPEG,
    GUARDS,
    GUARDS_WITHOUT_USD,
    HEADING,
    MEAN,
    TRADED,
    TRADED_WITHOUT_USD,
    Guarded,
    Minute,
    Score,
    methods,
    minutes,
    replay,
    row,
    score,
)
from scripts.volatility_page import markdown
from services.guards.outcome import OracleStatus, SourceReason

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA.name} is not in ../shared/data")


@pytest.fixture(scope="module")
def found() -> list[Minute]:
    return list(minutes())


@pytest.fixture(scope="module")
def scores(found: list[Minute]) -> dict[str, Score]:
    return {name: score(found, priced) for name, priced in replay(found).items()}


def test_an_accepted_price_is_never_far_off(scores: dict[str, Score]) -> None:
    assert scores[GUARDS].largest < 30.0
    assert scores[GUARDS_WITHOUT_USD].largest < 30.0


def test_the_naive_prices_are_worse(scores: dict[str, Score]) -> None:
    for naive in (ALL, TRADED, MEAN):
        assert scores[naive].largest > 2.0 * scores[GUARDS].largest
        assert scores[naive].high > 2.0 * scores[GUARDS].high
        assert scores[naive].median > scores[GUARDS].median
    assert scores[TRADED_WITHOUT_USD].largest > 900.0
    assert scores[TRADED_WITHOUT_USD].median > 10.0 * scores[GUARDS_WITHOUT_USD].median


def test_the_price_for_it_is_bounded(scores: dict[str, Score]) -> None:
    """With USD venues nobody waits; without them the guards close for minutes, not for hours."""
    assert (scores[GUARDS].reduce_only, scores[GUARDS].refused, scores[GUARDS].longest_wait) == (0.0, 0.0, 0.0)
    assert scores[GUARDS_WITHOUT_USD].reduce_only < 0.25
    assert scores[GUARDS_WITHOUT_USD].longest_wait < 30.0


def test_usdc_is_set_aside_while_it_is_off_its_peg_and_only_then(found: list[Minute]) -> None:
    guards = methods()[GUARDS]
    assert isinstance(guards, Guarded)
    for minute in found:
        guards(minute)
    for minute, answer in zip(found, guards.answers, strict=True):
        if answer.status is OracleStatus.REFUSED:
            continue
        aside = {item.source for item in answer.rejected if item.reason is SourceReason.DEPEGGED}
        assert all(name.endswith("usdc") for name in aside)
        if minute.as_of < DEPEG:
            assert aside == set()


def test_the_page_shows_what_is_measured(scores: dict[str, Score]) -> None:
    assert kept(PAGE.read_text(), "measured") == markdown(HEADING, [row(*item) for item in scores.items()]), "make docs"
