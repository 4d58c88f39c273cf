"""The small text files of a workdir, read and written; where one is broken, a line names it."""

import contextlib
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lenet_jax.errors import UserError
from lenet_jax.files import printable, write_atomically


def write(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Writes a CSV with these columns, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def rows(text: str | None, columns: Sequence[str]) -> Iterable[dict[str, Any]]:
    """The rows of a CSV, none where there is no text.

    Raises:
      KeyError: it lacks one of the columns.
    """
    table = csv.DictReader(io.StringIO(text or "", newline=""))
    if text is not None and (missing := set(columns) - set(table.fieldnames or ())):
        raise KeyError(f"no column {min(missing)}")
    return table


@contextlib.contextmanager
def reading(path: Any, what: str, to: str) -> Iterator[str | None]:
    """Gives the text of a file, None if it is not there, to a body that takes it apart.

    Raises:
      UserError: the file cannot be read, or the body finds that it is not what a run writes.
    """
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        text = None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise UserError(f"{printable(path)}: cannot be read ({reason})") from None
    try:
        yield text
    except (KeyError, RecursionError, TypeError, ValueError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{printable(path)}: not the {what} of a run ({reason}); remove it to {to} without"
        ) from None
