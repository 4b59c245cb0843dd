"""Every margin model, and the policy around it; adding a model is one file and one line here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import ArrayLike

from services.core.explain import Floats
from services.core.tagged import Tagged
from services.margin.assembly import CAP_LONG, MarginRates, MarginRequirement, floored, requirement
from services.margin.filtered_returns import Measure
from services.margin.horizon import DAYS_PER_YEAR, MAX_HORIZON_VOLATILITY
from services.margin.methods.filtered_historical import FilteredHistorical
from services.margin.methods.lognormal_expected_shortfall import LognormalExpectedShortfall
from services.margin.methods.sigma_multiple import SigmaMultiple
from services.margin.portfolio_rules import PortfolioRules
from services.margin.procyclicality import AntiProcyclicality
from services.margin.size_addons import UNKNOWN_MARKET, MarketSize, NoAddon, SizeAddon
from services.margin.smoothing import AskedBefore, smoothed
from services.margin.stress_tails import last_long_run, last_stressed
from services.margin.view import MarginView, PastRates

MarginModel = LognormalExpectedShortfall | SigmaMultiple | FilteredHistorical
FLOOR_ONLY, PREVIOUS = "floor", "previous"
DEFAULT_HISTORY = FilteredHistorical()
"""Window and decay of the long-run floor beside a model that has none of its own."""


def measure_of(model: MarginModel) -> Measure:
    """Figure of the tail that a model gives."""
    return model.measure if isinstance(model, FilteredHistorical) else "expected_shortfall"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginPolicy:
    r"""A margin model and the rules around it: ``f = min(cap, max(floor, venue floor, f_model · multiplier) ⊕ size)``.

    Parameters
    ----------
    model : MarginModel
        Where the rates come from; filtered historical expected shortfall by default. Where a model that reads returns
        has too few, `SigmaMultiple` at its α and horizon stands in. A cached state holds none: its ring of standardised
        returns ``z = r/σ`` would do for full scaling, ``z σ_T``, but half scaling is ``r/2 + z σ_T/2``, and r is gone.
    floor : float
        Least initial margin rate; 0.05 for an instrument of unknown liquidity, 0.02 is usual for majors.
    cap_short : float
        Largest rate of a short; a long's is 1.
    maintenance_fraction : float
        Maintenance over initial margin (venues: 0.5 to 0.8).
    size_addon : SizeAddon
        How the rate grows with size, open interest or the volume that is traded.
    procyclicality : AntiProcyclicality, optional
        Rules on the rates of the model, before floors and caps: stress weight, floor of ten years, buffer, release
        speed. The rates that were asked last travel with request and answer.
    portfolio : PortfolioRules, optional
        Scenarios of an account in margin mode `portfolio`, which take the place of all of the above; `regime` where
        absent.
    """

    model: Annotated[MarginModel, Tagged()] = FilteredHistorical()
    floor: Annotated[float, Gt(0), Le(1)] = 0.05
    cap_short: Annotated[float, Ge(1), Le(10)] = 3.0
    maintenance_fraction: Annotated[float, Gt(0), Le(1)] = 0.6
    size_addon: Annotated[SizeAddon, Tagged()] = NoAddon()
    procyclicality: AntiProcyclicality | None = None
    portfolio: PortfolioRules | None = None

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def rates(
        self,
        volatility: ArrayLike | MarginView,
        *,
        venue_floor: ArrayLike = 0.0,
        multiplier: ArrayLike = 1.0,
        before: AskedBefore | None = None,
    ) -> MarginRates:
        """Initial margin rates of a long and of a short, per row.

        Parameters
        ----------
        volatility : (n,) array or MarginView
            [annual fraction]; a view where there are returns too. A row of which the model knows nothing gets the rate
            of Student-t expected shortfall, and one without a usable volatility either (NaN, zero, negative, infinite)
            the floor. `method_used` says which: the rungs of a ladder, to be shown as such.
        venue_floor : (n,) array
            Least rate of the venue, such as 1 / max_leverage.
        multiplier : (n,) array
            Stress and contagion.
        before : AskedBefore, optional
            Rates that were asked last, for `procyclicality`; None: none were, so that a buffer starts full. A row of
            which nothing is known keeps them, and `method_used` says `previous`.

        Examples
        --------
        >>> rates = MarginPolicy().rates(np.array([0.8, np.nan]))
        >>> rates.long.round(6).tolist(), rates.short.round(6).tolist(), rates.method_used
        ([0.153991, 0.05], [0.182021, 0.05], ('sigma_multiple', 'floor'))
        """
        view = MarginView.of(volatility)
        sigma = np.atleast_1d(view.volatility)
        view = replace(view, volatility=np.where(np.isfinite(sigma) & (sigma > 0.0), sigma, np.nan))
        past = self.past(view) if view.past is None else view.past
        long, short, method = self._ladder(view, past)
        sides = None
        if self.procyclicality is not None and self.procyclicality.active:
            last = AskedBefore.never(sigma.size) if before is None else before
            sides = smoothed(self.procyclicality, (long, short), past.stressed, past.long_run, last)
            kept = np.isnan(long) & np.isfinite(sides[0].asked)
            method = tuple(PREVIOUS if stays else name for stays, name in zip(kept.tolist(), method, strict=True))
            long, short = sides[0].asked, sides[1].asked
        return MarginRates(
            long=np.minimum(floored(long, floor=self.floor, venue_floor=venue_floor, multiplier=multiplier), CAP_LONG),
            short=np.minimum(
                floored(short, floor=self.floor, venue_floor=venue_floor, multiplier=multiplier), self.cap_short
            ),
            method_used=method,
            clamped=view.volatility * np.sqrt(self.model.horizon_days / DAYS_PER_YEAR) > MAX_HORIZON_VOLATILITY,
            smoothed=sides,
        )

    def past(self, view: MarginView) -> PastRates:
        """What this policy reads off the returns of a view: its model where that reads them, and bad times.

        O(window) a market; take it once and hand it on in the view where rates are asked for more than once.
        """
        rules, count = self.procyclicality, view.volatility.size
        model, nothing = (np.full(count, np.nan), np.full(count, np.nan)), np.full((4, count), np.nan)
        if isinstance(self.model, FilteredHistorical):
            model = self.model.rates(view)
        if rules is not None and (rules.stress_weight > 0.0 or rules.long_run_floor):
            known: dict[tuple[int, float], Floats] = {}
            for row in range(count):
                returns = view.returns_of(row)
                if returns is None or view.periods_per_year is None:
                    continue
                key = (id(returns), float(view.periods_per_year[row]))
                if key not in known:
                    known[key] = self._bad_times(rules, returns, key[1])
                nothing[:, row] = known[key]
        return PastRates(model, (nothing[0], nothing[1]), (nothing[2], nothing[3]))

    def _bad_times(self, rules: AntiProcyclicality, returns: Floats, periods: float) -> Floats:
        """Rates of a long and of a short in the stressed period, and at long-run volatility."""
        own = self.model if isinstance(self.model, FilteredHistorical) else DEFAULT_HISTORY
        tail = (self.model.horizon_days * periods / DAYS_PER_YEAR, self.model.alpha, measure_of(self.model))
        found = np.full(4, np.nan)
        if rules.stress_weight > 0.0:
            found[:2] = last_stressed(returns, *tail)
        if rules.long_run_floor:
            found[2:] = last_long_run(returns, *tail, decay=own.decay, lookback=own.lookback, periods_per_year=periods)
        return found

    @property
    def reads_returns(self) -> bool:
        """Whether any part of the policy looks at returns."""
        rules = self.procyclicality
        return "returns" in self.model.requires or (
            rules is not None and (rules.stress_weight > 0.0 or rules.long_run_floor)
        )

    @property
    def follows_volatility(self) -> bool:
        """Whether its rates are a function of volatility alone: of no returns, and of no rate that was asked before."""
        remembers = self.procyclicality is not None and self.procyclicality.remembers
        return not (self.reads_returns or remembers)

    def _ladder(self, view: MarginView, past: PastRates) -> tuple[Floats, Floats, tuple[str, ...]]:
        """Rates and the rung of each row: the model, what stands in for one that reads returns, the floor."""
        long, short = past.model if "returns" in self.model.requires else self.model.rates(view)
        method = np.where(np.isfinite(long), self.model.method, FLOOR_ONLY).astype(object)
        if "returns" in self.model.requires:
            stand_in = SigmaMultiple(alpha=self.model.alpha, horizon_days=self.model.horizon_days)
            instead = np.isnan(long) & np.isfinite(view.volatility)
            other_long, other_short = stand_in.rates(view)
            long, short = np.where(instead, other_long, long), np.where(instead, other_short, short)
            method = np.where(instead, stand_in.method, method)
        return long, short, tuple(map(str, method.tolist()))

    def requirement(
        self,
        contracts: ArrayLike,
        notional_per_contract: ArrayLike,
        rates: MarginRates,
        *,
        open_buys: ArrayLike = 0.0,
        open_sells: ArrayLike = 0.0,
        funding_per_contract: ArrayLike = 0.0,
        market: MarketSize = UNKNOWN_MARKET,
    ) -> MarginRequirement:
        """Margin of each row under this policy; see `services.margin.assembly.requirement`."""
        return requirement(
            contracts,
            notional_per_contract,
            rates.long,
            rates.short,
            maintenance_fraction=self.maintenance_fraction,
            size_addon=self.size_addon,
            cap_short=self.cap_short,
            open_buys=open_buys,
            open_sells=open_sells,
            funding_per_contract=funding_per_contract,
            method_used=rates.method_used,
            market=market,
        )


STUDENT = MarginPolicy(model=SigmaMultiple())
"""Default of the doors that are told a volatility and no returns."""

__all__ = [
    "FLOOR_ONLY",
    "STUDENT",
    "MarginModel",
    "MarginPolicy",
]
