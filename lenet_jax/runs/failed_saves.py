"""What Orbax and TensorStore still say and write after a save has failed."""

import shutil
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any


class Failures:
    """Keeps quiet in other threads about the failed saves that their caller is told of.

    Attributes:
      came: whether one has failed.
    """

    def __init__(self) -> None:
        """Does nothing yet."""
        self.came = False
        self._hooks: tuple[Any, Any] | None = None

    def listen(self) -> None:
        """Puts itself before Python's hooks, until `leave`."""
        self._hooks = threading.excepthook, sys.unraisablehook
        threading.excepthook, sys.unraisablehook = self._thread_failed, self._callback_failed

    def leave(self) -> None:
        """Gives the hooks back."""
        if self._hooks is not None:
            threading.excepthook = self._hooks[0]
            # TensorStore's threads may still have something to tell of a save that failed.
            if not self.came:
                sys.unraisablehook = self._hooks[1]

    def _thread_failed(self, failed: Any) -> None:
        """Keeps a traceback to itself whose error the manager is about to raise."""
        frames = traceback.walk_tb(failed.exc_traceback)
        modules = {str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in frames}
        if "orbax" not in modules and self._hooks is not None:
            self._hooks[0](failed)

    def _callback_failed(self, failed: Any) -> None:
        """Keeps to itself that a write has ended after Orbax has given up waiting.

        Orbax closes its event loop at the first write that fails, and each of the others calls it
        back from a thread of TensorStore, where no one can catch the error.
        """
        known = failed.object is None and str(failed.exc_value) == "Event loop is closed"
        if not known and self._hooks is not None:
            self._hooks[1](failed)


def remove_half_written(folder: Path) -> None:
    """Removes what a failed save has left, while TensorStore may still be writing it."""
    still = 0
    for _ in range(50):
        left = list(folder.glob("*.orbax-checkpoint-tmp*"))
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        still = 0 if left else still + 1
        if still == 3:
            break
        time.sleep(0.02)
