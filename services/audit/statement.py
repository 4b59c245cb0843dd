"""Statements on fields that are shown, such as ``/portfolio/gross_leverage <= 3``: checked on the values, exactly.

Numbers are compared as decimals: what an answer writes as a decimal string counts as the number that it is.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from services.core.errors import InvalidInput

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_FORM = re.compile(r"(?P<pointer>/.*?)\s*(?P<comparison><=|>=|==|!=|<|>)\s*(?P<value>\S.*?)\s*\Z", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Statement:
    """Comparison of the value at a JSON pointer with a value; texts and numbers are equal or not, numbers ordered.

    Examples
    --------
    >>> Statement.parse("/portfolio/gross_leverage <= 3").holds({"/portfolio/gross_leverage": "2.99"})
    True
    >>> Statement.parse('/targets/0/volatility/annual < 0.5').holds({"/targets/0/volatility": '{"annual":0.61}'})
    False
    """

    pointer: str
    comparison: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The statement of a text: pointer, comparison, value.

        Raises
        ------
        InvalidInput
            If it is none, or orders something that is no number.
        """
        match = _FORM.match(text)
        if match is None:
            raise InvalidInput("statement", "must be of the form /pointer <= value", text)
        made = cls(match["pointer"], match["comparison"], match["value"])
        if made.comparison not in ("==", "!=") and not isinstance(_comparable(made.value), Decimal):
            raise InvalidInput("statement", f"must compare with a number by {made.comparison}", made.value)
        return made

    def holds(self, fields: Mapping[str, str]) -> bool:
        """Whether it is true of fields that are shown; those within a shown field can be named as well.

        Raises
        ------
        InvalidInput
            If no field that is shown says so: what is hidden is neither true nor false.
        """
        found, wanted = _comparable(_shown(self.pointer, fields)), _comparable(self.value)
        if isinstance(found, Decimal) != isinstance(wanted, Decimal):
            if self.comparison in ("==", "!="):
                return self.comparison == "!="
            raise InvalidInput("statement", f"must name a number to be compared by {self.comparison}", self.pointer)
        return COMPARISONS[self.comparison](found, wanted)


def _shown(pointer: str, fields: Mapping[str, str]) -> str:
    """JSON text of the value at a pointer."""
    whole, inner = pointer, list[str]()
    while whole and whole not in fields:
        whole, _, name = whole.rpartition("/")
        inner.insert(0, name.replace("~1", "/").replace("~0", "~"))
    if not whole:
        raise InvalidInput("statement", "must name a field that is shown", pointer)
    if not inner:
        return fields[whole]
    value = json.loads(fields[whole], parse_float=Decimal)
    for name in inner:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isascii() and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise InvalidInput("statement", "must name a field that is shown", pointer)
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def _comparable(text: str) -> Decimal | str:
    """Number of a JSON number, or of a JSON string that holds one; else the text, of a JSON string its content."""
    plain = text
    if text.startswith('"'):
        try:
            plain = json.loads(text)
        except ValueError:
            return text
    return Decimal(plain) if _NUMBER.match(plain) else plain
