"""What hedging several accounts together saves, and how the hedge is shared among them."""

from __future__ import annotations

from services.core.explain import Floats
from services.engine.columns import BookColumns
from services.engine.hedge_view import collateral_delta, position_delta
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import AccountShare, Netting


def netting_of(inputs: EvaluationInputs, columns: BookColumns, members: list[int], final: Floats) -> Netting | None:
    r"""Net delta of the accounts of a book against the sum of their sizes; None for a book of one account.

    With the delta d_a of each account, the net N = Σ d_a: one hedge of N stands for separate hedges of Σ |d_a|, and
    ``share_a = max(sign(N) d_a, 0) / Σ_b max(sign(N) d_b, 0)``: the hedge goes to the accounts whose exposure is left
    after netting, in proportion to it. Those on the other side are hedged by the others, and get none of it.

    Notes
    -----
    Coin collateral, and rows without an account, are of the account None. The shares sum to 1, or are all 0 where the
    accounts net to nothing.

    References
    ----------
    The proportional rule is a convention: it charges nobody more than a hedge of its own, ``share_a |N| <= |d_a|``.
    """
    deltas: dict[str | None, float] = {}
    for index in members:
        account = inputs.rows[index].account_id
        deltas[account] = deltas.get(account, 0.0) + position_delta(inputs, columns, index, final)
    coins = collateral_delta(inputs, members)
    if coins:
        deltas[None] = deltas.get(None, 0.0) + coins
    if len({account for account in deltas if account is not None}) < 2:
        return None
    net = sum(deltas.values())
    sign = 1.0 if net > 0.0 else -1.0 if net < 0.0 else 0.0
    left = {account: max(sign * delta, 0.0) for account, delta in deltas.items()}
    whole = sum(left.values()) or 1.0
    gross = sum(abs(delta) for delta in deltas.values())
    return Netting(
        gross_delta=gross,
        net_delta=net,
        saved_delta=gross - abs(net),
        by_account=tuple(AccountShare(account, deltas[account], left[account] / whole) for account in deltas),
    )
