"""Copies of a run in a second folder: whole, or named and passed over."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import lenet_jax
from lenet_jax.errors import UserError
from lenet_jax.inference import predict
from lenet_jax.runs import checksums, compilation_cache, workdir
from lenet_jax.runs.copies import FINISHED, folders
from lenet_jax.runs.mirror import Mirror
from support import recipe, runs

# The shapes of the example in `lenet_jax.api`, which is compiled already.
FIELDS = {"epochs": 2, "batch_size": 64, "say": lambda line: None}


def digits():
    return lenet_jax.load_data("sample").take(np.arange(0, 4000, 10))


def train(where, **fields):
    return lenet_jax.train(digits(), where / "run", mirror=where / "drive", **FIELDS | fields)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A finished run and its mirror, beside each other."""
    where = tmp_path_factory.mktemp("mirrored")
    train(where)
    return where


@pytest.fixture
def where(once, tmp_path):
    """The same to do with as one likes."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    return tmp_path


def steps(where):
    return sorted(int(path.name) for path in (where / "drive").iterdir() if path.name.isdecimal())


def parameters(folder):
    return predict.restore(folder, workdir.read_run(folder))


def assert_same_run(a, b):
    for layer, names in parameters(a).items():
        for name, expected in names.items():
            np.testing.assert_array_equal(parameters(b)[layer][name], expected)
    measured = ("seconds", "images_per_second")
    for row, other in zip(workdir.read_metrics(a), workdir.read_metrics(b), strict=True):
        assert {k: v for k, v in row.items() if k not in measured} == {
            k: v for k, v in other.items() if k not in measured
        }


def test_each_copy_is_whole_and_a_run_to_predict_with(once):
    kept = sorted(int(path.name) for path in runs.whole_checkpoints(once / "run"))
    assert steps(once) == kept
    for copy in (once / "drive").iterdir():
        if copy.name != compilation_cache.FOLDER:
            assert checksums.damage(copy) is None
    assert_same_run(once / "run", once / "drive" / str(kept[-1]))
    assert_same_run(once / "run", once / "drive" / FINISHED)
    report = workdir.REPORT + "/report.html"
    assert (once / "drive" / FINISHED / report).read_bytes() == (once / "run" / report).read_bytes()
    assert not list((once / "drive").glob(".*"))


def test_a_finished_run_comes_back_finished(where, once):
    shutil.rmtree(where / "run")
    told = []
    train(where, say=told.append)
    assert any("has finished its 2 epochs" in line for line in told)
    assert_same_run(where / "run", once / "run")
    assert (where / "run" / workdir.REPORT / "report.html").exists()


def test_a_run_goes_on_from_its_newest_whole_copy(where, once, capsys):
    shutil.rmtree(where / "run")
    shutil.rmtree(where / "drive" / FINISHED)
    newest = where / "drive" / str(steps(where)[-1])
    # The system's own half: a file that is there and empty.
    max(newest.rglob("*"), key=lambda path: path.stat().st_size).write_bytes(b"")
    told = []
    train(where, say=told.append)
    err = capsys.readouterr().err
    assert re.search(rf"WARNING: {newest}: half-copied \(.+ has changed\); passed over\n", err)
    assert f"Restored from {where / 'drive'}" in told
    assert any(line.startswith("Going on from epoch 1 of 2") for line in told)
    assert_same_run(where / "run", once / "run")
    assert checksums.damage(newest) is None
    assert checksums.damage(where / "drive" / FINISHED) is None


@pytest.mark.parametrize("harm", ["cut", "missing", "flipped", "no sums", "empty folder"])
def test_any_half_copy_is_named_and_the_one_before_taken(where, harm, capsys):
    shutil.rmtree(where / "run")
    drive = where / "drive"
    shutil.rmtree(drive / FINISHED)
    *_, before, newest = steps(where)
    files = [path for path in (drive / str(newest)).rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    content = largest.read_bytes()
    if harm == "cut":
        largest.write_bytes(content[: len(content) // 2])
    elif harm == "missing":
        largest.unlink()
    elif harm == "flipped":
        largest.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif harm == "no sums":
        (drive / str(newest) / checksums.NAME).unlink()
    else:
        shutil.rmtree(drive / str(newest))
        (drive / str(newest)).mkdir()
    copies = Mirror(where / "run", drive)
    assert copies.restore(None) == before
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"WARNING: {drive / str(newest)}: half-copied (")
    assert (where / "run" / workdir.METRICS).exists()
    assert runs.newest(where / "run").name == str(before)


def test_the_newer_of_the_two_is_gone_on_from(where, capsys):
    shutil.rmtree(where / "drive" / FINISHED)
    *_, before, newest = steps(where)
    copies = Mirror(where / "run", where / "drive")
    metrics = (where / "run" / workdir.METRICS).read_bytes()
    assert copies.restore(newest + 1) == newest + 1
    assert copies.restore(newest) == newest
    assert (where / "run" / workdir.METRICS).read_bytes() == metrics
    shutil.rmtree(where / "run" / workdir.CHECKPOINTS / str(newest))
    assert copies.restore(before) == newest
    assert runs.newest(where / "run").name == str(newest)
    assert capsys.readouterr().err == ""


def test_what_somebody_has_in_the_workdir_is_not_restored_over(where):
    run = where / "run"
    beside = run.rename(where / "before")
    (run / "export").mkdir(parents=True)
    mine = {"notes.txt": "mine", "export/lenet5.h": "mine"}
    for name, content in mine.items():
        (run / name).write_text(content)
    (run / workdir.CONFIG).symlink_to("../elsewhere.json")
    kept = where / "drive" / FINISHED
    (kept / "notes.txt").write_text("of the run")
    (kept / "export").mkdir()
    Mirror(run, where / "drive").restore(None)
    assert_same_run(run, beside)
    assert {name: (run / name).read_text() for name in mine} == mine
    assert (run / workdir.CONFIG).is_symlink()


def test_a_mirror_of_another_run_is_refused_before_anything_is_written(where):
    shutil.rmtree(where / "run")
    before = sorted((where / "drive").rglob("*"))
    error = r"drive/.*another config \(epochs: 2 -> 3\).* another mirror"
    with pytest.raises(UserError, match=error):
        train(where, epochs=3)
    assert [path.name for path in (where / "run").iterdir()] == [workdir.LOCK]
    assert sorted((where / "drive").rglob("*")) == before
    # Each would make room in the other.
    for run, folder in (("run", "run"), ("run", "run/mirror"), ("drive/finished", "drive")):
        with pytest.raises(UserError, match="is the workdir itself, or one lies in the other"):
            lenet_jax.train(digits(), where / run, mirror=where / folder, **FIELDS)
    assert sorted((where / "drive").rglob("*")) == before


def test_a_checkpoint_that_goes_while_it_is_copied_is_no_fault_of_the_mirror(where):
    copies = Mirror(where / "run", where / "other")
    source = where / "run/checkpoints/6"
    (source / checksums.NAME).unlink()
    copies._copy("6", 6, [])
    assert not (where / "other/6").exists()
    # Whole at its source and not where it was copied to, the disk is at fault.
    assert [path.name for path in folders(where / "other")] == [FINISHED]


def test_what_somebody_puts_into_a_copy_is_kept(where, capsys):
    copies = Mirror(where / "run", where / "drive")
    oldest = str(steps(where)[0])
    (where / "drive" / oldest / "export").mkdir()
    (where / "drive" / oldest / "export/lenet5.h").write_text("mine")
    copies._remove(oldest)
    assert not (where / "drive" / oldest).exists()
    assert (where / f"drive/{oldest}.kept/export/lenet5.h").read_text() == "mine"
    assert f"kept as {oldest}.kept" in capsys.readouterr().err


@pytest.mark.parametrize("name", [FINISHED, "12", compilation_cache.FOLDER])
def test_a_file_with_the_name_of_a_copy_is_refused(where, name):
    (where / "new").mkdir()
    (where / "new" / name).write_text("mine")
    with pytest.raises(UserError, match="is no copy of a run, but has its name"):
        Mirror(where / "run", where / "new")
    assert (where / "new" / name).read_text() == "mine"


def test_two_runs_do_not_share_a_mirror(where):
    first, second = (Mirror(where / "run", where / "shared") for _ in range(2))
    first.copy()
    with pytest.raises(UserError, match=r"shared: another run copies to it, too \(.*--mirror of"):
        second.copy()
    assert checksums.damage(where / "shared" / FINISHED) is None
    # The first goes on.
    first.copy()


def test_a_mirror_without_a_whole_copy_is_told_of(where, capsys):
    for name in ("finished", *map(str, steps(where))):
        if (where / "drive" / name).exists():
            (where / "drive" / name / workdir.METRICS).write_text("x")
    copies = Mirror(where / "run", where / "drive")
    assert copies.restore(None) is None
    assert "holds no whole copy, so the run begins anew" in capsys.readouterr().err


def test_what_the_mirror_refuses_is_told_and_stops_nothing(tmp_path, capsys):
    (tmp_path / "drive").mkdir()
    # Of 6 steps an epoch: a file where the copy of the last one is to be made.
    (tmp_path / "drive" / ".12.copying").write_bytes(b"")
    error = r"drive: cannot be copied to \(File exists\); .* whole; .* the same command goes on"
    with pytest.raises(UserError, match=error):
        train(tmp_path)
    assert workdir.is_finished(tmp_path / "run")
    assert runs.newest(tmp_path / "run").name == "12"
    (tmp_path / "drive" / ".12.copying").unlink()
    train(tmp_path)
    assert checksums.damage(tmp_path / "drive" / "12") is None


COPY = """
import sys, pathlib
from lenet_jax.runs.mirror import Mirror
Mirror(sys.argv[1], sys.argv[2]).copy()
"""


@pytest.mark.parametrize("copied", [1, 150])
def test_a_kill_in_the_middle_of_a_copy_leaves_nothing_that_looks_whole(where, copied, capsys):
    shutil.rmtree(where / "drive")
    newest = runs.newest(where / "run")
    # As many files as the state of many networks has, so that a copy takes a while.
    for index in range(200):
        (newest / f"more{index}").write_bytes(np.random.default_rng(index).bytes(20_000))
    (newest / checksums.NAME).unlink()
    checksums.write(newest)
    temporary = where / "drive" / f".{newest.name}.copying"
    process = subprocess.Popen([sys.executable, "-c", COPY, where / "run", where / "drive"])
    with process:
        runs.wait_until(lambda: len(list(temporary.rglob("more*"))) >= copied, [process])
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert steps(where) == []
    copies = Mirror(where / "run", where / "drive")
    assert f"WARNING: {temporary}: half-copied; passed over" in capsys.readouterr().err
    assert copies.restore(None) is None
    copies.copy()
    assert checksums.damage(where / "drive" / newest.name) is None
    assert not temporary.exists()


def test_a_machine_that_ends_and_is_gone_costs_nothing_but_time(tmp_path, trained):
    """`kill -9` while it copies, then a stop on request; each time the workdir is lost."""
    drive = tmp_path / "drive"
    command = [*recipe.COMMAND, f"--mirror={drive}", f"--workdir={tmp_path / 'run'}"]

    def start():
        return subprocess.Popen(
            command, env=recipe.ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def copying():
        return any(drive.glob(".*.copying/checkpoints")) or any(drive.glob("[1-9]*"))

    with start() as process:
        runs.wait_until(copying, [process])
        process.kill()
    shutil.rmtree(tmp_path / "run")
    restored = max(steps(tmp_path), default=0)

    def trained_on():
        newest = runs.newest(tmp_path / "run")
        return newest is not None and int(newest.name) > restored

    with start() as process:
        runs.wait_until(trained_on, [process])
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
    # Where it was already at its end there was nothing to stop.
    assert process.returncode == 75, err.decode()
    assert max(steps(tmp_path)) == int(runs.newest(tmp_path / "run").name)
    shutil.rmtree(tmp_path / "run")
    with start() as process:
        _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err.decode()
    assert_same_run(tmp_path / "run", trained)
    assert_same_run(drive / FINISHED, trained)


def test_programs_go_along_and_half_of_one_is_compiled_again(tmp_path, capsys):
    cache, other = tmp_path / "cache", tmp_path / "other"
    for folder in (cache, other):
        folder.mkdir()
    (cache / "jit_old-1-cache").write_bytes(b"of another run")
    copies = compilation_cache.Copies(cache, tmp_path / "drive")
    (cache / "jit_train-2-cache").write_bytes(b"train" * 1000)
    (cache / "jit_evaluate-3-cache").write_bytes(b"evaluate" * 1000)
    # JAX may still be writing them.
    copies.copy(settled=True)
    assert not (tmp_path / "drive").exists()
    hour_ago = time.time() - 3600
    os.utime(cache / "jit_train-2-cache", (hour_ago, hour_ago))
    copies.copy(settled=True)
    assert len(list((tmp_path / "drive").rglob("*-cache.*"))) == 1
    copies.copy()
    found = sorted((tmp_path / "drive").rglob("*-cache.*"))
    assert [path.name.partition("-cache")[0] for path in found] == ["jit_evaluate-3", "jit_train-2"]
    found[0].write_bytes(found[0].read_bytes()[:100])
    compilation_cache.Copies(other, tmp_path / "drive").fetch()
    assert f"WARNING: {found[0]}: half-copied" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == ["jit_train-2-cache"]
    assert (other / "jit_train-2-cache").read_bytes() == b"train" * 1000
    # The next run copies what it had to compile.
    copies = compilation_cache.Copies(other, tmp_path / "drive")
    (other / "jit_evaluate-3-cache").write_bytes(b"evaluate" * 1000)
    copies.copy()
    assert sorted((tmp_path / "drive").rglob("*-cache.*")) == found


COMPILE = """
import sys, jax
from lenet_jax.distributed import mesh
mesh.prepare(sys.argv[1])
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
jax.jit(lambda x: jax.numpy.sin(x) @ x).lower(jax.ShapeDtypeStruct((8, 8), "float32")).compile()
print("/jax/compilation_cache/cache_hits" in events)
"""


def test_jax_finds_the_programs_of_the_machine_before(tmp_path):
    def compile_in(folder):
        folder.mkdir(exist_ok=True)
        copies = compilation_cache.Copies(folder, tmp_path / "drive")
        copies.fetch()
        command = [sys.executable, "-c", COMPILE, folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        copies.copy()
        return done.stdout.strip()

    assert compile_in(tmp_path / "first") == "False"
    assert compile_in(tmp_path / "second") == "True"
