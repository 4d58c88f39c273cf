"""What a program does before it imports anything else: streams, and Ctrl-C during imports.

Nothing but the standard library may be imported here, and little of it, for all that comes first
takes time that nothing guards.
"""

import builtins
import functools
import io
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import TextIO


@functools.cache
def begin() -> None:
    """Prepares a process that belongs to a program; one of somebody at a prompt stays as it is.

    From here to `ready`, Ctrl-C ends it at once. The second call does nothing.
    """
    if is_interactive():
        return
    # An ignored signal stays ignored: a shell asks for that of what runs in its background.
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)
    _open_closed_streams()
    # On Windows a console is no file.
    if os.name != "nt":
        sys.stdout, sys.stderr = _quiet(sys.stdout), _quiet(sys.stderr)


def ready() -> None:
    """Lets Ctrl-C raise KeyboardInterrupt again, for there is something to tidy up now."""
    if signal.getsignal(signal.SIGINT) is _end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    # Raised in an import it would be a page of traceback, and its locks would be left taken.
    os.write(2, b"interrupted\n")
    os._exit(128 + number)


def is_interactive() -> bool:
    """Whether somebody sits at a prompt of this process: IPython, a notebook, `python -i`."""
    return hasattr(builtins, "get_ipython") or hasattr(sys, "ps1") or bool(sys.flags.interactive)


def _open_closed_streams() -> None:
    """Opens the null device in place of streams that the process was started without.

    The next file that is opened would have the number of such a stream, and what libraries write
    there would go into it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


class _Quiet(io.FileIO):
    """A file that takes what it cannot write, but for a pipe that nobody reads any more.

    A full disk or a terminal that has gone is no reason to lose the work that is told of.

    Attributes:
      refused: why it could not be written, if it could not.
    """

    refused: OSError | None = None

    def write(self, data: bytes) -> int:  # type: ignore[override]
        try:
            # One that does not block says None while it is full.
            while (written := super().write(data)) is None:
                time.sleep(0.01)
        except BrokenPipeError:
            raise
        except OSError as error:
            self.refused = error
            return len(data)
        return written


def check_told() -> None:
    """Raises OSError if some of standard output could not be written; call it after what counts."""
    sys.stdout.flush()
    raw = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    if isinstance(raw, _Quiet) and raw.refused is not None:
        raise raw.refused


def _quiet(stream: TextIO) -> TextIO:
    """The same stream as a `_Quiet` file."""
    stream.flush()
    raw = _Quiet(stream.fileno(), "w", closefd=False)
    unbuffered = bool(getattr(stream, "write_through", False))
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),  # type: ignore[type-var]
        encoding=stream.encoding,
        errors=stream.errors,
        # In a pipe too, where lines of the two streams would else come in another order.
        line_buffering=True,
        write_through=unbuffered,
    )
