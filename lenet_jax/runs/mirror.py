"""Whole copies of a run in a second folder, for machines that end without a word.

A runtime of Colab forgets its disk when it ends, and Google Drive, which does not, keeps whatever
part of a file or a folder has reached it by then. So a run writes to the disk of its machine and is
copied from there. A mirror holds folders `STEP/`, each a workdir as it was when the checkpoint of
that step had been saved, and `finished/`, one with the report. Each is copied under another name,
read back, compared with the checksums of what was read, and then renamed; what is found half-copied
later is named and passed over. Any of them can be given to `run_predict.py` as its workdir.
"""

import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from lenet_jax.errors import UserError
from lenet_jax.files import is_remote, make_folder, printable, write_atomically
from lenet_jax.runs import checksums, compilation_cache, copies, foreign, workdir

# How often the workdir is looked at for a new checkpoint.
SECONDS = 1.0
_TEMPORARY = ".copying"
# What is restored whatever stands there; all else in a workdir is somebody's, or the same.
_NUMBERS = (workdir.CONFIG, workdir.METRICS, workdir.NETWORKS, workdir.CALIBRATION)
_NO_FILES = (workdir.CHECKPOINTS, checksums.NAME)


class Mirror:
    """The copies of one run, which is of one process."""

    def __init__(
        self,
        run: str | os.PathLike[str],
        folder: str | os.PathLike[str],
        programs: compilation_cache.Copies | None = None,
    ) -> None:
        """Makes the mirror's folder if it is missing, and finds out what is whole in it.

        Args:
          run: its workdir.
          folder: the mirror.
          programs: copies of those that the run compiles, which go on with it.

        Raises:
          UserError: one of them is no folder of a file system, or cannot be made.
        """
        for path in (run, folder):
            if is_remote(path):
                raise UserError(
                    f"{printable(path)}: a mirror is a folder of this machine, of a run in another "
                    "one; give the --workdir alone"
                )
        self.run, self.folder = Path(run), Path(folder)
        here, there = self.run.resolve(), self.folder.resolve()
        if here.is_relative_to(there) or there.is_relative_to(here):
            raise UserError(
                f"{printable(folder)}: is the workdir itself, or one lies in the other; give "
                "another --mirror"
            )
        make_folder(self.folder)
        for path in self.folder.iterdir():
            of_programs = path.name == compilation_cache.FOLDER and not path.is_dir()
            if of_programs or (copies.has_name(path) and not copies.is_copy(path)):
                raise UserError(
                    f"{printable(path)}: is no copy of a run, but has its name; give a --mirror of "
                    "its own, a new folder for instance"
                )
        self._programs = programs
        # The newest first.
        self._complete: list[str] = []
        for name in copies.names(self.folder):
            damage = checksums.damage(self.folder / name)
            if damage is None:
                self._complete.append(name)
            else:
                _warn(f"{printable(self.folder / name)}: half-copied ({damage}); passed over")
        for left in self.folder.glob(f".*{_TEMPORARY}"):
            _warn(f"{printable(left)}: half-copied; passed over")
        self._passed_over = set(copies.names(self.folder)) - set(self._complete)

    def check_same_run(self, asked: workdir.Record) -> None:
        """Raises UserError if the mirror is of a run with another config, other data or teacher."""
        # Here, for it knows Orbax, and a mirror is looked at before anything heavy is imported.
        from lenet_jax.runs import resume

        for name in self._complete[:1]:
            resume.check_same_run(self.folder / name, asked, "--mirror")

    def restore(self, start: int | None) -> int | None:
        """Brings the workdir to the newest whole copy, if that is newer than what is there.

        Older copies are restored too, for one of them may be the best.

        Args:
          start: the newest whole checkpoint of the workdir, None if there is none.

        Returns:
          The newest whole checkpoint that there is now.

        Raises:
          UserError: the workdir cannot be written.
        """
        restored: set[int] = set()
        for name in self._complete:
            for step in copies.steps(self.folder / name):
                newer = bool(restored) or step > (-1 if start is None else start)
                if newer and step not in restored and self._restore(name, step, not restored):
                    restored.add(step)
        if self._passed_over and not restored and start is None:
            _warn(f"{printable(self.folder)}: holds no whole copy, so the run begins anew")
        return max(restored, default=start)

    def _restore(self, name: str, step: int, with_files: bool) -> bool:
        temporary = self.run / f".{name}{_TEMPORARY}"
        try:
            make_folder(self.run / workdir.CHECKPOINTS)
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.copytree(self.folder / name, temporary)
            damage = checksums.damage(temporary)
            if damage is not None:
                _warn(f"{printable(self.folder / name)}: half-copied ({damage}); passed over")
                return False
            for path in list(temporary.iterdir()) if with_files else ():
                target = self.run / path.name
                if path.name in _NUMBERS:
                    # Through a link, if one stands there.
                    write_atomically(target, path.read_bytes())
                elif path.name not in _NO_FILES and not os.path.lexists(target):
                    path.replace(target)
            # Last: with a checkpoint in it the workdir is one to go on from.
            there = copies.checkpoint(self.run, step)
            if there.exists() and checksums.damage(there) is not None:
                foreign.set_aside(there)
            if not there.exists():
                copies.checkpoint(temporary, step).rename(there)
        except OSError as error:
            raise _refused(self.run, "restored", error) from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return True

    @contextlib.contextmanager
    def copying(self) -> Iterator[None]:
        """Copies each checkpoint beside the body once it is saved.

        What the mirror refuses is told, and tried again with the next checkpoint. Where the body
        is left by an error, a request to stop for one, the last checkpoint is copied too; else this
        is left to whoever writes the report, by `copy`.
        """
        ended = threading.Event()
        copier = threading.Thread(target=self._copy_until, args=(ended,), daemon=True)
        copier.start()
        # Whoever interrupts once more, which is no Exception, does not wait for a slow disk.
        try:
            yield
        except Exception:
            ended.set()
            copier.join()
            try:
                self.copy()
            except UserError as refused:
                _warn(str(refused))
            raise
        finally:
            ended.set()
        copier.join()

    def _copy_until(self, ended: threading.Event) -> None:
        refused: list[int] = []
        while not ended.wait(SECONDS):
            steps = copies.steps(self.run)
            # Not again and again what has just been refused.
            if steps and steps == refused:
                continue
            refused = []
            try:
                if self._programs is not None:
                    self._programs.copy(settled=True)
                self._copy_steps(steps)
            except (OSError, UserError) as error:
                _warn(f"{_refused(self.folder, 'copied to', error)}; the next checkpoint tries")
                refused = steps

    def copy(self) -> None:
        """Copies what is whole in the workdir and not yet in the mirror.

        Raises:
          UserError: the mirror cannot be written.
        """
        steps = copies.steps(self.run)
        try:
            if self._programs is not None:
                self._programs.copy()
            self._copy_steps(steps)
            if steps and workdir.is_finished(self.run):
                named = (path for path in self.run.iterdir() if not path.name.startswith("."))
                beside = [path for path in named if path.name != workdir.CHECKPOINTS]
                self._copy(copies.FINISHED, steps[0], beside)
        except OSError as error:
            raise _refused(self.folder, "copied to", error) from None

    def _copy_steps(self, steps: list[int]) -> None:
        """Copies checkpoints, the newest first; removes copies that the workdir has given up."""
        others = set(copies.names(self.folder)) - set(self._complete) - self._passed_over
        if others:
            raise UserError(
                f"{printable(self.folder)}: another run copies to it, too ({', '.join(others)}); "
                "what is in the workdir is whole; give each a --mirror of its own"
            )
        for step in steps:
            beside = [self.run / name for name in copies.OF_A_STEP if (self.run / name).exists()]
            self._copy(str(step), step, beside)
        given_up = set(copies.names(self.folder)) - {copies.FINISHED, *map(str, steps)}
        for name in given_up if steps and str(steps[0]) in self._complete else ():
            if int(name) < steps[0]:
                self._remove(name)
        for left in self.folder.glob(f".*{_TEMPORARY}"):
            shutil.rmtree(left, ignore_errors=True)

    def _copy(self, name: str, step: int, beside: Iterable[Path]) -> None:
        if name in self._complete:
            return
        temporary = self.folder / f".{name}{_TEMPORARY}"
        shutil.rmtree(temporary, ignore_errors=True)
        source = copies.checkpoint(self.run, step)
        with contextlib.suppress(FileNotFoundError):
            checksums.copy(self.run, [*beside, source], temporary)
        damage = checksums.damage(copies.checkpoint(temporary, step)) or checksums.damage(temporary)
        if damage is not None:
            # If it is no longer whole, the run has given it up meanwhile, and has newer ones.
            if checksums.damage(source) is None:
                raise OSError(0, f"step {step}: {damage}")
            return
        self._remove(name)
        temporary.rename(self.folder / name)
        self._complete.append(name)

    def _remove(self, name: str) -> None:
        copy = self.folder / name
        if checksums.others(copy):
            # What somebody has put or exported there.
            foreign.set_aside(copy, "kept")
        elif copy.exists():
            # Renamed first, for half of it under its own name would look like half a copy.
            gone = self.folder / f".{name}.old{_TEMPORARY}"
            shutil.rmtree(gone, ignore_errors=True)
            copy.rename(gone)
            shutil.rmtree(gone)
        if name in self._complete:
            self._complete.remove(name)


def _refused(folder: Path, done: str, error: OSError | UserError) -> UserError:
    if isinstance(error, UserError):
        return error
    return UserError(
        f"{printable(folder)}: cannot be {done} ({error.strerror or error}); what is in the other "
        "folder is whole; make room, and the same command goes on"
    )


def _warn(line: str) -> None:
    print(f"WARNING: {line}", file=sys.stderr, flush=True)


def begin(
    run: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    cache: str | os.PathLike[str] | None,
) -> Mirror:
    """The mirror of a run, what was compiled for it fetched; before anything is compiled.

    Args:
      run: the run's workdir.
      folder: the mirror, as for `Mirror`.
      cache: folder of compiled programs, None if none are kept.
    """
    programs = compilation_cache.Copies(cache, folder)
    programs.fetch()
    return Mirror(run, folder, programs)
