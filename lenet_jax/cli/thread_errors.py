"""Errors of Orbax's threads, which the thread that waits for a save raises, too.

Hooks are of a whole process, so it is for a program to set them; a notebook keeps its own.
"""

import sys
import threading
import traceback
from typing import Any


def tell_once() -> None:
    """Keeps errors from standard error that `Checkpoints.wait` raises, for good."""
    others, told = threading.excepthook, sys.unraisablehook

    def thread_failed(failed: Any) -> None:
        frames = traceback.walk_tb(failed.exc_traceback)
        modules = {str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in frames}
        if "orbax" not in modules:
            others(failed)

    def callback_failed(failed: Any) -> None:
        # Orbax closes its event loop at the first write that fails, and each of the others calls it
        # back from a thread of TensorStore, where no one can catch the error.
        if failed.object is not None or str(failed.exc_value) != "Event loop is closed":
            told(failed)

    threading.excepthook, sys.unraisablehook = thread_failed, callback_failed
