"""Another key for the log: on record before it signs, under both keys while readers follow, and no way around it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.adapters.log_key import LogKeyRefused, load_signer, open_signer
from app.adapters.schema import migrate
from app.commands.embedded import embedded_service
from app.lifespan import open_container
from app.ports import EventKind
from app.settings import Settings
from app.signatures import check_signature
from app.usecases.change_key import KeyChangeRefused, change_key
from services.audit.key_change import followed
from services.audit.note import VerifierKey, verified_checkpoint
from services.core.errors import InvalidInput
from tests.integration.test_audit_log import SECONDS, Store
from tests.integration.test_cli_audit import SENT, Service
from tests.integration.test_cli_service import run
from tests.support.audit import record

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[Service]:
    given = Settings(data_dir=folder, log_level="WARNING", request_timeout_seconds=30.0, **settings)
    with embedded_service(given) as url:
        yield Service(url, folder)


async def opened(settings: Settings) -> None:
    """Start as a service would, and end."""
    async with open_container(settings):
        pass


def audit(folder: Path, *words: object) -> Any:
    return run("audit", *words, environment={"TRIMTAB_DATA_DIR": str(folder)})


def test_readers_follow_a_log_to_its_next_key(tmp_path: Path) -> None:
    data, following, note = tmp_path / "data", tmp_path / "next.key", tmp_path / "change.note"
    with serving(data) as service:
        before, kept = service.key, service.evaluate()
    (tmp_path / "answer.json").write_bytes(kept)
    changed = audit(data, "change-key", following, "--actor", "ann")
    assert changed.exit_code == 0, changed.stderr
    note.write_bytes(changed.stdout_bytes)
    assert oct(following.stat().st_mode & 0o777) == "0o600"
    after = run("audit", "follow-key", note, "--key", before).stdout.strip()
    assert VerifierKey.parse(after) == followed(note.read_text(), VerifierKey.parse(before), check_signature)
    assert audit(data, "verify").exit_code == 0

    with pytest.raises(LogKeyRefused, match="holds another"):
        asyncio.run(opened(Settings(data_dir=data)))
    with serving(data, log_key_file=following, log_former_key_file=data / "log.key") as service:
        assert service.key == after
        head = httpx.get(f"{service.url}/v1/log/checkpoint", trust_env=False).text
        for key in (before, after):
            assert verified_checkpoint(head, VerifierKey.parse(key), check_signature).size == 2
        (tmp_path / "newer.json").write_bytes(service.evaluate())
        state = tmp_path / "head.txt"
        service.key = before
        assert service.witness(state).exit_code == 0, "a witness that has not followed yet goes on"
    for key, answers in ((before, ("answer.json", "newer.json")), (after, ("newer.json",))):
        for answer in answers:
            assert run("audit", "check-receipt", tmp_path / answer, "--key", key).exit_code == 0, (key, answer)
    assert run("audit", "check-receipt", tmp_path / "answer.json", "--key", after).exit_code != 0

    with serving(data, log_key_file=following) as service:
        head = httpx.get(f"{service.url}/v1/log/checkpoint", trust_env=False).text
        assert verified_checkpoint(head, VerifierKey.parse(after), check_signature).size == 3
        with pytest.raises(InvalidInput, match="valid signature"):
            verified_checkpoint(head, VerifierKey.parse(before), check_signature)
        shown = httpx.get(f"{service.url}/v1/audit/entries", params={"kind": "log_key"}, trust_env=False).json()
        (row,) = shown["items"]
        assert (row["index"], row.get("evaluation_id")) == (1, None), "it is no decision"
        answer = httpx.post(
            f"{service.url}/v1/evaluations",
            content=SENT,
            trust_env=False,
            timeout=30.0,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 200


def test_a_key_that_is_not_the_log_s_changes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data) as service:
        service.evaluate()
    stranger = tmp_path / "stranger.key"
    load_signer(stranger, create=True)
    refused = audit(data, "change-key", tmp_path / "next.key", "--key-file", stranger)
    assert refused.exit_code == 3 and "is signed with" in refused.stderr
    same = audit(data, "change-key", data / "log.key")
    assert same.exit_code == 3 and "another than the former one" in same.stderr
    with serving(data) as again:
        assert again.key == service.key
        assert orjson.loads(again.verify().stdout_bytes)["size"] == 1


async def test_the_log_says_so_before_it_is_done_and_one_change_wins(store: Store, tmp_path: Path) -> None:
    async with store.open() as database:
        await database.audit.append(record(), timeout=SECONDS)
        origin = (await database.tree.head()).origin
        former, one, two = (load_signer(tmp_path / name, create=True) for name in ("former", "one", "two"))
        given: dict[str, Any] = {"tenant_id": "local", "actor": "ann", "now": NOW}
        with pytest.raises(KeyChangeRefused, match="no key yet"):
            await change_key(database.audit, database.tree, former, one, **given)
        await database.tree.adopt_key(former.public(origin).text())
        note, index = await change_key(database.audit, database.tree, former, one, **given)
        assert (await database.tree.head()).verifier_key == one.public(origin).text()
        (item,) = await database.audit.tail(after=index - 1, limit=1)
        assert item.entry.kind is EventKind.LOG_KEY
        assert orjson.loads(item.entry.response) == {"statement": note}
        size = await database.audit.size()
        with pytest.raises(KeyChangeRefused, match="is signed with"):
            await change_key(database.audit, database.tree, former, two, **given)
        assert await database.audit.size() == size, "nothing is said that is not done"

        class Slow:
            """The tree of one who read the head before another changed the key."""

            def __getattr__(self, name: str) -> Any:
                return getattr(database.tree, name)

            async def change_key(self, former_key: str, key: str) -> str:
                await database.tree.change_key(former_key, two.public(origin).text())
                return await database.tree.change_key(former_key, key)

        third = load_signer(tmp_path / "third", create=True)
        with pytest.raises(KeyChangeRefused, match="meanwhile"):
            await change_key(database.audit, Slow(), one, third, **given)  # type: ignore[arg-type]
        assert (await database.tree.head()).verifier_key == two.public(origin).text()


async def test_a_former_key_is_another_one(store: Store, tmp_path: Path) -> None:
    async with store.open() as database:
        assert await open_signer(tmp_path / "log.key", None, database.tree) is not None
        with pytest.raises(LogKeyRefused, match="holds the same key"):
            await open_signer(tmp_path / "log.key", tmp_path / "log.key", database.tree)
        with pytest.raises(LogKeyRefused, match="No such file"):
            await open_signer(tmp_path / "log.key", tmp_path / "former.key", database.tree)


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = f"sqlite:///{tmp_path / 'audit.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    await asyncio.to_thread(migrate, url)
    return Store(url)
