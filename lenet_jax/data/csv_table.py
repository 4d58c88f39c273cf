"""Parses a table of digits: a row per image, `pixel0` .. `pixel783`, and perhaps a `label`."""

import csv
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data.dataset import CLASSES, PIXELS, SIDE, Images, Labels
from lenet_jax.errors import UserError
from lenet_jax.files import shown

_PIXEL_COLUMNS = [f"pixel{index}" for index in range(PIXELS)]
# The longest header there is, quoted, has under 10,000 bytes.
_MAX_HEADER = 2**16
_WINDOW = 2**18
_BLOCK = 2**12


def parse(
    content: bytes, name: str, counted: Callable[[int], object] | None = None
) -> tuple[Images, Labels | None]:
    """Reads the bytes of a CSV file.

    Columns are found by name, in any order. A cell is a whole number of one to three digits. Line
    ends are LF or CRLF, the last one may be missing, empty lines may follow the last row, a UTF-8
    byte order mark may come first.

    Args:
      content: the file.
      name: its place, for messages.
      counted: is given the number of rows before they are parsed.

    Returns:
      uint8 [N, 28, 28] and int32 [N], or None without a `label` column; N is at least 1.

    Raises:
      UserError: anything else, with the line (the header is line 1) and the column.
    """
    columns, start = _header(content, name)
    end = _end_of_rows(content, start)
    if end == start:
        raise UserError(f"{name}: holds no rows below its header")
    rows = _count_rows(content, start, end, len(columns), name)
    if counted is not None:
        counted(rows)
    table_NxD = _fast(content, start, end, (rows, len(columns)))
    if table_NxD is None:
        table_NxD = _careful(content, start, end, columns, name)
    return _arrays(table_NxD, columns, name)


def _header(content: bytes, name: str) -> tuple[list[str], int]:
    """The columns' names, checked, and where the rows begin."""
    if not content:
        raise UserError(f"{name}: is empty; get the file again")
    first = 3 if content.startswith(b"\xef\xbb\xbf") else 0
    stop = content.find(b"\n", first, first + _MAX_HEADER)
    if stop < 0:
        stop = len(content)
    line = content[first : min(stop, first + _MAX_HEADER)]
    try:
        text = line.decode().removesuffix("\r")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UserError(f"{name}: line 1: is not UTF-8 text, so this is not a CSV of digits")
    if "\r" in text:
        raise UserError(f"{name}: line 1: ends in a lone carriage return; save with LF or CRLF")
    columns = next(csv.reader([text]), [])
    if columns and all(column.strip().isdigit() for column in columns):
        raise UserError(f"{name}: line 1: is a row of numbers; a header must name the columns")
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            twice = shown(column[:40])
            raise UserError(f"{name}: line 1: column {twice!r} is there twice; remove one")
        seen.add(column)
    missing = [column for column in _PIXEL_COLUMNS if column not in seen]
    if missing:
        more = f" and {len(missing) - 1} more are" if len(missing) > 1 else " is"
        raise UserError(
            f"{name}: line 1: column {missing[0]!r}{more} missing; a CSV of digits has the columns "
            "pixel0 to pixel783, and label where it is known"
        )
    for column in columns:
        if column != "label" and column not in _PIXEL_COLUMNS:
            raise UserError(
                f"{name}: line 1: column {shown(column[:40])!r} is neither label nor pixel0 to "
                "pixel783; remove it"
            )
    return columns, min(stop + 1, len(content))


def _end_of_rows(content: bytes, start: int) -> int:
    """Where the last row ends, line ends and empty lines after it left out."""
    end = len(content)
    while end > start:
        # By blocks: a gigabyte of empty lines would take minutes byte by byte, or a copy to strip.
        block = content[max(start, end - _BLOCK) : end]
        kept = len(block.rstrip(b"\r\n"))
        end -= len(block) - kept
        if kept:
            break
    return end


def _count_rows(content: bytes, start: int, end: int, width: int, name: str) -> int:
    """Counts the rows, each of which must have `width` cells.

    pandas fills short rows, skips empty ones and takes the first column of long ones for an index;
    and it would hold a single line of a gigabyte in memory sixteen times over.
    """
    rows = 0
    while start < end:
        stop = content.find(b"\n", start, end)
        if stop < 0:
            stop = end
        cells = content.count(b",", start, stop) + 1
        if cells != width:
            place = f"{name}: line {rows + 2}"
            if not content[start:stop].strip():
                raise UserError(f"{place}: is empty; remove it")
            if cells > width:
                raise UserError(f"{place}: has {cells:,} values where {width} are named; mend it")
            last = ", perhaps the whole file is; get it again" if stop == end else "; mend it"
            raise UserError(f"{place}: is cut short, {cells} values of {width}{last}")
        start = stop + 1
        rows += 1
    return rows


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
        hundreds, tens, ones = (window[at + place].astype(np.int16) - 48 for place in range(3))
        number = 100 * hundreds + 10 * tens + ones
        if (number > 255).any():
            return True
    return False


def _careful(
    content: bytes, start: int, end: int, columns: list[str], name: str
) -> NDArray[np.uint8]:
    """Reads cell by cell and raises UserError at the first that is wrong.

    Slow, and so only for a file that the fast reader gave up; it decides what is right.
    """
    values = {b"%0*d" % (width, n): n for n in range(256) for width in (1, 2, 3)}
    rows = []
    while start < end:
        stop = content.find(b"\n", start, end)
        if stop < 0:
            stop = end
        cells = content[start:stop].removesuffix(b"\r").split(b",")
        start = stop + 1
        try:
            rows.append(bytes(map(values.__getitem__, cells)))
        except KeyError:
            for cell, column in zip(cells, columns, strict=True):
                if cell not in values:
                    raise _wrong_cell(cell, column, f"{name}: line {len(rows) + 2}") from None
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), len(columns))


def _wrong_cell(cell: bytes, column: str, place: str) -> UserError:
    wanted = "a digit from 0 to 9" if column == "label" else "a whole number from 0 to 255"
    seen = shown(cell[:20].decode("utf-8", "backslashreplace")) + ("..." if len(cell) > 20 else "")
    return UserError(
        f"{place}, column {column}: is {seen if cell.strip() else 'empty'} where {wanted} must "
        "stand; correct it"
    )


def _arrays(
    table_NxD: NDArray[np.uint8], columns: list[str], name: str
) -> tuple[Images, Labels | None]:
    at = {column: index for index, column in enumerate(columns)}
    labels_N = None
    if "label" in at:
        labels_N = table_NxD[:, at["label"]].astype(np.int32)
        wrong = np.flatnonzero(labels_N >= CLASSES)
        if wrong.size:
            row = int(wrong[0])
            raise _wrong_cell(b"%d" % labels_N[row], "label", f"{name}: line {row + 2}")
    order = [at[column] for column in _PIXEL_COLUMNS]
    images_NxHxW = np.ascontiguousarray(table_NxD[:, order]).reshape(-1, SIDE, SIDE)
    return images_NxHxW, labels_N
