"""Folders of pictures by class: `training/3/17.png`, as mnist_png and Keras's readers have them."""

import io
import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import assemble, bounded, cache, handwriting, pictures
from lenet_jax.data.dataset import SIDE, Dataset, Images, Labels, Part
from lenet_jax.data.location import Asked, Location, Say, missing, part_of
from lenet_jax.errors import UserError

_CLASSES = frozenset("0123456789")


class _Picture(NamedTuple):
    entry: str
    label: int
    part: Part | None


def holds(location: Location) -> bool:
    """Whether a folder has folders called 0 to 9, at least two of them, with pictures in them."""
    return location.is_folder and len({picture.label for picture in _pictures(location)}) > 1


def load(location: Location, asked: Asked) -> Dataset:
    """Reads the pictures of a part, or all where no folder tells a part.

    Pictures of 28x28 are taken pixel for pixel; larger ones are read as own handwriting is.

    Raises:
      UserError: a picture is broken or shows no single digit; the message names it.
    """
    found = _pictures(location)
    fitting = [picture for picture in found if picture.part == asked.part]
    if all(picture.part is None for picture in found):
        fitting = found
    if not fitting:
        raise missing(location, f"folder {asked.part}/ with folders 0 to 9")
    contents = [bounded.read_file(location.path / each.entry, each.entry) for each in fitting]
    if sum(map(len, contents)) > bounded.MAX_BYTES:
        raise UserError(f"{location.name}: holds more than the {bounded.MAX_BYTES:,} bytes allowed")

    def parse(say: Say) -> tuple[Images, Labels]:
        images = [
            _digit(content, location.named(each.entry), asked.deskew)
            for content, each in zip(contents, fitting, strict=True)
        ]
        labels_N = np.array([each.label for each in fitting], np.int32)
        return _ink_on_zero(np.stack(images), say), labels_N

    member = " ".join(
        f"{each.label} {len(content)}" for content, each in zip(contents, fitting, strict=True)
    )
    kept = cache.parsed(b"".join(contents), f"classes {asked.deskew} {member}", parse)
    for note in kept.notes:
        asked.say(f"{location.name}: {note}")
    return assemble.dataset(kept.images_NxHxW, kept.labels_N, asked, location.name)


def _pictures(location: Location) -> list[_Picture]:
    found = []
    for entry in location.entries:
        *folders, base = entry.split("/")
        if folders and folders[-1] in _CLASSES and base.lower().endswith(pictures.ENDINGS):
            part = part_of(folders[-2]) if len(folders) > 1 else None
            found.append(_Picture(entry, int(folders[-1]), part))
    return found


def _digit(content: bytes, location: str, deskew: bool) -> NDArray[np.uint8]:
    small = _small(content)
    if small is not None:
        return small
    found_NxHxW = handwriting.digits(next(pictures.decoded(content, location))[1], deskew=deskew)
    if len(found_NxHxW) != 1:
        raise UserError(
            f"{location}: shows {len(found_NxHxW) or 'no'} digits where one is wanted; remove it"
        )
    digit_HxW: NDArray[np.uint8] = found_NxHxW[0]
    return digit_HxW


def _small(content: bytes) -> NDArray[np.uint8] | None:
    """The pixels of a grey picture of 28x28; None for any other, and for a broken one."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=pictures.known()) as opened:
                if opened.size != (SIDE, SIDE) or opened.mode not in ("1", "L", "P", "RGB"):
                    return None
                return np.array(opened.convert("L"))
    # Told by whoever reads it as a picture of any size.
    except Exception:
        return None


def _ink_on_zero(images_NxHxW: Images, say: Say) -> Images:
    """Digits of dark ink turned round, where the edges of most are light."""
    edges = np.concatenate([images_NxHxW[:, 0], images_NxHxW[:, -1]], axis=1)
    if np.median(edges) < 128:
        return images_NxHxW
    say("dark digits on light paper are turned to light on dark")
    return 255 - images_NxHxW
