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
from typing import Any

__version__ = "0.1.0"

# Imported where they are first asked for, so that importing the package costs nothing.
_MODULES = {
    "Config": "config",
    "check_runtime": "api",
    "load": "api",
    "load_data": "api",
    "predict": "api",
    "train": "api",
}


def __getattr__(name: str) -> Any:
    """What is imported late."""
    if name not in _MODULES:
        raise AttributeError(f"module 'lenet_jax' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lenet_jax.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """Names for completion, those imported late too."""
    return sorted([*globals(), *_MODULES])
