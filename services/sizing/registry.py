"""Every sizing method and overlay; adding one is one file and one line here."""

from __future__ import annotations

from services.sizing.methods.carry_pair import CarryPair
from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.methods.signal_scaled import SignalScaled
from services.sizing.methods.volatility_target import VolatilityTarget
from services.sizing.overlays.gross_leverage import GrossLeverage
from services.sizing.overlays.portfolio_risk import PortfolioRisk

SizingMethod = VolatilityTarget | ConstantLeverage | SignalScaled | CarryPair
Overlay = PortfolioRisk | GrossLeverage
