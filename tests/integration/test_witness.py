"""Witnesses that recompute: three as they run in life, one of which lies, and a service that answers falsely."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.adapters.log_key import load_cosigner, write_new
from app.commands.embedded import embedded_service
from app.examples import OBSERVATIONS, SMALLEST
from app.settings import Settings
from app.signatures import check_signature
from app.usecases import evaluate_portfolio
from app.usecases.cosign import _accepted
from services.audit.note import Checkpoint, Note, VerifierKey, cosignature
from tests.integration.test_cli_audit import Service, announced, change
from tests.integration.test_cli_service import run

NAMES = ("ann.example", "bob.example", "mallory.example")
SENT = orjson.dumps({**SMALLEST, "options": {"receipt": "proof"}})


class Witnesses:
    """Three key files, one of them ML-DSA-44, and the state of each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in NAMES:
            write_new(folder / f"{name}.pem", mldsa=name == NAMES[1])
        self.keys = {name: load_cosigner(folder / f"{name}.pem").public(name) for name in NAMES}

    def settings(self, folder: Path, **more: Any) -> Settings:
        return Settings(
            data_dir=folder,
            log_level="WARNING",
            request_timeout_seconds=30.0,
            witness_keys=tuple(self.keys.values()),
            witness_quorum=2,
            **more,
        )

    def look(self, service: Service, name: str, *more: object) -> Any:
        signing = ("--cosign", self.folder / f"{name}.pem", "--name", name)
        return service.witness(self.folder / f"{name}.head", *signing, *more)

    def lie(self, service: Service) -> dict[str, Any]:
        """What a witness does that signs whatever it is shown."""
        name = NAMES[2]
        note = Note.parse(httpx.get(f"{service.url}/v1/log/checkpoint", trust_env=False).text)
        signer = load_cosigner(self.folder / f"{name}.pem")
        signed = note.with_signatures([cosignature(self.keys[name], signer.sign, note.text, 1_800_000_000)])
        return post(service, signed.encoded()).json()

    def check(self, answer: Path, receipt: Path, service: Service, quorum: int = 2) -> Any:
        named = [part for key in self.keys.values() for part in ("--witness", key.text())]
        return run(
            *("audit", "check-receipt", answer, "--key", service.key, "--receipt", receipt),
            *(*named, "--quorum", quorum, "--json"),
        )


def post(service: Service, note: str) -> httpx.Response:
    return httpx.post(f"{service.url}/v1/log/cosignatures", json={"note": note}, trust_env=False)


def receipt_of(service: Service, answer: bytes, path: Path) -> Path:
    event = orjson.loads(answer)["evaluation_id"]
    path.write_text(httpx.get(f"{service.url}/v1/audit/entries/{event}/receipt", trust_env=False).text)
    return path


@pytest.fixture
def witnesses(tmp_path: Path) -> Witnesses:
    (tmp_path / "keys").mkdir()
    return Witnesses(tmp_path / "keys")


@pytest.fixture
def service(witnesses: Witnesses, tmp_path: Path) -> Iterator[Service]:
    with embedded_service(witnesses.settings(tmp_path / "data")) as url:
        yield Service(url, tmp_path / "data")


def test_two_of_three_make_an_honest_answer_valid(service: Service, witnesses: Witnesses, tmp_path: Path) -> None:
    answer, receipt = tmp_path / "answer.json", tmp_path / "receipt.txt"
    answer.write_bytes(service.evaluate(2))
    early = receipt_of(service, answer.read_bytes(), receipt)
    assert witnesses.check(answer, early, service).exit_code == 1, "nobody has signed yet"
    first = witnesses.look(service, NAMES[0], "--replay", "--json")
    assert first.exit_code == 0, first.stdout + first.stderr
    said = orjson.loads(first.stdout_bytes)
    assert said["posted"] == {"size": 2, "accepted": [NAMES[0]], "witnesses": 1, "quorum": 2, "reached": False}
    assert (said["recomputed"]["identical"], said["recomputed"]["entries"]) == (2, 2)
    refused = httpx.get(f"{service.url}/v1/log/checkpoint?cosigned=true", trust_env=False)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_cosigned")
    second = witnesses.look(service, NAMES[1], "--replay", "--json")
    assert orjson.loads(second.stdout_bytes)["posted"]["reached"] is True
    found = witnesses.check(answer, receipt_of(service, answer.read_bytes(), receipt), service)
    assert found.exit_code == 0, found.stdout + found.stderr
    assert orjson.loads(found.stdout_bytes)["quorum"] == 2
    assert witnesses.check(answer, receipt, service, quorum=3).exit_code == 1
    service.evaluate()
    note = Note.parse(httpx.get(f"{service.url}/v1/log/checkpoint?cosigned=true", trust_env=False).text)
    assert Checkpoint.parse(note.text).size == 2
    assert all(note.signed_by(witnesses.keys[name], check_signature) for name in NAMES[:2])


