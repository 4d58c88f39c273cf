"""The whole way from Kaggle's zip to a submission, each step a process of its own."""

import csv
import runpy
import shutil
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import process
from spread import spread

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FAST = ROOT / "configs" / "fast.py"
# The peers' scripts train as long.
EPOCHS = runpy.run_path(str(FAST))["get_config"]().epochs
NAMES = ("lenet-jax, warm caches", "lenet-jax, cold caches", "PyTorch script", "Keras script")


class Way(NamedTuple):
    """What one way from the zip to a submission took, and its accuracy on its hold-out."""

    seconds: float
    peak_mb: float
    accuracy: float


# name -> seed -> way
Results = dict[str, dict[int, Way]]


def measure(data: str, peers: str, folder: str, repetitions: int) -> Results:
    """Runs every way in turn, `repetitions` times; seed k in repetition k."""
    results: Results = {name: {} for name in NAMES}
    for seed in range(repetitions):
        cache = Path(folder) / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        for name in ("lenet-jax, cold caches", "lenet-jax, warm caches"):
            print(f"{seed + 1}/{repetitions} {name}", file=sys.stderr)
            way = _ours(data, folder, cache, seed)
            if way:
                results[name][seed] = way
        for name, script in (("PyTorch script", "torch"), ("Keras script", "keras")):
            print(f"{seed + 1}/{repetitions} {name}", file=sys.stderr)
            command = [peers, str(HERE / f"{script}_submission.py"), f"--data={data}"]
            command += [f"--epochs={EPOCHS}", f"--seed={seed}", f"--output={folder}/{script}.csv"]
            done = process.run(command, limit=600)
            if done:
                accuracy = float(done.out.split()[-1])
                results[name][seed] = Way(done.seconds, done.peak_mb, accuracy)
    return results


def _ours(data: str, folder: str, cache: Path, seed: int) -> Way | None:
    workdir = Path(folder) / "run"
    shutil.rmtree(workdir, ignore_errors=True)
    common = [f"--workdir={workdir}", f"--data={data}"]
    train = ["run_train.py", f"--config={FAST}", f"--config.seed={seed}"]
    predict = ["run_predict.py", f"--output={folder}/ours.csv"]
    steps = []
    for program, *rest in (train, predict):
        command = [sys.executable, str(ROOT / program), *rest, *common]
        done = process.run(command, limit=600, environment={"LENET_JAX_CACHE": str(cache)})
        if done is None:
            return None
        steps.append(done)
    with (workdir / "metrics.csv").open(newline="") as file:
        accuracy = float(list(csv.DictReader(file))[-1]["holdout_accuracy"])
    seconds = sum(step.seconds for step in steps)
    return Way(seconds, max(step.peak_mb for step in steps), accuracy)


def table(results: Results) -> Iterator[str]:
    """Rows of seconds, ratios, memory and accuracy."""
    yield (
        f"| zip to submission, {EPOCHS} epochs | seconds | times ours, warm | times ours, cold "
        "| peak memory, MB | hold-out |"
    )
    yield "|---|---|---|---|---|---|"
    for name, each in results.items():
        if not each:
            yield f"| {name} | failed | | | | |"
            continue
        cells = [spread([way.seconds for way in each.values()], ".1f")]
        for ours in NAMES[:2]:
            both = each.keys() & results[ours].keys()
            pairs = [each[seed].seconds / results[ours][seed].seconds for seed in both]
            cells.append(f"{statistics.median(pairs):.2f}" if pairs else "")
        cells.append(f"{max(way.peak_mb for way in each.values()):,.0f}")
        cells.append(", ".join(f"{way.accuracy:.2%}" for way in each.values()))
        yield f"| {name} | {' | '.join(cells)} |"
