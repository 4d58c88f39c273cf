"""Digits in photos and drawings, made into what MNIST's are.

Paper is told from ink by the edge of the picture; shadows are taken out by dividing by the paper's
own brightness, a wide closing; ink is what Otsu's threshold leaves. Each digit is scaled to fit a
box of 20x20 and its centre of mass is put in the centre of 28x28, as MNIST's were (LeCun et al.
1998, III.A).
"""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data.dataset import SIDE, Dataset, Images
from lenet_jax.errors import UserError
from lenet_jax.files import shown

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
MOST_PIXELS = 100_000_000
# Larger ones are shrunk first: a digit needs a few dozen pixels.
WORKING_SIDE = 1200
BOX = 20
# Below this difference from the paper, in 0..1, there is nothing but noise.
LEAST_CONTRAST = 0.12

Grey = NDArray[np.float32]


def holds(path: Path) -> bool:
    """Whether a path is a picture, or a folder with one."""
    if path.is_dir():
        return any(file.suffix.lower() in ENDINGS for file in path.iterdir())
    return path.suffix.lower() in ENDINGS


def load(path: Path, name: str, *, deskew: bool = False) -> Dataset:
    """The digits of a picture, or of all pictures of a folder by name.

    Args:
      path: of a picture or folder.
      name: the same for messages.
      deskew: straighten slanted digits by their moments.

    Raises:
      UserError: a picture is broken, too large, or shows nothing; the message names it.
    """
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS)
    images, places = [], []
    for file in files:
        called = name if file is path else shown(file)
        found_NxHxW = digits(read(file, called), deskew=deskew)
        if not len(found_NxHxW):
            raise UserError(f"{called}: shows no digit that stands out from its paper")
        images.append(found_NxHxW)
        several = len(found_NxHxW) > 1
        places += [
            f"{called}, digit {k + 1}" if several else called for k in range(len(found_NxHxW))
        ]
    return Dataset(
        images_NxHxW=np.concatenate(images),
        labels_N=None,
        source="pictures",
        name=name,
        places=tuple(places),
    )


def read(file: Path, name: str) -> Grey:
    """A picture as grey values in 0..1 [height, width], turned as its EXIF tag says.

    Raises:
      UserError: it is broken or too large.
    """
    # Imported where a picture is really read.
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as opened:
                width, height = opened.size
                if width * height > MOST_PIXELS:
                    raise UserError(
                        f"{name}: has {width} x {height} pixels; make it smaller than "
                        f"{MOST_PIXELS:,} in all"
                    )
                picture = ImageOps.exif_transpose(opened).convert("RGBA")
    except UserError:
        raise
    # Pillow's formats raise anything from SyntaxError to struct.error for damaged files.
    except Exception as error:
        reason = (str(error).splitlines() or ["damaged"])[0][:100]
        raise UserError(f"{name}: cannot be read as a picture ({shown(reason)})") from None
    # What is transparent is paper.
    ground = Image.new("RGBA", picture.size, _ground(np.asarray(picture)))
    flat = Image.alpha_composite(ground, picture).convert("L")
    flat.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    return np.asarray(flat, np.float32) / np.float32(255)


def _ground(rgba: np.ndarray) -> tuple[int, int, int, int]:
    """White below transparent dark ink, black below light ink."""
    opaque = rgba[rgba[..., 3] > 127]
    dark = not len(opaque) or opaque[:, :3].mean() < 128
    return (255, 255, 255, 255) if dark else (0, 0, 0, 255)


def digits(grey: Grey, *, deskew: bool = False) -> Images:
    """The digits of a picture in reading order, uint8 [N, 28, 28]; N may be 0."""
    from scipy import ndimage

    ink = _ink(grey)
    threshold, contrast = _otsu(ink)
    if contrast < LEAST_CONTRAST:
        return np.zeros((0, SIDE, SIDE), np.uint8)
    mask = ink > threshold
    # Strokes that nearly touch are one digit; specks are none.
    reach = max(1, round(max(grey.shape) / 150))
    labels, count = ndimage.label(ndimage.binary_dilation(mask, iterations=reach), np.ones((3, 3)))
    boxes = ndimage.find_objects(labels * mask, count)
    found = [(label + 1, box) for label, box in enumerate(boxes) if box is not None]
    heights = [box[0].stop - box[0].start for _, box in found]
    tallest = max(heights, default=0)
    found = [
        pair for pair, height in zip(found, heights, strict=True) if height > max(4, 0.35 * tallest)
    ]
    cut = [np.where((labels == label) & mask, ink, 0)[box] for label, box in _reading_order(found)]
    if not cut:
        return np.zeros((0, SIDE, SIDE), np.uint8)
    return np.stack([as_mnist(piece, deskew=deskew) for piece in cut])


def _ink(grey: Grey) -> Grey:
    """How far each pixel is from the paper, in 0..1, whatever is darker."""
    from scipy import ndimage

    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if np.median(edge) < np.median([grey.min(), grey.max()]):
        grey = 1 - grey
    # The paper is what is left when everything thinner than a third of the picture is filled up.
    step = max(1, max(grey.shape) // 100)
    small = grey[::step, ::step]
    paper = ndimage.grey_closing(small, size=max(3, max(small.shape) // 2), mode="nearest")
    paper = ndimage.gaussian_filter(paper, max(small.shape) / 20, mode="nearest")
    zoom = [size / count for size, count in zip(grey.shape, small.shape, strict=True)]
    paper = ndimage.zoom(paper, zoom, order=1, mode="nearest", grid_mode=True)
    ink = 1 - grey / np.maximum(paper, 0.05)
    smooth = ndimage.gaussian_filter(ink, max(grey.shape) / 600)
    return np.clip(smooth, 0, 1).astype(np.float32)


def _otsu(ink: Grey) -> tuple[float, float]:
    """The threshold that parts two classes best (Otsu 1979), and how far apart their means are."""
    counts, edges = np.histogram(ink, 256, (0, 1))
    values = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * values)
    low = sums / np.maximum(below, 1)
    high = (sums[-1] - sums) / np.maximum(above, 1)
    gap = np.where((below > 0) & (above > 0), high - low, 0)
    best = int(np.argmax(below * above * gap**2))
    # Between clean classes every threshold is as good; the best of them are in the middle.
    return float((low[best] + high[best]) / 2), float(gap[best])


def _reading_order(found: list) -> list:
    """Line by line: a digit whose middle is below the bottom of a line's first starts a new one."""
    left = sorted(found, key=lambda pair: pair[1][0].start)
    ordered: list = []
    while left:
        bottom = left[0][1][0].stop
        line = [p for p in left if (p[1][0].start + p[1][0].stop) / 2 < bottom]
        ordered += sorted(line, key=lambda pair: pair[1][1].start)
        left = [pair for pair in left if pair not in line]
    return ordered


def as_mnist(ink: Grey, *, deskew: bool = False) -> Images:
    """One digit, cut out, as MNIST's were made: uint8 [28, 28].

    Args:
      ink: at least 0, any size, 0 for paper.
      deskew: straighten it by its moments first.
    """
    from PIL import Image

    if deskew:
        ink = _deskewed(ink)
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
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
