import os
import re
import subprocess
import sys

import pytest

import lenet_jax
from lenet_jax.distributed import mesh
from lenet_jax.environment import runtime
from lenet_jax.errors import UserError


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
