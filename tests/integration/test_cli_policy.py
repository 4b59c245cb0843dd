"""`trimtab policy proposal`: signed offline, and only what is shown."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.commands.console import ExitCode
from tests.integration.test_cli_service import run
from tests.support.governance import Desk, key_of, limited, rules
from tests.support.http import client


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "ann.pem"
    path.write_bytes(key_of("ann").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    return path


@pytest.fixture
async def shown(tmp_path: Path) -> list[dict[str, Any]]:
    """A proposal of a version, and one of rules."""
    async with client(tmp_path) as http:
        desk = Desk(http)
        await desk.start(checks={"properties": [{"method": "leverage_cap", "cap": 4}]})
        await desk.propose(limited(max_leverage=2.5))
        await desk.propose(governance=rules(quorum=3))
        return [await desk.read(1), await desk.read(2)]


def saved(folder: Path, proposal: dict[str, Any]) -> Path:
    path = folder / "proposal.json"
    path.write_bytes(orjson.dumps(proposal))
    return path


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_proposal_is_signed_without_a_service(
    tmp_path: Path, key: Path, shown: list[dict[str, Any]], number: int, verdict: str
) -> None:
    more = ["--reject"] if verdict == "reject" else []
    path = saved(tmp_path, shown[number])
    done = run("policy", "proposal", "approve", path, "--key", key, "--approver", "ann", *more)
    assert done.exit_code == 0, done.stderr
    vote = orjson.loads(done.stdout)
    statement = shown[number]["statements"][verdict].encode()
    key_of("ann").public_key().verify(base64.b64decode(vote["signature"]), statement)
    assert vote["approver"] == "ann"


def test_what_is_shown_and_what_is_signed_must_be_one(tmp_path: Path, key: Path, shown: list[dict[str, Any]]) -> None:
    """A service that shows one policy and has another one signed gets no signature."""
    first = shown[0]
    resolved = orjson.loads(orjson.dumps(first["policy_resolved"]))
    resolved["limits"]["max_leverage"] = 1.0
    forged: list[dict[str, Any]] = [
        {"policy_resolved": resolved},
        {"policy_resolved": None},
        {"policy_id": "other"},
        {"number": 7},
        {"base_version": 2},
        {"expires_at": "2027-01-01T00:00:00.000000Z"},
        {"kind": "governance"},
        {"governance_sha256": "00" * 32},
        {"checks": {**first["checks"], "tightens": True}},
        {"statements": {**first["statements"], "approve": first["statements"]["reject"]}},
        {"statements": {**first["statements"], "approve": "trimtab/permit/v1\n{}"}},
        {"statements": {}},
    ]
    for change in forged:
        path = saved(tmp_path, {**first, **change})
        done = run("policy", "proposal", "approve", path, "--key", key, "--approver", "ann")
        assert (done.exit_code, done.stdout) == (ExitCode.REFUSED, ""), change


def test_a_proposal_is_shown(tmp_path: Path, shown: list[dict[str, Any]]) -> None:
    done = run("policy", "proposal", "show", saved(tmp_path, shown[0]))
    assert done.exit_code == 0, done.stderr
    for text in ("proposal 1 of desk, open", "leverage cap (cap 4.0): proved", '"max_leverage": 2.5'):
        assert text in done.stdout
    assert orjson.loads(run("policy", "proposal", "show", saved(tmp_path, shown[1]), "--json").stdout) == shown[1]
    for wrong in ("desk", "desk/x", "/1"):
        assert run("policy", "proposal", "show", wrong).exit_code == ExitCode.USAGE
