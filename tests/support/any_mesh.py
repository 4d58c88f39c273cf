"""Trains the same members on every mesh of 1 to 8 CPU devices; `test_any_mesh.py` runs it.

A process of its own, for the number of devices is set before JAX starts.
"""

import dataclasses
import os
import sys
import tempfile

from support.xla import QUICK_TO_COMPILE, known

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = known("--xla_force_host_platform_device_count=8", *QUICK_TO_COMPILE)

import jax
import numpy as np

from lenet_jax.config import Config
from lenet_jax.distributed import mesh, multihost
from lenet_jax.runs.checkpoint import Checkpoints
from lenet_jax.training import compilation, epoch, population

mesh.prepare()
STILL = {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0}
# Smooth, for a unit of ReLU on its edge makes a last bit large: of ten seeds two move by 0.05 in
# a hundred steps when the first parameters do by one bit.
CONFIG = Config(holdout=0.0, members=8, batch_size=24, activation="tanh", epochs=1, **STILL)
# Each costs seconds to compile; --all takes them all.
FEW = ("8,1", "2,2")
ALL = ("2,1", "4,1", "1,2", "2,2", "1,4", "4,2", "2,4", "8,1", "1,8")
EVALUATED = "2,2"
# The images do not divide by eight.
IMAGES, HELD, STEPS = 100, 30, np.int32(5)


def digits(count, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
    return images, rng.integers(0, 10, count).astype(np.int32)


def mesh_of(name):
    member, batch = name.split(",")
    return mesh.make(CONFIG.members, sizes=f"member:{member},batch:{batch}")


def begun():
    """The first state, made on one device, on none."""
    on = mesh_of("1,1")
    seeds = multihost.put(np.arange(CONFIG.members, dtype=np.uint32), mesh.stacked(on))
    state = epoch.programs(CONFIG, on, IMAGES).create(seeds)
    return jax.tree.map(np.asarray, dataclasses.replace(state, key=jax.random.key_data(state.key)))


def trained(first, on):
    """The state after some steps on a mesh."""
    state = multihost.put(first, mesh.stacked(on))
    state = dataclasses.replace(state, key=jax.random.wrap_key_data(state.key))
    images, labels = digits(IMAGES, 0)
    member = multihost.put(population.make(CONFIG, labels).member, mesh.stacked(on))
    shared = multihost.put((images, labels, np.int32(0), STEPS), mesh.replicated(on))
    run = epoch.programs(CONFIG, on, IMAGES)
    shuffled = jax.block_until_ready(run.shuffle(state, member))
    return jax.block_until_ready(run.train_until(state, shuffled, *shared, None))


def evaluated(state, on):
    run = epoch.programs(CONFIG, on, IMAGES)
    rows = np.tile(np.arange(HELD, dtype=np.int32), (CONFIG.members, 1))
    held = multihost.put(digits(HELD, 1), mesh.replicated(on))
    return jax.block_until_ready(
        run.evaluate(state.averaged_params, multihost.put(rows, mesh.stacked(on)), *held)
    )


def numbers(tree):
    """A tree as NumPy arrays, keys as their words."""
    return [
        np.asarray(jax.random.key_data(leaf) if "key" in str(leaf.dtype) else leaf)
        for leaf in jax.tree.leaves(tree)
    ]


def travelled(state, on):
    """A state that was saved on its mesh and restored on another."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(folder)
        checkpoints.save(int(STEPS), state, None)
        checkpoints.close()
        target = compilation.abstract_state(CONFIG, on, CONFIG.members, IMAGES)
        return Checkpoints(folder, read_only=True).restore(int(STEPS), target)


def main():
    first, one = begun(), mesh_of("1,1")
    state = trained(first, one)
    result, worst, states = evaluated(state, one), 0.0, {}
    for name in ALL if "--all" in sys.argv else FEW:
        on = mesh_of(name)
        states[name] = other = trained(first, on)
        pairs = list(zip(numbers(state), numbers(other), strict=True))
        if ",1" in name:
            # Each device runs the same program of one member.
            assert all(np.array_equal(a, b) for a, b in pairs), name
        if name == EVALUATED:
            pairs += zip(numbers(result), numbers(evaluated(other, on)), strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5, err_msg=name)
            worst = max(worst, float(np.max(np.abs(a.astype(float) - b), initial=0)))
    for before, on, devices in ((state, mesh_of("2,4"), 8), (states["8,1"], one, 1)):
        after = travelled(before, on)
        assert len(after.step.sharding.device_set) == devices
        for a, b in zip(numbers(before), numbers(after), strict=True):
            np.testing.assert_array_equal(a, b)
    print(f"largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
