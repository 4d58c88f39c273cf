"""What people read while a run trains."""

import os
import shutil
import sys

from jax.sharding import Mesh
from tqdm import tqdm

from lenet_jax.config import Config
from lenet_jax.data import Dataset
from lenet_jax.distributed import backend, multihost
from lenet_jax.distributed import mesh as meshes
from lenet_jax.models import summary
from lenet_jax.runs.columns import COLUMNS
from lenet_jax.runs.workdir import Row
from lenet_jax.training import memory

# Characters of the bar itself.
NARROWEST_BAR = 8


class Bar:
    """An epoch on standard error: a bar while it lasts, on a terminal, and a line when it is over.

    Neither is ever wider than the terminal; without one the line has all there is.
    """

    def __init__(self, label: str, num_examples: int, *, first: bool) -> None:
        """Begins.

        Args:
          label: what stands in front.
          num_examples: of the epoch, for one network.
          first: only the first process shows anything.
        """
        self.label, self.first = label, first
        self._frame = f"{label}: {{percentage:3.0f}}%|{{bar}}| "
        hidden = not first or columns() is None
        self._bar = tqdm(
            total=num_examples, ncols=columns(), bar_format=self._frame, disable=hidden, leave=False
        )

    def show(self, num_examples: int, row: Row) -> None:
        """Moves to so many images, with the numbers so far."""
        width = columns()
        if self._bar.disable or width is None:
            return
        limit = width - len(f"{self.label}: 100%|| ") - NARROWEST_BAR
        self._bar.ncols, self._bar.n = width, num_examples
        self._bar.bar_format = f"{self._frame}{text(row, limit)}"
        self._bar.refresh()

    def close(self) -> None:
        """Takes the bar away."""
        self._bar.close()

    def end(self, row: Row) -> None:
        """Writes the line."""
        self.close()
        width = columns()
        limit = None if width is None else width - len(f"{self.label}: ")
        if self.first:
            print(f"{self.label}: {text(row, limit)}", file=sys.stderr)


def text(row: Row, limit: int | None = None) -> str:
    """The numbers of an epoch as people read them, those that matter most if not all have room.

    Examples:
      >>> row = {"train_loss": 0.1, "train_accuracy": 0.97, "images_per_second": 9e3}
      >>> text(row)
      'loss 0.1000, accuracy 97.00%, 9,000 img/s'
      >>> text(row, limit=30)
      'accuracy 97.00%, 9,000 img/s'
    """
    parts = [
        (column.rank, column.told.format(row[column.name]))
        for column in COLUMNS
        if column.told and row.get(column.name) is not None
    ]
    while True:
        line = ", ".join(part for _, part in parts)
        if limit is None or len(line) <= limit or len(parts) <= 1:
            return line
        parts.remove(min(parts))


def columns() -> int | None:
    """Columns of the terminal that standard error is, None if it is none.

    One is left out: some terminals begin a new line after the last one.
    """
    # There may be none, and one that has gone cannot be asked.
    try:
        if sys.stderr is None or not sys.stderr.isatty():
            return None
        # A terminal that does not know its width says 0.
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return None
    return (width or shutil.get_terminal_size().columns) - 1


def introduction(
    config: Config, mesh: Mesh, dataset: Dataset, num_examples: int, held: Dataset | None
) -> list[str]:
    """Lines that tell on what devices which networks are trained on which digits.

    Args:
      config: of the run.
      mesh: over which it runs.
      dataset: all digits.
      num_examples: of them that each network is trained on.
      held: those held out, None if there are none.
    """
    found = (meshes.unused_accelerator(mesh), memory.warning(config, dataset))
    lines = [f"WARNING: {line}" for line in found if line is not None]
    lines.append(f"Devices: {backend.describe(mesh, config)}")
    if multihost.several():
        lines.append(f"If a process is lost the others end; {multihost.AGAIN}")
    return [*lines, summary.summary(config), _digits(config, dataset, num_examples, held)]


def _digits(config: Config, dataset: Dataset, num_examples: int, held: Dataset | None) -> str:
    held_out = f", {len(held):,} held out" if held is not None else ", none held out"
    if config.folds:
        held_out = f", each without one of {config.folds} folds"
    networks = f"{config.num_models} networks" if config.num_models > 1 else "one network"
    return f"Training {networks} on {num_examples:,} digits of {dataset.name}{held_out}"
