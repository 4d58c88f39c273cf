"""What stands out from paper and is no digit: drawn boxes, combs of lines, a line along an edge."""

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice]
Labels2D = NDArray[np.integer]

# Of a comb: how often it meets the picture's edge, or how many cells it has; an 8 has two.
_EDGE_RUNS, _CELLS = 9, 6
# Of a box: the fraction of its convex hull in the narrowest rectangle around it (an ellipse has
# 0.79), and the fraction of its ink near the sides of that.
_FULL, _NEAR_SIDES, _SIDE = 0.9, 0.92, 0.12
_ANGLES = np.radians(np.arange(-10, 10.5, 1))
# Of the picture, for a line that runs through it, and for how thin it is.
_THROUGH, _THIN = 0.95, 0.06
_MOST_POINTS = 4000
_DEEP = 3


def find(labels: Labels2D, boxes: dict[int, Box], *, is_form: bool = False) -> set[int]:
    """The labels of a picture that are no digits.

    Args:
      labels: [height, width], 0 for paper.
      boxes: of each label that there is.
      is_form: digits stood in boxes, so that whatever else is one was left empty.
    """
    shape = labels.shape
    dropped = {
        label
        for label, box in boxes.items()
        if _edge_runs(labels, label, box) >= _EDGE_RUNS or _cells(labels, label, box) >= _CELLS
    }
    rings = {label for label, box in boxes.items() if _is_ring(labels, label, box)}
    around = {label for label in rings if _encloses(label, boxes)}
    # A form has empty boxes beside those that are filled in.
    dropped |= rings if around or is_form else set()
    left = {label: box for label, box in boxes.items() if label not in dropped}
    for label, box in left.items():
        if _is_rule(box, shape):
            dropped.add(label)
            continue
        others = [_height(other) for each, other in left.items() if each != label]
        if _runs_through(box, shape) and max(others, default=0) >= 0.08 * max(shape):
            dropped.add(label)
    return dropped


def _height(box: Box) -> int:
    return int(box[0].stop - box[0].start)


def _is_rule(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether a thin line goes from the left to the right, which no digit does."""
    high, wide = (side.stop - side.start for side in box)
    return wide >= _THROUGH * shape[1] and high <= _THIN * shape[0]


def _runs_through(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether a thin line goes from one edge of the picture to the other."""
    sides = [side.stop - side.start for side in box]
    return any(
        sides[axis] >= _THROUGH * shape[axis] and sides[1 - axis] <= _THIN * shape[1 - axis]
        for axis in (0, 1)
    )


def _edge_runs(labels: Labels2D, label: int, box: Box) -> int:
    """How many times a label as high or as wide as the picture meets the sides of its own box."""
    sides = zip(box, labels.shape, strict=True)
    if not any((side.stop - side.start) >= _THROUGH * size for side, size in sides):
        return 0
    piece = labels[box] == label
    # Ends of lines are not level to the pixel.
    edges = [piece[:_DEEP].any(0), piece[-_DEEP:].any(0)]
    edges += [piece[:, :_DEEP].any(1), piece[:, -_DEEP:].any(1)]
    return sum(int((np.diff(edge.astype(np.int8), prepend=0) == 1).sum()) for edge in edges)


def _cells(labels: Labels2D, label: int, box: Box) -> int:
    """How many pieces of paper a label surrounds."""
    from scipy import ndimage

    bare = np.pad(labels[box] != label, 1, constant_values=True)
    pieces, count = ndimage.label(bare, np.ones((3, 3)))
    if count < _CELLS:
        return 0
    sizes = np.bincount(pieces.ravel())[1:]
    outside = pieces[0, 0] - 1
    enough = max(16, bare.size / 500)
    return int((np.delete(sizes, outside) >= enough).sum())


def _is_ring(labels: Labels2D, label: int, box: Box) -> bool:
    """Whether a label is the outline of a rectangle, turned a little."""
    from scipy import spatial

    points = np.argwhere(labels[box] == label).astype(np.float64)
    if min(np.ptp(points, axis=0), default=0) < 12:
        return False
    points = points[:: max(1, len(points) // _MOST_POINTS)]
    try:
        hull = spatial.ConvexHull(points)
    except spatial.QhullError:
        # All on one line.
        return False
    corners = points[hull.vertices]
    best, turned = np.inf, points
    for angle in _ANGLES:
        axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        area = float(np.prod(np.ptp(corners @ axes, axis=0)))
        if area < best:
            best, turned = area, points @ axes
    if hull.volume < _FULL * best:
        return False
    inside = (turned - turned.min(0)) / np.ptp(turned, axis=0)
    near = np.minimum(inside, 1 - inside).min(1) < _SIDE
    return bool(near.mean() >= _NEAR_SIDES)


def _encloses(label: int, boxes: dict[int, Box]) -> bool:
    """Whether something as large as a digit lies within a label's box."""
    rows, columns = boxes[label]
    return any(
        rows.start < box[0].start
        and box[0].stop < rows.stop
        and columns.start < box[1].start
        and box[1].stop < columns.stop
        and _height(box) >= 0.2 * (rows.stop - rows.start)
        for other, box in boxes.items()
        if other != label
    )
