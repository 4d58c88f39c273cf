"""Stopping on request: SIGINT (Ctrl-C, a notebook) and SIGTERM (Slurm, a cloud's preemption).

Windows never sends SIGTERM; there SIGBREAK (Ctrl-Break, a closed window) takes its place.

While there is nothing to save, a signal ends the program at once, like any Ctrl-C. Inside `asked()`
the first signal is only noted, for the loop to see at its next look; the second stops at once.

At once means by an exception, which libraries may swallow, or raise another for: JAX has an
`except:` for anything where it compiles. So a signal is noted then, too, and `asked()` ends what it
should have ended.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

from lenet_jax.environment import startup

# EX_TEMPFAIL of sysexits.h: the same command goes on.
STOPPED = 75
# EX_PROTOCOL: a run of several processes has lost one, and the same commands go on.
LOST = 76
TERMINATION = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGBREAK") if hasattr(signal, name)
)
SIGNALS = (signal.SIGINT, *TERMINATION)


class Stopped(Exception):
    """A run was stopped on request after its state was saved; the text says where."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, where there was nothing to save."""


class Request:
    """Whether somebody has asked to stop."""

    def __init__(self) -> None:
        """Nobody has."""
        self.came = False


# Signals that have ended the program, or should have.
_ended_by: list[int] = []


def listen() -> None:
    """Lets SIGTERM end the program as Ctrl-C does, so that temporary files are removed.

    Nothing changes where somebody sits at a prompt, and what the process was started to ignore, in
    the background of a script for instance, it goes on to ignore.
    """
    startup.ready()
    if startup.is_interactive():
        return
    for number in _heeded(SIGNALS):
        signal.signal(number, _end)


def _heeded(numbers: Sequence[signal.Signals]) -> list[signal.Signals]:
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


@contextlib.contextmanager
def asked() -> Iterator[Request]:
    """Notes the first signal inside the body; a second one raises KeyboardInterrupt.

    Outside the main thread, where Python allows no handlers, signals do what they did before.

    Raises:
      KeyboardInterrupt: a signal should have ended the program before; Terminated is one.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, frame: FrameType | None) -> None:
        if request.came:
            raise _exception(number)
        request.came = True

    before = {number: signal.signal(number, note) for number in _heeded(SIGNALS)}
    try:
        if (ended := ended_by()) is not None:
            raise ended
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ended_by() -> KeyboardInterrupt | None:
    """What a signal has raised to end the program, whatever has become of it since."""
    return _exception(_ended_by[0]) if _ended_by else None


def _end(number: int, frame: FrameType | None) -> None:
    _ended_by.append(number)
    raise _exception(number)


def _exception(number: int) -> KeyboardInterrupt:
    return Terminated() if number in TERMINATION else KeyboardInterrupt()
