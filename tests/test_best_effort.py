"""What only shows never fails what counts: streams, pictures, the report and the card."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lenet_jax
from lenet_jax.errors import UserError
from lenet_jax.report import best_effort, closing
from lenet_jax.runs import workdir
from lenet_jax.training import logging
from support import recipe
from support.runs import numbers

ROOT = Path(__file__).parent.parent
# A notebook's, of a package that this environment has not.
BACKEND = {"MPLBACKEND": "module://backend_of_another_environment"}
NO_BACKEND = {"MPLBACKEND": "nonsense"}


def shell(redirections, *command, cwd, environment=()):
    """Runs a command in a shell with its streams closed, or led elsewhere."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *map(str, command)],
        cwd=cwd,
        env=recipe.ENVIRONMENT | dict(environment),
        capture_output=True,
        text=True,
        timeout=240,
    )


# `make torture` has this among what it lets happen, too.
@pytest.mark.slow
def test_a_run_ends_well_without_a_stream_a_backend_or_a_report(trained, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/report").touch()
    command = (*recipe.COMMAND, "--workdir=run", "--overwrite")
    done = shell(">&-", *command, cwd=tmp_path, environment=NO_BACKEND)
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("Epoch"))
    assert line.startswith("WARNING: the report could not be written (run/report: cannot be made")
    assert numbers(tmp_path / "run") == numbers(trained)
    same = "calibration.json"
    assert (tmp_path / "run" / same).read_bytes() == (trained / same).read_bytes()
    assert workdir.is_finished(tmp_path / "run")
    # What the line says makes the report again.
    (tmp_path / "run/report").unlink()
    again = shlex.split(line.partition("; to make it again: ")[2])
    assert again[-3:] == ["--workdir=run", "--data=sample", "--report"]
    done = shell("", *again, cwd=tmp_path, environment=BACKEND)
    assert done.returncode == 0, done.stderr
    made, first = (folder / "report" for folder in (tmp_path / "run", trained))
    assert {path.name for path in made.iterdir()} == {path.name for path in first.iterdir()}
    assert (made / "confusion.png").read_bytes() == (first / "confusion.png").read_bytes()


def test_what_a_finished_run_has_lost_is_told(trained, tmp_path):
    run = str(shutil.copytree(trained, tmp_path / "run"))
    assert closing.lacking(run, "this") == []
    assert f"Done: {recipe.EPOCHS} epochs in " in closing.lines(run, "sample")
    workdir.write_metrics(run, workdir.read_metrics(run)[:-1])
    (tmp_path / "run/report/report.html").write_text("mine")
    assert closing.lacking(run, "this") == [
        f"WARNING: {run}: metrics.csv lacks some of its epochs, and what was in them is lost",
        f"WARNING: {run}: has no report of its own; to make it again: this",
    ]
    # Of no epoch before the last.
    assert closing.lines(run, "sample").splitlines()[0] == f"Done: {recipe.EPOCHS} epochs"


@pytest.mark.parametrize("redirections", ["<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_prediction_ends_well_whatever_becomes_of_its_lines(trained, tmp_path, redirections):
    flags = ("--data=sample", f"--workdir={trained}", "--output=s.csv", "--show=seen.png")
    program = (sys.executable, ROOT / "run_predict.py")
    done = shell(redirections, *program, *flags, cwd=tmp_path, environment=NO_BACKEND)
    assert done.returncode == 0
    assert (tmp_path / "s.csv").read_text().startswith("ImageId,Label\n1,")
    assert (tmp_path / "seen.png").read_bytes().startswith(b"\x89PNG")


def test_answers_that_cannot_be_told_are_no_success(trained, tmp_path):
    """Lines are all that pictures give."""
    from PIL import Image

    Image.fromarray(lenet_jax.load_data("sample").images_NxHxW[0]).save(tmp_path / "digit.png")
    command = (sys.executable, ROOT / "run_predict.py", "--data=digit.png", f"--workdir={trained}")
    done = shell(">/dev/full", *command, cwd=tmp_path)
    assert done.returncode == 2
    assert "error: the answers could not be written to standard output (No space" in done.stderr


BEGIN = "import os, sys; from lenet_jax.environment import startup; startup.begin()"


def begun(redirections, code, cwd):
    return shell(redirections, sys.executable, "-c", f"{BEGIN}\n{code}", cwd=cwd)


def test_a_file_never_gets_the_number_of_a_closed_stream(tmp_path):
    code = "file = open('x', 'w'); print('lost'); os.write(1, b'lost'); sys.exit(file.fileno() < 3)"
    assert begun("<&- >&- 2>&-", code, tmp_path).returncode == 0
    assert (tmp_path / "x").read_text() == ""


@pytest.mark.parametrize("flag", ["", "-u"])
def test_streams_are_as_they_were(tmp_path, flag):
    code = f"{BEGIN}; print('é', end=''); sys.stderr.write('b'); sys.stdout.flush()"
    done = subprocess.run(
        [sys.executable, *[flag] * bool(flag), "-c", code],
        capture_output=True,
        env=recipe.ENVIRONMENT | {"PYTHONIOENCODING": "latin-1"},
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"\xe9", b"b", 0)


def test_a_pipe_that_nobody_reads_is_still_told(tmp_path):
    code = "import time; time.sleep(0.2); print('x', flush=True)"
    done = subprocess.run(
        ["bash", "-c", '"$@" | true; exit ${PIPESTATUS[0]}', "sh", sys.executable, "-c",
         f"{BEGIN}\n{code}"],
        capture_output=True, text=True, env=recipe.ENVIRONMENT,
    )  # fmt: skip
    assert "BrokenPipeError" in done.stderr


def test_a_terminal_that_has_gone_has_no_columns(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert logging.columns() is None
    bar = logging.Bar("Epoch 1/1", 10, first=True)
    bar.show(5, {})
    bar.end({"train_loss": 1.0})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UserError("run/report: no"), "(run/report: no)"),
        (ZeroDivisionError("by\nzero"), "(ZeroDivisionError: by zero)"),
    ],
)
def test_whatever_fails_is_one_line(error, expected):
    said = []
    with best_effort.telling("the card", "do it", said.append):
        raise error
    assert said == [f"WARNING: the card could not be written {expected}; to make it again: do it"]


def test_an_interrupt_is_no_failure_of_a_picture():
    with pytest.raises(KeyboardInterrupt), best_effort.telling("", "", print):
        raise KeyboardInterrupt
