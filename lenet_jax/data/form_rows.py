"""Finds rows of boxes side by side, as forms have for one digit each, and takes their lines out.

A row is two level lines of the same ends and walls between them, all a box apart. The lines are
looked for in the grey values, for print is often paler than what is written, and the picture is
made level by them first. Where a row is seen but not understood, that is said: whoever goes on
would take walls for ones.
"""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import ruling
from lenet_jax.data.frames import Box, Labels2D

Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]

_STEEPEST, _STEP = 6.0, 0.1
_LEAST_SIDE = 24
# Along a line, in pixels: what is averaged, and the widest gap.
_ALONG, _GAP = 15, 6
# Of a line: what of it must be there, and be as thin as a line, not hidden by a stroke.
_WHOLE, _BARE = 0.9, 0.35
# Of the row's height: how far ends may differ, and how thick a line may be; of a box's width, how
# far a wall may stand from its place.
_ENDS, _THICK, _UNEVEN = 0.12, 0.2, 0.04
_MOST_POINTS = 40_000
# Of a digit's ink, in boxes at all and in one of them; and of a box's height, what is no speck.
_INSIDE, _IN_ONE, _LEFT = 0.5, 0.8, 0.12


class UnclearError(Exception):
    """There are boxes in a picture that cannot be told from what is written in them."""


class Form(NamedTuple):
    """A level picture without its boxes' lines, the boxes, and whether they are one row alone."""

    ink: Ink
    cells: list[Box]
    is_alone: bool


class _Line(NamedTuple):
    """A line across: the row of its middle, how thick it is, and from where to where it goes."""

    at: int
    thickness: int
    first: int
    last: int


def find(ink: Ink) -> Form | None:
    """The boxes of a form; None where there is no row of at least two.

    Args:
      ink: how far each pixel is from the paper, about 0 for paper [height, width].

    Raises:
      UnclearError: there is a row, but where its boxes end is not clear.
    """
    if min(ink.shape) < 2 * _LEAST_SIDE:
        return None
    level = _level(ink)
    bare, dark = _bare_lines(level)
    lines = _lines(bare, dark)
    across, down = np.zeros(level.shape, np.bool_), np.zeros(level.shape, np.bool_)
    bare_down, dark_down = _bare_lines(level.T)
    cells, thickest = [], 1
    for top, bottom in _pairs(lines):
        walls = _walls(bare_down, dark_down, top, bottom)
        if walls is None:
            continue
        # All lines of a row are alike; strokes beside some make those look thicker.
        thickness = round(np.median([line.thickness for line in (top, bottom, *walls)]))
        _mark(across, [top, bottom], thickness)
        _mark(down.T, walls, thickness)
        thickest = max(thickest, thickness)
        columns = (slice(one.at, other.at) for one, other in itertools.pairwise(walls))
        cells += [(slice(top.at, bottom.at), each) for each in columns]
    if not cells:
        if _is_like_a_row(lines, bare_down, dark_down):
            raise UnclearError
        return None
    level = ruling.taken_out(level, across, thickest)
    wide = cells[-1][1].stop - cells[0][1].start
    is_alone = sum(line.last - line.first > wide / 2 for line in lines) == 2
    return Form(ruling.taken_out(level.T, down.T, thickest).T, cells, is_alone)


