"""One batch through the network on each CPU device and on the mesh of all: the same everywhere.

python tests/slow/agreement.py 4 200

A process of its own, for the number of devices, the first argument, is set before JAX starts. The
second is the number of rounds; each compares a fresh batch. The programs are those of prediction.
"""

import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = sys.argv[1]

import jax
import numpy as np

from lenet_jax import models
from lenet_jax.config import Config
from lenet_jax.distributed import mesh
from lenet_jax.inference import predict

CONFIG = Config()
DEVICES, ROUNDS = map(int, sys.argv[1:])
BATCH = 256


def random_params(rng):
    shapes = models.shapes(CONFIG, (1,))
    return jax.tree.map(lambda leaf: rng.normal(0, 0.1, leaf.shape).astype(np.float32), shapes)


def main():
    rng = np.random.default_rng(0)
    mesh.prepare()
    params_M = random_params(rng)
    whole = mesh.make(1)
    assert whole.size == DEVICES
    batches = [rng.integers(0, 256, (BATCH, 28, 28)).astype(np.uint8) for _ in range(ROUNDS)]

    def all_batches(on):
        return np.stack([predict.probabilities(CONFIG, on, params_M, batch) for batch in batches])

    first, *others = (mesh.make(1, [device]) for device in jax.devices())
    expected_RxNxK = all_batches(first)
    for other in others:
        same = np.array_equal(all_batches(other), expected_RxNxK)
        assert same, f"{other.devices.flat[0]}: other bits than those of the first device"
    # Of other shapes on each device, so the last bits may differ.
    np.testing.assert_allclose(all_batches(whole), expected_RxNxK, atol=1e-5)
    print(f"{DEVICES} devices agree on {ROUNDS} batches")


if __name__ == "__main__":
    main()
