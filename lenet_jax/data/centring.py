"""A digit that has been cut out, made as MNIST's were (LeCun et al. 1998, III.A).

It is scaled to fit a box of 20x20 and its centre of mass is put in the centre of 28x28; strokes
much thinner than MNIST's are widened first.
"""

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data.dataset import SIDE, Images

BOX = 20
# Pixels of 28x28: half of MNIST's digits have strokes wider than this.
PEN = 2.5
# Pixels in the place of one, for digits of few.
_FINER = 8

Grey = NDArray[np.float32]


def as_mnist(ink: Grey, *, deskew: bool = False) -> Images:
    """One digit, cut out, as MNIST's were made: uint8 [28, 28].

    Args:
      ink: at least 0, somewhere above it, any size, 0 for paper.
      deskew: straighten it by its moments first.
    """
    from PIL import Image

    if max(ink.shape) < SIDE:
        ink = _enlarged(ink)
    if deskew:
        ink = _deskewed(ink)
    ink = _cropped(_widened(_cropped(ink)))
    height, width = ink.shape
    scale = BOX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # The darkest fifth of the ink is full ink.
    full = np.percentile(ink[ink > 0], 80)
    picture = Image.fromarray(np.clip(ink / full * 255, 0, 255).astype(np.uint8))
    small = np.asarray(picture.resize(size, Image.Resampling.BOX), np.float64)
    small *= 255 / max(1.0, small.max())
    image = np.zeros((SIDE, SIDE), np.uint8)
    mass = small.sum()
    at = []
    for axis, length in enumerate(small.shape):
        middle = (small.sum(axis=1 - axis) * np.arange(length)).sum() / mass
        at.append(int(np.clip(round(SIDE / 2 - middle), 0, SIDE - length)))
    image[at[0] : at[0] + small.shape[0], at[1] : at[1] + small.shape[1]] = small.round()
    return image


def _enlarged(ink: Grey) -> Grey:
    """Ink of few pixels on a finer grid, for strokes of part of a pixel."""
    from scipy import ndimage

    finer = ndimage.zoom(np.pad(ink, 1), _FINER, order=3, mode="grid-constant", grid_mode=True)
    # What a spline leaves around an edge is no ink.
    enlarged: Grey = np.where(finer > 0.02 * ink.max(), finer, 0)
    return enlarged


def _cropped(ink: Grey) -> Grey:
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _widened(ink: Grey) -> Grey:
    """Strokes of at least the width that MNIST's have; a ballpoint's are a third of that."""
    from scipy import ndimage

    padded = np.pad(ink, 1)
    inside = padded > 0
    # Along a stroke of width w the distance to its edge is w / 4 in the mean, and half a pixel more
    # between the pixels' middles.
    width = 4 * (ndimage.distance_transform_edt(inside)[inside].mean() - 0.5)
    wanted = PEN * max(ink.shape) / (BOX - PEN)
    more = int(wanted - width)
    if more < 1:
        return ink
    return ndimage.maximum_filter(np.pad(ink, more), size=more + 1)


def _deskewed(ink: Grey) -> Grey:
    """Sheared along its rows until rows and columns of the ink are uncorrelated."""
    from scipy import ndimage

    y, x = np.indices(ink.shape)
    mass = ink.sum()
    y0, x0 = (ink * y).sum() / mass, (ink * x).sum() / mass
    slant = (ink * (y - y0) * (x - x0)).sum() / max((ink * (y - y0) ** 2).sum(), 1e-6)
    slant = float(np.clip(slant, -1, 1))
    margin = int(np.ceil(abs(slant) * ink.shape[0]))
    wide = np.pad(ink, ((0, 0), (margin, margin)))
    matrix = np.array([[1.0, 0.0], [slant, 1.0]])
    return np.clip(ndimage.affine_transform(wide, matrix, (0, -slant * y0), order=1), 0, None)
