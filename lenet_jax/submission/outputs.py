"""What a prediction leaves: a submission, or the digits of pictures in words."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lenet_jax import data, report
from lenet_jax.data import Dataset
from lenet_jax.errors import UserError
from lenet_jax.files import make_folder, printable, to_path
from lenet_jax.runs import occupied, written
from lenet_jax.submission import writer

# That name the files, in their order.
FLAGS = ("--output", "--probabilities", "--doubtful", "--show")
# Endings of what other programs write for the same name: packed, or a table or a picture of
# another kind.
_OTHERS = (
    {".bz2", ".gz", ".xz", ".zip", ".zst"}
    | {".arrow", ".csv", ".feather", ".html", ".json", ".ods", ".parquet", ".tsv", ".xls", ".xlsx"}
    | {".bmp", ".gif", ".jpeg", ".jpg", ".pdf", ".png", ".svg", ".tif", ".tiff", ".webp"}
    | {".npy", ".npz"}
)


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


def check(dataset: Dataset, files: Files, run: str, source: str, *, overwrite: bool) -> None:
    """Refuses files that must not be replaced, before anything is predicted for them.

    Args:
      dataset: that is to be predicted.
      files: to write.
      run: the workdir.
      source: the value of `--data`.
      overwrite: files that were not written here may be replaced.

    Raises:
      UserError: a file was not written here, or is an input, or two are the same.
    """
    named = list(zip(FLAGS, files, strict=True))
    if dataset.locations is not None:
        del named[0]
    written.check(named, overwrite=overwrite, inputs=inputs(run, source))
    check_endings(named)


def check_endings(named: Sequence[tuple[str, str | None]]) -> None:
    """Raises UserError if a flag names a file of another kind than is written."""
    for flag, path in named:
        written_here = ".png" if flag == "--show" else ".csv"
        if path is not None and (ending := Path(path).suffix.lower()) in _OTHERS - {written_here}:
            raise UserError(
                f"{flag}: {printable(path)}: is written as {written_here}, not as {ending}; give a "
                f"name that ends in {written_here}"
            )


def inputs(run: str, source: str) -> list[tuple[str, str | os.PathLike[str]]]:
    """What a prediction reads, which is never replaced: the flag that names it, and the path.

    Args:
      run: the workdir.
      source: the value of `--data`.
    """
    read: list[tuple[str, str | os.PathLike[str]]] = [
        ("--workdir", path) for path in occupied.files(run)
    ]
    if (given := data.path_of(source)) is not None:
        read.append(("--data", given))
    return read


def write(
    dataset: Dataset,
    probabilities_NxK: np.ndarray,
    files: Files,
    sample_submission: bytes | None,
    *,
    overwrite: bool = False,
) -> list[str]:
    """Writes the files of a prediction and gives the lines that tell of it.

    Args:
      dataset: what was predicted.
      probabilities_NxK: of its digits.
      files: to write.
      sample_submission: what the submission is checked against, if there is one.
      overwrite: files that were not written here may be replaced.

    Raises:
      UserError: a folder or a file cannot be made.
    """
    labels_N = probabilities_NxK.argmax(axis=1)
    sure_N = probabilities_NxK.max(axis=1)
    lines = []
    paths = files if dataset.locations is None else files._replace(submission="")
    for path in filter(None, paths):
        make_folder(to_path(path).parent)
    if dataset.locations is None:
        writer.write(
            files.submission, labels_N, sample_submission=sample_submission, overwrite=overwrite
        )
        writer.validate(files.submission, len(dataset))
        lines.append(f"Wrote {len(dataset):,} rows to {files.submission}")
    else:
        rows = zip(dataset.locations, labels_N, sure_N, strict=True)
        lines += [
            f"{location}: {label} ({report.confidence(sure)})" for location, label, sure in rows
        ]
    if files.probabilities:
        writer.write_probabilities(files.probabilities, probabilities_NxK, overwrite=overwrite)
    if files.doubtful:
        writer.write_doubtful(files.doubtful, probabilities_NxK, overwrite=overwrite)
    if files.seen:
        seen = report.draw_seen(dataset.images_NxHxW, labels_N, sure_N)
        report.write(seen, files.seen, overwrite=overwrite)
        lines.append(f"Wrote what the network saw to {files.seen}")
    if dataset.labels_N is not None:
        right = int((labels_N == dataset.labels_N).sum())
        lines.append(f"Accuracy on {dataset.name}: {right / len(dataset):.2%} ({right:,} right)")
    return lines
