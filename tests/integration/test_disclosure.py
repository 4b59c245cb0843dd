"""Disclosure over HTTP and on the command line: what is shown was answered, and what is hidden stays hidden."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.commands.embedded import embedded_service
from app.examples import OBSERVATIONS, SMALLEST
from app.settings import Settings
from app.signatures import check_signature
from services.audit.disclosure import Disclosure, check_disclosure
from services.audit.entry import digest_text
from services.audit.note import VerifierKey
from tests.integration.test_cli_audit import change
from tests.integration.test_cli_service import run
from tests.support import disclosure_reference as reference
from tests.support import requests
from tests.support.http import client

LEVERAGE = "/portfolio/gross_leverage"


async def shown(http: httpx.AsyncClient, evaluation_id: str, *pointers: str) -> httpx.Response:
    return await http.post(f"/v1/audit/entries/{evaluation_id}:disclose", json={"fields": list(pointers)})


async def test_a_stranger_sees_the_leverage_of_a_book_and_nothing_else(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        key = VerifierKey.parse((await http.get("/v1/log/key")).text)
        answer = (await http.post("/v1/evaluations", json=requests.book(20))).json()
        found = await shown(http, answer["evaluation_id"], LEVERAGE, "/targets/3/volatility")
    assert found.status_code == 200, found.text
    proved = check_disclosure(Disclosure.parse(found.json()), key, check_signature)
    assert json.loads(proved.fields[LEVERAGE]) == answer["portfolio"]["gross_leverage"]
    assert json.loads(proved.fields["/targets/3/volatility"]) == answer["targets"][3]["volatility"]
    assert len(proved.fields) == 2 and "COIN" not in found.text


async def test_the_entry_commits_to_the_fields_that_the_slow_definition_finds(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        answer = await http.post("/v1/evaluations", json=SMALLEST)
        body = json.loads(answer.content[: answer.content.rindex(b',"audit":')] + b"}")
        said = (await http.get(f"/v1/audit/entries/{body['evaluation_id']}/entry")).json()
    connection = sqlite3.connect(tmp_path / "trimtab.db")
    [(secret,)] = connection.execute("SELECT stream_secret FROM tenant").fetchall()
    connection.close()
    assert said["v"] == 2
    assert said["fields"] == digest_text(reference.digest(body, secret, body["evaluation_id"]))


@pytest.mark.parametrize(
    ("fields", "status", "pointer"),
    [
        ([LEVERAGE, "/portfolio/nothing"], 422, "/fields/1"),
        (["portfolio"], 422, "/fields/0"),
        ([], 422, "/fields"),
        ("/portfolio", 422, "/fields"),
        ([1], 422, "/fields/0"),
        ([LEVERAGE] * 201, 422, "/fields"),
    ],
)
async def test_what_cannot_be_asked_for_is_named(tmp_path: Path, fields: Any, status: int, pointer: str) -> None:
    async with client(tmp_path) as http:
        answer = (await http.post("/v1/evaluations", json=SMALLEST)).json()
        path = f"/v1/audit/entries/{answer['evaluation_id']}:disclose"
        refused = await http.post(path, json={"fields": fields})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (status, pointer), refused.text


async def test_what_nobody_recorded_or_signed_or_decided_is_told_apart(tmp_path: Path) -> None:
    async with client(tmp_path / "a") as http:
        unknown = await shown(http, f"ev_{'0' * 32}", LEVERAGE)
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        observed = (await http.post("/v1/observations", json=OBSERVATIONS)).json()
        refused = await shown(http, observed["event_id"], "/event_id")
        assert (refused.status_code, refused.json()["code"]) == (422, "not_disclosable")
    async with client(tmp_path / "b", signer=None) as http:
        answer = (await http.post("/v1/evaluations", json=SMALLEST)).json()
        unsigned = await shown(http, answer["evaluation_id"], LEVERAGE)
        assert (unsigned.status_code, unsigned.json()["code"]) == (404, "log_not_signed")


async def test_an_entry_of_version_1_and_a_pruned_one_cannot_be_shown_in_part(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        ids = [(await http.post("/v1/evaluations", json=SMALLEST)).json()["evaluation_id"] for _ in range(2)]
        change(
            tmp_path,
            "DROP TRIGGER audit_entry_update",
            "UPDATE audit_entry SET entry = CAST(json_set(json_remove(entry, '$.fields'), '$.v', 1) AS BLOB) "
            "WHERE idx = 0",
            "INSERT INTO audit_retention VALUES (1, 2, 0, 2, x'00')",
            "DELETE FROM audit_body WHERE idx = 1",
        )
        answers = [await shown(http, evaluation_id, LEVERAGE) for evaluation_id in ids]
    assert [answer.json()["code"] for answer in answers] == ["not_disclosable", "body_pruned"]
    assert "version 1" in answers[0].json()["detail"] and answers[1].status_code == 410


class Service:
    """A running service with one answer."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        answer = httpx.post(f"{url}/v1/evaluations", json=SMALLEST, timeout=30.0, trust_env=False).json()
        self.evaluation_id: str = answer["evaluation_id"]
        self.leverage: float = answer["portfolio"]["gross_leverage"]
        self.key = httpx.get(f"{url}/v1/log/key", trust_env=False).text.strip()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("data")
    with embedded_service(Settings(data_dir=folder, log_level="WARNING", request_timeout_seconds=30.0)) as url:
        yield Service(url, folder)


