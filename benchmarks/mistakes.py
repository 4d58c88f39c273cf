"""What several recipes get wrong together, and which labels look mistaken.

Everything is out of fold: each digit is judged by networks that have not seen it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lenet_jax import report

# name of a recipe -> what the average of its networks says of all digits, [N, K].
Answers = Mapping[str, np.ndarray]


def common_table(answers: Answers, labels_N: np.ndarray) -> Iterator[str]:
    """How many of the mistakes of a row's recipe are mistakes of a column's recipe, too."""
    wrong = {name: each.argmax(axis=1) != labels_N for name, each in answers.items()}
    yield "| recipe | mistakes | " + " | ".join(f"also of `{name}.py`, %" for name in wrong) + " |"
    yield "|---|---|" + "---|" * len(wrong)
    for name, row_N in wrong.items():
        cells = [
            "" if other == name else f"{100 * column_N[row_N].mean():.0f}"
            for other, column_N in wrong.items()
        ]
        yield f"| `{name}.py` | {row_N.sum()} | {' | '.join(cells)} |"


def wrong_in_all(answers: Answers, labels_N: np.ndarray) -> np.ndarray:
    """Positions of the digits that every recipe gets wrong."""
    wrong = [each.argmax(axis=1) != labels_N for each in answers.values()]
    return np.flatnonzero(np.all(wrong, axis=0))


def draw_wrong_in_all(answers: Answers, labels_N: np.ndarray, images_NxHxW: np.ndarray) -> Any:
    """A picture of them, the surest answers first, each with its label and every answer."""
    rows = wrong_in_all(answers, labels_N)
    least_sure = np.min([each[rows].max(axis=1) for each in answers.values()], axis=0)
    rows = rows[np.argsort(-least_sure, kind="stable")]
    said = np.array([each[rows].argmax(axis=1) for each in answers.values()]).T
    titles = [
        f"{labels_N[row]} \N{RIGHTWARDS ARROW} {' '.join(map(str, each))}"
        for row, each in zip(rows, said, strict=True)
    ]
    subheading = "Label \N{RIGHTWARDS ARROW} answers of " + ", ".join(answers)
    heading = f"{len(rows)} digits that all get wrong"
    return report.draw_gallery(images_NxHxW[rows], heading, subheading, columns=8, titles=titles)


def doubtful_labels(probabilities_NxK: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """Positions of the digits whose label confident learning takes for another (Northcutt 2021).

    A digit counts as one of class k if its probability of k is at least the mean of it over the
    digits labelled k (equation 2 there); of several such classes as one of the most probable.

    Args:
      probabilities_NxK: out of fold.
      labels_N: in [0, K).
    """
    classes = probabilities_NxK.shape[1]
    threshold_K = [probabilities_NxK[labels_N == k, k].mean() for k in range(classes)]
    counted_NxK = np.where(probabilities_NxK >= threshold_K, probabilities_NxK, -1)
    counted_N = counted_NxK.argmax(axis=1)
    certain_N = counted_NxK.max(axis=1) >= 0
    return np.flatnonzero(certain_N & (counted_N != labels_N))
