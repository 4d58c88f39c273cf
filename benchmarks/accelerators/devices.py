"""The accelerators that programs are compiled for, none of which needs to be here."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Tpu:
    """Chips of a TPU, one host of them.

    Attributes:
      name: for people.
      topology: libtpu's name.
      chips: of the host, along its axes.
      flops: FLOP/s of a chip in bfloat16.
      bandwidth: bytes/s of a chip's memory.
      clock: cycles a second of a core.
    """

    name: str
    topology: str
    chips: tuple[int, int, int]
    flops: float
    bandwidth: float
    clock: float


@dataclasses.dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU, as XLA describes it to itself.

    Attributes:
      name: for people.
      description: the driver's name for it.
      capability: of CUDA, major and minor.
      cores: streaming multiprocessors.
      lanes: of float32 in each of them.
      shared: bytes of shared memory of each, and how many of them one block can have.
      threads: that each of them holds.
      cache: bytes of the second level.
      clock: GHz.
      memory: bytes.
      bandwidth: bytes/s of it.
    """

    name: str
    description: str
    capability: tuple[int, int]
    cores: int
    lanes: int
    shared: tuple[int, int]
    threads: int
    cache: int
    clock: float
    memory: int
    bandwidth: float

    @property
    def flops(self) -> float:
        """FLOP/s in float32."""
        return self.cores * self.lanes * 2 * self.clock * 1e9


Device = Tpu | Gpu
DEVICES: Mapping[str, Device] = {
    "t4": Gpu(
        name="T4",
        description="Tesla T4",
        capability=(7, 5),
        cores=40,
        lanes=64,
        shared=(65536, 65536),
        threads=1024,
        cache=4 << 20,
        clock=1.59,
        memory=15642329088,
        bandwidth=320e9,
    ),
    "a100": Gpu(
        name="A100",
        description="NVIDIA A100-SXM4-40GB",
        capability=(8, 0),
        cores=108,
        lanes=64,
        shared=(167936, 166912),
        threads=2048,
        cache=40 << 20,
        clock=1.41,
        memory=42331013120,
        bandwidth=1555e9,
    ),
    "h100": Gpu(
        name="H100",
        description="NVIDIA H100 80GB HBM3",
        capability=(9, 0),
        cores=132,
        lanes=128,
        shared=(233472, 232448),
        threads=2048,
        cache=50 << 20,
        clock=1.98,
        memory=84942979072,
        bandwidth=3352e9,
    ),
    "v5e-1": Tpu("v5e-1", "v5e:1x1", (1, 1, 1), 197e12, 819e9, 1.5e9),
    "v5e-8": Tpu("v5e-8", "v5e:2x4", (2, 4, 1), 197e12, 819e9, 1.5e9),
    "v6e": Tpu("v6e-1", "v6e:1x1", (1, 1, 1), 918e12, 1640e9, 1.75e9),
}

_TARGET = """
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: {gpu.shared[0]}
  threads_per_core_limit: {gpu.threads}
  core_count: {gpu.cores}
  fpus_per_core: {gpu.lanes}
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {gpu.bandwidth:.0f}
  l2_cache_size: {gpu.cache}
  clock_rate_ghz: {gpu.clock}
  device_memory_size: {gpu.memory}
  shared_memory_per_block_optin: {gpu.shared[1]}
  cuda_compute_capability {{ major: {gpu.capability[0]} minor: {gpu.capability[1]} }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  {versions}
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
device_description_str: "{gpu.description}"
"""
# Without them XLA takes the driver for one too old for CUDA graphs with loops in them.
_VERSIONS = (
    'driver_version: "13.0.0" runtime_version: "12.9.0" compile_time_toolkit_version: "12.9.0"'
)


def knows_drivers(jax_version: str) -> bool:
    """Whether a version of jax can be told of a driver; where not, it makes no CUDA graphs."""
    return not jax_version.startswith("0.7.")


def target(gpu: Gpu, jax_version: str) -> str:
    """What XLA is told of a GPU, its `GpuTargetConfigProto` as text."""
    return _TARGET.format(gpu=gpu, versions=_VERSIONS if knows_drivers(jax_version) else "")


def variables(device: Device, jax_version: str) -> dict[str, str]:
    """What the environment of the compiling process must have before it imports jax."""
    # With CUDA among the platforms its plugin asks the driver for a version, and there is none.
    wanted = {"JAX_PLATFORMS": "cpu", "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1"}
    # What comes from a cache was not compiled.
    wanted |= {"JAX_ENABLE_COMPILATION_CACHE": "false", "TF_CPP_MIN_LOG_LEVEL": "2"}
    if isinstance(device, Tpu):
        # The search for a TPU of this machine takes minutes; and a second process may come in.
        wanted |= {"TPU_SKIP_MDS_QUERY": "1", "TPU_WORKER_HOSTNAMES": "localhost"}
        wanted |= {"TPU_ACCELERATOR_TYPE": "v5litepod-1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
    return wanted


def flags(device: Device, jax_version: str) -> str:
    """XLA_FLAGS that make up for what a version cannot do without the device."""
    # Its Triton asks a GPU of Hopper's kind for its properties.
    hopper = isinstance(device, Gpu) and device.capability >= (9, 0)
    return "--xla_gpu_enable_triton_gemm=false" if hopper and "0.7." in jax_version[:4] else ""


def topology(device: Device, jax_version: str) -> Any:
    """JAX's description of the device, whose `.devices` a mesh is made of; imports jax."""
    from jax.experimental import topologies

    if isinstance(device, Tpu):
        if not knows_drivers(jax_version):
            _spare_layouts()
        return topologies.get_topology_desc(
            device.topology, "tpu", chips_per_host_bounds=device.chips
        )
    return topologies.get_topology_desc(
        platform="cuda", target_config=target(device, jax_version), topology="1x1x1"
    )


def _spare_layouts() -> None:
    """Has jax 0.7 call no layout a special one.

    To tell, it asks a client without a device for its default layout, and jaxlib 0.7.2 then ends
    with a segmentation fault, whatever the program. Nothing depends on the answer here.
    """
    from jax._src.interpreters import pxla

    pxla.is_default_layout = lambda *_: True
