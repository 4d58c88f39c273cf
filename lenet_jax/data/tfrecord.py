"""TensorFlow Datasets' cache of MNIST: records of `tf.train.Example` with a PNG and a label.

A record is its length (8 bytes), a checksum of that (4), the message, and a checksum of it (4).
"""

import re
from collections.abc import Iterator

import numpy as np

from lenet_jax.data import arrays, arrow_pictures, assemble, bounded, cache
from lenet_jax.data.dataset import Dataset, Images, Labels
from lenet_jax.data.location import Asked, Location, Say, missing
from lenet_jax.errors import UserError

_NAME = re.compile(
    r"(?:.*/)?(?P<set>[\w-]+)-(?P<part>train|test)\.tfrecord-(?P<shard>\d{5})-of-(?P<of>\d{5})"
)
_MOST_RECORD = 2**20


def holds(location: Location) -> bool:
    """Whether a folder has records named as TensorFlow Datasets names them, or a file is one."""
    if location.is_folder:
        return any(map(_NAME.fullmatch, location.entries))
    return bool(_NAME.fullmatch(location.path.name))


def load(location: Location, asked: Asked) -> Dataset:
    """Reads the shards of a part, in order; the digits of the cache were shuffled on writing.

    Raises:
      UserError: a shard is missing or damaged, or holds no pictures with labels.
    """
    files = [location]
    if location.is_folder:
        found = [match for match in map(_NAME.fullmatch, location.entries) if match]
        shards = [match for match in found if match["part"] == asked.part]
        if not shards or len(shards) != int(shards[0]["of"]):
            raise missing(location, f"*-{asked.part}.tfrecord-00000-of-00001 (all of its shards)")
        files = [location.inside(match[0]) for match in shards]
    name = files[0].name

    def parse(say: Say) -> tuple[Images, Labels]:
        pictures, labels = [], []
        for file in files:
            for index, record in enumerate(_records(file)):
                at = f"{file.name}: record {index + 1:,}"
                content, label = _example(record, at)
                pictures.append(arrow_pictures.picture(content, at))
                labels.append(label)
        if not pictures:
            raise UserError(f"{name}: holds no records")
        images_NxHxW = arrays.images(np.stack(pictures), name, say)
        return images_NxHxW, arrays.labels(np.array(labels), name, len(images_NxHxW))

    kept = cache.parsed(b"".join(file.content for file in files), "tfrecord", parse)
    return assemble.dataset(kept.images_NxHxW, kept.labels_N, asked, name)


def _records(location: Location) -> Iterator[bytes]:
    content, at = bounded.unpack(location.content, location.name), 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 8], "little")
        at += 12
        if length > _MOST_RECORD or at + length + 4 > len(content):
            raise UserError(f"{location.name}: is cut off, or holds no records; get it again")
        yield content[at : at + length]
        at += length + 4


def _example(record: bytes, location: str) -> tuple[bytes, int]:
    """The picture and the label of a `tf.train.Example`."""
    found: dict[bytes, bytes] = {}
    try:
        for features in _fields(record, 1):
            for feature in _fields(features, 1):
                (key,) = _fields(feature, 1)
                (value,) = _fields(feature, 2)
                found[key] = value
        # A Feature is one of a list of bytes (1), of floats (2), of integers (3).
        (listed,) = _fields(found[b"image"], 1)
        (content,) = _fields(listed, 1)
        (listed,) = _fields(found[b"label"], 3)
        packed = _fields(listed, 1)
        return content, _varint(packed[0], 0)[0]
    except (ValueError, KeyError, IndexError):
        raise UserError(f"{location}: has no image with its label; get the file again") from None


def _fields(message: bytes, wanted: int) -> list[bytes]:
    """The values of a field of a protocol buffer; of a number its bytes."""
    found, at = [], 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == 0:
            start = at
            _, at = _varint(message, at)
            value = message[start:at]
        elif key & 7 == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
            if at > len(message):
                raise ValueError("cut off")
        else:
            raise ValueError("of another type")
        if key >> 3 == wanted:
            found.append(value)
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at
        if shift > 63:
            raise ValueError("too long")
