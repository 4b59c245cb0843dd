"""Every way to spread an order; adding one is one file and one line here."""

from __future__ import annotations

from services.hedging.schedules.almgren_chriss import AlmgrenChriss
from services.hedging.schedules.participation import Participation
from services.hedging.schedules.scale_by_price import ScaleByPrice
from services.hedging.schedules.scale_by_time import ScaleByTime
from services.hedging.schedules.twap import Twap

ScheduleMethod = Twap | Participation | AlmgrenChriss | ScaleByTime | ScaleByPrice
