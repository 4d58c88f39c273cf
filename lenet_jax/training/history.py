"""The rows of `metrics.csv`, one per epoch, and of `networks.csv`, one per network."""

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from lenet_jax.files import printable
from lenet_jax.runs import workdir
from lenet_jax.training.population import Population
from lenet_jax.training.trainer import Evaluation, Piece


class History:
    """The epochs of a run so far, in memory and in its workdir."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        epochs: int = 0,
        log: Callable[[workdir.Row], None] | None = None,
        *,
        write: bool = True,
    ) -> None:
        """Begins after the rows of so many epochs; those after it are to be made again.

        Args:
          folder: the run's workdir.
          epochs: to take over from the file. A row is written before its checkpoint, so there may
            be more.
          log: is given each new row too.
          write: whether this process writes the file and logs.

        Raises:
          UserError: the file is not what a run writes.
        """
        self._folder, self._log, self._write = folder, log, write
        self.rows = workdir.read_metrics(folder)[:epochs] if epochs else []
        if len(self.rows) < epochs and write:
            print(
                f"WARNING: {printable(folder)}: {workdir.METRICS} lacks some of the {epochs} "
                "epochs that are done, and what was in them is lost",
                file=sys.stderr,
            )

    def append(self, row: workdir.Row) -> None:
        """Adds an epoch."""
        self.rows.append(row)
        if self._write:
            workdir.write_metrics(self._folder, self.rows)
            if self._log is not None:
                self._log(row)


def training_columns(piece: Piece) -> workdir.Row:
    """Of an epoch so far, the mean of the members."""
    sums = piece.sums
    return {
        "train_loss": float(np.mean(sums.loss / sums.count)),
        "train_accuracy": float(np.mean(sums.correct / sums.count)),
        "images_per_second": piece.images_per_second,
    }


def holdout_columns(evaluation: Evaluation | None) -> workdir.Row:
    """Of the digits held out, the mean of the members, and what their average makes of them."""
    if evaluation is None:
        return {}
    return {
        "holdout_loss": evaluation.loss,
        "holdout_accuracy": float(np.mean(evaluation.accuracy_M)),
        "ensemble_accuracy": evaluation.ensemble_accuracy,
    }


def accuracy(row: workdir.Row) -> float | None:
    """What tells the best epoch: of the average of the members, or of the only one."""
    of_average = row["ensemble_accuracy"]
    return row["holdout_accuracy"] if of_average is None else of_average


def networks(population: Population, accuracy_M: np.ndarray) -> list[dict[str, Any]]:
    """What each network was trained with, and its accuracy on what it was held out of."""
    return [
        {
            "network": index,
            "seed": int(population.seeds_M[index]),
            "fold": int(population.member.fold[index]),
            **population.trials[population.trial_M[index]],
            "holdout_accuracy": round(float(accuracy_M[index]), 6),
        }
        for index in range(len(population))
    ]
