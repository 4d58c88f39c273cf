"""IDX files: MNIST, Fashion-MNIST, KMNIST, QMNIST and EMNIST's digits, packed or not."""

import gzip
import io
import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import assemble, bounded
from lenet_jax.data.dataset import CLASSES, SIDE, Dataset, Source
from lenet_jax.data.location import Asked, Location, unpacked_start
from lenet_jax.errors import UserError
from lenet_jax.files import printable

_NAME = re.compile(
    r"(?P<prefix>.*?)(?P<part>train|t10k|test)-(?P<kind>images|labels)[-.]idx[123]-(?:ubyte|int)"
    r"(?:\.(?:gz|bz2|xz))?"
)
_IMAGES_MAGIC = 0x00000803
_LABELS_MAGIC = 0x00000801
# QMNIST's labels: eight whole numbers each, the class first; then the writer and NIST's own.
_QMNIST_MAGIC, _QMNIST_COLUMNS = 0x00000C02, 8
_MAGICS = (_IMAGES_MAGIC, _LABELS_MAGIC, _QMNIST_MAGIC)


class _File(NamedTuple):
    """An IDX file, and what it is called in messages."""

    location: Location
    entry: str

    @property
    def name(self) -> str:
        return self.location.named(self.entry) if self.entry else self.location.name

    @property
    def base(self) -> str:
        return self.entry.rpartition("/")[2] or self.location.path.name

    def read(self) -> bytes:
        return self.location.read(self.entry) if self.entry else self.location.content


def holds(location: Location) -> bool:
    """Whether a folder or zip has a file that is named as IDX files are, or a file is one."""
    if location.is_folder or location.is_zip:
        return any(_match(name) for name in location.entries)
    return int.from_bytes(location.start[:4] or b"\xff", "big") in _MAGICS


def load(location: Location, asked: Asked) -> Dataset:
    """Reads the training or test digits of a folder or zip, or the digits of a file.

    A folder has `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
    `t10k-labels-idx1-ubyte` (the last two for `test`), each perhaps packed, with a dot in place of
    the second dash, in a folder of its own name, or with a prefix such as EMNIST's
    `emnist-digits-`.

    Raises:
      UserError: a file is missing, cut off or of another kind, or the two do not fit together.
    """
    several = location.is_folder or location.is_zip
    images, labels = _find(location, asked) if several else _pair(location)
    images_NxHxW = _images(images.read(), images.name)
    labels_N: NDArray[np.int32] | None = None
    source: Source = "idx"
    if labels is not None:
        labels_N, source = _labels(labels.read(), labels.name, len(images_NxHxW))
    return assemble.dataset(
        images_NxHxW,
        labels_N,
        asked,
        images.name,
        otherwise=source,
        # EMNIST is published as MATLAB holds it, column by column.
        known_transposed=images.base.startswith("emnist"),
    )


def _match(name: str) -> re.Match[str] | None:
    return _NAME.fullmatch(name.rpartition("/")[2])


def _find(location: Location, asked: Asked) -> tuple[_File, _File | None]:
    """The images and the labels of a part, of one and the same data set."""
    found: dict[tuple[tuple[str, str], str], str] = {}
    # Sorted, so that a plain file is met before its gzipped twin.
    for name in location.entries:
        match = _match(name)
        if match and (match["part"] == "train") == (asked.part == "train"):
            folder, _, base = name.rpartition("/")
            # Some unpackers give each file a folder of its own.
            if folder.rpartition("/")[2] == base:
                folder = folder.rpartition("/")[0]
            found.setdefault(((folder, match["prefix"]), match["kind"]), name)
    sets = sorted({known for known, _ in found})
    if len(sets) > 1:
        sets = [known for known in sets if known[1] == "emnist-digits-"] or sets
    if len(sets) > 1:
        files = ", ".join(printable(name) for name in list(found.values())[:4])
        raise UserError(
            f"{location.name}: holds several data sets ({files}); give a folder with one"
        )
    folder, prefix = sets[0] if sets else ("", "")
    for kind, dimensions in (("images", 3), ("labels", 1)):
        if ((folder, prefix), kind) not in found:
            stem = "train" if asked.part == "train" else "t10k"
            raise UserError(
                f"{location.name}: has no "
                f"{printable(prefix)}{stem}-{kind}-idx{dimensions}-ubyte[.gz]; add it"
            )
    images, labels = (found[(folder, prefix), kind] for kind in ("images", "labels"))
    return _File(location, images), _File(location, labels)


