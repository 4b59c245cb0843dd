"""What was assumed and what is worth a look, collected while a request is translated."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Notes:
    """Assumptions and warnings, collected while translating."""

    assumptions: list[dict[str, str]] = field(default_factory=list)
    warnings: list[dict[str, str | None]] = field(default_factory=list)

    def assume(self, pointer: str, value: str, effect: str) -> None:
        """Something was left open and decided."""
        self.assumptions.append({"pointer": pointer, "value": value, "effect": effect})

    def warn(self, code: str, detail: str, symbol: str | None = None) -> None:
        """Something is worth a look."""
        self.warnings.append(
            {"code": code, "detail": detail, "symbol": symbol} if symbol else {"code": code, "detail": detail}
        )
