"""JAX's compilation cache: what is cut short in it, its bound, and copies of it beside a run.

JAX writes an entry in place and never overwrites it, so that one cut short warns for ever; and it
removes none. The name of a copy, which is for the next machine that goes on with a run, ends in the
checksum of what is in it.
"""

import contextlib
import glob
import hashlib
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lenet_jax.files import is_remote, printable, write_atomically

FOLDER = "compiled"
# Seconds after which an entry that has not changed is taken for whole.
_SETTLED = 2.0
# Bytes of all entries that are kept; a recipe has some 10 MB.
MOST = 10**9
_UNREADABLE = re.compile("Error reading persistent compilation cache entry for '([^']*)'")


def tend(cache: str | os.PathLike[str]) -> None:
    """Keeps a cache below `MOST`, and has JAX compile anew what it cannot read.

    Entries used longest ago are removed first. A cache that cannot be written stays as it is. Of a
    process only the first call does anything.

    Args:
      cache: JAX's; one of gs:// is left alone.
    """
    if is_remote(cache) or getattr(warnings.showwarning, "heals", None) == os.fspath(cache):
        return
    with contextlib.suppress(OSError):
        _prune(Path(cache))
    # JAX tells of an entry by a warning alone, before it compiles the program and writes it again.
    warnings.showwarning = _healing(Path(cache), warnings.showwarning)


def _prune(cache: Path) -> None:
    entries = [(path, path.stat()) for path in cache.glob("jit_*-cache")]
    # Few systems note each reading, so an entry counts as used when it was written, too.
    entries.sort(key=lambda entry: max(entry[1].st_atime, entry[1].st_mtime), reverse=True)
    size = 0
    for path, found in entries:
        size += found.st_size
        if size > MOST:
            path.unlink(missing_ok=True)


def _healing(cache: Path, show: Callable[..., None]) -> Callable[..., None]:
    """A `warnings.showwarning` that removes the entries which JAX cannot read."""

    def warn_or_heal(message: Warning | str, *arguments: Any, **named: Any) -> None:
        unreadable = _UNREADABLE.match(str(message))
        if unreadable is None:
            show(message, *arguments, **named)
            return
        # It names the program and not the entry, of which there is one for each of its sizes.
        for path in cache.glob(f"{glob.escape(unreadable[1])}-*-cache"):
            with contextlib.suppress(OSError):
                path.unlink()

    vars(warn_or_heal)["heals"] = os.fspath(cache)
    return warn_or_heal


class Copies:
    """The copies of JAX's compilation cache in a mirror."""

    def __init__(
        self, cache: str | os.PathLike[str] | None, mirror: str | os.PathLike[str]
    ) -> None:
        """Notes what is in the cache.

        Args:
          cache: JAX's; None, or one of gs://, is never copied.
          mirror: folder of the copies.
        """
        self.cache = None if cache is None or is_remote(cache) else Path(cache)
        self.folder = Path(mirror) / FOLDER
        # Whether this run has to do with a program that was here before nobody knows.
        self._known = {path.name for path in self._entries()}

    def _entries(self) -> Iterator[Path]:
        if self.cache is not None:
            yield from self.cache.glob("*-cache")

    def fetch(self) -> None:
        """Gives JAX the programs that are whole, once; call it before they are compiled.

        A copy that is not whole is named and removed, to be made anew.
        """
        if self.cache is None:
            return
        # What cannot be read is compiled.
        with contextlib.suppress(OSError):
            for copy in sorted(self.folder.glob("*-cache.*")):
                name, _, expected = copy.name.rpartition(".")
                if name in self._known:
                    continue
                content = copy.read_bytes()
                if _sum(content) == expected:
                    write_atomically(self.cache / name, content, sync=False)
                    self._known.add(name)
                else:
                    line = f"WARNING: {printable(copy)}: half-copied; the program is compiled again"
                    print(line, file=sys.stderr, flush=True)
                    copy.unlink()

    def copy(self, settled: bool = False) -> None:
        """Copies programs that were compiled since.

        Args:
          settled: leaves out those that JAX may still be writing.

        Raises:
          UserError: the folder cannot be written.
        """
        for entry in self._entries():
            if entry.name in self._known:
                continue
            if settled and time.time() - entry.stat().st_mtime < _SETTLED:
                continue
            content = entry.read_bytes()
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / f"{entry.name}.{_sum(content)}", content)
            self._known.add(entry.name)


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
