"""Several processes of one run: joining them, agreeing, and ending when one of them is lost.

JAX (`jax.distributed`) finds the processes and XLA moves the data between their devices; here is
only what the host loop must know of it. With one process nothing in this room does anything.
"""

import ctypes
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any, NoReturn, TextIO

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Sharding

from lenet_jax import stopping
from lenet_jax.errors import UserError

# Seconds without a sign of life after which a process counts as lost; JAX's own default is 100.
HEARTBEAT = 30
_LOST = (
    "another process of this run was lost or has ended; start all of them again with the same "
    "commands, and the run goes on from its last checkpoint"
)
# What JAX's runtime writes before it aborts a process whose job has lost another one.
_FATAL = b"JAX distributed service detected fatal errors"


def join(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    heartbeat_timeout: int = HEARTBEAT,
) -> None:
    """Joins the processes of a run; call it before JAX starts its backends.

    Where nothing is given and the environment is no cluster, and in the second call of a process,
    nothing happens. What is left out is found by JAX (Slurm, Open MPI, Kubernetes, TPU pods).

    Args:
      coordinator: HOST:PORT of process 0, reachable from all.
      num_processes: how many there are; 1 with nothing else looks for no cluster.
      process_id: of this one, from 0.
      heartbeat_timeout: seconds after which a silent process counts as lost.

    Raises:
      UserError: values that cannot be, or a cluster that JAX cannot join.
    """
    given = coordinator is not None or process_id is not None or (num_processes or 1) > 1
    if jax.distributed.is_initialized():
        return
    if not given and (num_processes == 1 or not in_cluster(os.environ)):
        return
    if coordinator is not None and not coordinator.rpartition(":")[2].isdecimal():
        raise UserError(f"--coordinator={coordinator}: give HOST:PORT of process 0")
    if num_processes is not None and process_id is not None and process_id >= num_processes:
        raise UserError(f"--process_id={process_id}: must be below --num_processes={num_processes}")
    _end_in_one_line()
    try:
        # XLA:CPU's collectives between processes; the default of some versions is none.
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        if hasattr(jax.config, "jax_enable_preemption_service"):
            # It would take SIGTERM away from `stopping`, which tells all processes itself.
            jax.config.update("jax_enable_preemption_service", False)
        jax.distributed.initialize(
            coordinator, num_processes, process_id, heartbeat_timeout_seconds=heartbeat_timeout
        )
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"the processes of this run cannot be joined ({reason}); give --coordinator=HOST:PORT, "
            "--num_processes=N and --process_id=I to each, or --num_processes=1 for one alone"
        ) from None


def leave() -> None:
    """Waits for the other processes and parts from them, so that none misses another."""
    if jax.process_count() > 1:
        jax.distributed.shutdown()


def in_cluster(environment: Mapping[str, str]) -> bool:
    """Whether this looks like one of several processes that JAX can find by itself.

    Stricter than JAX's own detection, which takes any pod of Kubernetes and any TPU for a cluster.
    """

    def several(name: str) -> bool:
        count = environment.get(name, "")
        return count.isdecimal() and int(count) > 1

    hosts = environment.get("TPU_PROCESS_ADDRESSES") or environment.get("TPU_WORKER_HOSTNAMES", "")
    return (
        # A step of srun; the script of sbatch itself has no list of nodes.
        ("SLURM_STEP_NODELIST" in environment and several("SLURM_NTASKS"))
        or ("OMPI_MCA_orte_hnp_uri" in environment and several("OMPI_COMM_WORLD_SIZE"))
        or ("KUBERNETES_SERVICE_HOST" in environment and "JOB_COMPLETION_INDEX" in environment)
        or "," in hosts
        or several("MEGASCALE_NUM_SLICES")
    )


def first() -> bool:
    """Whether this process is the one that prints and writes."""
    return jax.process_index() == 0


