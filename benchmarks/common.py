"""What the measured programs share: their flags, the digits, the clock and the line they print."""

import argparse
import itertools
import json
import time
import zipfile
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd


def arguments() -> argparse.Namespace:
    """The flags that every measured program takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--digits", required=True, help=".npz of images uint8 and labels int32")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=2, help="timed, after one that is not")
    parser.add_argument("--variant", default="", help="see each program")
    return parser.parse_args()


def submission_arguments() -> argparse.Namespace:
    """The flags of the programs that go from Kaggle's zip to a submission."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="Kaggle's zip")
    parser.add_argument("--output", required=True, help="the submission to write")
    parser.add_argument("--held", required=True, help=".npy of the rows that are held out")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def kaggle(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of Kaggle's zip: training images uint8 [N, 28, 28], labels [N], test images [M, 28, 28]."""
    with zipfile.ZipFile(path) as archive:
        train = pd.read_csv(archive.open("train.csv"), dtype=np.uint8)
        test = pd.read_csv(archive.open("test.csv"), dtype=np.uint8)
    labels_N = train.pop("label").to_numpy(copy=True)
    return train.to_numpy().reshape(-1, 28, 28), labels_N, test.to_numpy().reshape(-1, 28, 28)


def finish(right: np.ndarray, digits_N: np.ndarray, output: str) -> None:
    """Writes the submission, and prints the accuracy as the last word."""
    table = pd.DataFrame({"ImageId": range(1, len(digits_N) + 1), "Label": digits_N})
    table.to_csv(output, index=False)
    print(f"{right.mean():.4f}")


def whitening() -> np.ndarray:
    """First filters that whiten patches of strokes, float32 [6, 25]; see `models/whitening.py`."""
    place_25x2 = np.argwhere(np.ones((5, 5)))
    square_25x25 = np.square(place_25x2[:, None] - place_25x2).sum(-1)
    variances, filters_25x25 = np.linalg.eigh(np.exp(-square_25x25 / 8))
    scaled_25x6 = filters_25x25[:, -6:] / np.sqrt(variances[-6:] + 0.01)
    filters_6x25: np.ndarray = 0.25 * scaled_25x6.T.astype(np.float32)
    return filters_6x25


def load(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 28, 28] and labels int32 [N]; N is a multiple of the batch size."""
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
    }
    print(json.dumps(result))


def _seconds(call: Callable[[], object]) -> Iterator[float]:
    while True:
        begun = time.perf_counter()
        call()
        yield time.perf_counter() - begun
