"""What all pictures share: sizes in pixels, colours, type, and the way into a PNG."""

import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from lenet_jax.files import make_folder, to_path
from lenet_jax.runs import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120

# Okabe and Ito's colours, told apart by everybody.
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
INK, FAINT, GRID, PAPER = "#222222", "#767676", "#e0e0e0", "#ffffff"
# Type in points: headings, axis labels, what stands below a heading, and what titles a digit.
LARGE, MEDIUM, SMALL, TINY = 13.0, 12.0, 9.5, 8.0


def empty_figure(width: int, height: int, **options: Any) -> "Figure":
    """An empty figure of a size in pixels; `savefig` draws it with Agg."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAPER, **options)


def add_headings(figure: "Figure", heading: str, subheading: str, left: int) -> None:
    """Writes two lines at the top of a figure, `left` pixels from its edge."""
    width, height = figure.get_size_inches() * DPI
    for text, top, size, colour in ((heading, 38, LARGE, INK), (subheading, 64, SMALL, FAINT)):
        figure.text(left / width, 1 - top / height, text, fontsize=size, color=colour)


def add_text(figure: "Figure", left: float, top: float, text: str, **options: Any) -> None:
    """Writes a text whose baseline is `top` pixels from the top, `left` from the left edge."""
    width, height = figure.get_size_inches() * DPI
    style: dict[str, Any] = {"fontsize": TINY, "color": INK} | options
    figure.text(left / width, 1 - top / height, text, **style)


def quiet_axes(axes: "Axes") -> None:
    """A faint grid behind the data, and no frame around it."""
    axes.grid(color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def empty_canvas(figure: "Figure") -> np.ndarray:
    """The paper of a figure, pixel by pixel, uint8 [height, width, 3]."""
    width, height = np.rint(figure.get_size_inches() * DPI).astype(int)
    return np.full((height, width, 3), 255, np.uint8)


def paste(canvas: np.ndarray, tile: np.ndarray, left: int, top: int, zoom: int) -> None:
    """Sets a picture on a canvas, each of its pixels a square of `zoom` pixels.

    Args:
      canvas: as `empty_canvas` gives it; changed in place.
      tile: uint8 [height, width, 3].
      left: of the picture's corner on the canvas.
      top: likewise.
      zoom: a whole number keeps the squares square.
    """
    large = tile.repeat(zoom, axis=0).repeat(zoom, axis=1)
    canvas[top : top + large.shape[0], left : left + large.shape[1]] = large


def ink(image_HxW: np.ndarray) -> np.ndarray:
    """A digit, 0..255, as dark ink on light paper, uint8 [H, W, 3]."""
    grey_HxW = 255 - np.rint(np.clip(image_HxW, 0, 255)).astype(np.uint8)
    return np.repeat(grey_HxW[..., None], 3, axis=2)


def signed(values_HxW: np.ndarray, limit: float) -> np.ndarray:
    """Numbers in [-limit, limit] as colours, uint8 [H, W, 3]: blue below zero, orange above."""
    part_HxWx1 = np.clip(values_HxW / limit, -1, 1)[..., None]
    ends = (np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) for colour in (BLUE, ORANGE))
    below, above = ends
    colour = np.where(part_HxWx1 < 0, below, above)
    mixed: np.ndarray = np.rint(255 + np.abs(part_HxWx1) * (colour - 255.0)).astype(np.uint8)
    return mixed


def png(figure: "Figure") -> bytes:
    """The PNG of a figure, in the pixels that it was drawn for."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi, facecolor=PAPER)
    return buffer.getvalue()


def write(figure: "Figure", path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Writes a figure as a PNG, whole or not at all; its folder is made if it is missing.

    Args:
      figure: to be written.
      path: of the PNG.
      overwrite: a file that was not written here may be replaced.

    Raises:
      UserError: another file is there, or the folder or the file cannot be written.
    """
    make_folder(to_path(path).parent)
    written.write(path, png(figure), overwrite=overwrite)
