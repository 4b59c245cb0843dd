"""Every sizing method and overlay; adding one is one file and one line here."""

from __future__ import annotations

from services.sizing.methods.average_true_range import AverageTrueRangeUnit
from services.sizing.methods.carry_pair import CarryPair
from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.methods.continuous_kelly import ContinuousKelly
from services.sizing.methods.discrete_kelly import DiscreteKelly
from services.sizing.methods.drawdown_control import DrawdownControl
from services.sizing.methods.fixed_risk import FixedRisk
from services.sizing.methods.historical_risk_constrained_kelly import HistoricalRiskConstrainedKelly
from services.sizing.methods.inventory_skew import InventorySkew
from services.sizing.methods.margin_linked import MarginLinked
from services.sizing.methods.multi_asset_kelly import MultiAssetKelly
from services.sizing.methods.portfolio_insurance import PortfolioInsurance
from services.sizing.methods.risk_budget import RiskBudget
from services.sizing.methods.risk_constrained_kelly import RiskConstrainedKelly
from services.sizing.methods.signal_scaled import SignalScaled
from services.sizing.methods.value_at_risk import ValueAtRiskBudget
from services.sizing.methods.volatility_rebalancing import VolatilityRebalancing
from services.sizing.methods.volatility_target import VolatilityTarget
from services.sizing.overlays.gross_leverage import GrossLeverage
from services.sizing.overlays.portfolio_risk import PortfolioRisk

SizingMethod = (
    VolatilityTarget
    | ConstantLeverage
    | SignalScaled
    | CarryPair
    | PortfolioInsurance
    | DrawdownControl
    | RiskConstrainedKelly
    | HistoricalRiskConstrainedKelly
    | InventorySkew
    | MarginLinked
    | VolatilityRebalancing
    | RiskBudget
    | ValueAtRiskBudget
    | AverageTrueRangeUnit
    | FixedRisk
    | DiscreteKelly
    | ContinuousKelly
    | MultiAssetKelly
)
Overlay = PortfolioRisk | GrossLeverage
