"""From a size in floats to an order in exact lots, toward less risk."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from services.core.decimals import SNAP, lots_toward_zero
from services.core.outcome import Reason

MAX_BUMP = Decimal("1.3")
ZERO = Decimal(0)


class Leg(NamedTuple):
    """One order leg [signed contracts]."""

    quantity: Decimal
    reduce_only: bool


class LotChange(NamedTuple):
    """A change of position in exact lots: where it ends, the legs that lead there, why it does not go further."""

    target: Decimal
    legs: tuple[Leg, ...] = ()
    reason: Reason | None = None
    dust: bool = False

    @property
    def order(self) -> Decimal:
        """Sum of the legs."""
        return sum((leg.quantity for leg in self.legs), ZERO)


def whole_lots(quantity: Decimal, lot: Decimal) -> Decimal:
    """Exact multiple of `lot` toward zero."""
    return (quantity / lot).to_integral_value(rounding="ROUND_DOWN") * lot


def reduction(held: Decimal, target: Decimal, wanted: float, lot: Decimal) -> Decimal:
    """Signed reduction from `held` toward `target` in whole lots.

    Rounded toward zero, and one lot further where the remainder would exceed the size that was `wanted` (a position
    that is not a multiple of the lot); never beyond flat.
    """
    change = whole_lots(target - held, lot)
    left = abs(held + change)
    if float(left) > abs(wanted) + SNAP * float(lot) and left >= lot:
        change += lot.copy_sign(target - held)
    return change


def increase(size: Decimal, lot: Decimal, minimum: Decimal, *, allow_bump: bool) -> Decimal:
    """Size of an opening order: whole lots, at least the venue's minimum, else 0.

    With `allow_bump` an order below the minimum is raised to it when that is at most 30 % larger.
    """
    lots = whole_lots(size, lot)
    if abs(lots) >= minimum and lots:
        return lots
    bumped = (minimum / lot).to_integral_value(ROUND_CEILING) * lot
    if allow_bump and bumped and bumped <= abs(size) * MAX_BUMP:
        return bumped.copy_sign(size)
    return ZERO


def change_in_lots(
    held: Decimal, wanted: float, *, lot: Decimal, minimum: Decimal, allow_bump: bool = False
) -> LotChange:
    """Legs that bring `held` to `wanted`, rounded once, toward less risk.

    Parameters
    ----------
    held : Decimal
        Position including open orders [contracts].
    wanted : float
        Size after limits and buffer [contracts].
    lot, minimum : Decimal
        Lot and smallest opening order [contracts]. Reduce-only legs are exempt from the minimum.

    Returns
    -------
    LotChange
        A sign change gives two legs: a reduce-only close, then an open.

    Examples
    --------
    >>> change_in_lots(Decimal("0.8"), -0.5, lot=Decimal("0.1"), minimum=Decimal(0)).legs
    (Leg(quantity=Decimal('-0.8'), reduce_only=True), Leg(quantity=Decimal('-0.5'), reduce_only=False))
    """
    target = lots_toward_zero(wanted, lot)
    legs: list[Leg] = []
    if held and (target == 0 or (target > 0) != (held > 0)):
        closing = whole_lots(-held, lot)
        legs += [Leg(closing, True)] if closing else []
        opened = increase(target, lot, minimum, allow_bump=allow_bump) if held + closing == 0 else ZERO
    elif abs(target) < abs(held):
        shrink = reduction(held, target, wanted, lot)
        legs += [Leg(shrink, True)] if shrink else []
        opened, target = ZERO, held + shrink
    else:
        opened = increase(target - held, lot, minimum, allow_bump=allow_bump)
    legs += [Leg(opened, False)] if opened else []
    end = held + sum((leg.quantity for leg in legs), ZERO)
    dust = bool(end) and abs(end) < lot
    if legs:
        return LotChange(
            end,
            tuple(legs),
            Reason.BELOW_MINIMUM if not opened and abs(target) and abs(end) < abs(target) else None,
            dust,
        )
    missing = abs(Decimal(repr(wanted)) - held)
    return LotChange(end, (), (Reason.BELOW_MINIMUM if missing >= lot else Reason.BELOW_LOT) if missing else None, dust)
