"""Bars of a rough market: gaps, ranges, bad wicks, a jump that is taken back, a standing price, a split."""

from __future__ import annotations

import math

import numpy as np

from services.volatility.bars import Bar

START = 1_767_225_600.0
"""2026-01-01 [s since 1970]."""


def rough_bars(seed: int, bars: int, *, bar_seconds: int = 86_400, ranges: bool = True) -> list[Bar]:
    """Bars in order of time, deterministic.

    About one bar in twelve is missing, some in long gaps; one in a hundred begins five unchanged closes; one in forty
    is a jump of 40 usual moves that the next takes back; one in thirty has a wick to a tenth of the price, one in
    thirty prices that contradict each other.
    """
    rng = np.random.default_rng(seed)
    made: list[Bar] = []
    place, close, standing = 0, 100.0, 0
    while len(made) < bars:
        place += int(rng.choice([1, 2, 4, 9], p=[0.92, 0.05, 0.02, 0.01]))
        standing = 5 if rng.random() < 0.01 else max(standing - 1, 0)
        move = 0.0 if standing else 0.01 * rng.standard_normal()
        made.append(_bar(rng, START + place * bar_seconds, close, close * math.exp(move), ranges=ranges))
        close = made[-1].close
        if len(made) > 30 and rng.random() < 0.025:
            place += 1
            jump = _bar(
                rng, START + place * bar_seconds, close, close * math.exp(rng.choice([-0.5, 0.45])), ranges=ranges
            )
            place += 1
            made += [jump, _bar(rng, START + place * bar_seconds, jump.close, close * 1.001, ranges=ranges)]
            close = made[-1].close
    return made[:bars]


def split_bars(bars: list[Bar], place: int) -> list[Bar]:
    """The same bars after a 2:1 split at `place`, unannounced: prices halve, volumes double."""
    after = [
        bar._replace(close=bar.close / 2, open=bar.open / 2, high=bar.high / 2, low=bar.low / 2, volume=bar.volume * 2)
        for bar in bars[place:]
    ]
    return bars[:place] + after


def _bar(rng: np.random.Generator, at: float, before: float, close: float, *, ranges: bool) -> Bar:
    volume = float(rng.uniform(90.0, 110.0))
    if not ranges or rng.random() < 0.1:
        return Bar(at, close, volume=volume)
    opened = before * math.exp(0.001 * rng.standard_normal())
    up, down = np.exp(np.abs(0.005 * rng.standard_normal(2)))
    high, low = max(opened, close) * up, min(opened, close) / down
    fate = rng.random()
    if fate < 0.03:
        low /= 10.0
    elif fate < 0.06:
        high = 0.9 * max(opened, close)
    return Bar(at, close, opened, float(high), float(low), volume)
