"""LeNet-5 in JAX: from Kaggle's `train.csv` to a `submission.csv`.

Array names carry their axes, one letter each:

    B  image of a batch
    C  channel (feature map)
    D  number of what is flattened: pixels of an image, inputs of a layer, draws for an image
    F  fold
    G  node of the grid that an elastic distortion moves
    H  row of an image or feature map
    K  class, 0..9
    L  strip of a page that is searched for lines
    M  member of an ensemble (a single model is an ensemble of one)
    N  image of a data set
    P  which of the four units that are pooled together
    Q  bin of confidences
    R  image that a member is trained on
    S  step of an epoch
    T  network of a teacher
    U  unit of a layer
    V  image that is held out
    W  column of an image or feature map

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
