"""`run_export.py --serve` as a program that is gone when the body ends, whatever happens in it."""

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A shell's background job, and what it starts, ignores SIGINT; a program in a terminal does not.
AS_IN_A_TERMINAL = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


@contextlib.contextmanager
def serving(workdir, folder):
    """The program, and the address that it serves the page at; it has ended after the body."""
    program = [ROOT / "run_export.py", f"--workdir={workdir}", "--format=web", "--serve"]
    with (folder / "stdout").open("w") as stdout:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                AS_IN_A_TERMINAL,
                *program,
                f"--output={folder}/page",
                "--port=0",
            ],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        try:
            deadline = time.monotonic() + 120
            while not (found := re.search(r"http://127\.0\.0\.1:\d+/", told(folder))):
                assert process.poll() is None, told(folder)
                assert time.monotonic() < deadline, told(folder)
                time.sleep(0.05)
            yield process, found[0]
        finally:
            process.kill()
            process.wait(20)


def told(folder):
    return (folder / "stdout").read_text()
