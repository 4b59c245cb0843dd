"""`trimtab audit proof` and `export` against a real service, and what somebody without the database makes of them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import zstandard

from app.adapters.database import open_database
from app.commands.embedded import embedded_service
from app.examples import SMALLEST
from app.settings import Settings
from app.usecases.retention import Removal, remove
from services.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from services.audit.note import Checkpoint, Note
from services.audit.retention import bodies_digest
from tests.integration.test_cli_audit import Service, announced, change
from tests.integration.test_cli_service import run
from tests.support import merkle_reference as reference

COUNT = 7


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("data")
    with embedded_service(Settings(data_dir=folder, log_level="WARNING", request_timeout_seconds=30.0)) as url:
        made = Service(url, folder)
        made.evaluate(COUNT)
        yield made


@pytest.fixture
def service(stored: Service) -> Service:
    return stored


def export(service: Service, folder: Path, *more: object) -> Path:
    found = run("audit", "export", *more, folder, environment={"TRIMTAB_DATA_DIR": str(service.folder)})
    assert found.exit_code == 0, found.stdout + found.stderr
    return folder


def verified(folder: Path, *more: object) -> tuple[int, dict[str, Any]]:
    found = run("audit", "verify", "--export", folder, "--json", *more)
    return found.exit_code, orjson.loads(found.stdout_bytes)


def test_a_proof_from_the_database_is_that_of_the_service_and_holds(service: Service, tmp_path: Path) -> None:
    folder = export(service, tmp_path / "all")
    entries = (folder / "entries" / "0000000000.jsonl").read_bytes().splitlines()
    environment = {"TRIMTAB_DATA_DIR": str(service.folder)}
    for query in (("--index", 4), ("--index", 4, "--size", 6), ("--from", 3), ("--from", 3, "--size", 6)):
        local = run("audit", "proof", *query, "--json", environment=environment)
        remote = run("audit", "proof", *query, "--json", "--url", service.url)
        assert local.exit_code == remote.exit_code == 0, local.stderr + remote.stderr
        assert local.stdout_bytes == remote.stdout_bytes
        found = orjson.loads(local.stdout_bytes)
        hashes = [base64.b64decode(item) for item in found["hashes"]]
        size = found.get("size", found.get("second"))
        root = reference.root(entries[:size])
        if "index" in found:
            assert verify_inclusion(4, size, leaf_hash(entries[4]), hashes, root)
        else:
            assert verify_consistency(3, size, reference.root(entries[:3]), root, hashes)
    assert run("audit", "proof", "--index", COUNT, environment=environment).exit_code == 3
    assert run("audit", "proof", environment=environment).exit_code == 2
    shown = run("audit", "proof", "--index", 0, environment=environment)
    assert f"entry 0 is in the tree of {COUNT} entries" in shown.stdout


@pytest.mark.parametrize("part", [(0, None), (0, 3), (2, 4), (COUNT - 1, None), (3, 3)])
def test_any_part_is_verified_and_recomputed_on_its_own(
    service: Service, tmp_path: Path, part: tuple[int, int | None]
) -> None:
    first, last = part
    ends = () if last is None else ("--to", last)
    folder = export(service, tmp_path / "part", "--from", first, *ends)
    end = COUNT if last is None else last + 1
    code, said = verified(folder, "--key", service.key)
    assert (code, said["findings"], said["from"], said["to"], said["bodies_checked"]) == (0, [], first, end - 1, True)
    replayed = run("audit", "replay", "--export", folder, "--json")
    assert orjson.loads(replayed.stdout_bytes) == {
        "entries": end - first,
        "computed_again": end - first,
        "identical": end - first,
        "different": [],
        "not_replayable": 0,
        "pruned": 0,
    }


def test_the_files_can_be_read_without_this_program(service: Service, tmp_path: Path) -> None:
    folder = export(service, tmp_path / "all")
    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    entries = (folder / "entries" / "0000000000.jsonl").read_bytes().splitlines()
    head = Checkpoint.parse(Note.parse((folder / "checkpoint").read_text()).text)
    assert (head.size, head.root) == (COUNT, reference.root(entries))
    assert base64.b64decode(manifest["root"]) == head.root
    leaves = (folder / "leaves" / "0000000000.bin").read_bytes()
    assert leaves == b"".join(leaf_hash(item) for item in entries)
    with (folder / "bodies" / "0000000000.zst").open("rb") as file:
        raw = zstandard.ZstdDecompressor().stream_reader(file).read()
    place = 0
    for line in entries:
        length = int.from_bytes(raw[place : place + 4], "big")
        body = raw[place + 4 : place + 4 + length]
        place += 4 + length
        assert orjson.loads(line)["body_len"] == length and orjson.dumps(SMALLEST["positions"]) in body
    assert place == len(raw)


def test_a_folder_that_holds_something_is_not_written_to(service: Service, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    found = run("audit", "export", tmp_path, environment={"TRIMTAB_DATA_DIR": str(service.folder)})
    assert found.exit_code == 3 and "not empty" in " ".join(found.stderr.split())
    assert [item.name for item in tmp_path.iterdir()] == ["mine"]
    out_of_range = run(
        "audit", "export", "--to", COUNT, tmp_path / "new", environment={"TRIMTAB_DATA_DIR": str(service.folder)}
    )
    assert out_of_range.exit_code == 3 and not (tmp_path / "new").exists()


def test_without_bodies_rows_are_checked_and_nothing_is_recomputed(service: Service, tmp_path: Path) -> None:
    folder = export(service, tmp_path / "thin", "--no-bodies")
    assert not (folder / "bodies").exists()
    code, said = verified(folder, "--key", service.key)
    assert (code, said["bodies_checked"], said["bodies_pruned"]) == (0, False, 0)
    assert run("audit", "replay", "--export", folder).exit_code == 3


def test_a_kept_head_that_the_part_does_not_hold_is_told_and_no_evidence(service: Service, tmp_path: Path) -> None:
    kept, early = tmp_path / "head.txt", tmp_path / "early.tlog-proof"
    assert service.witness(kept).exit_code == 0
    entry = (export(service, tmp_path / "all") / "entries" / "0000000000.jsonl").read_bytes().splitlines()[0]
    event = orjson.loads(entry)["id"]
    early.write_text(httpx.get(f"{service.url}/v1/audit/entries/{event}/receipt", trust_env=False).text)
    part = export(service, tmp_path / "part", "--from", 2, "--to", 3)
    assert verified(tmp_path / "all", "--key", service.key, "--checkpoint", kept, "--checkpoint", early)[0] == 0
    assert verified(part, "--key", service.key, "--checkpoint", kept)[0] == 0, "the head that it leads to"
    code, said = verified(part, "--key", service.key, "--checkpoint", early)
    assert (code, said["findings"], said["checkpoints_outside"]) == (2, [], 1)


async def pruned(data: Path, end: int) -> None:
    """Remove the bodies of the first entries as retention does, though they are young."""
    async with open_database(f"sqlite:///{data / 'trimtab.db'}") as database:
        rows = await database.tree.stored(start=0, limit=end, bodies=False)
        removal = Removal(
            first=0,
            end=end,
            bodies_sha256=bodies_digest(row.body_sha256 for row in rows),
            stored_bytes=1,
            before=datetime.now(UTC),
        )
        now = datetime.now(UTC)
        await remove(database.audit, database.retention, removal, tenant_id="local", actor="test", now=now)


def test_a_row_of_the_database_excuses_no_missing_body(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with embedded_service(Settings(data_dir=data, log_level="WARNING", request_timeout_seconds=30.0)) as url:
        service = Service(url, data)
        service.evaluate(3)
        change(data, announced(0, 1), "DELETE FROM audit_body WHERE idx = 0")
        code, said = verified(export(service, tmp_path / "forged"), "--key", service.key)
        assert (code, [item["index"] for item in said["findings"]]) == (1, [0])


def test_a_pruned_body_is_incomplete_and_a_damaged_one_evidence(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with embedded_service(Settings(data_dir=data, log_level="WARNING", request_timeout_seconds=30.0)) as url:
        service = Service(url, data)
        service.evaluate(3)
        key = service.key
    asyncio.run(pruned(data, 1))
    with embedded_service(Settings(data_dir=data, log_level="WARNING", request_timeout_seconds=30.0)) as url:
        service = Service(url, data)
        assert service.key == key
        folder = export(service, tmp_path / "pruned")
        code, said = verified(folder, "--key", service.key)
        assert (code, said["bodies_pruned"], said["findings"]) == (2, 1, [])
        assert run("audit", "replay", "--export", folder).exit_code == 2
        assert run("audit", "replay", environment={"TRIMTAB_DATA_DIR": str(data)}).exit_code == 2
        change(data, "DROP TRIGGER audit_body_update", "UPDATE audit_body SET body = x'0100ff' WHERE idx = 1")
        code, said = verified(export(service, tmp_path / "damaged"), "--key", service.key)
        assert (code, [item["index"] for item in said["findings"]]) == (1, [1])


def mutated(folder: Path, rng: random.Random) -> str:
    """Change one thing of an export; what it was."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = rng.choice(files)
    raw = path.read_bytes()
    kind = rng.choice(["flip", "cut", "remove", "append"])
    if kind == "remove":
        path.unlink()
    elif kind == "cut":
        path.write_bytes(raw[: rng.randrange(len(raw))])
    elif kind == "append":
        path.write_bytes(raw + rng.randbytes(1 + rng.randrange(40)))
    else:
        place = rng.randrange(len(raw))
        path.write_bytes(raw[:place] + bytes((raw[place] ^ (1 << rng.randrange(8)),)) + raw[place + 1 :])
    return f"{kind} {path.relative_to(folder)}"


