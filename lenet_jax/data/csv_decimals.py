"""CSVs whose cells have decimals: `1.0`, `255.00`, pixels scaled to 0..1, `1.000e+00`."""

import csv
import io
import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import pixel_values
from lenet_jax.data.csv_form import Form
from lenet_jax.data.dataset import CLASSES, SIDE, Images, Labels
from lenet_jax.data.location import Say
from lenet_jax.errors import UserError
from lenet_jax.files import printable

# A cell is four bytes here: a gigabyte in all.
MOST_CELLS = 2**28
_ROWS = 2**11
_CELL = re.compile(rb" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *")
_HIGHEST = 255
_LETTERS = b"0123456789,.+-eE \r\n"


def has(content: bytes, form: Form, end: int) -> bool:
    """Whether there is a decimal point in a cell, or an exponent in the first row."""
    first = content.find(b"\n", form.start, end)
    first = end if first < 0 else first
    if content.find(b".", form.start, end) >= 0:
        return True
    return b"e" in content[form.start : first].lower()


def read(
    content: bytes, end: int, rows: int, form: Form, name: str, say: Say
) -> tuple[Images, Labels | None]:
    """Reads rows of plain cells with commas between them; `say` is told of scaled pixels.

    Raises:
      UserError: a cell is no number, or one that no pixel has; with its line and column.
    """
    width = len(form.layout.names)
    if rows * width > MOST_CELLS:
        raise UserError(f"{name}: has {rows:,} rows with decimals, too many to read")
    table_NxD = _table(content, end, (rows, width), form)
    if table_NxD is None:
        raise _first_wrong(content, end, form, name)
    labels_N = None
    if (label := form.layout.label) is not None:
        column_N = table_NxD[:, label]
        wrong = np.flatnonzero(~np.isin(column_N, np.arange(CLASSES)))
        if wrong.size:
            raise _at(content, end, form, int(wrong[0]), label, name)
        labels_N = column_N.astype(np.int32)
    pixels_NxD = table_NxD[:, list(form.layout.pixels)]
    images_NxD, wrong_item, note = pixel_values.as_bytes(pixels_NxD)
    if images_NxD is None:
        row, pixel = np.unravel_index(wrong_item, pixels_NxD.shape)
        raise _at(content, end, form, int(row), form.layout.pixels[int(pixel)], name)
    if note:
        say(note)
    return images_NxD.reshape(-1, SIDE, SIDE), labels_N


def wrong_cell(cell: bytes, form: Form, row: int, column: int, name: str) -> UserError:
    """The line about a cell that is not what must stand there."""
    called = form.layout.names[column]
    is_label = column == form.layout.label
    wanted = "a digit from 0 to 9" if is_label else "a whole number from 0 to 255"
    seen = printable(cell[:20].decode("utf-8", "backslashreplace")) + (
        "..." if len(cell) > 20 else ""
    )
    return UserError(
        f"{name}: line {row + form.line}, column {printable(called)}: is "
        f"{seen if cell.strip() else 'empty'} where {wanted} must stand; correct it"
    )


def _table(
    content: bytes, end: int, shape: tuple[int, int], form: Form
) -> NDArray[np.float32] | None:
    """The table as pandas reads it, or None where a cell is no number."""
    # pandas ends a cell at a zero byte without a word.
    if content[form.start : end].translate(None, _LETTERS):
        return None
    import pandas as pd

    stream = io.BytesIO(content)
    stream.seek(form.start)
    table_NxD = np.empty(shape, np.float32)
    row = 0
    try:
        with pd.read_csv(
            stream,
            header=None,
            index_col=False,
            dtype=np.float32,
            na_filter=False,
            quoting=csv.QUOTE_NONE,
            chunksize=_ROWS,
        ) as reader:
            for frame in reader:
                table_NxD[row : row + len(frame)] = frame.to_numpy()
                row += len(frame)
    except (ValueError, OverflowError, TypeError):
        return None
    return table_NxD if row == shape[0] else None


def _first_wrong(content: bytes, end: int, form: Form, name: str) -> UserError:
    for row, cells in enumerate(_cells(content, end, form)):
        for column, cell in enumerate(cells):
            # Some releases of pandas refuse what is beyond float64, too.
            if not _CELL.fullmatch(cell) or abs(float(cell)) > _HIGHEST:
                return wrong_cell(cell, form, row, column, name)
    return UserError(f"{name}: has a cell that is no number; correct it")


def _at(content: bytes, end: int, form: Form, row: int, column: int, name: str) -> UserError:
    for index, cells in enumerate(_cells(content, end, form)):
        if index == row:
            return wrong_cell(cells[column], form, row, column, name)
    raise AssertionError(f"{name}: has no row {row}")


def _cells(content: bytes, end: int, form: Form) -> Iterator[list[bytes]]:
    for row in io.BytesIO(content[form.start : end]):
        yield row.rstrip(b"\r\n").split(b",")
