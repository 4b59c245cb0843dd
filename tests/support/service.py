"""The service as its users run it: an operating-system process behind a socket, which can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from scripts.embedded_servers import reserved_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.02
TRUSTED_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV")
"""What a child inherits: everything else of the caller's environment (a DATABASE_URL, say) would change the test."""


def free_port() -> int:
    """A TCP port on the loopback interface that was free a moment ago."""
    with reserved_port() as probe:
        return int(probe.getsockname()[1])


class ServiceDied(RuntimeError):
    """The process ended, or did not become ready; the text holds the end of its log."""


@dataclass
class ServiceProcess:
    """`trimtab serve` on a free loopback port.

    Parameters
    ----------
    data_dir : Path
        `TRIMTAB_DATA_DIR`; also holds the log of the process.
    database_url, redis_url : str, optional
        Stores; by default the embedded ones.
    environment : mapping
        More variables.
    cores : set of int, optional
        Processors that the process may use.
    start_seconds : float
        Longest wait for it to be ready; several workers start one after the other on a busy machine.
    """

    data_dir: Path
    database_url: str | None = None
    redis_url: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    cores: set[int] | None = None
    start_seconds: float = START_SECONDS
    port: int = field(default=0, init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Take a port, and keep others from it over all starts."""
        reserved = reserved_port()
        weakref.finalize(self, reserved.close)
        self.port = int(reserved.getsockname()[1])

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running service."""
        assert self.process is not None, "not started"
        return self.process.pid

    @property
    def log_path(self) -> Path:
        """Everything that the process printed, over all its starts."""
        return self.data_dir / "service.log"

    def variables(self) -> dict[str, str]:
        """Environment of the process."""
        kept = {name: os.environ[name] for name in TRUSTED_VARIABLES if name in os.environ}
        stores = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
        own = {
            "TRIMTAB_HOST": "127.0.0.1",
            "TRIMTAB_PORT": str(self.port),
            "TRIMTAB_DATA_DIR": str(self.data_dir),
            "PYTHONUNBUFFERED": "1",
        }
        return kept | own | {name: value for name, value in stores.items() if value} | dict(self.environment)

    def migrate(self) -> None:
        """Bring the schema of the database up to date, as an operator does before the first start."""
        result = subprocess.run(
            [*trimtab(), "migrate"], cwd=ROOT, env=self.variables(), capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            raise ServiceDied(f"trimtab migrate failed:\n{result.stdout}{result.stderr}")

    def start(self) -> Self:
        """Start, and return once `/readyz` answers 200; a process that does not become ready is killed."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*trimtab(), "serve"],
                cwd=ROOT,
                env=self.variables(),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        if self.cores:
            os.sched_setaffinity(self.process.pid, self.cores)
        try:
            self.wait_ready(self.start_seconds)
        except ServiceDied:
            self.kill()
            raise
        return self

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Return once `/readyz` answers 200; raise when the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                raise ServiceDied(f"the service ended before it was ready:\n{self.log_tail()}")
            if answers(f"{self.url}/readyz"):
                return
            time.sleep(POLL_SECONDS)
        raise ServiceDied(f"not ready after {seconds:g} s:\n{self.log_tail()}")

    def kill(self) -> None:
        """`kill -9`: no handler runs, nothing is flushed."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End in good order (SIGTERM) and return the exit code; kill after 20 s."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ServiceDied(f"still running {STOP_SECONDS:g} s after SIGTERM:\n{self.log_tail()}") from None

    def log_tail(self, characters: int = 4000) -> str:
        """End of what the process printed."""
        return self.log_path.read_text(errors="replace")[-characters:] if self.log_path.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def trimtab() -> list[str]:
    """Command line of `trimtab` in this interpreter."""
    return [sys.executable, "-m", "app.cli"]


def answers(url: str) -> bool:
    """Whether a GET of `url` gives 200."""
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def running(
    data_dir: Path, *, database_url: str | None = None, redis_url: str | None = None, **options: object
) -> Iterator[ServiceProcess]:
    """Migrated and started service; ended at the exit of the block."""
    service = ServiceProcess(data_dir, database_url, redis_url, **options)  # type: ignore[arg-type]
    if database_url is not None:
        service.migrate()
    with service:
        yield service
