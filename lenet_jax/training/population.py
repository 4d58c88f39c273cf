"""The members of a run: their seeds, their rows of the data and their hyperparameters.

What differs between members is an array with a member axis, never a constant of the compiled
program, so that folds and the trials of a sweep are trained side by side like any other members.
Members are in the order fold, trial of the sweep, seed; the seed runs fastest.
"""

import dataclasses
from typing import Any

import jax
import numpy as np

from lenet_jax.config import SWEPT, Config
from lenet_jax.data import folds, holdout
from lenet_jax.sweep import Array, Hyperparameters

jax.tree_util.register_dataclass(Hyperparameters)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """What a member is trained on and how; stacked along a leading member axis outside of a step.

    Attributes:
      hyper: its hyperparameters.
      rows_R: int32 [R], positions of its training images, in the order of an epoch where
        `epoch.train_until` takes them; -1 fills up what another fold has more.
      fold: int32 [], the fold that it does not see, 0 without folds.
    """

    hyper: Hyperparameters
    rows_R: Array
    fold: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Population:
    """All members of a run, as NumPy arrays.

    Attributes:
      config: what they have in common, without the sweep and the mesh; of a swept field its
        largest value, which decides no number but whether the program has that part at all.
      seeds_M: uint32 [M].
      member: of all members, each array with a leading member axis.
      held_MxV: int32 [M, V], positions of the images held out of each member's training; -1 fills
        up.
      trials: of the sweep, field -> value; `trials[point_M[m]]` is member m's.
      trial_M: int [M].
    """

    config: Config
    seeds_M: np.ndarray
    member: Member
    held_MxV: np.ndarray
    trials: list[dict[str, float]]
    trial_M: np.ndarray

    def __len__(self) -> int:
        return len(self.seeds_M)

    @property
    def num_examples(self) -> int:
        """Images that each member is trained on in an epoch, filling included."""
        return int(self.member.rows_R.shape[1])

    @property
    def held_rows(self) -> np.ndarray:
        """Positions of the images that are held out of some member's training, fold by fold."""
        return self.in_held_rows(self._held_FxV)

    def in_held_rows(self, values_FxV: np.ndarray) -> np.ndarray:
        """Values [folds, V, ...] without the filling, in the order of `held_rows`."""
        return values_FxV[self._held_FxV >= 0]

    @property
    def _held_FxV(self) -> np.ndarray:
        return self.held_MxV[:: len(self) // max(1, self.config.folds)]


def common(config: Config) -> Config:
    """What the members have in common; see `Population.config`."""
    configs = configs_of_trials(config)
    largest: dict[str, Any] = {
        name: max(getattr(one, name) for one in configs) for name in config.trials[0]
    }
    return config.without_sweep(**largest)


def configs_of_trials(config: Config) -> list[Config]:
    """The config of each trial of the sweep."""
    return [config.without_sweep(**trial) for trial in config.trials]


def make(config: Config, labels_N: np.ndarray) -> Population:
    """The members of a run on these labels.

    Raises:
      UserError: a trial of the sweep is out of range, or there are too few rows to split.
    """
    trials, configs = config.trials, configs_of_trials(config)
    if config.folds:
        splits = folds(labels_N, config.folds, config.split_seed)
    else:
        splits = [holdout(labels_N, config.holdout, config.split_seed)]
    per_fold = len(trials) * config.members
    fold_M = np.repeat(np.arange(len(splits), dtype=np.int32), per_fold)
    trial_M = np.tile(np.repeat(np.arange(len(trials)), config.members), len(splits))
    values = {
        name: np.array([getattr(configs[trial], name) for trial in trial_M], np.float32)
        for name in SWEPT
    }
    return Population(
        config=common(config),
        # Every member has a seed of its own, in another fold too.
        seeds_M=np.arange(config.seed, config.seed + len(fold_M), dtype=np.uint32),
        member=Member(
            hyper=Hyperparameters(values),
            rows_R=_filled([rows for rows, _ in splits])[fold_M],
            fold=fold_M,
        ),
        held_MxV=_filled([rows for _, rows in splits])[fold_M],
        trials=trials,
        trial_M=trial_M,
    )


def abstract(members: int, num_examples: int) -> Any:
    """Shapes and dtypes of `Population.member`."""
    one = jax.ShapeDtypeStruct((members,), np.float32)
    return Member(
        hyper=Hyperparameters(dict.fromkeys(SWEPT, one)),
        rows_R=jax.ShapeDtypeStruct((members, num_examples), np.int32),
        fold=jax.ShapeDtypeStruct((members,), np.int32),
    )


def _filled(rows: list[np.ndarray]) -> np.ndarray:
    """Lists of positions as one int32 array, the shorter ones filled up with -1."""
    filled = np.full((len(rows), max(map(len, rows))), -1, np.int32)
    for line, positions in zip(filled, rows, strict=True):
        line[: len(positions)] = positions
    return filled
