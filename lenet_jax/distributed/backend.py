"""What the compiler of each platform is asked for.

XLA_FLAGS reach every backend of a process, and a name that a jaxlib does not know ends it. So what
is meant for one compiler goes with the programs of its platform, as options that are tried first.
"""

import functools
import os
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from lenet_jax.config import Config
from lenet_jax.distributed import mesh as meshes

LEVEL = "xla_backend_optimization_level"
_LEFT_OUT = "xla_disable_hlo_passes"
# Passes of XLA:CPU that are left out; a version that does not know one of them ignores its name.
_CPU_LEFT_OUT = (
    # Before jax 0.12 it removes optimisation barriers ahead of fusion, and a feature map is then
    # computed anew for each slice of it that is read: half the speed. Other compilers need it:
    # they know no barriers.
    "cse_barrier_expander",
    # It splits kernels into tasks for several cores, of which a device here has one. Tasks that
    # nobody is free to take fill a thread's queue, and products of several devices then come out
    # with parts of another operand (jax 0.10.2; findings/split_kernels_on_two_cpu_devices.sh).
    "cpu-parallel-task-assigner",
)
# What may go into a CUDA graph. A loop in a graph asks the host nothing between its turns; XLA
# leaves it out where the driver is older than CUDA 12.3.
_GRAPHS = "xla_gpu_enable_command_buffer"
_IN_GRAPHS = "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE"
# For `config.conv=native`; jax 0.7 does not know it.
_IN_NEWER_GRAPHS = f"{_IN_GRAPHS},CONVOLUTION"


def jit(
    function: Callable[..., Any],
    mesh: Mesh,
    config: Config | None = None,
    *,
    level: int | None = None,
    **keywords: Any,
) -> jax.stages.Wrapped:
    """`jax.jit` of a program for a mesh, asked of its compiler as `options` and `precision` say.

    A program of several CPU devices that is compiled past it can be silently wrong.

    Args:
      function: traceable.
      mesh: that the program runs on.
      config: of the run; None leaves products to XLA.
      level: as for `options`.
      **keywords: of `jax.jit`.
    """
    exactly = function if config is None else precision(config)(function)
    asked = options(mesh, config, level)
    return jax.jit(exactly, compiler_options=asked, **keywords)  # noqa: TID251


def options(mesh: Mesh, config: Config | None = None, level: int | None = None) -> dict[str, Any]:
    """Options of `jax.jit` for a program that runs on a mesh.

    What the user has set in XLA_FLAGS stays as it is, and passes that the user leaves out are left
    out beside ours. What the installed jaxlib does not know is not asked for.

    Args:
      mesh: that the program runs on.
      config: of the run, whose `deterministic` is for GPUs.
      level: of LLVM's optimisation on a CPU, 0 to 3; XLA's own by default.
    """
    platform = meshes.platform(mesh)
    wanted: dict[str, Any] = {}
    if platform == "cpu":
        # The matrices here are too small for XLA's own threads.
        wanted["xla_cpu_multi_thread_eigen"] = False
        wanted[_LEFT_OUT] = ",".join((*_CPU_LEFT_OUT, *_of_user(_LEFT_OUT)))
        if level is not None:
            wanted[LEVEL] = level
    elif platform == "gpu":
        newer = _is_known(mesh, _GRAPHS, _IN_NEWER_GRAPHS)
        wanted[_GRAPHS] = _IN_NEWER_GRAPHS if newer else _IN_GRAPHS
        if config is not None and config.deterministic:
            wanted["xla_gpu_deterministic_ops"] = True
    chosen = [name for name in wanted if name != _LEFT_OUT and _of_user(name)]
    return {
        name: value
        for name, value in wanted.items()
        if name not in chosen and _is_known(mesh, name, value)
    }


# What a product of float32 is on accelerators, by `Config.precision`.
_PRODUCTS = {
    "gpu": {"default": "TF32 where the GPU has it", "high": "TF32 or better", "highest": "float32"},
    "tpu": {
        "default": "one pass of bfloat16",
        "high": "three passes of bfloat16",
        "highest": "six passes of bfloat16",
    },
}


def describe(mesh: Mesh, config: Config) -> str:
    """A line for people: the devices, and what decides their numbers beside the recipe."""
    platform = meshes.platform(mesh)
    words = meshes.describe(mesh)
    if platform in _PRODUCTS:
        words += f"; products of float32 are {_PRODUCTS[platform][config.precision]}"
    if platform == "gpu":
        words += f", {'deterministic' if config.deterministic else 'the fastest'} algorithms"
    return words


def precision(config: Config) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: products of float32 in a traced function are as exact as the config says."""
    if config.precision == "default":
        return lambda function: function

    def exactly(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def traced(*arguments: Any) -> Any:
            with jax.default_matmul_precision(config.precision):
                return function(*arguments)

        return traced

    return exactly


def _of_user(name: str) -> list[str]:
    """What XLA_FLAGS sets an option to, split at commas; nothing where they do not set it."""
    found = re.findall(rf"--{name}(?:=(\S*)|(?!\S))", os.environ.get("XLA_FLAGS", ""))
    return found[-1].split(",") if found else []


def _is_known(mesh: Mesh, name: str, value: Any) -> bool:
    # Of the first device alone: meshes of the same devices share the answer.
    return _compiles(mesh.devices.flat[0], name, value)


@functools.cache
def _compiles(device: jax.Device, name: str, value: Any) -> bool:
    number = jax.ShapeDtypeStruct(
        (), jnp.float32, sharding=jax.sharding.SingleDeviceSharding(device)
    )
    try:
        jax.jit(jnp.negative, compiler_options={name: value}).lower(number).compile()  # noqa: TID251
    except (RuntimeError, ValueError) as error:
        if name not in str(error):
            raise
        return False
    return True
