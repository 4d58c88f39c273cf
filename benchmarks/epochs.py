"""lenet-jax's own programs on arrays, as `run_train.py` calls them, without its files."""

from lenet_jax.distributed import mesh as meshes

meshes.prepare()

import dataclasses

import jax
import numpy as np

from lenet_jax.data import Dataset
from lenet_jax.training import population as populations
from lenet_jax.config import Config
from lenet_jax.training.state import TrainState
from lenet_jax.training.trainer import Trainer, step_of

# uint8 [N, 28, 28] and int32 [N].
Digits = tuple[np.ndarray, np.ndarray]


class Run(Trainer):
    """A trainer on arrays whose epoch is one call, in which the host does not look up."""

    def __init__(self, config: Config, train: Digits, held: Digits) -> None:
        population = populations.make(dataclasses.replace(config, holdout=0.0), train[1])
        first = 0 if held is train else len(train[1])
        held_N = np.arange(first, first + len(held[1]), dtype=np.int32)
        if held is not train:
            train = np.concatenate([train[0], held[0]]), np.concatenate([train[1], held[1]])
        dataset = Dataset(images_NxHxW=train[0], labels_N=train[1], source="other", name="digits")
        population = dataclasses.replace(population, held_MxV=np.tile(held_N, (config.members, 1)))
        super().__init__(config, meshes.make(config.members), dataset, population)

    def begin(self, seed: int = 0) -> TrainState:
        """The first state; member k has the seed `seed + k`."""
        seeds = np.arange(seed, seed + len(self._population), dtype=np.uint32)
        return jax.block_until_ready(self._compiled.create(self._stack(seeds)))

    def epoch(self, state: TrainState) -> TrainState:
        """The state after one more epoch."""
        first = step_of(state)
        span = self._replicate((np.int32(first), np.int32(first + self.steps_per_epoch)))
        shuffled_M = jax.block_until_ready(self._compiled.shuffle(state, self._member_M))
        return jax.block_until_ready(
            self._compiled.train_until(state, shuffled_M, *self._digits, span[0], span[1], None)
        )

    def accuracies(self, state: TrainState) -> np.ndarray:
        """Of each member on the hold-out, [M]."""
        each = jax.block_until_ready(
            self._compiled.evaluate(state.averaged_params, self._held_MxV, *self._digits)
        ).per_member
        return np.asarray(each.correct / each.count)
