"""Every sizing method and overlay; adding one is one file and one line here."""

from __future__ import annotations

from services.sizing.methods.average_true_range import AverageTrueRangeUnit
from services.sizing.methods.carry_pair import CarryPair
from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.methods.continuous_kelly import ContinuousKelly
from services.sizing.methods.discrete_kelly import DiscreteKelly
from services.sizing.methods.drawdown_control import DrawdownControl
from services.sizing.methods.fixed_risk import FixedRisk
from services.sizing.methods.fixed_weights import FixedWeights
from services.sizing.methods.hierarchical_risk_parity import HierarchicalRiskParity
from services.sizing.methods.historical_risk_constrained_kelly import HistoricalRiskConstrainedKelly
from services.sizing.methods.inventory_skew import InventorySkew
from services.sizing.methods.inverse_volatility import InverseVolatility
from services.sizing.methods.margin_linked import MarginLinked
from services.sizing.methods.multi_asset_kelly import MultiAssetKelly
from services.sizing.methods.portfolio_insurance import PortfolioInsurance
from services.sizing.methods.risk_budget import RiskBudget
from services.sizing.methods.risk_constrained_kelly import RiskConstrainedKelly
from services.sizing.methods.risk_parity import RiskParity
from services.sizing.methods.signal_scaled import SignalScaled
from services.sizing.methods.value_at_risk import ValueAtRiskBudget
from services.sizing.methods.volatility_rebalancing import VolatilityRebalancing
from services.sizing.methods.volatility_target import VolatilityTarget
from services.sizing.overlays.breaker_tier import BreakerTier
from services.sizing.overlays.contagion import Contagion
from services.sizing.overlays.correlation_shock import CorrelationShock
from services.sizing.overlays.data_age import DataAge
from services.sizing.overlays.flow import OrderFlow
from services.sizing.overlays.greek_bounds import GreekBounds
from services.sizing.overlays.gross_leverage import GrossLeverage
from services.sizing.overlays.implied_volatility_velocity import ImpliedVolatilityVelocity
from services.sizing.overlays.latency import Latency
from services.sizing.overlays.liquidity import Liquidity
from services.sizing.overlays.oracle_quality import OracleQuality
from services.sizing.overlays.portfolio_risk import PortfolioRisk
from services.sizing.overlays.protocol_caps import ProtocolCaps
from services.sizing.overlays.scheduled_events import ScheduledEvents
from services.sizing.overlays.signal_quality import SignalQuality
from services.sizing.overlays.venue_caps import VenueCaps
from services.sizing.overlays.volatility_attenuation import VolatilityAttenuation
from services.sizing.overlays.volatility_shock import VolatilityShock

SizingMethod = (
    VolatilityTarget
    | AverageTrueRangeUnit
    | CarryPair
    | ConstantLeverage
    | ContinuousKelly
    | DiscreteKelly
    | DrawdownControl
    | FixedRisk
    | FixedWeights
    | HierarchicalRiskParity
    | HistoricalRiskConstrainedKelly
    | InventorySkew
    | InverseVolatility
    | MarginLinked
    | MultiAssetKelly
    | PortfolioInsurance
    | RiskBudget
    | RiskConstrainedKelly
    | RiskParity
    | SignalScaled
    | ValueAtRiskBudget
    | VolatilityRebalancing
)
Overlay = (
    BreakerTier
    | Contagion
    | CorrelationShock
    | DataAge
    | OrderFlow
    | GreekBounds
    | GrossLeverage
    | ImpliedVolatilityVelocity
    | Latency
    | Liquidity
    | OracleQuality
    | PortfolioRisk
    | ProtocolCaps
    | ScheduledEvents
    | SignalQuality
    | VenueCaps
    | VolatilityAttenuation
    | VolatilityShock
)
