"""Finds the printed lines of squared and ruled paper in a picture, and takes them out.

Printed lines run through the whole picture, straight, and more or less evenly spaced; whatever is
written does not. They are followed strip by strip, for paper is never quite flat.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Of the picture's strips in which a line must be seen, and lines that make a ruling.
_COVERAGE, _LEAST_LINES = 0.6, 5
_STEEPEST, _STEP = 7.0, 0.25
_STRIP = 16
# Pixels by which a line may leave the straight one through its ends.
_SLACK = 3


class Ruling(NamedTuple):
    """The lines across a page and those down: their pixels, and how thick they are.

    None where there are none; the pixels of those down are turned so that they run across.
    """

    across: tuple[Mask, int] | None
    down: tuple[Mask, int] | None


def find(ink: Ink) -> Ruling:
    """The printed lines of a page.

    Args:
      ink: how far each pixel is from the paper, about 0 for paper [height, width].
    """
    return Ruling(_lines(ink), _lines(ink.T))


def without_ruling(ink: Ink, found: Ruling) -> Ink:
    """The ink of a page without that of its printed lines.

    Args:
      ink: as `find` takes it.
      found: in this ink.

    Returns:
      The same array where there is no ruling. Elsewhere a stroke that crosses a line stays whole,
      by what it is above and below the line.
    """
    if found == (None, None):
        return ink
    cleaned, edge = ink, 0
    for lines, turned in ((found.across, False), (found.down, True)):
        if lines is not None:
            part = cleaned.T if turned else cleaned
            mask, thickness = lines
            part = taken_out(part, mask, thickness)
            cleaned = part.T if turned else part
            edge = max(edge, thickness + 2)
    # What is left of a line that grazes the edge.
    inner = np.zeros_like(cleaned)
    inside = slice(edge, -edge), slice(edge, -edge)
    inner[inside] = cleaned[inside]
    return inner


def _lines(ink: Ink) -> tuple[Mask, int] | None:
    """The pixels of the lines that run across, and how thick these are; None without a ruling."""
    height, width = ink.shape
    if min(height, width) < 8 * _STRIP:
        return None
    ridges = _ridges(ink)
    strips = width // _STRIP
    cut = ridges[:, : strips * _STRIP].reshape(height, strips, _STRIP)
    profile_HxL = cut.mean(2)
    slope = _slope(profile_HxL)
    rows = _rows(profile_HxL, slope)
    if len(rows) < _LEAST_LINES or not _is_even(rows):
        return None
    thickness = _thickness(profile_HxL, rows, slope)
    mask = np.zeros(ink.shape, np.bool_)
    middles = (np.arange(strips) + 0.5) * _STRIP
    columns = np.arange(width)
    half = thickness / 2 + 0.5
    reach = int(width / 2 * abs(slope))
    for row in _continued(rows, -reach, height + reach):
        path_L = _followed(profile_HxL, row, slope)
        path_W = np.interp(columns, middles, path_L)
        # Beyond the middles of the outermost strips the line goes on as it goes.
        outside = (columns < middles[0]) | (columns > middles[-1])
        nearest = np.clip(columns, middles[0], middles[-1])
        path_W = path_W + np.where(outside, (columns - nearest) * slope, 0)
        for offset in range(-int(np.ceil(half)), int(np.ceil(half)) + 1):
            at = np.rint(path_W).astype(int) + offset
            inside = (at >= 0) & (at < height) & (abs(at - path_W) <= half)
            mask[at[inside], columns[inside]] = True
    return mask, thickness


def _ridges(ink: Ink) -> Ink:
    """How far ink stands out from what is a few pixels above and below it."""
    from scipy import ndimage

    around = ndimage.grey_opening(ink, size=(_widest(ink), 1))
    ridges: Ink = ndimage.uniform_filter1d(np.minimum(ink - around, 0.3), 3, axis=1)
    return ridges


def _widest(ink: Ink) -> int:
    """Thicker than a printed line is, in pixels."""
    return max(5, max(ink.shape) // 100) | 1


def _slope(profile_HxL: Ink) -> float:
    """Rows that the lines go down by in one column, where they are most alike in all strips."""
    best, best_score = 0.0, -1.0
    angles = np.arange(-_STEEPEST, _STEEPEST + _STEP / 2, _STEP)
    for step in (_STEP, 0.05):
        if step != _STEP:
            middle = np.degrees(np.arctan(best))
            angles = np.arange(middle - _STEP, middle + _STEP, step)
        for angle in angles:
            slope = float(np.tan(np.radians(angle)))
            summed = _straightened(profile_HxL, slope).mean(1)
            score = float(summed.var())
            if score > best_score:
                best, best_score = slope, score
    return best


def _straightened(profile_HxL: Ink, slope: float) -> Ink:
    """The strips moved up or down so that lines of this slope are level; zeros move in."""
    height, strips = profile_HxL.shape
    # About the middle column, so that least is lost.
    shifts = np.rint((np.arange(strips) - (strips - 1) / 2) * _STRIP * slope).astype(int)
    rows = np.arange(height)[:, None] + shifts
    inside = (rows >= 0) & (rows < height)
    moved: Ink = np.where(
        inside, profile_HxL[np.clip(rows, 0, height - 1), np.arange(strips)], np.float32(0)
    )
    return moved


def _rows(profile_HxL: Ink, slope: float) -> list[int]:
    """Where lines cross the middle column."""
    from scipy import ndimage

    strips = profile_HxL.shape[1]
    level = _straightened(profile_HxL, slope)
    inside = _straightened(np.ones_like(profile_HxL), slope) > 0
    near = ndimage.maximum_filter1d(level, 2 * _SLACK + 1, axis=0)
    # Above what the grain of the paper gives in most rows.
    grain = float(np.median(near))
    high = float(np.percentile(level, 99))
    seen = near > max(grain + 0.35 * (high - grain), 1.5 * grain)
    coverage = (seen & inside).sum(1) / np.maximum(inside.sum(1), 1)
    strength = np.where(inside, level, 0).sum(1) / np.maximum(inside.sum(1), 1)
    strength = np.where((coverage >= _COVERAGE) & (inside.sum(1) >= strips / 4), strength, 0)
    peaks = ndimage.maximum_filter1d(strength, 4 * _SLACK + 1)
    return np.flatnonzero((strength > 0) & (strength == peaks)).tolist()


def _is_even(rows: list[int]) -> bool:
    """Whether most gaps between rows are multiples of one of them."""
    gaps = np.diff(rows)
    usual = float(np.median(gaps))
    off = abs(gaps / usual - np.maximum(1, np.rint(gaps / usual)))
    return bool((off < 0.2).mean() >= 0.7)


def _continued(rows: list[int], first: int, last: int) -> list[int]:
    """The rows, and those that follow above and below them, which cross a corner or an edge."""
    gap = int(np.median(np.diff(rows)))
    above = list(range(rows[0] - gap, first - gap // 2, -gap))
    below = list(range(rows[-1] + gap, last + gap // 2, gap))
    return [*reversed(above), *rows, *below]


def _thickness(profile_HxL: Ink, rows: list[int], slope: float) -> int:
    """Of the lines, in pixels, at half their height."""
    reach = 2 * _SLACK + 2
    around = []
    for row in rows:
        path_L = _followed(profile_HxL, row, slope)
        for strip, at in enumerate(np.rint(path_L).astype(int)):
            if reach <= at < len(profile_HxL) - reach:
                around.append(profile_HxL[at - reach : at + reach + 1, strip])
    if not around:
        return 2
    mean = np.median(around, axis=0)
    return max(1, int((mean > mean[reach] / 2).sum()))


def _followed(profile_HxL: Ink, row: int, slope: float) -> NDArray[np.float64]:
    """The row of a line in each strip: near the straight one, where it is strongest."""
    from scipy import ndimage

    height, strips = profile_HxL.shape
    straight_L = row + (np.arange(strips) - (strips - 1) / 2) * _STRIP * slope
    offsets = np.arange(-_SLACK, _SLACK + 1)
    at = np.rint(straight_L[:, None] + offsets).astype(int)
    values = profile_HxL[np.clip(at, 0, height - 1), np.arange(strips)[:, None]]
    weight = np.maximum(values, 1e-6) ** 2
    drift_L = (weight * (at - straight_L[:, None])).sum(1) / weight.sum(1)
    # A stroke along the line pulls a strip or two away; its neighbours know better.
    drift_L = ndimage.median_filter(drift_L, size=7, mode="nearest")
    followed: NDArray[np.float64] = straight_L + drift_L
    return followed


def taken_out(ink: Ink, mask: Mask, thickness: int) -> Ink:
    """Ink without lines that run across, given as the pixels of all and the thickness of one."""
    from scipy import ndimage

    line = float(np.median(ink[mask]))
    # Darker than a line can be: what is written with a pen goes on over it.
    grain = float(np.percentile(abs(ink[mask] - line), 80))
    only_line = mask & (ink < line + max(3 * grain, 0.1))
    bare = np.where(only_line, 0, ink).astype(np.float32)
    # A stroke is on both sides of a line that it crosses.
    size = thickness + 4
    bridged = ndimage.grey_closing(bare, size=(size, 1))
    slanted = [_sheared_closing(bare, size, slope) for slope in (-1, 1)]
    bridged = np.maximum.reduce([bridged, *slanted])
    taken: Ink = np.where(only_line, np.minimum(bridged, ink), ink).astype(np.float32)
    return taken


def longest_stretch(there: Mask, gap: int) -> slice:
    """The longest stretch of what is there but for gaps of at most so many; empty without any."""
    from scipy import ndimage

    closed = ndimage.binary_closing(np.pad(there, gap), np.ones(gap))[gap:-gap]
    pieces, _ = ndimage.label(closed)
    found = [piece for (piece,) in ndimage.find_objects(pieces)]
    return max(found, key=lambda piece: piece.stop - piece.start, default=slice(0, 0))


def _sheared_closing(ink: Ink, size: int, slope: int) -> Ink:
    from scipy import ndimage

    footprint = np.eye(size, dtype=bool)[:: slope or 1]
    closed: Ink = ndimage.grey_closing(ink, footprint=footprint)
    return closed
