"""Policies that every back-test stands beside: no method, the calendar, fixed weights."""

from __future__ import annotations

from dataclasses import replace

from services.core.annualization import SECONDS_PER_DAY
from services.engine import Policy
from services.sizing.buffers import IntervalBuffer, NoBuffer
from services.sizing.damping import NoDamping
from services.sizing.methods.constant_leverage import ConstantLeverage

MONTH_SECONDS = 30.0 * SECONDS_PER_DAY


def baselines(policy: Policy, leverage: float) -> dict[str, Policy]:
    """Constant leverage under the same limits, at the average gross leverage of what it is compared with.

    `fixed_weights` trades back to equal weights at every close, `calendar` every 30 days, `constant_leverage` under the
    buffer of the policy itself.

    Parameters
    ----------
    leverage : float
        Gross notional over equity, > 0.
    """
    plain = replace(
        policy,
        sizing=ConstantLeverage(leverage=leverage),
        scaling=Policy().scaling,
        split=Policy().split,
        overlays=(),
        damping=NoDamping(),
    )
    return {
        "constant_leverage": plain,
        "fixed_weights": replace(plain, buffer=NoBuffer()),
        "calendar": replace(plain, buffer=IntervalBuffer(interval_seconds=MONTH_SECONDS)),
    }
