"""The host loop: epochs, evaluation, checkpoints and progress.

Everything that computes is one of the compiled programs of `programs.py`; this room calls them,
shows numbers and writes files.

The same command goes on where a run was cut off, from the first of these that holds:
1. no checkpoint in the workdir: a new run;
2. checkpoints of another config or other data: an error, nothing is touched;
3. the last step saved and the model card written: nothing to do;
4. otherwise the newest whole checkpoint, in the middle of an epoch too; damaged ones above it are
   named and made again. Rows of `metrics.csv` after it are dropped and made again, the same but for
   `seconds` and `images_per_second`: these are wall-clock, of the part of the epoch that the
   process which ended it has done.
"""

import contextlib
import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np
from jax.sharding import Mesh
from tqdm import tqdm

from lenet_jax import (
    checkpoint,
    hosts,
    metrics,
    model,
    optimizer,
    programs,
    progress,
    resume,
    stopping,
    workdir,
)
from lenet_jax import mesh as meshes
from lenet_jax.config import Config
from lenet_jax.data import Dataset, held_out, holdout
from lenet_jax.errors import UserError
from lenet_jax.files import place, shown
from lenet_jax.state import TrainState

# An epoch is cut into pieces of about this many seconds, between which the host can look up.
PIECE_SECONDS = 1.0
# Steps of the first piece, which measures how long a step takes.
FIRST_PIECE = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What a finished run leaves in memory.

    Attributes:
      record: what the run remembers of itself.
      state: after the last step.
      rows: of `metrics.csv`.
      training: the digits trained on.
      holdout: the digits held out, None if there are none.
      probabilities_NxK: of the held-out digits, from the averaged members.
      devices: a line that names them.
      parameters: trainable, of one member.
    """

    record: workdir.Record
    state: TrainState
    rows: list[workdir.Row]
    training: Dataset
    holdout: Dataset | None
    probabilities_NxK: np.ndarray | None
    devices: str
    parameters: int

    @property
    def seconds(self) -> float:
        """Spent in training steps and evaluation, compilation included."""
        return sum(row["seconds"] or 0.0 for row in self.rows)


def compile_ahead(config: Config, rows: int) -> None:
    """Compiles what `train` will call for a dataset of so many rows, while its digits are read."""
    held = held_out(rows, config.holdout)
    mesh = meshes.make(config.members, sizes=config.mesh)
    programs.compile_ahead(config, mesh, rows - held, max(1, held))


def train(
    config: Config,
    dataset: Dataset,
    folder: str | os.PathLike[str],
    *,
    say: Callable[[str], None] = print,
) -> Result | None:
    """Trains, or goes on training, until the last epoch.

    A folder whose newest checkpoint is of this config and data is gone on from; one without a
    checkpoint is started in.

    Args:
      config: of the run.
      dataset: labelled digits; a share of them is held out as the config says.
      folder: the run's workdir, made if it is missing.
      say: is given what people should read.

    Returns:
      The result, or None if the run in the folder was finished before. Of several processes all
      must call this and the first one is given the result; the others are given None.

    Raises:
      UserError: the folder belongs to a run of another config or of other data, is in use by
        another process, or cannot be written; or the loss is not finite.
      Stopped: a signal asked for it; the state is saved.
    """
    if dataset.labels_N is None:
        raise UserError(f"{dataset.name}: has no labels, so nothing can be trained on it")
    train_N, holdout_N = holdout(dataset.labels_N, config.holdout, config.split_seed)
    record = workdir.Record.of(config, dataset, len(train_N))
    hosts.check_same(f"{config} {record.data_fingerprint}", "another config or other digits")
    try:
        with workdir.locked(folder) if hosts.first() else contextlib.nullcontext():
            return _train(record, dataset, train_N, holdout_N, folder, say)
    except stopping.Stopped:
        hosts.leave()
        raise
    except Exception as error:
        if hosts.is_loss(error):
            hosts.end_lost()
        raise


def _train(
    record: workdir.Record,
    dataset: Dataset,
    train_N: np.ndarray,
    holdout_N: np.ndarray,
    folder: str | os.PathLike[str],
    say: Callable[[str], None],
) -> Result | None:
    config = record.config
    steps = optimizer.steps_per_epoch(config, len(train_N))
    if not hosts.first():
        say = _nothing
    start = resume.newest(folder)
    finished = False
    if start is not None:
        resume.check_same_run(folder, record)
        # The model card is the last file that a run writes.
        finished = start >= config.epochs * steps and (place(folder) / workdir.CARD).exists()
    # No process writes anything before all have looked.
    hosts.check_same(f"{start} {finished}", "another --workdir, or one that it does not share,")
    if finished:
        say(f"{shown(folder)}: this run has finished its {config.epochs} epochs; nothing to do")
        return None

    mesh = meshes.make(config.members, sizes=config.mesh)
    unused = meshes.unused_accelerator(mesh)
    if unused is not None:
        say(f"WARNING: {unused}")
    say(f"Devices: {meshes.describe(mesh)}")
    say(model.summary(config))
    held = dataset.take(holdout_N) if len(holdout_N) else None
    say(progress.what(dataset, len(train_N), held, config))

    if hosts.first():
        workdir.create(folder, record)
    training = dataset.take(train_N)
    run = _Run(config, mesh, training, held, place(folder))
    checkpoints = checkpoint.Checkpoints(place(folder) / workdir.CHECKPOINTS)
    try:
        current = run.begin(checkpoints, start)
        if start is not None:
            say(f"Going on from epoch {start / steps:g} of {config.epochs}")
        with stopping.asked() as request:
            for epoch in range(current_step(current) // steps, config.epochs):
                current = run.epoch(epoch, current, checkpoints, request)
        if run.probabilities_NxK is None:
            # Cut off between its last checkpoint and its report.
            run.evaluate(current)
    finally:
        checkpoints.close()
    if not hosts.first():
        return None
    return Result(
        record=record,
        state=current,
        rows=run.rows,
        training=training,
        holdout=held,
        probabilities_NxK=run.probabilities_NxK,
        devices=meshes.describe(mesh),
        parameters=sum(layer.trainable for layer in model.layers(config)),
    )


def current_step(current: TrainState) -> int:
    """Steps done; the members march together, so those on this host tell of all."""
    return int(current.step.addressable_data(0)[0])


def _nothing(_: str) -> None:
    pass


class _Run:
    """The arrays and files that the epochs of one run share."""

    def __init__(
        self, config: Config, mesh: Mesh, training: Dataset, held: Dataset | None, folder: Path
    ) -> None:
        self.config, self.mesh, self.folder = config, mesh, folder
        self.images = len(training)
        self.steps = optimizer.steps_per_epoch(config, self.images)
        # Nothing held out: compiled for one image, and never called.
        held_rows = 1 if held is None else len(held)
        self.programs = programs.compile_ahead(config, mesh, self.images, held_rows)
        self.training = self._on_devices(training)
        self.held = None if held is None else self._on_devices(held)
        self.rows: list[workdir.Row] = []
        self.probabilities_NxK: np.ndarray | None = None
        self.piece = FIRST_PIECE

    def _on_devices(self, dataset: Dataset) -> tuple[jax.Array, jax.Array]:
        return self._whole(dataset.images_NxHxW), self._whole(dataset.labels_N)

    def _whole(self, array: Any) -> jax.Array:
        return hosts.put(array, meshes.replicated(self.mesh))

    def begin(self, checkpoints: checkpoint.Checkpoints, start: int | None) -> TrainState:
        """The first state, or the one of the checkpoint at step `start`."""
        seeds = np.arange(self.config.seed, self.config.seed + self.config.members, dtype=np.uint32)
        if start is None:
            seeds_M = hosts.put(seeds, meshes.stacked(self.mesh))
            return jax.block_until_ready(self.programs.create(seeds_M))
        target = programs.abstract_state(self.config, self.mesh, self.images)
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
        request: stopping.Request,
    ) -> TrainState:
        """Trains to the end of an epoch, evaluates, and writes a row and a checkpoint."""
        begun = time.perf_counter()
        first = current_step(current)
        stop = (epoch + 1) * self.steps
        label = f"Epoch {epoch + 1}/{self.config.epochs}"
        # Without a terminal there is no bar, and a line per epoch instead.
        hidden = None if hosts.first() else True
        with tqdm(
            total=self.images, desc=label, unit="img", unit_scale=True, disable=hidden
        ) as bar:
            while (at := current_step(current)) < stop:
                current = self._piece(current, at, stop)
                sums = hosts.whole(current.epoch_metrics)
                _check_finite(sums, current, self.config, self.images, checkpoints)
                asked = self._asked(request)
                bar.update(int(sums.count[0]) - bar.n)
                bar.set_postfix_str(progress.text(progress.training_columns(sums)))
                if asked and current_step(current) < stop:
                    self._stop(current, checkpoints)
            trained = time.perf_counter() - begun
            row = self._row(epoch + 1, sums, current)
            done = self.images * self.config.members * (stop - first) / self.steps
            row["images_per_second"] = done / trained
            row["seconds"] = time.perf_counter() - begun
            bar.set_postfix_str(progress.text(row))
        if bar.disable and hosts.first():
            print(
                f"{label}: {progress.text(row)}, {row['images_per_second']:,.0f} img/s",
                file=sys.stderr,
            )
        self.rows.append(row)
        if hosts.first():
            workdir.write_metrics(self.folder, self.rows)
        best = (
            row["holdout_accuracy"]
            if row["ensemble_accuracy"] is None
            else row["ensemble_accuracy"]
        )
        checkpoints.save(stop, current, best)
        if self._asked(request):
            self._stop(current, checkpoints)
        return current

    def _asked(self, request: stopping.Request) -> bool:
        """Whether a signal came to any process; the size of pieces is agreed on as well."""
        # Never the flag of one process alone, which may have come since the others looked.
        asked, self.piece = hosts.agree(request.came, self.piece)
        return asked

    def _stop(self, current: TrainState, checkpoints: checkpoint.Checkpoints) -> NoReturn:
        """Saves, unless the end of an epoch has, and waits until it is on the disk."""
        at = current_step(current)
        if at % self.steps:
            checkpoints.save(at, current, None)
        checkpoints.wait()
        epochs = f"{at / self.steps:.2f} of {self.config.epochs} epochs"
        raise stopping.Stopped(f"{epochs} are done and saved in {shown(self.folder)}")

    def _piece(self, current: TrainState, at: int, stop: int) -> TrainState:
        """Some steps of an epoch, about `PIECE_SECONDS` of them."""
        left = stop - at
        # Not a full piece and then a scrap.
        until = stop if left < 1.5 * self.piece else at + self.piece
        begun = time.perf_counter()
        current = self.programs.train_until(current, *self.training, self._whole(np.int32(until)))
        jax.block_until_ready(current)
        seconds_per_step = (time.perf_counter() - begun) / (until - at)
        self.piece = max(1, round(PIECE_SECONDS / seconds_per_step))
        return current

    def _row(self, epoch: int, sums: metrics.Metrics, current: TrainState) -> workdir.Row:
        schedule = optimizer.schedule(self.config, self.images)
        row: workdir.Row = dict.fromkeys(workdir.COLUMNS)
        row |= progress.training_columns(sums)
        row |= {
            "epoch": epoch,
            "step": epoch * self.steps,
            "learning_rate": float(schedule(epoch * self.steps - 1)),
        }
        return row | self.evaluate(current)

    def evaluate(self, current: TrainState) -> workdir.Row:
        """Columns about the hold-out, none if there is none."""
        if self.held is None:
            return {}
        each, ensemble, self.probabilities_NxK = hosts.whole(
            self.programs.evaluate(current.averaged_params, *self.held)
        )
        row: workdir.Row = {
            "holdout_loss": float(np.mean(each.loss / each.count)),
            "holdout_accuracy": float(np.mean(each.correct / each.count)),
        }
        if self.config.members > 1:
            row["ensemble_accuracy"] = float(ensemble.correct / ensemble.count)
        return row


def _check_finite(
    sums: metrics.Metrics,
    current: TrainState,
    config: Config,
    images: int,
    checkpoints: checkpoint.Checkpoints,
) -> None:
    """Raises UserError at a loss that is not finite, before its state can be saved."""
    if all(math.isfinite(loss) for loss in np.ravel(sums.loss)):
        return
    at = current_step(current)
    rate = float(optimizer.schedule(config, images)(at - 1))
    good = checkpoints.latest()
    last = "there is no checkpoint yet" if good is None else f"the last good checkpoint is {good}"
    raise UserError(
        f"the loss is not finite at step {at}, learning rate {rate:.3g}; {last}; "
        f"try a config.learning_rate below {config.learning_rate:g}"
    )
