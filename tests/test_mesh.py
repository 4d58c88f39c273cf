import dataclasses
import functools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from lenet_jax.distributed import mesh, multihost
from lenet_jax.errors import UserError


@pytest.mark.parametrize(
    ("members", "devices", "shape"),
    [
        (1, 1, (1, 1)),
        (1, 2, (1, 2)),
        (2, 2, (2, 1)),
        (3, 2, (1, 2)),
        (4, 2, (2, 1)),
        (4, 1, (1, 1)),
    ],
)
def test_members_take_the_devices_they_can_share_evenly(members, devices, shape):
    made = mesh.make(members, jax.devices()[:devices])
    assert (made.shape["member"], made.shape["batch"]) == shape
    assert made.axis_names == ("member", "batch")


@pytest.mark.parametrize("members", [1, 2, 3, 4])
@pytest.mark.parametrize("devices", [1, 2])
def test_over_members_is_the_function_of_each_member(members, devices):
    made = mesh.make(members, jax.devices()[:devices])

    def function(member, images_B):
        return images_B * member["a"] + member["b"]

    lifted = jax.jit(mesh.over_members(made, function, (P("batch"),), P("member", "batch")))
    a, b = jnp.arange(1.0, members + 1), jnp.arange(0.0, 10.0 * members, 10)
    images = jnp.arange(6.0)
    got = lifted({"a": a, "b": b}, images)
    np.testing.assert_array_equal(got, np.outer(a, images) + np.asarray(b)[:, None])


def test_over_members_takes_several_arrays_of_a_member_and_keeps_the_name():
    def scaled(factor, a, b, images_B):
        return factor * images_B * a + b

    made, doubled = mesh.make(2, jax.devices()[:2]), functools.partial(scaled, 2)
    lifted = jax.jit(mesh.over_members(made, doubled, (P(),), P("member"), num_stacked=2))
    given = jnp.array([1.0, 3.0]), jnp.array([5.0, 7.0]), jnp.arange(3.0)
    np.testing.assert_array_equal(lifted(*given), [[5, 7, 9], [7, 13, 19]])
    # By which people know what is compiled, and the cache on the disk its files.
    assert "@jit_scaled" in lifted.lower(*given).as_text()


@pytest.mark.parametrize(
    ("members", "sizes", "shape"),
    [
        (2, "auto", (2, 1)),
        (2, "member:1,batch:2", (1, 2)),
        (2, "batch:2", (1, 2)),
        (4, "member:2", (2, 1)),
        (4, " batch:1, member:1", (1, 1)),
    ],
)
def test_the_mesh_that_was_asked_for(members, sizes, shape):
    made = mesh.make(members, sizes=sizes)
    assert (made.shape["member"], made.shape["batch"]) == shape


@dataclasses.dataclass(frozen=True)
class Chip:
    id: int
    coords: tuple[int, int, int]
    core_on_chip: int = 0
    platform: str = "tpu"
    device_kind: str = "TPU v5"
    slice_index: int = 0
    process_index: int = 0


def chips(count):
    return [Chip(n, (n % 4, n // 4 % 4, n // 16)) for n in range(count)]


def test_any_shape_fits_a_torus():
    """`jax.make_mesh` splits no axis of a v5p's 4 x 4 x 4 chips."""

    made = mesh.make(8, chips(64), sizes="member:8,batch:8")
    assert (made.shape["member"], made.shape["batch"]) == (8, 8)
    assert [device.id for device in made.devices[1]] == list(range(8, 16))


def test_more_devices_than_there_are():
    with pytest.raises(UserError, match="asks for 4 devices, and there are 2"):
        mesh.make(4, sizes="member:4")


def test_a_platform_that_is_not_there():
    mesh.require("cpu")
    with pytest.raises(UserError, match="JAX finds no tpu here, but cpu"):
        mesh.require("tpu")


def test_falling_back_to_the_cpu_is_told(tmp_path, monkeypatch):
    made = mesh.make(1)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    # The tests ask for the CPU.
    assert mesh.unused_accelerator(made, str(tmp_path)) is None
    monkeypatch.setattr(mesh, "_asked_of_jax", lambda: None)
    assert "seems to have a GPU" in mesh.unused_accelerator(made, str(tmp_path))
    (tmp_path / "dev" / "nvidia0").rename(tmp_path / "dev" / "accel0")
    assert "seems to have a TPU" in mesh.unused_accelerator(made, str(tmp_path))
    (tmp_path / "dev" / "accel0").unlink()
    assert mesh.unused_accelerator(made, str(tmp_path)) is None


def test_describe_names_devices_and_their_share():
    assert mesh.describe(mesh.make(2)) == "2 x cpu (cpu): 2 along members, 1 along the batch"


def devices_seen(first="", **env):
    code = first + (
        "from lenet_jax.distributed import mesh; mesh.prepare(); import jax, os;"
        "print(jax.device_count(), os.environ.get('XLA_FLAGS', ''))"
    )
    clean = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean | env, capture_output=True, text=True, check=True
    )
    count, *flags = done.stdout.split()
    return int(count), flags


def test_prepare_makes_a_device_of_every_core_and_respects_the_user():
    # XLA_FLAGS reach the compilers of all platforms: nothing of ours is put there.
    assert devices_seen() == (len(os.sched_getaffinity(0)), [])
    assert devices_seen(JAX_NUM_CPU_DEVICES="3")[0] == 3
    five = "--xla_force_host_platform_device_count=5"
    assert devices_seen(XLA_FLAGS=five) == (5, [five])
    # As on macOS.
    unpinned = "import os; del os.sched_getaffinity;"
    assert devices_seen(unpinned)[0] == os.cpu_count()
    own = "--xla_cpu_multi_thread_eigen=true"
    assert devices_seen(XLA_FLAGS=own)[1] == [own]


@pytest.mark.parametrize(
    ("members", "count", "shape"),
    [(1, 2, (1, 1)), (16, 8, (8, 1)), (6, 4, (3, 1)), (5, 4, (1, 1)), (4, 4, (4, 1))],
)
def test_members_come_before_the_batch_on_accelerators(members, count, shape):
    made = mesh.make(members, chips(count))
    assert (made.shape["member"], made.shape["batch"]) == shape
    asked = mesh.make(members, chips(count), sizes=f"batch:{count}")
    assert asked.shape["batch"] == count


def test_digits_lie_in_memory_once_for_all_devices():
    devices = mesh.make(1)
    assert devices.size > 1
    images_NxHxW = np.arange(50 * 28 * 28, dtype=np.uint8).reshape(50, 28, 28)[::2]
    labels_N = np.arange(25, dtype=np.int32)
    shared = multihost.replicate((images_NxHxW, labels_N), mesh.replicated(devices))
    for array, expected in zip(shared, (images_NxHxW.copy(), labels_N.copy()), strict=True):
        parts = [shard.data for shard in array.addressable_shards]
        assert len(parts) == devices.size
        assert len({part.unsafe_buffer_pointer() for part in parts}) == 1
        assert array.is_fully_replicated
        np.testing.assert_array_equal(array, expected)
    # What their owner does with them later is not seen.
    labels_N[:] = 7
    np.testing.assert_array_equal(shared[1], np.arange(25))
    lent = jax.jit(lambda labels_N: labels_N + 1)(shared[1])
    np.testing.assert_array_equal(lent, np.arange(1, 26))
