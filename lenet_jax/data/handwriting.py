"""From the grey values of a picture to digits like MNIST's.

Paper is told from ink by which of the two is the smaller part; shadows are taken out by dividing by
the paper's own brightness; printed lines are taken out; ink is what stands out from the noise.
Boxes around digits are left out. Each digit is then made as MNIST's were, see `centring`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import form_rows, frames, ruling, touched_boxes
from lenet_jax.data.centring import Grey, as_mnist
from lenet_jax.data.dataset import SIDE, Images

# Below this difference from the paper, in 0..1, there is nothing but noise.
LEAST_CONTRAST = 0.12
# Heights, as fractions of the tallest digit: of a digit, of a piece of one (the bar of a 5), and of
# the widest gap between the two.
LEAST_HEIGHT, LEAST_PIECE, WIDEST_GAP = 0.35, 0.15, 0.2

# Below half of the contrast, where ink that touches darker ink ends.
PALE = 0.25
# Of a picture, for a digit without a margin.
_FILLS = 0.85

Box = tuple[slice, slice]


def digits(grey: Grey, *, deskew: bool = False) -> Images:
    """The digits of a picture in reading order, uint8 [N, 28, 28]; N may be 0.

    Args:
      grey: values in 0..1 [height, width], any polarity.
      deskew: straighten slanted digits by their moments.
    """
    try:
        return clear_digits(grey, deskew=deskew)
    except form_rows.UnclearError:
        return np.zeros((0, SIDE, SIDE), np.uint8)


def clear_digits(grey: Grey, *, deskew: bool = False) -> Images:
    """The digits of a picture, as `digits` gives them.

    Raises:
      UnclearError: there are boxes that cannot be told from the digits in them.
    """
    on_dark = _on_dark(_coarse(grey))
    found = _pieces(grey, on_dark)
    if len(found) > 1 and all(piece.at_edge for piece in found):
        # Perhaps what is left of the paper around and in one digit that fills its picture.
        other = _pieces(_with_margin(grey, not on_dark), not on_dark)
        if len(other) == 1 and len(_pieces(grey, not on_dark)) == 1:
            found, on_dark = other, not on_dark
    if any(piece.is_tight for piece in found):
        # The paper of a digit that fills its picture is guessed too dark, and its strokes break.
        found = _pieces(_with_margin(grey, on_dark), on_dark)
    if not found:
        return np.zeros((0, SIDE, SIDE), np.uint8)
    return np.stack([as_mnist(piece.ink, deskew=deskew) for piece in found])


class _Piece(NamedTuple):
    """One digit, cut out; whether it touches the edge, or fills its picture."""

    ink: Grey
    at_edge: bool
    is_tight: bool


def _pieces(grey: Grey, on_dark: bool) -> list[_Piece]:
    """The digits of a picture in reading order; `on_dark` where ink is lighter than paper."""
    from scipy import ndimage

    bare = _ink(grey, on_dark)
    ruled = ruling.find(bare)
    form = _form(bare, ruled)
    ink = ruling.without_ruling(bare, ruled) if form is None else form.ink
    blur = max(ink.shape) / 600
    ink = ndimage.gaussian_filter(ink, blur).astype(np.float32)
    threshold, contrast = _threshold(ink)
    if contrast < LEAST_CONTRAST:
        return []
    mask, labels, boxes = _labelled(ink, threshold, contrast, blur)
    marked = np.where(mask, ink, 0)
    unboxed = touched_boxes.without_boxes(marked, labels, boxes)
    is_form = unboxed is not marked
    if is_form:
        mask, labels, boxes = _labelled(unboxed, threshold, contrast, blur)
    dropped = frames.find(labels, boxes, is_form=is_form)
    boxes = {label: box for label, box in boxes.items() if label not in dropped}
    groups = _groups(boxes)
    if form is not None:
        form_rows.check(labels, boxes, groups, form.cells)
    found = [(_union([boxes[label] for label in group]), group) for group in groups]
    return [
        _Piece(
            ink=np.where(np.isin(labels[box], group) & mask[box], unboxed[box], 0),
            at_edge=_touches(box, ink.shape),
            is_tight=_fills(box, ink.shape),
        )
        for box, group in _reading_order(found)
    ]


def _form(ink: Grey, ruled: ruling.Ruling) -> form_rows.Form | None:
    """The boxes side by side of a picture.

    Raises:
      UnclearError: see `form_rows.find`.
    """
    # Many even lines down may be walls.
    if ruled.across is None:
        return form_rows.find(ink)
    try:
        form = form_rows.find(ink)
    except form_rows.UnclearError:
        return None
    # A row and strokes in it are taken for a ruling too; squared paper has more lines than two.
    return form if form is not None and form.is_alone else None


def _labelled(
    ink: Grey, threshold: float, contrast: float, blur: float
) -> tuple[NDArray[np.bool_], NDArray[np.int32], dict[int, Box]]:
    """What is ink, its pieces numbered from 1, 0 for paper, and the box of each."""
    from scipy import ndimage

    mask = _with_pale_strokes(ink > threshold, ink > threshold - PALE * contrast, blur)
    # Strokes that nearly touch are one digit.
    reach = max(1, round(max(ink.shape) / 150))
    labels, count = ndimage.label(ndimage.binary_dilation(mask, iterations=reach), np.ones((3, 3)))
    labels *= mask
    boxes = enumerate(ndimage.find_objects(labels, count), start=1)
    return mask, labels, {label: box for label, box in boxes if box is not None}


def _fills(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether a digit is as high or as wide as its picture, nearly."""
    sides = zip(box, shape, strict=True)
    return any((side.stop - side.start) / size > _FILLS for side, size in sides)


