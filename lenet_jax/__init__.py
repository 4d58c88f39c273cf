"""LeNet-5 in JAX: from Kaggle's `train.csv` to a `submission.csv`.

Array names carry their axes, one letter each:

    M  member of an ensemble (a single model is an ensemble of one)
    N  image of a data set
    S  step of an epoch
    B  image of a batch
    H  row of an image or feature map
    W  column of an image or feature map
    C  channel (feature map)
    K  class, 0..9
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    import numpy as np

__version__ = "0.1.0"


def load(path: "str | os.PathLike[str]") -> "Callable[[np.ndarray], np.ndarray]":
    """A function from pictures of digits to probabilities.

    Args:
      path: of a `.stablehlo` or `.onnx` file that `run_export.py` wrote, or of a run's workdir.

    Returns:
      pixels, uint8 [B, 28, 28], 0 for background and 255 for ink -> float32 [B, 10].

    Raises:
      lenet_jax.errors.UserError: there is no such file or run, or it cannot be read.
    """
    # Imported here, so that importing the package costs nothing.
    from lenet_jax import export

    return export.load(path)
