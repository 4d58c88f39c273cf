"""What a run leaves to whoever reports on it."""

import dataclasses

import numpy as np

from lenet_jax.data import Dataset
from lenet_jax.runs import workdir
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
