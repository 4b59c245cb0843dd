"""`trimtab audit witness`: heads of a log watched over time; what a log can never take back."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import TaskID

from app.commands.audit_export import ExportOption, opened
from app.commands.audit_files import KeyOption, read_key, read_text
from app.commands.audit_remote import RemoteSpan
from app.commands.client import DEFAULT_URL, ServiceClient, connect
from app.commands.console import ExitCode, Failure, err, out, progress, reporting, write_json

if TYPE_CHECKING:
    from app.adapters.audit_export import Export
    from app.log_ports import LogCosigner
    from app.usecases.replay_log import Verdict
    from app.usecases.witness_log import Witnessed
    from services.audit.note import Checkpoint, VerifierKey

TAMPERED, INCOMPLETE = 1, 2
SHOWN = 20


def witness_command(
    state: Annotated[Path, typer.Option(help="File that keeps the last head; made on the first run.")],
    key: KeyOption,
    url: Annotated[str, typer.Option(help="Base URL of the service.", envvar="TRIMTAB_URL")] = DEFAULT_URL,
    cosign: Annotated[
        Path | None,
        typer.Option(
            help="Key file of the witness (`trimtab audit key`): the head is cosigned with it.", show_default=False
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name under which the witness signs.")] = "witness.local",
    replay: Annotated[
        bool, typer.Option("--replay", help="Compute every decision since the last head again, and sign only then.")
    ] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            help="Sign although entries of this kind could not be judged: other_build or no_body.", show_default=False
        ),
    ] = None,
    export: ExportOption = None,
    post: Annotated[
        bool | None, typer.Option("--post/--no-post", help="Send the cosignature to the service [with --replay].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the head as JSON.")] = False,
) -> None:
    """Fetch the head of a log, prove that it continues the last one seen, and keep it. For a timer, on another machine.

    A log that was rewritten, forked, or cut at its end cannot give the proof: exit code 1, and the state file keeps the
    last sound head as evidence. With `--replay` the same goes for a log with an answer that this program does not get
    from its request; where an answer cannot be judged, exit code 2, and nothing is signed either.

    **Examples**

    - `trimtab audit witness --url http://127.0.0.1:8000 --key log.vkey --state head.txt`

    - `trimtab audit witness --key log.vkey --state head.txt --replay --cosign witness.pem --name witness.example`
    """
    with reporting(as_json), connect(url) as client:
        signer = _cosigner(cosign) if cosign is not None else None
        accepted = _accepted(accept or [])
        if signer is None and (replay or post):
            raise Failure(ExitCode.USAGE, "--replay and --post go with --cosign", remedy="trimtab audit key makes one.")
        verifier = read_key(key)
        source = opened(export) if export is not None else None
        kept = read_text(state) if state.exists() else None
        before = _signed(kept, verifier, str(state)) if kept is not None else None
        note = _note(client, source)
        head = _signed(note, verifier, "the service sent" if export is None else str(export))
        if source is None and signer is not None and (replay if post is None else post):
            # One that another witness has signed: on a growing log each would else sign a head of its own.
            pending = client.text("/v1/log/checkpoint?cosigned=pending")
            met = _signed(pending, verifier, "the service sent")
            if met.size > (before.size if before is not None else 0):
                note, head = pending, met
        if before is not None:
            continues(client if source is None else source, before, head)
        found = None
        if replay and signer is not None:
            mine = before if kept is not None and _signed_by(kept, signer, name) else None
            found = _recomputed(client, source, mine, head, accepted, visible=not as_json)
        sound = found is None or found.sound
        if sound:
            signed = _cosigned(note, signer, name) if signer is not None and head.size else note
            _replace(state, signed)
        posted = None
        if sound and signer is not None and head.size and (replay if post is None else post):
            posted = client.call("POST", "/v1/log/cosignatures", body={"note": signed})
        if as_json:
            write_json(head_document(before, head, found, posted))
        else:
            show_head(before, head, found, posted)
        if found is not None and not sound:
            raise typer.Exit(TAMPERED if found.different or found.findings else INCOMPLETE)


def _note(client: ServiceClient, source: Export | None) -> str:
    if source is None:
        return client.text("/v1/log/checkpoint")
    if source.checkpoint is None:
        raise Failure(ExitCode.REFUSED, f"{source.folder} holds no signed head")
    return source.checkpoint


def _accepted(names: list[str]) -> list[Verdict]:
    from app.usecases.witness_log import UNJUDGED

    allowed = {str(item): item for item in UNJUDGED}
    if wrong := [item for item in names if item not in allowed]:
        raise Failure(ExitCode.USAGE, f"--accept must be one of {', '.join(allowed)}, found {wrong[0]}")
    return [allowed[item] for item in names]


def _recomputed(
    client: ServiceClient,
    source: Export | None,
    before: Checkpoint | None,
    head: Checkpoint,
    accept: list[Verdict],
    *,
    visible: bool,
) -> Witnessed:
    """What comes out of the entries since the last head that this witness signed itself."""
    from app.usecases.witness_log import recompute_span

    if source is not None and not source.bodies:
        raise Failure(ExitCode.REFUSED, f"{source.folder} holds no bodies: nothing can be computed again")
    with progress("computing again", 0, visible=visible) as bar:

        def advance(done: int, total: int) -> None:
            bar.update(TaskID(0), completed=done, total=total)

        span = source or RemoteSpan(client, before.size if before is not None else 0, head)
        return recompute_span(span, before, head, accept=accept, advance=advance)


def continues(source: ServiceClient | Export, before: Checkpoint, head: Checkpoint) -> None:
    """Refuse a head that does not continue the one before; an export shows by its entries whether it does.

    Raises
    ------
    Failure
        With exit code 1 and the two heads.
    """
    from services.audit.merkle import verify_consistency

    if not isinstance(source, ServiceClient):
        if head.size < before.size:
            raise Failure(ExitCode.REFUSED, f"The export is older than the head of {before.size} entries that was kept")
        _continues_in(source, before, head)
        return
    if head.size < before.size:
        raise _evidence(before, head, "the log is shorter than it was")
    if before.size == 0:
        return
    query = {"first": str(before.size), "second": str(head.size)}
    answer = source.call("GET", "/v1/log/proof/consistency", params=query)
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


def _continues_in(source: Export, before: Checkpoint, head: Checkpoint) -> None:
    from app.usecases.verify_log import verify_span

    if before.size < source.span.first:
        detail = f"It begins with entry {source.span.first}, and the head that was kept has {before.size}."
        raise Failure(ExitCode.REFUSED, "The export does not continue the head that was kept", detail)
    found = verify_span(source, [before], head, bodies=False, advance=lambda done, total: None)
    if found.findings:
        raise Failure(
            ExitCode.FAILED, "The export does not lead from the head that was kept to its own", found.findings[0].what
        )


def _cosigner(path: Path) -> LogCosigner:
    from app.adapters.log_key import LogKeyRefused, load_cosigner

    try:
        return load_cosigner(path)
    except LogKeyRefused as error:
        raise Failure(ExitCode.REFUSED, "The witness cannot sign", str(error)) from None


def _signed_by(note: str, signer: LogCosigner, name: str) -> bool:
    from app.signatures import check_signature
    from services.audit.note import Note

    return Note.parse(note).signed_by(signer.public(name), check_signature)


def _cosigned(note: str, signer: LogCosigner, name: str) -> str:
    """The head with the witness's line: others that came with it are left out, since nobody asked it about them."""
    from services.audit.note import Note, cosignature

    parsed = Note.parse(note)
    own = cosignature(signer.public(name), signer.sign, parsed.text, int(time.time()))
    log = [item for item in parsed.signatures if item.name == parsed.text.partition("\n")[0]]
    return Note(parsed.text, tuple(log)).with_signatures([own]).encoded()


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


