"""The client that awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from trimtab_client import doors, models
from trimtab_client.calls import Attempt, Body, Call, Manner, Reply, converse
from trimtab_client.retry import PATIENT, STREAM_BACKOFF, Backoff, Retry
from trimtab_client.signing import Signer
from trimtab_client.stream.handlers import SILENT, Handlers
from trimtab_client.stream.stream import Stream

A = TypeVar("A")


class AsyncTrimtab:
    """Client of the service; close it, or use it in ``async with``.

    Parameters
    ----------
    base_url : str
        Address of the service, such as ``http://127.0.0.1:8000``.
    key : str, optional
        API key; by default that of the variable `TRIMTAB_API_KEY`.
    signer : Signer, optional
        Signs every request in the place of a key: see `trimtab_client.signing`.
    timeout, deadline : float
        Of one attempt, and of a call with all its repetitions [s].
    retry : Retry
        What is repeated.
    transport : httpx.AsyncBaseTransport, optional
        For proxies, certificates, tests.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        signer: Signer | None = None,
        timeout: float = 10.0,
        deadline: float = 30.0,
        retry: Retry = PATIENT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.manner = Manner(base_url=base_url, key=key, signer=signer, timeout=timeout, deadline=deadline, retry=retry)
        self._http = httpx.AsyncClient(transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def send(self, call: Call[A]) -> Reply[A]:
        """Send a call until it is answered or given up."""
        conversation = converse(call, self.manner)
        step = next(conversation)
        while True:
            outcome: httpx.Response | httpx.TransportError | None = None
            if isinstance(step, Attempt):
                try:
                    outcome = await self._http.send(step.request)
                except httpx.TransportError as error:
                    outcome = error
            else:
                await asyncio.sleep(step.seconds)
            try:
                step = conversation.send(outcome)
            except StopIteration as end:
                reply: Reply[A] = end.value
                return reply

    async def request(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        answer: type[A] | None = None,
        idempotency_key: str | None = None,
    ) -> Reply[A]:
        """Any operation of ``/openapi.json``: see `trimtab_client.calls.Call`; without `answer` its value is JSON."""
        return await self.send(doors.any_operation(method, path, body, query, headers, answer, idempotency_key))

    async def evaluate(self, request: Body, *, idempotency_key: str | None = None) -> models.EvaluationResponse:
        """Targets, orders, margin and hedges of a snapshot, in one audited decision."""
        return (await self.send(doors.evaluate(request, idempotency_key))).value

    async def targets(self, request: Body, *, idempotency_key: str | None = None) -> models.TargetsResponse:
        """Targets and orders alone."""
        return (await self.send(doors.targets(request, idempotency_key))).value

    async def margin(self, request: Body, *, idempotency_key: str | None = None) -> models.MarginResponse:
        """Margin of the positions as they are."""
        return (await self.send(doors.margin(request, idempotency_key))).value

    async def hedges(self, request: Body, *, idempotency_key: str | None = None) -> models.HedgesResponse:
        """Orders that bring the delta of an underlying within bounds."""
        return (await self.send(doors.hedges(request, idempotency_key))).value

    async def observe(self, request: Body, *, idempotency_key: str | None = None) -> models.ObservationsAnswer:
        """Feed complete bars to the cached volatility states; the answer has an outcome for each."""
        return (await self.send(doors.observe(request, idempotency_key))).value

    async def check_order(self, request: Body, *, idempotency_key: str | None = None) -> models.OrderCheckAnswer:
        """Whether an order fits the account: accept, resize or reject, and what binds."""
        return (await self.send(doors.check_order(request, idempotency_key))).value

    async def register_instruments(
        self, request: Body, *, idempotency_key: str | None = None
    ) -> models.InstrumentsAnswer:
        """Contract terms, once for all requests that name their symbols."""
        return (await self.send(doors.register_instruments(request, idempotency_key))).value

    async def store_policy(self, request: Body, *, idempotency_key: str | None = None) -> models.PolicyStored:
        """Keep a policy under an id, as its next version."""
        return (await self.send(doors.store_policy(request, idempotency_key))).value

    async def scalar(
        self,
        symbol: str,
        target_volatility: float,
        *,
        interval: str | None = None,
        venue: str | None = None,
        max_leverage: float | None = None,
        as_of: datetime | None = None,
    ) -> models.ScalarResponse:
        """One number to multiply a stake by, from the cached volatility state; `scalar` is None where it is refused."""
        call = doors.scalar(
            symbol, target_volatility, interval=interval, venue=venue, max_leverage=max_leverage, as_of=as_of
        )
        return (await self.send(call)).value

    async def put_portfolio(
        self,
        portfolio_id: str,
        portfolio: Body,
        *,
        if_match: str | None = None,
        create: bool = False,
        idempotency_key: str | None = None,
    ) -> Reply[models.PortfolioRegistered]:
        """Register or replace a portfolio for live targets; the reply's `etag` is its version.

        `if_match`: replace only that version. `create`: only where there is none. Else `Conflict` is raised.
        """
        return await self.send(
            doors.put_portfolio(portfolio_id, portfolio, if_match=if_match, create=create, key=idempotency_key)
        )

    async def get_portfolio(self, portfolio_id: str) -> Reply[models.PortfolioAnswer]:
        """What is registered, with its version as `etag`."""
        return await self.send(doors.get_portfolio(portfolio_id))

    async def list_portfolios(self, *, after: str | None = None, limit: int | None = None) -> models.PortfolioPage:
        """A page of what is registered."""
        return (await self.send(doors.list_portfolios(after, limit))).value

    async def delete_portfolio(
        self, portfolio_id: str, *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> models.PortfolioDeleted:
        """Forget a portfolio."""
        return (await self.send(doors.delete_portfolio(portfolio_id, if_match=if_match, key=idempotency_key))).value

    async def snapshot(
        self, portfolio_id: str, taken: Body, *, idempotency_key: str | None = None
    ) -> models.SnapshotTaken:
        """Say how the account is now; its targets follow, on the stream and at `portfolio_targets`."""
        return (await self.send(doors.snapshot(portfolio_id, taken, idempotency_key))).value

    async def portfolio_targets(
        self, portfolio_id: str, *, known: str | None = None, wait_seconds: float | None = None
    ) -> Reply[models.TargetsAnswer | None]:
        """Newest published targets; look at `expired` before acting.

        `known`: `etag` of the last reply; the value is then None where nothing is new. `wait_seconds`: wait for news.
        """
        return await self.send(doors.portfolio_targets(portfolio_id, known=known, wait_seconds=wait_seconds))

    def subscribe(self, *channels: str, handlers: Handlers = SILENT, backoff: Backoff = STREAM_BACKOFF) -> Stream:
        """States of channels as they come, such as ``targets:pf_main``; use it in ``async with``."""
        return Stream(self.manner, channels, handlers, backoff=backoff)
