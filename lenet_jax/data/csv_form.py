"""How a CSV is written (separator, header or none, quotes), and its rows without all that."""

import csv
import dataclasses
import re

from lenet_jax.data import columns
from lenet_jax.errors import UserError

# The longest header there is, quoted, has under 10,000 bytes.
_MAX_HEADER = 2**16
_BLOCK = 2**12
_SEPARATORS = b",;\t"
_NUMBER = re.compile(r"\s*[+-]?\d+([.,]\d*)?([eE][+-]?\d+)?\s*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """Where the rows of a file are, and what their columns mean.

    Attributes:
      layout: of the columns.
      separator: one byte.
      start: where the first row begins.
      line: the number of its line.
    """

    layout: columns.Layout
    separator: bytes
    start: int
    line: int


def form(content: bytes, name: str) -> Form:
    """Looks at the first line, or the first two where one says `sep=;`.

    Raises:
      UserError: it is neither a header nor a row of 784 or 785 numbers.
    """
    if not content:
        raise UserError(f"{name}: is empty; get the file again")
    start, line = 3 if content.startswith(b"\xef\xbb\xbf") else 0, 1
    told = re.match(rb"sep=(.)\r?\n", content[start : start + 10])
    if told:
        start, line = start + told.end(), 2
    text, after = _line(content, start, f"{name}: line {line}")
    separator = told[1] if told else _separator(text)
    names = next(csv.reader([text], delimiter=separator.decode("latin-1")), [])
    location = f"{name}: line {line}"
    if names and all(map(_NUMBER.fullmatch, names)) and not columns.is_header(names):
        known = columns.without_header(len(names))
        if known is None:
            raise UserError(f"{location}: is a row of numbers; a header must name the columns")
        names, after = known, start
    else:
        line += 1
    return Form(layout=columns.layout(names, location), separator=separator, start=after, line=line)


def _line(content: bytes, start: int, location: str) -> tuple[str, int]:
    """The text of a line, and where the next one begins."""
    stop = content.find(b"\n", start, start + _MAX_HEADER)
    if stop < 0:
        stop = len(content)
    try:
        text = content[start : min(stop, start + _MAX_HEADER)].decode().removesuffix("\r")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UserError(f"{location}: is not UTF-8 text, so this is not a CSV of digits")
    if "\r" in text:
        raise UserError(f"{location}: ends in a lone carriage return; save with LF or CRLF")
    return text, min(stop + 1, len(content))


def _separator(text: str) -> bytes:
    counts = {text.count(chr(byte)): bytes([byte]) for byte in reversed(_SEPARATORS)}
    return counts[max(counts)]


def end_of_rows(content: bytes, start: int) -> int:
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


def count_rows(content: bytes, end: int, form: Form, name: str) -> int:
    """Counts the rows, each of which must have a cell for every column.

    pandas fills short rows, skips empty ones and takes the first column of long ones for an index;
    and it would hold a single line of a gigabyte in memory sixteen times over.

    Raises:
      UserError: a row is empty, too short or too long.
    """
    rows, start, width = 0, form.start, len(form.layout.names)
    while start < end:
        stop = content.find(b"\n", start, end)
        if stop < 0:
            stop = end
        cells = content.count(form.separator, start, stop) + 1
        if cells != width:
            location = f"{name}: line {rows + form.line}"
            if not content[start:stop].strip():
                raise UserError(f"{location}: is empty; remove it")
            if cells > width:
                raise UserError(
                    f"{location}: has {cells:,} values where {width} are named; mend it"
                )
            last = ", perhaps the whole file is; get it again" if stop == end else "; mend it"
            raise UserError(f"{location}: is cut short, {cells} values of {width}{last}")
        start = stop + 1
        rows += 1
    return rows


def is_plain(content: bytes, form: Form) -> bool:
    """Whether the rows are pixels, a label, and commas between them."""
    first = content[form.start : form.start + _MAX_HEADER].partition(b"\n")[0]
    return form.separator == b"," and not form.layout.spare and b'"' not in first


def plain(content: bytes, end: int, form: Form, name: str) -> tuple[bytes, Form, list[str]]:
    """The rows without quotes and spare columns, commas between their cells.

    Returns:
      The rows, their form, and a line about each column that is left out.

    Raises:
      UserError: quotes that do not fit, or a spare column that is no id and counts nothing.
    """
    layout, separator = form.layout, form.separator.decode("latin-1")
    swapped = bytes.maketrans(b"\t;,", b",,.") if separator in ";\t" else None
    spare: list[list[str]] = [[] for _ in layout.spare]
    rows: list[bytes] = []
    start = form.start
    kept = [index for index in range(len(layout.names)) if index not in layout.spare]
    while start < end:
        stop = content.find(b"\n", start, end)
        if stop < 0:
            stop = end
        row, start = content[start:stop].removesuffix(b"\r"), stop + 1
        if layout.spare or b'"' in row:
            location = f"{name}: line {len(rows) + form.line}"
            cells = _cells(row, separator, len(layout.names), location)
            for column, index in zip(spare, layout.spare, strict=True):
                column.append(cells[index])
            row = form.separator.join([cells[index].encode() for index in kept])
        rows.append(row if swapped is None else row.translate(swapped))
    told = [
        columns.left_out(layout.names[index], column, f"{name}: line {form.line - 1}")
        for column, index in zip(spare, layout.spare, strict=True)
    ]
    now = columns.layout([layout.names[index] for index in kept], name)
    return b"\n".join(rows), Form(layout=now, separator=b",", start=0, line=form.line), told


def _cells(row: bytes, separator: str, width: int, location: str) -> list[str]:
    text = row.decode("utf-8", "backslashreplace")
    try:
        cells = next(csv.reader([text], delimiter=separator, strict=True), [])
    except csv.Error:
        raise UserError(f"{location}: its quotes do not fit; mend it") from None
    if len(cells) != width:
        raise UserError(f"{location}: has a separator inside quotes; mend it")
    return cells
