"""How uvicorn is configured."""

from __future__ import annotations

from app.server import configuration
from app.settings import Settings

LONGEST_IDLE_SECONDS = 60
"""Of the clients and balancers that are common: Amazon's application balancer and nginx (as a proxy) keep this long."""


def test_the_service_is_never_the_first_to_close_an_idle_connection() -> None:
    assert configuration(Settings()).timeout_keep_alive > LONGEST_IDLE_SECONDS


def test_the_service_ends_within_ten_seconds() -> None:
    assert configuration(Settings()).timeout_graceful_shutdown < 10
