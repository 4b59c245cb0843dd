"""Operator's switches of a decision, in the form of the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.core.errors import Refusal
from services.core.outcome import Reason
from services.guards.switches import UNREAD, ActiveSwitch, SwitchMode


def switch_rows(switches: Sequence[ActiveSwitch]) -> list[dict[str, Any]]:
    """`switches` of an answer."""
    return [switch._asdict() for switch in switches]


def switch_warnings(switches: Sequence[ActiveSwitch]) -> list[dict[str, Any]]:
    """A warning for each."""
    return [{"code": "switch", "detail": switch.text} for switch in switches]


def degraded(switches: Sequence[ActiveSwitch]) -> list[str]:
    """What could not be read: an answer without the switches is one in which nothing grows."""
    return ["switches"] if UNREAD in switches else []


def stopped(switch: ActiveSwitch) -> Refusal:
    """Why something is not done under a switch."""
    return Refusal(Reason.HALTED if switch.mode is SwitchMode.HALT else Reason.REDUCE_ONLY, switch.text)
