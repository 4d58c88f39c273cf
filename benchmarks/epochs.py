"""lenet-jax's own programs on arrays, as `run_train.py` calls them, without its files."""

from lenet_jax.distributed import mesh as meshes

meshes.prepare()

import dataclasses

import jax
import numpy as np

from lenet_jax.training import optimizer, population, compilation
from lenet_jax.config import Config
from lenet_jax.training.state import TrainState

# uint8 [N, 28, 28] and int32 [N].
Digits = tuple[np.ndarray, np.ndarray]


class Run:
    """A run's programs and arrays on the devices."""

    def __init__(self, config: Config, train: Digits, held: Digits) -> None:
        people = population.make(dataclasses.replace(config, holdout=0.0), train[1])
        count, held_count = len(train[1]), len(held[1])
        first = 0 if held is train else count
        held_N = np.arange(first, first + held_count, dtype=np.int32)
        if held is not train:
            train = np.concatenate([train[0], held[0]]), np.concatenate([train[1], held[1]])
        self.mesh, self.members = meshes.make(config.members), config.members
        self.whole, self.split = meshes.replicated(self.mesh), meshes.stacked(self.mesh)
        self.steps = optimizer.steps_per_epoch(config, count)
        sizes = compilation.Sizes(
            members=self.members, rows=len(train[1]), images=count, held=held_count
        )
        self.programs = compilation.compile_ahead(people.config, self.mesh, sizes)
        self.data: tuple[jax.Array, jax.Array] = jax.device_put(train, self.whole)
        self.member_M = jax.device_put(people.member, self.split)
        self.held_MxH = jax.device_put(np.tile(held_N, (self.members, 1)), self.split)

    def begin(self, seed: int = 0) -> TrainState:
        """The first state; member k has the seed `seed + k`."""
        seeds = np.arange(seed, seed + self.members, dtype=np.uint32)
        seeds_M = jax.device_put(seeds, self.split)
        return jax.block_until_ready(self.programs.create(seeds_M))

    def epoch(self, state: TrainState) -> TrainState:
        """The state after one more epoch."""
        first = int(state.step[0])
        span = jax.device_put((np.int32(first), np.int32(first + self.steps)), self.whole)
        shuffled_M = jax.block_until_ready(self.programs.shuffle(state, self.member_M))
        return jax.block_until_ready(
            self.programs.train_until(state, shuffled_M, *self.data, span[0], span[1], None)
        )

    def accuracies(self, state: TrainState) -> np.ndarray:
        """Of each member on the hold-out, [M]."""
        each, _, _ = jax.block_until_ready(
            self.programs.evaluate(state.averaged_params, self.held_MxH, *self.data)
        )
        return np.asarray(each.correct / each.count)
