"""Checksums of a folder's files: what a disk or a copy has changed is never read as data."""

import hashlib
import json
from collections.abc import Container, Iterator
from pathlib import Path

from lenet_jax.files import shown, write_atomically

NAME = "checksums.json"


def write(folder: Path, *, leave_out: Container[str] = ()) -> None:
    """Writes the SHA-256 of every file below a folder into `checksums.json` there.

    Args:
      folder: holds what will not change any more.
      leave_out: names of files that may.

    Raises:
      UserError: the file cannot be written.
    """
    sums = {
        path.relative_to(folder).as_posix(): _sum(path)
        for path in sorted(_files(folder))
        if path.name not in leave_out and path != folder / NAME
    }
    write_atomically(folder / NAME, json.dumps(sums, indent=1) + "\n")


def damage(folder: Path) -> str | None:
    """What is wrong with a folder's files in a few words, None if they are as they were written."""
    try:
        sums = json.loads((folder / NAME).read_bytes())
    except OSError as error:
        return f"{NAME}: {error.strerror}"
    except (RecursionError, ValueError):
        return f"{NAME} has changed"
    if not isinstance(sums, dict):
        return f"{NAME} has changed"
    for name, expected in sums.items():
        try:
            # A device or a pipe would be read for ever.
            if (folder / name).exists() and not (folder / name).is_file():
                return f"{shown(name)} is no regular file"
            if _sum(folder / name) != expected:
                return f"{shown(name)} has changed"
        except (OSError, ValueError) as error:
            return f"{shown(name)}: {getattr(error, 'strerror', None) or error}"
    return None


def _files(folder: Path) -> Iterator[Path]:
    # `rglob` is not to be had on gs://.
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
