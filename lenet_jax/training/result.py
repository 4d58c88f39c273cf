"""What a run leaves to whoever reports on it."""

import dataclasses
from typing import Any

import numpy as np

from lenet_jax import models
from lenet_jax.data import Dataset
from lenet_jax.models import summary
from lenet_jax.runs import workdir


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What a run has come to.

    Attributes:
      record: what the run remembers of itself.
      rows: of `metrics.csv`.
      networks: of `networks.csv`, a row for each network; empty if nothing was held out.
      training: the digits trained on, at least one.
      holdout: the digits held out, None if there are none.
      probabilities_NxK: of the held-out digits, from the averaged members of their fold.
      params: averaged parameters of member 0, NumPy arrays.
      devices: a line that names them.
    """

    record: workdir.Record
    rows: list[workdir.Row]
    networks: list[dict[str, Any]]
    training: Dataset
    holdout: Dataset | None
    probabilities_NxK: np.ndarray | None
    params: models.Params
    devices: str

    @property
    def held(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Labels [N] of the held-out digits and the probabilities [N, K]; None for none."""
        if self.holdout is None or self.probabilities_NxK is None:
            return None
        assert self.holdout.labels_N is not None
        return self.holdout.labels_N, self.probabilities_NxK

    @property
    def seconds(self) -> float:
        """Spent in training steps and evaluation, compilation included."""
        return sum(row["seconds"] or 0.0 for row in self.rows)

    @property
    def parameters(self) -> int:
        """Trainable, of one member."""
        return sum(layer.trainable for layer in summary.layers(self.record.config))
