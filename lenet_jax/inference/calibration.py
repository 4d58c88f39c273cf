"""How far probabilities can be believed, and the temperature that makes them honest."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

# Of confidence; few enough for a person to look at each.
BINS = 10
TEMPERATURES = (0.05, 20.0)
# Of the logarithm of a probability that has become 0 in float32.
LEAST = 1e-30
# Relative, of a temperature; tenths of a percent would do.
_EXACT = 1e-6


@dataclasses.dataclass(frozen=True)
class Bins:
    """Digits sorted by the confidence of their prediction into Q bins of equal width.

    Attributes:
      count_Q: digits in a bin, int64.
      confidence_Q: their mean confidence, NaN in an empty bin.
      accuracy_Q: the fraction of them that is right, NaN in an empty bin.
      error: expected calibration error, the mean distance of the two over all digits, in [0, 1];
        NaN without digits (Guo et al. 2017, equation 3).
    """

    count_Q: np.ndarray
    confidence_Q: np.ndarray
    accuracy_Q: np.ndarray
    error: float


def fit_temperature(
    probabilities_NxK: NDArray[np.floating], labels_N: NDArray[np.integer]
) -> float:
    """The temperature with the least cross-entropy on labelled images (Guo et al. 2017, eq. 9).

    In the inverse temperature the cross-entropy is convex: its slope, the mean of what the tempered
    probabilities expect of a logit minus the right class's, only rises, and Newton's method finds
    where it is zero. A step that would leave the interval known to hold that place halves it.

    Args:
      probabilities_NxK: [N, K].
      labels_N: int [N].

    Returns:
      Above 1 where the probabilities are too sure, in [0.05, 20]; 1 where all images are right, for
      then the surest fit best, and so few mistakes tell nothing.
    """
    if (probabilities_NxK.argmax(axis=1) == labels_N).all():
        return 1.0
    logits_NxK = np.log(np.maximum(probabilities_NxK.astype(np.float64), LEAST))
    right_N = logits_NxK[np.arange(len(labels_N)), labels_N]

    def slope_and_its_own(inverse: float) -> tuple[float, float]:
        tempered_NxK = _softmax(logits_NxK * inverse)
        mean_N = (tempered_NxK * logits_NxK).sum(axis=1)
        variance_N = (tempered_NxK * (logits_NxK - mean_N[:, None]) ** 2).sum(axis=1)
        return float((mean_N - right_N).mean()), float(variance_N.mean())

    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    if slope_and_its_own(low)[0] >= 0:
        return TEMPERATURES[1]
    if slope_and_its_own(high)[0] <= 0:
        return TEMPERATURES[0]
    inverse = 1.0
    while high > low * (1 + _EXACT):
        slope, rise = slope_and_its_own(inverse)
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        # Where all are sure the slope does not rise at all.
        following = inverse - slope / rise if rise else high
        if abs(following - inverse) <= _EXACT * inverse:
            break
        inverse = following if low < following < high else float(np.sqrt(low * high))
    return 1 / inverse


def tempered(probabilities_NxK: NDArray[np.floating], temperature: float) -> NDArray[np.floating]:
    """Softmax of the log-probabilities divided by a temperature; the order of classes stays."""
    logits_NxK = np.log(np.maximum(probabilities_NxK, LEAST)) / temperature
    return _softmax(logits_NxK)


def cross_entropy(probabilities_NxK: NDArray[np.floating], labels_N: NDArray[np.integer]) -> float:
    """Mean negative logarithm of the right class's probability, in natural units."""
    right_N = probabilities_NxK[np.arange(len(labels_N)), labels_N].astype(np.float64)
    return float(-np.log(np.maximum(right_N, LEAST)).mean())


def expected_error(probabilities_NxK: NDArray[np.floating], labels_N: NDArray[np.integer]) -> float:
    """Expected calibration error, in [0, 1]; see `Bins`."""
    return sort_into_bins(probabilities_NxK, labels_N).error


def sort_into_bins(probabilities_NxK: NDArray[np.floating], labels_N: NDArray[np.integer]) -> Bins:
    """Sorts digits into Q = `BINS` bins of confidence; bin q holds those in (q / Q, (q + 1) / Q].

    Args:
      probabilities_NxK: predicted, in [0, 1]; the largest of a row is the prediction. A row of a
        network that has diverged, which is not finite, is in no bin.
      labels_N: true classes, integers in [0, K).

    Examples:
      >>> bins = sort_into_bins(np.tile([0.75, 0.25], (4, 1)), np.array([0, 0, 0, 1]))
      >>> bins.count_Q.tolist(), bins.error
      ([0, 0, 0, 0, 0, 0, 0, 4, 0, 0], 0.0)
    """
    finite_N = np.isfinite(probabilities_NxK).all(axis=1)
    probabilities_NxK, labels_N = probabilities_NxK[finite_N], labels_N[finite_N]
    # In double precision, or the mean of equal numbers might not be that number.
    confidence_N = probabilities_NxK.max(axis=1).astype(np.float64)
    right_N = probabilities_NxK.argmax(axis=1) == labels_N
    bin_N = np.clip(np.ceil(confidence_N * BINS).astype(int) - 1, 0, BINS - 1)
    count_Q = np.bincount(bin_N, minlength=BINS)
    with np.errstate(invalid="ignore"):
        confidence_Q = np.bincount(bin_N, confidence_N, BINS) / count_Q
        accuracy_Q = np.bincount(bin_N, right_N, BINS) / count_Q
    gaps_Q = np.nan_to_num(np.abs(accuracy_Q - confidence_Q))
    digits = count_Q.sum()
    error = float((count_Q * gaps_Q).sum() / digits) if digits else float("nan")
    return Bins(count_Q, confidence_Q, accuracy_Q, error)


def _softmax(logits_NxK: NDArray[np.floating]) -> NDArray[np.floating]:
    powers_NxK = np.exp(logits_NxK - logits_NxK.max(axis=1, keepdims=True))
    result: NDArray[np.floating] = powers_NxK / powers_NxK.sum(axis=1, keepdims=True)
    return result


def summary(probabilities_NxK: np.ndarray, labels_N: np.ndarray) -> dict[str, float]:
    """The temperature of the held-out digits, and the calibration before and after it."""
    temperature = fit_temperature(probabilities_NxK, labels_N)
    after_NxK = tempered(probabilities_NxK, temperature)
    return {
        "temperature": temperature,
        "holdout_cross_entropy": cross_entropy(probabilities_NxK, labels_N),
        "holdout_cross_entropy_tempered": cross_entropy(after_NxK, labels_N),
        "holdout_calibration_error": expected_error(probabilities_NxK, labels_N),
        "holdout_calibration_error_tempered": expected_error(after_NxK, labels_N),
    }
