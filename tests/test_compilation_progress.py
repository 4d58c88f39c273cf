"""Compilations that are really slow, by this test's patience: a line after tenths of a second."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from lenet_jax.distributed import compilation_progress

ROOT = Path(__file__).parent.parent
LINE = re.compile(r"Compiling (.+): (\d+) s so far")


def lowered(operations):
    """A program whose compilation takes some milliseconds an operation, and is in no cache."""

    def function(x):
        for index in range(operations):
            x = jnp.roll(jnp.tanh(x @ x), index % 7) * (time.time() % 1)
        return x

    return jax.jit(function).lower(jax.ShapeDtypeStruct((8, 8), jnp.float32))


def test_a_short_compilation_is_silent(capfd):
    compiled = compilation_progress.compiled("predict", lowered(2).compile)
    assert compiled(jnp.ones((8, 8))).shape == (8, 8)
    assert capfd.readouterr() == ("", "")


def test_a_long_one_tells_what_is_compiled_and_for_how_long(monkeypatch, capfd):
    monkeypatch.setattr(compilation_progress, "FIRST_SECONDS", 0.05)
    program = lowered(300)
    begun = time.monotonic()
    compilation_progress.compiled("predict", program.compile)
    seconds = time.monotonic() - begun
    out, err = capfd.readouterr()
    *lines, last = err.splitlines()
    assert out == ""
    assert len(lines) > 2
    assert {LINE.fullmatch(line)[1] for line in lines} == {"predict"}
    told = [int(LINE.fullmatch(line)[2]) for line in lines]
    assert told == sorted(told)
    # Each line waits for half as long again.
    assert len(lines) < 2 + seconds / 0.05 / 2
    assert re.fullmatch(r"Compiled in \d+ s", last)


def test_a_program_that_cannot_be_compiled_ends_the_wait(monkeypatch, capfd):
    monkeypatch.setattr(compilation_progress, "FIRST_SECONDS", 0.05)

    def refused():
        time.sleep(0.12)
        lowered(1).compile(compiler_options={"xla_no_such_option": True})

    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_no_such_option"):
        compilation_progress.compiled("predict", refused)
    err = capfd.readouterr().err
    assert "Compiling predict: 0 s so far" in err
    assert "Compiled in" not in err


def training(tmp_path, first_seconds):
    """`run_train.py` in a process of its own that tells of shorter compilations."""
    code = (
        f"import runpy, sys; from lenet_jax.distributed import compilation_progress as progress;"
        f"progress.FIRST_SECONDS = {first_seconds}; sys.argv[0] = 'run_train.py';"
        f"runpy.run_path({str(ROOT / 'run_train.py')!r}, run_name='__main__')"
    )
    flags = ["--data=sample", f"--workdir={tmp_path / 'run'}", "--nocompilation_cache"]
    return subprocess.Popen(
        [sys.executable, "-c", code, f"--config={ROOT / 'configs/smoke.py'}", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ,
        text=True,
    )


def test_training_tells_of_it_without_a_terminal(tmp_path):
    with training(tmp_path, 0.3) as process:
        err = ""
        while "Compiled in" not in err:
            line = process.stderr.readline()
            assert line, err
            err += line
        process.kill()
    told = [LINE.fullmatch(line)[1] for line in err.splitlines() if line.startswith("Compiling")]
    assert told
    assert set(", ".join(told).split(", ")) <= {"create", "shuffle", "train_until", "evaluate"}
    assert "train_until" in told[-1]


def test_an_interrupt_ends_the_lines_and_the_program(tmp_path):
    process = training(tmp_path, 0.05)
    with process:
        assert LINE.fullmatch(process.stderr.readline().rstrip())
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert "Compiled" not in err
    assert "Traceback" not in err
