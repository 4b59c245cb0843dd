"""The resources of the service as calls; the clients only send them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from trimtab_client import models
from trimtab_client.calls import Body, Call

A = TypeVar("A")


def evaluate(request: Body, key: str | None) -> Call[models.EvaluationResponse]:
    return _decide("/v1/evaluations", request, key, models.EvaluationResponse)


def targets(request: Body, key: str | None) -> Call[models.TargetsResponse]:
    return _decide("/v1/targets", request, key, models.TargetsResponse)


def margin(request: Body, key: str | None) -> Call[models.MarginResponse]:
    return _decide("/v1/margin", request, key, models.MarginResponse)


def hedges(request: Body, key: str | None) -> Call[models.HedgesResponse]:
    return _decide("/v1/hedges", request, key, models.HedgesResponse)


def observe(request: Body, key: str | None) -> Call[models.ObservationsAnswer]:
    return _decide("/v1/observations", request, key, models.ObservationsAnswer)


def check_order(request: Body, key: str | None) -> Call[models.OrderCheckAnswer]:
    return _decide("/v1/orders:check", request, key, models.OrderCheckAnswer)


def store_policy(request: Body, key: str | None) -> Call[models.PolicyStored]:
    return _decide("/v1/policies", request, key, models.PolicyStored)


def register_instruments(request: Body, key: str | None) -> Call[models.InstrumentsAnswer]:
    return Call(
        method="PUT",
        path="/v1/instruments",
        body=request,
        answer=models.InstrumentsAnswer,
        keyed=True,
        idempotency_key=key,
    )


def scalar(
    symbol: str,
    target_volatility: float,
    *,
    interval: str | None,
    venue: str | None,
    max_leverage: float | None,
    as_of: datetime | None,
) -> Call[models.ScalarResponse]:
    query = {
        "symbol": symbol,
        "target_volatility": target_volatility,
        "interval": interval,
        "venue": venue,
        "max_leverage": max_leverage,
        "as_of": as_of,
    }
    return Call(method="GET", path="/v1/scalar", query=query, answer=models.ScalarResponse)


def put_portfolio(
    portfolio_id: str, portfolio: Body, *, if_match: str | None, create: bool, key: str | None
) -> Call[models.PortfolioRegistered]:
    return Call(
        method="PUT",
        path=f"/v1/portfolios/{segment(portfolio_id)}",
        body=portfolio,
        headers={"If-None-Match": "*"} if create else _if_match(if_match),
        answer=models.PortfolioRegistered,
        keyed=True,
        idempotency_key=key,
    )


def get_portfolio(portfolio_id: str) -> Call[models.PortfolioAnswer]:
    return Call(method="GET", path=f"/v1/portfolios/{segment(portfolio_id)}", answer=models.PortfolioAnswer)


def list_portfolios(after: str | None, limit: int | None) -> Call[models.PortfolioPage]:
    query = {"after": after, "limit": limit}
    return Call(method="GET", path="/v1/portfolios", query=query, answer=models.PortfolioPage)


def delete_portfolio(portfolio_id: str, *, if_match: str | None, key: str | None) -> Call[models.PortfolioDeleted]:
    return Call(
        method="DELETE",
        path=f"/v1/portfolios/{segment(portfolio_id)}",
        headers=_if_match(if_match),
        answer=models.PortfolioDeleted,
        keyed=True,
        idempotency_key=key,
    )


def snapshot(portfolio_id: str, taken: Body, key: str | None) -> Call[models.SnapshotTaken]:
    return _decide(f"/v1/portfolios/{segment(portfolio_id)}/snapshots", taken, key, models.SnapshotTaken)


def portfolio_targets(
    portfolio_id: str, *, known: str | None, wait_seconds: float | None
) -> Call[models.TargetsAnswer | None]:
    return Call(
        method="GET",
        path=f"/v1/portfolios/{segment(portfolio_id)}/targets",
        query={"wait_seconds": wait_seconds},
        headers={} if known is None else {"If-None-Match": known},
        answer=models.TargetsAnswer,
    )


def _if_match(tag: str | None) -> dict[str, str]:
    return {} if tag is None else {"If-Match": tag}


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def _decide(path: str, request: Body, key: str | None, answer: Any) -> Call[Any]:
    return Call(method="POST", path=path, body=request, answer=answer, keyed=True, idempotency_key=key)


def any_operation(
    method: str,
    path: str,
    body: Body | None,
    query: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None,
    answer: type[A] | None,
    key: str | None,
) -> Call[A]:
    return Call(
        method=method.upper(),
        path=path,
        body=body,
        query=query or {},
        headers=headers or {},
        answer=answer,
        keyed=method.upper() in ("POST", "PUT"),
        idempotency_key=key,
    )
