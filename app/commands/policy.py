"""`trimtab policy proposal`: a proposal read by who is to sign it, and signed where the key is."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer
from rich.markup import escape

from app.commands.audit_files import read_text
from app.commands.check_policy import statement as phrase
from app.commands.client import connect
from app.commands.console import EXIT_CODES, ExitCode, Failure, out, reporting, write_json

if TYPE_CHECKING:
    from rich.console import Console

policy_commands = typer.Typer(
    help="Governed policies.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
proposal_commands = typer.Typer(
    help="Proposals of governed policies: read them, sign them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
policy_commands.add_typer(proposal_commands, name="proposal")
SourceArgument = Annotated[
    str,
    typer.Argument(
        help="POLICY/NUMBER to ask the service, or a file of GET /v1/policies/{policy_id}/proposals/{number}.",
        metavar="PROPOSAL",
        show_default=False,
    ),
]
UrlOption = Annotated[str, typer.Option(help="Base URL of the service.", envvar="TRIMTAB_URL", metavar="URL")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
URL = "http://127.0.0.1:8000"


@policy_commands.callback()
def policies() -> None:
    """Governed policies."""


@proposal_commands.command("show", epilog=EXIT_CODES)
def show_command(proposal: SourceArgument, url: UrlOption = URL, as_json: JsonOption = False) -> None:
    """Show a proposal, what was proved of it, and what approvers sign; its digests are computed again.

    **Examples**

    - `trimtab policy proposal show desk/1`
    """
    with reporting(as_json):
        shown = _read(proposal, url)
        _statement(shown, "approve")
        if as_json:
            write_json(shown)
        else:
            _show(out(), shown)


@proposal_commands.command("approve", epilog=EXIT_CODES)
def approve_command(
    proposal: SourceArgument,
    key: Annotated[Path, typer.Option(help="Ed25519 private key of the approver, PEM.", show_default=False)],
    approver: Annotated[str, typer.Option(help="Name of the approver in the rules.", show_default=False)],
    url: UrlOption = URL,
    reject: Annotated[bool, typer.Option("--reject", help="Sign a rejection.")] = False,
    send: Annotated[bool, typer.Option("--send", help="Send the vote to the service, too.")] = False,
) -> None:
    """Sign a vote on a proposal and print it: the body of POST …:approve. From a file it works without a network.

    The statement is signed only if it is about exactly what is shown: digests are computed again first.

    **Examples**

    - `trimtab policy proposal approve desk/1 --key ann.pem --approver ann --send`

    - `trimtab policy proposal approve proposal.json --key ann.pem --approver ann > vote.json`
    """
    with reporting(as_json=False):
        verdict: Literal["approve", "reject"] = "reject" if reject else "approve"
        shown = _read(proposal, url)
        signed = _sign(key, _statement(shown, verdict))
        vote = {"approver": approver, "signature": base64.b64encode(signed).decode()}
        if send:
            with connect(url) as client:
                path = f"/v1/policies/{shown['policy_id']}/proposals/{shown['number']}:{verdict}"
                vote = client.call("POST", path, body=vote)
        write_json(vote)


def _read(proposal: str, url: str) -> dict[str, Any]:
    path = Path(proposal)
    if path.exists():
        try:
            found = orjson.loads(read_text(path))
        except orjson.JSONDecodeError as error:
            raise Failure(ExitCode.REFUSED, f"{path} is no JSON", str(error)) from None
        if not isinstance(found, dict):
            raise Failure(ExitCode.REFUSED, f"{path} holds no proposal")
        return found
    policy_id, _, number = proposal.rpartition("/")
    if not (policy_id and number.isascii() and number.isdigit()):
        remedy = "Write it as desk/1, or name a file."
        raise Failure(ExitCode.USAGE, f"{proposal} names no proposal, and is no file", remedy=remedy)
    with connect(url) as client:
        shown: dict[str, Any] = client.call("GET", f"/v1/policies/{policy_id}/proposals/{number}")
        return shown


def _statement(shown: dict[str, Any], verdict: Literal["approve", "reject"]) -> bytes:
    from app.usecases.governance_step import shown_statement
    from services.core.errors import InvalidInput

    try:
        return shown_statement(shown, verdict)
    except (KeyError, TypeError, ValueError) as error:
        raise Failure(ExitCode.REFUSED, "This is no proposal that can be signed", f"{error}") from None
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, "The proposal is not what its statement says", str(error)) from None


def _sign(path: Path, statement: bytes) -> bytes:
    from app.adapters.log_key import LogKeyRefused, load_signer

    try:
        return load_signer(path, create=False, name="the key").sign(statement)
    except LogKeyRefused as error:
        raise Failure(ExitCode.REFUSED, "The key cannot be used", str(error)) from None


def _show(console: Console, shown: dict[str, Any]) -> None:
    checks = shown["checks"]
    lock = "takes no timelock: proved to be a tightening" if checks["tightens"] else "takes the timelock"
    lines = [
        f"proposal {shown['number']} of {shown['policy_id']}, {shown['status']}: {shown['detail']}",
        f"{shown['kind']} after version {shown['base_version']}, sha256 {shown['content_sha256']}",
        f"expires at {shown['expires_at']}, {lock}",
    ]
    lines += [f"comment: {shown['comment']}"] if shown["comment"] else []
    for finding in (checks["required"] or {}).get("findings", []):
        lines.append(f"  {phrase(finding['property'])}: {finding['verdict']}")
    lines += [f"  {vote['verdict']} by {vote['approver']} at {vote['at']}" for vote in shown["votes"]]
    for line in lines:
        console.print(escape(line))
    content = shown["policy_resolved"] or shown["governance"]
    console.print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode(), markup=False)
