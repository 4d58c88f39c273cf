"""TensorBoard events of a run: what `metrics.csv` holds, for who watches many runs at once."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lenet_jax import extras
from lenet_jax.workdir import Row

FOLDER = "tensorboard"
# TensorBoard puts scalars of one prefix in one section.
_TAGS = {
    "train_loss": "loss/train",
    "holdout_loss": "loss/holdout",
    "train_accuracy": "accuracy/train",
    "holdout_accuracy": "accuracy/holdout",
    "ensemble_accuracy": "accuracy/ensemble",
    "learning_rate": "schedule/learning_rate",
    "images_per_second": "speed/images_per_second",
}


def writer(workdir: str | os.PathLike[str]) -> Callable[[Row], None]:
    """A function that writes a row of `metrics.csv` as events of its step, into the workdir.

    A run that goes on makes some rows again; what TensorBoard was told of their steps before is
    withdrawn.

    Raises:
      UserError: tensorboardX is not installed.
    """
    tensorboardx = extras.needed("tensorboardX", "--tensorboard")
    events: Any = None

    def write(row: Row) -> None:
        nonlocal events
        step = int(row["step"] or 0)
        if events is None:
            folder = os.fspath(Path(workdir) / FOLDER)
            events = tensorboardx.SummaryWriter(folder, purge_step=step)
        for column, tag in _TAGS.items():
            if row[column] is not None:
                events.add_scalar(tag, row[column], step)
        events.flush()

    return write
