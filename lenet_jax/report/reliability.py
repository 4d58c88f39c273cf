"""The reliability diagram: whether a confidence of 90% means that nine in ten are right."""

from typing import TYPE_CHECKING

import numpy as np

from lenet_jax.inference.calibration import BINS, sort_into_bins
from lenet_jax.report.figures import (
    BLUE,
    FAINT,
    INK,
    MEDIUM,
    add_headings,
    empty_figure,
    quiet_axes,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    bins = sort_into_bins(probabilities_NxK, labels_N)
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
    counts.set_ylim(0.5, 2 * max(1, bins.count_Q.max()))
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


def wilson(fraction_right: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95% confidence intervals of fractions of so many draws (Wilson 1927), each in [0, 1]."""
    z = 1.959964
    centre = (fraction_right + z**2 / (2 * count)) / (1 + z**2 / count)
    half = (
        z
        / (1 + z**2 / count)
        * np.sqrt(fraction_right * (1 - fraction_right) / count + (z / count) ** 2 / 4)
    )
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
