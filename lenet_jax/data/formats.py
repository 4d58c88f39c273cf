"""The kinds of files that digits are read from, in the order in which they are looked for."""

from lenet_jax.data import (
    arff,
    arrow,
    class_folders,
    csv_files,
    foreign,
    hdf5,
    idx,
    kaggle,
    libsvm,
    matlab,
    npm,
    numpy_files,
    pictures,
    tfrecord,
)
from lenet_jax.data.dataset import Dataset
from lenet_jax.data.format import Format
from lenet_jax.data.place import DEEPEST, Asked, Place
from lenet_jax.errors import UserError

FORMATS: tuple[Format, ...] = tuple(
    module.FORMAT
    for module in (
        kaggle,
        csv_files,
        idx,
        numpy_files,
        arrow,
        matlab,
        hdf5,
        arff,
        libsvm,
        tfrecord,
        npm,
        class_folders,
        pictures,
    )
)


def find(place: Place) -> tuple[Format, Place] | None:
    """The format of a place, and the place looked at as deep as the format was found.

    What lies in a folder itself goes before what lies in folders of it.
    """
    several = place.is_folder or place.is_zip
    for depth in range(DEEPEST + 1 if several else 1):
        looked = place.deeper(depth)
        for format in FORMATS:
            if format.holds(looked):
                return format, looked
    return None


def load(place: Place, asked: Asked) -> Dataset:
    """Reads the digits of a place.

    Raises:
      UserError: it holds none, or the format finds something wrong.
    """
    found = find(place)
    if found is not None:
        format, looked = found
        return format.load(looked, asked)
    if not place.is_folder:
        if line := foreign.known(place):
            raise UserError(f"{place.name}: {line}; --data takes {names()}")
        # Told by its first line what is wrong with it as a table.
        return csv_files.read(place, f"{asked.part}.csv" if place.is_zip else "", asked)
    raise UserError(
        f"{place.name}: holds no digits that are known ({place.listing}); --data takes {names()}"
    )


def names() -> str:
    """The names of all formats in words."""
    *most, last = (format.name for format in FORMATS)
    return f"{', '.join(most)} or {last}"


def help_text() -> str:
    """What all formats read, for `--help`."""
    return "; ".join(
        format.what + (f" (needs {format.extra})" if format.extra else "") for format in FORMATS
    )


def table() -> str:
    """A table of the formats in Markdown, for the docs."""
    rows = [
        f"| {format.name} | {format.what} | {format.learnt} | "
        f"{f'`pip install {format.extra}`' if format.extra else ''} |"
        for format in FORMATS
    ]
    head = ["| format | what is read | learnt from | needs |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])
