"""What people read while a run trains."""

import os
import shutil
import sys

import numpy as np
from tqdm import tqdm

from lenet_jax import metrics
from lenet_jax.config import Config
from lenet_jax.data import Dataset
from lenet_jax.runs.workdir import Row

# Characters of the bar itself.
NARROWEST_BAR = 8


def training_columns(sums: metrics.Metrics) -> Row:
    """The training loss and accuracy of an epoch so far, the mean of the members."""
    return {
        "train_loss": float(np.mean(sums.loss / sums.count)),
        "train_accuracy": float(np.mean(sums.correct / sums.count)),
    }


class Bar:
    """An epoch on standard error: a bar while it lasts, on a terminal, and a line when it is over.

    Neither is ever wider than the terminal; without one the line has all there is.
    """

    def __init__(self, label: str, images: int, *, first: bool) -> None:
        """Begins.

        Args:
          label: what stands in front.
          images: of the epoch, for one network.
          first: only the first process shows anything.
        """
        self.label, self.first = label, first
        self._frame = f"{label}: {{percentage:3.0f}}%|{{bar}}| "
        hidden = not first or columns() is None
        self._bar = tqdm(
            total=images, ncols=columns(), bar_format=self._frame, disable=hidden, leave=False
        )

    def show(self, images: int, row: Row) -> None:
        """Moves to so many images, with the numbers so far."""
        width = columns()
        if self._bar.disable or width is None:
            return
        room = width - len(f"{self.label}: 100%|| ") - NARROWEST_BAR
        self._bar.ncols, self._bar.n = width, images
        self._bar.bar_format = f"{self._frame}{text(row, room)}"
        self._bar.refresh()

    def close(self) -> None:
        """Takes the bar away."""
        self._bar.close()

    def end(self, row: Row) -> None:
        """Writes the line."""
        self.close()
        width = columns()
        room = None if width is None else width - len(f"{self.label}: ")
        if self.first:
            print(f"{self.label}: {text(row, room)}", file=sys.stderr)


def text(row: Row, room: int | None = None) -> str:
    """The numbers of an epoch as people read them, those that matter most if not all have room.

    Examples:
      >>> row = {"train_loss": 0.1, "train_accuracy": 0.97, "images_per_second": 9e3}
      >>> text(row)
      'loss 0.1000, accuracy 97.00%, 9,000 img/s'
      >>> text(row, room=30)
      'accuracy 97.00%, 9,000 img/s'
    """
    # In the order in which they stand, with that in which they are left out.
    told = (
        (0, "train_loss", "loss {:.4f}"),
        (1, "train_accuracy", "accuracy {:.2%}"),
        (3, "holdout_accuracy", "hold-out {:.2%}"),
        (4, "ensemble_accuracy", "ensemble {:.2%}"),
        (2, "images_per_second", "{:,.0f} img/s"),
    )
    parts = [
        (rank, form.format(row[name])) for rank, name, form in told if row.get(name) is not None
    ]
    while True:
        line = ", ".join(part for _, part in parts)
        if room is None or len(line) <= room or len(parts) <= 1:
            return line
        parts.remove(min(parts))


def columns() -> int | None:
    """Columns of the terminal that standard error is, None if it is none.

    One is left out: some terminals begin a new line after the last one.
    """
    if not sys.stderr.isatty():
        return None
    # A terminal that does not know its width says 0.
    width = os.get_terminal_size(sys.stderr.fileno()).columns
    return (width or shutil.get_terminal_size().columns) - 1


def what(dataset: Dataset, trained_on: int, held: Dataset | None, config: Config) -> str:
    """One line: how many networks are trained on which digits."""
    held_out = f", {len(held):,} held out" if held is not None else ", none held out"
    if config.folds:
        held_out = f", each without one of {config.folds} folds"
    networks = f"{config.networks} networks" if config.networks > 1 else "one network"
    return f"Training {networks} on {trained_on:,} digits of {dataset.name}{held_out}"
