"""LIBSVM's text files: `usps.bz2`, `usps.t.bz2` and `mnist.scale.bz2`, one digit a line."""

import re

import numpy as np

from lenet_jax.data import arrays, assemble, bounded, cache
from lenet_jax.data.dataset import CLASSES, PIXELS, SIDE, Dataset, Images, Labels
from lenet_jax.data.location import Asked, Location, Say
from lenet_jax.errors import UserError

_LINE = re.compile(rb"[+-]?\d+(\.0+)?( +\d+:[+-]?\d*\.?\d*(e[+-]?\d+)?)+ *\r?", re.IGNORECASE)
_USPS = 256
_MOST_DIGITS = bounded.MAX_BYTES // PIXELS // 4


def holds(location: Location) -> bool:
    """Whether a file's first line is a label and numbered values."""
    return bool(_LINE.fullmatch(location.start.partition(b"\n")[0]))


def load(location: Location, asked: Asked) -> Dataset:
    """Reads a file as whichever part is asked for; labels from 1 to 10 stand for 0 to 9.

    Raises:
      UserError: a line is no digit.
    """
    name = location.name
    kept = cache.parsed(location.content, "libsvm", lambda say: _parse(location.content, name, say))
    for note in kept.notes:
        asked.say(f"{name}: {note}")
    return assemble.dataset(kept.images_NxHxW, kept.labels_N, asked, name)


def _parse(content: bytes, name: str, say: Say) -> tuple[Images, Labels]:
    lines = bounded.unpack(content, name).rstrip(b"\r\n").split(b"\n")
    if len(lines) > _MOST_DIGITS:
        raise UserError(f"{name}: has {len(lines):,} lines, more than the {_MOST_DIGITS:,} allowed")
    pixels_NxD = np.zeros((len(lines), PIXELS), np.float32)
    labels_N = np.empty(len(lines), np.int64)
    width = 0
    for row, line in enumerate(lines):
        location = f"{name}: line {row + 1}"
        if not _LINE.fullmatch(line):
            raise UserError(f"{location}: is not a label and numbered values; get the file again")
        label, *cells = line.split()
        try:
            at, values = zip(*(cell.split(b":") for cell in cells), strict=True)
            numbers = np.array(at, np.int64)
            labels_N[row] = float(label)
            if numbers.min() < 1 or numbers.max() > PIXELS:
                raise UserError(f"{location}: has a value numbered outside of 1 to {PIXELS}")
            pixels_NxD[row, numbers - 1] = np.array(values, np.float32)
        except (ValueError, OverflowError):
            raise UserError(f"{location}: has a value that is no number; correct it") from None
        width = max(width, int(numbers.max()))
    side = 16 if width <= _USPS else SIDE
    at_least_one = labels_N.min() == 1 and labels_N.max() == CLASSES
    if at_least_one:
        labels_N -= 1
        say("labels 1 to 10 are taken for 0 to 9")
    images_NxHxW = arrays.images(pixels_NxD[:, : side * side], name, say)
    images_NxHxW = assemble.to_digits(images_NxHxW, name, say)
    return images_NxHxW, arrays.labels(labels_N, name, len(images_NxHxW))
