"""What a mirror's folder holds: the copies of a run, by their names."""

import os
from pathlib import Path

from lenet_jax.runs import checksums, workdir

# The copy with the report; all others are called by the step of their checkpoint.
FINISHED = "finished"
# Beside the checkpoint, all that the rest of a run depends on.
OF_A_STEP = (workdir.CONFIG, workdir.METRICS)


def folders(mirror: str | os.PathLike[str] | None) -> list[Path]:
    """The copies in a mirror and the place for that of the finished run; none without a mirror."""
    if mirror is None or not Path(mirror).is_dir():
        return []
    return [Path(mirror) / name for name in {FINISHED, *names(Path(mirror))}]


def names(mirror: Path) -> list[str]:
    """Of the copies in a mirror, the newest first."""
    there = [path.name for path in mirror.iterdir() if path.is_dir()]
    numbers = sorted((name for name in there if name.isdecimal()), key=int, reverse=True)
    return [FINISHED, *numbers] if FINISHED in there else numbers


def has_name(path: Path) -> bool:
    """Whether it is called like a copy."""
    return path.name == FINISHED or path.name.isdecimal()


def is_copy(path: Path) -> bool:
    """Whether it is a copy, even one that is cut short."""
    if not path.is_dir():
        return False
    there = {entry.name for entry in path.iterdir()}
    signs = {checksums.NAME, workdir.CHECKPOINTS, *OF_A_STEP}
    return not there or bool(there & signs)


def checkpoint(folder: Path, step: int) -> Path:
    """The checkpoint of a step, in a workdir or in a copy of one."""
    return folder / workdir.CHECKPOINTS / str(step)


def steps(folder: Path) -> list[int]:
    """Of the checkpoints in a workdir or in a copy of one, the newest first."""
    there = (path.name for path in (folder / workdir.CHECKPOINTS).glob("*"))
    return sorted((int(name) for name in there if name.isdecimal()), reverse=True)
