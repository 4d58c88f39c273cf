"""What stands at a path that `--data` names: a file, a folder, or a zip read like a folder."""

import bz2
import dataclasses
import functools
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from lenet_jax.data import bounded
from lenet_jax.data.dataset import Part
from lenet_jax.errors import UserError
from lenet_jax.files import printable

Say = Callable[[str], object]
Counted = Callable[[int], object]

# A folder tree is listed no further: MNIST as 70,000 pictures fits, a home folder does not.
MOST_ENTRIES = 200_000
DEEPEST = 3
# What the formats look at to know their own files: a header of 785 quoted columns fits.
START = 2**16
_BLOCK = 2**20
_TRAIN = {"train", "training"}
_TEST = {"test", "testing", "t10k", "val", "valid", "validation"}


def ignore(_: str) -> None:
    """A `Say` where nobody is to be told."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What is wanted of the digits at a place.

    Attributes:
      part: `train` or `test`.
      say: is given a line about whatever was taken otherwise than it stands there.
      counted: is given the number of rows of a table before they are parsed.
      transposed: the digits are stored column by column, as EMNIST's are.
      deskew: slanted digits of pictures are straightened.
    """

    part: Part
    say: Say = lambda _: None
    counted: Counted | None = None
    transposed: bool = False
    deskew: bool = False


class Location:
    """A path, looked at once: no property reads what another one has read.

    Attributes:
      path: of the file or folder.
      name: the path as the user gave it, for messages.
      depth: how many folders below it are looked into.
    """

    def __init__(self, path: Path, name: str, depth: int = 0):
        self.path, self.name, self.depth = path, name, depth

    def deeper(self, depth: int) -> "Location":
        """The same place, looked at with so many folders below it."""
        other = Location(self.path, self.name, depth)
        for known in ("is_folder", "start", "content", "members"):
            if known in self.__dict__:
                other.__dict__[known] = self.__dict__[known]
        return other

    @functools.cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path.is_dir()

    @functools.cached_property
    def start(self) -> bytes:
        """The first bytes of a file, unpacked where it is packed; empty for anything else."""
        # Asked before opening, which would wait for ever for the writer of a pipe.
        if not self.path.is_file():
            return b""
        with self.path.open("rb") as file:
            # A block of bzip2 is unpacked as a whole.
            return unpacked_start(file.read(_BLOCK))

    @functools.cached_property
    def content(self) -> bytes:
        """The whole file as it is.

        Raises:
          UserError: see `bounded.read_file`.
        """
        return bounded.read_file(self.path, self.name)

    @property
    def is_zip(self) -> bool:
        """Whether it is a zip archive."""
        return not self.is_folder and bounded.is_zip(self.start)

    @functools.cached_property
    def entries(self) -> list[str]:
        """The files of a folder or zip, `/` between the parts of their names, sorted.

        Hidden ones and what systems leave behind (`__MACOSX`) are left out.

        Raises:
          UserError: the zip is damaged.
        """
        if self.is_folder:
            names = list(_walk(self.path, "", self.depth))
        else:
            names = [name for name in self.members if name.count("/") <= self.depth]
        return sorted(name for name in names if not _hidden(name))

    @functools.cached_property
    def members(self) -> list[str]:
        """All files of a zip, in its order, `/` between the parts of their names."""
        if not self.is_zip:
            return []
        return [name.replace("\\", "/") for name in bounded.zip_members(self.content, self.name)]

    def named(self, entry: str) -> str:
        """What an entry is called in messages."""
        return (
            f"{self.name}: {printable(entry)}" if self.is_zip else f"{self.name}/{printable(entry)}"
        )

    def read(self, entry: str) -> bytes:
        """The bytes of an entry.

        Raises:
          UserError: it cannot be read, or holds more than is allowed.
        """
        if self.is_folder:
            return bounded.read_file(self.path / entry, self.named(entry))
        return bounded.read_member(self.content, entry, self.name)

    @property
    def listing(self) -> str:
        """What a folder or a zip holds, in words."""
        if self.is_folder:
            return listing(sorted(path.name for path in self.path.iterdir()))
        return listing(self.members)

    def inside(self, entry: str) -> "Location":
        """The file that an entry of a folder is."""
        return Location(self.path / entry, self.named(entry))

    def sibling(self, name: str) -> "Location":
        """The file of another name beside this one."""
        return Location(self.path.with_name(name), printable(Path(self.name).with_name(name)))


def unpacked_start(head: bytes) -> bytes:
    """The first bytes of what a file's first bytes unpack to; themselves where they are plain.

    Damage is told by whoever reads the whole; here it is the end.
    """
    try:
        if bounded.is_gzip(head):
            return zlib.decompressobj(31).decompress(head, START)
        if head.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(head, START)
        if head.startswith(b"\xfd7zXZ\0"):
            return lzma.LZMADecompressor(memlimit=bounded.XZ_MEMORY).decompress(head, START)
    except (OSError, ValueError, lzma.LZMAError, zlib.error):
        return b""
    return head[:START]


def part_of(name: str) -> Part | None:
    """The part that a file's name tells: `mnist_train_small.csv`, `t10k-images`, `x_test.npy`."""
    words = set(re.split("[^a-z0-9]+", name.lower()))
    if bool(words & _TRAIN) == bool(words & _TEST):
        return None
    return "train" if words & _TRAIN else "test"


def listing(names: list[str], most: int = 8) -> str:
    """Some names in words."""
    if not names:
        return "nothing"
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(printable(name) for name in names[:most]) + more


def _walk(folder: Path, before: str, depth: int) -> Iterator[str]:
    left = MOST_ENTRIES
    folders = [(folder, before, depth)]
    while folders and left > 0:
        here, prefix, below = folders.pop(0)
        try:
            with os.scandir(here) as found:
                for entry in found:
                    left -= 1
                    if left <= 0:
                        break
                    if entry.is_dir():
                        if below:
                            folders.append((Path(entry.path), f"{prefix}{entry.name}/", below - 1))
                    else:
                        yield prefix + entry.name
        except OSError:
            # The folder itself must be readable; one below it may be somebody else's.
            if here == folder:
                raise


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def missing(location: Location, wanted: str) -> UserError:
    """Tells that a folder or zip lacks something, and what it has."""
    return UserError(f"{location.name}: has no {wanted}; it holds {location.listing}")
