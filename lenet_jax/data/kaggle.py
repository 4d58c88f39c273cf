"""Kaggle's files: the zip of the competition, or a folder of its CSVs."""

from lenet_jax.data import bounded, csv_files
from lenet_jax.data.dataset import Dataset
from lenet_jax.data.place import Asked, Place
from lenet_jax.errors import UserError

ARCHIVE = "digit-recognizer.zip"
_SAMPLE_SUBMISSION = "sample_submission.csv"
_PARTS = ("train.csv", "test.csv")


def holds(place: Place) -> bool:
    """Whether a zip has Kaggle's train.csv or test.csv, or a folder has one of them or the zip."""
    if place.is_folder:
        return any(_find(place, base) for base in _PARTS)
    return place.is_zip and any(name.rpartition("/")[2] in _PARTS for name in place.members)


def load(place: Place, asked: Asked) -> Dataset:
    """Reads the training digits with labels, or the test digits, which may have labels.

    Raises:
      UserError: with the file, the line and the column of what is wrong.
    """
    base = f"{asked.part}.csv"
    if place.is_folder:
        file = _find(place, base)
        if file is None:
            raise UserError(
                f"{place.name}: has no {base} and no {ARCHIVE}; it holds {place.listing}"
            )
        place = place.inside(file)
    return csv_files.read(place, base, asked)


def sample_submission(place: Place) -> bytes | None:
    """The content of Kaggle's `sample_submission.csv` where the zip or folder has it.

    Raises:
      UserError: it is there and cannot be read.
    """
    if place.is_folder:
        file = _find(place, _SAMPLE_SUBMISSION)
        if file is None:
            return None
        place = place.inside(file)
    if not place.is_zip and not place.path.name.startswith(_SAMPLE_SUBMISSION):
        return None
    if place.is_zip:
        return bounded.unzip(place.content, _SAMPLE_SUBMISSION, place.name)
    return bounded.unpack(place.content, place.name)


def _find(place: Place, base: str) -> str | None:
    """The file of a folder that should hold a CSV: itself, packed alone, or Kaggle's zip."""
    names = (base, *(f"{base}.{packed}" for packed in ("gz", "bz2", "xz", "zip")), ARCHIVE)
    for name in names:
        if (place.path / name).is_file():
            return name
    return None
