"""What tests ask of a run that goes on in other processes."""

import csv
import time


def wait_until(there_is, processes=()):
    """Until something is there, while all of these processes go on."""
    deadline = time.monotonic() + 200
    while not there_is() and time.monotonic() < deadline:
        ended = any(process.poll() is not None for process in processes)
        assert not ended, [process.communicate() for process in processes]
        time.sleep(0.01)


def whole_checkpoints(folder):
    return [path for path in (folder / "checkpoints").glob("*") if path.name.isdigit()]


def newest(folder):
    """The newest whole checkpoint, None where there is none."""
    return max(whole_checkpoints(folder), key=lambda path: int(path.name), default=None)


def ignoring(*names):
    """What a command begins with to inherit signals that are ignored, "INT" for one.

    A shell does it, for JAX warns of a fork in a process that it has threads in.
    """
    return ("sh", "-c", f'trap "" {" ".join(names)}; exec "$@"', "sh") if names else ()


def numbers(folder):
    """The rows of metrics.csv without their times."""
    with (folder / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if "second" not in k} for row in csv.DictReader(file)]
