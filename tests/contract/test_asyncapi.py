"""The contract of the stream: AsyncAPI 3 says what is there, its references lead somewhere, its examples run.

A change of it is a reviewed difference of `asyncapi.json`; `python -m tests.contract.test_asyncapi` writes it.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema_rs import validator_for

from app.asyncapi import PUSHES, REPLIES, asyncapi_document
from app.stream_examples import BAR, GIVEN, SENT
from models.api.stream import DATA, NOTICES, REQUESTS, NoticeOut
from services.streaming.close import CloseCode
from services.streaming.session import Operation
from services.streaming.update import Kind
from tests.contract.test_openapi import references
from tests.support.stream import served

SNAPSHOT = Path(__file__).with_name("asyncapi.json")
DOCUMENT = asyncapi_document()


def written(document: dict[str, Any]) -> bytes:
    """The document as it is kept."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def resolved(reference: str) -> Any:
    """What a reference leads to."""
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def validator(name: str) -> Any:
    """Validator of a schema of the document."""
    return validator_for({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


def test_the_contract_has_not_changed_unnoticed() -> None:
    text = "run `python -m tests.contract.test_asyncapi` and review the diff"
    assert written(DOCUMENT) == SNAPSHOT.read_bytes(), text


def test_it_has_the_members_that_asyncapi_3_asks_for() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    for server in DOCUMENT["servers"].values():
        assert {"host", "protocol"} <= server.keys()
    for channel in DOCUMENT["channels"].values():
        assert channel["address"].startswith("/") and channel["messages"]
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert operation["channel"] == {"$ref": "#/channels/stream"}
    known = {"asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"}
    assert {name for name in DOCUMENT if not name.startswith("x-")} == known


def test_every_reference_leads_somewhere_and_everything_is_used() -> None:
    found = set(references(DOCUMENT))
    for reference in found:
        assert resolved(reference)
    used = {reference.rpartition("/")[2] for reference in found if "/schemas/" in reference}
    assert used == set(DOCUMENT["components"]["schemas"])
    operations = DOCUMENT["operations"].values()
    spoken = {reference for operation in operations for reference in references(operation)}
    assert spoken - {"#/channels/stream"} == {
        f"#/channels/stream/messages/{name}" for name in DOCUMENT["channels"]["stream"]["messages"]
    }


def test_operations_messages_of_operations_belong_to_their_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        listed = [*operation["messages"], *operation.get("reply", {}).get("messages", [])]
        assert all(reference["$ref"].startswith("#/channels/stream/messages/") for reference in listed)


def test_every_operation_channel_notice_and_code_is_there() -> None:
    assert set(REQUESTS) == set(REPLIES) == set(Operation) == set(SENT_OPERATIONS)
    assert set(DATA) == set(Kind)
    assert set(NOTICES) == set(NoticeOut.model_fields["code"].annotation.__args__)  # type: ignore[union-attr]
    assert [row["code"] for row in DOCUMENT["x-close-codes"]] == [int(code) for code in CloseCode]
    assert len(PUSHES) == 4


SENT_OPERATIONS = [frame["op"] for frame in SENT.values()]


@pytest.mark.parametrize("name", [*SENT, *GIVEN])
def test_examples_fit_their_schemas(name: str) -> None:
    validator(name).validate({**SENT, **GIVEN}[name])


def test_requests_forbid_unknown_members_and_answers_do_not() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert all(schemas[model.__name__]["additionalProperties"] is False for model in REQUESTS.values())
    assert all("additionalProperties" not in schemas[model.__name__] for model in PUSHES.values())


async def test_what_is_really_sent_fits_the_schemas(tmp_path: Path) -> None:
    """Every example of a client is answered with success by a fresh service, in the form that the document says."""
    async with served(tmp_path) as service, service.talk() as talk:
        validator("HelloOut").validate(talk.hello)
        async with asyncio.timeout(30):
            while (await talk.ask(op="get", ch="status"))["snapshot"] is None:  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # a fresh service says how it is when it knows
        for frame in SENT.values():
            await talk.socket.send(json.dumps(frame))
            if frame["op"] == "ack":
                continue
            kind = "pong" if frame["op"] == "ping" else "reply"
            reply = await talk.next(kind, id=frame["id"])
            validator(REPLIES[frame["op"]][0].__name__).validate(reply)
            if frame["op"] == "get":
                validator("PublishedStatus").validate(reply["snapshot"])
        for channel in ("audit", "volatility:BTC-PERP"):
            await talk.socket.send(json.dumps({"op": "subscribe", "id": "9", "ch": channel}))
            await talk.next("reply", id="9")
        body = {"observations": [{**BAR, "close_time": "2019-10-18T00:00:00Z"}]}
        assert (await talk.ask(op="observe", body=body))["ok"]
        for channel, data in (("audit", "PublishedEntry"), ("volatility:BTC-PERP", "PublishedVolatility")):
            push = await talk.next("update", ch=channel)
            validator("UpdateOut").validate(push)
            validator(data).validate(push["data"])
        await talk.socket.send("{}")
        validator("ErrorReply").validate(await talk.next("reply", ok=False))
        validator("HeartbeatOut").validate(await talk.next("hb"))


if __name__ == "__main__":
    SNAPSHOT.write_bytes(written(DOCUMENT))
