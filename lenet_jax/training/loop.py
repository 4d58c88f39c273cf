"""The host loop: epochs, evaluation, checkpoints and progress.

Everything that computes is in the compiled programs of `trainer.Trainer`; this module calls them,
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
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import jax
import numpy as np

from lenet_jax.config import Config
from lenet_jax.data import Dataset, held_out
from lenet_jax.distributed import backend, multihost
from lenet_jax.distributed import mesh as meshes
from lenet_jax.errors import UserError
from lenet_jax.files import printable, to_path
from lenet_jax.runs import checkpoint, foreign, mirror, occupied, resume, workdir
from lenet_jax.training import (
    compilation,
    distillation,
    history,
    logging,
    optimizer,
    preemption,
)
from lenet_jax.training import (
    population as populations,
)
from lenet_jax.training.population import Population
from lenet_jax.training.result import Result
from lenet_jax.training.state import TrainState
from lenet_jax.training.trainer import Evaluation, Piece, Trainer, step_of


def compile_ahead(config: Config, rows: int) -> None:
    """Compiles what `train` will call for a dataset of so many rows, while its digits are read.

    The sizes of folds depend on the labels, and a teacher has to be read: these come later.
    """
    if config.folds or config.teacher:
        return
    held = held_out(rows, config.holdout)
    sizes = compilation.Sizes(
        members=config.num_models, rows=rows, num_examples=rows - held, held=max(1, held)
    )
    mesh = meshes.make(config.num_models, sizes=config.mesh)
    compilation.compile_ahead(populations.common(config), mesh, sizes)


def train(
    config: Config,
    dataset: Dataset,
    folder: str | os.PathLike[str],
    *,
    say: Callable[[str], None] = print,
    log: Callable[[workdir.Row], None] | None = None,
    kept_in: mirror.Mirror | None = None,
    overwrite: bool = False,
) -> Result | None:
    """Trains, or goes on training, until the last epoch.

    A folder whose newest checkpoint is of this config and data is gone on from; one without a
    checkpoint is started in.

    Args:
      config: of the run.
      dataset: labelled digits; a fraction of them is held out as the config says.
      folder: the run's workdir, made if it is missing.
      say: is given what people should read.
      log: is given each row of `metrics.csv` when it is written.
      kept_in: the run's mirror. Whoever writes a report afterwards calls its `copy` then.
      overwrite: files of the folder that no run has written may be replaced.

    Returns:
      The result, or None if the run in the folder was finished before. Of several processes all
      must call this and the first one is given the result; the others are given None.

    Raises:
      UserError: the folder belongs to a run of another config or of other data, or holds files that
        no run has written where this one would write, is in use by another process, or cannot be
        written; or the loss is not finite; or there is a sweep and nothing held out.
      Stopped: a signal asked for it; the state is saved.
    """
    record, population, teacher = _plan(config, dataset)
    if kept_in is not None and multihost.several():
        raise UserError(f"{printable(kept_in.folder)}: a mirror is for a run of one process")
    occupied.check_place(folder, another="another --workdir")
    if not overwrite:
        occupied.check_free(folder)
    first, steps = multihost.first(), optimizer.steps_per_epoch(config, population.num_examples)
    say = say if first else _silent
    with _alone_in(folder):
        start, finished = _begin_or_resume(folder, record, steps, say, kept_in)
        if finished:
            say(f"{printable(folder)}: this run has finished its {config.epochs} epochs")
            return None
        mesh = meshes.make(len(population), sizes=config.mesh)
        held = dataset.take(population.held_rows) if len(population.held_rows) else None
        for line in logging.introduction(config, mesh, dataset, population.num_examples, held):
            say(line)
        if first:
            workdir.create(folder, record)
        trainer = Trainer(config, mesh, dataset, population, teacher)
        rows = history.History(folder, 0 if start is None else start // steps, log, write=first)
        below = to_path(folder) / workdir.CHECKPOINTS
        if start is not None:
            if first:
                foreign.set_aside_after(below, start)
            # Nobody opens them before.
            multihost.from_first(start)
        checkpoints = checkpoint.Checkpoints(below)
        copying = contextlib.nullcontext() if kept_in is None else kept_in.copying()
        with copying, contextlib.closing(checkpoints):
            if start is None:
                state = trainer.create()
            else:
                state = checkpoints.restore(start, trainer.abstract_state())
                say(f"Going on from epoch {start / steps:g} of {config.epochs}")
            with preemption.asked() as request:
                state, evaluation = _run(config, trainer, state, rows, checkpoints, request, folder)
    if not first:
        return None
    return Result(
        record=record,
        rows=rows.rows,
        networks=[] if evaluation is None else history.networks(population, evaluation.accuracy_M),
        training=dataset.take(population.member.rows_R[0]),
        holdout=held,
        probabilities_NxK=None if evaluation is None else evaluation.probabilities_NxK,
        # The first shard holds member 0; no other is fetched for it.
        params=jax.tree.map(
            lambda leaf: np.asarray(leaf.addressable_data(0))[0], state.averaged_params
        ),
        devices=backend.describe(mesh, config),
    )


def _plan(
    config: Config, dataset: Dataset
) -> tuple[workdir.Record, Population, distillation.Teacher | None]:
    """What is trained on what; the same in all processes of a run."""
    if dataset.labels_N is None:
        raise UserError(f"{dataset.name}: has no labels, so nothing can be trained on it")
    population = populations.make(config, dataset.labels_N)
    if config.sweep and not len(population.held_rows):
        raise UserError(
            f"config.sweep={config.sweep!r}: nothing is held out to compare its trials on; give "
            "config.folds, or a config.holdout above 0"
        )
    record = workdir.Record.of(config, dataset, population.num_examples)
    multihost.check_same(f"{config} {record.data_fingerprint}", "another config or other digits")
    teacher = None
    if config.teacher:
        teacher = distillation.restore(record)
        record = dataclasses.replace(record, teacher_fingerprint=teacher.fingerprint)
        multihost.check_same(record.teacher_fingerprint, "another teacher")
    return record, population, teacher


@contextlib.contextmanager
def _alone_in(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Keeps other runs out of a workdir, and leaves those of its own run when asked to stop."""
    try:
        with workdir.locked(folder) if multihost.first() else contextlib.nullcontext():
            yield
    except preemption.Stopped:
        multihost.leave()
        raise


