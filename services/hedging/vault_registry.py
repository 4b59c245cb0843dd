"""Every plan in options; adding one is one class and one line here."""

from __future__ import annotations

from services.hedging.tail_hedges import Collar, ProtectivePut, PutSpread
from services.hedging.vaults import CashSecuredPut, CoveredCall

VaultMethod = CoveredCall | CashSecuredPut | ProtectivePut | Collar | PutSpread
