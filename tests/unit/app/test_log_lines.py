"""Lines of the log: JSON with the request, and no credential in any of them."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.examples import SMALLEST
from app.log_lines import current_request_id
from app.server import logging_configuration
from app.settings import SettingError, Settings
from tests.support.http import client

CANARY = "hunter2-canary"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The log as the service writes it under TRIMTAB_LOG_FORMAT=json, into memory."""
    stream = io.StringIO()
    configuration = logging_configuration("DEBUG", "json")
    configuration["handlers"]["stderr"]["stream"] = stream
    del configuration["loggers"]["uvicorn"], configuration["loggers"]["uvicorn.stream"]
    logging.config.dictConfig(configuration)
    yield stream
    logger = logging.getLogger("trimtab")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_an_object_with_its_request(written: io.StringIO) -> None:
    logger = logging.getLogger("trimtab")
    logger.info("before %s\nand after", "é")
    token = current_request_id.set("r1")
    logger.warning("within")
    current_request_id.reset(token)
    first, second = lines(written)
    assert (first["message"], first["level"], first["logger"]) == ("before é\nand after", "INFO", "trimtab")
    assert "request_id" not in first and second["request_id"] == "r1" and first["time"].endswith("+00:00")


def test_credentials_of_urls_are_taken_out_also_of_tracebacks(written: io.StringIO) -> None:
    url = f"postgresql+asyncpg://bot:{CANARY}@db.example/x?password={CANARY}"
    logger = logging.getLogger("trimtab")
    logger.error("cannot reach %s", url)
    try:
        raise OSError(f"no route to {url}")
    except OSError:
        logger.exception("failed")
    found = written.getvalue()
    assert CANARY not in found and "db.example" in found and "Traceback" in lines(written)[1]["error"]


async def test_nothing_that_a_client_sends_as_a_secret_is_logged(tmp_path: Path, written: io.StringIO) -> None:
    headers = {"Authorization": f"Bearer {CANARY}", "Cookie": f"key={CANARY}", "X-Request-Id": "r2"}
    async with client(tmp_path) as http:
        for body in (SMALLEST, {**SMALLEST, "client_reference": f"no space {CANARY}"}, {"secret": CANARY}):
            await http.post("/v1/evaluations", json=body, headers=headers, params={"token": CANARY})
            await http.post("/v1/evaluations", json=body, headers=headers)
        await http.get(f"/v1/evaluations/{CANARY}", headers=headers)
    assert CANARY not in written.getvalue()


def test_another_format_is_refused() -> None:
    assert Settings.from_mapping({"TRIMTAB_LOG_FORMAT": "JSON"}).log_format == "json"
    with pytest.raises(SettingError, match="text or json"):
        Settings.from_mapping({"TRIMTAB_LOG_FORMAT": "xml"})
