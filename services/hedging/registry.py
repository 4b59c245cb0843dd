"""Every hedge trigger; adding one is one file and one line here (a union, once there are two)."""

from __future__ import annotations

from services.hedging.triggers.threshold import Threshold

HedgeTrigger = Threshold
