"""100,000 options: price with four Greeks, and implied volatility, beside QuantLib and the fastest peers.

Hypothesis: price, delta, gamma, vega and theta take some 7 ms on one core, linear in their number, and at least eighty
times less than QuantLib's calculator called from Python; implied volatilities take some 16 ms, no more than the
compiled peers, with the error of Jäckel's algorithm (a few units in the last place) or a thousand times less.

Input: random options of a day to two years within three standard deviations, in and out of the money; QuantLib is
measured on 2,000 of them and scaled. Errors are against prices of eighty digits, out of the money. Nothing is asserted
about time, which is that of the processor; numba's compilation is not counted.

The compiled peers are heavy: `make bench-peers` runs this file in an environment that has them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - as everybody writes it

from services.core.explain import Floats
from services.options.black import black_greeks, black_price, core_greeks
from services.options.implied_volatility import implied_volatility
from tests.benchmark.test_kernels import OPTIONS, SAMPLE, options, quantlib_greeks
from tests.support.black_reference import black_price_reference

pytestmark = pytest.mark.benchmark
EXACT = 2_000
ROUNDS = 15
Terms = dict[str, np.ndarray]


def best_ms(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Least milliseconds of processor time, after one call to warm up: what else runs on the machine only adds."""
    work()
    spent = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        spent.append((time.process_time() - started) * 1e3)
    return min(spent)


def exact_prices() -> Terms:
    """Options out of the money, undiscounted, with prices right to the last bit."""
    terms = options(EXACT)
    terms["right"] = np.where(terms["strike"] >= terms["forward"], 1, -1)
    terms["discount"] = np.ones(EXACT)
    columns = (terms["forward"], terms["strike"], terms["time_to_expiry"], terms["volatility"], terms["right"])
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {**terms, "price": np.array([black_price_reference(*row) for row in rows])}


def quantlib_volatilities(terms: Terms) -> Floats:
    """Implied standard deviation by Li's rational start and relaxation, as volatility."""
    names = ("right", "strike", "forward", "price", "discount")
    rows = zip(*(terms[name].tolist() for name in names), strict=True)
    sides = {1: ql.Option.Call, -1: ql.Option.Put}
    found = [
        ql.blackFormulaImpliedStdDevLiRS(sides[right], *numbers, 0.0, ql.nullDouble(), 1.0, 1e-12, 1000)
        for right, *numbers in rows
    ]
    return np.asarray(np.array(found) / np.sqrt(terms["time_to_expiry"]))


def ours(terms: Terms) -> Floats:
    names = ("price", "forward", "strike", "time_to_expiry", "right")
    return implied_volatility(*(terms[name] for name in names), discount=terms["discount"]).volatility


def vanilla_option_pricers(terms: Terms) -> Floats:
    """Jäckel's algorithm in numba, in one compiled loop: its own array calls take one expiry at a time."""
    arrays = (terms[name] for name in ("price", "forward", "strike", "time_to_expiry", "right", "discount"))
    found: Floats = _compiled()(*arrays)
    return found


def _compiled() -> Callable[..., Any]:
    if not _LOOPS:
        invert = import_module("vanilla_option_pricers.black_scholes").infer_bsm_implied_vol

        def loop(
            price: Floats, forward: Floats, strike: Floats, years: Floats, right: Floats, discount: Floats
        ) -> Floats:
            found = np.empty_like(price)
            for row in range(price.size):
                side = "C" if right[row] > 0 else "P"
                found[row] = invert(forward[row], years[row], strike[row], price[row], discount[row], side)
            return found

        _LOOPS.append(import_module("numba").njit(loop))
    return _LOOPS[0]


_LOOPS: list[Callable[..., Any]] = []


def fast_vollib(backend: str) -> Callable[[Terms], Floats]:
    """Its array call for Black's model; it takes a rate instead of a discount factor, and letters for sides."""

    def work(terms: Terms) -> Floats:
        invert = import_module("fast_vollib").fast_implied_volatility_black
        rate = -np.log(terms["discount"]) / terms["time_to_expiry"]
        found: Floats = invert(
            terms["price"],
            terms["forward"],
            terms["strike"],
            rate,
            terms["time_to_expiry"],
            terms["letters"],
            return_as="numpy",
            on_error="ignore",
            backend=backend,
        )
        return found

    return work


PEERS: dict[str, tuple[str, Callable[[Terms], Floats], int]] = {
    "vanilla-option-pricers (numba)": ("vanilla_option_pricers", vanilla_option_pricers, OPTIONS),
    "fast-vollib (numba)": ("fast_vollib", fast_vollib("numba"), OPTIONS),
    "fast-vollib (numpy)": ("fast_vollib", fast_vollib("numpy"), OPTIONS),
    "QuantLib, LiRS, scaled": ("QuantLib", quantlib_volatilities, SAMPLE),
}


def with_letters(terms: Terms) -> Terms:
    return {**terms, "letters": np.where(terms["right"] > 0, "c", "p")}


def test_price_and_four_greeks_beside_quantlib() -> None:
    terms, sample = options(OPTIONS), options(SAMPLE)
    core, whole = best_ms(lambda: core_greeks(**terms)), best_ms(lambda: black_greeks(**terms))
    loop = best_ms(lambda: quantlib_greeks(sample), 5) * OPTIONS / SAMPLE
    print(f"\n{f'{OPTIONS:,} options':<44}{'ms':>10}{'QuantLib / it':>16}")
    for label, took in (
        ("price, delta, gamma, vega, theta", core),
        ("price and ten figures", whole),
        (f"QuantLib, price and four, scaled from {SAMPLE:,}", loop),
    ):
        print(f"{label:<44}{took:>10.2f}{loop / took:>16.1f}")


def test_implied_volatility_beside_peers() -> None:
    terms, sample, exact = options(OPTIONS), options(SAMPLE), with_letters(exact_prices())
    for drawn in (terms, sample):
        drawn["price"] = black_price(**drawn)
    terms, sample = with_letters(terms), with_letters(sample)
    print(f"\n{f'{OPTIONS:,} implied volatilities':<44}{'ms':>10}{'it / ours':>12}{'max rel. error':>16}{'/ ours':>10}")
    took, error = best_ms(lambda: ours(terms)), largest_error(ours, exact)
    print(f"{'ours':<44}{took:>10.2f}{1.0:>12.2f}{error:>16.1e}{1.0:>10.1f}")
    for label, (module, invert, count) in PEERS.items():
        if find_spec(module) is None:
            print(f"{label:<44}{'not installed: make bench-peers':>38}")
            continue
        drawn = terms if count == OPTIONS else sample
        theirs = best_ms(lambda invert=invert, drawn=drawn: invert(drawn), 7) * OPTIONS / count  # type: ignore[misc]
        off = largest_error(invert, exact)
        print(f"{label:<44}{theirs:>10.2f}{theirs / took:>12.2f}{off:>16.1e}{off / error:>10.1f}")
    assert error < 3e-15


def largest_error(invert: Callable[[Terms], Floats], exact: Terms) -> float:
    """Largest relative error, infinite where it gives no number."""
    error = np.abs(invert(exact) / exact["volatility"] - 1.0)
    return float(np.where(np.isnan(error), np.inf, error).max())
