"""The filters of C1, and what some layers make of one digit."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lenet_jax.report.figures import (
    FAINT,
    SMALL,
    add_headings,
    add_text,
    empty_canvas,
    empty_figure,
    ink,
    paste,
    signed,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Screen pixels of a map, about, whatever its size, and between two of them.
SIDE, GAP = 84, 8
MARGIN, LABELS, HEAD = 24, 132, 92


def draw_layers(
    filters_CxHxW: np.ndarray,
    image_HxW: np.ndarray,
    maps: Mapping[str, np.ndarray],
    columns: int = 8,
) -> "Figure":
    """The filters of C1, a digit, and its maps layer by layer.

    Args:
      filters_CxHxW: of C1.
      image_HxW: the digit, in 0..255; 0 is background and 255 is ink.
      maps: layer -> maps [C, H, W] of the digit, in the order of the layers.
      columns: maps in a row.

    Returns:
      908 pixels wide for 8 columns, and as high as the layers ask for.
    """
    rows = [("C1, filters", filters_CxHxW), *maps.items()]
    lines = [-(-len(tiles) // columns) for _, tiles in rows]
    height = HEAD + (1 + sum(lines)) * (SIDE + GAP) + (1 + len(rows)) * GAP + MARGIN
    figure = empty_figure(MARGIN + LABELS + columns * (SIDE + GAP) - GAP + MARGIN, height)
    canvas = empty_canvas(figure)
    top = HEAD
    paste(canvas, ink(image_HxW), MARGIN + LABELS, top, SIDE // len(image_HxW))
    _label(figure, top, "digit", image_HxW)
    top += SIDE + 2 * GAP
    for (name, tiles_CxHxW), count in zip(rows, lines, strict=True):
        limit = float(np.abs(tiles_CxHxW).max()) or 1.0
        zoom = max(1, SIDE // tiles_CxHxW.shape[-1])
        for index, tile_HxW in enumerate(tiles_CxHxW):
            left = MARGIN + LABELS + index % columns * (SIDE + GAP)
            below = top + index // columns * (SIDE + GAP)
            paste(canvas, signed(tile_HxW, limit), left, below, zoom)
        _label(figure, top, name, tiles_CxHxW, f"\N{PLUS-MINUS SIGN}{limit:.2f}")
        top += count * (SIDE + GAP) + GAP
    figure.figimage(canvas)
    add_headings(
        figure,
        "What the layers make of one digit",
        "Orange is above zero, blue below, no colour is zero; a scale for each layer",
        MARGIN,
    )
    return figure


def _label(figure: "Figure", top: int, name: str, tiles: np.ndarray, scale: str = "") -> None:
    size = " x ".join(map(str, tiles.shape))
    for line, text in enumerate((name, size, scale)):
        style = {"fontsize": SMALL} if line == 0 else {"color": FAINT}
        add_text(figure, MARGIN, top + 18 + 18 * line, text, **style)
