"""What lies among a run's files and is none of them: nothing of it is deleted."""

import itertools
import sys
from typing import Any

from lenet_jax.errors import UserError
from lenet_jax.files import is_remote, printable
from lenet_jax.runs import checksums

# Of a checkpoint, one that is cut short included.
_SIGNS = {checksums.NAME, "_CHECKPOINT_METADATA", "averaged_params", "training", "metrics"}


def check_names(checkpoints: Any) -> None:
    """Refuses what has the name of a checkpoint and is none: room would be made of it.

    Args:
      checkpoints: the folder of a run's checkpoints, as `files.to_path` gives it.

    Raises:
      UserError: there is one, or one that cannot be looked into.
    """
    for path in (path for path in checkpoints.iterdir() if path.name.isdecimal()):
        try:
            there = {entry.name for entry in path.iterdir()} if path.is_dir() else {path.name}
        except OSError as error:
            raise UserError(f"{printable(path)}: cannot be read ({error.strerror})") from None
        if there and not there & _SIGNS:
            raise UserError(
                f"{printable(path)}: is no checkpoint, but has the name of one; move it away"
            )


def set_aside_after(checkpoints: Any, step: int) -> None:
    """Renames the checkpoints above a step, which are damaged, so that they are made anew."""
    for path in list(checkpoints.iterdir()):
        if path.name.isdecimal() and int(path.name) > step:
            set_aside(path)


def set_aside(path: Any, why: str = "damaged") -> None:
    """Renames a file or folder, with whatever somebody may have put there, and says so.

    Args:
      path: a damaged checkpoint, or what would be replaced.
      why: the ending that it gets.
    """
    if is_remote(path):
        # Where nothing can be renamed.
        path.rmtree()
        return
    names = (f"{path.name}.{why}{number or ''}" for number in itertools.count())
    target = next(there for name in names if not (there := path.with_name(name)).exists())
    path.rename(target)
    print(f"WARNING: {printable(path)}: kept as {printable(target.name)}", file=sys.stderr)
