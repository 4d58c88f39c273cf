"""Parses a CSV of digits: a row per image, its 784 pixels, and perhaps a label."""

import csv
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import csv_decimals, csv_form
from lenet_jax.data.columns import Layout
from lenet_jax.data.csv_form import Form
from lenet_jax.data.dataset import CLASSES, SIDE, Images, Labels
from lenet_jax.data.location import Say, ignore
from lenet_jax.errors import UserError

_WINDOW = 2**18


def parse(
    content: bytes,
    name: str,
    counted: Callable[[int], object] | None = None,
    say: Say | None = None,
) -> tuple[Images, Labels | None]:
    """Reads the bytes of a CSV file.

    Columns are found by name, in any order; see `columns` for the names, and for files without a
    header. Commas, semicolons or tabs stand between the cells. A cell is a whole number from 0 to
    255, perhaps with `.0` behind it; a file whose cells all lie in 0..1 is scaled to that. Line
    ends are LF or CRLF, the last one may be missing, empty lines may follow the last row, a UTF-8
    byte order mark may come first.

    Args:
      content: the file.
      name: its place, for messages.
      counted: is given the number of rows before they are parsed.
      say: is given a line about whatever is taken otherwise than it stands there.

    Returns:
      uint8 [N, 28, 28] and int32 [N], or None without a label; N is at least 1.

    Raises:
      UserError: anything else, with the line and the column.
    """
    return parse_rows(content, csv_form.form(content, name), name, counted, say)


def parse_rows(
    content: bytes,
    form: Form,
    name: str,
    counted: Callable[[int], object] | None = None,
    say: Say | None = None,
) -> tuple[Images, Labels | None]:
    """Reads rows whose columns are known; otherwise as `parse`."""
    end = csv_form.end_of_rows(content, form.start)
    if end == form.start:
        raise UserError(f"{name}: holds no rows below its header")
    rows = csv_form.count_rows(content, end, form, name)
    if counted is not None:
        counted(rows)
    say = say or ignore
    if not csv_form.is_plain(content, form):
        content, form, notes = csv_form.plain(content, end, form, name)
        for note in notes:
            say(note)
        end = len(content)
    if csv_decimals.has(content, form, end):
        return csv_decimals.read(content, end, rows, form, name, say)
    table_NxD = _fast(content, form.start, end, (rows, len(form.layout.names)))
    if table_NxD is None:
        table_NxD = _careful(content, end, form, name)
    images_NxHxW, labels_N = _arrays(table_NxD, form, name)
    if images_NxHxW.max() == 1:
        say("has pixels of 0 and 1 alone; taken times 255")
        images_NxHxW = images_NxHxW * np.uint8(255)
    return images_NxHxW, labels_N


def _fast(content: bytes, start: int, end: int, shape: tuple[int, int]) -> NDArray[np.uint8] | None:
    """The table as pandas reads it, or None where a cell may not be a number in 0..255."""
    if content[start:end].translate(None, b"0123456789,\r\n") or _has_above_255(content, start):
        return None
    # Imported where a CSV is really parsed: the import costs more than a cached start.
    import pandas as pd

    stream = io.BytesIO(content)
    stream.seek(start)
    try:
        frame = pd.read_csv(
            stream,
            header=None,
            index_col=False,
            dtype=np.uint8,
            na_filter=False,
            quoting=csv.QUOTE_NONE,
        )
    except (ValueError, OverflowError, TypeError):
        return None
    return frame.to_numpy() if frame.shape == shape else None


def _has_above_255(content: bytes, start: int) -> bool:
    """Whether there are three digits in a row above 255, or four digits in a row.

    pandas before 2.3 takes 300 for 44 without a word, and -1 for 255.
    """
    text = np.frombuffer(content, np.uint8)
    # In windows that stay in the processor's cache, overlapping by three bytes.
    for first in range(start, len(text), _WINDOW):
        window = text[first : first + _WINDOW + 3]
        digit = window >= ord("0")
        three = digit[:-2] & digit[1:-1] & digit[2:]
        if (three[:-1] & three[1:]).any():
            return True
        at = np.flatnonzero(three)
        # Figure by figure, and cast first: NumPy 1 would compute in uint8.
        hundreds, tens, ones = (window[at + offset].astype(np.int16) - 48 for offset in range(3))
        number = 100 * hundreds + 10 * tens + ones
        if (number > 255).any():
            return True
    return False


def _careful(content: bytes, end: int, form: Form, name: str) -> NDArray[np.uint8]:
    """Reads cell by cell and raises UserError at the first that is wrong.

    Slow, and so only for a file that the fast reader gave up; it decides what is right.
    """
    values = {b"%0*d" % (width, n): n for n in range(256) for width in (1, 2, 3)}
    rows: list[bytes] = []
    start = form.start
    while start < end:
        stop = content.find(b"\n", start, end)
        if stop < 0:
            stop = end
        cells = content[start:stop].removesuffix(b"\r").split(b",")
        start = stop + 1
        try:
            rows.append(bytes(map(values.__getitem__, cells)))
        except KeyError:
            for index, cell in enumerate(cells):
                if cell not in values:
                    raise csv_decimals.wrong_cell(cell, form, len(rows), index, name) from None
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)


def _arrays(table_NxD: NDArray[np.uint8], form: Form, name: str) -> tuple[Images, Labels | None]:
    layout: Layout = form.layout
    labels_N = None
    if layout.label is not None:
        labels_N = table_NxD[:, layout.label].astype(np.int32)
        wrong = np.flatnonzero(labels_N >= CLASSES)
        if wrong.size:
            row = int(wrong[0])
            raise csv_decimals.wrong_cell(b"%d" % labels_N[row], form, row, layout.label, name)
    images_NxHxW = np.ascontiguousarray(table_NxD[:, list(layout.pixels)])
    return images_NxHxW.reshape(-1, SIDE, SIDE), labels_N
