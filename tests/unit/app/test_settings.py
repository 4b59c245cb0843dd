"""Settings: what is read, what is refused and how it is said, what is never shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.settings import VARIABLES, SettingError, Settings, redact
from services.audit.note import COSIGNATURE, ED25519, VerifierKey


def test_nothing_given_is_embedded_on_loopback() -> None:
    settings = Settings.from_mapping({})
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8000, Path(".run"))
    assert settings.embedded_database
    assert settings.audit_url == "sqlite:///.run/trimtab.db"


def test_empty_values_count_as_absent() -> None:
    assert Settings.from_mapping({"DATABASE_URL": "", "TRIMTAB_PORT": " "}) == Settings()


def test_every_setting_has_a_variable() -> None:
    attributes = {attribute for attribute, _ in VARIABLES.values()}
    assert attributes | {"unknown_variables"} == set(Settings.__dataclass_fields__)


def test_given_values_are_parsed() -> None:
    given = {
        "TRIMTAB_HOST": "::1",
        "TRIMTAB_PORT": "9000",
        "TRIMTAB_DATA_DIR": "/data",
        "DATABASE_URL": "postgresql://u:p@db/x",
        "REDIS_URL": "redis://cache:6379/0",
        "TRIMTAB_MAX_BODY_BYTES": "1048576",
        "TRIMTAB_REQUEST_TIMEOUT_SECONDS": "0.25",
        "TRIMTAB_ALLOWED_HOSTS": "Risk.example.com, other.example",
        "TRIMTAB_LOG_LEVEL": "debug",
    }
    settings = Settings.from_mapping(given)
    assert settings.audit_url == "postgresql://u:p@db/x"
    assert settings.allowed_hosts == ("risk.example.com", "other.example")
    assert (settings.port, settings.log_level, settings.request_timeout_seconds) == (9000, "DEBUG", 0.25)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TRIMTAB_PORT", "eighty", ["whole number", "65535", "'eighty'"]),
        ("TRIMTAB_PORT", "70000", ["65535", "'70000'"]),
        ("TRIMTAB_PORT", "٨٠", ["whole number"]),
        ("TRIMTAB_PORT", "tcp://10.0.0.1:8000", ["whole number"]),
        ("TRIMTAB_MAX_BODY_BYTES", "1", ["1024"]),
        ("TRIMTAB_BODY_TIMEOUT_SECONDS", "nan", ["seconds", "'nan'"]),
        ("TRIMTAB_BODY_TIMEOUT_SECONDS", "inf", ["seconds"]),
        ("TRIMTAB_LIVE", "on", ["0 or 1", "'on'"]),
        ("TRIMTAB_WORKERS", "0", ["1 to 64", "'0'"]),
        ("TRIMTAB_WORKERS", "2", ["must be 1, found 2", "DATABASE_URL", "REDIS_URL"]),
        ("TRIMTAB_ALLOW_UNAUTHENTICATED", "yes", ["0 or 1", "'yes'"]),
        ("TRIMTAB_LOG_LEVEL", "loud", ["DEBUG", "'loud'"]),
        ("TRIMTAB_ALLOWED_HOSTS", "http://x", ["without ports"]),
        ("DATABASE_URL", "mysql://u:hunter2@db/x", ["postgresql://", "sqlite://", "'mysql'"]),
        ("DATABASE_URL", "u:hunter2@db/x", ["://"]),
        ("REDIS_URL", "memcached://x", ["redis://"]),
    ],
)
def test_errors_name_variable_rule_and_value_but_no_credential(name: str, value: str, words: list[str]) -> None:
    with pytest.raises(SettingError) as caught:
        Settings.from_mapping({name: value})
    text = str(caught.value)
    assert text.startswith(name)
    assert all(word in text for word in words), text
    assert "hunter2" not in text


def test_credentials_are_in_no_representation() -> None:
    settings = Settings(
        database_url="postgresql://bob:hunter2@db:5432/x", redis_url="redis://:hunter2@c/0?password=hunter2"
    )
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.redacted())
    assert settings.redacted()["database_url"] == "postgresql://***@db:5432/x"


def test_redaction_survives_nonsense() -> None:
    assert redact("redis://[::1") == "***"
    assert re.search("secret", redact("unix:///run/x?password=secret")) is None


def test_misspelt_variables_are_reported_with_a_guess() -> None:
    given = {"TRIMTAB_PROT": "1", "TRIMTAB_TEST_DATABASE_URL": "x", "PATH": "y"}
    assert Settings.from_mapping(given).unknown_variables == ("TRIMTAB_PROT (did you mean TRIMTAB_PORT?)",)


def test_witnesses_are_keys_of_witnesses_and_a_quorum_is_of_them() -> None:
    keys = [VerifierKey(f"w{place}.example", COSIGNATURE, bytes(31) + bytes((place,))) for place in range(3)]
    given = {"TRIMTAB_WITNESS_KEYS": ", ".join(key.text() for key in keys)}
    made = Settings.from_mapping(given)
    assert (made.witness_keys, made.quorum) == (tuple(keys), 2)
    assert Settings.from_mapping({**given, "TRIMTAB_WITNESS_QUORUM": "3"}).quorum == 3
    assert Settings().quorum == 0
    for name, value, words in (
        ("TRIMTAB_WITNESS_QUORUM", "4", "must be from 1 to 3"),
        ("TRIMTAB_WITNESS_QUORUM", "0", "whole number from 1"),
        ("TRIMTAB_WITNESS_KEYS", "nonsense", "public keys of witnesses"),
        ("TRIMTAB_WITNESS_KEYS", VerifierKey("log", ED25519, bytes(32)).text(), "found one of a log"),
    ):
        with pytest.raises(SettingError, match=words):
            Settings.from_mapping({**given, name: value})
