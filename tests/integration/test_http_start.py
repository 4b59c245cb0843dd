"""Starting: what is said about the stores, and what a process refuses to start on, in one line."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from app.lifespan import REFUSALS, Teller, banner, open_container
from app.main import create_app, create_app_from_environment
from app.settings import Settings
from app.usecases.rebuild_states import BYTES_PER_SECOND, Progress
from tests.support.keys import make_key
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


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
async def test_a_public_address_without_keys_is_refused_with_the_remedy(tmp_path: Path, host: str) -> None:
    settings = Settings(data_dir=tmp_path, host=host)
    (message,) = await started(settings)
    assert message["message"].startswith("cannot start: TRIMTAB_HOST must be a loopback address")
    assert "trimtab keys bootstrap" in message["message"]
    for consent in ({"allow_unauthenticated": True}, {"require_keys": True}):
        messages = await started(dataclasses.replace(settings, **consent))
        assert messages[0]["type"] == "lifespan.startup.complete"
    async with open_container(settings) as container:
        await make_key(container)
    assert (await started(settings))[0]["type"] == "lifespan.startup.complete"


async def test_keys_without_their_pepper_are_refused_and_a_new_one_is_not_made_up(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    async with open_container(settings) as container:
        await make_key(container)
    pepper = tmp_path / "key.pepper"
    pepper.chmod(0o640)
    (message,) = await started(settings)
    assert "can be read by others (mode 0640): chmod 600" in message["message"]
    pepper.unlink()
    (message,) = await started(settings)
    assert "is missing" in message["message"]
    assert not pepper.exists()
    pepper.write_text("short\n")
    pepper.chmod(0o600)
    (message,) = await started(settings)
    assert "64 hexadecimal digits" in message["message"]


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


def told(caplog: pytest.LogCaptureFixture, total_seconds: float, steps: list[tuple[float, float]]) -> list[str]:
    """Log lines about a rebuild: what is expected of it, and its share done after each time."""
    caplog.set_level("INFO", "trimtab")
    now, total = [0.0], int(total_seconds * BYTES_PER_SECOND)
    teller = Teller(lambda: now[0])
    for seconds, share in [(0.0, 0.0), *steps]:
        now[0] = seconds
        teller(Progress(round(100 * share), round(10_000 * share), round(total * share), total))
    return caplog.messages


def test_a_long_rebuild_is_announced_and_told_of_every_few_seconds(caplog: pytest.LogCaptureFixture) -> None:
    lines = told(caplog, 60.0, [(1.0, 0.1), (5.0, 0.25), (6.0, 0.3), (10.0, 0.5), (14.9, 0.9), (15.0, 1.0)])
    assert "90 MB" in lines[0]
    assert "about 60 s until the port is open" in lines[0]
    assert lines[1:] == [
        "25 % of the recorded observations are read (2500 bars in 25 entries), about 15 s are left",
        "50 % of the recorded observations are read (5000 bars in 50 entries), about 10 s are left",
        "100 % of the recorded observations are read (10000 bars in 100 entries), about 0 s are left",
    ]


def test_a_short_rebuild_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    assert told(caplog, 1.0, [(0.5, 0.4), (1.5, 1.0)]) == []


def test_a_rebuild_that_is_slower_than_expected_is_told_of_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = told(caplog, 1.0, [(5.0, 0.5)])
    assert line.endswith("about 5 s are left")


async def test_a_served_process_shows_no_server_header(tmp_path: Path) -> None:
    async with listening(Settings(port=0, data_dir=tmp_path)) as service:
        status, headers, _ = await service.send(raw_request("GET", "/livez", headers=()))
    assert status == 200
    assert "server" not in headers
    assert "date" in headers


def test_the_factory_reads_the_environment_when_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_PORT", "9123")
    assert create_app_from_environment().state.settings.port == 9123
