"""A process, with what it took, and the processor that it ran on."""

import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finished:
    """What a process printed on its standard output, and what it took."""

    out: str
    seconds: float
    peak_mb: float


def run(
    command: list[str], *, limit: float, environment: dict[str, str] | None = None
) -> Finished | None:
    """Runs a command to its end; None, with its errors shown, where it fails or takes too long."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=errors,
            env=os.environ | (environment or {}),
            start_new_session=True,
        )
        killer = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        killer.start()
        # The only way to the peak memory of one child.
        _, status, usage = os.wait4(process.pid, 0)
        killer.cancel()
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            name = " ".join(Path(part).name for part in command[1:])
            print(f"{name}: status {process.returncode}\n{errors.read()[-2000:]}", file=sys.stderr)
            return None
        # Linux counts in kB.
        return Finished(out.read(), seconds, usage.ru_maxrss / 1024)


def cores() -> str:
    """How many cores of what processor this process may use."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{len(os.sched_getaffinity(0))} cores of {found[1] if found else platform.processor()}"