def head_document(
    before: Checkpoint | None, head: Checkpoint, found: Witnessed | None = None, posted: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Head as JSON, with what was recomputed and what the service said of the cosignature."""
    document: dict[str, Any] = {
        "log": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "continues": None if before is None else before.size,
    }
    if found is not None:
        document["recomputed"] = {
            "signed": found.sound,
            "entries": found.entries,
            **{str(verdict): count for verdict, count in found.counts.items()},
            "differences": [
                {"index": item.index, "evaluation_id": item.event_id, "pointers": list(item.pointers)}
                for item in found.different[:SHOWN]
            ],
            "unjudged": list(found.unjudged[:SHOWN]),
            "findings": [{"index": item.index, "what": item.what} for item in found.findings[:SHOWN]],
        }
    if posted is not None:
        document["posted"] = posted
    return document


def show_head(
    before: Checkpoint | None, head: Checkpoint, found: Witnessed | None = None, posted: dict[str, Any] | None = None
) -> None:
    """Head, what it continues, and what was recomputed."""
    since = "first head seen" if before is None else f"continues {before.size:,} entries"
    out().print(f"{head.origin}: {head.size:,} entries, {since}", markup=False)
    if found is not None:
        counts = ", ".join(f"{count:,} {str(name).replace('_', ' ')}" for name, count in found.counts.items() if count)
        out().print(f"{found.entries:,} new entries: {counts or 'none'}", markup=False)
        for item in found.different[:SHOWN]:
            places = ", ".join(pointer or "the whole" for pointer in item.pointers[:3])
            text = f"entry {item.index} ({item.event_id}) is not what its request gives: {places}"
            err().print(text, style="bold red", markup=False)
        for finding in found.findings[:SHOWN]:
            place = "the log" if finding.index is None else f"entry {finding.index}"
            err().print(f"{place}: {finding.what}", style="bold red", markup=False)
        if found.unjudged:
            text = f"{len(found.unjudged):,} entries cannot be judged here, the first is {found.unjudged[0]}"
            err().print(text, style="bold red", markup=False)
        if not found.sound:
            err().print("the head is not signed", style="bold red", markup=False)
    if posted is not None:
        text = f"signed: {posted['witnesses']} of {posted['quorum']} witnesses that make it valid"
        out().print(text, style="green", markup=False)
