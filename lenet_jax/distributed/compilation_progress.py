"""What is being compiled, and for how long already, while people wait for it; what is kept."""

import concurrent.futures
import functools
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from lenet_jax.distributed import multihost

# A compilation that takes less is not worth a line.
FIRST_SECONDS = 10.0

T = TypeVar("T")


def wait(**programs: Future[Any]) -> None:
    """Waits until programs are compiled, or one of them could not be, and tells of it meanwhile.

    The lines go to standard error, as the progress of training does, with a terminal and without,
    on process 0 alone: after 10 seconds, after 20, then whenever it has been half as long again,
    so that a compilation of a quarter of an hour takes ten. Nothing runs beside the wait, so that
    an interrupt ends both.

    Args:
      **programs: futures of compiled programs, by the names that are told.
    """
    begun, last = time.monotonic(), 0.0
    while True:
        due = last + max(FIRST_SECONDS, last / 2)
        done, pending = concurrent.futures.wait(
            programs.values(),
            max(0.0, begun + due - time.monotonic()),
            concurrent.futures.FIRST_EXCEPTION,
        )
        elapsed = time.monotonic() - begun
        if any(future.exception() for future in done):
            return
        if not pending:
            break
        if elapsed >= due:
            names = ", ".join(name for name, future in programs.items() if future in pending)
            _tell(f"Compiling {names}: {elapsed:,.0f} s so far")
            last = elapsed
    if last:
        _tell(f"Compiled in {elapsed:,.0f} s")


def compiled(name: str, compile_: Callable[[], Any]) -> Any:
    """What a function compiles, waited for like `wait` does.

    An interrupt ends the wait; the compiler, which nothing can interrupt, is left to itself.

    Args:
      name: that is told.
      compile_: is called in a thread, so what it needs of JAX's contexts must be done before.
    """
    pool = ThreadPoolExecutor(1)
    try:
        program = pool.submit(compile_)
        wait(**{name: program})
        return program.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


# What a process calls: the programs of one training, and the one that predicts.
@functools.lru_cache(maxsize=2)
def once(compile_: Callable[..., T], *what: Any) -> T:
    """What a function compiles, the last ones kept for whoever asks for the same again.

    So whoever knows early what will be asked for can have it compiled early.

    Args:
      compile_: of `what`.
      *what: hashable, all that decides what is compiled.
    """
    return compile_(*what)


def _tell(line: str) -> None:
    if multihost.first():
        print(line, file=sys.stderr, flush=True)
