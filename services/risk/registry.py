"""Every way to correlate markets; adding one is one file and one line here."""

from __future__ import annotations

from services.risk.methods.constant_correlation import ConstantCorrelation
from services.risk.methods.dynamic_conditional import DynamicConditional
from services.risk.methods.exponential import Exponential
from services.risk.methods.ledoit_wolf import LedoitWolf
from services.risk.methods.oracle_approximating import OracleApproximating
from services.risk.methods.undiversified import Undiversified

CorrelationEstimator = DynamicConditional | Exponential | LedoitWolf | OracleApproximating | ConstantCorrelation
CorrelationMethod = CorrelationEstimator | Undiversified
