"""How a policy margins an account as a whole: which scenarios, and what underlyings may set off against one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from services.margin.scenario_preset import ScenarioPreset
from services.margin.scenario_presets import PRESETS


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioRules:
    """Scenario margin of an account in margin mode `portfolio`.

    Parameters
    ----------
    preset : {"derive_pmrm2", "deribit_like", "paradex_24", "span16", "regime"}
        Whose scenarios; the price range of `regime` follows the volatility of each underlying.
    netting_offset : float
        Share of a profit of one underlying that may pay for losses of others in the same scenario.
    """

    preset: Literal["derive_pmrm2", "deribit_like", "paradex_24", "span16", "regime"] = "regime"
    netting_offset: Annotated[float, Ge(0), Le(1)] = 0.0

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    @property
    def scenarios(self) -> ScenarioPreset:
        """The preset itself."""
        return PRESETS[self.preset]
