"""Kills, stops, starves and damages runs, and writes what came of it into docs/reliability.md.

python tests/slow/torture.py --kills=150 --signals=20 --examples=10000

Every run ends with the bits of the run that nothing has disturbed, or this program with a
traceback.
"""

import argparse
import concurrent.futures
import datetime
import os
import platform
import random
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import faults
import kept
import silence
from programs import (
    ROOT,
    after,
    assert_same_run,
    ended,
    in_a_checkpoint,
    killed,
    newest,
    predict,
    rows,
    train,
)

sys.path.insert(0, str(ROOT))

SHORT = ("--config.epochs=8", "--config.members=2")
# Epochs of seconds and of several pieces, so that most signals come in the middle of one.
LONG = ("--config.epochs=5", "--config.batch_size=1")
LONG_STEPS = 3600
KILLS_OF_A_RUN = 5
FUZZED = ("test_data_csv.py", "test_data_zip.py", "test_data_idx.py", "test_submission.py")
# Examples of these tests in `make test`.
EXAMPLES = 690
# Folder names that are drawn in `make test`.
NAMES = 16
DEVICES, BATCHES = 4, 200
SAVED_WITHIN = 5.0


def kill(base, reference, expected, seconds, seed):
    """Kills a run and its prediction again and again; returns (training, checkpoint, predict)."""
    rng = random.Random(seed)
    work, output = base / "w", base / "s.csv"
    counts = [0, 0, 0]
    for _ in range(KILLS_OF_A_RUN):
        in_checkpoint = rng.random() < 0.4
        moment = (
            in_a_checkpoint(work, rng.uniform(0, 0.1))
            if in_checkpoint
            else after(rng.uniform(0, seconds[0]))
        )
        if not killed(train(work, *SHORT), moment):
            break
        counts[in_checkpoint] += 1
    ended(train(work, *SHORT), 0)
    assert_same_run(reference, work)
    for _ in range(2):
        counts[2] += killed(predict(work, output), after(rng.uniform(0, seconds[1])))
        # Whole or not at all.
        assert not output.exists() or output.read_bytes() == expected
    ended(predict(work, output), 0)
    assert output.read_bytes() == expected, f"{output}: another submission"
    return counts


def stop(base, reference, seed, most):
    """Asks a run to stop and goes on, again and again; returns the seconds each save took."""
    rng = random.Random(seed)
    took, middle = [], 0
    while len(took) < most:
        process = train(base / "w", *LONG)
        before = _rows(base / "w")
        while process.poll() is None and _rows(base / "w") == before:
            time.sleep(0.01)
        after(rng.uniform(0, 1.5))(process)
        if process.poll() is not None or _rows(base / "w") >= 4:
            ended(process, 0)
            break
        asked = time.monotonic()
        process.send_signal(rng.choice([signal.SIGINT, signal.SIGTERM]))
        told = ended(process, 75)
        took.append(time.monotonic() - asked)
        assert took[-1] < SAVED_WITHIN, f"{took[-1]:.1f} s to stop"
        assert "to go on: " in told
        middle += int(newest(base / "w").name) % LONG_STEPS != 0
    ended(train(base / "w", *LONG), 0)
    assert_same_run(reference, base / "w")
    return took, middle


def _rows(workdir):
    return len(rows(workdir)) if (workdir / "metrics.csv").exists() else 0


def fuzz(examples):
    """Runs the property tests of the readers with more examples; returns their number."""
    times = -(-examples // EXAMPLES)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "2",
        "-k",
        "mutated or any or arbitrary or read",
    ]
    subprocess.run(
        [*command, *(f"tests/{name}" for name in FUZZED)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "LENET_JAX_FUZZ": str(times)},
        check=True,
    )
    return times * EXAMPLES


def folders(names):
    """Saves and restores in so many folders of any name; returns their number."""
    times = -(-names // NAMES)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-k", "any_name", "tests/test_folder_names.py"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "LENET_JAX_FUZZ": str(times)},
        check=True,
    )
    return times * NAMES


