"""Save, restore, latest, best; the only file that knows Orbax.

A checkpoint has two items: the averaged parameters, which is all that prediction reads, and the
rest of the training state. Keys are stored as their 32-bit words. Orbax writes it in a temporary
folder and renames that; checksums of the files are part of what is renamed, for neither Orbax nor
TensorStore would notice a changed byte of an array.
"""

import contextlib
import dataclasses
import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy as keep

from lenet_jax.distributed import mesh
from lenet_jax.errors import UserError
from lenet_jax.files import is_remote, make_folder, printable, to_path
from lenet_jax.runs import checksums, failed_saves, plain_path, trees

AVERAGED = "averaged_params"
TRAINING = "training"
METRIC = "holdout_accuracy"

# How TensorStore begins or explains what the system has refused.
_REFUSED = re.compile("Error writing|RESOURCE_EXHAUSTED|PERMISSION_DENIED")
_NO_ROOM = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
# What Orbax still writes after its callback.
_LATE = ("_CHECKPOINT_METADATA", "commit_success.txt")


class State(Protocol):
    """What is saved: a frozen dataclass of arrays, `averaged_params` among them."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def step(self) -> jax.Array:
        """int32, steps done."""

    @property
    def key(self) -> jax.Array:
        """Root of all randomness."""


S = TypeVar("S", bound=State)


class _Manager(ocp.CheckpointManager):
    """Orbax's, which would not open a folder because of one checkpoint with damaged metrics."""

    def metrics(self, step: int) -> Any:
        """Of a checkpoint; none where they are damaged, of which its checksums tell."""
        try:
            found = super().metrics(step)
            float(found.get(METRIC, 0.0))
        except (AttributeError, OSError, RecursionError, TypeError, ValueError):
            return None
        return found


