"""Every sizing method on the same real book: S&P 500 and Bitcoin on days that both closed, through the back-test."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from app.demo.markets import bundled
from services.core.annualization import SECONDS_PER_DAY, Calendar
from services.core.instrument import Instrument
from services.engine import Policy, SeriesInput
from services.simulation.backtest import BacktestMarket, BacktestPath, SignalFigures, Trading, backtest
from services.simulation.baselines import baselines
from services.simulation.performance import Performance, performance, simple_returns
from services.sizing.methods.average_true_range import AverageTrueRangeUnit
from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.methods.continuous_kelly import ContinuousKelly
from services.sizing.methods.discrete_kelly import DiscreteKelly
from services.sizing.methods.drawdown_control import DrawdownControl
from services.sizing.methods.fixed_risk import FixedRisk
from services.sizing.methods.fixed_weights import FixedWeight, FixedWeights
from services.sizing.methods.hierarchical_risk_parity import HierarchicalRiskParity
from services.sizing.methods.historical_risk_constrained_kelly import HistoricalRiskConstrainedKelly
from services.sizing.methods.inventory_skew import InventorySkew
from services.sizing.methods.inverse_volatility import InverseVolatility
from services.sizing.methods.margin_linked import MarginLinked
from services.sizing.methods.multi_asset_kelly import MultiAssetKelly
from services.sizing.methods.portfolio_insurance import PortfolioInsurance
from services.sizing.methods.risk_budget import RiskBudget
from services.sizing.methods.risk_constrained_kelly import RiskConstrainedKelly
from services.sizing.methods.risk_parity import RiskParity
from services.sizing.methods.signal_scaled import SignalScaled
from services.sizing.methods.value_at_risk import ValueAtRiskBudget
from services.sizing.methods.volatility_rebalancing import VolatilityRebalancing
from services.sizing.methods.volatility_target import VolatilityTarget
from services.sizing.registry import SizingMethod
from services.sizing.scaling import NoScaling, Scaling, ToVolatility

TARGET = 0.15
WARM_UP = 260
EQUITY = 1e6
FIGURES = SignalFigures(
    stop_distance=0.1, true_range=0.02, expected_return=0.10, win_probability=0.55, win_loss_ratio=1.3, trades=400
)
"""What the signals say besides being long: the same all the time, neither fitted nor believed."""
SCALED = ToVolatility(target_volatility=TARGET)
NOT_HERE = {
    "carry_pair": "needs an asset and a derivative of it on opposite sides",
    "greeks_budget": "needs options",
}
"""Methods that such a book is nothing for."""


def shown() -> dict[str, tuple[SizingMethod, Scaling]]:
    """Method to its parameters here; compositions are scaled to the common volatility."""
    alone: list[SizingMethod] = [
        VolatilityTarget(target_volatility=TARGET),
        SignalScaled(target_volatility=TARGET),
        RiskBudget(budget_fraction=0.01),
        ValueAtRiskBudget(value_at_risk=0.02),
        AverageTrueRangeUnit(),
        FixedRisk(risk_fraction=0.03),
        DiscreteKelly(max_volatility=TARGET),
        ContinuousKelly(max_volatility=TARGET, observations=2_500),
        MultiAssetKelly(max_volatility=TARGET, observations=2_500),
        RiskConstrainedKelly(max_drawdown=0.3, drawdown_probability=0.1),
        HistoricalRiskConstrainedKelly(max_drawdown=0.3, drawdown_probability=0.1),
        DrawdownControl(max_drawdown=0.2),
        PortfolioInsurance(protection=0.85),
        VolatilityRebalancing(account_volatility=TARGET),
        InventorySkew(),
        MarginLinked(),
        FixedWeights(weights=(FixedWeight(symbol="SPX", weight=0.5), FixedWeight(symbol="BTC-USD", weight=0.5))),
        ConstantLeverage(),
    ]
    composed: list[SizingMethod] = [InverseVolatility(), RiskParity(), HierarchicalRiskParity()]
    return {method.method: (method, NoScaling()) for method in alone} | {
        method.method: (method, SCALED) for method in composed
    }


def book() -> list[BacktestMarket]:
    """Both markets at the closes of the days on which both have one."""
    index, coin = bundled("sp500_daily").closes, bundled("btc_usd_daily").closes
    coins = {item.close_time.date(): float(item.close) for item in coin}
    common = [item for item in index if item.close_time.date() in coins]
    times = np.array([item.close_time.timestamp() for item in common])
    columns = {
        "SPX": np.array([float(item.close) for item in common]),
        "BTC-USD": np.array([coins[item.close_time.date()] for item in common]),
    }
    end = common[-1].close_time
    return [
        BacktestMarket(
            instrument=Instrument(symbol=symbol, lot=Decimal("0.0001")),
            series=SeriesInput(closes, end, SECONDS_PER_DAY, Calendar("XNYS"), times),
            direction=np.ones(closes.size),
            funding_rate=np.zeros(closes.size),
            figures=FIGURES,
        )
        for symbol, closes in columns.items()
    ]


@dataclass(frozen=True, slots=True)
class Walked:
    """One method on the book."""

    name: str
    path: BacktestPath
    figures: Performance


def walked(name: str, policy: Policy, markets: list[BacktestMarket]) -> Walked:
    """One walk and its figures after the warm-up; captures are against half and half."""
    path = backtest(markets, policy, equity=EQUITY, trading=Trading(warm_up_bars=WARM_UP))
    halves = np.mean([simple_returns(market.series.closes) for market in markets], axis=0)[WARM_UP:]
    figures = performance(
        path.equity[WARM_UP:],
        periods_per_year=markets[0].series.clock.periods_per_year,
        traded=path.traded[WARM_UP:],
        costs=path.costs[WARM_UP:],
        carry=path.carry[WARM_UP:],
        target_volatility=policy.target_volatility,
        reference=halves,
    )
    return Walked(name, path, figures)


def policies() -> dict[str, Policy]:
    """A policy for each method, then the baselines at leverage 1."""
    own = {name: Policy(sizing=method, scaling=scaling) for name, (method, scaling) in shown().items()}
    plain = baselines(Policy(), 1.0)
    return own | {"fixed weights, every bar": plain["fixed_weights"], "calendar, every 30 days": plain["calendar"]}


def line(item: Walked) -> list[str]:
    """Row of the table."""
    figures: dict[str, Any] = {name: getattr(item.figures, name) for name in Performance.__dataclass_fields__}
    percent = ("volatility", "max_drawdown", "worst_bar", "costs", "upside_capture", "downside_capture")
    texts = {name: "–" if figures[name] is None else f"{100.0 * figures[name]:.1f}" for name in percent}
    sharpe = figures["sharpe_ratio"]
    return [
        f"`{item.name}`" if " " not in item.name else item.name,
        f"{np.abs(item.path.weights[WARM_UP:-1]).sum(axis=1).mean():.2f}",
        texts["volatility"],
        "–" if sharpe is None else f"{sharpe:.2f}",
        texts["max_drawdown"],
        texts["worst_bar"],
        f"{figures['turnover']:.1f}",
        texts["costs"],
        texts["upside_capture"],
        texts["downside_capture"],
    ]


HEADING = (
    "method",
    "mean gross",
    "volatility %",
    "Sharpe",
    "max drawdown %",
    "worst day %",
    "turnover",
    "costs %",
    "up %",
    "down %",
)
