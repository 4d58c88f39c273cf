"""First filters whose maps of handwriting are uncorrelated before anything is learnt.

Pixels near each other are nearly the same, so that random filters answer in much the same way, and
the first epoch goes into telling them apart. Jordan 2024 ("94% on CIFAR-10 in 3.29 seconds",
arXiv 2404.00498, section 3.2) begins with filters that whiten the patches of the training images.
The patches of digits are so nearly a Gaussian field that no image is needed: with the correlation
below, the six largest variances come to 12.3, 4.3, 4.3, 1.5, 0.8 and 0.8, and those of Kaggle's
digits, normalised and averaged over 2x2 pixels, to 12.3, 4.1, 2.9, 1.4, 0.8 and 0.7.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

# Pixels at which the correlation of two has fallen to exp(-1/2).
WIDTH = 2.0
# Filters that are mixed: a patch of 5x5 has little variance beside those of the smoothest.
SMOOTHEST = 6
# Keeps what has the least of it from being blown up.
LEAST_VARIANCE = 0.01
# Standard deviation of a map; chosen on folds among 0.25, 0.5 and 1.
DEVIATION = 0.25


def whitened(key: jax.Array, shape: Sequence[int]) -> jax.Array:
    """Initial filters, random rotations of the whitening ones.

    Args:
      key: decides about the rotation.
      shape: (side, side, 1, filters) of the kernel.

    Returns:
      float32 of that shape; the maps of a Gaussian field of this correlation and of variance 1 have
      the standard deviation `DEVIATION`, and the first six are uncorrelated.
    """
    side, _, _, filters = shape
    mixture = jax.nn.initializers.orthogonal()(key, (SMOOTHEST, filters), jnp.float32)
    kernel = DEVIATION * jnp.asarray(_whitening(side)) @ mixture
    # Rows of unit length, were there more filters than are mixed, share out their variance.
    return (kernel * max(1.0, filters / SMOOTHEST) ** 0.5).reshape(tuple(shape))


def _whitening(side: int) -> np.ndarray:
    """The smoothest filters, each scaled to variance 1, float32 [side * side, 6].

    The correlation is a product of one along rows and one along columns, and so are its modes.
    """
    distance = np.subtract.outer(np.arange(side), np.arange(side))
    variances, modes = np.linalg.eigh(np.exp(-((distance / WIDTH) ** 2) / 2))
    variances, modes = variances[::-1], modes[:, ::-1]
    # LAPACKs differ in the signs.
    modes = modes * np.sign(modes[0])
    product = np.outer(variances, variances)
    largest = np.argsort(-product.round(6), axis=None, kind="stable")[:SMOOTHEST]
    i, j = np.unravel_index(largest, product.shape)
    filters = np.einsum("ym,xm->yxm", modes[:, i], modes[:, j])
    scaled = filters / np.sqrt(product[i, j] + LEAST_VARIANCE)
    return scaled.reshape(side * side, SMOOTHEST).astype(np.float32)
