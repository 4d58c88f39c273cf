"""Writes what Kaggle scores, `ImageId,Label`, and proves a written file to be right."""

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lenet_jax.errors import UserError
from lenet_jax.files import printable
from lenet_jax.runs import written

HEADER = "ImageId,Label"
# Kaggle's 28,000 rows have 240 KB.
MAX_BYTES = 2**26

_ROW = re.compile(rb"([1-9][0-9]{0,9}),([0-9]{1,3})")


def write(
    path: str | os.PathLike[str],
    labels_N: NDArray[np.integer],
    *,
    sample_submission: bytes | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a submission whole or not at all: ids 1..N in the order of the test rows.

    Args:
      path: the file; the folder must exist.
      labels_N: integers [N] in 0..9, N at least 1.
      sample_submission: content of Kaggle's `sample_submission.csv`, which asks for as many rows.
      overwrite: a file that was not written here may be replaced.

    Raises:
      UserError: another file is there, or it cannot be written, or it would have other rows than
        the sample; nothing is left behind, and what was there stays.
      ValueError: labels of another shape, type or range.

    Examples:
      >>> import tempfile
      >>> path = Path(tempfile.mkdtemp()) / "submission.csv"
      >>> write(path, np.array([2, 0, 9]))
      >>> path.read_text().splitlines()
      ['ImageId,Label', '1,2', '2,0', '3,9']
    """
    labels_N = np.asarray(labels_N)
    if labels_N.ndim != 1 or not len(labels_N) or labels_N.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers [N], not {labels_N.dtype} {labels_N.shape}")
    if labels_N.min() < 0 or labels_N.max() > 9:
        raise ValueError("labels must lie in 0..9")
    if sample_submission is not None:
        _check_rows(printable(path), len(labels_N), sample_submission)
    rows = (f"{number},{label}\n" for number, label in enumerate(labels_N.tolist(), 1))
    written.write(path, f"{HEADER}\n{''.join(rows)}", overwrite=overwrite)


def write_probabilities(
    path: str | os.PathLike[str],
    probabilities_NxK: NDArray[np.floating],
    *,
    overwrite: bool = False,
) -> None:
    """Writes `ImageId,p0..p9`, each number as short as gives the same float32 back.

    Args:
      path: the file; the folder must exist.
      probabilities_NxK: [N, K] in [0, 1], in the order of the test rows.
      overwrite: a file that was not written here may be replaced.

    Raises:
      UserError: another file is there, or it cannot be written (nothing is left behind), or a row
        is not finite.
      ValueError: an array of another shape or range.
    """
    table_NxK = np.asarray(probabilities_NxK, dtype=np.float32)
    if table_NxK.ndim != 2:
        raise ValueError(f"probabilities must be [N, K], not {table_NxK.shape}")
    broken = np.flatnonzero(~np.isfinite(table_NxK).all(axis=1))
    if broken.size:
        raise UserError(
            f"{printable(path)}: not written, the probabilities of image {broken[0] + 1} are not "
            "finite; the run has diverged, train it again with a lower learning rate"
        )
    if (table_NxK < 0).any() or (table_NxK > 1).any():
        raise ValueError("probabilities must lie in [0, 1]")
    header = ",".join(["ImageId", *(f"p{digit}" for digit in range(table_NxK.shape[1]))])
    cells = table_NxK.astype("U").tolist()
    rows = (f"{number},{','.join(row)}\n" for number, row in enumerate(cells, 1))
    written.write(path, f"{header}\n{''.join(rows)}", overwrite=overwrite)


def write_doubtful(
    path: str | os.PathLike[str],
    probabilities_NxK: NDArray[np.floating],
    rows: int = 100,
    *,
    overwrite: bool = False,
) -> None:
    """Writes the rows with the least confident predictions, the least confident first.

    The columns are `ImageId,Label,probability,SecondLabel,second_probability`.

    Args:
      path: the file; the folder must exist.
      probabilities_NxK: [N, K] in the order of the test rows.
      rows: how many to write, or all if there are fewer.
      overwrite: a file that was not written here may be replaced.

    Raises:
      UserError: another file is there, or it cannot be written; nothing is left behind.
    """
    order_NxK = np.argsort(-probabilities_NxK, axis=1, kind="stable")
    sorted_NxK = np.take_along_axis(probabilities_NxK, order_NxK, axis=1)
    lines = ["ImageId,Label,probability,SecondLabel,second_probability"]
    for row in np.argsort(sorted_NxK[:, 0], kind="stable")[:rows]:
        first, second = (
            f"{label},{p:.4f}"
            for label, p in zip(order_NxK[row, :2], sorted_NxK[row, :2], strict=True)
        )
        lines.append(f"{row + 1},{first},{second}")
    written.write(path, "\n".join(lines) + "\n", overwrite=overwrite)


def validate(
    path: str | os.PathLike[str], n: int | None = None, sample_submission: bytes | None = None
) -> NDArray[np.int32]:
    """Reads a submission back as Kaggle would, and gives its labels.

    Line ends may be LF or CRLF, and the last one may be missing.

    Args:
      path: the file.
      n: the number of rows it must have, where known.
      sample_submission: content of Kaggle's `sample_submission.csv`, whose ids it must have.

    Returns:
      int32 [N] in 0..9.

    Raises:
      UserError: with the line (the header is line 1) of the first thing that is wrong.
    """
    name = printable(path)
    labels = _parse(_read(Path(path), name), name)
    if n is not None and len(labels) != n:
        raise UserError(f"{name}: has {len(labels):,} rows for {n:,} images; predict again")
    if sample_submission is not None:
        _check_rows(name, len(labels), sample_submission)
    return np.array(labels, np.int32)


def _check_rows(name: str, count: int, sample_submission: bytes) -> None:
    # Ids are 1..N in both, or _parse would have raised: as many are the same.
    asked = len(_parse(sample_submission, "sample_submission.csv"))
    if count != asked:
        raise UserError(
            f"{name}: has {count:,} rows where Kaggle's sample_submission.csv has {asked:,}; "
            "predict the whole test.csv"
        )


def _read(path: Path, name: str) -> bytes:
    try:
        if not path.is_file():
            raise UserError(f"{name}: {'is not a file' if path.exists() else 'no such file'}")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{name}: cannot be read ({reason})") from None
    if len(content) > MAX_BYTES:
        raise UserError(f"{name}: has more than {MAX_BYTES:,} bytes; this is no submission")
    return content


def _parse(content: bytes, name: str) -> list[int]:
    lines = content.removesuffix(b"\n").removesuffix(b"\r").split(b"\n")
    if lines[0].removesuffix(b"\r") != HEADER.encode():
        raise UserError(f"{name}: line 1: the header must be {HEADER}")
    labels = []
    for number, line in enumerate(lines[1:], 1):
        location = f"{name}: line {number + 1}"
        match = _ROW.fullmatch(line.removesuffix(b"\r"))
        if match is None:
            seen = printable(line[:20].decode("utf-8", "backslashreplace"))
            raise UserError(f"{location}: {seen!r} is not an id and a digit")
        if int(match[1]) != number:
            raise UserError(f"{location}: the id is {int(match[1])} where {number} must stand")
        if len(match[2]) != 1:
            raise UserError(
                f"{location}: the label is {match[2].decode()}, not a digit from 0 to 9"
            )
        labels.append(int(match[2]))
    if not labels:
        raise UserError(f"{name}: holds no rows below its header")
    return labels
