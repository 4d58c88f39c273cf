"""The host loop: epochs, evaluation, checkpoints and progress.

Everything that computes is one of the compiled programs of `compilation.py`; this room calls them,
shows numbers and writes files.

The same command goes on where a run was cut off, from the first of these that holds:
0. a mirror with a newer whole checkpoint than the workdir: that is brought there first;
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
import os
from collections.abc import Callable

import numpy as np

from lenet_jax.config import Config
from lenet_jax.data import Dataset, held_out
from lenet_jax.distributed import backend, multihost
from lenet_jax.distributed import mesh as meshes
from lenet_jax.errors import UserError
from lenet_jax.files import place, shown
from lenet_jax.models import summary
from lenet_jax.runs import checkpoint, mirror, resume, workdir
from lenet_jax.training import (
    compilation,
    distillation,
    logging,
    optimizer,
    population,
    preemption,
    trainer,
)
from lenet_jax.training.population import Population
from lenet_jax.training.state import TrainState


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What a finished run leaves in memory.

    Attributes:
      record: what the run remembers of itself.
      state: after the last step.
      rows: of `metrics.csv`.
      training: the digits trained on.
      holdout: the digits held out, None if there are none.
      probabilities_NxK: of the held-out digits, from the averaged members of their fold.
      population: the members.
      accuracy_M: of each member on its held-out digits, None if there are none.
      devices: a line that names them.
      parameters: trainable, of one member.
    """

    record: workdir.Record
    state: TrainState
    rows: list[workdir.Row]
    training: Dataset
    holdout: Dataset | None
    probabilities_NxK: np.ndarray | None
    population: Population
    accuracy_M: np.ndarray | None
    devices: str
    parameters: int

    @property
    def seconds(self) -> float:
        """Spent in training steps and evaluation, compilation included."""
        return sum(row["seconds"] or 0.0 for row in self.rows)


def compile_ahead(config: Config, rows: int) -> None:
    """Compiles what `train` will call for a dataset of so many rows, while its digits are read.

    The sizes of folds depend on the labels, and a teacher has to be read: these come later.
    """
    if config.folds or config.teacher:
        return
    held = held_out(rows, config.holdout)
    sizes = compilation.Sizes(
        members=config.networks, rows=rows, images=rows - held, held=max(1, held)
    )
    mesh = meshes.make(config.networks, sizes=config.mesh)
    compilation.compile_ahead(population.common(config), mesh, sizes)


def train(
    config: Config,
    dataset: Dataset,
    folder: str | os.PathLike[str],
    *,
    say: Callable[[str], None] = print,
    log: Callable[[workdir.Row], None] | None = None,
    kept_in: mirror.Mirror | None = None,
) -> Result | None:
    """Trains, or goes on training, until the last epoch.

    A folder whose newest checkpoint is of this config and data is gone on from; one without a
    checkpoint is started in.

    Args:
      config: of the run.
      dataset: labelled digits; a share of them is held out as the config says.
      folder: the run's workdir, made if it is missing.
      say: is given what people should read.
      log: is given each row of `metrics.csv` when it is written.
      kept_in: the run's mirror. Whoever writes a report afterwards calls its `copy` then.

    Returns:
      The result, or None if the run in the folder was finished before. Of several processes all
      must call this and the first one is given the result; the others are given None.

    Raises:
      UserError: the folder belongs to a run of another config or of other data, is in use by
        another process, or cannot be written; or the loss is not finite; or there is a sweep and
        nothing held out.
      Stopped: a signal asked for it; the state is saved.
    """
    if dataset.labels_N is None:
        raise UserError(f"{dataset.name}: has no labels, so nothing can be trained on it")
    people = population.make(config, dataset.labels_N)
    if config.sweep and not len(people.held_rows):
        raise UserError(
            f"config.sweep={config.sweep!r}: nothing is held out to compare its points on; give "
            "config.folds, or a config.holdout above 0"
        )
    record = workdir.Record.of(config, dataset, people.images)
    multihost.check_same(f"{config} {record.data_fingerprint}", "another config or other digits")
    taught = None
    if config.teacher:
        taught = distillation.restore(record)
        record = dataclasses.replace(record, teacher_fingerprint=taught.fingerprint)
        multihost.check_same(record.teacher_fingerprint, "another teacher")
    if kept_in is not None and multihost.several():
        raise UserError(f"{shown(kept_in.folder)}: a mirror is for a run of one process")
    try:
        with workdir.locked(folder) if multihost.first() else contextlib.nullcontext():
            return _train(record, dataset, people, taught, folder, say, log, kept_in)
    except preemption.Stopped:
        multihost.leave()
        raise


def _train(
    record: workdir.Record,
    dataset: Dataset,
    people: Population,
    taught: distillation.Teacher | None,
    folder: str | os.PathLike[str],
    say: Callable[[str], None],
    log: Callable[[workdir.Row], None] | None,
    kept_in: mirror.Mirror | None,
) -> Result | None:
    config = record.config
    steps = optimizer.steps_per_epoch(config, people.images)
    if not multihost.first():
        say = _nothing
    start = resume.newest(folder)
    if kept_in is not None:
        kept_in.check_same_run(record)
        restored = kept_in.restore(start)
        if restored != start:
            say(f"Restored from {shown(kept_in.folder)}")
        start = restored
    finished = False
    if start is not None:
        resume.check_same_run(folder, record)
        finished = start >= config.epochs * steps and workdir.is_finished(folder)
    # No process writes anything before all have looked.
    multihost.check_same(f"{start} {finished}", "another --workdir, or one that it does not share,")
    if finished:
        say(f"{shown(folder)}: this run has finished its {config.epochs} epochs")
        return None

    mesh = meshes.make(len(people), sizes=config.mesh)
    unused = meshes.unused_accelerator(mesh)
    if unused is not None:
        say(f"WARNING: {unused}")
    say(f"Devices: {backend.describe(mesh, config)}")
    if multihost.several():
        say(f"If a process is lost the others end; {multihost.AGAIN}")
    say(summary.summary(config))
    held_rows = people.held_rows
    held = dataset.take(held_rows) if len(held_rows) else None
    say(logging.what(dataset, people.images, held, config))

    if multihost.first():
        workdir.create(folder, record)
    run = trainer.Epochs(config, mesh, dataset, people, taught, place(folder), log)
    checkpoints = checkpoint.Checkpoints(place(folder) / workdir.CHECKPOINTS)
    copying = contextlib.nullcontext() if kept_in is None else kept_in.copying()
    with copying, contextlib.closing(checkpoints):
        current = run.begin(checkpoints, start)
        if start is not None:
            say(f"Going on from epoch {start / steps:g} of {config.epochs}")
        with preemption.asked() as request:
            for epoch in range(trainer.current_step(current) // steps, config.epochs):
                current = run.epoch(epoch, current, checkpoints, request)
        if run.probabilities_NxK is None:
            # Cut off between its last checkpoint and its report.
            run.evaluate(current)
    if not multihost.first():
        return None
    return Result(
        record=record,
        state=current,
        rows=run.rows,
        training=dataset.take(people.member.rows_R[0]),
        holdout=held,
        probabilities_NxK=run.probabilities_NxK,
        population=people,
        accuracy_M=run.accuracy_M,
        devices=backend.describe(mesh, config),
        parameters=sum(layer.trainable for layer in summary.layers(config)),
    )


def _nothing(_: str) -> None:
    pass
