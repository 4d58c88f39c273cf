"""MATLAB's files: EMNIST's `emnist-digits.mat`, mldata.org's former `mnist-original.mat`."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import arrays, assemble, bounded, cache
from lenet_jax.data.dataset import Dataset, Images, Labels, Part
from lenet_jax.data.location import Asked, Location, Say
from lenet_jax.errors import UserError

_MAGIC = b"MATLAB 5.0 MAT-file"
_HEADER = 128
_COMPRESSED = 15


def holds(location: Location) -> bool:
    """Whether a file is MATLAB's, of version 5."""
    return location.start.startswith(_MAGIC)


def load(location: Location, asked: Asked) -> Dataset:
    """Reads a part of EMNIST's digits, which lie column by column, or of MNIST's 70,000.

    Raises:
      UserError: it is damaged, or holds other arrays.
    """
    name = location.name
    kept = cache.parsed(
        location.content,
        f"mat {asked.part}",
        lambda say: _parse(location.content, asked.part, name, say),
    )
    is_emnist = "as EMNIST's" in kept.notes
    return assemble.dataset(
        kept.images_NxHxW, kept.labels_N, asked, name, known_transposed=is_emnist
    )


def _parse(content: bytes, part: Part, name: str, say: Say) -> tuple[Images, Labels | None]:
    from scipy import io as scipy_io

    plain = _inflated(content, name)
    try:
        found: dict[str, Any] = scipy_io.loadmat(io.BytesIO(plain))
    # scipy raises anything from TypeError to struct.error for damaged files.
    except Exception as error:
        reason = ascii(str(error).splitlines()[0] if str(error) else type(error).__name__)[1:81]
        raise UserError(f"{name}: damaged or cut off, not a whole .mat file ({reason})") from None
    if "dataset" in found:
        images, labels = _emnist(found["dataset"], part, name)
        say("as EMNIST's")
    elif "data" in found and "label" in found:
        # A digit is a column, its pixels row by row.
        images, labels = found["data"].T, found["label"].reshape(-1)
    else:
        names = [key for key in found if not key.startswith("__")]
        raise UserError(
            f"{name}: has no array dataset, as EMNIST's files have, nor data and label; it holds "
            f"{', '.join(ascii(key)[1:-1] for key in names[:8]) or 'nothing'}"
        )
    images_NxHxW = arrays.images(np.asarray(images), f"{name}: images", say)
    return images_NxHxW, arrays.labels(np.asarray(labels), f"{name}: labels", len(images_NxHxW))


def _emnist(dataset: Any, part: Part, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """`dataset.train.images` and `dataset.train.labels`."""
    try:
        digits = dataset[0, 0][part][0, 0]
        return digits["images"], digits["labels"]
    except (IndexError, KeyError, TypeError, ValueError):
        raise UserError(f"{name}: has no dataset.{part}.images with its labels") from None


def _inflated(content: bytes, name: str) -> bytes:
    """The file with its packed elements unpacked, within the bound, for scipy sets none."""
    order = "<" if content[126:128] == b"IM" else ">"
    pieces, at, total = [content[:_HEADER]], _HEADER, _HEADER
    with bounded.unpacking("MATLAB", name):
        while at + 8 <= len(content):
            kind, size = struct.unpack_from(f"{order}II", content, at)
            if at + 8 + size > len(content):
                raise EOFError("it ends within an array")
            piece = content[at : at + 8 + size]
            if kind == _COMPRESSED:
                unpacker = zlib.decompressobj()
                piece = unpacker.decompress(piece[8:], bounded.MAX_BYTES - total + 1)
            at += 8 + size
            total += len(piece)
            if total > bounded.MAX_BYTES:
                raise UserError(f"{name}: holds more than the {bounded.MAX_BYTES:,} bytes allowed")
            pieces.append(piece)
        if at != len(content):
            raise EOFError("it ends within a header")
    return b"".join(pieces)
