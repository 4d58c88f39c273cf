import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lenet_jax
from lenet_jax.config import Config
from lenet_jax.distributed import mesh
from lenet_jax.environment import runtime
from lenet_jax.errors import UserError
from lenet_jax.training import memory


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, None),
        ({"COLAB_RELEASE_TAG": "release-colab_20260819"}, "Colab"),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, "Kaggle"),
        # Kaggle's image is built on Colab's.
        ({"KAGGLE_KERNEL_RUN_TYPE": "Batch", "COLAB_GPU": "0"}, "Kaggle"),
    ],
)
def test_who_provides_the_runtime(variables, name):
    assert runtime.provider(variables) == name


def pci(root, address, vendor, device):
    folder = root / "sys" / "bus" / "pci" / "devices" / address
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(f"{vendor}\n")
    (folder / "device").write_text(f"{device}\n")


def test_nothing_shows_on_a_plain_machine(tmp_path):
    assert runtime.accelerator(tmp_path, {}) is None
    # Google's network card, a graphics card without a driver, and an entry that cannot be read.
    pci(tmp_path, "0000:00:04.0", "0x1ae0", "0x0042")
    pci(tmp_path, "0000:00:05.0", "0x10de", "0x0063")
    (tmp_path / "sys/bus/pci/devices/0000:00:06.0").mkdir()
    assert runtime.accelerator(tmp_path, {}) is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("dev/nvidia0", "a GPU"),
        ("dev/kfd", "a GPU"),
        ("dev/dxg", "a GPU"),
        ("dev/accel0", "a TPU"),
        ("dev/vfio/0", "a TPU"),
    ],
)
def test_a_device_file_is_a_sign(tmp_path, path, name):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
    assert runtime.accelerator(tmp_path, {}) == (name, f"/{path}")


def test_a_tpu_on_the_bus_and_one_that_its_host_names(tmp_path):
    named = {"TPU_ACCELERATOR_TYPE": "v5litepod-1"}
    assert runtime.accelerator(tmp_path, named) == ("a TPU", "TPU_ACCELERATOR_TYPE=v5litepod-1")
    # A v5e.
    pci(tmp_path, "0000:00:05.0", "0x1ae0", "0x0063")
    sign = "/sys/bus/pci/devices/0000:00:05.0"
    assert runtime.accelerator(tmp_path, {}) == ("a TPU", sign)


@pytest.mark.parametrize(("device", "name"), [("nvidia0", "a GPU"), ("accel0", "a TPU")])
def test_an_accelerator_that_jax_does_not_use_stops(tmp_path, monkeypatch, device, name):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / device).touch()
    # Who has asked for the CPU, as the tests have, is not stopped.
    assert "2 x cpu" in lenet_jax.check_runtime(str(tmp_path))
    monkeypatch.setattr(mesh, "_asked_of_jax", lambda: None)
    with pytest.raises(UserError, match=rf"{name} \(/dev/{device}\), but JAX runs on the CPU") as e:
        lenet_jax.check_runtime(str(tmp_path))
    assert "\n" not in str(e.value)
    assert "start a fresh one" in str(e.value)
    assert "--platform" not in str(e.value)


def test_a_plugin_that_is_there_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "accel0").touch()
    (tmp_path / "libtpu.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert runtime.remedy(tmp_path).startswith("Restart the session")


def test_a_platform_that_cannot_be_started_is_told_in_one_line():
    code = "import lenet_jax; lenet_jax.check_runtime('/nowhere')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"JAX_PLATFORMS": "tpu"},
        capture_output=True,
        text=True,
    )
    *_, last = done.stderr.splitlines()
    assert re.match(r"lenet_jax\.errors\.UserError: This machine, Python .* backend 'tpu'", last)
    assert "Restart the session" in last


def test_the_check_names_versions_and_devices_in_a_process_that_asked_for_nothing():
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    code = "import lenet_jax; print(lenet_jax.check_runtime('/nowhere'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean | {"COLAB_RELEASE_TAG": "x"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"Colab, on the CPU: Python {sys.version.split()[0]}, jax ")
    assert done.stdout.count("\n") == 1


