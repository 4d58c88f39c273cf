"""What the measured programs share: their flags, the digits, the clock and the line they print."""

import argparse
import itertools
import json
import resource
import time
from collections.abc import Callable, Iterator

import numpy as np


def arguments() -> argparse.Namespace:
    """The flags that every measured program takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--digits", required=True, help=".npz of images uint8 and labels int32")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=2, help="timed, after one that is not")
    parser.add_argument("--variant", default="", help="see each program")
    return parser.parse_args()


def load(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 28, 28] and labels int32 [N]; N is a multiple of 512."""
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"]


def normalised(images_NxHxW: np.ndarray) -> np.ndarray:
    """float32 [N, 32, 32], padded and normalised once for all, in the peers' favour."""
    padded = np.pad(images_NxHxW, ((0, 0), (2, 2), (2, 2))).astype(np.float32)
    return (padded / 255 - 0.1307) / 0.3081


def measure(
    count: int, epochs: int, train: Callable[[], object], infer: Callable[[], object]
) -> None:
    """Prints the images per second of training and of inference as a line of JSON.

    The first call of each, which compiles, is reported apart.
    """
    first_train, first_infer = next(_seconds(train)), next(_seconds(infer))
    result = {
        "train": [count / seconds for seconds in itertools.islice(_seconds(train), epochs)],
        "infer": [count / seconds for seconds in itertools.islice(_seconds(infer), epochs)],
        "first_train_seconds": first_train,
        "first_infer_seconds": first_infer,
        # Linux counts in kB.
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


def _seconds(call: Callable[[], object]) -> Iterator[float]:
    while True:
        begun = time.perf_counter()
        call()
        yield time.perf_counter() - begun
