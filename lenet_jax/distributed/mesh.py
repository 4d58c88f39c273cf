"""Devices, the (member, batch) mesh and the shardings of members over it."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, Sharding
from jax.sharding import PartitionSpec as P

from lenet_jax.config import mesh_sizes
from lenet_jax.environment import runtime
from lenet_jax.errors import UserError

MEMBER = "member"
BATCH = "batch"

PLATFORMS = ("cpu", "gpu", "tpu")
# What JAX is told for each; there is no name for "the GPUs, of whatever make".
_JAX_PLATFORMS = {"cpu": "cpu", "gpu": "", "tpu": "tpu,cpu"}


def prepare(compiled: str | os.PathLike[str] | None = None, platform: str | None = None) -> None:
    """Makes every CPU core a device of one thread; call it before JAX starts its backends.

    The second call of a process changes nothing.

    XLA's own threads gain 1.3x from the second core, for the matrices here are small; a device per
    core under the mesh gains almost 2x. What the user has set stays as it is.

    Args:
      compiled: folder that keeps compiled programs for the next start; None keeps none.
      platform: one of `PLATFORMS` that must be there (`require` checks it); None takes the best
        there is.
    """
    if platform is not None and _asked_of_jax() != _JAX_PLATFORMS[platform]:
        jax.config.update("jax_platforms", _JAX_PLATFORMS[platform])
    if compiled is not None and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", os.fspath(compiled))
        # A start compiles dozens of small programs, which together take a second.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        # XLA's own caches lie beside, and their path is part of a program's key, on CPUs too: in
        # another folder no program would be found again.
        jax.config.update("jax_persistent_cache_enable_xla_caches", "none")
    cores = runtime.cores()
    flags = os.environ.get("XLA_FLAGS", "")
    chosen = "JAX_NUM_CPU_DEVICES" in os.environ or "host_platform_device_count" in flags
    # Once JAX has started its backends this cannot be set, not even to what it is.
    if not chosen and jax.config.jax_num_cpu_devices != cores:  # type: ignore[attr-defined]
        jax.config.update("jax_num_cpu_devices", cores)


def require(platform: str) -> None:
    """Starts JAX's backends and checks that they run on a platform.

    Raises:
      UserError: they do not; the reason is JAX's.
    """
    try:
        found, reason = jax.default_backend(), ""
    except RuntimeError as error:
        found, reason = "nothing it could start", f" ({str(error).splitlines()[0]})"
    if found != platform:
        raise UserError(
            f"--platform={platform}: JAX finds no {platform} here, but {found}{reason}; install "
            f"the JAX of that platform, free the device, or leave the flag out"
        )


def unused_accelerator(mesh: Mesh, root: str = "/") -> str | None:
    """A warning if the machine seems to have an accelerator and the mesh is of CPU devices.

    JAX falls back to the CPU, often without a word, where it lacks the plugin or where another
    process holds the device (jax#22070). Nobody is warned who has asked for the CPU.

    Args:
      mesh: in use.
      root: of the file system.
    """
    if platform(mesh) != "cpu" or _asked_of_jax() == "cpu":
        return None
    found = runtime.accelerator(root)
    if found is None:
        return None
    return (
        f"this machine seems to have {found[0]} ({found[1]}), but JAX runs on the CPU: its plugin "
        "is missing or another process holds the device; --platform=cpu if this is meant"
    )


def _asked_of_jax() -> str | None:
    platforms: str | None = jax.config.jax_platforms  # type: ignore[attr-defined]
    return platforms


def make(members: int, devices: Sequence[jax.Device] | None = None, *, sizes: str = "auto") -> Mesh:
    """The (member, batch) mesh over all devices, or over some.

    Args:
      members: number of networks.
      devices: to be used; all by default, those of other processes included.
      sizes: as in `Config.mesh`; `auto` puts as many devices along members as divide them evenly,
        and the others along the batch on a CPU, or where several processes must use all.

    Raises:
      UserError: `sizes` asks for more devices than there are, or leaves a process without any.
    """
    devices = jax.devices() if devices is None else devices
    shape = mesh_sizes(sizes, members) or _shared_out(members, devices)
    wanted = math.prod(shape)
    if wanted > len(devices):
        raise UserError(
            f"config.mesh={sizes!r}: asks for {wanted} devices, and there are {len(devices)}"
        )
    if wanted < len(devices) and jax.process_count() > 1:
        raise UserError(
            f"config.mesh={sizes!r}: asks for {wanted} devices, and the processes of this run have "
            f"{len(devices)}; several processes must use all"
        )
    # `jax.make_mesh` refuses shapes that are no products of the axes of a TPU's torus (8 members on
    # the 64 chips of a v5p), and several slices; neighbours in this order share a host.
    return Mesh(
        np.asarray(devices[:wanted]).reshape(shape),
        (MEMBER, BATCH),
        axis_types=(AxisType.Auto, AxisType.Auto),
    )


def _shared_out(members: int, devices: Sequence[jax.Device]) -> tuple[int, int]:
    """Sizes of the (member, batch) axes where nobody asks for any."""
    if devices[0].platform != "cpu" and jax.process_count() == 1:
        # A step is shorter than an all-reduce between chips is worth: one network, one chip.
        return max(d for d in range(1, len(devices) + 1) if members % d == 0), 1
    along_member = math.gcd(members, len(devices))
    return along_member, len(devices) // along_member


def describe(mesh: Mesh) -> str:
    """One line for people: the devices in use and how they are shared out."""
    devices = mesh.devices.flat
    kinds = sorted({device.device_kind for device in devices})
    shape = f"{mesh.shape[MEMBER]} along members, {mesh.shape[BATCH]} along the batch"
    there = jax.device_count()
    of = f" of {there}" if mesh.size < there else ""
    processes = f" in {jax.process_count()} processes" if jax.process_count() > 1 else ""
    return f"{mesh.size}{of} x {', '.join(kinds)} ({devices[0].platform}){processes}: {shape}"


def platform(mesh: Mesh) -> str:
    """`cpu`, `gpu` or `tpu`."""
    name: str = mesh.devices.flat[0].platform
    return name


def stacked(mesh: Mesh) -> NamedSharding:
    """The sharding of arrays with a leading member axis: split over members, whole otherwise."""
    return NamedSharding(mesh, P(MEMBER))


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of arrays that every device holds whole."""
    return NamedSharding(mesh, P())


def abstract(tree: Any, sharding: Sharding) -> Any:
    """Shapes and dtypes of arrays, with a sharding that all of them are to have."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )


def over_members(
    mesh: Mesh, function: Callable[..., Any], shared: Sequence[P], out: P, *, num_stacked: int = 1
) -> Callable[..., Any]:
    """Lifts a function of one member to all members of an ensemble, over the whole mesh.

    Args:
      mesh: as `make` makes it.
      function: (*member's arrays, *shared arrays) -> arrays; runs on each device of the batch axis
        with its part of the shared arrays.
      shared: how each shared array is split.
      out: how the results are split; the first axis is `MEMBER`.
      num_stacked: how many arguments, or trees of them, are a member's own; the first ones.

    Returns:
      (*arrays with a leading member axis, *shared arrays) -> arrays with a leading member axis;
      its name, which its compiled program has, is the function's.
    """
    on = platform(mesh)

    def block(*arguments: Any) -> Any:
        members, rest = arguments[:num_stacked], arguments[num_stacked:]

        def one_member(member: Any) -> Any:
            return function(*member, *rest)

        several = len(jax.tree.leaves(members)[0]) > 1
        # One after the other on a CPU core, where a batched product of small matrices is slower
        # than the products one by one, and on a TPU, where a convolution with groups is. All at
        # once on a GPU, whose steps are bound by the number of kernels.
        one_by_one = on == "cpu" or (on == "tpu" and several)
        return _sequential_map(one_member, members) if one_by_one else jax.vmap(one_member)(members)

    block.__name__ = getattr(function, "func", function).__name__
    specs = (*(P(MEMBER),) * num_stacked, *shared)
    return jax.shard_map(block, mesh=mesh, in_specs=specs, out_specs=out, check_vma=False)


def _sequential_map(function: Callable[[Any], Any], members: Any) -> Any:
    """`lax.map` whose loop the compiler cannot take apart.

    A loop of one turn, or of a few, is unrolled and its parts are fused anew, with other rounding:
    a member would depend, in its last bits, on how many there are.
    """
    # Under jit, for its shapes and its loop share one tracing.
    function = jax.jit(function)  # noqa: TID251
    length = len(jax.tree.leaves(members)[0])
    out = jax.eval_shape(function, jax.tree.map(lambda leaf: leaf[0], members))
    empty = jax.tree.map(lambda leaf: lax.full((length, *leaf.shape), 0, leaf.dtype), out)

    def body(index: jax.Array, results: Any) -> Any:
        member = jax.tree.map(lambda leaf: leaf[index], members)
        return jax.tree.map(lambda all_, one: all_.at[index].set(one), results, function(member))

    return lax.fori_loop(0, lax.optimization_barrier(jnp.int32(length)), body, empty)
