"""Pages of squared, ruled and dotted paper with digits on them, drawn so that all is known."""

import numpy as np
from PIL import Image, ImageDraw

from support.strokes import STROKES

WIDTH, HEIGHT = 900, 1100
# Ink in 0..1 of what is printed and of what one writes with; and the pen's width in pixels.
PRINT = {"light": 0.16, "dark": 0.45}
PENS = {"pen": (0.8, 7), "pencil": (0.5, 5)}


def page(digits, ruling="squared", tone="light", pen="pen", degrees=0.0, seed=0, square=42):
    """A photo of a page, uint8 [1100, 900], and the boxes of its digits.

    Six digits stand in two lines of three, of varying size and place; printed lines and all are
    turned, the light falls from a side, and there is noise.
    """
    rng = np.random.default_rng(seed)
    printed = _printed(ruling, square, degrees, rng)
    written = Image.new("L", (WIDTH, HEIGHT))
    pencil = ImageDraw.Draw(written)
    strength, width = PENS[pen]
    for position, digit in enumerate(digits):
        size = rng.uniform(190, 260)
        left = 40 + (position % 3) * 275 + rng.uniform(0, 20)
        top = 180 + (position // 3) * 400 + rng.uniform(-25, 25)
        for stroke in STROKES[digit]:
            points = [(left + x * size, top + y * size) for x, y in stroke]
            pencil.line(points, fill=255, width=width, joint="curve")
            for x, y in points:
                radius = width / 2
                pencil.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    written = np.asarray(written, np.float64) / 255
    if pen == "pencil":
        # Graphite leaves the paper's grain bare.
        written *= rng.uniform(0.75, 1.1, written.shape)
    ink = np.maximum(PRINT[tone] * printed, strength * written)
    y, x = np.indices(ink.shape) / HEIGHT
    light = 0.92 - 0.15 * x - 0.1 * y
    grey = light * (1 - ink) + rng.normal(0, 0.012, ink.shape)
    return (255 * grey.clip(0, 1)).astype(np.uint8)


def _printed(ruling, square, degrees, rng):
    """Lines of two pixels, or dots, in 0..1, turned about the middle of the page."""
    # Drawn four times as large, and wide enough to be turned.
    scale, margin = 3, 200
    wide, high = (scale * (side + 2 * margin) for side in (WIDTH, HEIGHT))
    sheet = Image.new("L", (wide, high))
    pencil = ImageDraw.Draw(sheet)
    step = square * scale
    offset = rng.uniform(0, step, 2)
    across, down = np.arange(offset[0], wide, step), np.arange(offset[1], high, step)
    if ruling == "dotted":
        for x in across:
            for y in down:
                pencil.ellipse([x - 6, y - 6, x + 6, y + 6], fill=255)
    else:
        for y in down if ruling == "squared" else down[::2]:
            pencil.line([0, y, wide, y], fill=255, width=2 * scale)
        for x in across if ruling == "squared" else ():
            pencil.line([x, 0, x, high], fill=255, width=2 * scale)
    sheet = sheet.rotate(degrees, Image.Resampling.BILINEAR)
    sheet = sheet.resize((wide // scale, high // scale), Image.Resampling.BOX)
    return np.asarray(sheet, np.float64)[margin:-margin, margin:-margin] / 255
