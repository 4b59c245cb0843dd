"""What a caller may spend: one question to the store of the doors for each request, before anything is computed.

Where there are no keys, everybody is one caller and free, unless the settings say a rate. A key has its own plan, else
that of the settings, else the default.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.caller import Caller
from app.container import Container
from app.costs import Price
from app.deadline import left_behind
from app.limits import MAX_CONCURRENT, MAX_KEY_REQUESTS, MAX_PUBLIC_REQUESTS
from app.problems import RequestProblem
from app.settings import Settings
from app.token_bucket import RatePlan, Taken
from app.turnstile import Full

RATE_KEY = "trimtab.rate"
"""Place in the scope of a request of the headers that say what is left."""
TAB_KEY = "trimtab.tab"
"""Place of the `Tab` of a request whose price depends on its body."""
COMPUTING, ACTIVE = "computing", "active"
PUBLIC_LOG = "/v1/log/"


def plan_of(caller: Caller, settings: Settings) -> RatePlan | None:
    """Plan of a caller; None for one who is not limited."""
    if caller.key_id is None:
        return settings.rate_plan if settings.rate_units_per_second is not None else None
    return caller.plan or settings.rate_plan


def name_of(caller: Caller) -> str:
    """Whose bucket it is: a key's, or that of a tenant without keys."""
    return f"key:{caller.key_id}" if caller.key_id is not None else f"tenant:{caller.tenant_id}"


class Tab:
    """What one request spends.

    Parameters
    ----------
    scope : mapping
        Of the request; the headers of its answer are left there.
    """

    def __init__(self, container: Container, caller: Caller, plan: RatePlan, price: Price, scope: Any) -> None:
        self._container, self._plan, self.price, self._scope = container, plan, price, scope
        self._name = name_of(caller)

    def check_door(self) -> None:
        """Refuse, before the body is read, a caller of whom this process knows that nothing is left.

        Raises
        ------
        RequestProblem
            429 `rate_limited`.
        """
        if (wait := self._container.turnstile.wait_seconds(self._name)) > 0.0:
            self._scope[RATE_KEY] = headers_of(self._plan, Taken(False, 0))
            raise _refusal(1, wait, self._plan)

    async def spend(self, body: Any = None) -> None:
        """Spend what the request costs.

        Raises
        ------
        RequestProblem
            429 `rate_limited` where that is not there.
        """
        cost = self.price.of(body)
        taken = await self._container.doors.take(self._name, self._plan, cost)
        self._scope[RATE_KEY] = headers_of(self._plan, taken)
        if taken.allowed:
            return
        if taken.left < 1:
            self._container.turnstile.spent(self._name, taken.seconds_until(1, self._plan))
        raise _refusal(cost, taken.seconds_until(cost, self._plan), self._plan)


async def open_tab(container: Container, caller: Caller, price: Price, scope: Any) -> None:
    """Charge a request at the door; one whose price depends on its body pays once that is read (`Tab.spend`).

    Raises
    ------
    RequestProblem
        429 `rate_limited`.
    """
    plan = plan_of(caller, container.settings)
    if plan is None:
        return
    tab = Tab(container, caller, plan, price, scope)
    tab.check_door()
    if price.sized:
        scope[TAB_KEY] = tab
    else:
        await tab.spend()


async def spend(container: Container, caller: Caller, price: Price, body: Any) -> None:
    """Charge what is no request, such as a frame of a stream.

    Raises
    ------
    RequestProblem
        429 `rate_limited`.
    """
    if (plan := plan_of(caller, container.settings)) is not None:
        await Tab(container, caller, plan, price, {}).spend(body)


@contextmanager
def computing(container: Container, caller: Caller, price: Price) -> Iterator[None]:
    """Be one of the computations of a key.

    Raises
    ------
    RequestProblem
        429 `too_many_concurrent`.
    """
    if caller.key_id is None or not price.computes:
        yield
        return
    try:
        with container.turnstile.inside(COMPUTING, caller.key_id, MAX_CONCURRENT, left_behind):
            yield
    except Full:
        detail = f"{MAX_CONCURRENT} computations of {caller.key_id} are under way"
        raise RequestProblem("too_many_concurrent", detail, headers=(("Retry-After", "1"),)) from None


@contextmanager
def under_way(container: Container, caller: Caller) -> Iterator[None]:
    """Be one of the unanswered requests of a key: those that wait for something cost little, and take a place too.

    Raises
    ------
    RequestProblem
        429 `too_many_concurrent`.
    """
    if caller.key_id is None:
        yield
        return
    try:
        with container.turnstile.inside(ACTIVE, caller.key_id, MAX_KEY_REQUESTS):
            yield
    except Full:
        detail = f"{MAX_KEY_REQUESTS} requests of {caller.key_id} are not answered yet"
        raise RequestProblem("too_many_concurrent", detail, headers=(("Retry-After", "1"),)) from None


@contextmanager
def in_public(container: Container | None, path: str) -> Iterator[None]:
    """Be one of the requests to a part of the log that is open to all: they share places of their own.

    Raises
    ------
    RequestProblem
        429 `too_many_concurrent`.
    """
    if container is None or not path.startswith(PUBLIC_LOG):
        yield
        return
    try:
        with container.turnstile.inside(ACTIVE, path, MAX_PUBLIC_REQUESTS):
            yield
    except Full:
        detail = f"{MAX_PUBLIC_REQUESTS} requests to {path} are not answered yet"
        raise RequestProblem("too_many_concurrent", detail, headers=(("Retry-After", "1"),)) from None


def headers_of(plan: RatePlan, taken: Taken) -> tuple[tuple[bytes, bytes], ...]:
    """Headers `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10).

    Examples
    --------
    >>> headers_of(RatePlan.of(200, 2000), Taken(True, 1999 * 10**9))
    ((b'ratelimit-policy', b'"units";q=2000;w=10'), (b'ratelimit', b'"units";r=1999;t=1'))
    """
    full = math.ceil(taken.seconds_until(plan.burst, plan))
    policy, now = f'"units";q={plan.burst};w={plan.full_seconds}', f'"units";r={taken.left};t={full}'
    return ((b"ratelimit-policy", policy.encode()), (b"ratelimit", now.encode()))


def _refusal(cost: int, wait: float, plan: RatePlan) -> RequestProblem:
    detail = (
        f"the request costs {cost} units, and they are there in {wait:.3g} s: "
        f"{plan.units_per_second:g} a second, {plan.burst} at once"
    )
    return RequestProblem("rate_limited", detail, headers=(("Retry-After", str(max(1, math.ceil(wait)))),))