def agree(devices, rounds):
    """Compares what each of several CPU devices, and all together, make of many batches."""
    subprocess.run(
        [sys.executable, ROOT / "tests/slow/agreement.py", str(devices), str(rounds)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
    )


def many(job, least, base):
    """Calls `job(folder, seed)` two at a time until its counts come to `least`."""
    results, seed, begun = [], 0, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = set()
        while sum(map(_count, results)) < least or running:
            while len(running) < 2 and sum(map(_count, results)) < least:
                folder = base / f"{job.__name__}{seed}"
                folder.mkdir()
                running.add(pool.submit(job, folder, seed))
                seed += 1
            done, running = concurrent.futures.wait(running, return_when="FIRST_COMPLETED")
            results += [future.result() for future in done]
            elapsed = time.monotonic() - begun
            found = sum(map(_count, results))
            print(f"{job.__name__}: {found} of {least} in {elapsed:.0f} s", flush=True)
    return results


def _count(result):
    return len(result[0]) if isinstance(result, tuple) else sum(result)


def undisturbed(workdir, *flags):
    """Makes the run to compare with; returns its seconds."""
    ended(train(f"{workdir}-first", *flags), 0)
    begun = time.monotonic()
    ended(train(workdir, *flags), 0)
    seconds = time.monotonic() - begun
    assert_same_run(Path(f"{workdir}-first"), workdir)
    return seconds


def main():
    """Does everything and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=150)
    parser.add_argument("--signals", type=int, default=20)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--names", type=int, default=500)
    parser.add_argument("--report", default=str(ROOT / "docs" / "reliability.md"))
    arguments = parser.parse_args()
    begun = time.monotonic()
    lines = []

    def add(line):
        # Told at once: what comes after it may fail.
        print(line, flush=True)
        lines.append(line)

    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        base = Path(name)
        os.environ["LENET_JAX_CACHE"] = str(base / "cache")
        short, long, tiny = base / "short", base / "long", base / "tiny"
        train_seconds = undisturbed(short, *SHORT)
        ended(predict(short, base / "first.csv"), 0)
        predict_begun = time.monotonic()
        ended(predict(short, base / "s.csv"), 0)
        seconds = train_seconds, time.monotonic() - predict_begun
        expected = (base / "s.csv").read_bytes()
        assert (base / "first.csv").read_bytes() == expected

        def kills(folder, seed):
            return kill(folder, short, expected, seconds, seed)

        counts = [sum(column) for column in zip(*many(kills, arguments.kills, base), strict=True)]
        add(
            f"| `kill -9` | {sum(counts)}: {counts[0]} at a random moment of training, {counts[1]} "
            f"while a checkpoint was written, {counts[2]} in prediction | 0 runs with another bit "
            "of a parameter, another row of metrics.csv or another byte of the submission |"
        )
        undisturbed(long, *LONG)

        def signals(folder, seed):
            return stop(folder, long, seed, arguments.signals)

        stops = many(signals, arguments.signals, base)
        took = [second for result in stops for second in result[0]]
        add(
            f"| SIGTERM or SIGINT | {len(took)}, {sum(middle for _, middle in stops)} of them in "
            f"the middle of an epoch | status 75, saved and ended after {max(took):.1f} s at most "
            f"({sum(took) / len(took):.1f} s on average), the same bits after going on |"
        )
        undisturbed(tiny, faults.EPOCHS)
        for fault in (*faults.ALL, *silence.ALL):
            folder = base / fault.__name__
            folder.mkdir()
            fault(folder, tiny)
            outcome = fault.__doc__.strip().removesuffix(".")
            add(f"| {fault.__name__.replace('_', ' ')} | 1 | {outcome} |")
    names = folders(arguments.names)
    add(f"| folder names of any characters | {names} | 0 checkpoints that could not be restored |")
    agree(DEVICES, BATCHES)
    add(f"| {BATCHES} batches on each of {DEVICES} CPU devices | 1 | The same bits on each |")
    examples = fuzz(arguments.examples)
    add(
        f"| fuzzed CSV, zip, gzip and IDX files and submissions | {examples:,} examples | 0 "
        "tracebacks, 0 wrong arrays |"
    )
    minutes = (time.monotonic() - begun) / 60
    text = _report(lines, minutes)
    print(text)
    if arguments.report:
        kept.write(Path(arguments.report), "torture", text)


def _report(lines, minutes):
    import jax

    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    machine = f"{os.cpu_count()} cores of {model[1] if model else platform.processor()}"
    return "\n".join(
        [
            f"`{shlex.join(['python', *sys.argv])}` on {datetime.date.today()}, {machine}, Python "
            f"{platform.python_version()}, jax {jax.__version__}: {minutes:.0f} minutes.",
            "",
            "| what | how often | what came of it |",
            "|---|---|---|",
            *lines,
            "",
            "Each run is compared with one that nothing disturbed, on the same machine with the "
            "same number of devices. `tests/slow/` holds the code; `make test` runs a few of each.",
        ]
    )


if __name__ == "__main__":
    main()
