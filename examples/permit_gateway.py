"""A gateway before a venue: `python examples/permit_gateway.py "$(curl -s URL/v1/log/key)"`; needs `cryptography`.

Reads an order a line, {"permit": TOKEN, "symbol": …, "side": …, "quantity": …}, and answers "send" or why not. Yours:
to keep `used` where it survives a restart, and to send what passes with the permit's `reduce_only` and `limit_price`.
"""

import base64
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

issuer, key_id, encoded = sys.argv[1].strip().split("+", 2)
key = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])  # the first byte is the kind of key
used = {}


def refusal(order):
    payload, signature = (base64.urlsafe_b64decode(part + "==") for part in order["permit"].split("."))
    key.verify(signature, b"trimtab/permit/v1\n" + payload)
    permit, quantity = json.loads(payload), Decimal(order["quantity"])
    if (permit["v"], permit["issuer"], permit["key_id"]) != (1, issuer, key_id):
        return "another log"
    if (order["symbol"], order["side"]) != (permit["symbol"], permit["side"]):
        return "another order"
    if (
        not datetime.fromisoformat(permit["valid_from"])
        <= datetime.now(UTC)
        < datetime.fromisoformat(permit["valid_until"])
    ):
        return "not valid now"
    before = used.get(permit["nonce"], Decimal(0))
    if not 0 < quantity <= Decimal(permit["max_quantity"]) - before:
        return f"{before} of {permit['max_quantity']} {permit['unit']} is used"
    used[permit["nonce"]] = before + quantity
    return None


for line in sys.stdin:
    try:
        answer = refusal(json.loads(line)) or "send"
    except (ValueError, KeyError, TypeError, ArithmeticError, InvalidSignature) as error:
        answer = f"no permit: {type(error).__name__}"
    print(answer, flush=True)
