"""Starting: what is said about the stores, and what a process refuses to start on, in one line."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from app.lifespan import REFUSALS, banner, open_container
from app.main import create_app, create_app_from_environment
from app.settings import Settings
from tests.support.sockets import listening, raw_request


async def started(settings: Settings) -> list[dict[str, Any]]:
    """Messages of the lifespan protocol while an application starts and ends."""
    received = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(received)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    app = create_app(settings)
    with contextlib.suppress(*REFUSALS):  # after its message, the lifespan raises what it was refused for
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    return sent


async def test_a_fresh_folder_is_enough(tmp_path: Path) -> None:
    messages = await started(Settings(data_dir=tmp_path / "new" / "folder"))
    assert [message["type"] for message in messages] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_foreign_database_is_refused_in_one_line(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "trimtab.db") as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    (message,) = await started(Settings(data_dir=tmp_path))
    assert message["message"].startswith("cannot start: ")
    assert "not ours" in message["message"]
    assert "\n" not in message["message"]


@pytest.mark.parametrize(
    "stores",
    [
        {"database_url": "postgresql://bob:hunter2@127.0.0.1:1/x"},
        {"redis_url": "redis://:hunter2@127.0.0.1:1/0"},
    ],
)
async def test_a_dead_store_is_refused_without_its_credentials(tmp_path: Path, stores: dict[str, str]) -> None:
    (message,) = await started(Settings(data_dir=tmp_path, **stores))  # type: ignore[arg-type]
    assert message["message"].startswith("cannot start: ")
    assert "hunter2" not in message["message"]


async def test_a_second_process_on_one_file_is_refused(tmp_path: Path) -> None:
    async with open_container(Settings(data_dir=tmp_path)):
        (message,) = await started(Settings(data_dir=tmp_path))
    assert "cannot start" in message["message"]


async def test_the_banner_names_the_stores_and_what_is_lost_with_them(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, unknown_variables=("TRIMTAB_PROT (did you mean TRIMTAB_PORT?)",))
    async with open_container(settings) as container:
        text = "\n".join(banner(container))
    assert "SQLite" in text
    assert str(tmp_path / "trimtab.db") in text
    assert "in this process only" in text
    assert "did you mean TRIMTAB_PORT?" in text


async def test_the_banner_hides_credentials(tmp_path: Path) -> None:
    async with open_container(Settings(data_dir=tmp_path)) as container:
        settings = Settings(data_dir=tmp_path, database_url="postgresql://bob:hunter2@db/x")
        assert "hunter2" not in "\n".join(banner(dataclasses.replace(container, settings=settings)))


async def test_a_served_process_shows_no_server_header(tmp_path: Path) -> None:
    async with listening(Settings(port=0, data_dir=tmp_path)) as service:
        status, headers, _ = await service.send(raw_request("GET", "/livez", headers=()))
    assert status == 200
    assert "server" not in headers
    assert "date" in headers


def test_the_factory_reads_the_environment_when_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_PORT", "9123")
    assert create_app_from_environment().state.settings.port == 9123
