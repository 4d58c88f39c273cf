"""Two real processes on loopback: a stop, a kill, going on; and what the flags refuse."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from lenet_jax import data
from lenet_jax.config import Config
from lenet_jax.distributed import multihost
from lenet_jax.errors import UserError
from lenet_jax.inference import predict
from lenet_jax.runs import workdir
from lenet_jax.training import loop, preemption
from support.digit_files import idx_folder
from support.runs import newest, wait_until

ROOT = Path(__file__).parent.parent
STILL = {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0}
# What the commands below ask for.
CONFIG = Config(members=2, epochs=8, batch_size=64, warmup_epochs=0.5, **STILL)
# Seconds: of silence until a process counts as lost, and until the other must have ended.
HEARTBEAT, BOUND = 6, 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder, extra, env):
    return subprocess.Popen(
        [
            sys.executable,
            ROOT / "run_train.py",
            f"--config={ROOT}/configs/smoke.py",
            "--config.epochs=8",
            "--config.members=2",
            f"--data={folder.parent / 'digits'}",
            f"--heartbeat_timeout={HEARTBEAT}",
            f"--workdir={folder}",
            *extra,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": "1"} | env,
    )


def by_flags(folder):
    flags = f"--coordinator=127.0.0.1:{free_port()}", "--num_processes=2"
    return [start(folder, (*flags, f"--process_id={i}"), {}) for i in range(2)]


def by_slurm(folder):
    """What Slurm tells the tasks of a step; JAX makes the port of the job's number."""
    job = {"SLURM_JOB_ID": str(free_port()), "SLURM_STEP_NODELIST": "localhost"}
    job |= {"SLURM_NTASKS": "2", "SLURM_STEP_NUM_NODES": "1"}
    ranks = [{"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)} for i in range(2)]
    return [start(folder, (), job | rank) for rank in ranks]


def assert_same_run(folder, expected):
    """The bits of a run of one process: members on a pure member mesh."""
    whole, rows_of_one = expected
    times = {"seconds", "images_per_second"}
    rows = workdir.read_metrics(folder)
    for row, other in zip(rows, rows_of_one, strict=True):
        for name in row.keys() - times:
            assert (row[name] is None) == (other[name] is None)
            np.testing.assert_allclose(row[name] or 0, other[name] or 0, rtol=1e-6, err_msg=name)
    params, saved = (predict.restore(run, workdir.read_run(run)) for run in (whole, folder))
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(saved), strict=True):
        np.testing.assert_array_equal(np.asarray(a), b)


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """A folder with a few digits for the runs beside them."""
    folder = tmp_path_factory.mktemp("hosts")
    few = data.load_train("sample").take(np.arange(0, 4000, 4))
    idx_folder(folder / "digits", few.images_NxHxW, few.labels_N)
    return folder


@pytest.fixture(scope="module")
def undisturbed(where):
    digits = data.load_train(str(where / "digits"))
    folder = where / "undisturbed"
    return folder, loop.train(CONFIG, digits, folder, say=lambda _: None).rows


@pytest.mark.parametrize(
    "stopped_first",
    [
        pytest.param(False, id="killed"),
        pytest.param(True, id="stopped and killed", marks=pytest.mark.slow),
    ],
)
def test_two_processes_lose_one_and_go_on(stopped_first, where, undisturbed):
    folder = where / f"stopped-{stopped_first}"
    saved = None
    if stopped_first:
        pair = by_flags(folder)
        wait_until(lambda: newest(folder), pair)
        # A request to one process stops both.
        pair[1].send_signal(signal.SIGTERM)
        outputs = [process.communicate(timeout=200) for process in pair]
        assert [process.returncode for process in pair] == [preemption.STOPPED] * 2, outputs
        assert 1 <= len(workdir.read_metrics(folder)) < CONFIG.epochs
        assert predict.restore(folder, workdir.read_run(folder))
        saved = newest(folder)

    pair = by_slurm(folder)
    wait_until(lambda: newest(folder) != saved, pair)
    pair[1].kill()
    begun = time.monotonic()
    said, told = pair[0].communicate(timeout=200)
    assert time.monotonic() - begun < BOUND
    assert ("Going on from epoch" in said) == stopped_first
    # JAX's runtime ends a process by itself where it hears first; before jax 0.8 with status 1.
    assert pair[0].returncode in (preemption.LOST, -signal.SIGABRT, 1)
    assert re.search("error: another process of this run was lost|another task died", told), told
    assert "Traceback" not in told
    pair[1].communicate()
    assert len(workdir.read_metrics(folder)) < CONFIG.epochs

    pair = by_flags(folder)
    outputs = [process.communicate(timeout=200) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], outputs
    assert "Going on from epoch" in outputs[0][0]
    assert "in 2 processes: 2 along members" in outputs[0][0]
    assert "If a process is lost the others end; start all of them again" in outputs[0][0]
    # XLA's collectives tell from C++ whom they have connected to.
    printed = [line for line in outputs[1][0].splitlines() if not line.startswith("[Gloo]")]
    assert (printed, outputs[1][1]) == ([], "")
    assert {path.name for path in folder.iterdir()} == {
        ".lock", "config.json", "checkpoints", "metrics.csv", "report", "README.md",
        "calibration.json", "networks.csv",
    }  # fmt: skip
    assert_same_run(folder, undisturbed)


def cluster(**more):
    return multihost.in_cluster({"PATH": "/bin"} | more)


def test_only_several_processes_are_a_cluster():
    slurm = {"SLURM_STEP_NODELIST": "n[1-2]", "SLURM_NTASKS": "4"}
    assert cluster(**slurm)
    # The script of sbatch itself, and a step of one task.
    assert not cluster(SLURM_NTASKS="4")
    assert not cluster(**slurm | {"SLURM_NTASKS": "1"})
    assert cluster(OMPI_MCA_orte_hnp_uri="x", OMPI_COMM_WORLD_SIZE="2")
    assert cluster(KUBERNETES_SERVICE_HOST="10.0.0.1", JOB_COMPLETION_INDEX="0")
    # A notebook in a pod of Kubernetes, and one on a single TPU host.
    assert not cluster(KUBERNETES_SERVICE_HOST="10.0.0.1")
    assert not cluster(TPU_WORKER_HOSTNAMES="localhost")
    assert cluster(TPU_WORKER_HOSTNAMES="t0,t1")


def test_one_process_agrees_with_itself():
    assert multihost.first()
    assert multihost.any_of(True)
    assert multihost.from_first(3) == 3
    multihost.check_same("anything", "nothing else")
    tree = {"a": jax.numpy.arange(3)}
    np.testing.assert_array_equal(multihost.to_host(tree)["a"], [0, 1, 2])
    assert not multihost.is_loss(RuntimeError("Gloo all-reduce failed"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("nowhere", 2, 0), "HOST:PORT"),
        (("h:1", 2, 2), "--process_id=2: must be below"),
    ],
)
def test_mistaken_processes_are_refused(given, expected):
    with pytest.raises(UserError, match=expected):
        multihost.join(*given)


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--coordinator=h:1", "--num_processes=N"),
        ("--platform=gpu", "JAX finds no gpu here"),
    ],
)
def test_mistaken_flags_give_one_line(flag, expected, where):
    process = start(where / "refused", (flag,), {})
    out, told = process.communicate(timeout=100)
    assert process.returncode == 2, told
    assert told.startswith("error: ")
    assert told.count("\n") == 1, told
    assert expected in told
    assert out == ""
    assert not (where / "refused").exists()
