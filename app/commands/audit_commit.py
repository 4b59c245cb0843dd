"""`trimtab audit commit`, `prove` and `check-proof`: bounds proved of figures that stay hidden. Experimental."""

from __future__ import annotations

import os
import secrets
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import orjson
import typer

from app.commands.audit_files import KeyOption, read_key, read_text
from app.commands.client import connect
from app.commands.console import ExitCode, Failure, out, reporting, write_bytes, write_json

if TYPE_CHECKING:
    from services.audit.commitments import BoundProof, Claim, Commitments, Opening

URL = "http://127.0.0.1:8000"
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="File [standard output].", show_default=False)
]


def commit_command(
    evaluation_id: Annotated[str, typer.Argument(metavar="ID", help="`evaluation_id`.", show_default=False)],
    figure: Annotated[
        list[str] | None,
        typer.Option(
            help="Figure to bound from above, rounded up: gross_exposure, answer:/pointer or request:/pointer.",
            show_default=False,
        ),
    ] = None,
    floor: Annotated[
        list[str] | None, typer.Option(help="Figure to bound others by, rounded down.", show_default=False)
    ] = None,
    unit: Annotated[str, typer.Option(help="Committed is a whole number of these.")] = "0.01",
    output: OutputOption = None,
    url: Annotated[str, typer.Option(help="Base URL of the service.", envvar="TRIMTAB_URL")] = URL,
) -> None:
    """Have the log commit to figures of a recorded answer. What comes out opens the commitments: keep it to yourself.

    **Examples**

    - `trimtab audit commit ev_01a1fb67180070008000000000000001 --figure gross_exposure -o a.json`

    - `trimtab audit commit "$ID" --figure gross_exposure --floor request:/account/equity -o a.json`
    """
    with reporting(as_json=False):
        rows = [{"figure": name, "unit": unit, "rounding": "up"} for name in figure or []]
        rows += [{"figure": name, "unit": unit, "rounding": "down"} for name in floor or []]
        if not rows:
            raise Failure(ExitCode.USAGE, "Nothing is to be committed to", remedy="Name a --figure.")
        with connect(url) as client:
            found = client.call("POST", f"/v1/audit/entries/{evaluation_id}:commit", body={"figures": rows})
        _write(found, output)


def prove_command(
    holding: Annotated[
        list[Path], typer.Argument(help="Files of `trimtab audit commit`, one an entry.", show_default=False)
    ],
    at_most: Annotated[
        str | None,
        typer.Option(help="Bound of the figure, added up over all files.", show_default=False, metavar="AMOUNT"),
    ] = None,
    leverage: Annotated[
        str | None,
        typer.Option(help="Largest figure over equity, of one file; up to 4 decimals.", show_default=False),
    ] = None,
    figure: Annotated[str, typer.Option(help="Figure that is bounded.")] = "gross_exposure",
    equity: Annotated[str, typer.Option(help="Equity under a leverage.")] = "request:/account/equity",
    bits: Annotated[int, typer.Option(help="The room below the bound has at most so many bits, in units.")] = 48,
    output: OutputOption = None,
) -> None:
    """Prove a bound on figures that stay hidden, without a service. The proof may be shown to anybody.

    **Examples**

    - `trimtab audit prove a.json b.json --at-most 1000000 -o proof.json`

    - `trimtab audit prove a.json --leverage 3 -o proof.json`
    """
    with reporting(as_json=False):
        _need_library()
        from services.audit.commitments import prove_bound
        from services.core.errors import InvalidInput

        if (at_most is None) == (leverage is None):
            raise Failure(ExitCode.USAGE, "Nothing is to be proved, or two things", remedy="--at-most or --leverage.")
        held = [_holding(path) for path in holding]
        try:
            claim = _claim(held, figure, equity, at_most, leverage, bits)
            openings = {(item.shown.digest, name): opening for item in held for name, opening in item.openings.items()}
            proof = prove_bound(claim, [item.shown for item in held], openings, secrets.token_bytes)
        except (InvalidInput, KeyError) as error:
            raise Failure(ExitCode.REFUSED, "This cannot be proved", str(error)) from None
        _write(proof.document(), output)


