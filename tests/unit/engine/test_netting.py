"""One hedge for several accounts: what it saves, and who gets which part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.core.book import Account, Collateral
from services.core.instrument import Instrument
from services.engine.outputs import Netting
from tests.support.books import row
from tests.support.option_hedges import hedged, option


def netted(*rows: Any, **changes: Any) -> Netting | None:
    return hedged(*rows, **changes).hedges[0].netting


def own(account: str | None, quantity: str) -> Any:
    """Options of one account, of delta 0.579 each."""
    margin = {"initial_margin": 1.0, "maintenance_margin": 1.0}
    return replace(option("OPT", 100.0, 365.0, quantity=quantity, **margin), account_id=account)


def test_accounts_on_opposite_sides_net() -> None:
    """−10 and +4 calls: the net is six, the gross fourteen; the hedge is all of the account that is left short."""
    found = netted(row("A"), own("one", "-10"), own("two", "4"))
    alone = hedged(row("A"), own("one", "-10")).hedges[0].delta_before
    assert found is not None and alone is not None
    unit = -alone / 10.0
    assert found.net_delta == pytest.approx(-6.0 * unit)
    assert found.gross_delta == pytest.approx(14.0 * unit)
    assert found.saved_delta == pytest.approx(8.0 * unit)
    shares = {item.account_id: item for item in found.by_account}
    assert (shares["one"].share, shares["two"].share) == (1.0, 0.0)
    assert shares["two"].delta == pytest.approx(4.0 * unit)


def test_the_hedge_goes_to_those_that_are_left_in_proportion() -> None:
    found = netted(row("A"), own("one", "-9"), own("two", "-3"), own("three", "4"))
    assert found is not None
    shares = {item.account_id: item.share for item in found.by_account}
    assert shares == {None: 0.0, "one": pytest.approx(0.75), "two": pytest.approx(0.25), "three": 0.0}
    for item in found.by_account:
        assert item.share * abs(found.net_delta) <= abs(item.delta) + 1e-12


def test_the_deltas_of_the_accounts_sum_to_that_of_the_hedge() -> None:
    coins = Account(10_000.0, "USD", (Collateral("COIN", 2.0, None),))
    perpetual = Instrument(symbol="A", base_currency="COIN")
    result = hedged(row("A", quantity="1", instrument=perpetual), own("one", "-9"), own("two", "-3"), account=coins)
    hedge = result.hedges[0]
    assert hedge.netting is not None
    assert sum(item.delta for item in hedge.netting.by_account) == pytest.approx(hedge.delta_before)
    assert hedge.netting.net_delta == pytest.approx(hedge.delta_before)
    (rest,) = (item for item in hedge.netting.by_account if item.account_id is None)
    assert rest.delta == pytest.approx(3.0)


def test_accounts_that_net_to_nothing_share_nothing() -> None:
    found = netted(row("A"), own("one", "-5"), own("two", "5"))
    assert found is not None
    assert [item.share for item in found.by_account] == [0.0, 0.0, 0.0]
    assert found.saved_delta == pytest.approx(found.gross_delta)


@pytest.mark.parametrize("accounts", [(None,), ("one",), ("one", None)])
def test_one_account_has_nothing_to_net(accounts: tuple[str | None, ...]) -> None:
    assert netted(row("A"), *(own(account, "-5") for account in accounts)) is None
