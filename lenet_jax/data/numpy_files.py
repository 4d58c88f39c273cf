"""NumPy's files: Keras's `mnist.npz`, KMNIST's pairs of `.npz`, pairs of `.npy`."""

import re

from lenet_jax.data import arrays, assemble, bounded, cache, pairs
from lenet_jax.data.dataset import Dataset, Images, Labels
from lenet_jax.data.place import Asked, Place, Say, missing
from lenet_jax.errors import UserError
from lenet_jax.files import shown

_MAGIC = b"\x93NUMPY"


def holds(place: Place) -> bool:
    """Whether a file is an `.npy` or `.npz`, or a folder has some that are named as digits are."""
    if place.is_folder:
        return bool(_archives(place)) or any(map(pairs.kind_of, _arrays(place)))
    if place.is_zip:
        return any(name.endswith(".npy") for name in place.members)
    return place.start.startswith(_MAGIC)


def load(place: Place, asked: Asked) -> Dataset:
    """Reads a part; an archive of one array, and an `.npy`, are looked for their other half.

    Raises:
      UserError: an array is missing, damaged, of another shape, or of Python objects.
    """
    if place.is_folder:
        return _folder(place, asked)
    if place.is_zip and not _is_single(place):
        found = pairs.find(_stems(place), asked.part, place.name)
        if found is None:
            raise missing(place, f"x_{asked.part}.npy")
        return _both(place, found.images, place, found.labels, asked)
    beside = place.deeper(0)
    folder = Place(beside.path.parent, shown(beside.path.parent))
    name = place.path.name
    kind = pairs.kind_of(name.rpartition(".")[0])
    if kind == "labels":
        raise UserError(f"{place.name}: holds the labels; give the file of the images")
    other = _partner(folder, name)
    labels = None if other is None else place.sibling(other)
    return _both(place, "", labels, "", asked)


def _folder(place: Place, asked: Asked) -> Dataset:
    archives = _archives(place)
    if len(archives) > 1:
        some = ", ".join(shown(name) for name in archives[:3])
        raise UserError(f"{place.name}: has several archives ({some}); give the path of one")
    if archives:
        return load(place.inside(archives[0]), asked)
    found = pairs.find([_stem(name) for name in _arrays(place)], asked.part, place.name)
    if found is None:
        raise missing(place, f"x_{asked.part}.npy")
    files = {_stem(name): place.inside(name) for name in _arrays(place)}
    labels = files[found.labels] if found.labels else None
    return _both(files[found.images], "", labels, "", asked)


def _both(
    place: Place, images: str, other: Place | None, labels: str | None, asked: Asked
) -> Dataset:
    """Reads two arrays, of one archive or of two files."""
    has_labels = other is not None and labels is not None

    def parse(say: Say) -> tuple[Images, Labels | None]:
        at = _named(place, images)
        images_NxHxW = arrays.images(arrays.npy(_bytes(place, images), at), at, say)
        images_NxHxW = assemble.to_digits(images_NxHxW, at, say)
        if not has_labels:
            return images_NxHxW, None
        assert other is not None
        assert labels is not None
        at = _named(other, labels)
        array = arrays.npy(_bytes(other, labels), at)
        return images_NxHxW, arrays.labels(array, at, len(images_NxHxW))

    contents = place.content
    if other is not None and other.path != place.path:
        contents += other.content
    kept = cache.parsed(contents, f"numpy {images} {labels}", parse)
    name = _named(place, images)
    for note in kept.notes:
        asked.say(f"{name}: {note}")
    return assemble.dataset(kept.images_NxHxW, kept.labels_N, asked, name)


def _bytes(place: Place, stem: str) -> bytes:
    """The `.npy` file of an array: itself, the member of this name, or the only one."""
    if not place.is_zip:
        return bounded.unpack(place.content, place.name)
    names = [name for name in place.members if _stem(name) == stem]
    return place.read(names[0] if names else place.members[0])


def _named(place: Place, stem: str) -> str:
    return f"{place.name}: {shown(stem)}.npy" if stem else place.name


def _stem(name: str) -> str:
    return name.removesuffix(".npy").removesuffix(".npz")


def _stems(place: Place) -> list[str]:
    return [_stem(name) for name in place.members if name.endswith(".npy")]


def _is_single(place: Place) -> bool:
    return len(place.members) == 1 and pairs.kind_of(_stem(place.members[0])) is None


def _archives(place: Place) -> list[str]:
    """Archives of a folder that hold more than one array."""
    named = [name for name in place.entries if name.endswith(".npz")]
    found = [name for name in named if pairs.kind_of(_stem(name)) is None]
    return [name for name in found if len(place.inside(name).members) > 1]


def _arrays(place: Place) -> list[str]:
    """Files of a folder that hold one array."""
    named = [name for name in place.entries if name.endswith((".npy", ".npz"))]
    return [name for name in named if name not in _archives(place)]


def _partner(folder: Place, name: str) -> str | None:
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
