"""Waiting for the processes of a run, in words, for as long as is wished and no longer."""

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import jax

from lenet_jax.errors import UserError

# Seconds until the first line about who is missing, and between the next ones.
FIRST, PAUSE = 10.0, 30.0
# Seconds that JAX itself would wait. Its own end is a page about a crash, so ours comes first.
_NEVER = 365 * 24 * 3600
# State 01 of a socket in /proc/net/tcp.
_ESTABLISHED = "01"
# Variables that speak of several processes, of Slurm, Open MPI, other MPIs, TPU pods.
_COUNTS = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MEGASCALE_NUM_SLICES")
_ADDRESSES = ("TPU_PROCESS_ADDRESSES", "TPU_WORKER_HOSTNAMES")
ALONE = "--num_processes=1 for one alone"


class Joining:
    """The one attempt of a process to join the others."""

    def __init__(self, timeout: float, **arguments: Any) -> None:
        """Begins; nothing can interrupt what JAX does here, so a thread of its own does it.

        Args:
          timeout: seconds to wait for all.
          **arguments: of `jax.distributed.initialize`.
        """
        self.begun, self.timeout = time.monotonic(), timeout
        self._joined: Future[None] = Future()
        threading.Thread(target=self._run, kwargs=arguments, daemon=True).start()

    def _run(self, **arguments: Any) -> None:
        try:
            jax.distributed.initialize(**arguments, initialization_timeout=_NEVER)
        except BaseException as error:
            self._joined.set_exception(error)
        else:
            self._joined.set_result(None)

    def wait(self, tell: Callable[[str], None]) -> None:
        """Waits until all have come.

        Args:
          tell: is given a line about who is missing, after `FIRST` seconds and every `PAUSE` again.

        Raises:
          UserError: some have not come in time.
          ValueError, RuntimeError: of JAX, which cannot join them.
        """
        due = FIRST
        while True:
            elapsed = time.monotonic() - self.begun
            try:
                return self._joined.result(max(0.0, min(due, self.timeout) - elapsed))
            except TimeoutError:
                if self._joined.done():
                    raise
            elapsed = time.monotonic() - self.begun
            if elapsed >= self.timeout:
                raise UserError(
                    f"{missing()} after {elapsed:,.0f} s; start all of them within "
                    f"--initialization_timeout={self.timeout:g} seconds, or {ALONE}"
                )
            if elapsed >= due:
                tell(f"{missing()}: {elapsed:,.0f} s so far ({ALONE})")
                due = elapsed + PAUSE


def missing() -> str:
    """For whom this process waits, as far as it can know."""
    try:
        # Where JAX notes what it has found before it connects; no function of its gives it.
        state = jax._src.distributed.global_state
        address, number, of = state.coordinator_address, state.process_id, state.num_processes
    except AttributeError:
        address = None
    if address is None:
        return "This process waits for the others of its run"
    own = f"Process {number} of {of} waits"
    host, _, port = address.rpartition(":")
    if number:
        if not _answers(host.strip("[]"), int(port)):
            return f"{own} for process 0, which does not answer at {address}"
        return f"{own} for others; process 0 at {address} answers"
    come = connected(int(port))
    told = "" if come is None else f", {min(come, of)} of {of} are here"
    return f"{own} for the others at {address}{told}"


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def connected(port: int, tables: str | os.PathLike[str] = "/proc/net") -> int | None:
    """How many connections a port of this machine has, one of each process; None if unknown.

    Args:
      port: that process 0 listens at.
      tables: folder of `tcp` and `tcp6` as Linux has them; no other system has.
    """
    count, known = 0, False
    for name in ("tcp", "tcp6"):
        try:
            lines = (Path(tables) / name).read_text().splitlines()[1:]
        except OSError:
            continue
        known = True
        for line in lines:
            _, local, _, state, *_ = line.split()
            count += state == _ESTABLISHED and int(local.rpartition(":")[2], 16) == port
    return count if known else None


def warning_of_one_alone(environment: Mapping[str, str]) -> str | None:
    """A line where the variables of a job speak of several processes, and this one runs alone."""
    for name in _COUNTS:
        count = environment.get(name, "")
        if count.isdecimal() and int(count) > 1:
            return _alone(f"{name}={count}")
    for name in _ADDRESSES:
        if "," in environment.get(name, ""):
            return _alone(f"{name}={environment[name]}")
    return None


def _alone(sign: str) -> str:
    return (
        f"WARNING: {sign} speaks of several processes, but this one runs alone; start all with "
        "srun or mpirun, or give --coordinator, --num_processes and --process_id to each; "
        f"{ALONE} if this is meant"
    )
