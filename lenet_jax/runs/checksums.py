"""Checksums of a folder's files: what a disk or a copy has changed is never read as data."""

import hashlib
import json
import os
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from lenet_jax.errors import UserError
from lenet_jax.files import printable, write_atomically

NAME = "checksums.json"


def write(folder: Path, *, leave_out: Container[str] = ()) -> None:
    """Writes the SHA-256 of every file below a folder into `checksums.json` there.

    Args:
      folder: holds what will not change any more.
      leave_out: names of files that may.

    Raises:
      UserError: the file cannot be written.
    """
    _write(
        folder,
        {
            path.relative_to(folder).as_posix(): _sum(path)
            for path in sorted(_files(folder))
            if path.name not in leave_out and path != folder / NAME
        },
    )


def copy(root: Path, sources: Iterable[Path], target: Path) -> None:
    """Copies files, and folders with all that is below them, with the checksums of what was read.

    The copies are on the disk when this returns; `damage` tells whether they are what was read.

    Args:
      root: of the sources; a `checksums.json` of its own is not copied but written anew.
      sources: below it.
      target: the same below here; made if it is missing.

    Raises:
      OSError: a source has gone, or the target takes no more.
    """
    target.mkdir(parents=True, exist_ok=True)
    sums = {}
    for source in sources:
        for path in sorted(_files(source)) if source.is_dir() else [source]:
            below = path.relative_to(root)
            if path != root / NAME:
                (target / below).parent.mkdir(parents=True, exist_ok=True)
                sums[below.as_posix()] = _copy(path, target / below)
    _write(target, sums)


def _copy(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as read, target.open("wb") as write:
        while chunk := read.read(1 << 20):
            digest.update(chunk)
            write.write(chunk)
        write.flush()
        os.fsync(write.fileno())
    return digest.hexdigest()


def _write(folder: Path, sums: dict[str, str]) -> None:
    write_atomically(folder / NAME, json.dumps(sums, indent=1) + "\n")


def damage(folder: Path) -> str | None:
    """What is wrong with a folder's files in a few words, None if they are as they were written.

    Raises:
      UserError: a file must not be read: nobody knows then whether it is damaged.
    """
    try:
        sums = json.loads((folder / NAME).read_bytes())
    except PermissionError as error:
        raise _forbidden(folder / NAME, error) from None
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
                return f"{printable(name)} is no regular file"
            if _sum(folder / name) != expected:
                return f"{printable(name)} has changed"
        except PermissionError as error:
            raise _forbidden(folder / name, error) from None
        except (OSError, ValueError) as error:
            return f"{printable(name)}: {getattr(error, 'strerror', None) or error}"
    return None


def others(folder: Path) -> list[Path]:
    """The files below a folder that its checksums do not know; none where these are damaged."""
    try:
        known = {NAME, *json.loads((folder / NAME).read_bytes())}
    except (OSError, RecursionError, TypeError, ValueError):
        return []
    return [path for path in _files(folder) if path.relative_to(folder).as_posix() not in known]


def _forbidden(path: Path, error: PermissionError) -> UserError:
    return UserError(f"{printable(path)}: cannot be read ({error.strerror}); allow yourself to")


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
