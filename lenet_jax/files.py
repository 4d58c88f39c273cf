"""Files that are written whole or not at all."""

import contextlib
import errno
import glob
import importlib
import os
import secrets
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from lenet_jax.errors import UserError

# Seconds between the tries of a rename.
PAUSES = (0.01, 0.03, 0.1, 0.3, 0.6)


def printable(text: str | os.PathLike[str]) -> str:
    """A path or a foreign string as it may stand in a message: one line, no control characters."""
    text = os.fspath(text)
    return text if text.isprintable() else ascii(text)


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a URI, such as gs://bucket/run."""
    return "://" in os.fspath(path)


def to_path(path: str | os.PathLike[str]) -> Path:
    """A path of this machine, or one of gs:// and the other file systems that `etils.epath` knows.

    Raises:
      UserError: the package of that file system is not installed.
    """
    if not is_remote(path):
        return Path(path)
    # Here, for few need them.
    import fsspec
    from etils import epath

    try:
        fsspec.get_filesystem_class(os.fspath(path).partition("://")[0])
    except (ImportError, ValueError) as error:
        raise UserError(f"{printable(path)}: cannot be reached ({error})") from None
    there: Path = epath.Path(path)
    return there


def home(path: str, before: str = "") -> str:
    """A path whose `~` or `~user` stands for a home, as in a shell.

    Args:
      path: any.
      before: what names it in a message.

    Raises:
      UserError: there is no such home.
    """
    if not path.startswith("~"):
        return path
    try:
        return os.fspath(Path(path).expanduser())
    except RuntimeError:
        raise UserError(
            f"{before}{printable(path)}: there is no such home; give ./{printable(path)} for a "
            "folder of that name"
        ) from None


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it, if it is missing.

    Raises:
      UserError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{printable(folder)}: cannot be made a folder ({error.strerror}); give another name"
        ) from None


def target(path: str | os.PathLike[str], *, with_folders: bool = False) -> Path:
    """The file that would be written for a path of this machine; symbolic links are followed.

    Args:
      path: where to write.
      with_folders: folders of the path that are missing will be made; one that a link names is not.

    Raises:
      UserError: no file can be written there, as far as can be told before.
    """
    name = printable(path)
    if os.fspath(path).endswith(("/", os.sep)):
        raise UserError(f"{name}: is the name of a folder; give that of a file")
    with _refusing(name):
        there = Path(os.path.realpath(path))
        if there.is_symlink():
            raise UserError(f"{name}: is a link to itself; give another name")
        if there.is_dir():
            raise UserError(f"{name}: is a folder; give the name of a file")
        # Root may rename a file over /dev/null.
        if there.exists() and not there.is_file():
            raise UserError(f"{name}: is not a regular file; give the name of a file")
        above = there.parent
        if with_folders and not Path(path).is_symlink():
            above = next(folder for folder in there.parents if folder.exists())
        if above.is_file():
            raise UserError(
                f"{printable(above)}: cannot be made a folder (a file is there); give another name"
            )
        if not above.is_dir():
            raise UserError(f"{name}: its folder does not exist; create it first")
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return there


def write_atomically(
    path: str | os.PathLike[str], content: str | bytes, *, sync: bool = True
) -> None:
    """Writes a file so that its path holds the old content or all of the new, at any moment.

    Permissions are those of any new file (the umask decides); a symbolic link is followed.

    Args:
      path: where to write; the folder must exist.
      content: text is written as UTF-8, line ends as they are.
      sync: wait until the content is on the disk, so that it also survives a power cut.

    Raises:
      UserError: the folder is missing or read-only, the path is a folder or a device, the disk is
        full. Nothing is left behind.
    """
    write_together([(path, content)], sync=sync)


def write_together(
    contents: Collection[tuple[str | os.PathLike[str], str | bytes]], *, sync: bool = True
) -> None:
    """Writes files as `write_atomically` does, none of them before there is room for all.

    Args:
      contents: a path and what to write there, of each file.
      sync: as there.

    Raises:
      UserError: as there, for one of them; nothing is left behind.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for path, content in contents:
            data = content.encode() if isinstance(content, str) else content
            with _refusing(printable(path)):
                if is_remote(path):
                    # An object store shows the old object or the new one.
                    to_path(path).write_bytes(data)
                    continue
                # Replacing a link by a file would quietly detach it from where it was pointed.
                there = target(path)
                # Cut to fit: a file may have the longest name there is.
                beside = there.with_name(f"{_prefix(there)}{secrets.token_hex(8)}.tmp")
                staged.append((beside, there))
                _write_new(beside, data, sync)
        for beside, there in staged:
            with _refusing(printable(there)):
                _rename(beside, there)
                if sync:
                    _sync_folder(there.parent)
    except BaseException:
        for beside, _ in staged:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _refusing(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{name}: cannot be written ({reason})") from None


def _write_new(path: Path, data: bytes, sync: bool) -> None:
    # Not tempfile.mkstemp, whose files are private whatever the umask says.
    # Windows would write a line end as two bytes.
    binary = getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | binary, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def _rename(temporary: Path, target: Path) -> None:
    """Puts a file in another's place; tries for a second.

    Windows refuses while another process holds either, a virus scanner for instance.
    """
    for pause in PAUSES:
        with contextlib.suppress(PermissionError):
            temporary.replace(target)
            return
        time.sleep(pause)
    temporary.replace(target)


def _prefix(target: Path) -> str:
    return f".{target.name[:40]}."


def remove_left_over(path: Path) -> None:
    """Removes what processes that were killed while they wrote a file have left of it.

    Only for whoever knows that no other process is writing it.
    """
    for temporary in path.parent.glob(f"{glob.escape(_prefix(path))}{'[0-9a-f]' * 16}.tmp"):
        with contextlib.suppress(OSError):
            temporary.unlink()


def lock(file: BinaryIO) -> None:
    """Takes an open file's lock, which the system lets go of when the file is closed.

    Not the package filelock: by its release, it empties the file, deletes it or leaves it.

    Raises:
      BlockingIOError: another process has it.
      OSError: the file system has no locks.
    """
    try:
        import fcntl
    except ImportError:
        _lock_on_windows(file)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_on_windows(file: BinaryIO) -> None:
    msvcrt = importlib.import_module("msvcrt")
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except PermissionError as error:
        raise BlockingIOError(*error.args) from None


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
