"""Where this process runs: Colab, Kaggle or elsewhere, with which accelerator.

What is looked at are files of the system and the environment, so that an accelerator is found even
where JAX cannot use it.
"""

import importlib.util
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

# Variables that each of them sets in every notebook.
_PROVIDERS = {
    "Colab": ("COLAB_RELEASE_TAG", "COLAB_GPU", "COLAB_TPU_ADDR"),
    "Kaggle": ("KAGGLE_KERNEL_RUN_TYPE", "KAGGLE_URL_BASE"),
}
# WSL2 has dxg, ROCm kfd.
_GPU_FILES = ("dev/nvidia[0-9]*", "dev/kfd", "dev/dxg")
_TPU_FILES = ("dev/accel[0-9]*", "dev/vfio/[0-9]*")
# On the PCI bus, as JAX itself looks for TPUs (jax/_src/hardware_utils.py): v2 and v3, an unnamed
# one, v4, v5p, v5e, v6e, 7x. Google's network cards have the same vendor.
_GOOGLE = "0x1ae0"
_TPUS = {"0x0027", "0x0056", "0x005e", "0x0062", "0x0063", "0x006f", "0x0076"}
# Packages by which JAX knows a GPU.
_GPU_PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm7_plugin")
# Of TPU hosts.
_TPU_VARIABLE = "TPU_ACCELERATOR_TYPE"


def provider(environment: Mapping[str, str] | None = None) -> str | None:
    """`Colab`, `Kaggle`, or None for any other machine.

    Kaggle's image is built on Colab's and may have variables of both, so it is asked for first.

    Args:
      environment: that of the process if it is None.
    """
    environment = os.environ if environment is None else environment
    for name in ("Kaggle", "Colab"):
        if any(variable in environment for variable in _PROVIDERS[name]):
            return name
    return None


def cores(root: str | os.PathLike[str] = "/") -> int:
    """How many CPU cores this process may keep busy, at least one.

    Those that it is pinned to, or as many as the quota of its container or job pays for (`docker
    run --cpus=2`, Kubernetes' limits), rounded up.

    Args:
      root: of the file system.
    """
    # macOS and Windows pin no process to cores.
    pinned = getattr(os, "sched_getaffinity", None)
    count = len(pinned(0)) if pinned else os.cpu_count() or 1
    quotas = [
        int(quota) / int(period)
        for quota, period in _quotas(Path(root))
        if quota.isdecimal() and period.isdecimal() and int(period)
    ]
    return max(1, min([count, *map(math.ceil, quotas)]))


def _quotas(root: Path) -> Iterator[tuple[str, str]]:
    """(microseconds, of so many) that the control groups above this process allow it."""
    for group in _groups(root, ""):
        quota, _, period = _read(group / "cpu.max").partition(" ")
        yield quota, period
    for group in _groups(root, "cpu"):
        yield _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")


def memory_limit(root: str | os.PathLike[str] = "/") -> int | None:
    """Bytes of memory that the control groups above this process allow it, None where none is set.

    Args:
      root: of the file system.
    """
    limits = [_read(group / "memory.max") for group in _groups(Path(root), "")]
    limits += [_read(group / "memory.limit_in_bytes") for group in _groups(Path(root), "memory")]
    # Version 2 says `max` for none, version 1 the greatest number of whole pages.
    allowed = [int(limit) for limit in limits if limit.isdecimal() and int(limit) < 2**62]
    return min(allowed, default=None)


def resident_memory(root: str | os.PathLike[str] = "/") -> int:
    """Bytes of memory that this process takes, 0 where the system does not say.

    Args:
      root: of the file system.
    """
    _, pages, *_ = (*_read(Path(root) / "proc/self/statm").split(), "", "")
    return int(pages) * os.sysconf("SC_PAGE_SIZE") if pages.isdecimal() else 0


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The control group of this process and those above it; of version 2 where there is no name.

    In a container the group that the kernel names may lie outside of what can be seen; its own is
    then the top of what can.
    """
    above = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controller in controllers.split(","):
            folder = above / controllers
            # It is mounted under the names of all it shares a hierarchy with, or under its own.
            folder = folder if folder.is_dir() else above / controller
            group = PurePosixPath(path.lstrip("/"))
            yield from (folder / part for part in (group, *group.parents))


def accelerator(
    root: str | os.PathLike[str] = "/", environment: Mapping[str, str] | None = None
) -> tuple[str, str] | None:
    """(`a TPU` or `a GPU`, the sign of it) if this machine has one, None if none shows.

    Args:
      root: of the file system.
      environment: that of the process if it is None.
    """
    for name, signs in (("a TPU", _tpu), ("a GPU", _gpu)):
        sign = next(signs(Path(root), os.environ if environment is None else environment), None)
        if sign is not None:
            return name, sign
    return None


def _gpu(root: Path, _: Mapping[str, str]) -> Iterator[str]:
    for pattern in _GPU_FILES:
        yield from (f"/{path.relative_to(root)}" for path in sorted(root.glob(pattern)))


def _tpu(root: Path, environment: Mapping[str, str]) -> Iterator[str]:
    for pattern in _TPU_FILES:
        yield from (f"/{path.relative_to(root)}" for path in sorted(root.glob(pattern)))
    for device in sorted(root.glob("sys/bus/pci/devices/*")):
        if _read(device / "vendor") == _GOOGLE and _read(device / "device") in _TPUS:
            yield f"/{device.relative_to(root)}"
    if environment.get(_TPU_VARIABLE):
        yield f"{_TPU_VARIABLE}={environment[_TPU_VARIABLE]}"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def remedy(root: str | os.PathLike[str] = "/") -> str:
    """What to do about an accelerator that JAX does not use."""
    found = accelerator(root)
    plugins = _GPU_PLUGINS if found is not None and found[0] == "a GPU" else ("libtpu",)
    if found is None or any(importlib.util.find_spec(name) for name in plugins):
        return (
            "Restart the session, close other notebooks that use the device, and import nothing "
            "that takes it before JAX, TensorFlow for one"
        )
    return (
        f"The package {' or '.join(plugins)} is missing, which installing another JAX or "
        "TensorFlow can bring about: delete the runtime and start a fresh one"
    )
