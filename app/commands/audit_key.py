"""`trimtab audit key`: the key file of a witness, and its public key as text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.console import ExitCode, Failure, out, reporting


def key_command(
    file: Annotated[Path, typer.Argument(help="Key file; made, with mode 0600, where there is none.")],
    name: Annotated[str, typer.Option(help="Name under which it signs: that of the witness, or the origin of a log.")],
    mldsa: Annotated[bool, typer.Option("--ml-dsa", help="Make an ML-DSA-44 key (FIPS 204), not Ed25519.")] = False,
) -> None:
    """Print the public key of a witness, making the private one if there is none.

    **Examples**

    - `trimtab audit key witness.pem --name witness.example`

    - `trimtab audit key postquantum.pem --name witness.example --ml-dsa`
    """
    from app.adapters.log_key import LogKeyRefused, load_cosigner, write_new
    from services.core.errors import InvalidInput

    with reporting(as_json=False):
        try:
            if not file.exists():
                write_new(file, mldsa=mldsa)
            text = load_cosigner(file, mldsa=mldsa).public(name).text()
        except (LogKeyRefused, InvalidInput) as error:
            raise Failure(ExitCode.REFUSED, "There is no such key", str(error)) from None
        out().print(text, soft_wrap=True, markup=False)
