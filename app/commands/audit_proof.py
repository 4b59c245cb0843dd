"""`trimtab audit proof`: that an entry is in the log, or that one head continues another."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any

import typer

from app.commands.client import connect
from app.commands.console import ExitCode, Failure, out, reporting, write_json
from app.commands.serve import settings_of


def proof_command(
    index: Annotated[
        int | None, typer.Option(min=0, help="Entry of which to prove that it is in the log.", show_default=False)
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Size of the tree [that of the newest head].", show_default=False)
    ] = None,
    first: Annotated[
        int | None,
        typer.Option(
            "--from", min=1, help="Size of an earlier tree that the tree must begin with.", show_default=False
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Ask this service instead of a database.", envvar="TRIMTAB_URL", show_default=False),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="Database of the log [DATABASE_URL, the embedded file].", show_default=False, metavar="URL"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the proof as JSON.")] = False,
) -> None:
    """Print the hashes that prove that an entry is in the log (`--index`), or that one tree begins another (`--from`).

    **Examples**

    - `trimtab audit proof --index 41`

    - `trimtab audit proof --from 1000 --size 5000 --url http://127.0.0.1:8000 --json`
    """
    with reporting(as_json):
        if (index is None) == (first is None):
            raise Failure(ExitCode.USAGE, "Name one of --index and --from")
        found = _from_service(url, index, first, size) if url else _from_database(database_url, index, first, size)
        if as_json:
            write_json(found)
        else:
            show_proof(found)


def _from_service(url: str, index: int | None, first: int | None, size: int | None) -> dict[str, Any]:
    from services.audit.note import Checkpoint, Note
    from services.core.errors import InvalidInput

    with connect(url) as client:
        if size is None:
            try:
                size = Checkpoint.parse(Note.parse(client.text("/v1/log/checkpoint")).text).size
            except InvalidInput as error:
                raise Failure(ExitCode.FAILED, "The service sent no head", str(error)) from None
        if index is not None:
            query = {"index": str(index), "size": str(size)}
            return dict(client.call("GET", "/v1/log/proof/inclusion", params=query))
        return dict(client.call("GET", "/v1/log/proof/consistency", params={"first": str(first), "second": str(size)}))


def _from_database(url: str | None, index: int | None, first: int | None, size: int | None) -> dict[str, Any]:
    from app.lifespan import REFUSALS
    from app.ports import AuditUnavailable
    from app.usecases.prove import LogTooYoung
    from services.core.errors import InvalidInput

    settings = settings_of({"DATABASE_URL": url, "TRIMTAB_LOG_LEVEL": "WARNING"})
    try:
        return asyncio.run(_prove(settings.audit_url, index, first, size))
    except (LogTooYoung, InvalidInput) as error:
        raise Failure(ExitCode.REFUSED, "There is no such proof", str(error)) from None
    except (*REFUSALS, AuditUnavailable) as error:
        raise Failure(ExitCode.UNAVAILABLE, "The log cannot be read", str(error)) from None


async def _prove(url: str, index: int | None, first: int | None, size: int | None) -> dict[str, Any]:
    from app.adapters.database import open_tree
    from app.usecases.prove import prove_consistency, prove_inclusion

    async with open_tree(url) as tree:
        whole = size if size is not None else (await tree.head()).size
        if index is not None:
            return {"index": index, "size": whole, "hashes": _texts(await prove_inclusion(tree, index, whole))}
        assert first is not None
        return {"first": first, "second": whole, "hashes": _texts(await prove_consistency(tree, first, whole))}


def _texts(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(item).decode() for item in hashes]


def show_proof(found: dict[str, Any]) -> None:
    """What is proved, then a hash a line."""
    console = out()
    if "index" in found:
        console.print(f"entry {found['index']:,} is in the tree of {found['size']:,} entries:", markup=False)
    else:
        text = f"the tree of {found['second']:,} entries begins with that of {found['first']:,}:"
        console.print(text, markup=False)
    for item in found["hashes"]:
        console.print(item, markup=False)
