"""Copies of compiled programs beside a run, for the next machine that goes on with it.

JAX writes an entry of its compilation cache in place and never overwrites it, so that one cut short
warns for ever. The name of a copy ends in the checksum of what is in it.
"""

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lenet_jax.files import is_remote, shown, write_atomically

FOLDER = "compiled"
# Seconds after which an entry that has not changed is taken for whole.
_SETTLED = 2.0


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
                    line = f"WARNING: {shown(copy)}: half-copied; the program is compiled again"
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
