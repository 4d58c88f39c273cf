"""Errors that come where nothing can catch them: in threads, and in callbacks of Python itself.

Hooks are of a whole process, so it is for a program to set them; a notebook keeps its own.
"""

import signal
import sys
import threading
import traceback
from typing import Any

from lenet_jax.training import preemption

# Seconds in which a callback has returned.
_MOMENT = 0.02


def tell_once() -> None:
    """Keeps errors from standard error that `Checkpoints.wait` raises, and loses no Ctrl-C."""
    others, told = threading.excepthook, sys.unraisablehook

    def thread_failed(failed: Any) -> None:
        frames = traceback.walk_tb(failed.exc_traceback)
        modules = {str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in frames}
        if "orbax" not in modules:
            others(failed)

    def callback_failed(failed: Any) -> None:
        if isinstance(failed.exc_value, KeyboardInterrupt):
            # JAX has one called when memory is tidied up, and Python drops what is raised there.
            terminated = isinstance(failed.exc_value, preemption.Terminated)
            number = signal.SIGTERM if terminated else signal.SIGINT
            threading.Timer(_MOMENT, _send, [number]).start()
            return
        # Orbax closes its event loop at the first write that fails, and each of the others calls it
        # back from a thread of TensorStore, where no one can catch the error.
        if failed.object is not None or str(failed.exc_value) != "Event loop is closed":
            told(failed)

    threading.excepthook, sys.unraisablehook = thread_failed, callback_failed


def _send(number: signal.Signals) -> None:
    """A signal once more, to the thread that handles it, which may wait for something."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)
    else:
        signal.raise_signal(number)
