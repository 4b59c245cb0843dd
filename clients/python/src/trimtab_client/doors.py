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


def evaluation(evaluation_id: str) -> Call[Any]:
    return Call(method="GET", path=f"/v1/evaluations/{segment(evaluation_id)}")


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
