"""What every source of digits gives."""

import dataclasses
import functools
import hashlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# The size of a digit, in pixels.
SIDE = 28
PIXELS = SIDE * SIDE
CLASSES = 10

Part = Literal["train", "test"]
Source = Literal[
    "sample-train",
    "sample-test",
    "kaggle-train",
    "kaggle-test",
    "mnist-train",
    "mnist-test",
    "mnist-part",
    "csv",
    "idx",
    "other",
    "pictures",
]
Images = NDArray[np.uint8]
Labels = NDArray[np.int32]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Dataset:
    """Digits in the order of their source; the arrays are read-only.

    Attributes:
      images_NxHxW: uint8 [N, 28, 28], 0 is background and 255 is ink.
      labels_N: int32 [N] in 0..9, or None where the source has no labels.
      source: what the digits are known to be, see `lenet_jax.data.leakage`; `csv`, `idx` and
        `other` are digits of unknown origin.
      name: the place they were read from, for messages.
      locations: where each digit of a picture was found, for people; None for other sources.
      left_out: a line about each picture, or page of one, that no digit could be read from.

    Raises:
      ValueError: arrays of another shape, dtype or range. Sources check before and name the place.
    """

    images_NxHxW: Images
    labels_N: Labels | None
    source: Source
    name: str
    locations: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        images, labels = self.images_NxHxW, self.labels_N
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
            raise ValueError(f"images must be uint8 [N, 28, 28], not {images.dtype} {images.shape}")
        if labels is not None:
            if labels.dtype != np.int32 or labels.shape != images.shape[:1]:
                raise ValueError(
                    f"labels must be int32 [{len(images)}], not {labels.dtype} {labels.shape}"
                )
            if len(labels) and (labels.min() < 0 or labels.max() >= CLASSES):
                raise ValueError("labels must lie in 0..9")
        for field, array in (("images_NxHxW", images), ("labels_N", labels)):
            if array is not None:
                view = array.view()
                view.flags.writeable = False
                object.__setattr__(self, field, view)

    def __len__(self) -> int:
        return len(self.images_NxHxW)

    def __repr__(self) -> str:
        """One line, for a notebook shows it after every cell that ends in a data set."""
        labels = "no labels" if self.labels_N is None else "labels"
        return f"<Dataset {self.name!r}: {len(self):,} digits, {labels}, source {self.source!r}>"

    def take(self, indices_N: NDArray[np.integer]) -> "Dataset":
        """The digits at these positions, in this order, with the same source and name."""
        labels = None if self.labels_N is None else self.labels_N[indices_N]
        locations = None if self.locations is None else tuple(self.locations[k] for k in indices_N)
        return dataclasses.replace(
            self, images_NxHxW=self.images_NxHxW[indices_N], labels_N=labels, locations=locations
        )

    @functools.cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that depend on every pixel and label and on nothing else."""
        digest = hashlib.blake2b(digest_size=8)
        digest.update(f"{len(self)} {self.labels_N is not None} ".encode())
        digest.update(np.ascontiguousarray(self.images_NxHxW).data)
        if self.labels_N is not None:
            digest.update(np.ascontiguousarray(self.labels_N, dtype="<i4").data)
        return digest.hexdigest()
