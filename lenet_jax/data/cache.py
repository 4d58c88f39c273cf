"""Keeps parsed arrays for the next start, in the user's cache folder.

The key is a hash of the whole source file. Size and modification time would be quicker to ask for,
but a copy that keeps times, or a second edit within a tick of the file system's clock, would give
old data; hashing costs 20 ms for Kaggle's zip and 80 ms for the unpacked train.csv.

A cache that cannot be written or read is no cache, never an error.
"""

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lenet_jax.data.dataset import Dataset, Images, Labels
from lenet_jax.data.location import Say
from lenet_jax.errors import UserError
from lenet_jax.files import make_folder, write_atomically

VARIABLE = "LENET_JAX_CACHE"
# Of 33 MB each.
MAX_ENTRIES = 8
# To be raised whenever the same file may give other arrays than before.
_VERSION = 2


def folder() -> Path | None:
    """Where entries are: `$LENET_JAX_CACHE`, else `lenet-jax` in the user's cache folder.

    None where there is no such place, e.g. for a user without a home.
    """
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    import platformdirs

    try:
        root = Path(platformdirs.user_cache_dir("lenet-jax", appauthor=False))
    # So say its newer versions where there is no home.
    except RuntimeError:
        return None
    # Without a home this is the literal `~/.cache`, to be created wherever the user happens to be.
    return root if root.is_absolute() else None


def programs_folder() -> Path | None:
    """Where compiled programs are kept; None where they cannot be, of which JAX would warn."""
    root = folder()
    if root is None:
        return None
    with contextlib.suppress(UserError):
        make_folder(root / "compiled")
    return root / "compiled" if os.access(root / "compiled", os.W_OK) else None


def key(content: bytes, member: str = "") -> str:
    """The key of what is parsed from these bytes (and, in a zip, from this member)."""
    digest = hashlib.blake2b(f"{_VERSION} {member}\n".encode(), digest_size=16)
    digest.update(content)
    return digest.hexdigest()


class Kept(NamedTuple):
    """What was parsed, and the lines that were said about it."""

    images_NxHxW: Images
    labels_N: Labels | None
    notes: tuple[str, ...] = ()


def load(entry: str) -> Kept | None:
    """What is kept under a key, or None where there is nothing, or something damaged."""
    path = _path(entry)
    if path is None:
        return None
    try:
        # Opened here, for np.load leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            images_NxHxW = arrays["images"]
            labels_N = arrays.get("labels")
            notes = tuple(map(str, arrays.get("notes", ())))
        # Members of an npz carry a checksum; this is for a whole file of something else.
        Dataset(images_NxHxW=images_NxHxW, labels_N=labels_N, source="csv", name=entry)
        # Used is young: the oldest entries are thrown away.
        os.utime(path)
    except Exception:
        # Whatever is wrong with it, the source itself is there.
        return None
    return Kept(images_NxHxW, labels_N, notes)


def store(
    entry: str, images_NxHxW: Images, labels_N: Labels | None, notes: Sequence[str] = ()
) -> None:
    """Keeps arrays under a key, and throws away the entries used longest ago."""
    path = _path(entry)
    if path is None:
        return
    arrays: dict[str, Any] = {"images": images_NxHxW}
    if labels_N is not None:
        arrays["labels"] = labels_N
    if notes:
        arrays["notes"] = np.array(notes)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with contextlib.suppress(OSError, UserError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not synced: what a power cut leaves half-written fails its checksum.
        write_atomically(path, buffer.getvalue(), sync=False)
        _prune(path.parent)


def parsed(content: bytes, member: str, parse: Callable[[Say], tuple[Images, Any]]) -> Kept:
    """What `parse` gives for these bytes: kept from an earlier start, or parsed now and kept.

    Args:
      content: of the whole source file.
      member: what in it is parsed, and how.
      parse: is given a function that takes the lines to be said; these are kept, too.
    """
    entry = key(content, member)
    kept = load(entry)
    if kept is None:
        notes: list[str] = []
        kept = Kept(*parse(notes.append), tuple(notes))
        store(entry, *kept)
    return kept


def _path(entry: str) -> Path | None:
    root = folder()
    return None if root is None else root / f"digits-{entry}.npz"


def _prune(root: Path) -> None:
    # Only files of this module's naming: the folder may be one that the user chose.
    of_a_key = f"digits-{'[0-9a-f]' * 32}"
    entries = sorted(root.glob(f"{of_a_key}.npz"), key=lambda path: path.stat().st_mtime)
    leftovers = sorted(root.glob(f".{of_a_key}.*.tmp"), key=lambda path: path.stat().st_mtime)
    # Another process may be writing the youngest.
    for path in entries[:-MAX_ENTRIES] + leftovers[:-MAX_ENTRIES]:
        path.unlink(missing_ok=True)
