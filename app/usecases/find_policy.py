"""Stored policies by name, and what is said of a name that is none."""

from __future__ import annotations

import difflib

from app.ports import PolicyStore, StoredPolicy

NEAREST, SEARCHED = 3, 1000
"""Names that are offered, out of so many."""


class UnknownPolicy(Exception):
    """There is no such stored policy, or no such version of it.

    Parameters
    ----------
    detail : str
        What was looked for, and what there is instead.
    pointer : str
        Field of the request that names it; empty where the path does.
    """

    def __init__(self, detail: str, pointer: str = "") -> None:
        super().__init__(detail)
        self.detail, self.pointer = detail, pointer


async def find_policy(
    store: PolicyStore, tenant_id: str, policy_id: str, version: int | None, *, place: str = ""
) -> StoredPolicy:
    """A version of a stored policy, by default the newest.

    Parameters
    ----------
    place : str
        Pointer of the object that holds `id` and `version`; empty where they come from the path.

    Raises
    ------
    UnknownPolicy
        With the nearest names, or the versions that there are.
    """
    found = await (store.newest(tenant_id, policy_id) if version is None else store.get(tenant_id, policy_id, version))
    if found is not None:
        return found
    newest = await store.newest(tenant_id, policy_id) if version is not None else None
    if newest is not None:
        detail = f"policy {policy_id} has the versions 1 to {newest.version}, found {version}"
        raise UnknownPolicy(detail, place and f"{place}/version")
    known = [item.policy_id for item in await store.list(tenant_id, after=None, limit=SEARCHED)]
    raise UnknownPolicy(f"there is no stored policy {policy_id}: {nearest(policy_id, known)}", place and f"{place}/id")


def nearest(policy_id: str, known: list[str]) -> str:
    """What there is instead of an unknown name.

    Examples
    --------
    >>> nearest("desk_conservative", ["desk-conservative", "core"])
    'did you mean desk-conservative?'
    >>> nearest("x", ["desk-conservative", "core"])
    'known: desk-conservative, core'
    """
    if not known:
        return "none is stored; store one with POST /v1/policies"
    if close := difflib.get_close_matches(policy_id, known, n=NEAREST, cutoff=0.6):
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(known[:NEAREST])}" + (", …" if len(known) > NEAREST else "")
