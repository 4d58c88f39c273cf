"""Runs every program in turn, several times, and writes the tables of `benchmarks/README.md`."""

import argparse
import datetime
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import command_line
import numpy as np
import process
from spread import spread

from lenet_jax import data

HERE = Path(__file__).resolve().parent
TABLE = HERE / "README.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
# Divides by every batch size that is measured. An epoch of them takes 0.2 s to 15 s.
DIGITS = 20_480

# name, whether a peer's interpreter runs it, program, variant; the first two are the yardsticks.
PROGRAMS = (
    ("lenet-jax", False, "ours.py", ""),
    ("lenet-jax, act_pool", False, "ours.py", "act_pool"),
    ("lenet-jax, two members", False, "ours.py", "members=2"),
    ("lenet-jax, affine augmentation", False, "ours.py", "affine"),
    ("lenet-jax, affine and elastic augmentation", False, "ours.py", "elastic"),
    ("PyTorch, eager", True, "torch_net.py", "eager"),
    ("PyTorch, eager, act_pool", True, "torch_net.py", "act_pool"),
    ("PyTorch, torch.compile", True, "torch_net.py", "compile"),
    ("Keras fit", True, "keras_fit.py", "auto"),
    ("Keras fit, jit_compile=True", True, "keras_fit.py", "jit"),
    ("Flax nn.Conv, a jitted step per batch", False, "flax_conv.py", "loop"),
    ("Flax nn.Conv, scan over the epoch", False, "flax_conv.py", "scan"),
)
BATCHES = (128, 512)
GROWTH = (
    *(("images", f"{times}x", times, 128, "") for times in (1, 2, 4, 8)),
    *(("batch", str(batch), 1, batch, "") for batch in (64, 256, 1024, 4096)),
    *(("members", str(members), 1, 128, f"members={members}") for members in (1, 2, 4, 8, 16, 32)),
)

# (what is measured) -> repetition -> the line of JSON that its process printed.
Results = dict[tuple, dict[int, dict]]


def main() -> None:
    """Prints the tables and writes them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="Kaggle's zip")
    parser.add_argument("--peers", required=True, help="the interpreter that has the peers")
    parser.add_argument("--quick", action="store_true", help="one repetition on few digits")
    flags = parser.parse_args()
    count, repetitions = (4096, 1) if flags.quick else (DIGITS, 3)
    with tempfile.TemporaryDirectory() as folder:
        dataset = data.load_train(flags.data)
        assert dataset.labels_N is not None
        for times in (1, 2, 4, 8):
            rows = np.arange(count * times) % len(dataset)
            images, labels = dataset.images_NxHxW[rows], dataset.labels_N[rows]
            np.savez(f"{folder}/{times}.npz", images=images, labels=labels)
        results: Results = {}
        for repetition in range(repetitions):
            for name, peer, program, variant in PROGRAMS:
                python = flags.peers if peer else sys.executable
                for batch in BATCHES:
                    # Slow enough that its spread is of no interest.
                    if variant == "scan" and (repetition or batch != 128):
                        continue
                    print(f"{repetition + 1}/{repetitions} {name}, batch {batch}", file=sys.stderr)
                    result = run(python, program, f"{folder}/1.npz", batch, variant)
                    if result:
                        results.setdefault((name, batch), {})[repetition] = result
        growth: dict[tuple[str, str], dict] = {}
        ways = command_line.measure(flags.data, flags.peers, folder, repetitions)
        for what, value, times, batch, variant in GROWTH:
            print(f"growth: {what} {value}", file=sys.stderr)
            result = run(sys.executable, "ours.py", f"{folder}/{times}.npz", batch, variant)
            if result:
                growth[what, value] = result
    lines = [head(flags, count, repetitions), *table(results), "", *growth_table(growth), ""]
    text = "\n".join([*lines, *command_line.table(ways)])
    print(text)
    if not flags.quick:
        before, _, rest = TABLE.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        TABLE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def run(python: str, program: str, digits: str, batch: int, variant: str) -> dict | None:
    """The line of JSON of one process with its peak memory, None where it failed."""
    command = [python, str(HERE / program), f"--digits={digits}", f"--batch={batch}"]
    done = process.run([*command, f"--variant={variant}"], limit=300)
    if done is None:
        return None
    figures: dict = json.loads(done.out.splitlines()[-1])
    return figures | {"peak_mb": done.peak_mb}


def head(flags: argparse.Namespace, count: int, repetitions: int) -> str:
    """The machine, the versions, the date and the command."""
    names = "import importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in "
    peers = subprocess.run(
        [flags.peers, "-c", f"{names}('torch', 'tensorflow-cpu', 'keras')), sep=', ')"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("jax", "flax"))
    return (
        f"{datetime.date.today()}, {process.cores()}, Python "
        f"{platform.python_version()}, {versions}, {peers}. {count:,} of Kaggle's training digits, "
        f"{repetitions} processes of 2 timed epochs each, every program in turn; medians, and the "
        "range over the processes; one process for each row of growth. Ratios are taken within "
        "each turn. `make bench`\n"
    )


def table(results: Results) -> Iterator[str]:
    """Rows of images per second, and how many times as fast lenet-jax is."""
    yield (
        "| program | batch | training, images/s | lenet-jax is | inference, images/s "
        "| lenet-jax is | first epoch, s |"
    )
    yield "|---|---|---|---|---|---|---|"
    for (name, batch), each in results.items():
        # Of the same network.
        yardstick = 1 if name.endswith("act_pool") else 0
        ours = results.get((PROGRAMS[yardstick][0], batch), {})
        cells = []
        for kind in ("train", "infer"):
            medians = {
                repetition: statistics.median(result[kind]) for repetition, result in each.items()
            }
            ratios = [
                statistics.median(ours[repetition][kind]) / median
                for repetition, median in medians.items()
                if repetition in ours
            ]
            cells += [spread(list(medians.values()), ",.0f"), spread(ratios, ".2f", "x")]
        first = [result["first_train_seconds"] for result in each.values()]
        yield f"| {name} | {batch} | {' | '.join(cells)} | {statistics.median(first):.1f} |"


def growth_table(growth: dict[tuple[str, str], dict]) -> Iterator[str]:
    """Rows of lenet-jax alone: one thing grows, the others stay at 1x, batch 128, one member."""
    yield "| what grows | to | training, images/s of all members | peak memory, MB |"
    yield "|---|---|---|---|"
    for (what, value), result in growth.items():
        rate = statistics.median(result["train"])
        yield f"| {what} | {value} | {rate:,.0f} | {result['peak_mb']:,.0f} |"


if __name__ == "__main__":
    main()