def test_witnesses_of_a_growing_log_meet(service: Service, witnesses: Witnesses) -> None:
    service.evaluate(2)
    assert witnesses.look(service, NAMES[0], "--replay").exit_code == 0
    service.evaluate()
    second = orjson.loads(witnesses.look(service, NAMES[1], "--replay", "--json").stdout_bytes)
    assert (second["posted"]["size"], second["posted"]["reached"]) == (2, True)
    first = orjson.loads(witnesses.look(service, NAMES[0], "--replay", "--json").stdout_bytes)
    assert (first["posted"]["size"], first["posted"]["reached"]) == (3, False)
    service.evaluate()
    again = orjson.loads(witnesses.look(service, NAMES[0], "--replay", "--json").stdout_bytes)
    assert again["posted"]["size"] == 4, "a witness that is alone goes on"


def test_copies_of_a_line_are_checked_once(service: Service, witnesses: Witnesses) -> None:
    key = witnesses.keys[NAMES[0]]
    signer = load_cosigner(witnesses.folder / f"{NAMES[0]}.pem")
    service.evaluate()
    note = Note.parse(httpx.get(f"{service.url}/v1/log/checkpoint", trust_env=False).text)
    signed = cosignature(key, signer.sign, note.text, 1_800_000_000)
    many = dataclasses.replace(note, signatures=(*note.signatures, *[signed] * 30))
    assert len(_accepted((key,), many)) == 1


def test_facts_are_covered_and_a_run_goes_on_from_the_head_that_it_signed(
    service: Service, witnesses: Witnesses
) -> None:
    service.evaluate(2)
    assert witnesses.look(service, NAMES[0], "--replay").exit_code == 0
    observed = httpx.post(f"{service.url}/v1/observations", json=OBSERVATIONS, trust_env=False)
    assert observed.status_code == 200, observed.text
    service.evaluate()
    again = witnesses.look(service, NAMES[0], "--replay", "--json")
    said = orjson.loads(again.stdout_bytes)
    assert (said["continues"], said["recomputed"]["entries"]) == (2, 2)
    assert (said["recomputed"]["identical"], said["recomputed"]["fact"]) == (1, 1)
    plain = service.witness(witnesses.folder / "other.head")
    assert plain.exit_code == 0
    (witnesses.folder / f"{NAMES[1]}.head").write_text((witnesses.folder / "other.head").read_text())
    from_the_start = orjson.loads(witnesses.look(service, NAMES[1], "--replay", "--json").stdout_bytes)
    assert from_the_start["recomputed"]["entries"] == 4, "a head that it did not sign itself was not recomputed by it"


def raised(body: bytes) -> bytes:
    """A false answer: a larger order than the request gives."""
    answer = orjson.loads(body)
    answer["targets"][0]["target_quantity"] = "9"
    return orjson.dumps(answer)