def check_proof_command(
    proof: Annotated[Path, typer.Argument(help="File of `trimtab audit prove`.", show_default=False)],
    key: KeyOption,
    as_json: Annotated[bool, typer.Option("--json", help="Print the claim as JSON.")] = False,
) -> None:
    """Check without a service that the log committed to these figures, and that the bound holds of them.

    **Examples**

    - `trimtab audit check-proof proof.json --key log.vkey`
    """
    with reporting(as_json):
        _need_library()
        from app.signatures import check_signature
        from services.audit.commitments import BoundProof, check_bound
        from services.core.errors import InvalidInput

        verifier = read_key(key)
        try:
            shown = BoundProof.parse(orjson.loads(read_text(proof)))
        except (orjson.JSONDecodeError, InvalidInput) as error:
            raise Failure(ExitCode.REFUSED, f"{proof} is no proof", str(error)) from None
        try:
            entries = check_bound(shown, verifier, check_signature)
        except InvalidInput as error:
            raise Failure(ExitCode.FAILED, "The proof does not hold", str(error)) from None
        text = _words(shown, entries)
        if as_json:
            write_json({"claim": shown.claim.fields(), "proved": text, "entries": entries})
        else:
            out().print(f"proved: {text}", style="green", markup=False)


class _Held(NamedTuple):
    shown: Commitments
    openings: dict[str, Opening]


def _holding(path: Path) -> _Held:
    from services.audit.commitments import Commitments, Opening
    from services.audit.pedersen import scalar_of
    from services.core.errors import InvalidInput

    try:
        said = orjson.loads(read_text(path))
        shown = Commitments.parse(said["commitments"])
        rows = {row["figure"]: Opening(int(row["value"]), scalar_of(row["blind"], "blind")) for row in said["openings"]}
    except (InvalidInput, KeyError, TypeError, ValueError) as error:
        raise Failure(ExitCode.REFUSED, f"{path} holds no commitments with openings", str(error)) from None
    return _Held(shown, rows)


def _claim(held: list[_Held], figure: str, equity: str, at_most: str | None, leverage: str | None, bits: int) -> Claim:
    from services.audit.commitments import Claim, Term, leverage_terms, units
    from services.audit.permit import decimal
    from services.core.errors import InvalidInput

    unit = held[0].shown.find(figure).unit
    if at_most is not None:
        bound = units(decimal(at_most, "bound"), unit, "down")
        terms: tuple[Term, ...] = tuple(Term(item.shown.digest, figure, 1) for item in held)
        return Claim(terms=terms, bound=bound, unit=unit, bits=bits)
    if len(held) > 1:
        raise InvalidInput("leverage", "is that of one file", len(held))
    terms = leverage_terms(held[0].shown, figure, equity, decimal(leverage or "", "leverage"))
    return Claim(terms=terms, bound=0, unit=unit, bits=bits)


def _words(shown: BoundProof, entries: list[dict[str, Any]]) -> str:
    """A claim as it is written on paper."""
    named = {item.digest: entry["id"] for item, entry in zip(shown.documents, entries, strict=True)}
    parts: list[str] = []
    for term in shown.claim.terms:
        size = "" if abs(term.coefficient) == 1 else f"{abs(term.coefficient)} × "
        sign = "− " if term.coefficient < 0 else "+ " if parts else ""
        parts.append(f"{sign}{size}{term.figure} of {named[term.document]}")
    bound = Decimal(shown.claim.bound) * Decimal(shown.claim.unit)
    return f"{' '.join(parts)} <= {bound:f}"


def _need_library() -> None:
    import importlib.util

    if importlib.util.find_spec("nacl") is None:
        remedy = "pip install 'trimtab[commitments]'"
        raise Failure(ExitCode.REFUSED, "Commitments need the library PyNaCl", remedy=remedy)


def _write(document: object, output: Path | None) -> None:
    raw = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if output is None:
        write_bytes(raw)
        return
    try:
        # Openings are in some of them: nobody else is to read them.
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
    except OSError as error:
        raise Failure(ExitCode.REFUSED, f"{output} cannot be written", str(error)) from None
