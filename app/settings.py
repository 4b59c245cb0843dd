"""Settings of a process, parsed once from a mapping such as `os.environ`; nothing is read at import."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

MEBIBYTE = 1024 * 1024
LAST_PORT = 65_535
PREFIX = "TRIMTAB_"
TEST_PREFIX = "TRIMTAB_TEST_"
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\Z", re.ASCII)
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?\Z", re.ASCII)


class SettingError(ValueError):
    """A variable breaks a rule; the message names the variable, the rule and the value found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one process runs.

    Parameters
    ----------
    host, port : str, int
        Where to listen. Without API keys only a loopback address is allowed, unless `allow_unauthenticated`.
    workers : int
        Processes that share the port; several need a `database_url` of a server and a `redis_url`.
    data_dir : Path
        Directory of the embedded database.
    database_url : str, optional
        ``postgresql+asyncpg://…`` or ``sqlite:///…``; by default a SQLite file in `data_dir`.
    redis_url : str, optional
        ``redis://…``, ``rediss://…`` or ``unix://…``; by default volatility states live in this process.
    max_body_bytes : int
        Largest request body.
    body_timeout_seconds : float
        Time in which a client must send its body.
    request_timeout_seconds : float
        Time for the durable write where the client sends no `Request-Timeout-Ms`.
    shutdown_seconds : float
        Time after SIGTERM for streams to be told and closed, and for running requests.
    live : bool
        Compete for running the live engine of the deployment; the stream is served either way.
    allow_unauthenticated : bool
        Listen on a non-loopback address although every caller is trusted.
    allowed_hosts : tuple of str
        Names under which a proxy on this machine may pass requests on, besides the loopback names.
    log_key_file : Path, optional
        Ed25519 key that signs the heads of the audit log; by default `log.key` beside the embedded database, and none
        for another: the log is then kept in its tree, but not signed. All processes of one log need the same key.
    allowed_origins : tuple of str
        Origins whose pages may open streams, besides those of this service.
    log_level : str
        Level of the process's log.
    log_format : str
        ``text``, or ``json``: one object a line.
    otlp_endpoint : str, optional
        Collector of OpenTelemetry that requests leave spans at (``http://collector:4318/v1/traces``); by default none.
    metrics_port : int, optional
        Port for `/metrics` and the details of `/readyz` alone, which then leave the public one. Each of several workers
        takes the first free port from here on.
    unknown_variables : tuple of str
        Variables with our prefix that mean nothing to us; the start-up log names them.

    Examples
    --------
    >>> Settings.from_mapping({"TRIMTAB_PORT": "9000"}).port
    9000
    >>> Settings.from_mapping({"TRIMTAB_PORT": "many"})
    Traceback (most recent call last):
    app.settings.SettingError: TRIMTAB_PORT must be a whole number from 0 to 65535, found 'many'
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    data_dir: Path = Path(".run")
    database_url: str | None = field(default=None, repr=False)
    redis_url: str | None = field(default=None, repr=False)
    max_body_bytes: int = 4 * MEBIBYTE
    body_timeout_seconds: float = 10.0
    request_timeout_seconds: float = 5.0
    shutdown_seconds: float = 9.0
    live: bool = True
    allow_unauthenticated: bool = False
    allowed_hosts: tuple[str, ...] = ()
    log_key_file: Path | None = None
    allowed_origins: tuple[str, ...] = ()
    log_level: str = "INFO"
    log_format: str = "text"
    otlp_endpoint: str | None = field(default=None, repr=False)
    metrics_port: int | None = None
    unknown_variables: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.allow_unauthenticated and not is_loopback(self.host):
            raise SettingError(
                f"TRIMTAB_HOST must be a loopback address such as 127.0.0.1, found {self.host!r}: there are no API "
                "keys, so everyone who can reach the port may use it. Put it behind an authenticating proxy and set "
                "TRIMTAB_ALLOW_UNAUTHENTICATED=1 if that is what you want"
            )
        if self.metrics_port is not None and self.metrics_port + self.workers - 1 > LAST_PORT:
            last = LAST_PORT + 1 - self.workers
            raise SettingError(f"TRIMTAB_METRICS_PORT must be at most {last}: each worker takes one from it on")
        if self.metrics_port is not None and 0 <= self.port - self.metrics_port < self.workers:
            raise SettingError(
                f"TRIMTAB_METRICS_PORT must be another port than TRIMTAB_PORT, found {self.metrics_port}"
            )
        if self.workers > 1 and (self.redis_url is None or self.audit_url.startswith("sqlite")):
            raise SettingError(
                f"TRIMTAB_WORKERS must be 1, found {self.workers}: several processes need DATABASE_URL of a PostgreSQL "
                "server and REDIS_URL, since an embedded store belongs to one process"
            )

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str]) -> Self:
        """Settings from environment variables; an empty value counts as absent.

        Raises
        ------
        SettingError
            Naming the variable, the rule and the value found (never a credential).
        """
        given = {name: value.strip() for name, value in variables.items() if value.strip()}
        values = {
            attribute: parse(name, given[name]) for name, (attribute, parse) in VARIABLES.items() if name in given
        }
        return cls(**values, unknown_variables=_unknown(given))  # type: ignore[arg-type]

    @property
    def audit_url(self) -> str:
        """URL of the audit database: the one given, or the embedded file."""
        return self.database_url or f"sqlite:///{self.data_dir / 'trimtab.db'}"

    @property
    def embedded_database(self) -> bool:
        """Whether the audit log is the embedded file."""
        return self.database_url is None

    @property
    def log_key_path(self) -> Path | None:
        """Where the key of the log is kept, if it is signed."""
        beside = self.data_dir / "log.key" if self.embedded_database else None
        return self.log_key_file or beside

    def redacted(self) -> dict[str, str]:
        """Every setting as text, credentials hidden."""
        shown = {item.name: str(getattr(self, item.name)) for item in fields(self)}
        for name, silent in (("database_url", "embedded"), ("redis_url", "embedded"), ("otlp_endpoint", "none")):
            url = getattr(self, name)
            shown[name] = redact(url) if url else silent
        return shown


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def redact(url: str) -> str:
    """URL without user name, password and query, which may hold credentials too.

    Examples
    --------
    >>> redact("postgresql://user:secret@db.example:5432/risk?password=secret")
    'postgresql://***@db.example:5432/risk'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    address = parts.netloc.rpartition("@")[2]
    netloc = f"***@{address}" if "@" in parts.netloc else address
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))


def _whole(low: int, high: int) -> Callable[[str, str], int]:
    def parse(name: str, text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 16 and low <= int(text) <= high:
            return int(text)
        raise SettingError(f"{name} must be a whole number from {low} to {high}, found {text[:40]!r}")

    return parse


def _seconds(low: float, high: float) -> Callable[[str, str], float]:
    def parse(name: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if low <= value <= high:
            return value
        raise SettingError(f"{name} must be a number of seconds from {low:g} to {high:g}, found {text[:40]!r}")

    return parse


def _flag(name: str, text: str) -> bool:
    if text in ("0", "1"):
        return text == "1"
    raise SettingError(f"{name} must be 0 or 1, found {text[:40]!r}")


def _hosts(name: str, text: str) -> tuple[str, ...]:
    hosts = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if all(_HOST.match(host) for host in hosts):
        return hosts
    raise SettingError(f"{name} must be host names separated by commas, without ports, found {text[:80]!r}")


def _origins(name: str, text: str) -> tuple[str, ...]:
    origins = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if all(_ORIGIN.match(origin) for origin in origins):
        return origins
    raise SettingError(
        f"{name} must be origins separated by commas, such as https://desk.example:8443, without paths, "
        f"found {text[:80]!r}"
    )


def _log_format(name: str, value: str) -> str:
    if value.lower() not in ("text", "json"):
        raise SettingError(f"{name} must be text or json, found {value!r}")
    return value.lower()


def _level(name: str, text: str) -> str:
    if text.upper() in ("DEBUG", "INFO", "WARNING", "ERROR"):
        return text.upper()
    raise SettingError(f"{name} must be DEBUG, INFO, WARNING or ERROR, found {text[:40]!r}")


def _url(*schemes: str) -> Callable[[str, str], str]:
    def parse(name: str, text: str) -> str:
        scheme = text.partition(":")[0]
        if scheme in schemes and "://" in text:
            return text
        allowed = ", ".join(f"{item}://" for item in schemes)
        found = f"one that starts with {scheme[:20]!r}" if "://" in text else "no ://"
        raise SettingError(f"{name} must be a URL that starts with {allowed}, found {found}")

    return parse


VARIABLES: dict[str, tuple[str, Callable[[str, str], object]]] = {
    "TRIMTAB_HOST": ("host", lambda _, text: text),
    "TRIMTAB_PORT": ("port", _whole(0, 65_535)),
    "TRIMTAB_WORKERS": ("workers", _whole(1, 64)),
    "TRIMTAB_DATA_DIR": ("data_dir", lambda _, text: Path(text)),
    "DATABASE_URL": ("database_url", _url("postgresql+asyncpg", "postgresql", "sqlite")),
    "REDIS_URL": ("redis_url", _url("redis", "rediss", "unix")),
    "TRIMTAB_MAX_BODY_BYTES": ("max_body_bytes", _whole(1024, 64 * MEBIBYTE)),
    "TRIMTAB_BODY_TIMEOUT_SECONDS": ("body_timeout_seconds", _seconds(0.1, 120)),
    "TRIMTAB_REQUEST_TIMEOUT_SECONDS": ("request_timeout_seconds", _seconds(0.01, 60)),
    "TRIMTAB_SHUTDOWN_SECONDS": ("shutdown_seconds", _seconds(0, 300)),
    "TRIMTAB_LIVE": ("live", _flag),
    "TRIMTAB_ALLOW_UNAUTHENTICATED": ("allow_unauthenticated", _flag),
    "TRIMTAB_ALLOWED_HOSTS": ("allowed_hosts", _hosts),
    "TRIMTAB_LOG_KEY_FILE": ("log_key_file", lambda _, text: Path(text)),
    "TRIMTAB_ALLOWED_ORIGINS": ("allowed_origins", _origins),
    "TRIMTAB_LOG_LEVEL": ("log_level", _level),
    "TRIMTAB_LOG_FORMAT": ("log_format", _log_format),
    "TRIMTAB_METRICS_PORT": ("metrics_port", _whole(1, 65_535)),
    "TRIMTAB_OTLP_ENDPOINT": ("otlp_endpoint", _url("http", "https")),
}
"""Variable to (setting, parser); the table of the manual is made from it."""


def _unknown(given: Mapping[str, str]) -> tuple[str, ...]:
    # Not an error: an orchestrator may inject variables under our prefix (Kubernetes: <SERVICE>_SERVICE_HOST).
    ours = (name for name in given if name.startswith(PREFIX) and not name.startswith(TEST_PREFIX))
    return tuple(sorted(name + _guess(name) for name in ours if name not in VARIABLES))


def _guess(name: str) -> str:
    close = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.8)
    return f" (did you mean {close[0]}?)" if close else ""
