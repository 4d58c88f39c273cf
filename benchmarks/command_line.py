"""The whole way from Kaggle's zip to a submission, each step a process of its own."""

import csv
import shutil
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import process

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# Of configs/fast.py and of the peers' scripts.
EPOCHS = 12
NAMES = ("lenet-jax, warm caches", "lenet-jax, cold caches", "PyTorch script", "Keras script")

# name -> repetition -> (seconds, peak MB, accuracy of the hold-out)
Results = dict[str, dict[int, tuple[float, float, float]]]


def measure(data: str, peers: str, folder: str, repetitions: int) -> Results:
    """Runs every way in turn, `repetitions` times; seed k in repetition k."""
    results: Results = {name: {} for name in NAMES}
    for seed in range(repetitions):
        cache = Path(folder) / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        for name in ("lenet-jax, cold caches", "lenet-jax, warm caches"):
            print(f"{seed + 1}/{repetitions} {name}", file=sys.stderr)
            results[name].update(_ours(data, folder, cache, seed))
        for name, script in (("PyTorch script", "torch"), ("Keras script", "keras")):
            print(f"{seed + 1}/{repetitions} {name}", file=sys.stderr)
            command = [peers, str(HERE / f"{script}_submission.py"), f"--data={data}"]
            command += [f"--epochs={EPOCHS}", f"--seed={seed}", f"--output={folder}/{script}.csv"]
            done = process.run(command, limit=600)
            if done:
                accuracy = float(done.out.split()[-1])
                results[name][seed] = (done.seconds, done.peak_mb, accuracy)
    return results


def _ours(data: str, folder: str, cache: Path, seed: int) -> dict[int, tuple[float, float, float]]:
    workdir = Path(folder) / "run"
    shutil.rmtree(workdir, ignore_errors=True)
    common = [f"--workdir={workdir}", f"--data={data}"]
    train = ["run_train.py", f"--config={ROOT}/configs/fast.py", f"--config.seed={seed}"]
    predict = ["run_predict.py", f"--output={folder}/ours.csv"]
    steps = []
    for program, *rest in (train, predict):
        command = [sys.executable, str(ROOT / program), *rest, *common]
        done = process.run(command, limit=600, environment={"LENET_JAX_CACHE": str(cache)})
        if done is None:
            return {}
        steps.append(done)
    with (workdir / "metrics.csv").open(newline="") as file:
        accuracy = float(list(csv.DictReader(file))[-1]["holdout_accuracy"])
    seconds = sum(step.seconds for step in steps)
    return {seed: (seconds, max(step.peak_mb for step in steps), accuracy)}


def table(results: Results) -> Iterator[str]:
    """Rows of seconds, ratios, memory and accuracy."""
    yield "| zip to submission, 12 epochs | seconds | times ours, warm | times ours, cold "
    yield "| peak memory, MB | hold-out |\n|---|---|---|---|---|---|\n"
    for name, each in results.items():
        if not each:
            yield f"| {name} | failed | | | | |\n"
            continue
        seconds = [took for took, _, _ in each.values()]
        cells = [f"{statistics.median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})"]
        for ours in NAMES[:2]:
            pairs = [each[k][0] / results[ours][k][0] for k in each if k in results[ours]]
            cells.append(f"{statistics.median(pairs):.2f}" if pairs else "")
        cells.append(f"{max(memory for _, memory, _ in each.values()):,.0f}")
        cells.append(", ".join(f"{accuracy:.2%}" for _, _, accuracy in each.values()))
        yield f"| {name} | {' | '.join(cells)} |\n"
