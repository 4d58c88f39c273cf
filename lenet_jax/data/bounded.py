"""Reads files, gzip streams and zip members in memory, never more than a stated bound."""

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from lenet_jax.errors import UserError
from lenet_jax.files import printable

# The most bytes that one file, or one compressed member, may hold once it is in memory. Kaggle's
# train.csv has 77 MB, MNIST's images 47 MB, EMNIST's 188 MB.
MAX_BYTES = 2**30
# Each entry of a zip's directory costs zipfile ten times its size; Kaggle's zip has three.
MAX_MEMBERS = 10_000

# A header may ask for a dictionary of 4 GB.
XZ_MEMORY = 2**28

_CHUNK = 2**20
_DAMAGE = (
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none at the end."""
        ...


def read_file(path: Path, name: str) -> bytes:
    """The bytes of a regular file.

    Raises:
      UserError: no such file, not readable, not a regular file, or above `MAX_BYTES`.
    """
    try:
        # Asked before opening, which would wait for ever for the writer of a pipe.
        if not path.is_file():
            raise UserError(f"{name}: {'is not a file' if path.exists() else 'no such file'}")
        with path.open("rb") as file:
            size = path.stat().st_size
            if size > MAX_BYTES:
                raise UserError(f"{name}: has {size:,} bytes, more than the {MAX_BYTES:,} allowed")
            return drain(file, MAX_BYTES, name)
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror or error})") from None


def drain(stream: Readable, limit: int, name: str, above: str = "") -> bytes:
    """What is left in a stream, at most `limit` bytes.

    Raises:
      UserError: there is more; `above` says what that means.
    """
    # Piece by piece, for a single read would allocate what a lying header asks for.
    taken = io.BytesIO()
    while piece := stream.read(_CHUNK):
        if taken.tell() + len(piece) > limit:
            above = above or f"holds more than the {limit:,} bytes allowed"
            raise UserError(f"{name}: {above}")
        taken.write(piece)
    return taken.getvalue()


def is_gzip(content: bytes) -> bool:
    """Whether bytes begin as a gzip file does."""
    return content.startswith(b"\x1f\x8b")


_LONGEST_REASON = 200


def is_zip(content: bytes) -> bool:
    """Whether bytes begin as a zip archive, possibly an empty one, does."""
    return content.startswith((b"PK\x03\x04", b"PK\x05\x06"))


@contextmanager
def unpacking(kind: str, name: str) -> Iterator[None]:
    """Turns what the decompressors raise on damaged bytes into one line that names the file."""
    try:
        yield
    except _DAMAGE as error:
        # It may hold names that are there, of any length.
        reason = printable(str(error) or type(error).__name__)[:_LONGEST_REASON]
        raise UserError(
            f"{name}: damaged or cut off, not a whole {kind} file ({reason}); get it again"
        ) from None


def gunzip(content: bytes, name: str) -> bytes:
    """The content of a gzip file.

    Raises:
      UserError: damaged, or more than `MAX_BYTES` when unpacked.
    """
    with unpacking("gzip", name), gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
        return drain(stream, MAX_BYTES, name)


def unpack(content: bytes, name: str) -> bytes:
    """The content of a file packed by gzip, bzip2 or xz; of any other file what it is.

    Raises:
      UserError: damaged, or more than `MAX_BYTES` when unpacked.
    """
    if is_gzip(content):
        return gunzip(content, name)
    if content.startswith(b"BZh"):
        with unpacking("bzip2", name), bz2.BZ2File(io.BytesIO(content)) as stream:
            return drain(stream, MAX_BYTES, name)
    if content.startswith(b"\xfd7zXZ\0"):
        with unpacking("xz", name):
            return _unxz(content, name)
    return content


def _unxz(content: bytes, name: str) -> bytes:
    # LZMAFile takes no limit.
    unpacker = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
    taken = io.BytesIO()
    piece = unpacker.decompress(content, _CHUNK)
    while True:
        if taken.tell() + len(piece) > MAX_BYTES:
            raise UserError(f"{name}: holds more than the {MAX_BYTES:,} bytes allowed")
        taken.write(piece)
        if unpacker.eof:
            return taken.getvalue()
        if unpacker.needs_input:
            raise EOFError("it ends before its end mark")
        piece = unpacker.decompress(b"", _CHUNK)


def unzip(content: bytes, base: str, name: str) -> bytes | None:
    """The content of the one member with this base name, in whatever folder of the zip.

    Raises:
      UserError: a damaged zip, several such members, or one that is encrypted, packed by an
        unusual method, or larger than `MAX_BYTES`.
    """
    with unpacking("zip", name), _open_zip(content, name) as archive:
        found = [entry for entry in archive.infolist() if _base(entry.filename) == base]
        if not found:
            return None
        location = f"{name}: {base}"
        if len(found) > 1:
            raise UserError(f"{location}: the zip holds {len(found)} files of this name; leave one")
        return _member(archive, found[0], location)


def read_member(content: bytes, member: str, name: str) -> bytes:
    """The content of the member of this whole name, `/` between its parts.

    Raises:
      UserError: as `unzip`, and where there is none.
    """
    location = f"{name}: {printable(member)}"
    with unpacking("zip", name), _open_zip(content, name) as archive:
        for entry in archive.infolist():
            if entry.filename.replace("\\", "/") == member:
                return _member(archive, entry, location)
    raise UserError(f"{location}: is not in the zip")


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, location: str) -> bytes:
    if entry.flag_bits & 0x1:
        raise UserError(f"{location}: is encrypted; unzip it and give the folder")
    # The other methods may ask for gigabytes to unpack a few bytes.
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(f"{location}: is packed by an unusual method; unzip and give the folder")
    if entry.file_size > MAX_BYTES:
        raise UserError(f"{location}: holds more than the {MAX_BYTES:,} bytes allowed")
    with archive.open(entry) as stream:
        return drain(stream, MAX_BYTES, location)


def zip_members(content: bytes, name: str) -> list[str]:
    """The names of a zip's files, folders left out.

    Raises:
      UserError: a damaged zip.
    """
    with unpacking("zip", name), _open_zip(content, name) as archive:
        return [entry.filename for entry in archive.infolist() if not entry.is_dir()]


def _open_zip(content: bytes, name: str) -> zipfile.ZipFile:
    if content.count(b"PK\x01\x02", _directory(content)) > MAX_MEMBERS:
        raise UserError(
            f"{name}: a zip of more than {MAX_MEMBERS:,} files; unzip it and give the folder"
        )
    return zipfile.ZipFile(io.BytesIO(content))


def _directory(content: bytes) -> int:
    """Where the directory of a zip begins, or anywhere before it; 0 where that is not simple."""
    # With no comment its last 22 bytes are the record that zipfile looks for first.
    last = content[-22:]
    if not last.startswith(b"PK\x05\x06") or last[20:] != b"\0\0":
        return 0
    size = int.from_bytes(last[12:16], "little")
    return 0 if size == 0xFFFFFFFF else max(0, len(content) - 22 - size)


def _base(member: str) -> str:
    # Windows' own tools have written backslashes.
    return member.replace("\\", "/").rpartition("/")[2]
