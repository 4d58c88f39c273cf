"""Finds the images and the labels of a part among names, whichever way a library spells them."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from lenet_jax.data.dataset import Part
from lenet_jax.data.location import part_of
from lenet_jax.errors import UserError
from lenet_jax.files import printable

_IMAGES = {"images", "image", "imgs", "img", "x", "data", "pixels"}
_LABELS = {"labels", "label", "y", "targets", "target", "classes", "class"}


class Pair(NamedTuple):
    """The names of what belongs together; labels may be missing."""

    images: str
    labels: str | None


def find(names: Iterable[str], part: Part, location: str) -> Pair | None:
    """The pair of a part: of names that tell it, else of the only names that tell none.

    `x_train` and `y_train`, `train-imgs` and `train-labels`, `X` and `y`. None if there are no
    images of this part.

    Raises:
      UserError: several names mean the same.
    """
    found: dict[tuple[Part | None, str], list[str]] = {}
    for name in names:
        kind = kind_of(name)
        if kind is not None:
            found.setdefault((part_of(_base(name)), kind), []).append(name)
    at: Part | None = part
    if (part, "images") not in found:
        if any(told is not None for told, _ in found):
            return None
        at = None
    images, labels = found.get((at, "images"), []), found.get((at, "labels"), [])
    for several in (images, labels):
        if len(several) > 1:
            some = ", ".join(printable(name) for name in several[:3])
            raise UserError(f"{location}: has several arrays for the same ({some}); leave one")
    return Pair(images[0], labels[0] if labels else None) if images else None


def kind_of(name: str) -> str | None:
    """`images` or `labels`, if a name tells one of them."""
    words = set(re.split("[^a-z0-9]+", _base(name).lower()))
    is_images, is_labels = bool(words & _IMAGES), bool(words & _LABELS)
    if is_images == is_labels:
        return None
    return "images" if is_images else "labels"


def _base(name: str) -> str:
    return name.rpartition("/")[2]