def group(root, line, files):
    """Writes what the kernel says of this process's control groups."""
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/cgroup").write_text(f"7:pids:/x\n{line}\n")
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("line", "files", "cores"),
    [
        ("0::/", {}, 96),
        ("0::/", {"cpu.max": "max 100000"}, 96),
        # docker run --cpus=2, and 1.5 and 0.2 of a core.
        ("0::/", {"cpu.max": "200000 100000"}, 2),
        ("0::/", {"cpu.max": "150000 100000"}, 2),
        ("0::/", {"cpu.max": "20000 100000"}, 1),
        ("0::/", {"cpu.max": "20000000 100000"}, 96),
        # The limit of a pod above its container, and a path that cannot be seen from inside.
        ("0::/pod/c", {"pod/c/cpu.max": "max 100000", "pod/cpu.max": "400000 100000"}, 4),
        ("0::/../../out/of/sight", {"cpu.max": "300000 100000"}, 3),
        (
            "4:cpu,cpuacct:/docker/1",
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "200000",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            2,
        ),
        ("4:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 96),
        ("0::/", {"cpu.max": "what is this"}, 96),
        ("0::/", {"cpu.max": "100000 0"}, 96),
    ],
)
def test_cores_are_those_that_the_quota_pays_for(tmp_path, monkeypatch, line, files, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(96)))
    group(tmp_path, line, files)
    assert runtime.cores(tmp_path) == cores


def test_pins_count_where_there_is_no_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert runtime.cores(tmp_path) == 1
    group(tmp_path, "0::/", {"cpu.max": "200000 100000"})
    assert runtime.cores(tmp_path) == 1


@pytest.mark.parametrize(
    ("line", "files", "limit"),
    [
        ("0::/", {}, None),
        ("0::/", {"memory.max": "max"}, None),
        ("0::/", {"memory.max": "536870912"}, 2**29),
        ("0::/pod/c", {"pod/c/memory.max": "max", "pod/memory.max": "268435456"}, 2**28),
        ("4:memory:/docker/1", {"memory/memory.limit_in_bytes": "536870912"}, 2**29),
        ("4:memory:/d", {"memory/d/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("0::/", {"memory.max": "what is this"}, None),
    ],
)
def test_the_memory_limit_is_the_least_of_all_groups_above(tmp_path, line, files, limit):
    group(tmp_path, line, files)
    assert runtime.memory_limit(tmp_path) == limit


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not say")
def test_the_memory_that_this_process_takes():
    before, block = runtime.resident_memory(), np.ones(2**26, np.uint8)
    assert 0.9 * block.nbytes < runtime.resident_memory() - before < 1.5 * block.nbytes
    assert runtime.resident_memory("/nowhere") == 0


def test_a_run_that_cannot_fit_says_so_and_any_other_says_nothing(tmp_path):
    digits = lenet_jax.load_data("sample")
    (tmp_path / "proc/self").mkdir(parents=True)
    # 200 MiB, as a process has taken that is about to train.
    pages = 200 * 2**20 // os.sysconf("SC_PAGE_SIZE")
    (tmp_path / "proc/self/statm").write_text(f"999999 {pages} 1 1 0 1 0\n")
    group(tmp_path, "0::/", {"memory.max": str(256 * 2**20)})
    line = memory.warning(Config(), digits, tmp_path)
    assert line.startswith("this container allows 0.27 GB of memory and the run needs 0.32 GB or ")
    assert "give it 1 GB (docker run --memory=1g, " in line
    group(tmp_path, "0::/", {"memory.max": str(400 * 2**20)})
    assert memory.warning(Config(), digits, tmp_path) is None
    assert "give it 3 GB" in memory.warning(Config(members=1000), digits, tmp_path)
    group(tmp_path, "0::/", {"memory.max": "max"})
    assert memory.warning(Config(members=1000), digits, tmp_path) is None
