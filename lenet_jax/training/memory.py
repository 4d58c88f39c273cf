"""Whether a run fits into the memory of its container, which would end it without a word."""

import os

from lenet_jax.config import Config
from lenet_jax.data import Dataset
from lenet_jax.environment import runtime
from lenet_jax.models import summary

# What a start takes at the very least once digits are read and JAX has started: measured on CPUs
# with everything compiled before. Compiling takes three times as much.
_LEAST = 100 * 2**20
# Parameters, their average and a moment of them.
_COPIES = 3
_FLOAT32 = 4
_GB = 10**9


def warning(config: Config, dataset: Dataset, root: str | os.PathLike[str] = "/") -> str | None:
    """A line where a run that is about to start surely needs more than it is allowed, else None.

    Args:
      config: of the run.
      dataset: that it trains on, in memory.
      root: of the file system.
    """
    limit = runtime.memory_limit(root)
    if limit is None:
        return None
    parameters = sum(layer.trainable for layer in summary.layers(config))
    networks = _COPIES * _FLOAT32 * parameters * config.num_models
    # The part that is trained on is a second copy of the digits.
    needed = runtime.resident_memory(root) + dataset.images_NxHxW.nbytes + networks + _LEAST
    if needed <= limit:
        return None
    enough = max(1, -(-2 * needed // _GB))
    return (
        f"this container allows {limit / _GB:.2f} GB of memory and the run needs "
        f"{needed / _GB:.2f} GB or more, so the system may end it without a word; give it "
        f"{enough} GB (docker run --memory={enough}g, a pod's limits.memory, sbatch --mem)"
    )
