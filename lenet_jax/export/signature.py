"""What an exported network is given: the type of its pixels and how many pictures at a time."""

import dataclasses
from collections.abc import Callable

import numpy as np

from lenet_jax.data import SIDE

PIXELS = ("uint8", "float32")

Network = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
    """The input of an exported network; its output is float32 [B, 10].

    Attributes:
      pixels: type of the pixels, `uint8` or `float32`; both are 0 for background and 255 for ink.
      batch: number of pictures of every call, at least 1; None for any number.
    """

    pixels: str = "uint8"
    batch: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for what no file could say."""
        if self.pixels not in PIXELS:
            raise ValueError(f"pixels must be of type {' or '.join(PIXELS)}, not {self.pixels}")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"a batch of {self.batch} pictures")

    @property
    def shape(self) -> tuple[int | str, int, int]:
        """Of the pictures, `B` standing for any number of them."""
        return (self.batch or "B", SIDE, SIDE)


def for_any_batch(network: Network, signature: Signature) -> Network:
    """A network of some signature as a function of uint8 [B, 28, 28] with any B from 1.

    Args:
      network: takes what the signature says.
      signature: of the network.
    """

    def probabilities(images_BxHxW: np.ndarray) -> np.ndarray:
        images_BxHxW = images_BxHxW.astype(signature.pixels)
        if signature.batch is None:
            return network(images_BxHxW)
        count, size = len(images_BxHxW), signature.batch
        padded = np.pad(images_BxHxW, ((0, -count % size), (0, 0), (0, 0)))
        pieces = [network(padded[start : start + size]) for start in range(0, count, size)]
        return np.concatenate(pieces)[:count]

    return probabilities