def _with_pale_strokes(
    sure: NDArray[np.bool_], pale: NDArray[np.bool_], blur: float
) -> NDArray[np.bool_]:
    """What is surely ink, and the paler strokes that it goes on in."""
    from scipy import ndimage

    grown = ndimage.binary_propagation(sure, np.ones((3, 3)), mask=pale)
    # Every stroke has a pale rim, which belongs to its blur.
    rim = 2 + round(2 * blur)
    strokes = grown & ~ndimage.binary_dilation(sure, iterations=rim)
    if not strokes.any():
        return sure
    whole: NDArray[np.bool_] = sure | (grown & ndimage.binary_dilation(strokes, iterations=rim + 1))
    return whole


def _touches(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether a digit reaches the edge of its picture."""
    return any(side.start == 0 or side.stop == size for side, size in zip(box, shape, strict=True))


def _with_margin(grey: Grey, on_dark: bool) -> Grey:
    """A picture with paper around it."""
    tone = float(np.percentile(grey, 5 if on_dark else 95))
    margin = max(grey.shape) // 4
    wide: Grey = np.pad(grey, margin, constant_values=np.float32(tone))
    return wide


def _groups(boxes: dict[int, Box]) -> list[list[int]]:
    """The labels of each digit: a tall one and the pieces near it; specks belong to none."""
    heights = {label: box[0].stop - box[0].start for label, box in boxes.items()}
    tallest = max(heights.values(), default=0)
    least = max(4, LEAST_HEIGHT * tallest)
    groups = {label: [label] for label, height in heights.items() if height > least}
    for label, box in boxes.items():
        longest = max(side.stop - side.start for side in box)
        if label in groups or longest <= LEAST_PIECE * tallest or not groups:
            continue
        gap, nearest = min((_gap(box, boxes[digit]), digit) for digit in groups)
        if gap < WIDEST_GAP * tallest:
            groups[nearest].append(label)
    return list(groups.values())


def _gap(a: Box, b: Box) -> float:
    """Pixels between two boxes, 0 if they overlap."""
    apart = [max(0, p.start - q.stop, q.start - p.stop) for p, q in zip(a, b, strict=True)]
    return float(np.hypot(*apart))


def _union(boxes: list[Box]) -> Box:
    rows, columns = zip(*boxes, strict=True)
    return (
        slice(min(row.start for row in rows), max(row.stop for row in rows)),
        slice(min(column.start for column in columns), max(column.stop for column in columns)),
    )


def _coarse(grey: Grey) -> Grey:
    """A picture of about a hundred pixels in place of hundreds."""
    from scipy import ndimage

    step = max(1, max(grey.shape) // 100)
    small: Grey = ndimage.uniform_filter(grey, step)[::step, ::step]
    return small


def _ink(grey: Grey, on_dark: bool) -> Grey:
    """How far each pixel is from the paper: about 0 for paper, up to 1."""
    from scipy import ndimage

    small = _coarse(grey)
    if on_dark:
        grey, small = 1 - grey, 1 - small
    paper = _paper(small)
    zoom = [size / count for size, count in zip(grey.shape, paper.shape, strict=True)]
    paper = ndimage.zoom(paper, zoom, order=1, mode="nearest", grid_mode=True)
    return (1 - grey / np.maximum(paper, 0.05)).astype(np.float32)


def _on_dark(grey: Grey) -> bool:
    """Whether the ink is lighter than the paper."""
    from scipy import ndimage

    # Ink is the smaller part, and far from the rest: the lighting left out, it makes one long tail.
    detail = grey - ndimage.gaussian_filter(grey, max(grey.shape) / 12)
    detail -= np.median(detail)
    skewness = (detail**3).mean() / max((detail**2).mean() ** 1.5, 1e-9)
    if abs(skewness) > 0.2:
        return bool(skewness > 0)
    # Strokes so wide that neither is small: the edge is paper.
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return bool(np.median(edge) < np.median([grey.min(), grey.max()]))


def _paper(grey: Grey) -> Grey:
    """The brightness of the paper below the ink, of the same small size."""
    from scipy import ndimage

    side = max(grey.shape)
    # What is thinner than a quarter of the picture is filled up.
    paper = ndimage.grey_closing(grey, size=max(3, side // 4), mode="nearest")
    paper = ndimage.gaussian_filter(paper, side / 20, mode="nearest")
    # A closing takes the brightest grain for the paper, and fills up dark corners. So once more,
    # and again, from what has shown to be paper.
    for _ in range(2):
        ink = 1 - grey / np.maximum(paper, 0.05)
        threshold, contrast = _threshold(ink)
        bare = ~ndimage.binary_dilation(ink > threshold - contrast / 4)
        weight = ndimage.gaussian_filter(bare.astype(np.float32), side / 30)
        smooth = ndimage.gaussian_filter(np.where(bare, grey, 0), side / 30)
        paper = np.where(weight > 0.05, smooth / np.maximum(weight, 0.05), paper)
    return paper


def _threshold(ink: Grey) -> tuple[float, float]:
    """What parts ink from paper, and how far the ink stands out; both 0 for an empty page.

    Not Otsu's: a thin pen inks a hundredth of a page, and his threshold then parts the paper.
    """
    # Up to two thirds of a tight picture may be ink; below them the paper has its own spread.
    low, paper = np.percentile(ink, (5, 25))
    dark = ink[ink > paper + max(8 * (paper - low), LEAST_CONTRAST / 2)]
    if not dark.size:
        return 0.0, 0.0
    # Of what is dark, shadows are most and ink is darkest.
    contrast = float(np.percentile(dark, 95) - paper)
    return float(paper + contrast / 2), contrast


def _reading_order(found: list[tuple[Box, list[int]]]) -> list[tuple[Box, list[int]]]:
    """Line by line: a digit whose middle is below all of a line starts a new one."""
    lines: list[list[tuple[Box, list[int]]]] = []
    bottom = 0
    for pair in sorted(found, key=lambda pair: pair[0][0].start):
        rows = pair[0][0]
        if not lines or (rows.start + rows.stop) / 2 >= bottom:
            lines.append([])
            bottom = 0
        lines[-1].append(pair)
        bottom = max(bottom, rows.stop)
    return [pair for line in lines for pair in sorted(line, key=lambda pair: pair[0][1].start)]
