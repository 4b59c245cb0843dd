"""A key goes through every door of a real process, rightly and wrongly, and is afterwards in no file and no answer."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from app.operations import OPERATIONS
from tests.support.keys import ALL, bearer
from tests.support.service import running

SLOW = {"/v1/backtests", "/v1/margin:reverse-stress", "/v1/margin:frontier", "/v1/policies:compare"}


def test_no_file_and_no_answer_holds_a_key(tmp_path: Path) -> None:
    environment = {"TRIMTAB_LOG_FORMAT": "json", "TRIMTAB_LOG_LEVEL": "DEBUG"}
    with running(tmp_path / "data", environment=environment) as service:
        with httpx.Client(base_url=service.url, trust_env=False, timeout=30.0) as http:
            key = http.post("/v1/keys", json={"label": "canary", "scopes": list(ALL)}).json()["key"]
            answers = [
                http.request(item.method, re.sub(r"\{\w+\}", "x", item.path), json=body, headers=bearer(key))
                for item in OPERATIONS
                if item.path not in SLOW
                for _, body in list(item.examples.values())[:1] or [("", None)]
            ]
            answers += [
                http.get(f"/v1/portfolios?key={key}", headers=bearer(key)),
                http.get(f"/{key}"),
                http.get("/v1/portfolios", headers={**bearer(key), "X-Request-Id": key}),
                http.get("/v1/portfolios", headers={**bearer(key), "Idempotency-Key": key}),
                http.get("/v1/portfolios", headers=bearer(key[:-1] + "!")),
                http.get("/v1/portfolios", headers={"Authorization": f"Basic {key}"}),
                http.post("/v1/evaluations", json={"client_reference": key}, headers=bearer(key)),
                http.put("/v1/breakers/global", json={"mode": key}, headers=bearer(key)),
                http.get("/v1/stream", headers=bearer(key)),
            ]
            log = service.log_path
        assert {answer.status_code for answer in answers} >= {200, 400, 401, 404, 422}
        assert not any(answer.status_code == 500 for answer in answers)
    secret = key[26:-6]
    for answer in answers:
        assert secret not in answer.text + str(answer.headers), answer.url.path[:40]
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert log in files
    assert {"trimtab.db", "key.pepper"} <= {path.name for path in files}
    for path in files:
        assert secret.encode() not in path.read_bytes(), path.name