def rewritten(folder: Path, rng: random.Random) -> str:
    """What a forger does: change something and put the digests of the manifest right."""
    kind = rng.choice(["entries", "leaves", "bodies"])
    [path] = (folder / kind).iterdir()
    raw = path.read_bytes()
    if kind == "entries":
        lines = raw.splitlines(keepends=True)
        one, other = rng.sample(range(len(lines)), 2)
        what = rng.choice(["swap", "drop", "double", "edit"])
        if what == "swap":
            lines[one], lines[other] = lines[other], lines[one]
        elif what == "drop":
            del lines[one]
        elif what == "double":
            lines.insert(one, lines[one])
        else:
            lines[one] = lines[one].replace(b'"status":200', b'"status":201')
        raw = b"".join(lines)
    else:
        place = rng.randrange(len(raw))
        raw = raw[:place] + bytes((raw[place] ^ (1 << rng.randrange(8)),)) + raw[place + 1 :]
    path.write_bytes(raw)
    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    for item in manifest["files"]:
        data = (folder / item["path"]).read_bytes()
        item |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "manifest.json").write_bytes(orjson.dumps(manifest))
    return f"forged {kind}"


def check_mutations(service: Service, tmp_path: Path, count: int) -> None:
    whole = export(service, tmp_path / "whole", "--from", 1, "--to", COUNT - 2)
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    undetected = []
    for seed in range(count):
        rng, folder = random.Random(seed), tmp_path / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        what = rewritten(folder, rng) if seed % 3 == 0 else mutated(folder, rng)
        changed = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        same = {item.relative_to(folder): raw for item, raw in changed.items()} == {
            item.relative_to(whole): raw for item, raw in before.items()
        }
        code, said = verified(folder, "--key", service.key)
        if code not in (1, 3) and not same:
            if what.endswith("manifest.json") and manifest_says_the_same(folder, whole):
                continue
            undetected.append((seed, what, code, said))
    assert undetected == []


def manifest_says_the_same(folder: Path, whole: Path) -> bool:
    """A changed manifest that lists the same: white space, or the count of pruned bodies, which is counted anew."""
    one, other = (orjson.loads((item / "manifest.json").read_bytes()) for item in (folder, whole))
    return one | {"bodies_pruned": 0} == other | {"bodies_pruned": 0}


def test_what_is_changed_in_an_export_is_found(service: Service, tmp_path: Path) -> None:
    check_mutations(service, tmp_path, 60)


@pytest.mark.faults
def test_what_is_changed_in_an_export_is_found_long(service: Service, tmp_path: Path) -> None:
    check_mutations(service, tmp_path, 250)
