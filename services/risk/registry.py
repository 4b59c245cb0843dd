"""Every way to correlate markets; adding one is one file and one line here."""

from __future__ import annotations

from services.risk.methods.dynamic_conditional import DynamicConditional
from services.risk.methods.undiversified import Undiversified

CorrelationMethod = DynamicConditional | Undiversified
