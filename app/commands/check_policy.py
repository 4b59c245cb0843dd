"""`trimtab check-policy` and `trimtab compare-policies`: statements proved or refuted, without a service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from app.commands.console import ExitCode, out, reporting, table, write_json
from app.commands.evaluate import read_file

if TYPE_CHECKING:
    from rich.console import Console

STYLE = {"proved": "green", "refines": "green", "refuted": "red", "unknown": "yellow"}
CODES = {
    "proved": ExitCode.DONE,
    "refines": ExitCode.DONE,
    "unknown": ExitCode.FAILED,
    "refuted": ExitCode.REFUSED,
}
JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer of the service as JSON.")]
RangesOption = Annotated[
    str,
    typer.Option(
        "--ranges",
        metavar="JSON",
        help='Inputs to look at, such as \'{"volatility": [0.1, 2], "drawdown": [0, 0.3]}\'; by default volatility '
        "0.05 to 3, direction 0 to 1, no position, no drawdown, every breaker tier.",
        show_default=False,
    ),
]


def check_policy_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="A policy as JSON, or the body of POST /v1/policies:check with `policy`; `-` reads standard input.",
            metavar="FILE.json",
            show_default=False,
        ),
    ],
    ranges: RangesOption = "",
    as_json: JsonOption = False,
) -> None:
    """Prove or refute statements about a policy, over every point of ranges of its inputs, before it sizes anything.

    Without `properties` in the file: size within the leverage cap, falling with volatility, solvent after a fall of
    20 %, no increase from breaker tier 3 on. A refuted one comes with the inputs at which the engine breaks it. Ends
    with 0 where all are proved, 3 where one is refuted, else 1.

    **Examples**

    - `trimtab check-policy policy.json`

    - `trimtab check-policy policy.json --ranges '{"volatility": [0.1, 2], "current_weight": [0, 1.5]}'`

    - `echo '{"policy": {"sizing": {"method": "constant_leverage", "leverage": 3}},
      "properties": [{"method": "solvent_after_shock", "shock": 0.3}]}' | trimtab check-policy - --json`
    """
    with reporting(as_json):
        answer = check_answer(read_file(file), ranges)
    if as_json:
        write_json(answer)
    else:
        show_findings(out(), answer)
    raise typer.Exit(CODES[answer["verdict"]])


def compare_policies_command(
    new: Annotated[
        Path, typer.Argument(help="The new policy as JSON; `-` reads it from standard input.", metavar="NEW.json")
    ],
    old: Annotated[Path, typer.Argument(help="The policy that it is to replace.", metavar="OLD.json")],
    ranges: RangesOption = "",
    as_json: JsonOption = False,
) -> None:
    """Prove that a new policy never sizes larger, nor margins lower, than an old one, at any point of the ranges.

    Ends with 0 where it does (`refines`), 3 with a point where it does not, 1 where neither was found.

    **Examples**

    - `trimtab compare-policies new.json old.json`

    - `trimtab compare-policies new.json old.json --ranges '{"volatility": [0.05, 2]}' --json`

    - `git show HEAD:policy.json | trimtab compare-policies policy.json /dev/stdin`
    """
    with reporting(as_json):
        answer = compare_answer(read_file(new), read_file(old), ranges)
    if as_json:
        write_json(answer)
    else:
        show_comparison(out(), answer)
    raise typer.Exit(CODES[answer["verdict"]])


def check_answer(raw: bytes, ranges: str) -> dict[str, Any]:
    """Answer of `POST /v1/policies:check` to a file.

    Raises
    ------
    Failure
        With the rules that it breaks, in the words of the service.
    """
    from app.body import parse_json
    from app.commands.problems import problems_as_failures
    from app.translate.notes import Notes
    from app.usecases.check_policies import Chosen, check_report
    from app.usecases.decide import chosen_policy
    from models.api.verification import CheckPolicyRequest

    with problems_as_failures(CheckPolicyRequest, "/v1/policies:check"):
        parsed = parse_json(raw)
        whole = isinstance(parsed, dict) and "policy" in parsed
        body = dict(parsed) if whole and isinstance(parsed, dict) else {"policy": parsed}
        request = CheckPolicyRequest.model_validate(body | _ranges(ranges))
        return check_report(request, Chosen(chosen_policy(request.policy, None)), Notes())


def compare_answer(new: bytes, old: bytes, ranges: str) -> dict[str, Any]:
    """Answer of `POST /v1/policies:compare` to two files.

    Raises
    ------
    Failure
        With the rules that they break, in the words of the service.
    """
    from app.body import parse_json
    from app.commands.problems import problems_as_failures
    from app.translate.notes import Notes
    from app.usecases.check_policies import Chosen, compare_report
    from app.usecases.decide import chosen_policy
    from models.api.verification import ComparePoliciesRequest

    with problems_as_failures(ComparePoliciesRequest, "/v1/policies:compare"):
        body = {"new": parse_json(new), "old": parse_json(old), **_ranges(ranges)}
        request = ComparePoliciesRequest.model_validate(body)
        newer, older = Chosen(chosen_policy(request.new, None, "new")), Chosen(chosen_policy(request.old, None, "old"))
        return compare_report(request, newer, older, Notes())


def _ranges(text: str) -> dict[str, Any]:
    from app.body import parse_json

    return {"ranges": parse_json(text.encode())} if text else {}


def show_findings(console: Console, answer: dict[str, Any]) -> None:
    """One line per statement, the counterexamples below, and what a proof says."""
    rows = table(f"Policy {answer['policy_resolved_sha256'][:12]}: {answer['verdict']}")
    for heading in ("statement", "verdict", "boxes", "points"):
        rows.add_column(heading, justify="right" if heading in ("boxes", "points") else "left")
    for finding in answer["findings"]:
        verdict = finding["verdict"]
        counts = (f"{finding['boxes']:,}", f"{finding['points']:,}")
        rows.add_row(escape(statement(finding["property"])), f"[{STYLE[verdict]}]{verdict}[/]", *counts)
    console.print(rows)
    for finding in answer["findings"]:
        if finding["detail"]:
            console.print(f"{statement(finding['property'])}: {finding['detail']}", markup=False)
        show_points(console, finding)
    console.print(answer["proves"], style="dim", markup=False)


def show_comparison(console: Console, answer: dict[str, Any]) -> None:
    """The verdict, the counterexample, and what a proof says."""
    verdict, digests = answer["verdict"], [answer[place]["policy_resolved_sha256"][:12] for place in ("new", "old")]
    console.print(f"New {digests[0]} against old {digests[1]}: [bold {STYLE[verdict]}]{verdict}[/]")
    if answer["detail"]:
        console.print(answer["detail"], markup=False)
    show_points(console, answer)
    console.print(f"{answer['boxes']:,} boxes, {answer['points']:,} points decided by the engine", style="dim")
    console.print(answer["proves"], style="dim", markup=False)


def show_points(console: Console, finding: dict[str, Any]) -> None:
    """Inputs of a counterexample."""
    for point in finding.get("counterexample", {}).get("points", []):
        inputs = ", ".join(f"{name.replace('_', ' ')} {value:.6g}" for name, value in point.items())
        console.print(f"  at {inputs}", markup=False)


def statement(fields: dict[str, Any]) -> str:
    """A property in one phrase.

    Examples
    --------
    >>> statement({"method": "non_increasing", "variable": "volatility"})
    'non increasing (variable volatility)'
    >>> statement({"method": "leverage_cap", "cap": None})
    'leverage cap'
    """
    name = fields["method"].replace("_", " ")
    given = [
        f"{key.replace('_', ' ')} {value}" for key, value in fields.items() if key != "method" and value is not None
    ]
    return f"{name} ({', '.join(given)})" if given else name
