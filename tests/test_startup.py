"""Ctrl-C while modules are imported, signals that are to be ignored, and a kernel's process."""

import os
import signal
import subprocess
import sys
import time
import tomllib
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


def console_script(name):
    """A command that does what pip makes of an entry point."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"][f"lenet-{name}"].partition(":")
    call = f"import sys; from {module} import {function}; sys.exit({function}())"
    return [sys.executable, "-c", call]


PROGRAMS = ("train", "predict", "export")
COMMANDS = {f"run_{name}.py": [sys.executable, ROOT / f"run_{name}.py"] for name in PROGRAMS} | {
    f"lenet-{name}": console_script(name) for name in PROGRAMS
}


# The first one of others, and one in the middle.
@pytest.mark.parametrize("module", ["absl", "numpy"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_an_interrupt_during_imports_is_one_word(command, module, tmp_path):
    # It waits, as a slow disk does; in parts, for a signal between Python's last look for one and
    # the call that sleeps is not seen before that call ends.
    (tmp_path / module).mkdir()
    (tmp_path / module / "__init__.py").write_text(
        "import pathlib, time\npathlib.Path('importing').touch()\n"
        "for _ in range(600): time.sleep(0.1)\n"
    )
    process = subprocess.Popen(
        command,
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


CALLED_BACK = """
import gc, signal, sys, time
from lenet_jax.cli import thread_errors
from lenet_jax.training import preemption
thread_errors.tell_once()
preemption.listen()
def callback(phase, info):
    gc.callbacks.clear()
    signal.raise_signal(int(sys.argv[1]))
gc.callbacks.append(callback)
try:
    gc.collect()
    print("Python drops it", flush=True)
    time.sleep(60)
except KeyboardInterrupt as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "Terminated")],
)
def test_a_signal_in_a_callback_is_not_lost(number, name):
    """JAX has Python call it at each collection of garbage, where nothing can be raised."""
    done = subprocess.run(
        [sys.executable, "-c", CALLED_BACK, str(int(number))],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=50,
    )
    assert (done.stdout, done.stderr) == (f"Python drops it\n{name}\n", "")


SWALLOWED = """
import signal, sys
from lenet_jax.training import preemption
preemption.listen()
try:
    signal.raise_signal(int(sys.argv[1]))
except:
    print("a library drops it")
try:
    with preemption.asked():
        print("it trains on")
except KeyboardInterrupt as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "Terminated")],
)
def test_a_signal_that_a_library_swallows_is_not_lost(number, name):
    """JAX does so where it compiles."""
    command = [sys.executable, "-c", SWALLOWED, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.stdout, done.stderr) == (f"a library drops it\n{name}\n", "")


TURNED = """
import signal, sys
from absl import flags
from lenet_jax.cli import program
def main():
    try:
        signal.raise_signal(int(sys.argv.pop()))
    except KeyboardInterrupt:
        raise RuntimeError("of a library") from None
program.run(main, "", program.flag_values(flags.FlagValues()), [sys.argv[0]])
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_a_library_raises_an_error_for_is_no_error(number, status):
    command = [sys.executable, "-c", TURNED, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    told = "interrupted\n" if number == signal.SIGINT else "terminated\n"
    assert (done.stderr, done.returncode) == (told, status)


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
