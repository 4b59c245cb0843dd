"""Base types of the wire: strict plain decimals, finite numbers, UTC times, symbols."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

DECIMAL_PATTERN = r"^-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?$"
_DECIMAL = re.compile(DECIMAL_PATTERN[:-1] + r"\Z", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
MAX_SIGNIFICANT = 15


class Model(BaseModel):
    """Base of every wire model: unknown fields refused, immutable, finite numbers only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _decimal(value: Any) -> Decimal:
    """Plain decimal of a string, or of a JSON number of at most 15 significant digits."""
    if type(value) is str:
        if _DECIMAL.match(value):
            return Decimal(value)
        raise PydanticCustomError(
            "decimal",
            "must be a plain decimal such as '0.85': no exponent, sign +, space, separator or more than 18 decimals",
        )
    if type(value) is float or type(value) is int:
        text = repr(value)
        exact = Decimal(text)
        if not exact.is_finite():
            raise PydanticCustomError("finite_number", "must be a finite number")
        if (
            len(exact.as_tuple().digits) > MAX_SIGNIFICANT
            and len(exact.normalize().as_tuple().digits) > MAX_SIGNIFICANT
        ):
            raise PydanticCustomError(
                "decimal_precision", "has more than 15 significant digits: send it as a decimal string"
            )
        if abs(exact) >= Decimal("1e20") or (exact and abs(exact) < Decimal("1e-18")):
            raise PydanticCustomError("decimal_range", "must lie within 1e-18 and 1e20 in size, or be 0")
        return exact
    raise PydanticCustomError("decimal", "must be a decimal string such as '0.85' or a JSON number")


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise PydanticCustomError("greater_than", "must be > 0")
    return value


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise PydanticCustomError("greater_than_equal", "must be >= 0")
    return value


_DECIMAL_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "string", "pattern": DECIMAL_PATTERN}, {"type": "number"}],
    "description": "Decimal string, or JSON number of at most 15 significant digits.",
}

# Without exponent: our own strict decimals must be able to read back what is stored.
_AS_TEXT = PlainSerializer(lambda value: f"{value:f}", return_type=str, when_used="json")

PlainDecimal = Annotated[Decimal, PlainValidator(_decimal), _AS_TEXT, WithJsonSchema(_DECIMAL_SCHEMA)]
"""Money, quantity or price: exact decimal."""

PositiveDecimal = Annotated[
    Decimal, PlainValidator(lambda value: _positive(_decimal(value))), _AS_TEXT, WithJsonSchema(_DECIMAL_SCHEMA)
]
"""Decimal > 0."""

NonNegativeDecimal = Annotated[
    Decimal, PlainValidator(lambda value: _not_negative(_decimal(value))), _AS_TEXT, WithJsonSchema(_DECIMAL_SCHEMA)
]
"""Decimal >= 0."""

Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""Statistic: a finite JSON number; no strings, no booleans."""


def _time(value: Any) -> Any:
    # A string such as "0.5" would be read as seconds since 1970.
    if not (type(value) is str and _DATE.match(value)) and not isinstance(value, datetime):
        raise PydanticCustomError(
            "datetime",
            "must be an RFC 3339 time string such as '2026-11-20T00:00:05Z' (not a number of seconds or milliseconds)",
        )
    return value


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise PydanticCustomError("timezone_aware", "needs a time zone: end it with Z for UTC")
    if not 1970 <= value.year < 2200:
        raise PydanticCustomError("datetime_range", "must lie between the years 1970 and 2200")
    return value.astimezone(UTC)


Time = Annotated[
    datetime, BeforeValidator(_time), AfterValidator(_utc), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""RFC 3339 time with a zone, held as UTC."""

SYMBOL_PATTERN = r"^[!-~]{1,64}$"
Symbol = Annotated[str, Strict(), StringConstraints(pattern=SYMBOL_PATTERN)]
"""Venue symbol: 1 to 64 printable ASCII characters without spaces."""

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Name = Annotated[str, Strict(), StringConstraints(pattern=NAME_PATTERN)]
"""Identifier chosen by the client: letters, digits, dot, underscore, hyphen; at most 64."""

DriverName = Annotated[str, Strict(), StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$")]
"""Name of an exogenous driver: letters, digits, dot, underscore, hyphen; at most 20."""

Currency = Annotated[str, Strict(), StringConstraints(pattern=r"^[A-Za-z0-9.]{1,16}$")]
"""Currency or asset code."""

Interval = Annotated[str, Strict(), StringConstraints(pattern=r"^P(?:\d{1,3}[WD]|T\d{1,4}[HMS])$")]
"""Bar length as an ISO 8601 duration of one component: P1D, PT1H, PT5M."""

DecimalText = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"})]
"""Decimal string in an answer."""
