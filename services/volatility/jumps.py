r"""Jumps: returns too large for the volatility around them.

Lee–Mykland: ``L = r / √BV`` with the bipower variation before the bar, ``BV ← BV + (1/K) ((π/2)|r||r_−1| − BV)``, which
a single jump hardly raises. A bar holds a jump when |L| exceeds the level that the largest of n normal draws passes
with probability α (1 %). A label for policies; no forecast uses it.

Normal returns raise it once in 1,500 daily, 13,500 hourly and 52,000 five-minute bars (simulated). Independent
t-returns with four degrees of freedom, which have no jumps but fat tails, raise it once in 88, 134 and 170: the test
cannot tell the two apart, and a policy should not either. On hourly Bitcoin (Bitstamp 2018–22, Binance perpetual
2020–23) it is raised 95 and 84 times a year; the next 24 hours have more than twice the long-run variance after 24 % of
them, against 11 % of all hours. It foretells little: the last jump was 11, 156 and 0 hours old before the largest hours
of 12 March 2020, 19 May 2021 and 8 November 2022.

Barndorff-Nielsen–Shephard: the share of a day's realised variance that bipower variation does not explain, with its
standard normal statistic. For reports.

References
----------
Lee, Mykland (2008), Review of Financial Studies 21, 2535–2563, eq. 12–13.
Barndorff-Nielsen, Shephard (2006), Journal of Financial Econometrics 4, 1–30; Huang, Tauchen (2005), ibid. 3, 456–499
(ratio statistic with tripower quarticity).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from scipy.signal import lfilter
from scipy.special import gamma

from services.core.annualization import SECONDS_PER_DAY
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility.estimators.interface import Memory
from services.volatility.gaps import hold, newest

SIGNIFICANCE = 0.01
START: Memory = (0.0, 0.0, 0.0, math.inf, 0.0, 0.0)
"""Bipower variation, |last return|, returns seen, bars since the last jump, its log return, its statistic."""

_HALF_PI = math.pi / 2.0
_SMALLEST_WINDOW = 10


@dataclass(frozen=True, slots=True)
class JumpTest:
    """Parameters of the test of one bar length.

    Parameters
    ----------
    window : int
        K, bars of memory of the bipower variation; the first K bars are not tested.
    threshold : float
        Critical |L|.
    """

    window: int
    threshold: float


@dataclass(frozen=True, slots=True)
class Jump:
    """The last jump of a market.

    Parameters
    ----------
    bars_since : float
        0: the newest bar holds it; inf: none was seen.
    log_return, statistic : float
        Of its bar: the signed size and L, the size in local standard deviations. 0 when none was seen.
    """

    bars_since: float
    log_return: float
    statistic: float


def window_of(bar_seconds: float) -> int:
    """K for a bar length, ``⌈√(252 · 86,400 / bar_seconds)⌉``, at least 10.

    Notes
    -----
    The smallest window that Lee and Mykland allow, √(252 n) for n bars a day, with a day of 24 hours. It gives the
    usual 16 for daily bars, 78 for an hour, 156 for 15 minutes and 270 for 5, and all between.

    Examples
    --------
    >>> [window_of(seconds) for seconds in (86_400, 3_600, 1_800, 900, 300)]
    [16, 78, 110, 156, 270]
    """
    return max(math.ceil(math.sqrt(252.0 * SECONDS_PER_DAY / bar_seconds)), _SMALLEST_WINDOW)


@lru_cache(maxsize=64)
def jump_test(bar_seconds: float, significance: float = SIGNIFICANCE) -> JumpTest:
    """Test for bars of this length: α is the probability that K bars without jumps hold a false one.

    Examples
    --------
    >>> test = jump_test(3_600)
    >>> test.window, round(test.threshold, 3)
    (78, 4.067)
    """
    window = window_of(bar_seconds)
    return JumpTest(window, critical_value(window, significance))


def gumbel_scale(observations: int, absolute_mean: float = 1.0) -> tuple[float, float]:
    r"""C_n and S_n: location and scale of the largest of n |L|.

    ``C_n = √(2 ln n)/c − (ln π + ln ln n)/(2c √(2 ln n))``, ``S_n = 1/(c √(2 ln n))``.

    Parameters
    ----------
    observations : int
        n ≥ 3.
    absolute_mean : float
        c. 1 when bipower variation carries the factor π/2, so that L has variance one (here); √(2/π) as printed in the
        paper, whose bipower variation does not. They differ by 25 %: mixing them up is the usual mistake.
    """
    if observations < 3:
        raise InvalidInput("observations", "must be >= 3", observations)
    root = math.sqrt(2.0 * math.log(observations))
    correction = (math.log(math.pi) + math.log(math.log(observations))) / (2.0 * root)
    return (root - correction) / absolute_mean, 1.0 / (absolute_mean * root)


def gumbel_quantile(significance: float) -> float:
    """β* of the standard Gumbel law, ``−ln(−ln(1 − α))``: 4.6001 for 1 %."""
    if not 0.0 < significance < 1.0:
        raise InvalidInput("significance", "must be > 0 and < 1", significance)
    return -math.log(-math.log1p(-significance))


def critical_value(observations: int, significance: float = SIGNIFICANCE, absolute_mean: float = 1.0) -> float:
    """|L| that the largest of n bars without jumps exceeds with probability α, ``C_n + S_n β*``.

    Examples
    --------
    >>> round(critical_value(78), 3), round(critical_value(288, absolute_mean=math.sqrt(2 / math.pi)), 3)
    (4.067, 5.395)
    """
    location, scale = gumbel_scale(observations, absolute_mean)
    return location + scale * gumbel_quantile(significance)


def advance(memory: Memory, log_return: float, test: JumpTest) -> Memory:
    """Memory after one more bar; a NaN return tells nothing.

    Parameters
    ----------
    memory : tuple of 6 floats
        See `START`.
    log_return : float
        Of the bar, divided by the root of its hour-of-day factor when there is one.
    test : JumpTest
        Of the bar length.

    Notes
    -----
    While the bipower variation is zero (a price that does not move) nothing is a jump: the size of the first move would
    be infinite.
    """
    if log_return != log_return:
        return memory
    bipower, previous, seen, since, jumped, statistic = memory
    size, since = abs(log_return), since + 1.0
    if seen > test.window and bipower > 0.0 and size > test.threshold * math.sqrt(bipower):
        since, jumped, statistic = 0.0, log_return, log_return / math.sqrt(bipower)
    if seen:
        bipower += max(1.0 / test.window, 1.0 / seen) * (_HALF_PI * size * previous - bipower)
    return (bipower, size, seen + 1.0, since, jumped, statistic)


def read(memory: Memory) -> Jump:
    """Last jump of a memory."""
    return Jump(*memory[3:])


def path(log_returns: Floats, test: JumpTest) -> Floats:
    """Memories after each bar, (m, n, 6), from log returns (m, n): `advance` over whole panels."""
    return hold(log_returns, partial(_run, test=test), START)


def last(log_returns: Floats, test: JumpTest) -> Floats:
    """Memories after the last bar, (m, 6)."""
    return path(log_returns, test)[:, -1]


@dataclass(frozen=True, slots=True)
class BipowerTest:
    """Jumps of a day as a whole.

    Parameters
    ----------
    share : float
        ``max(RV − BV, 0) / RV``: what of the day's variance came in jumps.
    statistic : float
        ``(1 − BV/RV) / √((π²/4 + π − 5) / n · max(1, TQ/BV²))``, standard normal without jumps: above 2.33 at 1 %.
    """

    share: float
    statistic: float


def bipower_test(log_returns: Floats) -> BipowerTest:
    """Barndorff-Nielsen–Shephard ratio test of the returns within one day.

    Parameters
    ----------
    log_returns : (n,) array
        Of equal bars, n ≥ 3, all finite; 48 and more make the normal law a fair one.

    Raises
    ------
    InvalidInput
        If there are fewer than 3 returns or one is not finite.

    Notes
    -----
    ``RV = Σr²``, ``BV = (π/2) n/(n−1) Σ|r_i||r_{i−1}|``, ``TQ = n μ⁻³ n/(n−2) Σ(|r_i||r_{i−1}||r_{i−2}|)^(4/3)`` with
    ``μ = 2^(2/3) Γ(7/6)/Γ(1/2)``. A day without any move has share and statistic 0; one in which no two neighbours
    moved (BV = 0) is all jump: the correction max(1, ·) is then 1.
    """
    count = log_returns.size
    if count < 3 or not np.isfinite(log_returns).all():
        raise InvalidInput("log_returns", "must hold at least 3 values, all finite", log_returns)
    sizes = np.abs(log_returns)
    realized = float(sizes @ sizes)
    if realized == 0.0:
        return BipowerTest(0.0, 0.0)
    sizes = sizes / math.sqrt(realized)
    bipower = _HALF_PI * count / (count - 1) * float(sizes[1:] @ sizes[:-1])
    moment = 2.0 ** (2.0 / 3.0) * gamma(7.0 / 6.0) / gamma(0.5)
    triples = float(np.sum((sizes[2:] * sizes[1:-1] * sizes[:-2]) ** (4.0 / 3.0)))
    quarticity = count * moment**-3 * count / (count - 2) * triples
    spread = max(1.0, quarticity / bipower**2) if bipower > 0.0 else 1.0
    error = math.sqrt((math.pi**2 / 4.0 + math.pi - 5.0) / count * spread)
    return BipowerTest(max(1.0 - bipower, 0.0), (1.0 - bipower) / error)


def _run(log_returns: Floats, test: JumpTest) -> Floats:
    sizes = np.abs(log_returns)
    bipower = _bipower_path(sizes, test.window)
    local = np.sqrt(np.concatenate([np.zeros((len(sizes), 1)), bipower[:, :-1]], axis=-1))
    seen = np.broadcast_to(np.arange(sizes.shape[-1], dtype=float), sizes.shape)
    jumped = (seen > test.window) & (local > 0.0) & (sizes > test.threshold * local)
    statistic = np.divide(log_returns, local, where=jumped, out=np.zeros(sizes.shape))
    position, since = newest(jumped)
    size, level = (np.take_along_axis(np.where(jumped, x, 0.0), position, axis=-1) for x in (log_returns, statistic))
    return np.stack([bipower, sizes, seen + 1.0, since, size, level])


def _bipower_path(sizes: Floats, window: int) -> Floats:
    """Bipower variation after each bar: the plain mean of the first K products, then the moving average."""
    products = _HALF_PI * sizes[:, 1:] * sizes[:, :-1]
    head = products[:, :window]
    mean = np.cumsum(head, axis=-1) / np.arange(1, head.shape[-1] + 1)
    gain, rest = 1.0 / window, products[:, window:]
    parts = [np.zeros((len(sizes), 1)), mean]
    if rest.shape[-1]:
        parts.append(lfilter([gain], [1.0, gain - 1.0], rest, axis=-1, zi=(1.0 - gain) * mean[:, -1:])[0])
    return np.concatenate(parts, axis=-1)
