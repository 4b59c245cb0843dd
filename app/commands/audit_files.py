"""Files that the commands on the history read: keys, checkpoints, answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.console import ExitCode, Failure

if TYPE_CHECKING:
    from services.audit.note import Checkpoint, VerifierKey

KeyOption = Annotated[
    str,
    typer.Option(
        "--key",
        help="Public key of the log, or a file that holds it: GET /v1/log/key gives it; keep your own copy.",
        show_default=False,
        metavar="KEY",
    ),
]


def read_text(path: Path) -> str:
    """Text of a file.

    Raises
    ------
    Failure
        If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(ExitCode.REFUSED, f"{path} cannot be read", str(error)) from None


def read_key(text: str) -> VerifierKey:
    """Key of an option: the key itself, or a file that holds it.

    Raises
    ------
    Failure
        If it is none.
    """
    from services.audit.note import VerifierKey
    from services.core.errors import InvalidInput

    given = text if "+" in text and not Path(text).exists() else read_text(Path(text))
    try:
        return VerifierKey.parse(given)
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, "This is no public key of a log", str(error)) from None


def read_checkpoint(path: Path, key: VerifierKey) -> Checkpoint:
    """Head of a file that the key has signed; a receipt holds one, too.

    Raises
    ------
    Failure
        If it holds none, or another key signed it.
    """
    from app.signatures import check_signature
    from services.audit.note import verified_checkpoint
    from services.audit.receipt import HEADER, Receipt
    from services.core.errors import InvalidInput

    text = read_text(path)
    try:
        note = Receipt.parse(text).checkpoint if text.startswith(HEADER) else text
        return verified_checkpoint(note, key, check_signature)
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, f"{path} holds no head that this key has signed", str(error)) from None
