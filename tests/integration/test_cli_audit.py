"""`trimtab audit` against a real service and its file: what is sound passes, what was changed does not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.adapters.database import open_database
from app.adapters.log_key import load_signer
from app.commands.embedded import embedded_service
from app.examples import SMALLEST
from app.settings import Settings
from app.signatures import check_signature
from services.audit.note import COSIGNATURE, Checkpoint, Note, VerifierKey, signature
from services.audit.retention import Announcement
from tests.integration.test_cli_service import run
from tests.support.audit import record

SENT = orjson.dumps({**SMALLEST, "options": {"receipt": "proof"}})


class Service:
    """A running service, its folder, and its key."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.key = httpx.get(f"{url}/v1/log/key", trust_env=False).text.strip()

    def evaluate(self, times: int = 1) -> bytes:
        for _ in range(times):
            answer = httpx.post(
                f"{self.url}/v1/evaluations",
                content=SENT,
                headers={"Content-Type": "application/json"},
                timeout=30.0,
                trust_env=False,
            )
            assert answer.status_code == 200, answer.text
        return answer.content

    def verify(self, *more: object) -> Any:
        return run("audit", "verify", "--json", *more, environment={"TRIMTAB_DATA_DIR": str(self.folder)})

    def witness(self, state: Path, *more: object) -> Any:
        return run("audit", "witness", "--url", self.url, "--key", self.key, "--state", state, *more)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    folder = tmp_path / "data"
    with embedded_service(Settings(data_dir=folder, log_level="WARNING", request_timeout_seconds=30.0)) as url:
        yield Service(url, folder)


