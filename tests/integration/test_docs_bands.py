"""docs/images/hedge_bands.png shows what the code says now, and the measured page says what its command does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.bands_page import NAME, draw, picture, walked
from scripts.volatility_page import IMAGES
from scripts.volatility_plots import summarized
from tests.evaluation.hedge_bands import DOCUMENT, PATHS, SETTINGS, rules_of
from tests.evaluation.hedge_bands import __doc__ as told


def figures(path: Path) -> dict[str, list[float]]:
    """What a picture was drawn from."""
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG" and min(image.size) >= 500
        return dict(json.loads(image.info["Figures"]))


def test_the_picture_shows_what_the_code_says_now(tmp_path: Path) -> None:
    path = IMAGES / f"{NAME}.png"
    assert path.stat().st_size < 150_000
    drawn, now = figures(path), summarized(picture()[1])
    assert drawn.keys() == now.keys()
    stale = [curve for curve, values in now.items() if values != pytest.approx(drawn[curve], rel=2e-3)]
    assert stale == [], "run make docs"
    written = draw(tmp_path)[NAME]
    assert figures(tmp_path / f"{NAME}.png") == json.loads(json.dumps(written))


def test_orders_of_the_path_start_beyond_the_band_and_end_at_the_inner_width() -> None:
    walk = walked()
    made = walk["orders"] != 0.0
    assert (np.abs(walk["before"]) > walk["outer"]).tolist() == made.tolist()
    assert np.abs(walk["net"][made]) == pytest.approx(walk["inner"][made])


def test_the_measured_page_is_of_this_protocol() -> None:
    text = DOCUMENT.read_text()
    assert (told or "").partition("\n\n")[2].strip() in text
    assert f"{PATHS:,} paths" in text
    for setting in SETTINGS:
        (table,) = [part for part in text.split("**") if part == setting.title]
        after = text.partition(f"**{table}**")[2].partition("**")[0]
        assert all(f"| {name} |" in after for name in rules_of(setting))
