"""Digits in photos and drawings: files of pictures, as grey values and then as MNIST's digits."""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lenet_jax.data import bounded
from lenet_jax.data.dataset import Dataset
from lenet_jax.data.format import Format
from lenet_jax.data.handwriting import Grey, digits
from lenet_jax.data.place import Asked, Place
from lenet_jax.errors import UserError
from lenet_jax.files import shown

if TYPE_CHECKING:
    from PIL import Image

# What is read: Pillow knows more formats, some of which start other programs.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# A phone's own; named here, so that it is told what to do about them.
FOREIGN = (".heic", ".heif")
MOST_PIXELS = 100_000_000
# Larger ones are shrunk first: a digit needs a few dozen pixels.
WORKING_SIDE = 1200


def holds(place: Place) -> bool:
    """Whether a place is a picture, or a folder with one in it."""
    if place.is_folder:
        return place.depth == 0 and bool(_files(place.path))
    return _is_picture(place.path)


def _load(place: Place, asked: Asked) -> Dataset:
    if asked.part == "train":
        raise UserError(
            f"{place.name}: pictures without labels; to train on them put those of each digit into "
            "a folder of its name, 0 to 9"
        )
    return load(place.path, place.name, deskew=asked.deskew)


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if _is_picture(file))


def _is_picture(path: Path) -> bool:
    # Some systems leave hidden files beside pictures that have their endings.
    return path.suffix.lower() in ENDINGS + FOREIGN and not path.name.startswith(".")


def load(path: Path, name: str, *, deskew: bool = False) -> Dataset:
    """The digits of a picture, or of all pictures of a folder by name.

    Args:
      path: of a picture or folder.
      name: the same for messages.
      deskew: straighten slanted digits by their moments.

    Raises:
      UserError: a picture is broken, too large, or shows nothing; the message names it.
    """
    images, places = [], []
    for file in _files(path) if path.is_dir() else [path]:
        called = name if file is path else shown(file)
        found_NxHxW = digits(read(file, called), deskew=deskew)
        count = len(found_NxHxW)
        if not count:
            raise UserError(f"{called}: shows no digit that stands out from its paper")
        images.append(found_NxHxW)
        places += [f"{called}, digit {k + 1}" if count > 1 else called for k in range(count)]
    return Dataset(
        images_NxHxW=np.concatenate(images),
        labels_N=None,
        source="pictures",
        name=name,
        places=tuple(places),
    )


def read(file: Path, name: str) -> Grey:
    """A picture as grey values in 0..1 [height, width], turned as its EXIF tag says.

    Sides above `WORKING_SIDE` are shrunk to it; what is transparent is paper.

    Raises:
      UserError: it is broken, too large, or of another format than `FORMATS`.
    """
    if file.suffix.lower() in FOREIGN:
        raise UserError(f"{name}: HEIC pictures are not read; save it as JPEG or PNG")
    return decode(bounded.read_file(file, name), name)


def decode(content: bytes, name: str) -> Grey:
    """The same for the bytes of a file."""
    # Imported where a picture is really read.
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
                width, height = opened.size
                if width * height > MOST_PIXELS:
                    raise Image.DecompressionBombError
                # A JPEG is unpacked no larger than it is needed.
                opened.draft(None, (WORKING_SIDE, WORKING_SIDE))
                small = _shrunk(opened)
                picture = ImageOps.exif_transpose(small)
    except Image.DecompressionBombError:
        raise UserError(
            f"{name}: has more than {MOST_PIXELS:,} pixels; make the picture smaller"
        ) from None
    # Pillow's formats raise anything from SyntaxError to struct.error for damaged files.
    except Exception as error:
        reason = (str(error).splitlines() or ["damaged"])[0]
        # Its own words for this name an object in memory.
        reason = "no known format" if reason.startswith("cannot identify") else reason[:100]
        raise UserError(f"{name}: cannot be read as a picture ({shown(reason)})") from None
    ground = Image.new("RGBA", picture.size, _ground(np.asarray(picture)))
    flat = Image.alpha_composite(ground, picture).convert("L")
    return np.asarray(flat, np.float32) / np.float32(255)


def _shrunk(picture: "Image.Image") -> "Image.Image":
    """The picture as RGBA of at most the working size, its EXIF tags kept."""
    from PIL import Image

    tags = picture.getexif()
    if picture.mode[0] in "IF":
        # 16 bits and more: Pillow would cut off what is above 255.
        values = np.nan_to_num(np.asarray(picture, np.float64))
        low, high = values.min(), values.max()
        values = (values - low) * (255 / max(high - low, 1e-9))
        picture = Image.fromarray(values.astype(np.uint8))
    elif picture.mode not in ("L", "RGB", "RGBA"):
        picture = picture.convert("L" if picture.mode == "1" else "RGBA")
    picture.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    # A colour that stands for transparency is known to the conversion alone.
    picture = picture.convert("RGBA")
    picture.getexif().update(tags)
    return picture


def _ground(rgba: np.ndarray) -> tuple[int, int, int, int]:
    """White below transparent dark ink, black below light ink."""
    opaque = rgba[rgba[..., 3] > 127]
    dark = not len(opaque) or opaque[:, :3].mean() < 128
    return (255, 255, 255, 255) if dark else (0, 0, 0, 255)


FORMAT = Format(
    name="Pictures",
    what="to predict, a picture or a folder of pictures",
    learnt="Pillow's pages on its formats",
    holds=holds,
    load=_load,
)