def change(folder: Path, *statements: str) -> None:
    """What the owner of the file can do, guards or not."""
    connection = sqlite3.connect(folder / "trimtab.db", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def announced(first: int, end: int) -> str:
    """The row without which the store keeps its bodies; that the log says so too is not asked where it is only read."""
    content = Announcement(first=first, end=end, bodies_sha256="sha256:").encoded(
        before=datetime.now(UTC), actor="test", stored_bytes=0
    )
    return (
        "INSERT INTO audit_retention (log_id, idx, first_idx, end_idx, content) "
        f"SELECT log_id, {end}, {first}, {end}, x'{content.hex()}' FROM log_head"
    )


def test_a_sound_log_beside_its_running_service(service: Service) -> None:
    service.evaluate(3)
    found = service.verify()
    assert found.exit_code == 0, found.stdout
    said = orjson.loads(found.stdout_bytes)
    assert (said["size"], said["sound"], said["bodies_checked"], said["checkpoints"]) == (3, True, True, 0)
    shown = run("audit", "verify", environment={"TRIMTAB_DATA_DIR": str(service.folder)})
    assert "3 entries, rows and bodies, no kept head" in shown.stdout and "nothing is wrong" in shown.stdout
    assert "trimtab audit witness" in shown.stdout


def test_a_changed_body_and_a_missing_one_are_evidence(service: Service) -> None:
    service.evaluate(3)
    change(service.folder, "DROP TRIGGER audit_body_delete", "DELETE FROM audit_body WHERE idx = 0")
    found = service.verify()
    assert (found.exit_code, orjson.loads(found.stdout_bytes)["bodies_pruned"]) == (1, 0)
    assert service.verify("--no-bodies").exit_code == 0
    change(service.folder, "DROP TRIGGER audit_body_update", "UPDATE audit_body SET body = x'00ff' WHERE idx = 1")
    found = service.verify()
    assert found.exit_code == 1
    assert orjson.loads(found.stdout_bytes)["findings"] == [
        {"index": 1, "what": "its body does not have the recorded digest"},
        {"index": 0, "what": "its body is missing, and the log announced no removal"},
    ]


def test_bodies_that_the_log_let_go_are_pruned_and_no_evidence(tmp_path: Path) -> None:
    environment = {"TRIMTAB_DATA_DIR": str(tmp_path)}

    async def fill() -> None:
        async with open_database(f"sqlite:///{tmp_path / 'trimtab.db'}") as database:
            for age in (500, 450, 410, 300, 1):
                at = datetime.now(UTC) - timedelta(days=age)
                await database.audit.append(record(recorded_at=at), timeout=30)

    asyncio.run(fill())
    dry = run("audit", "prune", "--older-than", "400d", "--dry-run", environment=environment)
    assert dry.exit_code == 0 and "would be removed: 3 bodies, entries 0 to 2" in dry.stdout
    done = run("audit", "prune", "--older-than", "400d", "--actor", "me", "--json", environment=environment)
    said = orjson.loads(done.stdout_bytes)
    assert (said["first"], said["end"], said["bodies"], said["announced_in"]) == (0, 3, 3, 5)
    found = run("audit", "verify", "--json", environment=environment)
    document = orjson.loads(found.stdout_bytes)
    assert (found.exit_code, document["bodies_pruned"], document["sound"]) == (2, 3, True)
    assert run("audit", "verify", "--no-bodies", environment=environment).exit_code == 0
    again = run("audit", "prune", "--older-than", "400d", environment=environment)
    assert again.exit_code == 0 and "nothing is that old" in again.stdout
    for age, text in (("1h", "at least 48 hours"), ("soon", "such as 400d")):
        refused = run("audit", "prune", "--older-than", age, environment=environment)
        assert refused.exit_code == 2 and text in " ".join(refused.stderr.split())


def test_a_receipt_checks_without_the_service_and_a_changed_answer_does_not(service: Service, tmp_path: Path) -> None:
    answer, request, key = tmp_path / "answer.json", tmp_path / "request.json", tmp_path / "log.vkey"
    answer.write_bytes(service.evaluate())
    request.write_bytes(SENT)
    key.write_text(service.key + "\n")
    good = run("audit", "check-receipt", answer, "--key", key, "--request", request, "--json")
    assert good.exit_code == 0, good.stdout + good.stderr
    assert orjson.loads(good.stdout_bytes)["index"] == 0
    request.write_bytes(SENT + b" ")
    assert run("audit", "check-receipt", answer, "--key", key, "--request", request).exit_code == 1
    raw = answer.read_bytes()
    answer.write_bytes(raw.replace(b'"increase"', b'"decrease"', 1))
    changed = run("audit", "check-receipt", answer, "--key", key)
    assert changed.exit_code == 1 and "not the one that was recorded" in changed.stderr
    answer.write_bytes(raw.replace(b'"index":0', b'"index":1'))
    assert run("audit", "check-receipt", answer, "--key", key).exit_code == 1
    answer.write_bytes(raw.replace(b"tlog-proof@v1\\nindex 0", b"tlog-proof@v1\\nindex 1"))
    assert run("audit", "check-receipt", answer, "--key", key).exit_code == 1
    answer.write_bytes(b"{}")
    refused = run("audit", "check-receipt", answer, "--key", key)
    assert refused.exit_code == 3 and "carries no receipt" in refused.stderr


def test_a_witness_follows_a_growing_log_and_cosigns_it(service: Service, tmp_path: Path) -> None:
    state, cosign = tmp_path / "head.txt", tmp_path / "witness.pem"
    signer = load_signer(cosign, create=True)
    service.evaluate()
    first = service.witness(state, "--json")
    assert orjson.loads(first.stdout_bytes)["continues"] is None
    service.evaluate(4)
    second = service.witness(state, "--json", "--cosign", cosign, "--name", "witness.example")
    assert second.exit_code == 0, second.stdout + second.stderr
    assert orjson.loads(second.stdout_bytes) | {"root": "", "log": ""} == {
        "log": "",
        "size": 5,
        "root": "",
        "continues": 1,
    }
    key = VerifierKey("witness.example", COSIGNATURE, signer.public("witness.example").public)
    assert Note.parse(state.read_text()).signed_by(key, check_signature)
    assert service.verify("--checkpoint", state, "--key", service.key).exit_code == 0


def test_a_witness_refuses_a_rewritten_and_a_shorter_log_and_keeps_its_evidence(
    service: Service, tmp_path: Path
) -> None:
    """The log's own key signs lies: only somebody who kept a head can tell."""
    state = tmp_path / "head.txt"
    service.evaluate(4)
    service.witness(state)
    head = Checkpoint.parse(Note.parse(state.read_text()).text)
    signer = load_signer(service.folder / "log.key", create=False)

    def lie(size: int, root: bytes) -> None:
        text = Checkpoint(head.origin, size, root).text()
        state.write_text(Note(text, (signature(VerifierKey.parse(service.key), signer.sign, text),)).encoded())

    for size, root, words in ((3, bytes(32), "does not continue"), (9, head.root, "shorter")):
        lie(size, root)
        before = state.read_text()
        found = service.witness(state)
        assert found.exit_code == 1 and words in found.stderr
        assert state.read_text() == before
    stranger = VerifierKey("elsewhere", 1, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    refused = run("audit", "witness", "--url", service.url, "--key", stranger.text(), "--state", tmp_path / "new.txt")
    assert refused.exit_code == 3 and not (tmp_path / "new.txt").exists()


def test_a_cut_end_is_found_with_a_kept_receipt(service: Service, tmp_path: Path) -> None:
    service.evaluate(2)
    receipt = tmp_path / "answer.tlog-proof"
    receipt.write_text(orjson.loads(service.evaluate())["audit"]["receipt"])
    change(service.folder, "DROP TRIGGER audit_entry_delete", "DELETE FROM audit_entry WHERE idx = 2")
    found = service.verify("--checkpoint", receipt, "--key", service.key)
    assert found.exit_code == 1
    assert "the end of the log is missing" in found.stdout


def test_recorded_answers_come_out_the_same_again(service: Service) -> None:
    service.evaluate(3)
    environment = {"TRIMTAB_DATA_DIR": str(service.folder)}
    found = run("audit", "replay", "--json", environment=environment)
    assert found.exit_code == 0, found.stdout + found.stderr
    assert orjson.loads(found.stdout_bytes) == {
        "entries": 3,
        "computed_again": 3,
        "identical": 3,
        "different": [],
        "not_replayable": 0,
        "pruned": 0,
    }
    part = run("audit", "replay", "--from", 1, "--to", 1, environment=environment)
    assert "1 entries: 1 computed again, 1 byte for byte the same" in part.stdout


def test_what_cannot_be_read_is_told_from_what_is_wrong(tmp_path: Path) -> None:
    missing = run("audit", "verify", environment={"TRIMTAB_DATA_DIR": str(tmp_path)})
    assert missing.exit_code == 4 and "no such file" in missing.stderr
    alone = run("audit", "verify", "--checkpoint", tmp_path / "head.txt")
    assert alone.exit_code == 2
    refused = run("audit", "verify", "--checkpoint", tmp_path / "head.txt", "--key", "nonsense+00+AA")
    assert refused.exit_code == 3


def test_a_check_beside_writes_finds_nothing(service: Service) -> None:
    """The check reads beside the service's own writes."""
    service.evaluate(2)

    async def both() -> None:
        await asyncio.gather(asyncio.to_thread(service.evaluate, 5), asyncio.to_thread(service.verify))

    asyncio.run(both())
    assert service.verify().exit_code == 0


def test_several_processes_find_what_one_finds(service: Service) -> None:
    service.evaluate(3)
    alone, several = service.verify("--processes", 1), service.verify("--processes", 2)
    assert alone.exit_code == several.exit_code == 0 and alone.stdout_bytes == several.stdout_bytes
    change(service.folder, "DROP TRIGGER audit_entry_delete", "DELETE FROM audit_entry WHERE idx = 1")
    assert service.verify("--processes", 2).exit_code == 1
