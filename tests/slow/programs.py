"""Runs the two programs as a user does, and compares what they leave."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
# Seconds of wall clock, the only columns in which two equal runs may differ.
TIMES = ("seconds", "images_per_second")
LIMIT = 300

# A shell has what runs in its background ignore Ctrl-C, and so would all that is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def train(workdir, *flags, **options):
    """Starts a short run on the sample."""
    recipe = f"--config={ROOT}/configs/smoke.py"
    return start("run_train.py", recipe, "--data=sample", f"--workdir={workdir}", *flags, **options)


def predict(workdir, output, *flags, **options):
    """Starts a prediction of the sample's test part."""
    files = (f"--workdir={workdir}", f"--output={output}")
    return start("run_predict.py", "--data=sample", *files, *flags, **options)


def start(program, *flags, within=()):
    """Starts a program, perhaps `within` another command."""
    return subprocess.Popen(
        [*within, sys.executable, ROOT / program, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def ended(process, status):
    """Waits for a program, which must end with this status, and gives its standard error."""
    _, told = process.communicate(timeout=LIMIT)
    assert process.returncode == status, f"status {process.returncode}, not {status}: {told}"
    return told


def mistake(process, expected):
    """Waits for a program that must end with one line of error, and gives that line."""
    told = [line for line in ended(process, 2).splitlines() if not line.startswith("Epoch")]
    assert len(told) == 1, told
    assert re.match("error: .*" + expected, told[0]), told[0]
    return told[0]


def killed(process, moment):
    """Kills a program once `moment` returns; False if it ended before."""
    moment(process)
    process.kill()
    process.communicate(timeout=LIMIT)
    assert process.returncode in (0, -9), f"status {process.returncode}"
    return process.returncode == -9


def after(seconds):
    """The moment some seconds from now."""

    def moment(process):
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    return moment


def in_a_checkpoint(workdir, seconds):
    """The moment some seconds after the next checkpoint has begun to be written."""

    def moment(process):
        # What an earlier kill has left there has not begun now.
        old = set(half_written(workdir))
        while process.poll() is None and not set(half_written(workdir)) - old:
            time.sleep(0.0005)
            old &= set(half_written(workdir))
        time.sleep(seconds)

    return moment


def half_written(workdir):
    """Checkpoints that are not renamed yet."""
    return list((workdir / "checkpoints").glob("*tmp*"))


def newest(workdir):
    """The folder of the newest checkpoint."""
    folders = [path for path in (workdir / "checkpoints").iterdir() if path.name.isdigit()]
    return max(folders, key=lambda path: int(path.name))


def rows(workdir):
    """metrics.csv without its times, as text."""
    with (workdir / "metrics.csv").open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if name not in TIMES}
            for row in csv.DictReader(file)
        ]


def parameters(workdir):
    """The averaged parameters of the newest checkpoint."""
    from lenet_jax.inference import predict
    from lenet_jax.runs import workdir as workdirs

    return predict.restore(workdir, workdirs.read_run(workdir))


def assert_same_run(expected, got):
    """Raises AssertionError unless two runs have the same bits and the same rows."""
    import jax

    assert rows(expected) == rows(got), f"{got}: other rows in metrics.csv"
    pairs = zip(
        jax.tree.leaves(parameters(expected)), jax.tree.leaves(parameters(got)), strict=True
    )
    assert all(np.array_equal(a.view(np.uint32), b.view(np.uint32)) for a, b in pairs), (
        f"{got}: other parameters"
    )
    assert not half_written(got), f"{got}: {half_written(got)}"
