"""How far probabilities can be believed, and the temperature that makes them honest."""

import numpy as np
from numpy.typing import NDArray

BINS = 15
# Of the logarithm of a probability that has become 0 in float32.
LEAST = 1e-30


def fit_temperature(
    probabilities_NxK: NDArray[np.floating], labels_N: NDArray[np.integer]
) -> float:
    """The temperature with the least cross-entropy on labelled images (Guo et al. 2017, eq. 9).

    Args:
      probabilities_NxK: [N, K].
      labels_N: int [N].

    Returns:
      Above 1 where the probabilities are too sure, in [0.05, 20].
    """
    # Imported where it is needed: it costs a tenth of a second.
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log: cross_entropy(tempered(probabilities_NxK, float(np.exp(log))), labels_N),
        bounds=(np.log(0.05), np.log(20)),
        method="bounded",
    )
    return float(np.exp(found.x))


def tempered(probabilities_NxK: NDArray[np.floating], temperature: float) -> NDArray[np.floating]:
    """Softmax of the log-probabilities divided by a temperature; the order of classes stays."""
    logits_NxK = np.log(np.maximum(probabilities_NxK, LEAST)) / temperature
    powers_NxK = np.exp(logits_NxK - logits_NxK.max(axis=1, keepdims=True))
    result: NDArray[np.floating] = powers_NxK / powers_NxK.sum(axis=1, keepdims=True)
    return result


def cross_entropy(probabilities_NxK: NDArray[np.floating], labels_N: NDArray[np.integer]) -> float:
    """Mean negative logarithm of the right class's probability, in natural units."""
    right_N = probabilities_NxK[np.arange(len(labels_N)), labels_N]
    return float(-np.log(np.maximum(right_N, LEAST)).mean())


def expected_error(probabilities_NxK: NDArray[np.floating], labels_N: NDArray[np.integer]) -> float:
    """Expected calibration error (Guo et al. 2017, eq. 3) over 15 bins of equal width."""
    confidence_N = probabilities_NxK.max(axis=1)
    right_N = probabilities_NxK.argmax(axis=1) == labels_N
    bins_N = np.minimum((confidence_N * BINS).astype(int), BINS - 1)
    gaps = [
        abs(float(right_N[bins_N == bin_].sum() - confidence_N[bins_N == bin_].sum()))
        for bin_ in range(BINS)
    ]
    return sum(gaps) / len(labels_N)
