"""`trimtab permit check`: the permit of an order read and checked, without a service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer

from app.commands.audit_files import KeyOption, read_key
from app.commands.console import EXIT_CODES, ExitCode, Failure, err, out, reporting, write_json

NOT_ALLOWED = 1

permit_commands = typer.Typer(
    help="Signed permits of orders, as a gateway before the venue checks them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@permit_commands.callback()
def permits() -> None:
    """Signed permits of orders, as a gateway before the venue checks them."""


@permit_commands.command("check", epilog=EXIT_CODES)
def check_command(
    token: Annotated[str, typer.Argument(help="Permit, as an answer gave it.", show_default=False)],
    key: KeyOption,
    quantity: Annotated[
        str | None, typer.Option(help="Quantity of the order in the unit of the permit.", show_default=False)
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Symbol of the order.", show_default=False)] = None,
    side: Annotated[str | None, typer.Option(help="buy or sell.", show_default=False)] = None,
    venue: Annotated[str | None, typer.Option(help="Venue of the order.", show_default=False)] = None,
    at: Annotated[
        datetime | None, typer.Option(help="Time, UTC [now].", formats=["%Y-%m-%dT%H:%M:%SZ"], show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the permit as JSON.")] = False,
) -> None:
    """Check that the log signed a permit, and that it allows an order. What was used of it before is not known here.

    **Examples**

    - `trimtab permit check "$TOKEN" --key log.vkey --symbol BTC-PERP --side buy --quantity 0.1`
    """
    with reporting(as_json):
        from app.signatures import check_signature
        from services.audit.permit import decimal, read_permit
        from services.core.errors import InvalidInput

        verifier = read_key(key)
        try:
            wanted = decimal(quantity, "quantity") if quantity is not None else None
        except InvalidInput as error:
            raise Failure(ExitCode.USAGE, "This is no quantity", str(error)) from None
        try:
            permit = read_permit(token, verifier, check_signature)
        except InvalidInput as error:
            raise Failure(ExitCode.FAILED, "This is no permit of this log", str(error)) from None
        moment = at.replace(tzinfo=UTC) if at is not None else datetime.now(UTC)
        given = {"symbol": symbol, "side": side, "venue": venue}
        order = {name: value for name, value in given.items() if value is not None}
        refusals = permit.refusals(at=moment, quantity=wanted, **order)
        said = orjson.loads(permit.payload())
        if as_json:
            write_json({"permit": said, "allowed": not refusals, "refusals": refusals})
        else:
            for name, value in said.items():
                out().print(f"{name}: {value}", markup=False)
            for text in refusals:
                err().print(text, style="bold red", markup=False)
        if refusals:
            raise typer.Exit(NOT_ALLOWED)