def agree(stop: bool, number: int) -> tuple[bool, int]:
    """Whether any process wants to stop, and the number of the first one.

    All processes must call it at the same point, for what they do next must be the same.
    """
    if jax.process_count() == 1:
        return stop, number
    wishes_Px2 = multihost_utils.process_allgather(np.array([stop, number], np.int32))
    return bool(wishes_Px2[:, 0].any()), int(wishes_Px2[0, 1])


def check_same(text: str, what: str) -> None:
    """Raises UserError in every process unless all give the same text."""
    if jax.process_count() == 1:
        return
    own = np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), np.uint8)
    digests_PxD = multihost_utils.process_allgather(own)
    other = np.flatnonzero((digests_PxD != digests_PxD[0]).any(1))
    if len(other):
        raise UserError(
            f"process {other[0]} was given {what} than process 0; give all processes the same "
            "--config, fields and --data"
        )


def put(tree: Any, sharding: Sharding) -> Any:
    """Arrays that every process holds whole, on the devices of all; each puts its own part."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def put_one(array: Any) -> jax.Array:
        array = np.asarray(array)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(put_one, tree)


def whole(tree: Any) -> Any:
    """Arrays on the devices of all processes as NumPy arrays in each; all must call it."""

    def gather(array: jax.Array) -> np.ndarray:
        if array.is_fully_addressable or array.is_fully_replicated:
            return np.asarray(array)
        gathered: np.ndarray = multihost_utils.process_allgather(array, tiled=True)
        return gathered

    return jax.tree.map(gather, tree)


def is_loss(error: BaseException) -> bool:
    """Whether an error of JAX or Orbax says that another process has gone."""
    text = str(error)
    signs = ("Gloo", "NCCL", "coordination", "Barrier", "barrier", "heartbeat")
    return jax.process_count() > 1 and any(sign in text for sign in signs)


def end_lost() -> NoReturn:
    """Says in one line that another process was lost, and ends this one at once."""
    os.write(2, _FATAL)
    os._exit(stopping.LOST)


def _end_in_one_line() -> None:
    """Lets a process that has lost another end with a line, and where it can with status 76.

    JAX gives no say in this: its runtime writes a page on standard error and aborts, or exits with
    status 1 before jax 0.8. From here on what is not Python's own output goes to a file, and
    another process reads it once this one has ended: one line for such a page, else all of it.
    """
    noise = tempfile.TemporaryFile()  # noqa: SIM115
    sys.stdout = _apart(sys.stdout, os.open(os.devnull, os.O_WRONLY))
    sys.stderr = _apart(sys.stderr, noise.fileno())
    reader = subprocess.Popen(
        [sys.executable, "-ISc", _READER, str(noise.fileno()), _FATAL, _LOST],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
        pass_fds=[noise.fileno()],
        start_new_session=True,
    )

    def aborted(number: int) -> None:
        lost = _FATAL in os.pread(noise.fileno(), 1 << 20, 0)
        os._exit(stopping.LOST if lost else 128 + number)

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(aborted)
    ctypes.CDLL(None).signal(signal.SIGABRT, handler)
    _KEPT.extend([reader, handler])


def _apart(stream: TextIO, to: int) -> TextIO:
    """Python's stream as it was, while what C++ writes to its descriptor goes elsewhere."""
    stream.flush()
    number = {"<stdout>": 1, "<stderr>": 2}[stream.name]
    own = os.dup(number)
    os.dup2(to, number)
    return os.fdopen(own, "w", buffering=1, encoding="utf-8", errors="backslashreplace")


_READER = """
import os, sys
sys.stdin.buffer.read()
text = os.pread(int(sys.argv[1]), 1 << 20, 0)
fatal, line = (os.fsencode(argument) for argument in sys.argv[2:])
os.write(2, b"error: " + line + b"\\n" if fatal in text else text)
"""
# What must live as long as the process.
_KEPT: list[Any] = []
