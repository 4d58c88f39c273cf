"""Digits that travel with an export for a device, beside what the run itself gives them.

A network that is right on a computer may give zeros on a chip; only the chip can tell. The digits
are of the sample's training part, so that nothing here is told of a test set.
"""

import io

import numpy as np

from lenet_jax.data import sample

CREDIT = "MNIST, Y. LeCun and C. Cortes, CC BY-SA 3.0"


def digits() -> np.ndarray:
    """One of each digit from 0 to 9, uint8 [10, 28, 28]."""
    dataset = sample.load("train")
    assert dataset.labels_N is not None
    _, first_K = np.unique(dataset.labels_N, return_index=True)
    return np.ascontiguousarray(dataset.images_NxHxW[first_K])


def serialise(images_BxHxW: np.ndarray, probabilities_BxK: np.ndarray) -> bytes:
    """A `.npz` of `images`, uint8 [B, 28, 28], and the `probabilities`, float32 [B, 10]."""
    content = io.BytesIO()
    np.savez(content, images=images_BxHxW, probabilities=probabilities_BxK)
    return content.getvalue()
