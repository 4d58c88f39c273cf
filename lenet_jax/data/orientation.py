"""Finds out digits that are stored turned or mirrored, as EMNIST's are, whatever their file's name.

What they are compared with are mean digits of ten classes: with labels the mean of each class,
without them each digit with that one of the ten which it is most like.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data.dataset import CLASSES, SIDE, Labels

# A mean digit in 7x7 cells of 4x4 pixels, 0 to 9 for its darkest cell.
CELLS = 7
# Of Kaggle's train.csv, all 42,000.
MNIST = (
    "0000000002782001776700471370066275003995100000000",
    "0000000000341000064000009100002810000351000000000",
    "0001000014761001236200025610038973003654200000000",
    "0000000015861001267100049710011273003786100011000",
    "0000000001122001636200396920014761000143000001100",
    "0000000002664101785310198510023472002896100011000",
    "0001100002641000551100186740019884000474000000000",
    "0000000001220003779300122810001650000262000023100",
    "0000000002662001556300049610015741001674100011000",
    "0000000001430001767200276910013660000153000012100",
)
# Of a class, before its mean says anything; and of classes.
LEAST_DIGITS, LEAST_CLASSES = 20, 5
# Correlations of mean digits with MNIST's: MNIST's own are 1 upright and at most 0.8 turned.
_LEAST_FIT, _LEAST_GAIN = 0.8, 0.15

# Digits of a set that are looked at.
_MOST = 1000

Cells = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Turn:
    """A way in which digits lie.

    Attributes:
      back: brings [N, H, W] back.
      seen: completes "these digits ...".
      remedy: completes "give ..." for an image called `digit`.
    """

    back: Callable[[NDArray], NDArray]
    seen: str
    remedy: str


TRANSPOSED = Turn(
    lambda images: images.transpose(0, 2, 1),
    "lie on their side, column by column as EMNIST's",
    "--transposed",
)
TURNS = (
    TRANSPOSED,
    Turn(lambda images: np.rot90(images, 1, (1, 2)), "are turned right", "numpy.rot90(digit)"),
    Turn(lambda images: np.rot90(images, -1, (1, 2)), "are turned left", "numpy.rot90(digit, -1)"),
    Turn(lambda images: images[:, ::-1, ::-1], "stand on their head", "numpy.rot90(digit, 2)"),
    Turn(lambda images: images[:, :, ::-1], "are mirrored left to right", "numpy.fliplr(digit)"),
    Turn(lambda images: images[:, ::-1], "are mirrored top to bottom", "numpy.flipud(digit)"),
    Turn(
        lambda images: images[:, ::-1, ::-1].transpose(0, 2, 1),
        "are mirrored over their rising diagonal",
        "numpy.rot90(digit, 2).T",
    ),
)


def some_of(count: int) -> NDArray[np.intp]:
    """Positions of at most a thousand digits all over a set, in their order.

    Steps of the golden ratio, for even ones may all meet one class where the order has a period.
    """
    if count <= _MOST:
        return np.arange(count)
    golden = (np.sqrt(5) - 1) / 2
    chosen = np.zeros(count, np.bool_)
    chosen[(np.arange(_MOST) * golden % 1 * count).astype(np.intp)] = True
    # `np.unique` would import all of numpy.ma.
    return np.flatnonzero(chosen)


def class_means(images_NxHxW: NDArray, labels_N: Labels) -> tuple[str, ...]:
    """The mean digit of each class in the form of `MNIST`, empty for a class of too few digits."""
    return tuple(
        _text(_cells(digits_NxHxW.mean(0, keepdims=True))[0])
        if len(digits_NxHxW := images_NxHxW[labels_N == label]) >= LEAST_DIGITS
        else ""
        for label in range(CLASSES)
    )


def turn_of_classes(images_NxHxW: NDArray, labels_N: Labels) -> Turn | None:
    """How digits with labels lie if they are like MNIST's, and not as they stand.

    None where there are too few digits to say, or where they are no digits at all.
    """
    some_N = some_of(len(images_NxHxW))
    means = class_means(images_NxHxW[some_N], labels_N[some_N])
    known = [label for label in range(CLASSES) if means[label]]
    if len(known) < LEAST_CLASSES:
        return None
    own = _numbers([means[label] for label in known])
    mnist = _directions(_numbers([MNIST[label] for label in known]))

    def fit(back: Callable[[NDArray], NDArray]) -> float:
        return float((_directions(back(own)) * mnist).sum(1).mean())

    turn = max(TURNS, key=lambda turn: fit(turn.back))
    best = fit(turn.back)
    return turn if best > _LEAST_FIT and best > fit(np.asarray) + _LEAST_GAIN else None


def is_mean(text: str) -> bool:
    """Whether a text has the form of those in `MNIST`, or is empty."""
    return text == "" or (len(text) == CELLS**2 and set(text) <= set("0123456789"))


def correlations(images_NxHxW: NDArray, means: Sequence[str]) -> tuple[Cells, Mapping[Turn, Cells]]:
    """How like each digit is to each mean digit, float32 [N, classes] up to 1.

    Args:
      images_NxHxW: digits, of any numbers.
      means: of classes; those that are empty are left out.

    Returns:
      That of the digits as they stand, and after each turn is undone.
    """
    cells_NxHxW = _cells(images_NxHxW)
    means_DxK = _directions(_numbers([mean for mean in means if mean])).T
    upright_NxK: Cells = _directions(cells_NxHxW) @ means_DxK
    return upright_NxK, {turn: _directions(turn.back(cells_NxHxW)) @ means_DxK for turn in TURNS}


def _cells(images_NxHxW: NDArray) -> Cells:
    size = SIDE // CELLS
    shape = (-1, CELLS, size, CELLS, size)
    return images_NxHxW.reshape(shape).mean((2, 4), dtype=np.float32)


def _text(cells: Cells) -> str:
    return "".join(f"{cell:.0f}" for cell in 9 * cells.ravel() / max(cells.max(), 1e-6))


def _numbers(means: Sequence[str]) -> Cells:
    numbers = np.array([[*map(int, mean)] for mean in means], np.float32)
    return numbers.reshape(-1, CELLS, CELLS)


def _directions(cells_NxHxW: NDArray) -> Cells:
    """Of mean 0 and length 1, so that a product is a correlation; float32 [N, R * C]."""
    flat_NxD = cells_NxHxW.reshape(len(cells_NxHxW), -1)
    flat_NxD = flat_NxD - flat_NxD.mean(1, keepdims=True)
    length_Nx1 = np.linalg.norm(flat_NxD, axis=1, keepdims=True)
    directions: Cells = flat_NxD / np.maximum(length_Nx1, 1e-6)
    return directions
