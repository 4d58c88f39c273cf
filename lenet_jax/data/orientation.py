"""Finds out digits that are stored column by column, as EMNIST's are, whatever their file's name.

The mean digit of each class is compared with the mean digit of MNIST's, upright and turned.
"""

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data.dataset import CLASSES, SIDE, Images, Labels

# The mean digits of the 42,000 of Kaggle's train.csv in 7x7 cells of 4x4 pixels, 0 to 9 for their
# darkest cell.
_MEANS = (
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
_CELLS = 7
# Of a class, before its mean says anything; and of classes.
_LEAST_DIGITS, _LEAST_CLASSES = 20, 5
# Correlations with MNIST's mean digits: MNIST's own are 1 upright and 0.62 turned.
_LEAST_FIT, _LEAST_GAIN = 0.8, 0.15


def is_transposed(images_NxHxW: Images, labels_N: Labels) -> bool:
    """Whether the digits, turned over their diagonal, are like MNIST's, and not as they stand.

    False where there are too few digits to say, or where they are no digits at all.
    """
    upright, turned = [], []
    for label in range(CLASSES):
        digits_NxHxW = images_NxHxW[labels_N == label]
        if len(digits_NxHxW) < _LEAST_DIGITS:
            continue
        size = SIDE // _CELLS
        cells = digits_NxHxW.mean(0).reshape(_CELLS, size, _CELLS, size).mean((1, 3))
        mean = np.array([*map(int, _MEANS[label])], np.float64).reshape(_CELLS, _CELLS)
        upright.append(_correlation(cells, mean))
        turned.append(_correlation(cells.T, mean))
    if len(upright) < _LEAST_CLASSES:
        return False
    fit = float(np.mean(turned))
    return fit > _LEAST_FIT and fit > float(np.mean(upright)) + _LEAST_GAIN


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-9))
