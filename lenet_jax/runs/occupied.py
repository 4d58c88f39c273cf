"""Whether a folder may become a workdir: nothing in it that no run has written is replaced."""

import os
from pathlib import Path

from lenet_jax.errors import UserError
from lenet_jax.files import is_remote, printable, to_path
from lenet_jax.runs import checksums, signs, workdir

# What a run writes there; the lock, which it leaves as it is, is not among them.
_NAMES = (
    workdir.CONFIG,
    workdir.CHECKPOINTS,
    workdir.METRICS,
    workdir.NETWORKS,
    workdir.CALIBRATION,
    workdir.REPORT,
    workdir.CARD,
)


def files(folder: str | os.PathLike[str]) -> list[Path]:
    """The files and folders that a run writes, no place for anything else."""
    return [to_path(folder) / name for name in (*_NAMES, workdir.LOCK)]


def owner(path: str | os.PathLike[str]) -> Path | None:
    """The run, or the copy of one in a mirror, that would keep a file as its own; None if none.

    Args:
      path: of this machine; links are followed.
    """
    there = Path(os.path.realpath(path))
    for folder in there.parents:
        # A run that has saved nothing yet has its lock, and a copy none.
        begun = (folder / workdir.CHECKPOINTS).is_dir() or (folder / workdir.LOCK).is_file()
        if begun and (folder / workdir.CONFIG).is_file():
            first = folder / there.relative_to(folder).parts[0]
            # All of a mirror's `STEP/` goes when it makes room for a newer one.
            copy = folder.name.isdecimal() and (folder / checksums.NAME).is_file()
            # The names of a file system that ignores case are the same.
            if copy or first.name.lower() in (path.name.lower() for path in files(folder)):
                return folder
    return None


def check_place(
    path: str | os.PathLike[str], flag: str = "", *, another: str = "another name"
) -> None:
    """Refuses a file or folder among the own ones of a run, which go when they make room.

    Args:
      path: of a file that is to be written, or of a workdir.
      flag: that names it, for the message.
      another: what to give in its place.

    Raises:
      UserError: it would lie there.
    """
    run = None if is_remote(path) else owner(path)
    if run is not None:
        raise UserError(
            f"{flag and f'{flag}: '}{printable(path)}: is where the run in {printable(run)} keeps "
            f"its own files; give {another}"
        )


def check_free(folder: str | os.PathLike[str]) -> None:
    """Refuses a workdir in which a run would replace what no run has written.

    Beside the `config.json` of a run only what is not as a run writes it is refused. Files of other
    names are in nobody's way.

    Args:
      folder: that is to be the workdir; it need not be there.

    Raises:
      UserError: it holds such files, which are named, or a `config.json` of something else.
    """
    there = to_path(folder)
    names: tuple[str, ...] = _NAMES
    if (record := workdir.read(folder)) is not None:
        names = (workdir.CARD,)
        # What is none is named, as when it is predicted with.
        workdir.read_temperature(folder)
        workdir.read_metrics(folder)
        if record.config.num_models > 1:
            workdir.read_networks(folder, tuple(record.config.trials[0]))
    taken = [name for name in names if _is_taken(there / name)]
    if taken:
        raise UserError(
            f"{printable(folder)}: holds {', '.join(taken)}, which no run has written; give "
            "another --workdir, or --overwrite to replace what is there"
        )


def _is_taken(path: Path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    # A link that leads nowhere yet is somebody's, too.
    there = path.exists() or (not is_remote(path) and path.is_symlink())
    return there and not (path.name == workdir.CARD and signs.is_card(path))
