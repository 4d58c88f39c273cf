"""HDF5: `usps.h5` with 16x16 pixels, and files of MNIST of the same layout."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import arrays, assemble, bounded, cache, pairs
from lenet_jax.data.dataset import Dataset, Images, Labels, Part
from lenet_jax.data.location import Asked, Location, Say, part_of
from lenet_jax.environment import packages
from lenet_jax.errors import UserError

_MAGIC = b"\x89HDF\r\n\x1a\n"
_MOST_NAMES = 1000


def holds(location: Location) -> bool:
    """Whether a file is HDF5."""
    return location.start.startswith(_MAGIC)


def load(location: Location, asked: Asked) -> Dataset:
    """Reads `train/data` and `train/target`, or whatever names tell the same; `test` likewise.

    Raises:
      UserError: h5py is not installed, the file is damaged, or holds other arrays.
    """
    h5py = packages.needed("h5py", location.name)
    name = location.name
    kept = cache.parsed(
        location.content,
        f"h5 {asked.part}",
        lambda say: _parse(h5py, location.content, asked.part, name, say),
    )
    for note in kept.notes:
        asked.say(f"{name}: {note}")
    return assemble.dataset(kept.images_NxHxW, kept.labels_N, asked, name)


def _parse(
    h5py: Any, content: bytes, part: Part, name: str, say: Say
) -> tuple[Images, Labels | None]:
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            found = _arrays(h5py, file)
            images, labels = _pair(found, part, name)
            images_N = _read(found[images], f"{name}: {images}")
            labels_N = None if labels is None else _read(found[labels], f"{name}: {labels}")
    # h5py raises OSError, KeyError, RuntimeError and others for damaged files.
    except UserError:
        raise
    except Exception as error:
        reason = ascii((str(error).splitlines() or ["damaged"])[0])[1:81]
        raise UserError(f"{name}: damaged or cut off, not a whole HDF5 file ({reason})") from None
    at = f"{name}: {images}"
    images_NxHxW = assemble.to_digits(arrays.images(images_N, at, say), at, say)
    if labels_N is None:
        return images_NxHxW, None
    return images_NxHxW, arrays.labels(labels_N, f"{name}: {labels}", len(images_NxHxW))


def _arrays(h5py: Any, file: Any) -> dict[str, Any]:
    """The arrays of a file by their paths; those that lie in other files are left out."""
    found: dict[str, Any] = {}
    groups = [("", file)]
    while groups and len(found) < _MOST_NAMES:
        before, group = groups.pop()
        for key in list(group)[:_MOST_NAMES]:
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                continue
            path, item = f"{before}{key}", group[key]
            if isinstance(item, h5py.Group) and path.count("/") < 3:
                groups.append((f"{path}/", item))
            elif isinstance(item, h5py.Dataset) and not item.external and not item.is_virtual:
                found[path] = item
    return found


def _pair(found: dict[str, Any], part: Part, name: str) -> tuple[str, str | None]:
    # The part is told by the group, the kind by the array: names are given as one.
    flat = {path.replace("/", "_"): path for path in found if part_of(path.replace("/", "_"))}
    pair = pairs.find(flat or {path: path for path in found}, part, name)
    if pair is None:
        raise UserError(
            f"{name}: has no {part}/data; it holds "
            f"{', '.join(ascii(path)[1:-1] for path in list(found)[:8]) or 'nothing'}"
        )
    at = flat or {path: path for path in found}
    return at[pair.images], None if pair.labels is None else at[pair.labels]


def _read(array: Any, location: str) -> NDArray[Any]:
    if array.dtype.kind not in "biufSU" or array.dtype.hasobject:
        raise UserError(f"{location}: holds {ascii(str(array.dtype))[1:-1]}, not numbers")
    if array.size * array.dtype.itemsize > bounded.MAX_BYTES:
        raise UserError(f"{location}: holds more than the {bounded.MAX_BYTES:,} bytes allowed")
    return np.asarray(array[()])
