"""`trimtab audit disclose` and `check-disclosure`: some fields of a recorded answer, shown to a stranger."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from app.commands.audit_files import KeyOption, read_key, read_text
from app.commands.client import connect
from app.commands.console import ExitCode, Failure, err, out, reporting, write_bytes, write_json
from app.commands.serve import settings_of

if TYPE_CHECKING:
    from services.audit.disclosure import Proved

UNTRUE = 1


def disclose_command(
    evaluation_id: Annotated[str, typer.Argument(metavar="ID", help="`evaluation_id`.", show_default=False)],
    field: Annotated[
        list[str], typer.Option(help="JSON pointer of a field, or of what holds some; repeat it.", show_default=False)
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File [standard output].", show_default=False)
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Ask this service instead of a database.", envvar="TRIMTAB_URL", show_default=False),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="Database of the log [DATABASE_URL, the embedded file].", show_default=False, metavar="URL"),
    ] = None,
    tenant: Annotated[
        str, typer.Option(help="Whose entry, in a database; a service acts for the tenant of TRIMTAB_API_KEY.")
    ] = "local",
) -> None:
    """Write down some fields of a recorded answer with their proof; the others stay hidden.

    **Examples**

    - `trimtab audit disclose ev_01a1fb67180070008000000000000001 --field /portfolio/gross_leverage -o shown.json`

    - `trimtab audit disclose ev_01a1fb67180070008000000000000001 --field /targets/0 --url http://127.0.0.1:8000`
    """
    with reporting(as_json=False):
        document = (
            _from_service(url, evaluation_id, field)
            if url
            else _from_database(database_url, tenant, evaluation_id, field)
        )
        raw = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        if output is None:
            write_bytes(raw)
            return
        try:
            output.write_bytes(raw)
        except OSError as error:
            raise Failure(ExitCode.REFUSED, f"{output} cannot be written", str(error)) from None


def _from_service(url: str, evaluation_id: str, fields: list[str]) -> dict[str, Any]:
    with connect(url) as client:
        found: dict[str, Any] = client.call(
            "POST", f"/v1/audit/entries/{evaluation_id}:disclose", body={"fields": fields}
        )
        return found


def _from_database(database_url: str | None, tenant: str, evaluation_id: str, fields: list[str]) -> dict[str, Any]:
    from app.adapters.log_key import LogKeyRefused
    from app.lifespan import REFUSALS
    from app.ports import AuditDamaged, AuditUnavailable
    from app.usecases.disclose import NotDisclosable
    from app.usecases.read_evaluations import UnknownEntry
    from services.core.errors import InvalidInput

    settings = settings_of({"DATABASE_URL": database_url, "TRIMTAB_LOG_LEVEL": "WARNING"})
    if settings.log_key_path is None:
        remedy = "TRIMTAB_LOG_KEY_FILE names a key; or ask the service with --url."
        raise Failure(ExitCode.REFUSED, "The receipt must be signed, and no key is named", remedy=remedy)
    try:
        return asyncio.run(_disclose(settings.audit_url, settings.log_key_path, tenant, evaluation_id, fields))
    except UnknownEntry:
        raise Failure(ExitCode.REFUSED, f"There is no entry {evaluation_id} of tenant {tenant}") from None
    except (NotDisclosable, InvalidInput) as error:
        raise Failure(ExitCode.REFUSED, "This cannot be shown", str(error)) from None
    except AuditDamaged as error:
        raise Failure(ExitCode.FAILED, "The stored answer was changed", str(error)) from None
    except LogKeyRefused as error:
        raise Failure(ExitCode.REFUSED, "The receipt cannot be signed", str(error)) from None
    except (*REFUSALS, AuditUnavailable) as error:
        raise Failure(ExitCode.UNAVAILABLE, "The log cannot be read", str(error)) from None


async def _disclose(url: str, key: Path, tenant: str, evaluation_id: str, fields: list[str]) -> dict[str, Any]:
    from app.adapters.database import open_tree
    from app.adapters.log_key import load_signer
    from app.usecases.disclose import disclose

    async with open_tree(url) as tree:
        return (await disclose(tree, tenant, load_signer(key, create=False), evaluation_id, fields)).document()


def check_disclosure_command(
    disclosure: Annotated[Path, typer.Argument(help="File of `trimtab audit disclose`.", show_default=False)],
    key: KeyOption,
    require: Annotated[
        list[str] | None,
        typer.Option(help='What must be true, such as "/portfolio/gross_leverage <= 3".', show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check that these values stood in an answer of the signed log, without a service, and what is true of them.

    A statement on a field that is not shown is an error: what is hidden is neither true nor false.

    **Examples**

    - `trimtab audit check-disclosure shown.json --key log.vkey --require "/portfolio/gross_leverage <= 3"`
    """
    with reporting(as_json):
        found = _checked(disclosure, key)
        statements = _judged(found, require or [])
        if as_json:
            write_json(
                {
                    "log": found.entry["log"],
                    "index": found.number,
                    "size": found.size,
                    "entry": found.entry,
                    "fields": found.fields,
                    "statements": statements,
                }
            )
        else:
            _show(found, statements)
        if not all(statements.values()):
            raise typer.Exit(UNTRUE)


def _checked(path: Path, key: str) -> Proved:
    from app.signatures import check_signature
    from services.audit.disclosure import Disclosure, check_disclosure
    from services.core.errors import InvalidInput

    verifier, raw = read_key(key), read_text(path)
    try:
        shown = Disclosure.parse(orjson.loads(raw))
    except (orjson.JSONDecodeError, InvalidInput) as error:
        raise Failure(ExitCode.REFUSED, f"{path} is no disclosure", str(error)) from None
    try:
        return check_disclosure(shown, verifier, check_signature)
    except InvalidInput as error:
        raise Failure(ExitCode.FAILED, "The disclosure does not hold", str(error)) from None


def _judged(found: Proved, texts: list[str]) -> dict[str, bool]:
    from services.audit.statement import Statement
    from services.core.errors import InvalidInput

    try:
        return {text: Statement.parse(text).holds(found.fields) for text in texts}
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, "A statement cannot be judged", str(error)) from None


def _show(found: Proved, statements: dict[str, bool]) -> None:
    entry = found.entry
    console = out()
    console.print(
        f"entry {found.number:,} of {entry['log']}, {entry['kind']} {entry['id']} of {entry['at']}:",
        style="green",
        markup=False,
    )
    for pointer, value in found.fields.items():
        console.print(f"  {pointer} = {value}", markup=False)
    for text, holds in statements.items():
        (console if holds else err()).print(
            f"{text}: {'true' if holds else 'not true'}", style="green" if holds else "bold red", markup=False
        )
