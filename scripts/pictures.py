"""Pictures of the documentation as files: small, and with the figures that they were drawn from."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def save(figure: Figure, path: Path, note: str) -> None:
    """Write a PNG in 128 colours, which is a third of the bytes; `note` is kept in it as its `Figures`."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    told = PngInfo()
    told.add_text("Figures", note)
    few = Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    few.save(path, format="png", optimize=True, pnginfo=told)
