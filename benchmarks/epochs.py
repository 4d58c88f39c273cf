"""lenet-jax's own programs on arrays, as `run_train.py` calls them, without its files."""

from lenet_jax import mesh as meshes

meshes.prepare()

import jax
import numpy as np

from lenet_jax import optimizer, programs
from lenet_jax.config import Config
from lenet_jax.state import TrainState

# uint8 [N, 28, 28] and int32 [N].
Digits = tuple[np.ndarray, np.ndarray]


class Run:
    """A run's programs and arrays on the devices."""

    def __init__(self, config: Config, train: Digits, held: Digits) -> None:
        self.mesh, self.members = meshes.make(config.members), config.members
        self.whole = meshes.replicated(self.mesh)
        counts = len(train[1]), len(held[1])
        self.steps = optimizer.steps_per_epoch(config, counts[0])
        self.programs = programs.compile_ahead(config, self.mesh, *counts)
        self.train = jax.device_put(train, self.whole)
        self.held = self.train if held is train else jax.device_put(held, self.whole)

    def begin(self, seed: int = 0) -> TrainState:
        """The first state; member k has the seed `seed + k`."""
        seeds = np.arange(seed, seed + self.members, dtype=np.uint32)
        seeds_M = jax.device_put(seeds, meshes.stacked(self.mesh))
        return jax.block_until_ready(self.programs.create(seeds_M))

    def epoch(self, state: TrainState, epoch: int) -> TrainState:
        """The state after the epoch, the first of which is 0."""
        stop = jax.device_put(np.int32((epoch + 1) * self.steps), self.whole)
        return jax.block_until_ready(self.programs.train_until(state, *self.train, stop))

    def accuracies(self, state: TrainState) -> np.ndarray:
        """Of each member on the hold-out, [M]."""
        each, _, _ = jax.block_until_ready(
            self.programs.evaluate(state.averaged_params, *self.held)
        )
        return np.asarray(each.correct / each.count)
