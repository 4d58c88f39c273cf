"""What a prediction leaves: a submission, or the digits of pictures in words."""

from typing import NamedTuple

import numpy as np

from lenet_jax import report
from lenet_jax.data import Dataset
from lenet_jax.files import make_folder, place
from lenet_jax.submission import writer


class Files(NamedTuple):
    """Where to write; folders that are missing are made.

    Attributes:
      submission: CSV file; none is written for the digits of pictures.
      probabilities: CSV file for the ten probabilities of each digit, None for none.
      doubtful: CSV file for the least confident predictions, None for none.
      seen: PNG file for the digits as the network saw them, None for none.
    """

    submission: str
    probabilities: str | None
    doubtful: str | None
    seen: str | None


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
      UserError: a folder or a file cannot be made.
    """
    labels_N = probabilities_NxK.argmax(axis=1)
    sure_N = probabilities_NxK.max(axis=1)
    lines = []
    written = files if dataset.places is None else files._replace(submission="")
    for path in filter(None, written):
        make_folder(place(path).parent)
    if dataset.places is None:
        writer.write(files.submission, labels_N)
        writer.validate(files.submission, len(dataset), sample_submission)
        lines.append(f"Wrote {len(dataset):,} rows to {files.submission}")
    else:
        answers = zip(dataset.places, labels_N, sure_N, strict=True)
        lines += [f"{place}: {label} ({report.confidence(sure)})" for place, label, sure in answers]
    if files.probabilities:
        writer.write_probabilities(files.probabilities, probabilities_NxK)
    if files.doubtful:
        writer.write_doubtful(files.doubtful, probabilities_NxK)
    if files.seen:
        seen = report.draw_seen(dataset.images_NxHxW, labels_N, sure_N)
        report.write(seen, files.seen)
        lines.append(f"Wrote what the network saw to {files.seen}")
    if dataset.labels_N is not None:
        right = int((labels_N == dataset.labels_N).sum())
        lines.append(f"Accuracy on {dataset.name}: {right / len(dataset):.2%} ({right:,} right)")
    return lines
