"""No correlation at all: volatilities add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Undiversified:
    """Assume no diversification: the volatility of a book is Σ|w|σ, whatever the signs."""

    method: Literal["none"] = "none"

    requires: ClassVar[frozenset[str]] = frozenset()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
