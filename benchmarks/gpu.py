"""lenet-jax on an accelerator: batches, members, and the time to 99.0%, as one table.

python benchmarks/gpu.py --data=digit-recognizer.zip --output=gpu.md

Compilation is not in the times. Of batches and members the median of three epochs is taken, after
one that is not; of the way to 99.0% the number of epochs is fixed before each try, the digits held
out are looked at after the last one, and the first number whose mean of the seeds gets there ends
the tries.
"""

import argparse
import dataclasses
import datetime
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from epochs import Digits, Run

import jax
import numpy as np
from lenet_jax import data, files
from lenet_jax.distributed import mesh as meshes
from lenet_jax.config import Config
from lenet_jax.errors import UserError

HELD = 10_000
# One cycle of a high rate; `train_mnist_fast` needs 0.76 s for 99% on a GPU.
FAST = Config(batch_size=512, learning_rate=1.2e-2, shift=1.0)


def main() -> None:
    """Prints the table, and writes it if it is asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="auto", help="as for run_train.py")
    parser.add_argument("--platform", default="gpu", choices=meshes.PLATFORMS)
    parser.add_argument("--output", help="Markdown file to write")
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 512, 2048])
    parser.add_argument("--members", type=int, nargs="*", default=[1, 2, 4, 8, 16, 64, 256, 512])
    parser.add_argument("--epochs", type=int, nargs="*", default=[3, 4, 6, 8, 12, 16])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--target", type=float, default=0.99, help="accuracy, of 1")
    flags = parser.parse_args()
    try:
        table = "\n".join(lines(flags))
        print(table)
        if flags.output:
            files.write_atomically(flags.output, f"{table}\n")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def lines(flags: argparse.Namespace) -> Iterator[str]:
    """Measures, and gives the lines of the table.

    Raises:
      UserError: there is no such platform, or no digits.
    """
    meshes.prepare(platform=flags.platform)
    found = jax.default_backend()
    if found != flags.platform:
        raise UserError(
            f"JAX finds no {flags.platform} here, but {found}; install the JAX of that platform or "
            f"free the device, or give --platform={found} to measure that"
        )
    train, held = parts(data.load_train(flags.data, say=lambda line: print(line, file=sys.stderr)))
    yield f"{datetime.date.today()}, {machine()}. {len(train[1]):,} digits of {flags.data}."
    yield f"`python benchmarks/gpu.py {shlex.join(sys.argv[1:])}`"
    yield ""
    yield "| batch | members | steps/s | images/s of all members | peak memory, MiB |"
    yield "|---|---|---|---|---|"
    for batch in flags.batches:
        yield row(Config(batch_size=batch, epochs=1000), train, held)
    for members in flags.members:
        config = Config(batch_size=flags.batches[0], members=members, epochs=1000)
        # One is the first line.
        if members > 1:
            yield row(config, train, held)
    yield ""
    yield (
        f"| epochs, batch {FAST.batch_size} | seconds, median of {flags.seeds} seeds "
        f"| hold-out, {len(held[1]):,} digits | seeds of {flags.target:.1%} |"
    )
    yield "|---|---|---|---|"
    for epochs in flags.epochs:
        line, reached = to_target(epochs, flags.seeds, flags.target, train, held)
        yield line
        if reached:
            break


def parts(dataset: data.Dataset) -> tuple[Digits, Digits]:
    """The digits to train on, and at most a quarter held out."""
    assert dataset.labels_N is not None
    order = np.random.default_rng(0).permutation(len(dataset))
    held = min(HELD, len(dataset) // 4)
    train, aside = (
        (dataset.images_NxHxW[rows], dataset.labels_N[rows])
        for rows in (np.sort(order[held:]), np.sort(order[:held]))
    )
    return train, aside


def machine() -> str:
    """The devices, the versions and the commit."""
    version = jax.devices()[0].client.platform_version.splitlines()[0]
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "unknown"
    python = sys.version.split()[0]
    devices = meshes.describe(meshes.make(1)).partition(":")[0]
    return f"{devices}, {version}, jax {jax.__version__}, Python {python}, commit {commit}"


def row(config: Config, train: Digits, held: Digits) -> str:
    """A line about one batch size and number of members."""
    name = f"| {config.batch_size} | {config.members}"
    print(f"batch {config.batch_size}, {config.members} members", file=sys.stderr)
    try:
        run = Run(config, train, held)
        rate = steps_per_second(run)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return f"{name} | out of memory | | |"
    images = rate * config.batch_size * config.members
    stats = jax.devices()[0].memory_stats() or {}
    # Of the process so far: members only grow.
    peak = f"{stats['peak_bytes_in_use'] / 2**20:,.0f}" if "peak_bytes_in_use" in stats else ""
    return f"{name} | {rate:,.1f} | {images:,.0f} | {peak} |"


def steps_per_second(run: Run, epochs: int = 3) -> float:
    """Median over epochs, the first of which is not counted."""
    state = run.epoch(run.begin())
    rates = []
    for _ in range(epochs):
        begun = time.perf_counter()
        state = run.epoch(state)
        rates.append(run.steps_per_epoch / (time.perf_counter() - begun))
    return statistics.median(rates)


def to_target(
    epochs: int, seeds: int, target: float, train: Digits, held: Digits
) -> tuple[str, bool]:
    """A line about so many epochs, and whether the mean of the seeds has reached the target."""
    print(f"{epochs} epochs, {seeds} seeds", file=sys.stderr)
    run = Run(dataclasses.replace(FAST, epochs=epochs), train, held)
    # What is not compiled yet is the transfer of the first arrays.
    run.accuracies(run.epoch(run.begin()))
    seconds, accuracies = [], []
    for seed in range(seeds):
        state = run.begin(seed)
        begun = time.perf_counter()
        for _ in range(epochs):
            state = run.epoch(state)
        seconds.append(time.perf_counter() - begun)
        accuracies.append(float(run.accuracies(state)[0]))
    deviation = f" +- {np.std(accuracies, ddof=1):.3%}" if seeds > 1 else ""
    reached = sum(accuracy >= target for accuracy in accuracies)
    line = (
        f"| {epochs} | {statistics.median(seconds):.3f} | {np.mean(accuracies):.3%}{deviation} "
        f"| {reached} of {seeds} |"
    )
    return line, float(np.mean(accuracies)) >= target


if __name__ == "__main__":
    main()
