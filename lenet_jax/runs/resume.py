"""Whether and where a run goes on from what its workdir holds."""

import contextlib
import os

from lenet_jax import config
from lenet_jax.errors import UserError
from lenet_jax.files import printable, to_path
from lenet_jax.runs import checkpoint, foreign, workdir


def newest(folder: str | os.PathLike[str]) -> int | None:
    """The step of the newest whole checkpoint of a workdir, None if it has no checkpoint.

    Raises:
      UserError: it has some, and all are damaged; or what is no checkpoint is called like one.
    """
    below = to_path(folder) / workdir.CHECKPOINTS
    if not below.is_dir():
        return None
    foreign.check_names(below)
    with contextlib.closing(checkpoint.Checkpoints(below, read_only=True)) as checkpoints:
        return checkpoints.choose("latest")


def check_same_run(
    folder: str | os.PathLike[str], asked: workdir.Record, flag: str = "--workdir"
) -> None:
    """Raises UserError if the run in a workdir has another config, other data or teacher.

    Args:
      folder: the workdir.
      asked: of the run that is about to start.
      flag: that names the folder.
    """
    stored = workdir.read(folder)
    if stored is None:
        raise UserError(
            f"{printable(folder)}: holds checkpoints but no {workdir.CONFIG}; give another {flag}"
        )
    different = config.differences(stored.config, asked.config)
    if different:
        raise UserError(
            f"{printable(folder)}: holds a run with another config ({'; '.join(different)}); "
            f"give the same config to go on, or another {flag} to start anew"
        )
    if stored.data_fingerprint != asked.data_fingerprint:
        raise UserError(
            f"{printable(folder)}: holds a run on other digits ({stored.data_name}, "
            f"{stored.data_rows:,} rows) than {asked.data_name} ({asked.data_rows:,} rows); "
            f"give the same --data to go on, or another {flag} to start anew"
        )
    if stored.teacher_fingerprint not in ("", asked.teacher_fingerprint):
        raise UserError(
            f"{printable(folder)}: config.teacher={printable(asked.config.teacher)} has been "
            f"trained again since; give another {flag} to start anew"
        )
