"""Every way to correlate markets; adding one is one file and one line here."""

from __future__ import annotations

from services.risk.correlation import DynamicConditional
from services.risk.undiversified import Undiversified

CorrelationMethod = DynamicConditional | Undiversified
