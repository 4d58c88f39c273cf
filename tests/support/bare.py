"""Runs a program as if on a system that has less than this one, Windows above all.

python tests/support/bare.py run_train.py --workdir=runs/first

The packages that the product uses find their own ways, so what they import first they may keep.
"""

import asyncio
import importlib
import os
import runpy
import signal
import sys
from pathlib import Path

import tqdm

ABSENT = {
    os: (
        "fork", "forkpty", "geteuid", "getuid", "kill", "killpg", "mkfifo", "nice",
        "register_at_fork", "sched_getaffinity", "setsid", "statvfs", "uname",
    ),
    signal: (
        "SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGTERM", "SIGUSR1", "alarm",
        "pthread_kill", "pthread_sigmask", "setitimer", "sigwait",
    ),
}  # fmt: skip
MODULES = ("fcntl", "grp", "pwd", "resource", "termios")
PACKAGES = (
    "flax.linen",
    "jax",
    "matplotlib.figure",
    "mlxtend.data",
    "orbax.checkpoint",
)


class Msvcrt:
    """Windows' locks of a file, made of what this system has."""

    LK_NBLCK = 2

    def __init__(self):
        """Keeps what is taken away."""
        self._fcntl = importlib.import_module("fcntl")

    def locking(self, descriptor, mode, size):
        """Locks some bytes; PermissionError as on Windows where another process has them."""
        assert mode == self.LK_NBLCK
        try:
            self._fcntl.lockf(descriptor, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB, size)
        except BlockingIOError as error:
            raise PermissionError(13, "Permission denied") from error


def take_away():
    """Takes the names away from what is imported later."""
    sys.modules["msvcrt"] = Msvcrt()
    # The standard library asks for it by this name.
    os.process_cpu_count = os.cpu_count
    # The event loops of this system belong to the packages, and so do locks between processes.
    asyncio.new_event_loop().close()
    tqdm.tqdm.get_lock()
    for package in PACKAGES:
        importlib.import_module(package)
    for module, names in ABSENT.items():
        for name in names:
            delattr(module, name)
    for name in MODULES:
        sys.modules[name] = None


if __name__ == "__main__":
    take_away()
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
