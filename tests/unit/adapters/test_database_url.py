"""URLs of stores: two forms, anything else refused, no password in any text."""

from pathlib import Path

import pytest

from app.adapters.database_url import InvalidDatabaseUrl, PostgresUrl, SqliteUrl, parse_database_url
from app.redaction import redact


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///trimtab.db", "trimtab.db"),
        ("sqlite:////data/trimtab.db", "/data/trimtab.db"),
        ("sqlite:///with%20space.db?mode=rw", "with space.db"),
    ],
)
def test_sqlite_names_a_file(url: str, path: str) -> None:
    assert parse_database_url(url) == SqliteUrl(Path(path))


@pytest.mark.parametrize("scheme", ["postgresql+asyncpg", "postgresql", "postgres"])
def test_postgresql_in_every_usual_spelling(scheme: str) -> None:
    assert parse_database_url(f"{scheme}://bot:pass@db:5432/trimtab") == PostgresUrl(
        "postgresql://bot:pass@db:5432/trimtab"
    )


@pytest.mark.parametrize("option", ["ssl=require", "ssl=true", "sslmode=require"])
def test_encryption_is_understood_in_every_usual_spelling(option: str) -> None:
    target = parse_database_url(f"postgresql+asyncpg://db/x?{option}&application_name=bot")
    assert target == PostgresUrl("postgresql://db/x?sslmode=require&application_name=bot")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "mysql://bot:hunter2@db/x",
        "postgresql+psycopg://bot:hunter2@db/x",
    ],
)
def test_any_other_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidDatabaseUrl) as refused:
        parse_database_url(url)
    assert "sqlite:///" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bot:hunter2@db/x",
        "postgresql+asyncpg://bot:hunter2@db:5432/x?ssl=require",
        "postgresql://bot:hun/ter2@db/x",
        "postgresql://bot:hunter2@@db/x",
        "postgresql://db/x?user=bot&password=hunter2",
        "postgresql://:hunter2@db/x",
    ],
)
def test_passwords_are_hidden(url: str) -> None:
    for text in (
        str(parse_database_url(url)),
        repr(parse_database_url(url)),
        redact(f"cannot connect to {url}: refused"),
    ):
        assert "hunter2" not in text
        assert "ter2" not in text
        assert "db" in text


def test_a_text_without_a_password_stays_as_it_is() -> None:
    text = 'connection to 127.0.0.1:5432 refused (role "bot" does not exist): see https://www.postgresql.org/docs/'
    assert redact(text) == text