def _begin_or_resume(
    folder: str | os.PathLike[str],
    record: workdir.Record,
    steps_per_epoch: int,
    say: Callable[[str], None],
    kept_in: mirror.Mirror | None,
) -> tuple[int | None, bool]:
    """The step to resume from, None to begin; and whether the run is finished."""
    start = resume.newest(folder)
    if kept_in is not None:
        kept_in.check_same_run(record)
        restored = kept_in.restore(start)
        if restored != start:
            say(f"Restored from {printable(kept_in.folder)}")
        start = restored
    finished = False
    if start is not None:
        resume.check_same_run(folder, record)
        last = record.config.epochs * steps_per_epoch
        finished = start >= last and workdir.is_finished(folder)
    # No process writes anything before all have looked.
    multihost.check_same(f"{start} {finished}", "another --workdir, or one that it does not share,")
    return start, finished


def _run(
    config: Config,
    trainer: Trainer,
    state: TrainState,
    rows: history.History,
    checkpoints: checkpoint.Checkpoints,
    request: preemption.Request,
    folder: str | os.PathLike[str],
) -> tuple[TrainState, Evaluation | None]:
    """The epochs that are left; returns the last state and its evaluation."""
    evaluation, steps, proved = None, trainer.steps_per_epoch, False
    for epoch in range(step_of(state) // steps + 1, config.epochs + 1):
        begun = time.perf_counter()
        label = f"Epoch {epoch}/{config.epochs}"
        bar = logging.Bar(label, trainer.num_examples, first=multihost.first())
        with contextlib.closing(bar):
            for piece in trainer.pieces(state):
                state = piece.state
                _check_finite(piece, config, checkpoints)
                bar.show(int(piece.sums.count[0]), history.training_columns(piece))
                if multihost.any_of(request.came) and piece.step < epoch * steps:
                    checkpoints.save(piece.step, state, None)
                    _stop(checkpoints, piece, steps, config, folder)
            evaluation = trainer.evaluate(state)
            row: workdir.Row = dict.fromkeys(workdir.COLUMNS)
            row |= {"epoch": epoch, "step": piece.step, "learning_rate": piece.learning_rate}
            row |= history.training_columns(piece) | history.holdout_columns(evaluation)
            row["seconds"] = time.perf_counter() - begun
            bar.end(row)
        rows.append(row)
        checkpoints.save(piece.step, state, history.accuracy(row))
        if not proved or epoch == config.epochs:
            # A path or a disk that gives back something else is found out in the first epoch, and
            # no run says that it is done whose work is not there.
            checkpoints.prove(piece.step, state)
            proved = True
        if multihost.any_of(request.came):
            _stop(checkpoints, piece, steps, config, folder)
    if evaluation is None:
        # Cut off between its last checkpoint and its report.
        evaluation = trainer.evaluate(state)
    return state, evaluation


def _stop(
    checkpoints: checkpoint.Checkpoints,
    piece: Piece,
    steps: int,
    config: Config,
    folder: str | os.PathLike[str],
) -> NoReturn:
    """Waits until what was saved is on the disk, and raises Stopped."""
    checkpoints.prove(piece.step, piece.state)
    done = f"{piece.step / steps:.2f} of {config.epochs} epochs"
    raise preemption.Stopped(f"{done} are done and saved in {printable(folder)}")


def _check_finite(piece: Piece, config: Config, checkpoints: checkpoint.Checkpoints) -> None:
    """Raises UserError at a loss that is not finite, before its state can be saved."""
    finite_M = np.isfinite(piece.sums.loss)
    # A trial of a sweep may diverge without an end to the others.
    if finite_M.all() or (config.sweep and finite_M.any()):
        return
    good, rate = checkpoints.latest(), piece.learning_rate
    last = "there is no checkpoint yet" if good is None else f"the last good checkpoint is {good}"
    at = f"step {piece.step}" + ("" if rate is None else f", learning rate {rate:.3g}")
    raise UserError(
        f"the loss is not finite at {at}; {last}; "
        f"try a config.learning_rate below {config.learning_rate:g}"
    )


def _silent(_: str) -> None:
    pass