@pytest.mark.parametrize("alter", [raised, lambda body: body.replace(b'"ok"', b'"held"', 1), lambda body: b"{}"])
def test_a_false_answer_does_not_reach_a_quorum(
    alter: Any, witnesses: Witnesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service computes rightly, then records and sends something else: tree and signatures are in order."""
    honest = evaluate_portfolio.render
    with embedded_service(witnesses.settings(tmp_path / "data")) as url:
        service = Service(url, tmp_path / "data")
        service.evaluate()
        monkeypatch.setattr(evaluate_portfolio, "render", lambda decision, now: alter(honest(decision, now)))
        sent = httpx.post(
            f"{url}/v1/evaluations", content=SENT, headers={"Content-Type": "application/json"}, trust_env=False
        )
        monkeypatch.undo()
        verified = run("audit", "verify", "--json", environment={"TRIMTAB_DATA_DIR": str(service.folder)})
        assert verified.exit_code == 0, "the log itself is in order"
        for name in NAMES[:2]:
            found = witnesses.look(service, name, "--replay", "--json")
            assert found.exit_code == 1, found.stdout + found.stderr
            said = orjson.loads(found.stdout_bytes)
            assert [item["index"] for item in said["recomputed"]["differences"]] == [1] and "posted" not in said
            assert not (witnesses.folder / f"{name}.head").exists()
        assert witnesses.lie(service) == {
            "size": 2,
            "accepted": [NAMES[2]],
            "witnesses": 1,
            "quorum": 2,
            "reached": False,
        }
        if sent.status_code == 200 and b"evaluation_id" in sent.content:
            answer = tmp_path / "answer.json"
            answer.write_bytes(sent.content)
            receipt = receipt_of(service, sent.content, tmp_path / "receipt.txt")
            assert witnesses.check(answer, receipt, service).exit_code == 1
            plain = run("audit", "check-receipt", answer, "--key", service.key)
            assert plain.exit_code == 0, "without witnesses nobody could tell"


def test_what_cannot_be_judged_is_not_signed_unless_that_is_accepted(service: Service, witnesses: Witnesses) -> None:
    service.evaluate(3)
    change(service.folder, announced(0, 2), "DELETE FROM audit_body WHERE idx < 2")
    found = witnesses.look(service, NAMES[0], "--replay", "--json")
    assert (found.exit_code, orjson.loads(found.stdout_bytes)["recomputed"]["unjudged"]) == (2, [0, 1])
    assert "posted" not in orjson.loads(found.stdout_bytes)
    accepted = witnesses.look(service, NAMES[0], "--replay", "--accept", "no_body", "--json")
    assert accepted.exit_code == 0 and orjson.loads(accepted.stdout_bytes)["posted"]["witnesses"] == 1
    assert witnesses.look(service, NAMES[0], "--replay", "--accept", "anything").exit_code == 2


def test_an_export_is_recomputed_where_there_is_no_service(
    service: Service, witnesses: Witnesses, tmp_path: Path
) -> None:
    service.evaluate(3)
    environment = {"TRIMTAB_DATA_DIR": str(service.folder)}
    first, second, short = tmp_path / "first", tmp_path / "second", tmp_path / "short"
    assert run("audit", "export", first, environment=environment).exit_code == 0
    found = witnesses.look(service, NAMES[0], "--replay", "--export", first, "--no-post", "--json")
    assert found.exit_code == 0 and "posted" not in orjson.loads(found.stdout_bytes), found.stderr
    service.evaluate(2)
    assert run("audit", "export", "--from", 2, second, environment=environment).exit_code == 0
    found = witnesses.look(service, NAMES[0], "--replay", "--export", second, "--json")
    said = orjson.loads(found.stdout_bytes)
    assert (said["recomputed"]["entries"], said["posted"]["witnesses"]) == (2, 1)
    assert run("audit", "export", "--from", 4, short, environment=environment).exit_code == 0
    assert witnesses.look(service, NAMES[1], "--replay", "--export", short).exit_code == 1, "the beginning is missing"
    assert witnesses.look(service, NAMES[0], "--replay", "--export", first).exit_code == 3, "older than the kept head"


def test_only_signatures_of_named_witnesses_on_heads_of_this_log_are_taken(
    service: Service, witnesses: Witnesses, tmp_path: Path
) -> None:
    service.evaluate(2)
    note = Note.parse(httpx.get(f"{service.url}/v1/log/checkpoint", trust_env=False).text)
    signer, key = load_cosigner(witnesses.folder / f"{NAMES[0]}.pem"), witnesses.keys[NAMES[0]]

    def answered(text: str, by: VerifierKey = key, at: int = 5, changed: bool = False) -> tuple[int, str]:
        line = cosignature(by, signer.sign, text, at)
        if changed:
            line = dataclasses.replace(line, signature=line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
        answer = post(service, Note(text, (line,)).encoded())
        return answer.status_code, answer.json().get("code", "")

    head = Checkpoint.parse(note.text)
    assert answered(note.text)[0] == 200
    assert answered(Checkpoint(head.origin, 2, bytes(32)).text()) == (409, "foreign_head")
    assert answered(Checkpoint(head.origin, 3, bytes(32)).text()) == (404, "log_too_young")
    for text in (Checkpoint("elsewhere", 2, head.root).text(), Checkpoint(head.origin, 0, head.root).text()):
        assert answered(text) == (422, "invalid_request")
    assert answered(note.text, changed=True) == (422, "invalid_request")
    stranger = dataclasses.replace(key, name="stranger.example")
    assert answered(note.text, by=stranger) == (422, "invalid_request")
    assert post(service, "nonsense").status_code == 422
    shown = Note.parse(httpx.get(f"{service.url}/v1/log/checkpoint", trust_env=False).text)
    assert [item.name for item in shown.signatures] == [head.origin, NAMES[0]]
    assert int.from_bytes(shown.signatures[1].signature[:8], "big") == 5


def test_heads_are_signed_with_ml_dsa_besides(tmp_path: Path) -> None:
    write_new(tmp_path / "mldsa.pem", mldsa=True)
    settings = Settings(
        data_dir=tmp_path / "data",
        log_level="WARNING",
        request_timeout_seconds=30.0,
        log_mldsa_key_file=tmp_path / "mldsa.pem",
    )
    with embedded_service(settings) as url:
        service = Service(url, tmp_path / "data")
        answer, receipt, other = (tmp_path / name for name in ("answer.json", "receipt.txt", "other.pem"))
        answer.write_bytes(service.evaluate())
        key = httpx.get(f"{url}/v1/log/key?algorithm=ml-dsa-44", trust_env=False).text.strip()
        assert base64.b64decode(key.split("+", 2)[2])[0] == 6
        receipt_of(service, answer.read_bytes(), receipt)
        checked = ("audit", "check-receipt", answer, "--key", service.key, "--receipt", receipt)
        assert run(*checked, "--mldsa-key", key).exit_code == 0
        write_new(other, mldsa=True)
        wrong = load_cosigner(other).public(VerifierKey.parse(key).name).text()
        assert run(*checked, "--mldsa-key", wrong).exit_code == 1
        assert run(*checked, "--mldsa-key", service.key).exit_code == 3
        embedded = run("audit", "check-receipt", answer, "--key", service.key, "--mldsa-key", key)
        assert embedded.exit_code == 1, "a receipt within an answer must be the same for ever, and has no such line"
        assert service.verify("--checkpoint", receipt, "--key", service.key, "--mldsa-key", key).exit_code == 0
        assert service.verify("--checkpoint", receipt, "--key", service.key, "--mldsa-key", wrong).exit_code == 3


def test_a_service_without_witnesses_or_such_a_key_says_so(tmp_path: Path) -> None:
    with embedded_service(Settings(data_dir=tmp_path, log_level="WARNING", request_timeout_seconds=30.0)) as url:
        service = Service(url, tmp_path)
        service.evaluate()
        note = httpx.get(f"{url}/v1/log/checkpoint", trust_env=False).text
        assert post(service, note).json()["code"] == "invalid_request"
        assert httpx.get(f"{url}/v1/log/checkpoint?cosigned=true", trust_env=False).json()["code"] == "not_cosigned"
        assert httpx.get(f"{url}/v1/log/key?algorithm=ml-dsa-44", trust_env=False).json()["code"] == "log_not_signed"


def test_the_key_command_makes_keys_that_nobody_else_can_read(tmp_path: Path) -> None:
    for kind, more in ((4, ()), (6, ("--ml-dsa",))):
        file = tmp_path / f"{kind}.pem"
        made = run("audit", "key", file, "--name", "w.example", *more)
        again = run("audit", "key", file, "--name", "w.example")
        assert made.exit_code == again.exit_code == 0 and made.stdout == again.stdout
        assert VerifierKey.parse(made.stdout).kind == kind
        assert file.stat().st_mode & 0o077 == 0
    assert run("audit", "key", tmp_path / "4.pem", "--name", "w.example", "--ml-dsa").exit_code == 3
