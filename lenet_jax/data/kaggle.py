"""Kaggle's files: the zip of the competition, a folder of its CSVs, or one CSV."""

from collections.abc import Callable
from pathlib import Path

from lenet_jax.data import bounded, cache, csv_table
from lenet_jax.data.dataset import Dataset, Part
from lenet_jax.data.honesty import identify
from lenet_jax.errors import UserError
from lenet_jax.files import shown

ARCHIVE = "digit-recognizer.zip"
_SAMPLE_SUBMISSION = "sample_submission.csv"


def holds(folder: Path) -> bool:
    """Whether a folder has Kaggle's zip or one of its CSVs of digits."""
    return any(_find(folder, f"{part}.csv") for part in ("train", "test"))


def load(
    path: Path, part: Part, name: str, counted: Callable[[int], object] | None = None
) -> Dataset:
    """Reads the training digits with labels, or the test digits, which may have labels.

    What a file is, is told by its first bytes, not by its name: browsers save a zip as `train.csv`.

    Args:
      path: a zip, a folder, or a CSV that may be gzipped.
      part: `train.csv` or `test.csv` of a zip or folder; a single CSV serves as either.
      name: the path as the user gave it, for messages.
      counted: is given the number of rows before they are parsed, unless they are in the cache.

    Raises:
      UserError: with the file, the line and the column of what is wrong.
    """
    base = f"{part}.csv"
    if path.is_dir():
        file = _find(path, base)
        if file is None:
            raise UserError(f"{name}: has no {base} and no {ARCHIVE}; it holds {_listing(path)}")
        name, path = f"{name}/{shown(file.name)}", file
    content = bounded.read_file(path, name)
    # Read once: hashing and parsing two readings would let a change in between into the cache.
    zipped = bounded.is_zip(content)
    place = f"{name}: {base}" if zipped else name
    entry = cache.key(content, base if zipped else "")
    arrays = cache.load(entry)
    if arrays is None:
        arrays = csv_table.parse(_unpacked(content, base, name), place, counted)
        cache.store(entry, *arrays)
    images_NxHxW, labels_N = arrays
    if part == "train" and labels_N is None:
        raise UserError(
            f"{place}: line 1: has no column label, so these are test rows; training needs "
            "Kaggle's train.csv"
        )
    source = identify(labels_N, len(images_NxHxW), "csv")
    return Dataset(images_NxHxW=images_NxHxW, labels_N=labels_N, source=source, name=place)


def sample_submission(path: Path, name: str) -> bytes | None:
    """The content of Kaggle's `sample_submission.csv` where the zip or folder has it.

    Raises:
      UserError: it is there and cannot be read.
    """
    if path.is_dir():
        file = _find(path, _SAMPLE_SUBMISSION)
        if file is None:
            return None
        name, path = f"{name}/{shown(file.name)}", file
    content = bounded.read_file(path, name)
    if bounded.is_zip(content):
        return bounded.unzip(content, _SAMPLE_SUBMISSION, name)
    if not path.name.startswith(_SAMPLE_SUBMISSION):
        return None
    return bounded.gunzip(content, name) if bounded.is_gzip(content) else content


def _unpacked(content: bytes, base: str, name: str) -> bytes:
    if bounded.is_gzip(content):
        return bounded.gunzip(content, name)
    # What a browser, or curl, is given in place of the zip where nobody has signed in.
    if content[:100].lstrip().startswith(b"<"):
        raise UserError(f"{name}: is a web page, not digits; sign in at Kaggle and get it again")
    if not bounded.is_zip(content):
        return content
    member = bounded.unzip(content, base, name)
    if member is None:
        names = bounded.zip_members(content, name)
        raise UserError(f"{name}: has no {base}; it holds {_some(names)}")
    return member


def _find(folder: Path, base: str) -> Path | None:
    """The file of a folder that should hold a CSV: itself, packed alone, or Kaggle's zip."""
    for name in (base, f"{base}.gz", f"{base}.zip", ARCHIVE):
        if (folder / name).is_file():
            return folder / name
    return None


def _listing(folder: Path) -> str:
    return _some(sorted(path.name for path in folder.iterdir()))


def _some(names: list[str], most: int = 8) -> str:
    if not names:
        return "nothing"
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(shown(name) for name in names[:most]) + more
