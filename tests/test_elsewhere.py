"""The programs on systems that have less than this one; nothing of ours ever ran on Windows."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lenet_jax import files
from lenet_jax.runs import workdir
from lenet_jax.training import preemption
from support import bare, recipe

ROOT = Path(__file__).parent.parent


def run(program, *flags, cwd, status=0):
    done = subprocess.run(
        [sys.executable, ROOT / "tests/support/bare.py", ROOT / program, *flags],
        cwd=cwd,
        env=recipe.ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def test_the_programs_need_no_name_that_windows_has_not(tmp_path):
    assert all(hasattr(module, name) for module, names in bare.ABSENT.items() for name in names)
    said = run("run_train.py", *recipe.FLAGS, "--workdir=run", cwd=tmp_path)
    assert "run_predict.py" in said
    with (tmp_path / "run" / workdir.LOCK).open("ab") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        again = run("run_train.py", *recipe.FLAGS, "--workdir=run", cwd=tmp_path, status=2)
    assert "another process is training in it" in again
    assert "Accuracy" in run("run_predict.py", "--data=sample", "--workdir=run", cwd=tmp_path)


def test_files_are_written_as_bytes_where_text_is_a_choice(tmp_path, monkeypatch):
    opened, found = os.open, []

    def noted(path, flags, *args):
        found.append(flags)
        return opened(path, flags, *args)

    # Windows' flag; here another one that changes nothing.
    monkeypatch.setattr(os, "O_BINARY", os.O_NOCTTY, raising=False)
    monkeypatch.setattr(os, "open", noted)
    files.write_atomically(tmp_path / "file", "a\nb", sync=False)
    assert [flags & os.O_NOCTTY for flags in found] == [os.O_NOCTTY]
    assert (tmp_path / "file").read_bytes() == b"a\nb"


def test_a_file_that_another_process_holds_is_replaced_when_it_lets_go(tmp_path, monkeypatch):
    path, tries = tmp_path / "file", []
    rename = Path.replace

    def held(self, target):
        tries.append(target)
        if len(tries) < 3:
            raise PermissionError(13, "held by another process")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", held)
    files.write_atomically(path, "new")
    assert path.read_text() == "new"
    assert len(tries) == 3


def test_one_that_is_held_for_ever_is_told(tmp_path, monkeypatch):
    def held(self, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", held)
    monkeypatch.setattr(files, "PAUSES", (0.0,))
    with pytest.raises(files.UserError, match="cannot be written"):
        files.write_atomically(tmp_path / "file", "new")
    assert not list(tmp_path.iterdir())


def test_ctrl_break_stops_as_sigterm_does():
    # A signal of this system under the name of Windows'.
    code = (
        "import signal; signal.SIGBREAK = signal.SIGUSR2\n"
        "from lenet_jax.training import preemption\n"
        "with preemption.asked() as request:\n"
        "  signal.raise_signal(signal.SIGBREAK)\n"
        "  assert request.came\n"
        "preemption.listen()\n"
        "try: signal.raise_signal(signal.SIGBREAK)\n"
        "except preemption.Terminated: print('terminated')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "terminated\n", done.stderr
    assert signal.SIGTERM in preemption.TERMINATION
