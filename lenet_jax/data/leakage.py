"""Knows which digits are the same digits, so that no accuracy is claimed on rows seen in training.

Kaggle's 42,000 + 28,000 digits are MNIST's 60,000 + 10,000 in another order, and the sample is
drawn from them too. A source is recognised by its number of rows of each class: no other data set
that is in use has these. Any other source is looked through for Kaggle's test digits, pixel by
pixel.
"""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data.dataset import CLASSES, Dataset, Images, Labels, Source

_COUNTS: dict[tuple[int, ...], Source] = {
    (4132, 4684, 4177, 4351, 4072, 3795, 4137, 4401, 4063, 4188): "kaggle-train",
    (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949): "mnist-train",
    (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009): "mnist-test",
}
_KAGGLE_TEST_ROWS = 28_000
# Sorted hashes of the pixels of Kaggle's test digits, as `hashes` gives them.
_KAGGLE_TEST = Path(__file__).with_name("kaggle_test_digits.u4")
# Of another data set's 240,000 digits one or two have the hash of one of these by chance.
_BY_CHANCE = 9
_DISJOINT = {
    ("sample-train", "sample-test"),
    ("kaggle-train", "kaggle-test"),
    ("mnist-train", "mnist-test"),
}


def identify(labels_N: Labels | None, rows: int, otherwise: Source) -> Source:
    """What digits read from a file are, or `otherwise` where they are not known."""
    if labels_N is None:
        return "kaggle-test" if rows == _KAGGLE_TEST_ROWS else otherwise
    counts = tuple(np.bincount(labels_N, minlength=CLASSES).tolist())
    return _COUNTS.get(counts, otherwise)


def hashes(images_NxHxW: Images) -> NDArray[np.uint32]:
    """A number per digit that depends on every pixel, uint32 [N]."""
    each = (
        hashlib.blake2b(image.data, digest_size=4).digest()
        for image in np.ascontiguousarray(images_NxHxW)
    )
    return np.frombuffer(b"".join(each), "<u4").astype(np.uint32)


def by_pixels(images_NxHxW: Images, otherwise: Source) -> Source:
    """`mnist-part` where digits of Kaggle's test set are among these, else `otherwise`."""
    known = np.frombuffer(_KAGGLE_TEST.read_bytes(), "<u4")
    found = int(np.isin(hashes(images_NxHxW), known).sum())
    return "mnist-part" if found > _BY_CHANCE else otherwise


def overlap_warning(source: str, fingerprint: str, predicted: Dataset) -> str | None:
    """One line where the predicted digits may have been trained on, else None.

    Args:
      source: `Dataset.source` of what the run was trained on (its hold-out included).
      fingerprint: `Dataset.fingerprint` of the same.
      predicted: what is to be predicted.
    """
    if fingerprint == predicted.fingerprint:
        return _line(predicted, "the run was trained on these very digits")
    unknown = source in ("csv", "other", "pictures") or predicted.source in ("other", "pictures")
    if unknown or (source, predicted.source) in _DISJOINT:
        return None
    seen = f"the run was trained on {source}, "
    if predicted.source == "kaggle-test":
        if source == "idx":
            return _line(predicted, f"{seen}files that may hold digits of Kaggle's test set")
        return _line(predicted, f"{seen}which holds digits of Kaggle's test set")
    if source == "idx" or predicted.source == "idx":
        return None
    if predicted.source != "csv":
        return _line(predicted, f"{seen}which holds some of these digits")
    # Most often a part of Kaggle's own files.
    if predicted.labels_N is None and source != "kaggle-train":
        return _line(predicted, f"{seen}which may hold some of these digits")
    return None


def score_warning(source: str) -> str:
    """What must be said of a score on Kaggle's test set, empty if nothing.

    Args:
      source: `Dataset.source` of what the run was trained on (its hold-out included).
    """
    if source == "kaggle-train":
        return ""
    if source.startswith(("sample", "mnist")):
        reason = "These digits include digits of Kaggle's test set:"
    else:
        reason = (
            "The origin of these digits is not known: if they include digits of Kaggle's test set,"
        )
    return f"{reason} a score there says little about new digits."


def _line(predicted: Dataset, reason: str) -> str:
    return f"WARNING: {predicted.name}: {reason}; its score there says little about new digits"
