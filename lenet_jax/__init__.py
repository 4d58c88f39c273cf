"""LeNet-5 in JAX: from Kaggle's `train.csv` to a `submission.csv`.

Array names carry their axes, one letter each:

    M  member of an ensemble (a single model is an ensemble of one)
    T  network of a teacher
    N  image of a data set
    S  step of an epoch
    B  image of a batch
    H  row of an image or feature map
    W  column of an image or feature map
    C  channel (feature map)
    P  which of the four units that are pooled together
    K  class, 0..9

A notebook needs no more than `load_data`, `train`, `predict`, `load` and `Config` of this package;
see `lenet_jax.api`.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = ["Config", "check_runtime", "load", "load_data", "predict", "train"]

if TYPE_CHECKING:
    from lenet_jax.api import check_runtime, load, load_data, predict, train
    from lenet_jax.config import Config
else:

    def __getattr__(name: str) -> object:
        """What is public, imported late, so that importing the package costs nothing."""
        if name not in __all__:
            raise AttributeError(f"module 'lenet_jax' has no attribute {name!r}")
        module = "config" if name == "Config" else "api"
        return getattr(importlib.import_module(f"lenet_jax.{module}"), name)


def __dir__() -> list[str]:
    """Names for completion, those imported late too."""
    return sorted([*globals(), *__all__])
