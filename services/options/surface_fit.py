"""From a cleaned chain to a surface, by any method."""

from __future__ import annotations

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.chain import Chain, ExpiryQuotes
from services.options.surface import Surface, SurfaceSlice
from services.options.surface_registry import SurfaceMethod
from services.options.surfaces.joint_svi import JointSvi
from services.options.svi import RawSvi, total_variance


def fit_surface(chain: Chain, method: SurfaceMethod = JointSvi(), *, initial: Surface | None = None) -> Surface:  # noqa: B008 - frozen
    """Fit the smiles of a chain.

    Parameters
    ----------
    chain : Chain
        From `clean_chain`.
    method : SurfaceMethod
    initial : Surface, optional
        The surface of a moment ago: the search starts there if it has every expiry of the chain.

    Returns
    -------
    Surface

    Raises
    ------
    InvalidInput
        If no quote of the chain is usable.

    Notes
    -----
    `initial` changes how long the fit takes, and what it finds only where there are several minima.
    """
    if not chain.expiries:
        raise InvalidInput("quotes", "must hold at least one that is usable", len(chain.faults))
    smiles = [part.smile for part in chain.expiries]
    raw = method.fit(smiles, None if initial is None else _start(chain, initial))
    slices = tuple(
        _slice(part, RawSvi(*row), method.family(part.strike.size))
        for part, row in zip(chain.expiries, raw.tolist(), strict=True)
    )
    return Surface(as_of=chain.as_of, slices=slices)


def _start(chain: Chain, initial: Surface) -> Floats | None:
    known = {part.expiry: part.raw for part in initial.slices}
    wanted = [part.expiry for part in chain.expiries]
    return np.array([known[expiry] for expiry in wanted]) if all(expiry in known for expiry in wanted) else None


def _slice(part: ExpiryQuotes, raw: RawSvi, family: str) -> SurfaceSlice:
    fitted = np.sqrt(total_variance(raw, part.log_moneyness) / part.time_to_expiry)
    quoted = np.isfinite(part.ask_volatility)
    inside = (fitted >= part.bid_volatility) & (fitted <= part.ask_volatility)
    return SurfaceSlice(
        expiry=part.expiry,
        time_to_expiry=part.time_to_expiry,
        forward=part.forward,
        forward_source=part.forward_source,
        raw=raw,
        family=family,
        strikes=part.strike.size,
        rmse=float(np.sqrt(np.mean((fitted - part.volatility) ** 2))),
        inside=float(np.mean(inside[quoted])) if quoted.any() else None,
        lowest=float(part.log_moneyness.min()),
        highest=float(part.log_moneyness.max()),
        age_seconds=part.age_seconds,
        freshness=part.freshness,
    )
