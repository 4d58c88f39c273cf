"""TensorBoard events of a run: what `metrics.csv` holds, for who watches many runs at once."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lenet_jax.environment import packages
from lenet_jax.files import printable
from lenet_jax.runs import workdir
from lenet_jax.runs.columns import COLUMNS
from lenet_jax.runs.workdir import Row

FOLDER = "tensorboard"


@contextlib.contextmanager
def writer(run: str | os.PathLike[str] | None) -> Iterator[Callable[[Row], None] | None]:
    """Gives the body a function that writes a row of `metrics.csv` as events of its step.

    A run that goes on makes some rows again; what TensorBoard was told of their steps before is
    withdrawn. Rows from before anybody asked for events are written too. All events are on the disk
    when the body ends, however it ends; where none can be written a line says so, once.

    Args:
      run: its workdir; the events go to `tensorboard/` in it; None gives the body None.

    Raises:
      UserError: tensorboardX is not installed.
    """
    if run is None:
        yield None
        return
    tensorboardx = packages.needed("tensorboardX", "--tensorboard")
    folder = os.fspath(Path(run) / FOLDER)
    events: Any = None
    failed, told_before = False, any(Path(folder).glob("*tfevents*"))

    def write(row: Row) -> None:
        nonlocal failed
        try:
            if not failed:
                add(row)
        except OSError as error:
            # What only shows a run never fails it.
            failed = True
            print(
                f"WARNING: {printable(folder)}: cannot be written ({error.strerror}); the run goes "
                "on without",
                file=sys.stderr,
            )

    def add(row: Row) -> None:
        nonlocal events
        step = int(row["step"] or 0)
        if events is None:
            events = tensorboardx.SummaryWriter(folder, purge_step=step, flush_secs=2)
            for earlier in [] if told_before else workdir.read_metrics(run):
                if (earlier["step"] or 0) < step:
                    add(earlier)
        for column in COLUMNS:
            if column.tag and row[column.name] is not None:
                events.add_scalar(column.tag, row[column.name], step)

    try:
        yield write
        if events is None and not told_before and workdir.is_finished(run):
            # There is nothing left to train.
            for row in workdir.read_metrics(run):
                write(row)
    finally:
        if events is not None:
            events.close()
