"""Hierarchical risk parity against the published procedure, written out, and by hand."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import scipy.cluster.hierarchy as sch
from scipy.spatial.distance import squareform

from services.core.explain import Floats
from services.sizing.methods.hierarchical_risk_parity import LeafOrder, Linkage, hierarchical_shares


def market(size: int, seed: int) -> tuple[Floats, Floats]:
    generator = np.random.default_rng(seed)
    returns = generator.normal(size=(4 * size, size)) + generator.normal(size=(4 * size, 2)) @ generator.normal(
        size=(2, size)
    )
    return generator.uniform(0.05, 1.5, size), np.corrcoef(returns.T)


def published(volatility: Floats, correlation: Floats, linkage: str, optimal: bool) -> Floats:
    """López de Prado (2016), snippets 16.1 to 16.4: leaves by unfolding the linkage, bisection over lists."""
    covariance = np.outer(volatility, volatility) * correlation
    condensed = squareform(np.sqrt(np.maximum(0.5 * (1.0 - correlation), 0.0)), checks=False)
    link = sch.linkage(condensed, linkage)
    if optimal:
        link = sch.optimal_leaf_ordering(link, condensed)
    size, leaves = len(volatility), [2 * len(volatility) - 2]
    while any(leaf >= size for leaf in leaves):
        leaves = [int(part) for leaf in leaves for part in (link[leaf - size, :2] if leaf >= size else [leaf])]
    weights = dict.fromkeys(leaves, 1.0)
    clusters = [leaves]
    while clusters:
        clusters = [
            cluster[start:end]
            for cluster in clusters
            for start, end in ((0, len(cluster) // 2), (len(cluster) // 2, len(cluster)))
            if len(cluster) > 1
        ]
        for first, second in zip(clusters[::2], clusters[1::2], strict=True):
            variance = []
            for cluster in (first, second):
                inverse = [1.0 / covariance[i, i] for i in cluster]
                part = [value / sum(inverse) for value in inverse]
                pairs = [(a, b) for a in range(len(cluster)) for b in range(len(cluster))]
                variance.append(sum(part[a] * part[b] * covariance[cluster[a], cluster[b]] for a, b in pairs))
            alpha = 1.0 - variance[0] / (variance[0] + variance[1])
            for i in first:
                weights[i] *= alpha
            for i in second:
                weights[i] *= 1.0 - alpha
    return np.array([weights[i] for i in range(size)])


@pytest.mark.parametrize("linkage", get_args(Linkage))
@pytest.mark.parametrize("leaf_order", get_args(LeafOrder))
@pytest.mark.parametrize("size", [2, 3, 7, 20])
def test_equals_the_published_procedure(linkage: Linkage, leaf_order: LeafOrder, size: int) -> None:
    volatility, correlation = market(size, size)
    shares, offsetting = hierarchical_shares(volatility, correlation, linkage, leaf_order)
    assert shares == pytest.approx(published(volatility, correlation, linkage, leaf_order == "optimal"), rel=1e-10)
    assert shares.sum() == pytest.approx(1.0, rel=1e-12)
    assert not offsetting.any()


def test_two_markets_share_by_inverse_variance() -> None:
    """0.2² : 0.4² is 1 : 4, whatever the correlation."""
    for rho in (-0.5, 0.0, 0.9, 1.0):
        shares, _ = hierarchical_shares(np.array([0.2, 0.4]), np.array([[1.0, rho], [rho, 1.0]]))
        assert shares == pytest.approx([0.8, 0.2], rel=1e-12)


def test_one_market_is_all_of_it() -> None:
    assert hierarchical_shares(np.array([0.3]), np.ones((1, 1)))[0].tolist() == [1.0]


def test_leaf_orders_differ_and_both_are_whole() -> None:
    volatility, correlation = market(20, 1)
    tree, optimal = (hierarchical_shares(volatility, correlation, "average", order)[0] for order in get_args(LeafOrder))
    assert np.abs(tree - optimal).max() > 1e-3


def test_the_scale_of_volatility_does_not_matter() -> None:
    volatility, correlation = market(9, 2)
    base = hierarchical_shares(volatility, correlation)[0]
    assert hierarchical_shares(volatility * 7.0, correlation)[0] == pytest.approx(base, rel=1e-12)


def test_a_cluster_whose_sides_cancel_is_named() -> None:
    """A long and a short of one market make a half without variance, which would take everything."""
    matrix = np.eye(4)
    matrix[0, 1] = matrix[1, 0] = -1.0
    matrix[2, 3] = matrix[3, 2] = 0.5
    assert hierarchical_shares(np.full(4, 0.2), matrix)[1].tolist() == [True, True, False, False]


@pytest.mark.parametrize("size", [3, 10])
def test_perfectly_correlated_markets_are_finite(size: int) -> None:
    shares, offsetting = hierarchical_shares(np.linspace(0.1, 0.5, size), np.ones((size, size)))
    assert np.isfinite(shares).all() and (shares > 0.0).all() and not offsetting.any()
