"""Fixtures shared by every kind of test: real servers, started on first use."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import servers

# A deadline measures the machine's load, not the code. A run decides the same thing each time: the same examples, until
# a test or hypothesis changes. `make explore` draws fresh ones.
settings.register_profile("trimtab", deadline=None, print_blob=True, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, print_blob=True, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "trimtab"))

_versions = pytest.StashKey[dict[str, str]]()
_faults = pytest.StashKey[list[tuple[str, ...]]]()
FAULT_COLUMNS = ("", "fault", "load", "acked", "stored", "lost", "recovery", "besides")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_versions] = {}
    config.stash[_faults] = []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of several hands over what it knows: the run that prints the summary has no servers of its own."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["trimtab"] = (session.config.stash[_versions], session.config.stash[_faults])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker knew; one that died tells nothing."""
    versions, faults = getattr(node, "workeroutput", {}).get("trimtab", ({}, []))
    node.config.stash[_versions].update(versions)
    node.config.stash[_faults].extend(map(tuple, faults))


def pytest_report_header() -> str:
    return servers.describe_plan()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    used = config.stash[_versions]
    text = ", ".join(f"{product} {version}" for product, version in sorted(used.items())) or "none was needed"
    terminalreporter.write_line(f"shared servers started in this run: {text}")
    if rows := config.stash[_faults]:
        ordered = sorted(rows, key=lambda row: int(row[0].lstrip("R")))
        for row in (FAULT_COLUMNS, ("---",) * len(FAULT_COLUMNS), *ordered):
            terminalreporter.write_line(f"| {' | '.join(row)} |")


@pytest.fixture
def fault_table(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Add a row to the one table of faults that a run prints at its end; `number` is that of the fault, as R4."""

    def add(
        number: str,
        fault: str,
        *,
        load: str,
        acked: object = "–",
        stored: object = "–",
        lost: object = "0",
        recovery: str = "–",
        besides: str = "",
    ) -> None:
        row = (number, fault, load, str(acked), str(stored), str(lost), recovery, besides)
        pytestconfig.stash[_faults].append(row)

    return add


@pytest.fixture(scope="session")
def servers_directory() -> Iterator[Path]:
    """Directory of the servers' data; others may enter it, because a server may run as another user."""
    path = Path(tempfile.mkdtemp(prefix="trimtab-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def postgres_server(servers_directory: Path, pytestconfig: pytest.Config) -> Iterator[servers.AnyServer]:
    """PostgreSQL shared by the whole run.  A test that kills its server starts one of its own."""
    with servers.database_server(servers_directory / "postgres") as server:
        pytestconfig.stash[_versions]["PostgreSQL"] = server.server_version
        yield server


@pytest.fixture(scope="session")
def redis_server(servers_directory: Path, pytestconfig: pytest.Config) -> Iterator[servers.AnyServer]:
    """Redis-compatible server shared by the whole run."""
    with servers.redis_compatible_server(servers_directory / "valkey") as server:
        pytestconfig.stash[_versions]["Valkey/Redis"] = server.server_version
        yield server


@pytest.fixture
def postgres_url(postgres_server: servers.AnyServer) -> Iterator[str]:
    """Address (``postgresql+asyncpg://``) of an empty database that only this test uses."""
    with servers.fresh_database(postgres_server.url) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: servers.AnyServer) -> str:
    """Address of an empty Redis database."""
    servers.flush(redis_server.url)
    return redis_server.url
