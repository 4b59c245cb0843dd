"""Known vulnerabilities of everything that the locks pin: ``python -m scripts.audit``, by ``make audit``.

Asks the registry for the advisories of each pinned version (PyPI's JSON API; no other service). Ends with 1 where one
is known. A registry that cannot be asked is no answer: that is said in capitals, and ends with 0, for it says nothing
about this source.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from scripts.bootstrap import ROOT, VENVS

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
AUDITOR = VENVS["audit"] / "bin" / "pip-audit"
SECONDS = 15
"""Longest wait for one answer of the registry."""
CANARY = "urllib3==1.24.1"
"""A version with old advisories: a registry that knows none of them knows none at all, and passes everything."""
AWAY = ("connect", "timed out", "timeout", "serviceerror", "redirect")
"""Words of errors that are about the registry and not about the locks."""


class Unanswered(Exception):
    """The registry could not be asked."""


def command(auditor: Path, lock: Path, *options: str) -> list[str]:
    """What is run on one lock: nothing is resolved and nothing installed."""
    fixed = ["--disable-pip", "--progress-spinner", "off", "--timeout", str(SECONDS)]
    return [str(auditor), *options, *fixed, "--vulnerability-service", "pypi", "--format", "json", "-r", str(lock)]


def rows_of(auditor: Path, lock: Path, *options: str) -> list[dict[str, Any]]:
    """Packages of a lock, each with its advisories or with why there are none to be had.

    Raises
    ------
    Unanswered
        If the registry cannot be asked.
    RuntimeError
        If the audit fails for another reason, such as a lock that it cannot read.
    """
    done = subprocess.run(command(auditor, lock, *options), capture_output=True, text=True, check=False)
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except json.JSONDecodeError:
        said = (done.stderr.strip().splitlines() or ["no output"])[-1][:300]
        raise Unanswered(said) if any(word in said.lower() for word in AWAY) else RuntimeError(said) from None


def check_registry(auditor: Path) -> None:
    """Ask about the canary.

    Raises
    ------
    Unanswered
        If the registry does not know what everybody knows.
    """
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "canary.txt"
        lock.write_text(CANARY + "\n")
        (row,) = rows_of(auditor, lock, "--no-deps")
    if not row.get("vulns"):
        raise Unanswered(row.get("skip_reason", f"it knows no advisory of {CANARY}, which has several"))


def report(lock: Path, rows: list[dict[str, Any]]) -> tuple[list[str], bool]:
    """Lines about one lock, and whether anything in it is vulnerable."""
    skipped = [row["name"] for row in rows if "skip_reason" in row]
    lines = [
        f"{lock.stem}: {row['name']} {row['version']}: {item['id']}, mended in {', '.join(item['fix_versions']) or '-'}"
        for row in rows
        for item in row.get("vulns", ())
    ]
    bad = bool(lines)
    if skipped:
        lines.append(f"{lock.stem}: NOT RUN for {len(skipped)} packages that the registry does not know: {skipped}")
    if len(skipped) < len(rows):
        verdict = "VULNERABLE" if bad else "no known vulnerability"
        lines.append(f"{lock.stem}: {len(rows) - len(skipped)} packages audited: {verdict}")
    return lines, bad


def main(auditor: Path = AUDITOR, locks: list[Path] | None = None) -> int:
    """Audit the locks."""
    bad = False
    try:
        check_registry(auditor)
        for lock in LOCKS if locks is None else locks:
            lines, vulnerable = report(lock, rows_of(auditor, lock, "--require-hashes"))
            print("\n".join(lines), flush=True)
            bad |= vulnerable
    except Unanswered as error:
        print(f"NOT RUN: the registry cannot say what is vulnerable ({error})")
    except RuntimeError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
