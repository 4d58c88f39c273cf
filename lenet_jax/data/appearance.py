"""What digits look like, as a few numbers that are kept with a run and compared later."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import orientation
from lenet_jax.data.dataset import CLASSES, Dataset

# Rows and columns from the edge.
_BORDER = 2
# A digit whose pixels differ by less than this fraction of the highest value of all is blank.
_CONTRAST = 0.1


@dataclasses.dataclass(frozen=True)
class Appearance:
    """What a set of digits looks like; all but `blank` are of those that are not blank.

    Attributes:
      highest: median of each digit's highest pixel.
      border: mean of the two outer rows and columns on each side, as a fraction of `highest`.
      ink: mean of all pixels, likewise.
      blank: fraction of digits without contrast.
      correlation: of neighbouring pixels of a digit; 0 for noise.
    """

    highest: float
    border: float
    ink: float
    blank: float
    correlation: float


@dataclasses.dataclass(frozen=True)
class Usual:
    """What digits look like that a network is trained on.

    Attributes:
      appearance: of them.
      class_means: as `orientation.class_means` gives them; empty where digits are too few.
      likeness: mean correlation of a digit with the class mean that it is most like.
    """

    appearance: Appearance
    class_means: tuple[str, ...]
    likeness: float


# Of Kaggle's train.csv.
MNIST = Usual(
    Appearance(highest=255.0, border=0.0, ink=0.13, blank=0.0, correlation=0.8),
    orientation.MNIST,
    likeness=0.82,
)


def of_training(dataset: Dataset) -> dict[str, Any]:
    """The numbers of `Usual` for JSON, nothing for digits that are all blank or have no labels."""
    some = dataset.take(orientation.some_of(len(dataset)))
    appearance, digits_NxHxW = seen(some.images_NxHxW)
    if appearance is None or some.labels_N is None:
        return {}
    means = orientation.class_means(some.images_NxHxW, some.labels_N)
    if sum(map(bool, means)) < orientation.LEAST_CLASSES:
        means = ()
    likeness = 0.0
    if means:
        likeness = float(orientation.correlations(digits_NxHxW, means)[0].max(1).mean())
    numbers = dataclasses.asdict(appearance) | {"likeness": likeness}
    rounded = {name: round(number, 4) for name, number in numbers.items()}
    return rounded | {"class_means": list(means)}


def read(kept: Mapping[str, Any]) -> Usual | None:
    """What `of_training` gave; None where another version, or none, has kept it."""
    names = [field.name for field in dataclasses.fields(Appearance)]
    numbers = [kept.get(name) for name in (*names, "likeness")]
    means = kept.get("class_means")
    if not isinstance(means, list) or len(means) not in (0, CLASSES):
        return None
    if not all(isinstance(mean, str) and orientation.is_mean(mean) for mean in means):
        return None
    floats = [float(number) for number in numbers if isinstance(number, int | float)]
    if len(floats) < len(numbers):
        return None
    return Usual(Appearance(*floats[:-1]), tuple(means), likeness=floats[-1])


def seen(images_NxHxW: NDArray[np.uint8]) -> tuple[Appearance | None, NDArray[np.float32]]:
    """What digits look like, None where all are blank, and those that are not.

    Args:
      images_NxHxW: uint8 [N, 28, 28].

    Returns:
      The digits are float32, 1 being `highest`.
    """
    highest_N, lowest_N = images_NxHxW.max((1, 2)), images_NxHxW.min((1, 2))
    is_blank_N = highest_N - lowest_N <= _CONTRAST * highest_N.max(initial=0)
    digits_NxHxW = images_NxHxW[~is_blank_N].astype(np.float32)
    if not len(digits_NxHxW):
        return None, digits_NxHxW
    highest = float(np.median(highest_N[~is_blank_N]))
    digits_NxHxW = np.minimum(digits_NxHxW / np.float32(highest), np.float32(1))
    within = digits_NxHxW[:, _BORDER:-_BORDER, _BORDER:-_BORDER]
    outside = digits_NxHxW.sum(dtype=np.float64) - within.sum(dtype=np.float64)
    appearance = Appearance(
        highest=highest,
        border=float(outside) / (digits_NxHxW.size - within.size),
        ink=float(digits_NxHxW.mean()),
        blank=float(is_blank_N.mean()),
        correlation=_correlation(digits_NxHxW),
    )
    return appearance, digits_NxHxW


def _correlation(digits_NxHxW: NDArray[np.float32]) -> float:
    around_NxHxW = digits_NxHxW - digits_NxHxW.mean((1, 2), keepdims=True)
    below = np.vdot(around_NxHxW[:, 1:], around_NxHxW[:, :-1])
    beside = np.vdot(around_NxHxW[:, :, 1:], around_NxHxW[:, :, :-1])
    return float((below + beside) / 2 / np.vdot(around_NxHxW, around_NxHxW))
