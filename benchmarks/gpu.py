"""lenet-jax on an accelerator: steps per second, members, and the time to 99% without compilation.

python benchmarks/gpu.py --data=digit-recognizer.zip
"""

import argparse
import itertools
import statistics
import time

from epochs import Run

import jax
import numpy as np

from lenet_jax import data
from lenet_jax import mesh as meshes
from lenet_jax.config import Config

HELD = 10_000
# One cycle of a high rate; `train_mnist_fast` needs 0.76 s for 99% on a GPU.
FAST = Config(epochs=12, batch_size=512, learning_rate=1.2e-2, shift=1.0)


def steps_per_second(run: Run, epochs: int = 3) -> float:
    """Median over epochs, the first of which is not counted."""
    state = run.epoch(run.begin())
    rates = []
    for _ in range(epochs):
        begun = time.perf_counter()
        state = run.epoch(state)
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
    assert everything.labels_N is not None
    train, held = (
        (everything.images_NxHxW[rows], everything.labels_N[rows])
        for rows in (np.sort(order[HELD:]), np.sort(order[:HELD]))
    )
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
            run.accuracies(run.epoch(run.begin()))
            seconds, accuracies = [], []
            for seed in range(flags.seeds):
                state = run.begin(seed)
                begun = time.perf_counter()
                for _ in range(FAST.epochs):
                    state = run.epoch(state)
                seconds.append(time.perf_counter() - begun)
                accuracies.append(float(run.accuracies(state)[0]))
            print(
                f"{precision}: {FAST.epochs} epochs in {statistics.median(seconds):.2f} s, "
                f"hold-out {np.mean(accuracies):.2%} +- {np.std(accuracies, ddof=1):.2%}"
            )


if __name__ == "__main__":
    main()
