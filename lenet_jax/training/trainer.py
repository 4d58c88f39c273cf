"""The epochs of one run: pieces of steps, evaluation, the bar, rows and checkpoints."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np
from jax.sharding import Mesh

from lenet_jax import metrics
from lenet_jax.config import Config
from lenet_jax.data import Dataset
from lenet_jax.distributed import mesh as meshes
from lenet_jax.distributed import multihost
from lenet_jax.errors import UserError
from lenet_jax.files import shown
from lenet_jax.runs import checkpoint, workdir
from lenet_jax.training import compilation, distillation, logging, optimizer, preemption
from lenet_jax.training.population import Member, Population
from lenet_jax.training.state import TrainState

# An epoch is cut into pieces of about this many seconds, between which the host can look up.
PIECE_SECONDS = 1.0
# Steps of the first piece, which measures how long a step takes.
FIRST_PIECE = 64


class Epochs:
    """The arrays and files that the epochs of one run share."""

    def __init__(
        self,
        config: Config,
        mesh: Mesh,
        dataset: Dataset,
        people: Population,
        taught: distillation.Teacher | None,
        folder: Path,
        log: Callable[[workdir.Row], None] | None,
    ) -> None:
        self.config, self.mesh, self.folder, self.people = config, mesh, folder, people
        self.images, self.log = people.images, log
        self.steps = optimizer.steps_per_epoch(config, self.images)
        sizes = compilation.Sizes(
            members=len(people),
            rows=len(dataset),
            images=people.images,
            # Nothing held out: compiled for one image, and never called.
            held=max(1, people.held_MxH.shape[1]),
            taught_by=0 if taught is None else taught.networks,
        )
        self.programs = compilation.compile_ahead(
            people.config, mesh, sizes, None if taught is None else taught.config
        )
        self.data = self._whole((dataset.images_NxHxW, dataset.labels_N))
        self.member_M = self._split(people.member)
        self.held_MxH = self._split(people.held_MxH)
        self.taught = None if taught is None else self._whole(taught.params_FxT)
        self.rows: list[workdir.Row] = []
        self.probabilities_NxK: np.ndarray | None = None
        self.accuracy_M: np.ndarray | None = None
        self.piece = FIRST_PIECE
        # One program in place of a dozen, each compiled for an operation.
        self.rate = jax.jit(optimizer.schedule(config, self.images))

    def _whole(self, tree: Any) -> Any:
        return multihost.put(tree, meshes.replicated(self.mesh))

    def _split(self, tree: Any) -> Any:
        return multihost.put(tree, meshes.stacked(self.mesh))

    def begin(self, checkpoints: checkpoint.Checkpoints, start: int | None) -> TrainState:
        """The first state, or the one of the checkpoint at step `start`."""
        if start is None:
            seeds_M = self._split(self.people.seeds_M)
            return jax.block_until_ready(self.programs.create(seeds_M))
        target = compilation.abstract_state(
            self.people.config, self.mesh, len(self.people), self.images
        )
        done = start // self.steps
        # A row is written before its checkpoint; those the crash left without one are done again.
        self.rows = workdir.read_metrics(self.folder)[:done]
        current = checkpoints.restore(start, target)
        checkpoints.drop_after(start)
        return current

    def epoch(
        self,
        epoch: int,
        current: TrainState,
        checkpoints: checkpoint.Checkpoints,
        request: preemption.Request,
    ) -> TrainState:
        """Trains to the end of an epoch, evaluates, and writes a row and a checkpoint."""
        begun = time.perf_counter()
        first = current_step(current)
        stop = (epoch + 1) * self.steps
        label = f"Epoch {epoch + 1}/{self.config.epochs}"
        # Once, for a sort takes a core as long as hundreds of images: with many networks a piece
        # has few steps.
        shuffled_M = jax.block_until_ready(self.programs.shuffle(current, self.member_M))
        bar = logging.Bar(label, self.images, first=multihost.first())

        def speed(at: int) -> float:
            """Images per second of all networks, so far."""
            done = self.images * len(self.people) * (at - first) / self.steps
            return done / (time.perf_counter() - begun)

        with contextlib.closing(bar):
            while (at := current_step(current)) < stop:
                current = self._piece(current, shuffled_M, at, stop)
                sums = multihost.whole(current.epoch_metrics)
                _check_finite(sums, current, self.config, self.images, checkpoints)
                asked = self._asked(request)
                so_far = logging.training_columns(sums)
                so_far["images_per_second"] = speed(current_step(current))
                bar.show(int(sums.count[0]), so_far)
                if asked and current_step(current) < stop:
                    self._stop(current, checkpoints)
            trained = speed(stop)
            row = self._row(epoch + 1, sums, current)
            row["images_per_second"] = trained
            row["seconds"] = time.perf_counter() - begun
            bar.end(row)
        self.rows.append(row)
        if multihost.first():
            workdir.write_metrics(self.folder, self.rows)
            if self.log is not None:
                self.log(row)
        best = (
            row["holdout_accuracy"]
            if row["ensemble_accuracy"] is None
            else row["ensemble_accuracy"]
        )
        checkpoints.save(stop, current, best)
        if self._asked(request):
            self._stop(current, checkpoints)
        return current

    def _asked(self, request: preemption.Request) -> bool:
        """Whether a signal came to any process; the size of pieces is agreed on as well."""
        # Never the flag of one process alone, which may have come since the others looked.
        asked, self.piece = multihost.agree(request.came, self.piece)
        return asked

    def _stop(self, current: TrainState, checkpoints: checkpoint.Checkpoints) -> NoReturn:
        """Saves, unless the end of an epoch has, and waits until it is on the disk."""
        at = current_step(current)
        if at % self.steps:
            checkpoints.save(at, current, None)
        checkpoints.wait()
        epochs = f"{at / self.steps:.2f} of {self.config.epochs} epochs"
        raise preemption.Stopped(f"{epochs} are done and saved in {shown(self.folder)}")

    def _piece(self, current: TrainState, shuffled_M: Member, at: int, stop: int) -> TrainState:
        """Some steps of an epoch, about `PIECE_SECONDS` of them."""
        left = stop - at
        # Not a full piece and then a scrap.
        until = stop if left < 1.5 * self.piece else at + self.piece
        begun = time.perf_counter()
        current = self.programs.train_until(
            current,
            shuffled_M,
            *self.data,
            *self._whole((np.int32(at), np.int32(until))),
            self.taught,
        )
        jax.block_until_ready(current)
        seconds_per_step = (time.perf_counter() - begun) / (until - at)
        self.piece = max(1, round(PIECE_SECONDS / seconds_per_step))
        return current

    def _row(self, epoch: int, sums: metrics.Metrics, current: TrainState) -> workdir.Row:
        row: workdir.Row = dict.fromkeys(workdir.COLUMNS)
        row |= logging.training_columns(sums)
        row |= {"epoch": epoch, "step": epoch * self.steps}
        # Of a sweep over it networks.csv tells it.
        if "learning_rate" not in self.people.points[0]:
            row["learning_rate"] = float(self.rate(epoch * self.steps - 1))
        return row | self.evaluate(current)

    def evaluate(self, current: TrainState) -> workdir.Row:
        """Columns about the hold-out, none if there is none."""
        if not len(self.people.held_rows):
            return {}
        each, ensemble, probabilities_FxHxK = multihost.whole(
            self.programs.evaluate(current.averaged_params, self.held_MxH, *self.data)
        )
        self.accuracy_M = each.correct / each.count
        self.probabilities_NxK = self.people.in_held_rows(probabilities_FxHxK)
        row: workdir.Row = {
            "holdout_loss": float(np.mean(each.loss / each.count)),
            "holdout_accuracy": float(np.mean(self.accuracy_M)),
        }
        if self.config.averaged > 1:
            row["ensemble_accuracy"] = float(ensemble.correct / ensemble.count)
        return row


def current_step(current: TrainState) -> int:
    """Steps done; the members march together, so those on this host tell of all."""
    return int(np.asarray(current.step.addressable_data(0))[0])


def _check_finite(
    sums: metrics.Metrics,
    current: TrainState,
    config: Config,
    images: int,
    checkpoints: checkpoint.Checkpoints,
) -> None:
    """Raises UserError at a loss that is not finite, before its state can be saved."""
    finite_M = np.isfinite(sums.loss)
    # A point of a sweep may diverge without an end to the others.
    if finite_M.all() or (config.sweep and finite_M.any()):
        return
    at = current_step(current)
    rate = float(optimizer.schedule(config, images)(at - 1))
    good = checkpoints.latest()
    last = "there is no checkpoint yet" if good is None else f"the last good checkpoint is {good}"
    raise UserError(
        f"the loss is not finite at step {at}, learning rate {rate:.3g}; {last}; "
        f"try a config.learning_rate below {config.learning_rate:g}"
    )
