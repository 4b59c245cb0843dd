"""Paths of operations with something in the place of each parameter."""

from __future__ import annotations

from app.operations import Operation

VALUES = {"evaluation_id": "ev_01KA0000000000000000000000", "scope": "global", "number": "1"}


def a_path(operation: Operation) -> str:
    """A path of the operation; nothing of that name need exist."""
    path = operation.path
    for name, value in VALUES.items():
        path = path.replace(f"{{{name}}}", value)
    return path.replace("{", "").replace("}", "")
