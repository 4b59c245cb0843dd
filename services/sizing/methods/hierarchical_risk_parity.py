"""Hierarchical risk parity: risk is divided from the top of a tree of like markets to its leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from services.core.explain import Bools, Floats
from services.sizing.columns import SizingColumns
from services.sizing.interface import Composition, on_their_sides, sided_members
from services.sizing.shares import undiversified_shares

Linkage = Literal["single", "average", "complete", "ward"]
LeafOrder = Literal["tree", "optimal"]
OFFSET = 1e-6
"""Variance of a cluster over the square of its volatilities' sum below which its sides offset one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchicalRiskParity(Composition):
    r"""Share one unit of gross exposure down a tree of markets, by inverse variance at each branch.

    Markets are clustered by the distance ``d = sqrt((1 − ρ)/2)`` and lined up as the leaves of the tree; the line is
    halved again and again, and each half is given the part ``1 − V/(V + V')`` of its former whole, V being its
    variance under inverse-variance weights.

    The sides are those of the signals, or without signals those held; a short counts as a market of its own, with the
    correlations ``s s' ∘ R``. The policy's `scaling` makes a size of the composition; without one its gross leverage
    is 1.

    Parameters
    ----------
    linkage : {"single", "average", "complete", "ward"}
        Distance of two clusters: that of their nearest, mean or farthest members, or the growth of their spread.
    leaf_order : {"tree", "optimal"}
        Order of the leaves: as the tree was built, or with like leaves next to one another (Bar-Joseph et al., 2001).
        They give different shares.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.
    max_share : float, optional
        Largest share of one row in the composition; what is cut is divided among the others in proportion. Where
        every row is at the limit the rest stays cash. Scaling keeps the ratios of the shares, not their sum.

    Notes
    -----
    No matrix is inverted, so that it works for singular ones. The left and right of a tree are arbitrary and the halves
    depend on them: rows are put in the order of their symbols first, so that the order of the request changes nothing.

    Without a correlation matrix nothing is known of likeness: volatilities add up, and shares are those of inverse
    volatility. Rows whose sides offset one another exactly are refused. The volatility is that of the next bar,
    scheduled events included. Cost: O(n²), with optimal order O(n³).

    References
    ----------
    López de Prado (2016), Building Diversified Portfolios that Outperform Out of Sample, JPM 42(4). There the tree is
    built on the Euclidean distance between the columns of d; here on d itself, as is usual since.
    """

    method: Literal["hierarchical_risk_parity"] = "hierarchical_risk_parity"
    linkage: Linkage = "single"
    leaf_order: LeafOrder = "tree"
    scope: Literal["book", "instrument"] | None = None
    max_share: Annotated[float, Gt(0), Le(1)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price"})
    stage: ClassVar[str] = "hierarchical_risk_parity"
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def composition(self, columns: SizingColumns, members: Bools) -> Floats:
        """Shares of all rows, Σ = 1 over `members`.

        Rows that `unusable` names, sized nevertheless, are given no diversification.
        """
        divided = self._divided(columns, members)
        if divided is None or divided[1].any():
            return undiversified_shares(columns.volatility, members)
        shares = np.zeros(members.shape)
        shares[in_order(columns, members)] = divided[0]
        return shares

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Rows whose sides offset one another."""
        book = on_their_sides(columns, rows, self.scope).with_events()
        members, refused = sided_members(book, rows), dict[int, str]()
        while members.any():
            divided = self._divided(book, members)
            if divided is None or not divided[1].any():
                break
            offsetting = in_order(book, members)[divided[1]]
            names = ", ".join(dict.fromkeys(book.symbols[index] for index in offsetting.tolist()[:4]))
            refused |= dict.fromkeys(offsetting.tolist(), f"the sides of {names} offset one another: without risk")
            members = members.copy()
            members[offsetting] = False
        return refused

    def _divided(self, columns: SizingColumns, members: Bools) -> tuple[Floats, Bools] | None:
        """Shares of the members in the order of their symbols, and which offset one another; None without a matrix."""
        if columns.correlation is None:
            return None
        rows = in_order(columns, members)
        sides = np.sign(columns.direction[rows])
        between = columns.correlation[np.ix_(rows, rows)] * np.outer(sides, sides)
        return hierarchical_shares(columns.volatility[rows], between, self.linkage, self.leaf_order)


def in_order(columns: SizingColumns, members: Bools) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Indices of the members, by symbol where symbols are known."""
    rows = np.flatnonzero(members)
    if not columns.symbols:
        return rows
    return np.array(sorted(rows.tolist(), key=lambda index: columns.symbols[index]), dtype=np.intp)


def hierarchical_shares(
    volatility: Floats, correlation: Floats, method: Linkage = "single", leaf_order: LeafOrder = "tree"
) -> tuple[Floats, Bools]:
    r"""Shares of hierarchical risk parity, Σ = 1, and the rows that offset one another within a cluster.

    Parameters
    ----------
    volatility : (n,) array
        σ > 0.
    correlation : (n, n) array
        Sides included.
    method, leaf_order : str
        See `HierarchicalRiskParity`.

    Returns
    -------
    (n,) array
    (n,) bool array
        Rows of clusters almost without variance: where there is one, the shares mean nothing.

    Examples
    --------
    >>> R = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> hierarchical_shares(np.full(3, 0.2), R)[0].round(4).tolist()
    [0.2564, 0.2564, 0.4872]
    """
    size = volatility.size
    shares, offsetting = np.ones(size), np.zeros(size, dtype=bool)
    covariance = correlation * np.outer(volatility, volatility)
    pending = [leaf_order_of(correlation, method, leaf_order)]
    while pending:
        cluster = pending.pop()
        if cluster.size < 2:
            continue
        halves = cluster[: cluster.size // 2], cluster[cluster.size // 2 :]
        variances = [cluster_variance(covariance[np.ix_(half, half)]) for half in halves]
        for half, (variance, undiversified) in zip(halves, variances, strict=True):
            offsetting[half] |= variance <= OFFSET * undiversified
        first, second = variances[0][0], variances[1][0]
        if first + second > 0.0:
            shares[halves[0]] *= second / (first + second)
            shares[halves[1]] *= first / (first + second)
        pending += halves
    return shares, offsetting


def leaf_order_of(correlation: Floats, method: Linkage, leaf_order: LeafOrder) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Markets in the order of the leaves of their tree."""
    if len(correlation) < 2:
        return np.arange(len(correlation), dtype=np.intp)
    distance = np.sqrt(np.maximum(0.5 * (1.0 - correlation), 0.0))
    condensed = squareform(distance, checks=False)
    tree = linkage(condensed, method)
    order = leaves_list(optimal_leaf_ordering(tree, condensed) if leaf_order == "optimal" else tree)
    return np.asarray(order, dtype=np.intp)


def cluster_variance(covariance: Floats) -> tuple[float, float]:
    """Variance of a cluster under inverse-variance weights, and what it would be if volatilities added up."""
    variances = np.diag(covariance)
    weights = 1.0 / variances
    weights /= weights.sum()
    return max(float(weights @ covariance @ weights), 0.0), float(weights @ np.sqrt(variances)) ** 2
