"""IDX files: MNIST, Fashion-MNIST, KMNIST and EMNIST's digits, gzipped or not."""

import gzip
import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import bounded
from lenet_jax.data.dataset import CLASSES, SIDE, Dataset, Part
from lenet_jax.data.honesty import identify
from lenet_jax.errors import UserError
from lenet_jax.files import shown

_NAME = re.compile(
    r"(?P<prefix>.*?)(?P<part>train|t10k|test)-(?P<kind>images|labels)[-.]idx[13]-ubyte(?:\.gz)?"
)
_IMAGES_MAGIC = 0x00000803
_LABELS_MAGIC = 0x00000801


def holds(folder: Path) -> bool:
    """Whether a folder has a file that is named as IDX files are."""
    return any(_NAME.fullmatch(path.name) for path in folder.iterdir())


def load(folder: Path, part: Part, name: str) -> Dataset:
    """Reads a folder's training or test digits with their labels.

    Args:
      folder: has `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`
        and `t10k-labels-idx1-ubyte` (the last two for `test`), each perhaps with `.gz`, with a dot
        in place of the second dash, or with a prefix such as EMNIST's `emnist-digits-`.
      part: which of them.
      name: the folder's place, for messages.

    Raises:
      UserError: a file is missing, cut off or of another kind, or the two do not fit together.
    """
    images_path, labels_path = _find(folder, part, name)
    images_place = f"{name}/{shown(images_path.name)}"
    labels_place = f"{name}/{shown(labels_path.name)}"
    images_NxHxW = _read(images_path, _IMAGES_MAGIC, (SIDE, SIDE), images_place)
    labels_N = _read(labels_path, _LABELS_MAGIC, (), labels_place).astype(np.int32)
    if len(images_NxHxW) != len(labels_N):
        raise UserError(
            f"{labels_place}: has {len(labels_N):,} labels for {len(images_NxHxW):,} images; "
            "get both files from the same place"
        )
    wrong = np.flatnonzero(labels_N >= CLASSES)
    if wrong.size:
        raise UserError(
            f"{labels_place}: label {wrong[0] + 1:,} is {labels_N[wrong[0]]}, not a digit from 0 "
            "to 9; give a data set of ten classes"
        )
    # EMNIST is published as MATLAB holds it, column by column.
    if images_path.name.startswith("emnist"):
        images_NxHxW = np.ascontiguousarray(images_NxHxW.transpose(0, 2, 1))
    return Dataset(
        images_NxHxW=images_NxHxW,
        labels_N=labels_N,
        source=identify(labels_N, len(labels_N), "idx"),
        name=images_place,
    )


def _find(folder: Path, part: Part, name: str) -> tuple[Path, Path]:
    """The images and the labels of a part, of one and the same data set."""
    found: dict[tuple[str, str], Path] = {}
    # Sorted, so that a plain file is met before its gzipped twin.
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match and (match["part"] == "train") == (part == "train"):
            found.setdefault((match["prefix"], match["kind"]), path)
    prefixes = sorted({prefix for prefix, _ in found})
    if len(prefixes) > 1:
        prefixes = [prefix for prefix in prefixes if prefix == "emnist-digits-"] or prefixes
    if len(prefixes) > 1:
        files = ", ".join(shown(path.name) for path in list(found.values())[:4])
        raise UserError(f"{name}: holds several data sets ({files}); give a folder with one")
    prefix = prefixes[0] if prefixes else ""
    for kind, dimensions in (("images", 3), ("labels", 1)):
        if (prefix, kind) not in found:
            stem = "train" if part == "train" else "t10k"
            raise UserError(
                f"{name}: has no {shown(prefix)}{stem}-{kind}-idx{dimensions}-ubyte[.gz]; add it"
            )
    return found[prefix, "images"], found[prefix, "labels"]


def _read(path: Path, magic: int, shape: tuple[int, ...], name: str) -> NDArray[np.uint8]:
    """Reads items of a shape; the header is checked before anything of the size it claims."""
    content = bounded.read_file(path, name)
    if not bounded.is_gzip(content):
        return _parse(io.BytesIO(content), magic, shape, name)
    with (
        bounded.unpacking("gzip", name),
        gzip.GzipFile(fileobj=io.BytesIO(content)) as stream,
    ):
        return _parse(stream, magic, shape, name)


def _parse(
    stream: bounded.Readable, magic: int, shape: tuple[int, ...], name: str
) -> NDArray[np.uint8]:
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
        raise UserError(f"{name}: has images of {sides[0]} x {sides[1]} pixels, not 28 x 28")
    size = int(np.prod(shape, dtype=np.int64))
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
    return np.frombuffer(data, np.uint8).reshape(count, *shape)
