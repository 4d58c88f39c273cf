"""Kaggle's files: the zip of the competition, or a folder of its CSVs."""

from lenet_jax.data import bounded, csv_files
from lenet_jax.data.dataset import Dataset
from lenet_jax.data.location import Asked, Location
from lenet_jax.errors import UserError

ARCHIVE = "digit-recognizer.zip"
_SAMPLE_SUBMISSION = "sample_submission.csv"
_PARTS = ("train.csv", "test.csv")


def holds(location: Location) -> bool:
    """Whether a zip has Kaggle's train.csv or test.csv, or a folder has one of them or the zip."""
    if location.is_folder:
        return any(_find(location, base) for base in _PARTS)
    return location.is_zip and any(name.rpartition("/")[2] in _PARTS for name in location.members)


def load(location: Location, asked: Asked) -> Dataset:
    """Reads the training digits with labels, or the test digits, which may have labels.

    Raises:
      UserError: with the file, the line and the column of what is wrong.
    """
    base = f"{asked.part}.csv"
    if location.is_folder:
        file = _find(location, base)
        if file is None:
            raise UserError(
                f"{location.name}: has no {base} and no {ARCHIVE}; it holds {location.listing}"
            )
        location = location.inside(file)
    return csv_files.read(location, base, asked)


def sample_submission(location: Location) -> bytes | None:
    """The content of Kaggle's `sample_submission.csv` where the zip or folder has it.

    Raises:
      UserError: it is there and cannot be read.
    """
    if location.is_folder:
        file = _find(location, _SAMPLE_SUBMISSION)
        if file is None:
            return None
        location = location.inside(file)
    if not location.is_zip and not location.path.name.startswith(_SAMPLE_SUBMISSION):
        return None
    if location.is_zip:
        return bounded.unzip(location.content, _SAMPLE_SUBMISSION, location.name)
    return bounded.unpack(location.content, location.name)


def _find(location: Location, base: str) -> str | None:
    """The file of a folder that should hold a CSV: itself, packed alone, or Kaggle's zip."""
    names = (base, *(f"{base}.{packed}" for packed in ("gz", "bz2", "xz", "zip")), ARCHIVE)
    for name in names:
        if (location.path / name).is_file():
            return name
    return None
