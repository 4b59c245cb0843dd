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

from app.limits import BURST_SECONDS, RATE_UNITS_PER_SECOND
from app.token_bucket import MAX_BURST, MAX_RATE, RatePlan
from services.audit.note import ED25519, VerifierKey, witnesses_of
from services.core.errors import InvalidInput

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
        Where to listen. Without API keys only a loopback address is served, unless `allow_unauthenticated`.
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
    body_retention_days : int
        Days for which the audit log keeps requests and answers; 0 keeps them for ever. Digests stay always.
    check_entries, check_seconds : int, float
        How many of the newest entries of the log are checked, 0 for none, and the time between two checks [s].
    live : bool
        Compete for running the live engine of the deployment; the stream is served either way.
    allow_unauthenticated : bool
        Listen on a non-loopback address without API keys, although every caller is then trusted.
    require_keys : bool
        Answer nobody without an API key, also while there is none.
    key_pepper_file : Path, optional
        Secret under which API keys are stored; by default `key.pepper` beside the embedded database. All processes of
        one database need the same.
    rate_units_per_second : float, optional
        What a key without a plan of its own may spend on average, see `app.costs`; 0: anything. Where there are no
        keys, everybody shares this rate, and is free while it is not set.
    rate_burst_units : int, optional
        What may be spent at once; by default what is earned in ten seconds.
    instances : int, optional
        Services that share `redis_url`, each with its `workers`: while Redis is away, each process grants its part of a
        rate. Only where this says 1, and `workers` too, are signed requests taken meanwhile.
    signature_window_seconds : float
        Age at which the signature of a request is no longer taken.
    allowed_hosts : tuple of str
        Names under which a proxy on this machine may pass requests on, besides the loopback names.
    log_key_file : Path, optional
        Ed25519 key that signs the heads of the audit log; by default `log.key` beside the embedded database, and none
        for another: the log is then kept in its tree, but not signed. All processes of one log need the same key.
    log_former_key_file : Path, optional
        Key before a change, which signs heads beside the new one until readers have followed.
    log_mldsa_key_file : Path, optional
        ML-DSA-44 key that cosigns heads and receipts besides; see `trimtab audit key`.
    witness_keys : tuple of VerifierKey
        Public keys of the witnesses whose cosignatures are taken.
    witness_quorum : int, optional
        How many of them make a head valid; by default more than half.
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
    body_retention_days: int = 400
    check_entries: int = 1000
    check_seconds: float = 300.0
    live: bool = True
    allow_unauthenticated: bool = False
    require_keys: bool = False
    key_pepper_file: Path | None = None
    rate_units_per_second: float | None = None
    rate_burst_units: int | None = None
    instances: int | None = None
    signature_window_seconds: float = 5.0
    allowed_hosts: tuple[str, ...] = ()
    log_key_file: Path | None = None
    log_former_key_file: Path | None = None
    log_mldsa_key_file: Path | None = None
    witness_keys: tuple[VerifierKey, ...] = ()
    witness_quorum: int | None = None
    allowed_origins: tuple[str, ...] = ()
    log_level: str = "INFO"
    log_format: str = "text"
    otlp_endpoint: str | None = field(default=None, repr=False)
    metrics_port: int | None = None
    unknown_variables: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.body_retention_days == 1:
            raise SettingError(
                "TRIMTAB_BODY_RETENTION_DAYS must be 0 (for ever) or at least 2, as long as Idempotency-Keys answer, "
                "found 1"
            )

        count = witnesses_of(self.witness_keys)
        if self.witness_quorum is not None and not 1 <= self.witness_quorum <= count:
            raise SettingError(
                f"TRIMTAB_WITNESS_QUORUM must be from 1 to {count}, the witnesses of TRIMTAB_WITNESS_KEYS, "
                f"found {self.witness_quorum}"
            )
        if self.metrics_port is not None and self.metrics_port + self.workers - 1 > LAST_PORT:
            last = LAST_PORT + 1 - self.workers
            raise SettingError(f"TRIMTAB_METRICS_PORT must be at most {last}: each worker takes one from it on")
        if self.metrics_port is not None and 0 <= self.port - self.metrics_port < self.workers:
            raise SettingError(
                f"TRIMTAB_METRICS_PORT must be another port than TRIMTAB_PORT, found {self.metrics_port}"
            )
        if (self.instances or 1) > 1 and self.redis_url is None:
            raise SettingError(
                f"TRIMTAB_INSTANCES above 1 needs REDIS_URL, found {self.instances}: nonces, tickets and rates are "
                "shared there"
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

    @property
    def key_pepper_path(self) -> Path | None:
        """Where the pepper of API keys is kept, if there can be keys."""
        beside = self.data_dir / "key.pepper" if self.embedded_database else None
        return self.key_pepper_file or beside

    @property
    def processes(self) -> int:
        """Processes that serve together, as far as is known."""
        return self.workers * (self.instances or 1)

    @property
    def rate_plan(self) -> RatePlan | None:
        """What a caller without a plan of its own may spend; None for anything."""
        rate = RATE_UNITS_PER_SECOND if self.rate_units_per_second is None else self.rate_units_per_second
        if rate == 0.0:
            return None
        return RatePlan.of(rate, self.rate_burst_units or max(1, min(round(BURST_SECONDS * rate), MAX_BURST)))

    @property
    def quorum(self) -> int:
        """Witnesses that make a head valid; 0 where there are none."""
        if self.witness_quorum is not None or not self.witness_keys:
            return self.witness_quorum or 0
        return witnesses_of(self.witness_keys) // 2 + 1

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
    return _number(low, high, "a number of seconds")


def _number(low: float, high: float, what: str = "a number") -> Callable[[str, str], float]:
    def parse(name: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if low <= value <= high:
            return value
        raise SettingError(f"{name} must be {what} from {low:g} to {high:g}, found {text[:40]!r}")

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


def _witnesses(name: str, text: str) -> tuple[VerifierKey, ...]:
    try:
        keys = tuple(VerifierKey.parse(part) for part in text.split(",") if part.strip())
    except InvalidInput as error:
        rule = f"{name} must be public keys of witnesses (name+id+base64) separated by commas"
        raise SettingError(f"{rule}: {error}") from None
    if wrong := [key.name for key in keys if key.kind == ED25519]:
        raise SettingError(f"{name} must be keys of witnesses (type 4 or 6), found one of a log: {wrong[0][:80]!r}")
    return keys


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


CALLERS = frozenset({"TRIMTAB_URL", "TRIMTAB_API_KEY"})
"""Read by commands and clients that call a service, not by the service."""
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
    "TRIMTAB_BODY_RETENTION_DAYS": ("body_retention_days", _whole(0, 36_500)),
    "TRIMTAB_CHECK_ENTRIES": ("check_entries", _whole(0, 1_000_000)),
    "TRIMTAB_CHECK_SECONDS": ("check_seconds", _seconds(1, 86_400)),
    "TRIMTAB_LIVE": ("live", _flag),
    "TRIMTAB_ALLOW_UNAUTHENTICATED": ("allow_unauthenticated", _flag),
    "TRIMTAB_REQUIRE_KEYS": ("require_keys", _flag),
    "TRIMTAB_KEY_PEPPER_FILE": ("key_pepper_file", lambda _, text: Path(text)),
    "TRIMTAB_RATE_UNITS_PER_SECOND": ("rate_units_per_second", _number(0, MAX_RATE)),
    "TRIMTAB_RATE_BURST_UNITS": ("rate_burst_units", _whole(1, MAX_BURST)),
    "TRIMTAB_INSTANCES": ("instances", _whole(1, 1000)),
    "TRIMTAB_SIGNATURE_WINDOW_SECONDS": ("signature_window_seconds", _seconds(1, 60)),
    "TRIMTAB_ALLOWED_HOSTS": ("allowed_hosts", _hosts),
    "TRIMTAB_LOG_KEY_FILE": ("log_key_file", lambda _, text: Path(text)),
    "TRIMTAB_LOG_FORMER_KEY_FILE": ("log_former_key_file", lambda _, text: Path(text)),
    "TRIMTAB_LOG_MLDSA_KEY_FILE": ("log_mldsa_key_file", lambda _, text: Path(text)),
    "TRIMTAB_WITNESS_KEYS": ("witness_keys", _witnesses),
    "TRIMTAB_WITNESS_QUORUM": ("witness_quorum", _whole(1, 32)),
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
    return tuple(sorted(name + _guess(name) for name in ours if name not in VARIABLES and name not in CALLERS))


def _guess(name: str) -> str:
    close = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.8)
    return f" (did you mean {close[0]}?)" if close else ""
