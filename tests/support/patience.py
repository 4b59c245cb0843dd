"""Stores that are waited for: tests share a machine with each other."""

from __future__ import annotations

import pytest

from app.adapters import postgres_connection, redis_client, redis_doors, redis_feed


@pytest.fixture(autouse=True)
def patient_stores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has no processor for a moment refuses, which is right and no business of most tests.

    Where the own limits of the service are what is tested: mark `own_limits`. Services in processes of their own have
    theirs.
    """
    if request.node.get_closest_marker("own_limits"):
        return
    for module in (redis_client, redis_doors):
        monkeypatch.setattr(module, "TIMEOUT_SECONDS", 5.0)
    monkeypatch.setattr(redis_feed, "CONFIRM_SECONDS", 20.0)
    monkeypatch.setattr(postgres_connection, "READ_SECONDS", 30.0)
    monkeypatch.setattr(postgres_connection, "CONNECT_SECONDS", 30.0)
