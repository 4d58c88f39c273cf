"""What a prediction leaves: a submission, and its numbers in words."""

from typing import NamedTuple

import numpy as np

from lenet_jax import submission
from lenet_jax.data import Dataset


class Files(NamedTuple):
    """Where to write.

    Attributes:
      submission: CSV file.
      probabilities: CSV file for the ten probabilities of each digit, None for none.
    """

    submission: str
    probabilities: str | None


def write(
    dataset: Dataset, probabilities_NxK: np.ndarray, files: Files, sample_submission: bytes | None
) -> list[str]:
    """Writes the files of a prediction and gives the lines that tell of it.

    Args:
      dataset: what was predicted.
      probabilities_NxK: of its digits.
      files: to write.
      sample_submission: what the submission is checked against, if there is one.

    Raises:
      UserError: a file cannot be written.
    """
    labels_N = probabilities_NxK.argmax(axis=1)
    submission.write(files.submission, labels_N)
    submission.validate(files.submission, len(dataset), sample_submission)
    lines = [f"Wrote {len(dataset):,} rows to {files.submission}"]
    if files.probabilities:
        submission.write_probabilities(files.probabilities, probabilities_NxK)
    if dataset.labels_N is not None:
        right = int((labels_N == dataset.labels_N).sum())
        lines.append(f"Accuracy on {dataset.name}: {right / len(dataset):.2%} ({right:,} right)")
    return lines
