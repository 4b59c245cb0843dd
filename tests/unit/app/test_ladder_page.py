"""The picture of the ladder is of what the code says, and its book is hedged."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from scripts.ladder_page import MOVES, NAME, SPOT, hedge, ladder, picture, straddle
from scripts.volatility_page import IMAGES
from scripts.volatility_plots import summarized
from services.options.exposures import leg_exposures, summed


def test_the_picture_was_drawn_from_what_the_code_gives() -> None:
    with Image.open(IMAGES / f"{NAME}.png") as image:
        drawn = json.loads(image.text["Figures"])  # type: ignore[attr-defined]
    _, curves = picture()
    found = summarized(curves)
    assert drawn.keys() == found.keys()
    for name, (count, mean, last) in found.items():
        assert drawn[name][0] == count
        assert drawn[name][1:] == pytest.approx([mean, last], rel=1e-6, abs=1e-6), "run make docs"


def test_the_book_is_flat_where_it_stands_and_worst_at_an_edge() -> None:
    book = [*straddle(), hedge()]
    assert summed(leg_exposures(book)).delta_coin == pytest.approx(0.0, abs=1e-12)
    pnl, grid = ladder(book, SPOT, MOVES)
    row, column = np.unravel_index(int(pnl.argmin()), pnl.shape)
    assert (row in (0, SPOT.size - 1), column) == (True, MOVES.size - 1)
    assert not pnl[grid.spot_shocks == 0.0][0][grid.volatility_shocks == 0.0].any()
