"""Where commands write, how they fail, and what their exit codes mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

EXIT_CODES = (
    "Exit codes: 0 done · 1 failed · 2 wrong usage · 3 refused (the input breaks a rule) · "
    "4 unavailable (service or store)."
)


class ExitCode(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNAVAILABLE = 4


class Failure(Exception):
    """A command cannot do what it was asked for.

    Parameters
    ----------
    code : ExitCode
        How the process ends.
    title, detail, remedy : str
        What happened, in one line; the particulars; how to mend it.
    errors : sequence of (place, text)
        Broken rules, each with its place.
    document : dict, optional
        Problem document, printed as it is under `--json`.
    """

    def __init__(
        self,
        code: ExitCode,
        title: str,
        detail: str = "",
        remedy: str = "",
        *,
        errors: Sequence[tuple[str, str]] = (),
        document: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(title)
        self.code, self.title, self.detail, self.remedy, self.errors = code, title, detail, remedy, tuple(errors)
        self.document = document

    def as_document(self) -> dict[str, Any]:
        """Machine form: the problem document, or one with the same members."""
        if self.document is not None:
            return self.document
        errors = [{"pointer": place, "detail": text} for place, text in self.errors]
        return {"title": self.title, "detail": self.detail, "remedy": self.remedy, "errors": errors}


def out() -> Console:
    """Standard output: results."""
    return Console(highlight=False)


def err() -> Console:
    """Standard error: progress and failures."""
    return Console(stderr=True, highlight=False)


def write_json(document: object) -> None:
    """One JSON document on standard output."""
    write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def write_bytes(body: bytes) -> None:
    """Exact bytes on standard output; a terminal gets a line end."""
    sys.stdout.flush()
    sys.stdout.buffer.write(body)
    if sys.stdout.isatty() and not body.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


@contextmanager
def reporting(as_json: bool) -> Iterator[None]:
    """End with the exit code of a `Failure`, having told it on standard error, under `--json` on standard output."""
    try:
        yield
    except Failure as failure:
        if as_json:
            write_json(failure.as_document())
        else:
            show_failure(failure)
        raise typer.Exit(failure.code) from None


def show_failure(failure: Failure) -> None:
    """What happened, where, and how to mend it."""
    console = err()
    console.print(failure.title, style="bold red", markup=False)
    if failure.detail:
        console.print(failure.detail, markup=False)
    for place, text in failure.errors:
        console.print(f"  {place or '(whole body)'}", style="bold", markup=False)
        console.print(f"      {text}", markup=False)
    if failure.remedy:
        console.print(failure.remedy, style="green", markup=False)


def table(title: str = "", *, headings: bool = True) -> Table:
    """Empty table in the style of all commands."""
    return Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, show_header=headings)


@contextmanager
def progress(description: str, total: int, *, visible: bool = True) -> Iterator[Progress]:
    """Progress bar with one task of id 0 on standard error, where that is a terminal; it vanishes when done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = err()
    with Progress(*columns, console=console, transient=True, disable=not (visible and console.is_terminal)) as bar:
        bar.add_task(description, total=total)
        yield bar
