"""Finding a registered portfolio."""

from __future__ import annotations

from app.container import Container
from app.live_ports import StoredPortfolio


class UnknownPortfolio(Exception):
    """No such portfolio is registered."""


async def find_portfolio(container: Container, portfolio_id: str) -> StoredPortfolio:
    """A registered portfolio.

    Raises
    ------
    UnknownPortfolio
        If there is none.
    """
    stored = await container.portfolios.get(container.tenant_id, portfolio_id)
    if stored is None:
        raise UnknownPortfolio(portfolio_id)
    return stored
