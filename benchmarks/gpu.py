"""lenet-jax on an accelerator: steps per second, members, and the time to 99% without compilation.

python benchmarks/gpu.py --data=digit-recognizer.zip
"""

import argparse
import dataclasses
import itertools
import statistics
import time

from lenet_jax import mesh as meshes

meshes.prepare()

import jax
import numpy as np

from lenet_jax import data, optimizer, programs
from lenet_jax.config import Config

HELD = 10_000
# One cycle of a high rate; `train_mnist_fast` needs 0.76 s for 99% on a GPU.
FAST = Config(epochs=12, batch_size=512, learning_rate=1.2e-2, shift=1.0)


class Run:
    """A run's programs and arrays on the devices."""

    def __init__(self, config: Config, train: data.Dataset, held: data.Dataset) -> None:
        self.mesh = meshes.make(config.members)
        self.whole = meshes.replicated(self.mesh)
        self.config, self.steps = config, optimizer.steps_per_epoch(config, len(train))
        self.programs = programs.compile_ahead(config, self.mesh, len(train), len(held))
        self.train = self._put(train)
        self.held = self._put(held)

    def _put(self, dataset: data.Dataset) -> tuple[jax.Array, jax.Array]:
        return jax.device_put((dataset.images_NxHxW, dataset.labels_N), self.whole)

    def begin(self):
        """The first state."""
        first = self.config.seed
        seeds = np.arange(first, first + self.config.members, dtype=np.uint32)
        seeds_M = jax.device_put(seeds, meshes.stacked(self.mesh))
        return jax.block_until_ready(self.programs.create(seeds_M))

    def epoch(self, state, epoch: int):
        """The state after an epoch."""
        stop = jax.device_put(np.int32((epoch + 1) * self.steps), self.whole)
        return jax.block_until_ready(self.programs.train_until(state, *self.train, stop))

    def accuracies(self, state) -> np.ndarray:
        """Of each member on the hold-out, [M]."""
        each, _, _ = self.programs.evaluate(state.averaged_params, *self.held)
        return np.asarray(each.correct / each.count)


def steps_per_second(run: Run, epochs: int = 3) -> float:
    """Median over epochs, the first of which is not counted."""
    state = run.epoch(run.begin(), 0)
    rates = []
    for epoch in range(1, epochs + 1):
        begun = time.perf_counter()
        state = run.epoch(state, epoch)
        rates.append(run.steps / (time.perf_counter() - begun))
    return statistics.median(rates)


def main() -> None:
    """Prints a line per measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="Kaggle's zip")
    parser.add_argument("--members", type=int, nargs="*", default=[1, 8, 64, 512])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--precision", nargs="*", default=["float32", "tensorfloat32", "bfloat16"])
    flags = parser.parse_args()
    everything = data.load_train(flags.data)
    order = np.random.default_rng(0).permutation(len(everything))
    train, held = everything.take(np.sort(order[HELD:])), everything.take(np.sort(order[:HELD]))
    print(f"{meshes.describe(meshes.make(1))}, jax {jax.__version__}")
    for batch, conv in itertools.product((128, 512), ("native", "matmul")):
        config = Config(batch_size=batch, conv=conv, epochs=1000)
        rate = steps_per_second(Run(config, train, held))
        print(f"batch {batch}, conv={conv}: {rate:,.0f} steps/s, {rate * batch:,.0f} images/s")
    for members in flags.members:
        config = Config(members=members, epochs=1000)
        rate = steps_per_second(Run(config, train, held))
        print(f"{members} members, batch 128: {rate * 128 * members:,.0f} images/s of all members")
    for precision in flags.precision:
        with jax.default_matmul_precision(precision):
            run = Run(FAST, train, held)
            # What is not compiled yet is the transfer of the first arrays.
            run.accuracies(run.epoch(run.begin(), 0))
            seconds, accuracies = [], []
            for seed in range(flags.seeds):
                run.config = dataclasses.replace(FAST, seed=seed)
                state = run.begin()
                begun = time.perf_counter()
                for epoch in range(FAST.epochs):
                    state = run.epoch(state, epoch)
                seconds.append(time.perf_counter() - begun)
                accuracies.append(float(run.accuracies(state)[0]))
            print(
                f"{precision}: {FAST.epochs} epochs in {statistics.median(seconds):.2f} s, "
                f"hold-out {np.mean(accuracies):.2%} +- {np.std(accuracies, ddof=1):.2%}"
            )


if __name__ == "__main__":
    main()
