"""Several processes of one run: joining them, agreeing, and ending when one of them is lost.

JAX (`jax.distributed`) finds the processes and XLA moves the data between their devices; here is
only what the host loop must know of it. With one process nothing in this room does anything.
"""

import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Sharding

from lenet_jax.distributed import joining
from lenet_jax.errors import UserError

# Seconds without a sign of life after which a process counts as lost; JAX's own default is 100.
HEARTBEAT = 30
# Seconds that processes wait for each other at the start.
PATIENCE = 300
# Bytes.
_ALIGNMENT = 64
AGAIN = (
    "start all of them again with the same commands, and the run goes on from its last checkpoint"
)


def join(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    heartbeat_timeout: int = HEARTBEAT,
    timeout: float = PATIENCE,
    tell: Callable[[str], None] = print,
) -> None:
    """Joins the processes of a run; call it before JAX starts its backends.

    Where nothing is given and the environment is no cluster, and in the second call of a process,
    nothing happens. What is left out is found by JAX (Slurm, Open MPI, Kubernetes, TPU pods).

    Args:
      coordinator: HOST:PORT of process 0, reachable from all.
      num_processes: how many there are; 1 with nothing else looks for no cluster.
      process_id: of this one, from 0.
      heartbeat_timeout: seconds after which a silent process counts as lost.
      timeout: seconds to wait until all are there.
      tell: is given lines about who is missing, and one where this process alone seems a mistake.

    Raises:
      UserError: values that cannot be, a cluster that JAX cannot join, or processes that did not
        come in time.
    """
    given = coordinator is not None or process_id is not None or (num_processes or 1) > 1
    if jax.distributed.is_initialized() and not _begin.cache_info().currsize:
        return
    if not given and (num_processes == 1 or not in_cluster(os.environ)):
        alone = joining.warning_of_one_alone(os.environ)
        if num_processes is None and alone is not None:
            _tell_once(tell, alone)
        return
    if coordinator is not None and not coordinator.rpartition(":")[2].isdecimal():
        raise UserError(f"--coordinator={coordinator}: give HOST:PORT of process 0")
    if num_processes is not None and process_id is not None and process_id >= num_processes:
        raise UserError(f"--process_id={process_id}: must be below --num_processes={num_processes}")
    try:
        _begin(coordinator, num_processes, process_id, heartbeat_timeout, timeout).wait(tell)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"the processes of this run cannot be joined ({reason}); give --coordinator=HOST:PORT, "
            f"--num_processes=N and --process_id=I to each, or {joining.ALONE}"
        ) from None


@functools.cache
def _tell_once(tell: Callable[[str], None], line: str) -> None:
    tell(line)


@functools.cache
def _begin(
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
    heartbeat_timeout: int,
    timeout: float,
) -> joining.Joining:
    """Has JAX join the processes; whoever calls it again waits for the same."""
    # XLA:CPU's collectives between processes; the default of some versions is none.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    if hasattr(jax.config, "jax_enable_preemption_service"):
        # It would take SIGTERM away from `preemption`, which tells all processes itself.
        jax.config.update("jax_enable_preemption_service", False)
    return joining.Joining(
        timeout,
        coordinator_address=coordinator,
        num_processes=num_processes,
        process_id=process_id,
        heartbeat_timeout_seconds=heartbeat_timeout,
    )


def leave() -> None:
    """Waits for the other processes and parts from them, so that none misses another."""
    if several():
        jax.distributed.shutdown()


def in_cluster(environment: Mapping[str, str]) -> bool:
    """Whether this looks like one of several processes that JAX can find by itself.

    Stricter than JAX's own detection, which takes any pod of Kubernetes and any TPU for a cluster.
    """

    def counts(name: str) -> bool:
        count = environment.get(name, "")
        return count.isdecimal() and int(count) > 1

    addresses = environment.get("TPU_PROCESS_ADDRESSES") or environment.get(
        "TPU_WORKER_HOSTNAMES", ""
    )
    return (
        # A step of srun; the script of sbatch itself has no list of nodes.
        ("SLURM_STEP_NODELIST" in environment and counts("SLURM_NTASKS"))
        or ("OMPI_MCA_orte_hnp_uri" in environment and counts("OMPI_COMM_WORLD_SIZE"))
        or ("KUBERNETES_SERVICE_HOST" in environment and "JOB_COMPLETION_INDEX" in environment)
        or "," in addresses
        or counts("MEGASCALE_NUM_SLICES")
    )


def several() -> bool:
    """Whether the run has several processes."""
    return jax.process_count() > 1


def first() -> bool:
    """Whether this process is the one that prints and writes."""
    return jax.process_index() == 0


def any_of(wish: bool) -> bool:
    """Whether any process has the wish; all must ask, for what they do next must be the same."""
    if not several():
        return wish
    return bool(multihost_utils.process_allgather(np.array([wish])).any())


def from_first(number: int) -> int:
    """The number of the first process, in each; all must call it."""
    if not several():
        return number
    return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def check_same(text: str, what: str) -> None:
    """Raises UserError in every process unless all give the same text."""
    if not several():
        return
    local = np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), np.uint8)
    digests = multihost_utils.process_allgather(local)
    other = np.flatnonzero((digests != digests[0]).any(1))
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


def replicate(tree: Any, sharding: Sharding) -> Any:
    """Arrays of the host on every device, which nothing donates; in memory once on CPU devices.

    `put` gives each CPU device a copy, 33 MB of Kaggle's digits, though all of them share the
    memory of their process.

    Args:
      tree: of NumPy arrays, which are copied: what their owner does with them later is not seen.
      sharding: replicated over the devices of a mesh.
    """
    devices: list[Any] = list(sharding.addressable_devices)
    if not sharding.is_fully_replicated or devices[0].platform != "cpu":
        return put(tree, sharding)

    def on_all(array: Any) -> jax.Array:
        aligned = _aligned(np.asarray(array))
        parts = [jax.device_put(aligned, device, may_alias=True) for device in devices]
        return jax.make_array_from_single_device_arrays(aligned.shape, sharding, parts)

    return jax.tree.map(on_all, tree)


def _aligned(array: np.ndarray) -> np.ndarray:
    """A copy that begins where XLA:CPU wants buffers to; others it copies for each device."""
    raw = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    first = -raw.ctypes.data % _ALIGNMENT
    aligned = raw[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    aligned[...] = array
    return aligned


def to_host(tree: Any) -> Any:
    """Arrays on the devices of all processes as NumPy arrays in each; all must call it."""

    def gather(array: jax.Array) -> np.ndarray:
        if array.is_fully_addressable or array.is_fully_replicated:
            return np.asarray(array)
        gathered: np.ndarray = multihost_utils.process_allgather(array, tiled=True)
        return gathered

    return jax.tree.map(gather, tree)


def is_loss(error: BaseException | None) -> bool:
    """Whether an error of JAX or Orbax, or the cause of one of ours, tells of a lost process.

    Often there is none: JAX's runtime ends a process by itself when it is the first to hear.
    """
    signs = ("Gloo", "NCCL", "coordination", "Barrier", "barrier", "heartbeat")
    return jax.distributed.is_initialized() and any(sign in str(error) for sign in signs)
