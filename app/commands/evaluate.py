"""`trimtab evaluate`: the engine on a file, without a server."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.console import ExitCode, Failure, out, reporting, write_bytes


def evaluate_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="Body of POST /v1/evaluations as JSON; `-` reads standard input.",
            metavar="FILE.json",
            show_default=False,
        ),
    ],
    explain: Annotated[
        bool, typer.Option("--explain", "-e", help="Show every step from raw size to final order.")
    ] = False,
    received_at: Annotated[
        str | None,
        typer.Option(help="Time of receipt to assume, RFC 3339; default: now.", metavar="TIME", show_default=False),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print exactly the answer of the service, without its audit block.")
    ] = False,
) -> None:
    """Size a portfolio snapshot from a file: the same engine and the same bytes as the service, no server.

    No state is cached here: send `series` for every market. Nothing is written to an audit log.

    **Examples**

    - `trimtab evaluate snapshot.json --explain`

    - `trimtab evaluate snapshot.json --json | jq .targets`

    - `curl -s https://bot.example/snapshot | trimtab evaluate -`
    """
    with reporting(as_json):
        body = answer_bytes(read_file(file), moment_of(received_at))
        if as_json:
            write_bytes(body)
        else:
            show(body, explain=explain)


def read_file(path: Path) -> bytes:
    """Bytes of a file, or of standard input for ``-``."""
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise Failure(ExitCode.USAGE, f"{path} cannot be read", error.strerror or str(error)) from None


def moment_of(text: str | None) -> datetime:
    """Time of receipt: the one given, else now."""
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Failure(
            ExitCode.USAGE, f"--received-at {text} is no time with a zone", "", "Write it like 2026-11-20T00:00:05Z"
        )
    return moment.astimezone(UTC)


def answer_bytes(raw: bytes, received_at: datetime) -> bytes:
    """Answer of the engine to a request body, without the audit block.

    Raises
    ------
    Failure
        With the rules that the request breaks, in the words of the service.
    """
    from app.body import parse_json
    from app.commands.problems import problems_as_failures
    from app.ids import new_id
    from app.usecases.call import Door
    from app.usecases.decide import Gathered, decide, render
    from models.api.evaluation import EvaluationRequest

    with problems_as_failures(EvaluationRequest, "/v1/evaluations"):
        request = EvaluationRequest.model_validate(parse_json(raw))
        decision = decide(
            Door.EVALUATIONS, request, raw, Gathered(), evaluation_id=new_id("ev", received_at), received_at=received_at
        )
    return render(decision, received_at)


def show(body: bytes, *, explain: bool) -> None:
    """Answer as tables."""
    import orjson

    from app.commands.tables import show_answer

    answer: dict[str, Any] = orjson.loads(body)
    show_answer(out(), answer, explain=explain)
