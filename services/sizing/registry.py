"""Every sizing method; adding one is one file and one line here."""

from __future__ import annotations

from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.methods.volatility_target import VolatilityTarget

SizingMethod = VolatilityTarget | ConstantLeverage
