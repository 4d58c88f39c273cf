"""A finished run whose networks give soft targets (Hinton, Vinyals and Dean 2015)."""

import dataclasses
import hashlib
from typing import Any

import jax
import numpy as np

from lenet_jax.config import Config
from lenet_jax.environment import commands
from lenet_jax.errors import UserError
from lenet_jax.files import printable
from lenet_jax.inference import predict
from lenet_jax.runs import workdir


@dataclasses.dataclass(frozen=True, kw_only=True)
class Teacher:
    """The networks of a finished run.

    Attributes:
      config: of the run.
      num_teachers: for each fold.
      params_FxT: averaged parameters, leaves [folds, networks, ...].
    """

    config: Config
    num_teachers: int
    params_FxT: Any

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that depend on every parameter."""
        digest = hashlib.blake2b(digest_size=8)
        for leaf in jax.tree.leaves(self.params_FxT):
            digest.update(np.ascontiguousarray(leaf).data)
        return digest.hexdigest()


def restore(student: workdir.Record) -> Teacher:
    """The teacher that a run's config names.

    A student must be held out of what its teacher was held out of: a teacher that has been trained
    on the student's held-out digits would tell it their labels.

    Raises:
      UserError: there is no such run, or it is unfinished, or it is one on other digits
        or with another split, or of fewer networks than are to be asked.
    """
    folder = student.config.teacher
    name = f"config.teacher={printable(folder)}"
    record = workdir.read(folder)
    if record is None:
        raise UserError(
            f"{name}: holds no run; train the teacher there first, on the same digits and with the "
            "same held out"
        )
    if record.data_fingerprint != student.data_fingerprint:
        raise UserError(
            f"{name}: was trained on other digits ({record.data_name}); train it on --data"
        )
    if not workdir.is_finished(folder):
        raise UserError(
            f"{name}: has not finished its {record.config.epochs} epochs; go on with it first, "
            f"{commands.command('train', f'--workdir={printable(folder)}')}"
        )
    split = ("folds", "split_seed", *(() if student.config.folds else ("holdout",)))
    for field in split:
        theirs, ours = getattr(record.config, field), getattr(student.config, field)
        if theirs != ours:
            raise UserError(
                f"{name}: was trained with config.{field}={theirs}, this run has {ours}; they must "
                "hold out the same digits"
            )
    config, folds = record.config, max(1, record.config.folds)
    if student.config.teacher_networks > config.models_per_fold:
        raise UserError(
            f"config.teacher_networks={student.config.teacher_networks}: {name} has "
            f"{config.models_per_fold} for each digit"
        )
    params_M = predict.restore(folder, record)
    return Teacher(
        config=config.without_sweep(teacher=""),
        num_teachers=config.models_per_fold,
        params_FxT=jax.tree.map(
            lambda leaf: leaf.reshape(folds, config.models_per_fold, *leaf.shape[1:]), params_M
        ),
    )
