"""Galleries of digits: those that a run gets wrong, and those that it trains on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lenet_jax.report.figures import (
    INK,
    add_headings,
    add_text,
    empty_canvas,
    empty_figure,
    ink,
    paste,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Screen pixels per pixel of a digit: a whole number keeps the squares square.
ZOOM = 3


def worst_mistakes(labels_N: np.ndarray, probabilities_NxK: np.ndarray) -> np.ndarray:
    """Positions of the wrongly predicted digits, the most confident mistake first.

    Args:
      labels_N: true classes, integers in [0, K).
      probabilities_NxK: predicted, in [0, 1]; the largest of a row is the prediction.

    Returns:
      int64 [at most N]; mistakes of the same confidence stay in their order.
    """
    wrong = np.flatnonzero(probabilities_NxK.argmax(axis=1) != labels_N)
    return wrong[np.argsort(-probabilities_NxK[wrong].max(axis=1), kind="stable")]


def draw_mistakes(
    images_NxHxW: np.ndarray,
    labels_N: np.ndarray,
    probabilities_NxK: np.ndarray,
    limit: int = 48,
    columns: int = 8,
) -> "Figure":
    """Gallery of wrong digits, each titled `true -> predicted, confidence`, the worst first.

    Args:
      images_NxHxW: in 0..255, 0 is background and 255 is ink.
      labels_N: true classes, integers in [0, K).
      probabilities_NxK: predicted, in [0, 1].
      limit: of digits that are shown, at least 1.
      columns: digits in a row.

    Returns:
      888 pixels wide for 8 columns of digits of 28 x 28, and as high as its rows ask for; where no
      digit is wrong, a picture that says so.

    Raises:
      ValueError: arrays of different N, or a limit below 1.
    """
    digits = len(images_NxHxW)
    if not digits == len(labels_N) == len(probabilities_NxK):
        raise ValueError("images, labels and probabilities must be of the same digits")
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    order = worst_mistakes(labels_N, probabilities_NxK)
    if not len(order):
        notice = f"None of {digits:,} digits is wrong" if digits else "There are no digits"
        figure = empty_figure(936, 200)
        figure.text(0.5, 0.5, notice, ha="center", va="center", fontsize=16, color=INK)
        return figure
    chosen = order[:limit]
    heading = f"{len(order):,} of {digits:,} digits wrong ({len(order) / digits:.2%})"
    subheading = "True \N{RIGHTWARDS ARROW} predicted, confidence"
    if len(chosen) < len(order):
        subheading += f"; the {len(chosen)} most confident"
    titles = [
        f"{true} \N{RIGHTWARDS ARROW} {row_K.argmax()}, {confidence(row_K.max())}"
        for true, row_K in zip(labels_N[chosen], probabilities_NxK[chosen], strict=True)
    ]
    return draw_gallery(images_NxHxW[chosen], heading, subheading, columns=columns, titles=titles)


def confidence(probability: float) -> str:
    """A probability in [0, 1] for people to read."""
    # "100.0%" would claim what no softmax says.
    return ">99.9%" if probability > 0.999 else f"{probability:.1%}"


def draw_augmented(images_NxHxW: np.ndarray) -> "Figure":
    """A grid of the first 10 x 10 digits.

    Args:
      images_NxHxW: already augmented, at least one, in 0..255; 0 is background and 255 is ink.

    Returns:
      960 x 1020 pixels for digits of 28 x 28; rows that have no digits are left out.

    Raises:
      ValueError: there is no image.
    """
    if not len(images_NxHxW):
        raise ValueError("there are no digits to draw")
    pictured_NxHxW = images_NxHxW[:100]
    heading = f"{len(pictured_NxHxW)} of the training digits"
    return draw_gallery(pictured_NxHxW, heading, "As the network sees them in training", columns=10)


def draw_seen(images_NxHxW: np.ndarray, labels_N: np.ndarray, sure_N: np.ndarray) -> "Figure":
    """A gallery of the first 200 digits with the answers to them.

    Args:
      images_NxHxW: at least one, in 0..255; 0 is background and 255 is ink.
      labels_N: predicted.
      sure_N: probability of each prediction, in [0, 1].
    """
    titles = [f"{label}, {confidence(sure)}" for label, sure in zip(labels_N, sure_N, strict=True)]
    heading = "What the network saw" + (": the first 200" if len(titles) > 200 else "")
    return draw_gallery(
        images_NxHxW[:200], heading, "Predicted, confidence", columns=8, titles=titles[:200]
    )


def draw_gallery(
    images_NxHxW: np.ndarray,
    heading: str,
    subheading: str,
    *,
    columns: int,
    titles: Sequence[str] | None = None,
) -> "Figure":
    """Digits in rows, dark on light, laid out in whole screen pixels.

    Args:
      images_NxHxW: in 0..255; 0 is background and 255 is ink.
      heading: first line above them.
      subheading: second line.
      columns: digits in a row.
      titles: of each digit, a few letters; None for none.
    """
    images, height, width = images_NxHxW.shape
    high, wide = height * ZOOM, width * ZOOM
    # Pixels beside, above and below a digit, around all of them, and above the first.
    gap, above, below = (8, 0, 8) if titles is None else (24, 22, 16)
    margin, head = 24, 84
    rows = -(-images // columns)
    figure_width = 2 * margin + columns * (wide + gap) - gap
    figure_height = head + rows * (high + above + below) - below + margin
    figure = empty_figure(figure_width, figure_height)
    # One picture of all digits: matplotlib takes milliseconds for each that it is given alone.
    canvas = empty_canvas(figure)
    for index, image_HxW in enumerate(images_NxHxW):
        left = margin + index % columns * (wide + gap)
        top = head + above + index // columns * (high + above + below)
        paste(canvas, ink(image_HxW), left, top, ZOOM)
        if titles is not None:
            add_text(figure, left + wide / 2, top - 6, titles[index], ha="center")
    figure.figimage(canvas)
    add_headings(figure, heading, subheading, margin)
    return figure
