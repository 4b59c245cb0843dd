"""Covariance forecasts and the correlation monitor on 26 hourly coins: `python -m tests.benchmark.covariance_table`.

Every forecast for a bar is made of the bars before it. Likelihood per asset of the next returns in percent (lower is
better), realised annual volatility of the minimum-variance book, and r'Σ⁻¹r per asset (1 is right; above, risk is
understated). The data lie beside the repository; see the README of services/risk for the figures.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from services.core.explain import Bools, Floats
from services.risk.methods.dynamic_conditional import read_dynamic, start_dynamic, update_dynamic
from services.risk.regime import RegimeRules, follow, watch_correlation
from services.risk.shrinkage import (
    constant_correlation_shrinkage,
    ledoit_wolf,
    oracle_approximating,
    second_moments,
)
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.moves import Moves
from services.volatility.registry import Estimator

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
HOURLY, DAILY = "close_hourly_26coins_huobi_2021h1.csv.gz", "ohlcv_daily_coinbase_2020_2024.csv.gz"
BURN_IN = 1_000
CLIP = 4.2
PERIODS = 8_760.0
Correlate = Callable[[Floats], Iterator[Floats]]


def read_hourly() -> tuple[list[str], Floats]:
    """Labels of the bars and closes, (n, coins)."""
    with gzip.open(DATA / HOURLY, "rt") as stream:
        rows = list(csv.reader(stream))[1:]
    return [row[0][:13] for row in rows], np.array([[float(value) for value in row[1:]] for row in rows])


def read_daily() -> tuple[list[str], Floats]:
    """The same of ten coins a day; NaN before a coin was listed."""
    closes: dict[str, dict[str, float]] = {}
    with gzip.open(DATA / DAILY, "rt") as stream:
        for row in csv.DictReader(stream):
            closes.setdefault(row["ts"][:10], {})[row["asset"]] = float(row["close"])
    coins = sorted({coin for day in closes.values() for coin in day})
    days = sorted(closes)
    return days, np.array([[closes[day].get(coin, np.nan) for coin in coins] for day in days])


def variances(returns: Floats, estimator: Estimator) -> Floats:
    """Variance forecast for each bar but the first, from the bars before it, (n, coins); NaN before a coin begins."""
    forecasts = np.full((returns.shape[1], len(returns)), np.nan)
    for column, forecast in zip(returns.T, forecasts, strict=True):
        row = column[~np.isnan(column)][None, :]
        times = 3_600.0 * np.arange(1.0, row.size + 1.0)[None, :]
        forecast[-row.size :] = estimator.variance_path(Moves(row, np.exp(row.cumsum(axis=1)), times))[0]
    return forecasts[:, :-1].T


def by_dcc(z: Floats) -> Iterator[Floats]:
    """Correlation after each bar."""
    memory = start_dynamic(z.shape[1])
    for row in z:
        memory = update_dynamic(memory, row)
        yield read_dynamic(memory)


def by_ewma(half_life: float) -> Correlate:
    """Exponentially weighted, normalised."""

    def correlate(z: Floats) -> Iterator[Floats]:
        for moments in fading_moments(z, half_life):
            deviation = np.sqrt(np.diag(moments))
            yield moments / np.outer(deviation, deviation)

    return correlate


def fading_moments(values: Floats, half_life: float) -> Iterator[Floats]:
    """Exponentially weighted second moments after each bar, bias-corrected."""
    decay, moments = 2.0 ** (-1.0 / half_life), np.zeros((values.shape[1], values.shape[1]))
    for count, row in enumerate(values, start=1):
        moments = decay * moments + (1.0 - decay) * np.outer(row, row)
        yield moments / (1.0 - decay**count)


def by_window(kernel: Callable[[Floats], Floats], bars: int, *, normalised: bool) -> Correlate:
    """Kernel of the last bars; of a shorter start, what there is."""

    def correlate(z: Floats) -> Iterator[Floats]:
        for end in range(1, len(z) + 1):
            moments = kernel(z[max(end - bars, 0) : end]) if end > BURN_IN - 2 else np.eye(z.shape[1])
            deviation = np.sqrt(np.diag(moments))
            yield moments / np.outer(deviation, deviation) if normalised else moments

    return correlate


def only(kernel: Callable[[Floats], tuple[Floats, float]]) -> Callable[[Floats], Floats]:
    """Covariance of a shrinkage, without its intensity."""
    return lambda values: kernel(values)[0]


def scores(returns: Floats, forecasts: Iterator[Floats]) -> tuple[float, float, float]:
    """(likelihood per asset, volatility of the minimum-variance book, r'Σ⁻¹r per asset) after the burn-in."""
    size, log_likelihood, held, distances = returns.shape[1], [], [], []
    for bar, covariance in enumerate(forecasts, start=1):
        if bar < BURN_IN or bar >= len(returns):
            continue
        row, factor = returns[bar], np.linalg.cholesky(covariance)
        white = np.linalg.solve(factor, row)
        distance = float(white @ white)
        determinant = 2.0 * float(np.log(np.diag(factor)).sum())
        percent = size * np.log(100.0**2)
        log_likelihood.append(0.5 * (np.log(2.0 * np.pi) + (determinant + percent + distance) / size))
        weights = np.linalg.solve(covariance, np.ones(size))
        held.append(float(row @ weights / weights.sum()))
        distances.append(distance / size)
    return float(np.mean(log_likelihood)), float(np.std(held) * PERIODS**0.5), float(np.mean(distances))


def separate(returns: Floats, estimator: Estimator, correlate: Correlate) -> Iterator[Floats]:
    """Covariance forecasts σσ'R after each bar but the first, volatility and correlation apart."""
    forecast = variances(returns, estimator)
    z = np.clip(returns[1:] / np.sqrt(np.maximum(forecast, 1e-12)), -CLIP, CLIP)
    following = np.sqrt(np.vstack([forecast[1:], forecast[-1:]]))
    yield np.eye(returns.shape[1])
    for deviation, matrix in zip(following, correlate(z), strict=True):
        yield matrix * np.outer(deviation, deviation)


def covariance_table(returns: Floats) -> None:
    """Print the scores of every model."""
    adaptive = Adaptive()
    models: dict[str, Iterator[Floats]] = {
        "adaptive x DCC(.02, .97)": separate(returns, adaptive, by_dcc),
        "adaptive x EWMA 63": separate(returns, adaptive, by_ewma(63.0)),
        "adaptive x EWMA 125": separate(returns, adaptive, by_ewma(125.0)),
        "adaptive x EWMA 250": separate(returns, adaptive, by_ewma(250.0)),
        "adaptive x Ledoit-Wolf 252": separate(returns, adaptive, by_window(only(ledoit_wolf), 252, normalised=True)),
        "adaptive x OAS 252": separate(returns, adaptive, by_window(only(oracle_approximating), 252, normalised=True)),
        "adaptive x constant correlation 252": separate(
            returns, adaptive, by_window(only(constant_correlation_shrinkage), 252, normalised=True)
        ),
        "EWMA 21 x EWMA 63": separate(returns, Ewma(half_life=21.0), by_ewma(63.0)),
        "EWMA 63 x EWMA 250": separate(returns, Ewma(half_life=63.0), by_ewma(250.0)),
        "one EWMA .97 of raw returns": fading_moments(returns, np.log(0.5) / np.log(0.97)),
        "one EWMA .94 of raw returns": fading_moments(returns, np.log(0.5) / np.log(0.94)),
        "Ledoit-Wolf 252 of raw returns": by_window(only(ledoit_wolf), 252, normalised=False)(returns),
        "OAS 252 of raw returns": by_window(only(oracle_approximating), 252, normalised=False)(returns),
        "rolling 252 of raw returns": by_window(second_moments, 252, normalised=False)(returns),
    }
    print(f"{'model':<38} {'nll':>8} {'min-var vol':>12} {'maha':>7}")
    for name, forecasts in models.items():
        likelihood, volatility, distance = scores(returns, forecasts)
        print(f"{name:<38} {likelihood:8.4f} {volatility:11.1%} {distance:7.2f}")


def monitor_table(labels: list[str], returns: Floats, crash: float, ahead: int) -> None:
    """Print when the monitor fired, beside the crashes of the sample; and the same for the distance.

    A crash is a bar with a mean log return below `crash`, the first one of a day.
    """
    z = returns[1:] / np.sqrt(np.maximum(variances(returns, Ewma()), 1e-12))
    path, labels, mean = watch_correlation(z[20:]), labels[22:], np.nanmean(returns[21:], axis=1)
    falls = [place for place in range(len(labels)) if mean[place] < crash]
    crashes = [at for at in falls if not any(labels[one][:10] == labels[at][:10] for one in falls if one < at)]
    report_alarms("rise of the mean correlation (the label)", path.shifted, labels, crashes, ahead)
    report_alarms("distance instead", follow(path.distance, RegimeRules())[2], labels, crashes, ahead)
    chance = np.mean([any(0 <= crash - place <= ahead for crash in crashes) for place in range(len(labels))])
    print(f"\nbars with a crash within {ahead} bars, whatever the label: {chance:.1%}")
    caught = [place for place in crashes if path.shifted[place]]
    print(f"shifted in the bar of {len(caught)} of {len(crashes)} crashes:")
    for place in caught:
        now, usual = path.fast[place], path.slow[place]
        print(f"  {labels[place]}: {mean[place]:.1%}, mean correlation {now:.2f}, usually {usual:.2f}")


def report_alarms(name: str, shifted: Bools, labels: list[str], crashes: list[int], ahead: int) -> None:
    """Print episodes and how many of them a crash followed."""
    starts = np.flatnonzero(np.diff(np.concatenate([[0], shifted.astype(int)])) == 1)
    leads = [next((crash - start for crash in crashes if 0 <= crash - start <= ahead), None) for start in starts]
    true = [f"{labels[start]} (+{lead})" for start, lead in zip(starts, leads, strict=True) if lead is not None]
    false = [labels[start] for start, lead in zip(starts, leads, strict=True) if lead is None]
    print(
        f"\n{name}: {len(starts)} episodes, {len(true)} with a crash within {ahead} bars, {shifted.mean():.1%} of bars"
    )
    print(f"  true: {', '.join(true)}\n  false: {', '.join(false)}")


def main() -> None:
    """All tables."""
    if not (DATA / HOURLY).is_file():
        sys.exit(f"needs {HOURLY}, which is not part of the repository")
    hours, closes = read_hourly()
    returns = np.diff(np.log(closes), axis=0)
    covariance_table(returns)
    print("\n26 coins by the hour, 2021 (the statistic was chosen on these)")
    monitor_table(hours, returns, -0.09, 48)
    days, closes = read_daily()
    print("\n10 coins by the day, 2020 to 2024 (looked at afterwards)")
    monitor_table(days, np.diff(np.log(closes), axis=0), -0.12, 10)


if __name__ == "__main__":
    main()
