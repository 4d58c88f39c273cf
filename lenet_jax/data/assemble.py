"""What every format does with the arrays it has read: the part, the orientation, the origin."""

import numpy as np

from lenet_jax.data import leakage, orientation
from lenet_jax.data.dataset import SIDE, Dataset, Images, Labels, Source
from lenet_jax.data.location import Asked, Say
from lenet_jax.errors import UserError

FLAG = "--transposed"
_MNIST_TRAIN_ROWS, _MNIST_ROWS = 60_000, 70_000


def dataset(
    images_NxHxW: Images,
    labels_N: Labels | None,
    asked: Asked,
    name: str,
    *,
    otherwise: Source = "other",
    known_transposed: bool = False,
) -> Dataset:
    """Makes the data set of arrays that a file holds.

    Args:
      images_NxHxW: uint8 [N, 28, 28].
      labels_N: int32 [N] in 0..9, or None.
      asked: what is wanted of them.
      name: their place, for messages.
      otherwise: the source, where the digits are not known to be anything else.
      known_transposed: the format holds digits column by column.

    Raises:
      UserError: there are no labels to train on, or the digits are turned and nobody has said so.
    """
    if asked.part == "train" and labels_N is None:
        raise UserError(f"{name}: has digits without labels; training needs both")
    if not len(images_NxHxW):
        raise UserError(f"{name}: holds no digits")
    if labels_N is not None and len(labels_N) == _MNIST_ROWS:
        images_NxHxW, labels_N = _part_of_all(images_NxHxW, labels_N, asked)
    if asked.transposed or known_transposed:
        images_NxHxW = np.ascontiguousarray(images_NxHxW.transpose(0, 2, 1))
    if labels_N is not None:
        turn = orientation.turn_of_classes(images_NxHxW, labels_N)
        if turn is orientation.TRANSPOSED:
            raise UserError(f"{name}: {_turned(asked, known_transposed)}")
    source = leakage.identify(labels_N, len(images_NxHxW), otherwise)
    if source == otherwise and labels_N is not None:
        source = leakage.by_pixels(images_NxHxW, otherwise)
    return Dataset(images_NxHxW=images_NxHxW, labels_N=labels_N, source=source, name=name)


def _turned(asked: Asked, known_transposed: bool) -> str:
    seen = "its digits lie on their side, as EMNIST's files hold them (column by column)"
    if asked.transposed and not known_transposed:
        return f"with {FLAG}, {seen}; leave the flag out"
    if known_transposed:
        return f"turned as EMNIST's files are, {seen}: somebody has turned them before; rename it"
    return f"{seen}; give {FLAG}"


def _part_of_all(images_NxHxW: Images, labels_N: Labels, asked: Asked) -> tuple[Images, Labels]:
    """MNIST's training or test digits, where these are all 70,000 in the order of the files."""
    at = _MNIST_TRAIN_ROWS
    if leakage.identify(labels_N[:at], at, "other") != "mnist-train":
        return images_NxHxW, labels_N
    rows = slice(at) if asked.part == "train" else slice(at, None)
    return np.ascontiguousarray(images_NxHxW[rows]), labels_N[rows]


def to_digits(images: Images, location: str, say: Say) -> Images:
    """Digits of another size than 28x28 made as MNIST's were, by the code that pictures use.

    Args:
      images: uint8 [N, H, W], ink above 0.
      location: for messages.
      say: is told of it.

    Raises:
      UserError: a digit without ink.
    """
    if images.shape[1:] == (SIDE, SIDE):
        return images
    from lenet_jax.data import centring

    made = []
    for index, image in enumerate(images):
        if not image.any():
            raise UserError(f"{location}: digit {index + 1:,} has no ink; remove it")
        made.append(centring.as_mnist(image.astype(np.float32) / 255))
    say(f"digits of {images.shape[1]} x {images.shape[2]} are made 28 x 28 as MNIST's were")
    return np.stack(made)
