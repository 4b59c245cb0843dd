"""`trimtab audit check-receipt`: an answer and its receipt checked, without a service or a database."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from app.commands.audit_files import KeyOption, read_key
from app.commands.console import ExitCode, Failure, out, reporting, write_json

TAMPERED = 1
SEPARATOR = b',"audit":'


def check_receipt_command(
    answer: Annotated[Path, typer.Argument(help="Answer as it was received, byte for byte.", show_default=False)],
    key: KeyOption,
    request: Annotated[
        Path | None, typer.Option(help="Request as it was sent, to be compared as well.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check that the log holds exactly this answer, at its index, under a head that the log has signed.

    The answer must carry its receipt: send `"options": {"receipt": "proof"}`.

    **Examples**

    - `trimtab audit check-receipt answer.json --key log.vkey --request request.json`
    """
    with reporting(as_json):
        found = checked(answer, key, request)
        if as_json:
            write_json(found)
        else:
            out().print(
                f"entry {found['index']:,} of {found['log']}: this answer is in the log of {found['size']:,} entries",
                style="green",
                markup=False,
            )


def checked(answer: Path, key: str, request: Path | None) -> dict[str, Any]:
    """What the receipt proves.

    Raises
    ------
    Failure
        With exit code 1 where it proves something else, 3 where there is nothing to check.
    """
    from app.signatures import check_signature
    from services.audit.receipt import check_receipt
    from services.core.errors import InvalidInput

    raw, verifier = _bytes(answer), read_key(key)
    audit = _audit(answer, raw)
    entry: str = audit["entry"]
    try:
        index, head = check_receipt(audit["receipt"], entry.encode(), verifier, check_signature)
    except InvalidInput as error:
        raise Failure(ExitCode.FAILED, "The receipt does not hold", str(error)) from None
    said = orjson.loads(entry)
    body = raw[: raw.rindex(SEPARATOR)] + b"}"
    _compare("answer", said.get("response"), body)
    if request is not None:
        _compare("request", said.get("request"), _bytes(request))
    if index != audit["index"]:
        raise Failure(ExitCode.FAILED, "The answer names another index than its receipt", f"{audit['index']}, {index}")
    return {"log": head.origin, "index": index, "size": head.size, "root": head.root.hex(), "entry": said}


def _compare(name: str, recorded: str | None, raw: bytes) -> None:
    found = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    if found != recorded:
        raise Failure(ExitCode.FAILED, f"The {name} is not the one that was recorded", f"{found}, recorded {recorded}")


def _audit(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        audit = orjson.loads(raw)["audit"]
        if raw.rindex(SEPARATOR) and isinstance(audit["entry"], str) and isinstance(audit["receipt"], str):
            return dict(audit)
    except (ValueError, KeyError, TypeError):
        pass
    remedy = 'Save the answer to a request with "options": {"receipt": "proof"} as it comes, unformatted.'
    raise Failure(ExitCode.REFUSED, f"{path} carries no receipt", remedy=remedy)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(ExitCode.REFUSED, f"{path} cannot be read", str(error)) from None
