"""Rows of boxes side by side, as a form has them, with digits in them: drawn, so that all is known.

The digits are somebody's own, of a set like MNIST; their strokes may touch the lines.
"""

import numpy as np
from PIL import Image, ImageDraw

MARGIN = 60
_FINER = 2


def row(digits, rng, *, degrees=0.0, line=2.0, printed=0.5, written=0.85, box=(120, 120),
        sizes=(0.6, 0.8), boxed=True):  # fmt: skip
    """A photo of a row, float32 in 0..1.

    Args:
      digits: uint8 [28, 28] each, None for an empty box.
      rng: places and sizes of the digits, grain and noise.
      degrees: by which all is turned.
      line: width of the lines in pixels.
      printed: ink of the lines, 0..1.
      written: ink of the digits; less than 0.6 has a pencil's grain.
      box: width and height.
      sizes: least and most of a digit, in boxes.
      boxed: without it there are no lines, all else being the same.
    """
    width, height = box
    size = (len(digits) * width + 2 * MARGIN, height + 2 * MARGIN)
    lines, strokes = (Image.new("L", [side * _FINER for side in size]) for _ in range(2))
    for position, digit in enumerate(digits):
        left = MARGIN + position * width
        corners = [left, MARGIN, left + width, MARGIN + height]
        half = np.array([-1, -1, 1, 1]) * line / 2
        ImageDraw.Draw(lines).rectangle(
            [float(each) for each in (np.array(corners) + half) * _FINER],
            outline=255,
            width=round(line * _FINER),
        )
        if digit is not None:
            _write(strokes, digit, corners, rng.uniform(*sizes), rng)
    lines, strokes = (
        np.asarray(sheet.rotate(degrees, Image.Resampling.BICUBIC).resize(size), float) / 255
        for sheet in (lines, strokes)
    )
    if written < 0.6:
        strokes = strokes * rng.uniform(0.75, 1.1, strokes.shape)
    ink = np.maximum(printed * lines * boxed, written * strokes)
    y, x = np.indices(ink.shape) / max(ink.shape)
    grey = (0.92 - 0.15 * x - 0.1 * y) * (1 - ink) + rng.normal(0, 0.012, ink.shape)
    return grey.clip(0, 1).astype(np.float32)


def _write(sheet, digit, corners, size, rng):
    left, top, right, bottom = corners
    rows, columns = (np.flatnonzero((digit > 40).any(axis=axis)) for axis in (1, 0))
    cut = Image.fromarray(digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = _FINER * size * min(right - left, bottom - top) / max(cut.size)
    cut = cut.resize([max(1, round(side * scale)) for side in cut.size], Image.Resampling.BICUBIC)
    free = (right - left) * _FINER - cut.width, (bottom - top) * _FINER - cut.height
    at = [
        round(start * _FINER + room * rng.uniform(0.2, 0.8))
        for start, room in zip((left, top), free, strict=True)
    ]
    sheet.paste(cut, at)
