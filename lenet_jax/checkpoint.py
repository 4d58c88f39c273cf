"""Save, restore, latest, best; the only file that knows Orbax.

A checkpoint has two items: the averaged parameters, which is all that prediction reads, and the
rest of the training state. Keys are stored as their 32-bit words.
"""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy as keep

from lenet_jax.errors import UserError
from lenet_jax.state import TrainState

AVERAGED = "averaged_params"
TRAINING = "training"
METRIC = "holdout_accuracy"


class Checkpoints:
    """The checkpoints of one run: the newest two and the best one are kept."""

    def __init__(self, folder: str | os.PathLike[str], *, read_only: bool = False) -> None:
        """Opens a folder; unless `read_only`, it is made if it is missing."""
        # Orbax takes a relative path and fails on it later, in a thread.
        self.folder = Path(folder).absolute()

        def metric(metrics: dict[str, float]) -> float:
            return metrics.get(METRIC, 0.0)

        # `max_to_keep` with `best_fn` would evict the newest checkpoint (orbax#526).
        preserved = [keep.LatestN(2), keep.BestN(get_metric_fn=metric, n=1)]
        options = ocp.CheckpointManagerOptions(
            best_fn=metric,
            best_mode="max",
            create=not read_only,
            read_only=read_only,
            preservation_policy=keep.AnyPreservationPolicy(preserved),
        )
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def steps(self) -> list[int]:
        """Steps of the whole checkpoints, ascending."""
        return sorted(self._manager.all_steps())

    def latest(self) -> int | None:
        """The newest step, None if there is none."""
        return max(self.steps(), default=None)

    def best(self) -> int | None:
        """The step with the highest hold-out accuracy, the newest if nothing was held out."""
        best = self._manager.best_step()
        return self.latest() if best is None else best

    def save(self, step: int, state: TrainState, holdout_accuracy: float | None) -> None:
        """Saves in the background; the state may be donated as soon as this returns."""
        items = _items(state)
        self._manager.save(
            step,
            args=ocp.args.Composite(
                **{name: ocp.args.StandardSave(tree) for name, tree in items.items()}
            ),
            metrics=None if holdout_accuracy is None else {METRIC: float(holdout_accuracy)},
        )

    def restore(self, step: int, target: TrainState) -> TrainState:
        """The state saved at `step`.

        Args:
          step: one of `steps()`.
          target: a tree of `ShapeDtypeStruct` whose shardings say where the arrays go.

        Raises:
          UserError: the checkpoint is damaged or holds other arrays.
        """
        items = jax.eval_shape(_items, target)
        items = {
            name: jax.tree.map(_with_sharding_of(target), tree) for name, tree in items.items()
        }
        with self._naming(step):
            read = self._manager.restore(
                step,
                args=ocp.args.Composite(
                    **{name: ocp.args.StandardRestore(tree) for name, tree in items.items()}
                ),
            )
        fields = dict(read[TRAINING])
        fields["key"] = jax.random.wrap_key_data(fields["key"])
        return TrainState(averaged_params=read[AVERAGED], **fields)

    def restore_averaged(self, step: int, target: Any) -> Any:
        """The averaged parameters saved at `step` as NumPy arrays, whatever devices saved them.

        Args:
          step: one of `steps()`.
          target: a tree of `ShapeDtypeStruct`.

        Raises:
          UserError: the checkpoint is damaged or holds other arrays.
        """
        template = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), target)
        with self._naming(step):
            read = self._manager.restore(
                step, args=ocp.args.Composite(**{AVERAGED: ocp.args.StandardRestore(template)})
            )
        return read[AVERAGED]

    def close(self) -> None:
        """Waits until the last save is on the disk; its errors show here."""
        self._manager.wait_until_finished()
        self._manager.close()

    @contextlib.contextmanager
    def _naming(self, step: int) -> Iterator[None]:
        try:
            yield
        # TensorStore raises no narrower class for damaged files.
        except Exception as error:
            reason = str(error).strip().split("\n")[0][:200]
            raise UserError(
                f"{self.folder / str(step)}: this checkpoint cannot be read ({reason}); "
                "delete its folder to go on from the one before"
            ) from error


def _items(state: TrainState) -> dict[str, Any]:
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    fields["key"] = jax.random.key_data(state.key)
    return {AVERAGED: fields.pop("averaged_params"), TRAINING: fields}


def _with_sharding_of(target: TrainState) -> Any:
    """All arrays of a state are split alike, along the member axis."""
    sharding = target.step.sharding
    return lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
