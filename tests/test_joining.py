"""Processes that never come: who waits says for whom, ends in time, and at once when asked."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lenet_jax.distributed import joining, multihost

ROOT = Path(__file__).parent.parent


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder, port, number, of, *flags):
    """Process `number` of a run of so many."""
    return subprocess.Popen(
        [
            sys.executable, ROOT / "run_train.py", f"--config={ROOT}/configs/smoke.py",
            "--data=sample", f"--workdir={folder}/run", f"--coordinator=127.0.0.1:{port}",
            f"--num_processes={of}", f"--process_id={number}", *flags,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


# `make torture` waits for a process that never comes, too.
@pytest.mark.slow
def test_who_waits_says_for_whom_and_an_interrupt_ends_it_at_once(tmp_path, port):
    pair = [start(tmp_path, port, number, 3) for number in (0, 1)]
    first, second = (process.stderr.readline() for process in pair)
    assert first.startswith(f"Process 0 of 3 waits for the others at 127.0.0.1:{port}")
    if Path("/proc/net/tcp").exists():
        assert ", 2 of 3 are here: 1" in first
    assert second.startswith("Process 1 of 3 waits for others; process 0 at 127.0.0.1:")
    for process, number, word, status in (
        (pair[1], signal.SIGTERM, "terminated", 143),
        (pair[0], signal.SIGINT, "interrupted", 130),
    ):
        begun = time.monotonic()
        process.send_signal(number)
        out, told = process.communicate(timeout=60)
        assert time.monotonic() - begun < 5
        assert (process.returncode, told.splitlines()[-1]) == (status, word)
        assert out == ""
    assert not any(tmp_path.iterdir())


def test_who_waits_in_vain_ends_with_one_line(tmp_path, port):
    process = start(tmp_path, port, 1, 2, "--initialization_timeout=1")
    out, told = process.communicate(timeout=100)
    assert process.returncode == 2
    (line,) = told.splitlines()
    assert line.startswith("error: Process 1 of 2 waits for process 0, which does not answer at ")
    assert "--initialization_timeout=1 seconds" in line
    assert "--num_processes=1" in line
    assert out == ""
    assert not any(tmp_path.iterdir())


def test_lines_come_again(monkeypatch):
    monkeypatch.setattr(joining, "FIRST", 0.05)
    monkeypatch.setattr(joining, "PAUSE", 0.05)
    monkeypatch.setattr(joining.jax.distributed, "initialize", lambda **_: time.sleep(0.4))
    told = []
    joining.Joining(60).wait(told.append)
    assert 2 <= len(told) <= 8


def test_connections_are_counted(tmp_path):
    (tmp_path / "tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr\n"
        "   0: 0100007F:B0A3 00000000:0000 0A 00000000:00000000 00\n"
        "   1: 0100007F:B0A3 0100007F:9C40 01 00000000:00000000 00\n"
        "   2: 0100007F:9C40 0100007F:B0A3 01 00000000:00000000 00\n"
    )
    assert joining.connected(0xB0A3, tmp_path) == 1
    assert joining.connected(0xB0A3, tmp_path / "nowhere") is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", number)):
            assert joining.connected(number) in (1, None)


@pytest.mark.parametrize(
    "variable",
    [
        "SLURM_NTASKS=4",
        "OMPI_COMM_WORLD_SIZE=2",
        "PMI_SIZE=2",
        "TPU_WORKER_HOSTNAMES=t0,t1",
    ],
)
def test_one_process_alone_among_several_is_told_once(variable, monkeypatch):
    told = []
    name, value = variable.split("=")
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(multihost, "in_cluster", lambda _: False)
    for _ in range(2):
        multihost.join(tell=told.append)
    multihost.join(num_processes=1, tell=told.append)
    (line,) = told
    assert variable in line
    assert "--num_processes=1 for one alone" in line


def test_nobody_else_is_told():
    for environment in ({}, {"SLURM_NTASKS": "1"}, {"TPU_WORKER_HOSTNAMES": "localhost"}):
        assert joining.warning_of_one_alone(environment) is None