def test_the_command_writes_the_same_from_the_service_and_from_the_database(service: Service, tmp_path: Path) -> None:
    asked = ("audit", "disclose", service.evaluation_id, "--field", LEVERAGE, "--field", "/degraded", "-o")
    first, second = tmp_path / "service.json", tmp_path / "database.json"
    assert run(*asked, first, "--url", service.url).exit_code == 0
    found = run(*asked, second, environment={"TRIMTAB_DATA_DIR": str(service.folder)})
    assert found.exit_code == 0, found.stderr
    assert first.read_bytes() == second.read_bytes()


def test_a_disclosure_is_checked_offline_with_statements(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "shown.json"
    run("audit", "disclose", service.evaluation_id, "--field", LEVERAGE, "-o", file, "--url", service.url)
    checking = ("audit", "check-disclosure", file, "--key", service.key, "--json", "--require")
    true = run(*checking, f"{LEVERAGE} <= {service.leverage + 0.001}")
    assert true.exit_code == 0, true.stdout
    said = orjson.loads(true.stdout_bytes)
    assert said["fields"] == {LEVERAGE: repr(service.leverage)} and said["entry"]["id"] == service.evaluation_id
    assert list(said["statements"].values()) == [True]
    assert run(*checking, f"{LEVERAGE} > {service.leverage + 0.001}").exit_code == 1
    assert run(*checking, "/portfolio/net_leverage <= 3").exit_code == 3
    file.write_text(file.read_text().replace(repr(service.leverage), "0.001"))
    assert run(*checking, f"{LEVERAGE} <= 3").exit_code == 1
    file.write_text("{}")
    assert run(*checking, f"{LEVERAGE} <= 3").exit_code == 3


def test_a_changed_answer_is_evidence_not_a_disclosure(service: Service, tmp_path: Path) -> None:
    other = httpx.post(f"{service.url}/v1/evaluations", json=SMALLEST, timeout=30.0, trust_env=False).json()
    body = "UPDATE audit_body SET body = (SELECT body FROM audit_body WHERE idx = 0) WHERE idx = 1"
    change(service.folder, "DROP TRIGGER audit_body_update", body)
    found = run("audit", "disclose", other["evaluation_id"], "--field", LEVERAGE, "--url", service.url)
    assert found.exit_code == 4, found.stderr
