"""Trains to 99.0% of the hold-out and predicts Kaggle's digits, again and again, with a clock.

python benchmarks/speedruns.py --data=digit-recognizer.zip --runs=20 --cold=3 --log=speedruns.csv

Each run is `run_train.py --predict` as a process of its own, from Kaggle's zip to a submission,
with a seed of its own; nothing is chosen after it has begun. Cold is with nothing in the caches,
neither digits nor compiled programs.
"""

import argparse
import csv
import datetime
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import process
from scipy import stats
from spread import spread

ROOT = Path(__file__).resolve().parent.parent
GOAL = 0.99
# What a run prints, in this order.
INTRODUCED, FIRST_EPOCH, LAST_EPOCH, PREDICTED, DONE = MARKS = (
    r"Training one network",
    r"Epoch 1/",
    r"Epoch (\d+)/\1:",
    r"Wrote .* rows",
    r"Done: ",
)
# Of a row of the log, before the seconds of each stage.
COLUMNS = ("seed", "caches", "accuracy", "training", "until the submission", "until the end")


def main() -> None:
    """Prints a line for each run, then what they come to; writes the log if it is asked to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="Kaggle's zip")
    parser.add_argument("--config", default=str(ROOT / "configs" / "speedrun.py"))
    parser.add_argument("--runs", type=int, default=20, help="with warm caches, seeds 0, 1, ...")
    parser.add_argument("--cold", type=int, default=3, help="with nothing in the caches")
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--split_seed", type=int, default=0, help="of the hold-out")
    parser.add_argument("--log", help="CSV to write, a row for each run")
    flags = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="speedrun-") as folder:
        cache = Path(folder) / "cache"
        for number in range(flags.cold):
            shutil.rmtree(cache, ignore_errors=True)
            rows.append(run(flags, folder, flags.first_seed + number, "cold"))
        if not flags.cold:
            run(flags, folder, flags.first_seed, "cold")
        rows += [
            run(flags, folder, flags.first_seed + number, "warm") for number in range(flags.runs)
        ]
    print("\n".join(summary(rows)))
    if flags.log:
        with Path(flags.log).open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


def run(flags: argparse.Namespace, folder: str, seed: int, caches: str) -> dict:
    """One run of the program: its accuracy, and seconds until each stage has ended."""
    workdir, output = Path(folder) / "run", Path(folder) / "submission.csv"
    shutil.rmtree(workdir, ignore_errors=True)
    # The notes of who has written it go with the cache.
    output.unlink(missing_ok=True)
    command = [
        *(sys.executable, str(ROOT / "run_train.py"), f"--config={flags.config}"),
        *(f"--config.seed={seed}", f"--config.split_seed={flags.split_seed}"),
        *(f"--data={flags.data}", f"--workdir={workdir}", f"--predict={output}"),
    ]
    environment = os.environ | {
        "LENET_JAX_CACHE": str(Path(folder) / "cache"),
        "PYTHONUNBUFFERED": "1",
    }
    begun = time.perf_counter()
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    assert running.stdout is not None
    at, marks = {}, list(MARKS)
    lines = []
    for line in running.stdout:
        lines.append(line)
        while marks and re.match(marks[0], line):
            at[marks.pop(0)] = time.perf_counter() - begun
    if running.wait() or marks:
        sys.exit(f"{''.join(lines)}status {running.returncode}; never printed: {marks}")
    end = time.perf_counter() - begun
    with (workdir / "metrics.csv").open(newline="") as file:
        epochs = list(csv.DictReader(file))
    first, *others = (float(epoch["seconds"]) for epoch in epochs)
    row = {
        "seed": seed,
        "caches": caches,
        "accuracy": float(epochs[-1]["holdout_accuracy"]),
        "training": first + sum(others),
        "until the submission": at[PREDICTED],
        "until the end": end,
        "start and digits": at[INTRODUCED],
        "programs and first parameters": at[FIRST_EPOCH] - first - at[INTRODUCED],
        "checkpoints between epochs": at[LAST_EPOCH] - at[FIRST_EPOCH] - sum(others),
        "last checkpoint and prediction": at[PREDICTED] - at[LAST_EPOCH],
        "report and card": at[DONE] - at[PREDICTED],
        "leaving": end - at[DONE],
    }
    row = {
        name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()
    }
    print(", ".join(f"{name} {row[name]}" for name in COLUMNS), flush=True)
    return row


def summary(rows: list[dict]) -> Iterator[str]:
    """The machine, the test of the mean against 99.0%, and where each second goes."""
    yield f"\n{datetime.date.today()}, {process.cores()}, Python {platform.python_version()}\n"
    # A cold run has the bits of the warm one with its seed.
    accuracies = list({row["seed"]: row["accuracy"] for row in rows}.values())
    if len(accuracies) > 1:
        test = stats.ttest_1samp(accuracies, GOAL, alternative="greater")
        yield (
            f"{statistics.mean(accuracies):.3%} +- {statistics.stdev(accuracies):.3%} of the "
            f"hold-out, {len(accuracies)} seeds, the lowest {min(accuracies):.2%}; a mean of "
            f"{GOAL:.1%} or less would give as much with p = {test.pvalue:.2g}"
        )
    yield "\n| seconds, median and range | " + " | ".join(_kinds(rows)) + " |"
    yield "|---|" + "---|" * len(_kinds(rows))
    for name in list(rows[0])[COLUMNS.index("training") :]:
        cells = [
            spread([row[name] for row in rows if row["caches"] == caches], ".2f")
            for caches in _kinds(rows)
        ]
        yield f"| {name} | {' | '.join(cells)} |"


def _kinds(rows: list[dict]) -> list[str]:
    return list(dict.fromkeys(row["caches"] for row in rows))


if __name__ == "__main__":
    main()
