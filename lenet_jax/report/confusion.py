"""The confusion matrix of the held-out digits."""

from typing import TYPE_CHECKING

import numpy as np

from lenet_jax.report.figures import GRID, INK, MEDIUM, ORANGE, PAPER, add_headings, empty_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIAGONAL, ZERO = "#e9eef3", "#c4c4c4"


def confusion_matrix(labels_N: np.ndarray, probabilities_NxK: np.ndarray) -> np.ndarray:
    """Counts of the true class (rows) against the predicted one (columns), int64 [K, K].

    Args:
      labels_N: true classes, integers in [0, K).
      probabilities_NxK: predicted; the largest of a row is the prediction.
    """
    classes = probabilities_NxK.shape[1]
    matrix_KxK = np.zeros((classes, classes), np.int64)
    np.add.at(matrix_KxK, (labels_N, probabilities_NxK.argmax(axis=1)), 1)
    return matrix_KxK


def draw_confusion(matrix_KxK: np.ndarray) -> "Figure":
    """Confusion matrix, coloured by the mistakes alone: the diagonal would drown them.

    Args:
      matrix_KxK: counts, at least 0, of the true class (rows) against the predicted (columns).

    Returns:
      900 x 960 pixels.

    Raises:
      ValueError: the matrix is not square, is empty, or holds a negative number.
    """
    from matplotlib.colors import LinearSegmentedColormap

    counts_KxK = np.asarray(matrix_KxK)
    if counts_KxK.ndim != 2 or len(set(counts_KxK.shape)) != 1 or not counts_KxK.size:
        raise ValueError(f"a confusion matrix is square, not {counts_KxK.shape}")
    if counts_KxK.min() < 0:
        raise ValueError("a confusion matrix holds counts, which are at least 0")
    classes = len(counts_KxK)
    mistakes_KxK = np.ma.masked_array(counts_KxK, mask=np.eye(classes, dtype=bool))

    figure = empty_figure(900, 960)
    # Left, bottom, width and height: 800 x 800 pixels.
    axes = figure.add_axes((72 / 900, 72 / 960, 800 / 900, 800 / 960))
    axes.set_facecolor(DIAGONAL)
    axes.imshow(
        mistakes_KxK,
        cmap=LinearSegmentedColormap.from_list("mistakes", [PAPER, "#f9c9a3", ORANGE]),
        vmin=0,
        vmax=max(1, int(mistakes_KxK.filled(0).max())),
    )
    size = float(np.clip(66 / len(f"{counts_KxK.max():,.0f}"), 6, 13)) * min(1, 10 / classes)
    for (true, predicted), count in np.ndenumerate(counts_KxK):
        mistake = true != predicted
        axes.text(
            predicted,
            true,
            f"{count:,.0f}",
            ha="center",
            va="center",
            fontsize=size,
            color=ZERO if mistake and not count else INK,
            fontweight="bold" if mistake and count else "normal",
        )
    edges = np.arange(classes + 1) - 0.5
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(range(classes))
        axis.set_ticks(edges, minor=True)
    axes.grid(which="minor", color=GRID, lw=0.8)
    axes.tick_params(which="both", length=0, labelsize=MEDIUM)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted digit", fontsize=MEDIUM)
    axes.set_ylabel("true digit", fontsize=MEDIUM)

    right, digits = np.trace(counts_KxK), counts_KxK.sum()
    summary = f"{right:,.0f} of {digits:,.0f} digits right ({right / max(1, digits):.2%})"
    add_headings(
        figure,
        summary if digits else "No digits",
        "On the diagonal what is right; the stronger the colour beside it, the more mistakes",
        72,
    )
    return figure