def _level(ink: Ink) -> Ink:
    """The picture turned so that its straightest lines across are level."""
    from scipy import ndimage

    bare, _ = _bare_lines(ink)
    y, x = np.nonzero(bare)
    if not len(y):
        return ink
    every = max(1, len(y) // _MOST_POINTS)
    y, x = y[::every], x[::every] - (ink.shape[1] - 1) / 2
    degrees = np.arange(-_STEEPEST, _STEEPEST + _STEP / 2, _STEP)
    scores = []
    for slope in np.tan(np.radians(degrees)):
        rows = np.rint(y - x * slope).astype(np.intp)
        scores.append((np.bincount(rows - rows.min()).astype(float) ** 2).sum())
    turn = float(degrees[np.argmax(scores)])
    if abs(turn) < _STEP / 2:
        return ink
    turned: Ink = ndimage.rotate(ink, turn, order=1).astype(np.float32)
    return turned


def _bare_lines(ink: Ink) -> tuple[Mask, Mask]:
    """Where something thin runs across, and where there is ink at all."""
    from scipy import ndimage

    widest = max(9, max(ink.shape) // 60) | 1
    ridges = np.minimum(ink - ndimage.grey_opening(ink, size=(widest, 1)), 0.3)
    ridges = ndimage.uniform_filter1d(ridges, _ALONG, axis=1)
    return ridges > _above(ridges, 0.05), ink > _above(ink, 0.1)


def _above(values: Ink, least: float) -> float:
    """What is more than the grain of the paper."""
    middle = float(np.median(values))
    return middle + max(least, 5 * 1.48 * float(np.median(abs(values - middle))))


def _lines(bare: Mask, dark: Mask) -> list[_Line]:
    """The level lines that are longer than a box, from above."""
    from scipy import ndimage

    near = ndimage.maximum_filter1d(bare, 3, axis=0)
    counts = near.sum(1)
    lines = []
    peaks = (counts == ndimage.maximum_filter1d(counts, 9)) & (counts >= 2 * _LEAST_SIDE)
    groups, _ = ndimage.label(peaks)
    for (rows,) in ndimage.find_objects(groups):
        at = (rows.start + rows.stop - 1) // 2
        there = near[at] | dark[max(0, at - 1) : at + 2].any(0)
        run = ruling.longest_stretch(there, _GAP)
        length = run.stop - run.start
        if length >= 2 * _LEAST_SIDE and near[at, run].mean() >= _BARE:
            thickness = _thickness(dark[:, run], at)
            lines.append(_Line(at, thickness, run.start, run.stop - 1))
    return lines


def _thickness(dark: Mask, at: int) -> int:
    """Of a line, in pixels, where no stroke is beside it."""
    reach = 12
    around = np.pad(dark, ((reach, reach), (0, 0)))[at : at + 2 * reach + 1].mean(1)
    return max(1, int((around > 0.5 * around[reach - 1 : reach + 2].max()).sum()))


def _pairs(lines: list[_Line]) -> list[tuple[_Line, _Line]]:
    """Each line, and the next one below it of the same ends."""
    pairs: dict[_Line, _Line] = {}
    for top, bottom in itertools.combinations(lines, 2):
        off = max(abs(top.first - bottom.first), abs(top.last - bottom.last))
        if bottom.at - top.at >= _LEAST_SIDE and off <= max(4, _ENDS * (bottom.at - top.at)):
            pairs.setdefault(top, bottom)
    return [pair for pair in pairs.items() if _may_be_row(*pair)]


def _may_be_row(top: _Line, bottom: _Line) -> bool:
    """Whether two lines are thin, and wider than they are apart; the bars of a digit are not."""
    height = bottom.at - top.at
    both = min(top.last, bottom.last) - max(top.first, bottom.first)
    is_thin = max(top.thickness, bottom.thickness) <= _THICK * height
    return height >= _LEAST_SIDE and both >= 1.2 * height and is_thin


def _is_like_a_row(lines: list[_Line], bare: Mask, dark: Mask) -> bool:
    """Whether three walls stand between two lines, be their ends where they will.

    So it is in a photo from a side, in which not all lines are parallel.
    """
    from scipy import ndimage

    for top, bottom in itertools.combinations(lines, 2):
        if not _may_be_row(top, bottom):
            continue
        quarter = (bottom.at - top.at) // 4
        middle = slice(top.at + quarter, bottom.at - quarter)
        thin_W = ndimage.maximum_filter1d(bare[:, middle], 3, axis=0).mean(1)
        groups, _ = ndimage.label(thin_W >= _WHOLE)
        found = [(one.start + one.stop - 1) // 2 for (one,) in ndimage.find_objects(groups)]
        most = 1.5 * max(top.thickness, bottom.thickness) + 1
        if sum(_thickness(dark[:, middle], at) <= most for at in found) >= 3:
            return True
    return False


def _walls(bare: Mask, dark: Mask, top: _Line, bottom: _Line) -> list[_Line] | None:
    """The walls of a row, from the left, as lines of the picture on its side; None for no row.

    Raises:
      UnclearError: they are not all a box apart, or do not end where the row does.
    """
    from scipy import ndimage

    inside = slice(top.at + 1, bottom.at)
    thin = ndimage.maximum_filter1d(bare[:, inside], 3, axis=0)
    there = thin | ndimage.maximum_filter1d(dark[:, inside], 3, axis=0)
    thin_W = thin.mean(1)
    seen = (there.mean(1) >= _WHOLE) & (thin_W >= _BARE)
    groups, _ = ndimage.label(ndimage.binary_closing(np.pad(seen, 4), np.ones(4))[4:-4])
    found = []
    for (columns,) in ndimage.find_objects(groups):
        at = (columns.start + columns.stop - 1) // 2
        found.append(_Line(at, _thickness(dark[:, inside], at), top.at, bottom.at))
    if len(found) < 2:
        return None
    walls = _evenly_spaced(found)
    most = 1.5 * max(wall.thickness for wall in walls)
    # What is left has to be strokes from the top of a box to its bottom.
    others = [
        line
        for line in set(found) - set(walls)
        if line.thickness <= most and thin_W[max(0, line.at - 2) : line.at + 3].max() >= _WHOLE
    ]
    if len(walls) == 2 and not others:
        return None
    if others or not _are_ends(walls, top, bottom.at - top.at):
        raise UnclearError
    return walls


def _evenly_spaced(lines: list[_Line]) -> list[_Line]:
    """Those that stand a box apart from the first to the last, the boxes as narrow as can be."""
    at = np.array([line.at for line in lines])
    for boxes in range(len(lines) - 1, 0, -1):
        locations = np.linspace(at[0], at[-1], boxes + 1)
        nearest = abs(at - locations[:, None]).argmin(1)
        off = abs(at[nearest] - locations).max()
        if off <= 2 + _UNEVEN * (locations[1] - locations[0]):
            return [lines[k] for k in nearest]
    return lines


def _are_ends(walls: list[_Line], line: _Line, height: int) -> bool:
    """Whether the outermost walls stand where a line across ends."""
    off = max(abs(walls[0].at - line.first), abs(walls[-1].at - line.last))
    return off <= max(5, _ENDS * height)


def _mark(mask: Mask, lines: list[_Line], thickness: int) -> None:
    """Marks the pixels of lines across."""
    half = thickness // 2 + 2
    for line in lines:
        rows = slice(max(0, line.at - half), line.at + half + 1)
        mask[rows, max(0, line.first - half) : line.last + half + 1] = True


def check(
    labels: Labels2D, boxes: dict[int, Box], groups: list[list[int]], cells: list[Box]
) -> None:
    """Sees that there is at most one digit in a box, and none in two.

    Args:
      labels: of the pieces of ink in the level picture, 0 for paper.
      boxes: of each label that there is.
      groups: the labels of each digit.
      cells: the boxes of the form.

    Raises:
      UnclearError: there is not.
    """
    digits_in = [0] * len(cells)
    for group in groups:
        marked = np.isin(labels, group)
        shares = np.array([marked[cell].sum() for cell in cells]) / marked.sum()
        if shares.sum() < _INSIDE:
            continue
        if shares.max() < _IN_ONE:
            raise UnclearError
        number = int(shares.argmax())
        digits_in[number] += 1
        if digits_in[number] > 1 or _is_wall(marked, cells[number]):
            raise UnclearError
    # A piece that is left over where there is no digit is a digit that was lost.
    for cell, count in zip(cells, digits_in, strict=True):
        left_over = set(np.unique(labels[cell]).tolist()) & set(boxes) if not count else set()
        sides = [side.stop - side.start for label in left_over for side in boxes[label]]
        if max(sides, default=0) > _LEFT * (cell[0].stop - cell[0].start):
            raise UnclearError


def _is_wall(marked: Mask, cell: Box) -> bool:
    """Whether ink is what was left of a wall: as high as its box, thin and beside its end."""
    rows, columns = cell
    high, wide = (side.stop - side.start for side in cell)
    at = np.flatnonzero(marked.any(0))
    tall = int(np.count_nonzero(marked[rows].any(1)))
    beside = min(abs(at[0] - columns.start), abs(columns.stop - at[-1]))
    return tall >= 0.85 * high and at[-1] - at[0] <= 0.08 * wide and beside <= 0.1 * wide
