"""A gate before the venue: an order passes only under a permit that the service signed, and only as far as it says.

Needs the extra ``permits`` (`cryptography`). The gate keeps in memory what was used of each nonce; a gateway of several
processes, or one that must remember over a restart, passes a mapping that lasts.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from trimtab_client.decimals import decimal_of
from trimtab_client.errors import TrimtabError

DOMAIN = b"trimtab/permit/v1\n"


class PermitRefused(TrimtabError):
    """The order must not be sent: its permit is none, or does not allow it."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class PermitGate:
    """Checks orders against permits of one log.

    Parameters
    ----------
    key : str
        Public key of the log (``GET /v1/log/key``), kept since before.
    used : mapping, optional
        Nonce to the quantity that was let through, as a decimal text.
    now : callable
        Clock of the gate; set it by NTP: a permit lives for minutes.
    """

    key: str
    used: MutableMapping[str, str] = field(default_factory=dict)
    now: Callable[[], datetime] = _now
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def spend(self, token: str, quantity: Decimal | str, **order: str | None) -> dict[str, Any]:
        """Let an order through and note its quantity; returns what the permit says.

        `order` are its `symbol`, `side` and, where it has them, `venue`, `account_id`, `position_side`, `unit`; what is
        not given is not compared. Whether an order that is `reduce_only` is sent as such is the caller's.

        Raises
        ------
        PermitRefused
            Saying why; nothing is noted then.
        """
        if not {"symbol", "side"} <= order.keys():
            raise PermitRefused("an order has a symbol and a side")
        permit, wanted = self.read(token), decimal_of(quantity)
        for name, value in order.items():
            if permit.get(name) != value:
                raise PermitRefused(f"{name} {value} is not {permit.get(name)}")
        if (
            not datetime.fromisoformat(permit["valid_from"])
            <= self.now()
            < datetime.fromisoformat(permit["valid_until"])
        ):
            raise PermitRefused(f"valid from {permit['valid_from']} until {permit['valid_until']}")
        with self._lock:
            before = Decimal(self.used.get(permit["nonce"], "0"))
            if not 0 < wanted <= Decimal(permit["max_quantity"]) - before:
                left = Decimal(permit["max_quantity"]) - before
                raise PermitRefused(f"quantity {wanted:f} is not above 0 and up to {left:f} {permit['unit']}")
            self.used[permit["nonce"]] = f"{before + wanted:f}"
        return permit

    def give_back(self, token: str, quantity: Decimal | str) -> None:
        """Take back what a venue surely did not take; where that is in doubt, do not."""
        nonce, back = self.read(token)["nonce"], decimal_of(quantity)
        with self._lock:
            before = Decimal(self.used.get(nonce, "0"))
            if not 0 < back <= before:
                raise PermitRefused(f"{back:f} cannot be given back: {before:f} was used")
            self.used[nonce] = f"{before - back:f}"

    def read(self, token: str) -> dict[str, Any]:
        """What a permit says, once its signature was checked."""
        name, key_id, encoded = self.key.strip().split("+", 2)
        try:
            payload, signature = (
                base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True) for part in token.split(".")
            )
            Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:]).verify(signature, DOMAIN + payload)
            said: dict[str, Any] = json.loads(payload)
        except (ValueError, binascii.Error, InvalidSignature):
            raise PermitRefused(f"this is no permit that {name} signed") from None
        if (said["v"], said["issuer"], said["key_id"]) != (1, name, key_id):
            raise PermitRefused(f"this is no permit of version 1 of {name}")
        return said
