"""The picture of surfaces is of what the code says, and its chain is one that the surface fits."""

from __future__ import annotations

import json

from PIL import Image

from scripts.surface_page import EXPIRIES, PICTURE, fitted
from services.options.no_arbitrage import audit


def test_the_made_up_chain_is_fitted_within_its_quotes() -> None:
    _, surface = fitted()
    assert len(surface.slices) == len(EXPIRIES)
    assert min(part.inside or 0.0 for part in surface.slices) >= 0.9
    assert audit(surface).clean


def test_the_picture_holds_the_figures_of_today() -> None:
    _, surface = fitted()
    with Image.open(PICTURE) as picture:
        told = json.loads(picture.info["Figures"])
    assert told == [round(part.rmse, 4) for part in surface.slices]
