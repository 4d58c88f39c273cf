"""The whole way from Kaggle's zip to a submission of a network at 99.0%."""

import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import process
from spread import spread

from lenet_jax import data
from lenet_jax.config import recipes
from lenet_jax.data import splits
from lenet_jax.runs import workdir

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RECIPE = ROOT / "configs" / "speedrun.py"
OURS = recipes.config_of(str(RECIPE))
WARM, COLD = "lenet-jax, warm caches", "lenet-jax, cold caches"
# The fewest epochs after which a peer's mean is 99.0%.
PEERS = {"PyTorch script": ("torch", 3), "Keras script": ("keras", 5)}
# In the order in which they are run.
EPOCHS = {COLD: OURS.epochs, WARM: OURS.epochs} | {name: n for name, (_, n) in PEERS.items()}


class Way(NamedTuple):
    """What one way from the zip to a submission took, and its accuracy on the hold-out."""

    seconds: float
    peak_mb: float
    accuracy: float


# name -> seed -> way
Results = dict[str, dict[int, Way]]


def measure(digits: str, peers: str, folder: str, repetitions: int) -> Results:
    """Runs every way in turn, `repetitions` times; seed k in repetition k."""
    there = Path(folder)
    labels_N = data.load_train(digits).labels_N
    assert labels_N is not None
    # All are judged by the same digits.
    np.save(there / "held.npy", splits.holdout(labels_N, OURS.holdout, OURS.split_seed)[1])
    results: Results = {name: {} for name in EPOCHS}
    for seed in range(repetitions):
        shutil.rmtree(there / "cache", ignore_errors=True)
        for name in EPOCHS:
            print(f"{seed + 1}/{repetitions} {name}", file=sys.stderr)
            if name in PEERS:
                way = _peer(name, digits, peers, there, seed)
            else:
                way = _ours(digits, there, seed)
            if way:
                results[name][seed] = way
    return results


def _ours(digits: str, there: Path, seed: int) -> Way | None:
    run = there / "run"
    shutil.rmtree(run, ignore_errors=True)
    command = [sys.executable, str(ROOT / "run_train.py"), f"--config={RECIPE}"]
    command += [f"--config.seed={seed}", f"--data={digits}", f"--workdir={run}"]
    command += [f"--predict={there / 'submission.csv'}"]
    environment = {"LENET_JAX_CACHE": str(there / "cache")}
    return _timed(command, there, environment, lambda _: _last_accuracy(run))


def _peer(name: str, digits: str, peers: str, there: Path, seed: int) -> Way | None:
    script = str(HERE / f"{PEERS[name][0]}_submission.py")
    command = [peers, script, f"--data={digits}", f"--held={there / 'held.npy'}"]
    command += [f"--epochs={EPOCHS[name]}", f"--seed={seed}"]
    command += [f"--output={there / 'submission.csv'}"]
    return _timed(command, there, {}, lambda out: float(out.split()[-1]))


def _timed(
    command: list[str], there: Path, environment: dict[str, str], accuracy: Callable[[str], float]
) -> Way | None:
    """Seconds until the submission is written, whatever a program does after that."""
    submission = there / "submission.csv"
    # The notes of who has written it go with the cache.
    submission.unlink(missing_ok=True)
    begun = time.time()
    done = process.run(command, limit=600, environment=environment)
    if done is None:
        return None
    return Way(submission.stat().st_mtime - begun, done.peak_mb, accuracy(done.out))


def _last_accuracy(run: Path) -> float:
    accuracy = workdir.read_metrics(run)[-1]["holdout_accuracy"]
    assert accuracy is not None
    return accuracy


def table(results: Results) -> Iterator[str]:
    """Rows of seconds, ratios, memory and accuracy."""
    yield (
        "| zip to submission | epochs | seconds | times ours, warm | times ours, cold "
        "| peak memory, MB | hold-out |"
    )
    yield "|---|---|---|---|---|---|---|"
    for name, each in results.items():
        if not each:
            yield f"| {name} | failed | | | | | |"
            continue
        cells = [str(EPOCHS[name]), spread([way.seconds for way in each.values()], ".1f")]
        for ours in (WARM, COLD):
            both = each.keys() & results[ours].keys()
            pairs = [each[seed].seconds / results[ours][seed].seconds for seed in both]
            cells.append(f"{statistics.median(pairs):.2f}" if pairs else "")
        cells.append(f"{max(way.peak_mb for way in each.values()):,.0f}")
        cells.append(", ".join(f"{way.accuracy:.2%}" for way in each.values()))
        yield f"| {name} | {' | '.join(cells)} |"