def _pair(location: Location) -> tuple[_File, _File | None]:
    """A file of images, and that of their labels where it lies beside it."""
    if int.from_bytes(location.start[:4], "big") != _IMAGES_MAGIC:
        raise UserError(
            f"{location.name}: holds labels; give the file of the images, or the folder"
        )
    mine = _match(location.path.name)
    if mine is None:
        return _File(location, ""), None
    for path in sorted(location.path.parent.iterdir()):
        other = _match(path.name)
        same = other and all(mine[key] == other[key] for key in ("prefix", "part"))
        if same and other and other["kind"] == "labels":
            return _File(location, ""), _File(location.sibling(path.name), "")
    return _File(location, ""), None


def _images(content: bytes, name: str) -> NDArray[np.uint8]:
    return _read(content, _IMAGES_MAGIC, (SIDE, SIDE), 1, name).astype(np.uint8, copy=False)


def _labels(content: bytes, name: str, images: int) -> tuple[NDArray[np.int32], Source]:
    source: Source = "idx"
    if unpacked_start(content)[:4] == _QMNIST_MAGIC.to_bytes(4, "big"):
        rows_NxC = _read(content, _QMNIST_MAGIC, (_QMNIST_COLUMNS,), 4, name)
        # Its digits are MNIST's, cut out of NIST's forms once more and not to the pixel the same.
        labels_N, source = rows_NxC[:, 0].astype(np.int32), "mnist-part"
    else:
        labels_N = _read(content, _LABELS_MAGIC, (), 1, name).astype(np.int32)
    if images != len(labels_N):
        raise UserError(
            f"{name}: has {len(labels_N):,} labels for {images:,} images; "
            "get both files from the same place"
        )
    wrong = np.flatnonzero((labels_N < 0) | (labels_N >= CLASSES))
    if wrong.size:
        raise UserError(
            f"{name}: label {wrong[0] + 1:,} is {labels_N[wrong[0]]}, not a digit from 0 "
            "to 9; give a data set of ten classes"
        )
    return labels_N, source


def _read(
    content: bytes, magic: int, shape: tuple[int, ...], itemsize: int, name: str
) -> NDArray[np.integer]:
    """Reads items of a shape; the header is checked before anything of the size it claims."""
    if not bounded.is_gzip(content):
        return _parse(io.BytesIO(bounded.unpack(content, name)), magic, shape, itemsize, name)
    with (
        bounded.unpacking("gzip", name),
        gzip.GzipFile(fileobj=io.BytesIO(content)) as stream,
    ):
        return _parse(stream, magic, shape, itemsize, name)


def _parse(
    stream: bounded.Readable, magic: int, shape: tuple[int, ...], itemsize: int, name: str
) -> NDArray[np.integer]:
    length = 4 * (2 + len(shape))
    header = stream.read(length)
    if not header:
        raise UserError(f"{name}: is empty; get the file again")
    if len(header) < length:
        raise UserError(f"{name}: is cut off in its header of {length} bytes; get the file again")
    seen, count, *sides = (int(number) for number in np.frombuffer(header, ">u4"))
    if seen != magic:
        raise UserError(
            f"{name}: begins with the number {seen:#010x} where {magic:#010x} must stand; this is "
            "no IDX file of this kind"
        )
    if tuple(sides) != shape:
        if len(shape) == 2:
            raise UserError(f"{name}: has images of {sides[0]} x {sides[1]} pixels, not 28 x 28")
        raise UserError(f"{name}: has {sides[0]:,} numbers per label where QMNIST has {shape[0]}")
    size = itemsize * int(np.prod(shape, dtype=np.int64))
    wanted = count * size
    if wanted > bounded.MAX_BYTES:
        raise UserError(
            f"{name}: claims {count:,} items of {size} bytes, more than the "
            f"{bounded.MAX_BYTES:,} bytes allowed"
        )
    if not count:
        raise UserError(f"{name}: holds no items")
    data = bounded.drain(stream, wanted, name, above=f"goes on after its {count:,} items")
    if len(data) < wanted:
        raise UserError(
            f"{name}: is cut off in item {len(data) // size + 1:,} of {count:,}; get the file again"
        )
    return np.frombuffer(data, np.uint8 if itemsize == 1 else ">i4").reshape(count, *shape)
