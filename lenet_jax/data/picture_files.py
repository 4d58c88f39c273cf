"""A picture, or a folder of pictures, as what `--data` names."""

from lenet_jax.data import pictures
from lenet_jax.data.dataset import Dataset
from lenet_jax.data.location import Asked, Location
from lenet_jax.errors import UserError


def holds(location: Location) -> bool:
    """Whether a place is a picture, or a folder with one in it."""
    if location.is_folder:
        return location.depth == 0 and bool(pictures.files_of(location.path))
    return pictures.is_picture(location.path)


def load(location: Location, asked: Asked) -> Dataset:
    """Reads the digits that the pictures show, to be predicted.

    Raises:
      UserError: they are asked for to train on or to be turned, or show no digit at all.
    """
    if asked.part == "train":
        raise UserError(
            f"{location.name}: pictures without labels; to train on them put those of each digit "
            "into a folder of its name, 0 to 9"
        )
    if asked.transposed:
        raise UserError(f"{location.name}: pictures stand upright; leave --transposed out")
    return pictures.load(location.path, location.name, deskew=asked.deskew, say=asked.say)
