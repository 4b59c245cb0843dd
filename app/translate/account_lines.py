"""Accounts that come as lines of JSON: the head, then one account a line; a bad line is refused and no other."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.limits import LINE_BYTES
from app.problems import RequestProblem
from models.api.base import NAME_PATTERN
from models.api.margin_batch import LARGEST, MAX_ACCOUNTS, BatchHeadIn
from services.core.explain import Floats

MAX_LINES = 2 * MAX_ACCOUNTS
"""Lines of a request, refused ones included."""
_NAME = re.compile(NAME_PATTERN[:-1] + r"\Z", re.ASCII)
_FIELDS = frozenset({"account", "equity", "quantities"})
_NUMBERS = frozenset({float, int})


class RefusedLine(Exception):
    """A line that is no account."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(slots=True)
class AccountLines:
    """What has been read so far.

    Parameters
    ----------
    parse : callable
        Strict JSON of a line; raises `RequestProblem`.
    """

    parse: Callable[[bytes], Any]
    head: BatchHeadIn | None = None
    number: int = 0
    names: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    _places: dict[str, int] = field(default_factory=dict)
    _held: list[tuple[int, int, float]] = field(default_factory=list)

    def take(self, lines: list[bytes]) -> None:
        """The next lines; empty ones are passed over.

        Raises
        ------
        RequestProblem
            If the first line is no JSON, or there are too many lines.
        ValidationError
            If it is no head.
        """
        for line in lines:
            self.number += 1
            if self.number > MAX_LINES:
                raise RequestProblem("body_too_large", f"the body may hold {MAX_LINES} lines")
            if not line.strip():
                continue
            if self.head is None:
                self.head = BatchHeadIn.model_validate(self.parse(line))
                self._places = {market.symbol: place for place, market in enumerate(self.head.markets)}
                continue
            try:
                self._account(line)
            except RefusedLine as refusal:
                self.refused.append({"line": self.number, "code": refusal.code, "detail": refusal.detail})

    def contracts(self) -> Floats:
        """(accounts, markets) positions."""
        found = np.zeros((len(self.names), len(self._places)))
        if self._held:
            rows, columns, values = zip(*self._held, strict=True)
            found[rows, columns] = values
        return found

    def _account(self, line: bytes) -> None:
        if len(self.names) >= MAX_ACCOUNTS:
            raise RefusedLine("too_many_accounts", f"a request may hold {MAX_ACCOUNTS} accounts")
        value = self._parsed(line)
        if type(value) is not dict or value.keys() != _FIELDS or type(value["quantities"]) is not dict:
            rule = "must be an object with account, equity and quantities, an object of contracts by market"
            raise RefusedLine("not_an_account", rule)
        name, quantities = value["account"], value["quantities"]
        if type(name) is not str or not _NAME.match(name):
            rule = "account must be 1 to 64 letters, digits, dots, underscores or hyphens"
            raise RefusedLine("not_an_account", rule)
        if unknown := quantities.keys() - self._places.keys():
            raise RefusedLine("unknown_market", f"the head lists no market {min(unknown)[:64]!a}")
        if name in self._known:
            raise RefusedLine("duplicate_account", f"{name} has an earlier line")
        row = len(self.names)
        self._held += [(row, self._places[symbol], _figure(contracts)) for symbol, contracts in quantities.items()]
        self._known.add(name)
        self.names.append(name)
        self.lines.append(self.number)
        self.equity.append(_figure(value["equity"]))

    def _parsed(self, line: bytes) -> Any:
        if len(line) > LINE_BYTES:
            raise RefusedLine("body_too_large", f"a line may hold {LINE_BYTES} bytes")
        try:
            return self.parse(line)
        except RequestProblem as problem:
            raise RefusedLine(problem.kind.code, problem.detail) from None


def _figure(value: Any) -> float:
    """A figure of an account; what is no number within 1e15 is NaN, which is an outcome of its account."""
    return float(value) if type(value) in _NUMBERS and abs(value) <= LARGEST else math.nan
