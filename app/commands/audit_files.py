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
MldsaKeyOption = Annotated[
    str | None,
    typer.Option(
        "--mldsa-key",
        help="ML-DSA-44 key of the log, or a file that holds it: the head must be signed with it, too.",
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


def read_mldsa_key(text: str) -> VerifierKey:
    """ML-DSA-44 key of an option.

    Raises
    ------
    Failure
        If it is none.
    """
    from services.audit.note import MLDSA_COSIGNATURE

    key = read_key(text)
    if key.kind != MLDSA_COSIGNATURE:
        raise Failure(ExitCode.REFUSED, "--mldsa-key is no ML-DSA-44 key", f"It is of type {key.kind}, not 6.")
    return key


def read_checkpoint(path: Path, key: VerifierKey, mldsa: VerifierKey | None = None) -> Checkpoint:
    """Head of a file that the key has signed, and the other one, if there is one; a receipt holds a head, too.

    Raises
    ------
    Failure
        If it holds none, or another key signed it.
    """
    from app.signatures import check_signature
    from services.audit.note import check_cosigned, verified_checkpoint
    from services.audit.receipt import HEADER, Receipt
    from services.core.errors import InvalidInput

    text = read_text(path)
    try:
        note = Receipt.parse(text).checkpoint if text.startswith(HEADER) else text
        if mldsa is not None:
            check_cosigned(note, mldsa, check_signature)
        return verified_checkpoint(note, key, check_signature)
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, f"{path} holds no head that this key has signed", str(error)) from None
