"""What all pictures share: sizes in pixels, colours, headings, and the way into a PNG."""

import io
import os
from typing import TYPE_CHECKING, Any

from lenet_jax.errors import UserError
from lenet_jax.files import place, shown, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 120

# Okabe and Ito's colours, told apart by everybody.
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
INK, FAINT, GRID, PAPER = "#222222", "#767676", "#e0e0e0", "#ffffff"


def empty_figure(width: int, height: int, **options: Any) -> "Figure":
    """An empty figure of a size in pixels; `savefig` draws it with Agg."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAPER, **options)


def add_headings(figure: "Figure", heading: str, subheading: str, left: int) -> None:
    """Writes two lines at the top of a figure, `left` pixels from its edge."""
    width, height = figure.get_size_inches() * DPI
    for text, top, size, colour in ((heading, 38, 13.0, INK), (subheading, 64, 9.5, FAINT)):
        figure.text(left / width, 1 - top / height, text, fontsize=size, color=colour)


def png(figure: "Figure") -> bytes:
    """The PNG of a figure, in the pixels that it was drawn for."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi, facecolor=PAPER)
    return buffer.getvalue()


def write(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Writes a figure as a PNG, whole or not at all; its folder is made if it is missing.

    Raises:
      UserError: the folder or the file cannot be written.
    """
    folder = place(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{shown(folder)}: cannot be made a folder ({error.strerror})") from None
    write_atomically(path, png(figure))