class Checkpoints:
    """The checkpoints of one run: the newest two and the best one are kept."""

    def __init__(self, folder: str | os.PathLike[str], *, read_only: bool = False) -> None:
        """Opens a folder; unless `read_only`, it is made if it is missing."""
        # Orbax takes a relative path and fails on it later, in a thread.
        self.folder = to_path(folder) if is_remote(folder) else Path(folder).absolute()
        self._saving: int | None = None

        def metric(metrics: dict[str, float]) -> float:
            return metrics.get(METRIC, 0.0)

        # `max_to_keep` with `best_fn` would evict the newest checkpoint (orbax#526).
        preserved = [keep.LatestN(2), keep.BestN(get_metric_fn=metric, n=1)]
        options = ocp.CheckpointManagerOptions(
            best_fn=metric,
            best_mode="max",
            create=not read_only,
            read_only=read_only,
            # What a killed run has left half-written.
            cleanup_tmp_directories=not read_only,
            preservation_policy=keep.AnyPreservationPolicy(preserved),
            # Called when all files are there, before the rename.
            async_options=ocp.options.AsyncOptions(post_finalization_callback=self._sum),
        )
        with contextlib.ExitStack() as opened, self._writing("opened"):
            # What Orbax is told.
            self._plain = self.folder
            if not is_remote(folder):
                if not read_only:
                    make_folder(self.folder)
                self._plain = opened.enter_context(plain_path.of(self.folder))
            self._manager = _Manager(self._plain, options=options)
            self._opened = opened.pop_all()

    def steps(self) -> list[int]:
        """Steps of the whole checkpoints, ascending."""
        return sorted(self._manager.all_steps())

    def latest(self) -> int | None:
        """The newest step, None if there is none."""
        return max(self.steps(), default=None)

    def best(self) -> int | None:
        """The step with the highest hold-out accuracy, the newest if nothing was held out."""
        return next(iter(self._by_accuracy()), None)

    def choose(self, which: str) -> int | None:
        """The `latest` or the `best` step whose files are whole, None if there is no checkpoint.

        A damaged one is named on standard error, and the next one is taken.

        Raises:
          UserError: all are damaged.
        """
        damaged: list[str] = []
        for step in self._by_accuracy() if which == "best" else reversed(self.steps()):
            damage = checksums.damage(self.folder / str(step))
            if damage is None:
                for line in damaged if jax.process_index() == 0 else ():
                    print(f"WARNING: {line}; taking step {step} in its place", file=sys.stderr)
                return step
            damaged.append(f"{printable(self.folder / str(step))}: damaged checkpoint ({damage})")
        if damaged:
            raise UserError(f"{'; '.join(damaged)}; give another --workdir to start anew")
        return None

    def _by_accuracy(self) -> list[int]:
        """All steps, from high to low hold-out accuracy, then from new to old."""

        def rank(step: int) -> tuple[float, int]:
            return float((self._manager.metrics(step) or {}).get(METRIC, -1.0)), step

        return sorted(self.steps(), key=rank, reverse=True)

    def save(self, step: int, state: State, holdout_accuracy: float | None) -> None:
        """Saves in the background; the state may be donated as soon as this returns."""
        items = _items(state)
        self.wait()
        self._saving = step
        with self._writing("saved"):
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    **{name: ocp.args.StandardSave(tree) for name, tree in items.items()}
                ),
                metrics=None if holdout_accuracy is None else {METRIC: float(holdout_accuracy)},
            )

    def restore(self, step: int, target: S) -> S:
        """The state saved at `step`.

        Args:
          step: one of `steps()`.
          target: a tree of `ShapeDtypeStruct` whose shardings say where the arrays go.

        Raises:
          UserError: the checkpoint is damaged or holds other arrays.
        """
        # All arrays of a state are split alike, along the member axis.
        items = mesh.abstract(jax.eval_shape(_items, target), target.step.sharding)
        with self._naming(step):
            for name, tree in items.items():
                self._check_arrays(step, name, tree)
            read = self._read(step, items)
        fields = dict(read[TRAINING])
        fields["key"] = jax.random.wrap_key_data(fields["key"])
        return dataclasses.replace(target, averaged_params=read[AVERAGED], **fields)

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
            self._check_arrays(step, AVERAGED, template)
            return self._read(step, {AVERAGED: template})[AVERAGED]

    def _read(self, step: int, items: dict[str, Any]) -> dict[str, Any]:
        """Items of a checkpoint, each where its tree says."""
        wanted = {name: ocp.args.StandardRestore(tree) for name, tree in items.items()}
        read = self._manager.restore(step, args=ocp.args.Composite(**wanted))
        return {name: read[name] for name in items}

    def prove(self, step: int, state: State) -> None:
        """Waits for the save of a state at `step`, and reads it back bit for bit on the host.

        Of several processes, which have but some of the arrays each, the first one looks at the
        checksums, and all at what Orbax says of the arrays.

        Raises:
          UserError: it could not be written, or what is there is not what was saved.
        """
        self.wait()
        items = _items(state)
        try:
            if jax.process_index() == 0 and (damage := checksums.damage(self.folder / str(step))):
                raise ValueError(damage)
            for name, tree in items.items():
                self._check_arrays(step, name, tree)
            if jax.process_count() == 1:
                saved = jax.tree.map(np.asarray, items)
                trees.check_same(saved, self._read(step, saved))
        # Neither Orbax nor TensorStore raise anything narrower.
        except Exception as error:
            raise UserError(
                f"{printable(self.folder / str(step))}: what was saved there cannot be read back "
                f"({_brief(error)}); give a --workdir on another disk, or in a folder of another "
                "name"
            ) from error

    def wait(self) -> None:
        """Waits until the last save is on the disk.

        Raises:
          UserError: it could not be written; nothing is left of it.
        """
        with self._writing("saved"):
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits like `wait`, and closes."""
        try:
            self.wait()
        finally:
            self._manager.close()
            self._opened.close()

    def _sum(self) -> None:
        """Writes the checksums of the checkpoint that is about to be renamed."""
        if jax.process_index() == 0:
            # On gs://, where nothing can be renamed, Orbax writes in the last place and marks it.
            temporary = next(
                iter(self.folder.glob(f"{self._saving}.orbax-checkpoint-tmp*")),
                self.folder / str(self._saving),
            )
            checksums.write(temporary, leave_out=_LATE)

    @contextlib.contextmanager
    def _writing(self, done: str) -> Iterator[None]:
        """Turns what a disk refuses into one line, and leaves nothing half-written."""
        try:
            yield
        except (OSError, ValueError) as error:
            # TensorStore raises ValueError with the system's reason in the text.
            if isinstance(error, ValueError) and not _REFUSED.search(str(error)):
                raise
            failed_saves.remove_half_written(self.folder)
            reason = getattr(error, "strerror", None) or str(error).strip().rpartition(": ")[2]
            reason = reason.partition(" [")[0]
            remedy = "make room" if reason in _NO_ROOM else "mend that"
            raise UserError(
                f"{printable(self.folder)}: checkpoint cannot be {done} ({reason}); {remedy}, and "
                "the same command goes on from the checkpoint before"
            ) from error

    def _check_arrays(self, step: int, item: str, target: Any) -> None:
        """Raises ValueError if an item of a checkpoint holds other arrays than a tree.

        Orbax reads NumPy arrays of any shape without a word, and tells of others with tracebacks.
        """
        described = ocp.StandardCheckpointer().metadata(self._plain / str(step) / item)
        trees.check_alike(described.item_metadata.tree, target)

    @contextlib.contextmanager
    def _naming(self, step: int) -> Iterator[None]:
        try:
            yield
        # Neither Orbax nor TensorStore raise anything narrower.
        except Exception as error:
            raise UserError(
                f"{printable(self.folder / str(step))}: this checkpoint cannot be read "
                f"({_brief(error)}); it "
                "is damaged or of another version of the project; give another --workdir"
            ) from error


def _brief(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]


def _items(state: State) -> dict[str, Any]:
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    fields["key"] = jax.random.key_data(state.key)
    return {AVERAGED: fields.pop("averaged_params"), TRAINING: fields}
