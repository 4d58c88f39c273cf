"""The reliability diagram: whether a confidence of 90% means that nine in ten are right."""

import dataclasses
import os
from typing import TYPE_CHECKING

import numpy as np

from lenet_jax.report.figures import (
    BLUE,
    FAINT,
    INK,
    MEDIUM,
    add_headings,
    empty_figure,
    quiet_axes,
    write,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 10


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Digits sorted by the confidence of their prediction into Q bins of equal width.

    Attributes:
      count_Q: digits in a bin, int64.
      confidence_Q: their mean confidence, NaN in an empty bin.
      accuracy_Q: the share of them that is right, NaN in an empty bin.
      error: expected calibration error, the mean distance of the two over all digits, in [0, 1];
        NaN without digits (Guo et al. 2017, equation 3).
    """

    count_Q: np.ndarray
    confidence_Q: np.ndarray
    accuracy_Q: np.ndarray
    error: float


def calibration(
    labels_N: np.ndarray, probabilities_NxK: np.ndarray, bins: int = BINS
) -> Calibration:
    """Sorts digits into bins of confidence; bin q holds those in (q / Q, (q + 1) / Q].

    Args:
      labels_N: true classes, integers in [0, K).
      probabilities_NxK: predicted, in [0, 1]; the largest of a row is the prediction.
      bins: Q, at least 1.

    Examples:
      >>> bins = calibration(np.array([0, 0, 0, 1]), np.tile([0.75, 0.25], (4, 1)))
      >>> bins.count_Q.tolist(), bins.error
      ([0, 0, 0, 0, 0, 0, 0, 4, 0, 0], 0.0)
    """
    # In double precision, or the mean of equal numbers might not be that number.
    confidence_N = probabilities_NxK.max(axis=1).astype(np.float64)
    right_N = probabilities_NxK.argmax(axis=1) == labels_N
    bin_N = np.clip(np.ceil(confidence_N * bins).astype(int) - 1, 0, bins - 1)
    count_Q = np.bincount(bin_N, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence_Q = np.bincount(bin_N, confidence_N, bins) / count_Q
        accuracy_Q = np.bincount(bin_N, right_N, bins) / count_Q
    gaps_Q = np.nan_to_num(np.abs(accuracy_Q - confidence_Q))
    digits = count_Q.sum()
    error = float((count_Q * gaps_Q).sum() / digits) if digits else float("nan")
    return Calibration(count_Q, confidence_Q, accuracy_Q, error)


def reliability(
    labels_N: np.ndarray, probabilities_NxK: np.ndarray, path: str | os.PathLike[str]
) -> None:
    """Writes the reliability diagram; see `draw_reliability` and `write`."""
    write(draw_reliability(labels_N, probabilities_NxK), path)


def draw_reliability(labels_N: np.ndarray, probabilities_NxK: np.ndarray) -> "Figure":
    """Accuracy against confidence, and below it how many digits each point stands for.

    Args:
      labels_N: true classes, integers in [0, K).
      probabilities_NxK: predicted, in [0, 1].

    Returns:
      900 x 900 pixels.

    Raises:
      ValueError: there is no digit.
    """
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    if not len(labels_N):
        raise ValueError("there are no digits to draw")
    bins = calibration(labels_N, probabilities_NxK)
    figure = empty_figure(900, 900)
    # Left, bottom, width and height of the two, one above the other.
    accuracy = figure.add_axes((100 / 900, 280 / 900, 760 / 900, 520 / 900))
    counts = figure.add_axes((100 / 900, 80 / 900, 760 / 900, 150 / 900))

    filled = bins.count_Q > 0
    confidence, right = bins.confidence_Q[filled], bins.accuracy_Q[filled]
    low, high = wilson(right, bins.count_Q[filled])
    accuracy.plot([0, 1], [0, 1], color=FAINT, lw=1, ls="--")
    accuracy.vlines(confidence, low, high, color=BLUE, lw=2, alpha=0.4)
    accuracy.plot(confidence, right, "o", color=BLUE, ms=6)
    accuracy.set_ylabel("share that is right", fontsize=MEDIUM, color=INK)
    accuracy.set_ylim(-0.02, 1.02)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))

    edges = (np.arange(BINS) + 0.5) / BINS
    counts.bar(edges[filled], bins.count_Q[filled], 0.9 / BINS, color=BLUE)
    counts.set_yscale("log")
    counts.set_ylim(0.5, 2 * bins.count_Q.max())
    counts.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    counts.set_ylabel("digits", fontsize=MEDIUM, color=INK)
    counts.set_xlabel("confidence", fontsize=MEDIUM, color=INK)
    for axes in (accuracy, counts):
        axes.set_xlim(-0.02, 1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        quiet_axes(axes)
    add_headings(
        figure,
        f"Expected calibration error {bins.error:.2%}",
        "On the dashed line confidence is honest; the lines through the points are 95% intervals",
        100,
    )
    return figure


def wilson(share: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95% confidence intervals of shares of so many draws (Wilson 1927), each in [0, 1]."""
    z = 1.959964
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + (z / count) ** 2 / 4)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
