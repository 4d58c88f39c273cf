"""A picture, or a folder of pictures, as what `--data` names."""

from lenet_jax.data import pictures
from lenet_jax.data.dataset import Dataset
from lenet_jax.data.place import Asked, Place
from lenet_jax.errors import UserError


def holds(place: Place) -> bool:
    """Whether a place is a picture, or a folder with one in it."""
    if place.is_folder:
        return place.depth == 0 and bool(pictures.files_of(place.path))
    return pictures.is_picture(place.path)


def load(place: Place, asked: Asked) -> Dataset:
    """Reads the digits that the pictures show, to be predicted.

    Raises:
      UserError: they are asked for to train on or to be turned, or show no digit at all.
    """
    if asked.part == "train":
        raise UserError(
            f"{place.name}: pictures without labels; to train on them put those of each digit into "
            "a folder of its name, 0 to 9"
        )
    if asked.transposed:
        raise UserError(f"{place.name}: pictures stand upright; leave --transposed out")
    return pictures.load(place.path, place.name, deskew=asked.deskew, say=asked.say)
