"""OpenML's ARFF: a CSV whose columns are named line by line above it."""

import re

from lenet_jax.data import assemble, bounded, cache, columns, csv_form, csv_table
from lenet_jax.data.dataset import Dataset, Images, Labels
from lenet_jax.data.location import Asked, Location, Say
from lenet_jax.errors import UserError

_RELATION = re.compile(rb"\s*@relation\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+\S", re.IGNORECASE)
_MOST_LINES = 10_000


def holds(location: Location) -> bool:
    """Whether a file's first line that is no comment names a relation."""
    lines = location.start.split(b"\n")
    first = next((line for line in lines if line.strip() and not line.startswith(b"%")), b"")
    return bool(_RELATION.match(first))


def load(location: Location, asked: Asked) -> Dataset:
    """Reads MNIST's 60,000 training or 10,000 test digits of the 70,000, or all of other files.

    Raises:
      UserError: with the line and the column of what is wrong.
    """
    name = location.name
    kept = cache.parsed(
        location.content, "arff", lambda say: _parse(location.content, name, asked, say)
    )
    for note in kept.notes:
        asked.say(f"{name}: {note}")
    return assemble.dataset(kept.images_NxHxW, kept.labels_N, asked, name)


def _parse(content: bytes, name: str, asked: Asked, say: Say) -> tuple[Images, Labels | None]:
    content = bounded.unpack(content, name)
    names, start, line = [], 0, 0
    while True:
        line += 1
        stop = content.find(b"\n", start, start + 2**16)
        if stop < 0 or line > _MOST_LINES:
            raise UserError(f"{name}: line {line}: has no @data below it; get the file again")
        text = content[start:stop].decode("utf-8", "replace").strip()
        start = stop + 1
        if text.lower() == "@data":
            break
        if found := _ATTRIBUTE.match(text):
            names.append(found[1].strip("'\""))
    if content[start : start + 100].lstrip().startswith(b"{"):
        raise UserError(f"{name}: line {line + 1}: is sparse ARFF; save it with all values")
    form = csv_form.Form(
        layout=columns.layout(names, name), separator=b",", start=start, line=line + 1
    )
    # Weka puts a class into single quotes, which stand for nothing else here.
    if b"'" in content[start : start + 2**16]:
        content = content[:start] + content[start:].replace(b"'", b'"')
    return csv_table.parse_rows(content, form, name, asked.counted, say)
