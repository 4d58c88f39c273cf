"""Runs every program in turn, several times, and writes the table of `benchmarks/README.md`."""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np

from lenet_jax import data

HERE = Path(__file__).resolve().parent
TABLE = HERE / "README.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"

# name, whether a peer's interpreter runs it, program, variant, batches; the first is the yardstick.
PROGRAMS = (
    ("lenet-jax", False, "ours.py", "", (128, 512)),
    ("lenet-jax, two members", False, "ours.py", "members=2", (128, 512)),
    ("lenet-jax, affine augmentation", False, "ours.py", "augmented", (128, 512)),
    ("PyTorch, eager", True, "torch_net.py", "eager", (128, 512)),
    ("PyTorch, torch.compile", True, "torch_net.py", "compile", (128, 512)),
    ("Keras fit", True, "keras_fit.py", "auto", (128, 512)),
    ("Keras fit, jit_compile=True", True, "keras_fit.py", "jit", (128, 512)),
    ("Flax nn.Conv, a jitted step per batch", False, "flax_conv.py", "loop", (128, 512)),
    ("Flax nn.Conv, scan over the epoch", False, "flax_conv.py", "scan", (128, 512)),
)
GROWTH = (
    *(("images", f"{times}x", times, 128, "") for times in (1, 2, 4, 8)),
    *(("batch", str(batch), 1, batch, "") for batch in (64, 256, 1024, 4096)),
    *(("members", str(members), 1, 128, f"members={members}") for members in (1, 2, 4, 8, 16, 32)),
)


def main() -> None:
    """Prints the tables and writes them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="Kaggle's zip")
    parser.add_argument("--peers", required=True, help="the interpreter that has the peers")
    parser.add_argument("--quick", action="store_true", help="one repetition on few digits")
    flags = parser.parse_args()
    count, repetitions = (4096, 1) if flags.quick else (40_960, 3)
    with tempfile.TemporaryDirectory() as folder:
        dataset = data.load_train(flags.data)
        for times in (1, 2, 4, 8):
            rows = np.arange(count * times) % min(count, len(dataset))
            np.savez(
                f"{folder}/{times}.npz",
                images=dataset.images_NxHxW[rows],
                labels=dataset.labels_N[rows],
            )
        results: dict[tuple[str, int], list[dict]] = {}
        for repetition in range(repetitions):
            for name, peer, program, variant, batches in PROGRAMS:
                for batch in batches:
                    # Slow enough that its spread is of no interest.
                    if variant == "scan" and (repetition or batch != 128):
                        continue
                    print(f"{repetition + 1}/{repetitions} {name}, batch {batch}", file=sys.stderr)
                    python = flags.peers if peer else sys.executable
                    result = run(python, program, f"{folder}/1.npz", batch, variant)
                    if result:
                        results.setdefault((name, batch), []).append(result)
        growth = []
        for what, value, times, batch, variant in GROWTH:
            print(f"growth: {what} {value}", file=sys.stderr)
            result = run(sys.executable, "ours.py", f"{folder}/{times}.npz", batch, variant)
            if result:
                growth.append((what, value, result))
    lines = [head(flags, count, repetitions), *table(results), "", *growth_table(growth)]
    text = "\n".join(lines)
    print(text)
    if not flags.quick:
        before, _, rest = TABLE.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        TABLE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def run(python: str, program: str, digits: str, batch: int, variant: str) -> dict | None:
    """One process; its line of JSON with its peak memory, None where it failed."""
    command = [python, str(HERE / program), f"--digits={digits}", f"--batch={batch}"]
    process = subprocess.Popen(
        [*command, f"--variant={variant}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, errors = process.communicate()
    if process.returncode:
        print(f"{program} {variant} failed: {errors.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return json.loads(out.splitlines()[-1])


def head(flags: argparse.Namespace, count: int, repetitions: int) -> str:
    """The machine, the versions, the date and the command."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    names = "import importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in "
    peers = subprocess.run(
        [flags.peers, "-c", f"{names}('torch', 'tensorflow-cpu', 'keras')), sep=', ')"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("jax", "flax"))
    return (
        f"{datetime.date.today()}, {len(os.sched_getaffinity(0))} cores of {model}, Python "
        f"{platform.python_version()}, {versions}, {peers}. {count:,} of Kaggle's training digits, "
        f"{repetitions} processes of 2 timed epochs each, every program in turn; medians, and the "
        "range of the processes' medians. `make bench`\n"
    )


def table(results: dict[tuple[str, int], list[dict]]) -> list[str]:
    """Rows of images per second, and how many times as fast lenet-jax is."""
    lines = [
        "| program | batch | training, images/s | lenet-jax is | inference, images/s "
        "| lenet-jax is |",
        "|---|---|---|---|---|---|",
    ]
    for (name, batch), each in results.items():
        cells = []
        for kind in ("train", "infer"):
            medians = [statistics.median(result[kind]) for result in each]
            middle = statistics.median(medians)
            ours = results.get((PROGRAMS[0][0], batch), [])
            ratios = [
                statistics.median(our[kind]) / median
                for our, median in zip(ours, medians, strict=False)
            ]
            spread = f"{min(medians):,.0f} to {max(medians):,.0f}"
            ratio = f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
            cells += [f"{middle:,.0f} ({spread})", ratio]
        lines.append(f"| {name} | {batch} | {' | '.join(cells)} |")
    return lines


def growth_table(growth: list[tuple[str, str, dict]]) -> list[str]:
    """Rows of lenet-jax alone: one thing grows, the others stay at 1x, batch 128, one member."""
    lines = [
        "| what grows | to | training, images/s of all members | peak memory, MB |",
        "|---|---|---|---|",
    ]
    for what, value, result in growth:
        rate = statistics.median(result["train"])
        lines.append(f"| {what} | {value} | {rate:,.0f} | {result['peak_mb']:,.0f} |")
    return lines


if __name__ == "__main__":
    main()
