"""Which files this product has written, so that it replaces no other without being asked.

What is written is noted by its SHA-256, as the name of an empty file in the user's cache folder, or
in that for temporary files where there is no other. So a file that somebody has changed since is
somebody's, wherever it lies and whatever it is called.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from lenet_jax import files
from lenet_jax.data import cache
from lenet_jax.errors import UserError
from lenet_jax.files import is_remote, printable, target, to_path
from lenet_jax.runs import foreign, occupied

_FOLDER = "written"
# Notes that are kept, the newest: a few bytes each.
MOST = 10_000
# Nothing that is written here is as large.
_LARGEST = 2**30


def write(path: str | os.PathLike[str], content: str | bytes, *, overwrite: bool = False) -> None:
    """Writes a file whole or not at all, in the place of none or of one that was written here.

    Args:
      path: where to write; the folder must exist.
      content: text is written as UTF-8.
      overwrite: replaces any file.

    Raises:
      UserError: it is not to be replaced, or as `files.write_atomically` says.
    """
    write_together([(path, content)], overwrite=overwrite)


def write_together(
    contents: Collection[tuple[str | os.PathLike[str], str | bytes]], *, overwrite: bool = False
) -> None:
    """Writes files as `write` does, none of them before all may be written and there is room.

    Args:
      contents: a path and what to write there, of each file.
      overwrite: replaces any files.

    Raises:
      UserError: as there, for one of them.
    """
    encoded = [
        (path, content.encode() if isinstance(content, str) else content)
        for path, content in contents
    ]
    for path, data in encoded:
        occupied.check_place(path)
        if not overwrite and not _may_replace(path):
            raise UserError(_refusal("", path))
        # Before, for a process that is killed in between must be able to write it again.
        _note(data)
    files.write_together(encoded)


def put(path: str | os.PathLike[str], content: str) -> None:
    """Writes a file whatever is there; what was not written here is kept beside it.

    Args:
      path: where to write; the folder must exist.
      content: text, written as UTF-8.

    Raises:
      UserError: as `files.write_atomically` says.
    """
    if not is_remote(path) and not _may_replace(path):
        foreign.set_aside(Path(path), "kept")
    data = content.encode()
    _note(data)
    files.write_atomically(path, data)


def check(
    outputs: Sequence[tuple[str, str | os.PathLike[str] | None]],
    *,
    overwrite: bool,
    inputs: Sequence[tuple[str, str | os.PathLike[str]]] = (),
) -> None:
    """Refuses outputs that would replace what they must not; call it before work is done for them.

    Args:
      outputs: the flag that names a file, and the file, None for none.
      overwrite: files that were not written here may be replaced.
      inputs: the flag that names a file or folder that is read, and its path: whatever `overwrite`
        says, no file of it is replaced but those of --data that were written here.

    Raises:
      UserError: with the first that is wrong.
    """
    named = [(flag, path) for flag, path in outputs if path is not None]
    for index, (flag, path) in enumerate(named):
        try:
            if not is_remote(path):
                target(path, with_folders=True)
        except UserError as error:
            raise UserError(f"{flag}: {error}") from None
        for other, before in named[:index]:
            if _same(before, path):
                raise UserError(f"{other} and {flag}: both name {printable(path)}; give two names")
        for asker, read in inputs:
            # A run, or what copies it, writes and removes there what it likes.
            if _lies_in(path, read) and (asker != "--data" or not _may_replace(path)):
                raise UserError(
                    f"{flag}: {printable(path)} belongs to what {asker} reads, which is never "
                    "replaced; give another name"
                )
        occupied.check_place(path, flag)
        if not overwrite and not _may_replace(path):
            raise UserError(_refusal(f"{flag}: ", path))


def _may_replace(path: str | os.PathLike[str]) -> bool:
    """Whether nothing is there, or what was written here; folders and devices are refused later."""
    there = to_path(path)
    try:
        if not there.is_file():
            return True
        if not is_remote(path) and there.stat().st_size > _LARGEST:
            return False
        notes = _notes()
        return notes is not None and (notes / _sum(there.read_bytes())).exists()
    # What cannot be read is not known.
    except (OSError, ValueError):
        return False


def _refusal(before: str, path: str | os.PathLike[str]) -> str:
    line = (
        f"{before}{printable(path)} is there already, and this program has not written it, or it "
        "was changed since; give another name, or --overwrite, in Python overwrite=True, to "
        "replace it"
    )
    if _notes() is None:
        line += f"; without a cache folder ({cache.VARIABLE}) nothing that was written is known"
    return line


def _note(content: bytes) -> None:
    """Notes a file's content; a folder that takes no notes is one without."""
    folder = _notes()
    if folder is None:
        return
    with contextlib.suppress(OSError):
        (folder / _sum(content)).touch()
        notes = list(folder.iterdir())
        if len(notes) > MOST:
            notes.sort(key=lambda note: note.stat().st_mtime)
            for note in notes[: len(notes) - MOST]:
                note.unlink(missing_ok=True)


def _notes() -> Path | None:
    """The folder of the notes, None where there is none that takes any."""
    owner = getattr(os, "getuid", lambda: 0)()
    for above in (cache.folder(), Path(tempfile.gettempdir()) / f"lenet-jax-{owner}"):
        if above is None:
            continue
        folder = above / _FOLDER
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    return None


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _same(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    if is_remote(one) or is_remote(other):
        return os.fspath(one) == os.fspath(other)
    with contextlib.suppress(OSError):
        return Path(one).samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)


def _lies_in(path: str | os.PathLike[str], above: str | os.PathLike[str]) -> bool:
    """Whether a path is another one, or lies below it, or is a file that is linked to below it."""
    if is_remote(path) or is_remote(above):
        return os.fspath(path).startswith(os.fspath(above))
    if any(_same(folder, above) for folder in _with_parents(Path(os.path.realpath(path)))):
        return True
    # Or stands in it as a link, of either kind.
    return Path(path).is_file() and any(_same(file, path) for file in Path(above).rglob("*"))


def _with_parents(path: Path) -> Iterator[Path]:
    yield path
    yield from path.parents
