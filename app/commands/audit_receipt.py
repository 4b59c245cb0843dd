"""`trimtab audit check-receipt`: an answer and its receipt checked, without a service or a database."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from app.commands.audit_files import KeyOption, MldsaKeyOption, read_key, read_mldsa_key, read_text
from app.commands.console import ExitCode, Failure, out, reporting, write_json

if TYPE_CHECKING:
    from services.audit.note import VerifierKey

TAMPERED = 1
SEPARATOR = b',"audit":'


def check_receipt_command(
    answer: Annotated[Path, typer.Argument(help="Answer as it was received, byte for byte.", show_default=False)],
    key: KeyOption,
    request: Annotated[
        Path | None, typer.Option(help="Request as it was sent, to be compared as well.", show_default=False)
    ] = None,
    receipt: Annotated[
        Path | None,
        typer.Option(
            help="Receipt to be used instead of the answer's: GET /v1/audit/entries/{evaluation_id}/receipt.",
            show_default=False,
        ),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(
            help="Public key of a witness, or a file that holds it; repeat it.", show_default=False, metavar="KEY"
        ),
    ] = None,
    quorum: Annotated[
        int | None,
        typer.Option(min=1, help="Witnesses that must have signed [more than half].", show_default=False),
    ] = None,
    mldsa_key: MldsaKeyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check that the log holds exactly this answer, at its index, under a head that the log has signed.

    The answer must carry its receipt: send `"options": {"receipt": "proof"}`. With `--witness` enough witnesses must
    have signed the head, too: fetch the receipt again once they have, and name it with `--receipt`.

    **Examples**

    - `trimtab audit check-receipt answer.json --key log.vkey --request request.json`

    - `trimtab audit check-receipt answer.json --key log.vkey --receipt new.txt --witness a.vkey --witness b.vkey`
    """
    with reporting(as_json):
        trust = _trust(key, mldsa_key, witness or [], quorum)
        found = checked(answer, trust, request, receipt)
        if as_json:
            write_json(found)
        else:
            out().print(
                f"entry {found['index']:,} of {found['log']}: this answer is in the log of {found['size']:,} entries",
                style="green",
                markup=False,
            )


@dataclass(frozen=True, slots=True)
class Trust:
    """Keys that a receipt must be signed with: all of `logs`, and `quorum` of the witnesses."""

    logs: tuple[VerifierKey, ...]
    witnesses: tuple[VerifierKey, ...]
    quorum: int


def _trust(key: str, mldsa_key: str | None, witnesses: list[str], quorum: int | None) -> Trust:
    from services.audit.note import ED25519, witnesses_of

    keys = tuple(read_key(item) for item in witnesses)
    if wrong := [item.name for item in keys if item.kind == ED25519]:
        raise Failure(ExitCode.REFUSED, f"The key of {wrong[0]} is that of a log, not of a witness")
    count = witnesses_of(keys)
    if quorum is not None and quorum > count:
        raise Failure(ExitCode.USAGE, f"--quorum must be at most the {count} witnesses that are named, found {quorum}")
    logs = (read_key(key), *((read_mldsa_key(mldsa_key),) if mldsa_key is not None else ()))
    return Trust(logs, keys, quorum if quorum is not None else (count // 2 + 1 if count else 0))


def checked(answer: Path, trust: Trust, request: Path | None, receipt: Path | None = None) -> dict[str, Any]:
    """What the receipt proves.

    Raises
    ------
    Failure
        With exit code 1 where it proves something else, 3 where there is nothing to check.
    """
    from app.signatures import check_signature
    from app.usecases.read_evaluations import REPLAYABLE
    from services.audit.note import check_cosigned
    from services.audit.receipt import Receipt, check_receipt
    from services.core.errors import InvalidInput

    raw = _bytes(answer)
    audit = _audit(answer, raw)
    entry: str = audit["entry"]
    text = read_text(receipt) if receipt is not None else audit["receipt"]
    try:
        for key in trust.logs[1:]:
            check_cosigned(Receipt.parse(text).checkpoint, key, check_signature)
        index, head = check_receipt(
            text, entry.encode(), trust.logs[0], check_signature, witnesses=trust.witnesses, quorum=trust.quorum
        )
    except InvalidInput as error:
        raise Failure(ExitCode.FAILED, "The receipt does not hold", str(error)) from None
    said = orjson.loads(entry)
    if trust.quorum and said["kind"] not in REPLAYABLE:
        detail = f"Its entry is of kind {said['kind']}, and witnesses recompute decisions only."
        raise Failure(ExitCode.FAILED, "No witness vouches for this answer", detail)
    body = raw[: raw.rindex(SEPARATOR)] + b"}"
    _compare("answer", said.get("response"), body)
    if request is not None:
        _compare("request", said.get("request"), _bytes(request))
    if index != audit["index"]:
        raise Failure(ExitCode.FAILED, "The answer names another index than its receipt", f"{audit['index']}, {index}")
    return {
        "log": head.origin,
        "index": index,
        "size": head.size,
        "root": head.root.hex(),
        "quorum": trust.quorum,
        "entry": said,
    }


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
