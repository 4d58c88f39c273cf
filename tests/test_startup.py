"""Ctrl-C while modules are imported, signals that are to be ignored, and a kernel's process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import runs

ROOT = Path(__file__).parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def start(*flags, cwd):
    return subprocess.Popen(
        [sys.executable, ROOT / "run_train.py", *flags],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def test_an_interrupt_during_imports_is_one_word(tmp_path):
    # A module of the first ones that waits, as a slow disk does.
    (tmp_path / "absl").mkdir()
    (tmp_path / "absl/__init__.py").write_text(
        "import pathlib, time\npathlib.Path('importing').touch()\ntime.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, ROOT / "run_train.py"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
    )
    runs.wait_until((tmp_path / "importing").exists, [process])
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    assert time.monotonic() - begun < 5
    assert (told, process.returncode) == ("interrupted\n", 130)


IGNORED = """
import signal
from lenet_jax.environment import startup
startup.begin()
from lenet_jax.training import preemption
preemption.listen()
with preemption.asked() as request:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.raise_signal(number)
assert not request.came
print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
"""


def test_what_was_ignored_stays_ignored(tmp_path):
    done = subprocess.run(
        [*runs.ignoring("INT", "TERM"), sys.executable, "-c", IGNORED],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


@pytest.mark.parametrize("name", ["train", "predict"])
def test_a_kernel_outlives_what_it_runs(name, tmp_path):
    cell = f"%run {ROOT}/run_{name}.py --data=nowhere.csv --workdir=none"
    code = (
        "from IPython.core.interactiveshell import InteractiveShell as Shell\n"
        "shell = Shell.instance()\n"
        f"for _ in range(2): shell.run_cell({cell!r})\n"
        "print('alive')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=ENVIRONMENT | {"IPYTHONDIR": str(tmp_path / "ipython")},
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "alive" in done.stdout
    assert done.stderr.count("error: ") == 2
    assert "Duplicate" not in done.stdout + done.stderr
