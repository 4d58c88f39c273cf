"""The networks and digits of a run on the devices: epochs and evaluations, without any file."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from lenet_jax import metrics
from lenet_jax.config import Config
from lenet_jax.data import Dataset
from lenet_jax.distributed import backend, multihost
from lenet_jax.distributed import mesh as meshes
from lenet_jax.training import compilation, optimizer
from lenet_jax.training.distillation import Teacher
from lenet_jax.training.population import Population
from lenet_jax.training.state import TrainState

# An epoch is cut into pieces of about this many seconds, between which the host can look up.
PIECE_SECONDS = 1.0
# Steps of the first piece, which measures how long a step takes.
FIRST_PIECE = 64


class Piece(NamedTuple):
    """Some steps of an epoch, done.

    Attributes:
      state: after them.
      step: that it is at.
      sums: metrics of each member over the epoch so far, NumPy arrays [M].
      learning_rate: of its last step; None where members differ in it.
      images_per_second: of all networks together, since the first of these pieces.
    """

    state: TrainState
    step: int
    sums: metrics.Metrics
    learning_rate: float | None
    images_per_second: float


class Evaluation(NamedTuple):
    """What the averaged parameters make of the digits that were held out.

    Attributes:
      loss: mean of the members.
      accuracy_M: of each member on its held-out digits.
      ensemble_accuracy: of the average of each fold's members, all folds together; None where a
        fold has one member.
      probabilities_NxK: of that average, in the order of `Population.held_rows`.
    """

    loss: float
    accuracy_M: np.ndarray
    ensemble_accuracy: float | None
    probabilities_NxK: np.ndarray


class Trainer:
    """Trains the members of a population on digits that are put on the devices once."""

    def __init__(
        self,
        config: Config,
        mesh: Mesh,
        dataset: Dataset,
        population: Population,
        teacher: Teacher | None = None,
    ) -> None:
        """Compiles, and puts the digits and members on the devices.

        Args:
          config: of the run.
          mesh: over which it runs.
          dataset: labelled digits, those that are held out included.
          population: made for the config and the labels.
          teacher: whose networks give soft targets, if there is one.
        """
        self._mesh, self._population, self._models_per_fold = (
            mesh,
            population,
            config.models_per_fold,
        )
        self.num_examples = population.num_examples
        self.steps_per_epoch = optimizer.steps_per_epoch(config, population.num_examples)
        sizes = compilation.Sizes(
            members=len(population),
            rows=len(dataset),
            num_examples=population.num_examples,
            # Nothing held out: compiled for one image, and never called.
            held=max(1, population.held_MxV.shape[1]),
            num_teachers=0 if teacher is None else teacher.num_teachers,
        )
        self._compiled = compilation.compile_ahead(
            population.config, mesh, sizes, None if teacher is None else teacher.config
        )
        self._digits: tuple[jax.Array, jax.Array] = multihost.replicate(
            (dataset.images_NxHxW, dataset.labels_N), meshes.replicated(mesh)
        )
        self._member_M = self._stack(population.member)
        self._held_MxV = self._stack(population.held_MxV)
        self._teacher_params = None if teacher is None else self._replicate(teacher.params_FxT)
        self._piece_steps = FIRST_PIECE
        # One program in place of a dozen, each compiled for an operation.
        self._schedule = backend.jit(optimizer.schedule(config, population.num_examples), mesh)

    def _replicate(self, tree: Any) -> Any:
        return multihost.put(tree, meshes.replicated(self._mesh))

    def _stack(self, tree: Any) -> Any:
        return multihost.put(tree, meshes.stacked(self._mesh))

    def create(self) -> TrainState:
        """The state before the first step."""
        return jax.block_until_ready(self._compiled.create(self._stack(self._population.seeds_M)))

    def abstract_state(self) -> TrainState:
        """Shapes, dtypes and shardings of the state, for whoever restores one."""
        population = self._population
        return compilation.abstract_state(
            population.config, self._mesh, len(population), population.num_examples
        )

    def pieces(self, state: TrainState) -> Iterator[Piece]:
        """Trains to the end of an epoch, some `PIECE_SECONDS` at a time.

        Where the epoch is cut changes no number. A piece's state is used up by the next one.

        Args:
          state: anywhere in the epoch; it is used up.
        """
        step = first = step_of(state)
        end = (first // self.steps_per_epoch + 1) * self.steps_per_epoch
        begun = time.perf_counter()
        # Once, for a sort takes a core as long as hundreds of images: with many networks a piece
        # has few steps.
        shuffled_M = jax.block_until_ready(self._compiled.shuffle(state, self._member_M))
        while step < end:
            left = end - step
            # Not a full piece and then a scrap.
            stop = end if left < 1.5 * self._piece_steps else step + self._piece_steps
            span = self._replicate((np.int32(step), np.int32(stop)))
            clock = time.perf_counter()
            state = jax.block_until_ready(
                self._compiled.train_until(
                    state, shuffled_M, *self._digits, span[0], span[1], self._teacher_params
                )
            )
            now = time.perf_counter()
            self._piece_steps = multihost.from_first(
                max(1, round(PIECE_SECONDS * (stop - step) / (now - clock)))
            )
            step = stop
            done = self.num_examples * len(self._population) / self.steps_per_epoch
            speed = done * (step - first) / (now - begun)
            sums = multihost.to_host(state.epoch_metrics)
            yield Piece(state, step, sums, self._learning_rate(step), speed)

    def _learning_rate(self, step: int) -> float | None:
        """Of the last of so many steps."""
        if "learning_rate" in self._population.trials[0]:
            return None
        return float(self._schedule(step - 1))

    def evaluate(self, state: TrainState) -> Evaluation | None:
        """How good the averaged parameters are; None where nothing is held out."""
        if not len(self._population.held_rows):
            return None
        per_member, ensemble, probabilities_FxVxK = multihost.to_host(
            self._compiled.evaluate(state.averaged_params, self._held_MxV, *self._digits)
        )
        accuracy = float(ensemble.correct / ensemble.count)
        return Evaluation(
            loss=float(np.mean(per_member.loss / per_member.count)),
            accuracy_M=per_member.correct / per_member.count,
            ensemble_accuracy=accuracy if self._models_per_fold > 1 else None,
            probabilities_NxK=self._population.in_held_rows(probabilities_FxVxK),
        )


def step_of(state: TrainState) -> int:
    """Steps done; the members march together, so those on this host tell of all."""
    return int(np.asarray(state.step.addressable_data(0))[0])
