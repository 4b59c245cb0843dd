"""`trimtab audit witness`: heads of a log watched over time; what a log can never take back."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.audit_files import KeyOption, read_key, read_text
from app.commands.client import DEFAULT_URL, ServiceClient, connect
from app.commands.console import ExitCode, Failure, out, reporting, write_json

if TYPE_CHECKING:
    from services.audit.note import Checkpoint, VerifierKey

TAMPERED = 1


def witness_command(
    state: Annotated[Path, typer.Option(help="File that keeps the last head; made on the first run.")],
    key: KeyOption,
    url: Annotated[str, typer.Option(help="Base URL of the service.", envvar="TRIMTAB_URL")] = DEFAULT_URL,
    cosign: Annotated[
        Path | None,
        typer.Option(help="Ed25519 key file of the witness: the head is cosigned with it.", show_default=False),
    ] = None,
    name: Annotated[str, typer.Option(help="Name under which the witness signs.")] = "witness.local",
    as_json: Annotated[bool, typer.Option("--json", help="Print the head as JSON.")] = False,
) -> None:
    """Fetch the head of a log, prove that it continues the last one seen, and keep it. For a timer, on another machine.

    A log that was rewritten, forked, or cut at its end cannot give the proof: exit code 1, and the state file keeps the
    last sound head as evidence.

    **Examples**

    - `trimtab audit witness --url http://127.0.0.1:8000 --key log.vkey --state head.txt`
    """
    with reporting(as_json), connect(url) as client:
        verifier = read_key(key)
        note = client.text("/v1/log/checkpoint")
        head = _signed(note, verifier, "the service sent")
        before = _signed(read_text(state), verifier, str(state)) if state.exists() else None
        if before is not None:
            continues(client, before, head)
        kept = _cosigned(note, cosign, name) if cosign is not None else note
        _replace(state, kept)
        if as_json:
            write_json(head_document(before, head))
        else:
            show_head(before, head)


def continues(client: ServiceClient, before: Checkpoint, head: Checkpoint) -> None:
    """Refuse a head that does not continue the one before.

    Raises
    ------
    Failure
        With exit code 1 and the two heads.
    """
    from services.audit.merkle import verify_consistency

    if head.size < before.size:
        raise _evidence(before, head, "the log is shorter than it was")
    if before.size == 0:
        return
    query = {"first": str(before.size), "second": str(head.size)}
    answer = client.call("GET", "/v1/log/proof/consistency", params=query)
    try:
        proof = [base64.b64decode(item, validate=True) for item in answer["hashes"]]
    except (ValueError, KeyError, TypeError):
        proof = [b""]
    if not verify_consistency(before.size, head.size, before.root, head.root, proof):
        raise _evidence(before, head, "the log does not continue the head that was kept")


def _evidence(before: Checkpoint, head: Checkpoint, what: str) -> Failure:
    detail = f"kept: {before.size} entries, root {before.root.hex()}; now: {head.size} entries, root {head.root.hex()}"
    return Failure(ExitCode.FAILED, what, detail, "Both heads are signed by the log: keep them.")


def _signed(note: str, key: VerifierKey, where: str) -> Checkpoint:
    from app.signatures import check_signature
    from services.audit.note import verified_checkpoint
    from services.core.errors import InvalidInput

    try:
        return verified_checkpoint(note, key, check_signature)
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, f"{where}: no head that this key has signed", str(error)) from None


def _cosigned(note: str, path: Path, name: str) -> str:
    from app.adapters.log_key import LogKeyRefused, load_signer
    from services.audit.note import COSIGNATURE, Note, VerifierKey, cosignature

    try:
        signer = load_signer(path, create=False)
    except LogKeyRefused as error:
        raise Failure(ExitCode.REFUSED, "The witness cannot sign", str(error)) from None
    parsed = Note.parse(note)
    key = VerifierKey(name, COSIGNATURE, signer.public(name).public)
    return parsed.with_signatures([cosignature(key, signer.sign, parsed.text, int(time.time()))]).encoded()


def _replace(path: Path, text: str) -> None:
    """Write durably, all or nothing."""
    fresh = path.with_name(path.name + ".new")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise Failure(ExitCode.REFUSED, f"{path} cannot be written", str(error)) from None


def head_document(before: Checkpoint | None, head: Checkpoint) -> dict[str, Any]:
    """Head as JSON."""
    return {
        "log": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "continues": None if before is None else before.size,
    }


def show_head(before: Checkpoint | None, head: Checkpoint) -> None:
    """Head, and what it continues."""
    since = "first head seen" if before is None else f"continues {before.size:,} entries"
    out().print(f"{head.origin}: {head.size:,} entries, {since}", markup=False)
