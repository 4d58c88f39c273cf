"""NumPy's files: Keras's `mnist.npz`, KMNIST's pairs of `.npz`, pairs of `.npy`."""

import re

from lenet_jax.data import arrays, assemble, bounded, cache, pairs
from lenet_jax.data.dataset import Dataset, Images, Labels
from lenet_jax.data.location import Asked, Location, Say, missing
from lenet_jax.errors import UserError
from lenet_jax.files import printable

_MAGIC = b"\x93NUMPY"


def holds(location: Location) -> bool:
    """Whether a file is an `.npy` or `.npz`, or a folder has some that are named as digits are."""
    if location.is_folder:
        return bool(_archives(location)) or any(map(pairs.kind_of, _arrays(location)))
    if location.is_zip:
        return any(name.endswith(".npy") for name in location.members)
    return location.start.startswith(_MAGIC)


def load(location: Location, asked: Asked) -> Dataset:
    """Reads a part; an archive of one array, and an `.npy`, are looked for their other half.

    Raises:
      UserError: an array is missing, damaged, of another shape, or of Python objects.
    """
    if location.is_folder:
        return _folder(location, asked)
    if location.is_zip and not _is_single(location):
        found = pairs.find(_stems(location), asked.part, location.name)
        if found is None:
            raise missing(location, f"x_{asked.part}.npy")
        return _both(location, found.images, location, found.labels, asked)
    beside = location.deeper(0)
    folder = Location(beside.path.parent, printable(beside.path.parent))
    name = location.path.name
    kind = pairs.kind_of(name.rpartition(".")[0])
    if kind == "labels":
        raise UserError(f"{location.name}: holds the labels; give the file of the images")
    other = _partner(folder, name)
    labels = None if other is None else location.sibling(other)
    return _both(location, "", labels, "", asked)


def _folder(location: Location, asked: Asked) -> Dataset:
    archives = _archives(location)
    if len(archives) > 1:
        some = ", ".join(printable(name) for name in archives[:3])
        raise UserError(f"{location.name}: has several archives ({some}); give the path of one")
    if archives:
        return load(location.inside(archives[0]), asked)
    found = pairs.find([_stem(name) for name in _arrays(location)], asked.part, location.name)
    if found is None:
        raise missing(location, f"x_{asked.part}.npy")
    files = {_stem(name): location.inside(name) for name in _arrays(location)}
    labels = files[found.labels] if found.labels else None
    return _both(files[found.images], "", labels, "", asked)


def _both(
    location: Location, images: str, other: Location | None, labels: str | None, asked: Asked
) -> Dataset:
    """Reads two arrays, of one archive or of two files."""
    has_labels = other is not None and labels is not None

    def parse(say: Say) -> tuple[Images, Labels | None]:
        at = _named(location, images)
        images_NxHxW = arrays.images(arrays.npy(_bytes(location, images), at), at, say)
        images_NxHxW = assemble.to_digits(images_NxHxW, at, say)
        if not has_labels:
            return images_NxHxW, None
        assert other is not None
        assert labels is not None
        at = _named(other, labels)
        array = arrays.npy(_bytes(other, labels), at)
        return images_NxHxW, arrays.labels(array, at, len(images_NxHxW))

    contents = location.content
    if other is not None and other.path != location.path:
        contents += other.content
    kept = cache.parsed(contents, f"numpy {images} {labels}", parse)
    name = _named(location, images)
    for note in kept.notes:
        asked.say(f"{name}: {note}")
    return assemble.dataset(kept.images_NxHxW, kept.labels_N, asked, name)


def _bytes(location: Location, stem: str) -> bytes:
    """The `.npy` file of an array: itself, the member of this name, or the only one."""
    if not location.is_zip:
        return bounded.unpack(location.content, location.name)
    names = [name for name in location.members if _stem(name) == stem]
    return location.read(names[0] if names else location.members[0])


def _named(location: Location, stem: str) -> str:
    return f"{location.name}: {printable(stem)}.npy" if stem else location.name


def _stem(name: str) -> str:
    return name.removesuffix(".npy").removesuffix(".npz")


def _stems(location: Location) -> list[str]:
    return [_stem(name) for name in location.members if name.endswith(".npy")]


def _is_single(location: Location) -> bool:
    return len(location.members) == 1 and pairs.kind_of(_stem(location.members[0])) is None


def _archives(location: Location) -> list[str]:
    """Archives of a folder that hold more than one array."""
    named = [name for name in location.entries if name.endswith(".npz")]
    found = [name for name in named if pairs.kind_of(_stem(name)) is None]
    return [name for name in found if len(location.inside(name).members) > 1]


def _arrays(location: Location) -> list[str]:
    """Files of a folder that hold one array."""
    named = [name for name in location.entries if name.endswith((".npy", ".npz"))]
    return [name for name in named if name not in _archives(location)]


def _partner(folder: Location, name: str) -> str | None:
    """The file of the labels beside that of the images."""
    stem = _stem(name)
    for images, labels in (
        ("images", "labels"), ("image", "label"), ("imgs", "labels"), ("img", "label"),
        ("x", "y"), ("X", "y"), ("data", "labels"), ("data", "target"),
    ):  # fmt: skip
        for ending in (".npy", ".npz"):
            other = _swapped(stem, images, labels)
            if other != stem and (folder.path / f"{other}{ending}").is_file():
                return f"{other}{ending}"
    return None


def _swapped(stem: str, images: str, labels: str) -> str:
    return re.sub(rf"(?<![A-Za-z]){images}(?![A-Za-z])", labels, stem)
