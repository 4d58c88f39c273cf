"""Takes a drawn box out of ink where the digit in it touches it.

A box that nothing touches is a piece of its own, see `frames`; of boxes side by side see
`form_rows`. One that a digit touches is one piece with it, and is known by its straight sides: two
across and two down that end on each other. What they leave inside is the digit.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import ruling
from lenet_jax.data.frames import Box, Labels2D

Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]

_LEAST_SIDE = 24
_STEEPEST, _STEP = 10.0, 0.25
# Of a side that must be ink, of its length that a side may miss or pass at its ends, and of the
# piece that it must be long.
_WHOLE, _CORNER, _LONG = 0.92, 0.08, 0.5
# Of the box's height: what is left of a digit, and of a side how thick it may be.
_LEFT, _THICK = 0.25, 0.12


class _Line(NamedTuple):
    """A straight side: where it is, its edges, how thick, and from where to where it goes."""

    at: int
    upper: int
    lower: int
    thickness: int
    first: int
    last: int


def without_boxes(ink: Ink, labels: Labels2D, boxes: dict[int, Box]) -> Ink:
    """The ink of a picture without the boxes that digits touch.

    Args:
      ink: 0 or more, above it where there is ink [height, width].
      labels: of its pieces, 0 for paper.
      boxes: of each label that there is.

    Returns:
      The same array where there is no such box. A stroke that crosses a side stays whole.
    """
    cleaned = ink
    for label, box in boxes.items():
        if min(side.stop - side.start for side in box) < _LEAST_SIDE:
            continue
        piece = labels[box] == label
        sides = _sides(piece)
        if sides is None:
            continue
        cleaned = cleaned.copy() if cleaned is ink else cleaned
        part = np.where(piece, cleaned[box], 0).astype(np.float32)
        for mask, thickness, turned in sides:
            part = ruling.taken_out(part.T if turned else part, mask, thickness)
            part = part.T if turned else part
        cleaned[box] = np.where(piece, part, cleaned[box])
    return cleaned


def _sides(piece: Mask) -> list[tuple[Mask, int, bool]] | None:
    """The masks of a box's sides across and down, with their thickness; None where it is no box.

    The mask of those down, marked True, is turned so that they run across.
    """
    across, slope = _lines(piece)
    down, slope_down = _lines(piece.T)
    if len(across) < 2 or len(down) < 2:
        return None
    corners = _Corners(piece, (slope, slope_down), (across, down))
    across = [line for line in across if corners.are_ends_across(line)]
    down = [line for line in down if corners.are_ends_down(line)]
    if not corners.are_of(across, down):
        return None
    thickness = min(line.thickness for line in across + down)
    if thickness > max(4, _THICK * min(corners.height, corners.width)):
        return None
    rows = _band(piece, [across[0], across[-1]], slope, thickness)
    columns = _band(piece.T, [down[0], down[-1]], slope_down, thickness)
    left_over = _tallest(piece & ~rows & ~columns.T, corners)
    # With nothing in it, it may be a 0 with corners.
    if left_over < _LEFT * corners.height:
        return None
    return [(rows, thickness, False), (columns, thickness, True)]


class _Corners:
    """Where the outermost lines across and down cross."""

    def __init__(
        self,
        piece: Mask,
        slopes: tuple[float, float],
        lines: tuple[list[_Line], list[_Line]],
    ):
        (self._across, self._down), self._slopes, self._piece = lines, slopes, piece
        self.top, self.bottom = self._across[0].at, self._across[-1].at
        self.left, self.right = self._down[0].at, self._down[-1].at
        self.height, self.width = self.bottom - self.top, self.right - self.left
        self._reach = max(4, _CORNER * max(self.height, self.width))

    def are_ends_across(self, line: _Line) -> bool:
        """Whether a line across goes from the left one to the right one."""
        first, last = (self._crossing(line.at, at)[1] for at in (self.left, self.right))
        return max(abs(line.first - first), abs(line.last - last)) <= self._reach

    def are_ends_down(self, line: _Line) -> bool:
        """Whether a line down goes from the upper one to the lower one."""
        first, last = (self._crossing(at, line.at)[0] for at in (self.top, self.bottom))
        return max(abs(line.first - first), abs(line.last - last)) <= self._reach

    def are_of(self, across: list[_Line], down: list[_Line]) -> bool:
        """Whether these still have the outermost lines, and there is ink where they cross."""
        if not {self.top, self.bottom} <= {line.at for line in across}:
            return False
        if not {self.left, self.right} <= {line.at for line in down}:
            return False
        # The outer corners, which a round 0 has not; a stroke may lie on the outside of a side.
        first, last = (across[0], down[0]), (across[-1], down[-1])
        out = min(
            [line.at - line.upper for line in first] + [line.lower - line.at for line in last]
        )
        out = max(0, out - 1)
        for row in (self.top - out, self.bottom + out):
            for column in (self.left - out, self.right + out):
                y, x = (max(0, round(each)) for each in self._crossing(row, column))
                if not self._piece[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].any():
                    return False
        return True

    def _crossing(self, row: int, column: int) -> tuple[float, float]:
        """Of a line across and one down, at these places in the middle of the piece."""
        across, down = self._slopes
        y0, x0 = ((size - 1) / 2 for size in self._piece.shape)
        x = (column + (row - x0 * across - y0) * down) / (1 - across * down)
        return row + (x - x0) * across, x


def _tallest(left_over: Mask, corners: _Corners) -> int:
    """Rows of the tallest piece in a box."""
    from scipy import ndimage

    inside = left_over[max(corners.top, 0) : max(corners.bottom, 0)]
    pieces, _ = ndimage.label(inside, np.ones((3, 3)))
    found = ndimage.find_objects(pieces)
    return max((rows.stop - rows.start for rows, _ in found), default=0)


def _lines(piece: Mask) -> tuple[list[_Line], float]:
    """The straight sides that run across a piece, from above, and their slope."""
    y, x = np.nonzero(piece)
    width = piece.shape[1]
    middle = (width - 1) / 2

    # Above all rows that straightening moves into.
    above = int(width / 2 * np.tan(np.radians(_STEEPEST))) + 2

    def straightened(slope: float) -> NDArray[np.intp]:
        return np.rint(y - (x - middle) * slope).astype(np.intp) + above

    slopes = np.tan(np.radians(np.arange(-_STEEPEST, _STEEPEST + _STEP / 2, _STEP)))
    profiles = [np.bincount(straightened(slope)).astype(float) for slope in slopes]
    slope = float(slopes[np.argmax([(profile**2).sum() for profile in profiles])])
    rows = straightened(slope)
    counts = np.bincount(rows)
    peaks = np.flatnonzero(counts >= _LONG * _WHOLE * width)
    groups = np.split(peaks, np.flatnonzero(np.diff(peaks) > 2) + 1) if len(peaks) else []
    lines = []
    for group in groups:
        # A stroke beside a side is a shorter line of its own.
        whole = group[counts[group] >= _WHOLE * counts[group].max()]
        columns = x[(rows >= whole[0] - 1) & (rows <= whole[-1] + 1)]
        seen = np.zeros(width + 1, bool)
        seen[columns] = True
        longest = ruling.longest_stretch(seen, max(3, len(seen) // 50))
        first, last = longest.start, longest.stop - 1
        if last - first >= _LONG * width:
            at, upper, lower = (int(each) - above for each in (whole.mean(), group[0], group[-1]))
            lines.append(_Line(at, upper, lower, len(whole), first, last))
    return lines, slope


def _band(piece: Mask, lines: list[_Line], slope: float, thickness: int) -> Mask:
    """The pixels of lines that run across; a stroke along one of them makes none much thicker."""
    y, x = np.indices(piece.shape)
    rows = y - (x - (piece.shape[1] - 1) / 2) * slope
    mask = np.zeros(piece.shape, np.bool_)
    for line in lines:
        thick = min(line.thickness, 2 * thickness)
        inside = (x >= line.first - thick) & (x <= line.last + thick)
        mask |= inside & (abs(rows - line.at) <= thick / 2 + 1)
    return mask & piece
