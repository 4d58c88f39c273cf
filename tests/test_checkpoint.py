import asyncio
import contextlib
import errno
import functools
import gc
import resource
import sys
import threading
from pathlib import Path

import jax
import numpy as np
import pytest
import tensorstore

from lenet_jax.cli import thread_errors
from lenet_jax.config import Config
from lenet_jax.distributed import mesh as meshes
from lenet_jax.errors import UserError
from lenet_jax.runs import checkpoint, checksums, foreign
from lenet_jax.runs.checkpoint import Checkpoints
from lenet_jax.training import state

# Of all optimisers the state with the most parts.
CONFIG = Config(members=2, optimizer="muon")


CREATE = jax.jit(jax.vmap(functools.partial(state.create, CONFIG, 100)))


@functools.cache
def saved_state(seed=0):
    return CREATE(np.array([seed, seed + 1], np.uint32))


def target(devices=2):
    sharding = meshes.stacked(meshes.make(2, jax.devices()[:devices]))
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), saved_state()
    )


def assert_same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def filled(folder, accuracies, first=0):
    checkpoints = Checkpoints(folder)
    for step, accuracy in enumerate(accuracies, first):
        checkpoints.save(step, saved_state(step), accuracy)
    checkpoints.close()
    return Checkpoints(folder, read_only=True)


def test_the_best_survives_and_the_newest_does_too(tmp_path):
    checkpoints = filled(tmp_path, [0.1, 0.9, 0.3, 0.2, 0.4, 0.5])
    assert checkpoints.steps() == [1, 4, 5]
    assert checkpoints.best() == 1
    assert checkpoints.latest() == 5


def test_what_is_kept_does_not_change_when_a_run_goes_on(tmp_path):
    filled(tmp_path, [0.1, 0.9, 0.3])
    checkpoints = filled(tmp_path, [0.2, 0.4, 0.5], first=3)
    assert checkpoints.steps() == [1, 4, 5]
    assert checkpoints.best() == 1


def test_with_nothing_held_out_the_newest_is_the_best(tmp_path):
    checkpoints = filled(tmp_path, [None, None, None])
    assert checkpoints.latest() == checkpoints.best() == 2


@pytest.mark.parametrize("devices", [1, 2])
def test_a_state_is_restored_bit_for_bit_on_any_mesh(tmp_path, devices):
    checkpoints = filled(tmp_path, [0.5])
    restored = checkpoints.restore(0, target(devices))
    assert_same(restored, saved_state())
    assert restored.step.sharding.num_devices == devices
    key = jax.random.normal(restored.key[1])
    np.testing.assert_array_equal(key, jax.random.normal(saved_state().key[1]))


def test_prediction_reads_the_averaged_parameters_as_numpy(tmp_path):
    checkpoints = filled(tmp_path, [0.5])
    restored = checkpoints.restore_averaged(0, saved_state().averaged_params)
    assert_same(restored, saved_state().averaged_params)
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(restored))


def test_a_relative_path_is_the_same_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert filled("here", [0.5]).steps() == [0]
    assert (tmp_path / "here" / "0").is_dir()


def test_a_save_in_the_background_is_finished_by_close(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(7, saved_state(), 0.5)
    checkpoints.close()
    assert Checkpoints(tmp_path, read_only=True).steps() == [7]


def test_a_state_in_the_middle_of_an_epoch_is_never_the_best(tmp_path):
    checkpoints = filled(tmp_path, [0.2, 0.9, 0.3, None, 0.4, None])
    assert checkpoints.steps() == [1, 3, 4, 5]
    assert checkpoints.best() == checkpoints.choose("best") == 1
    assert checkpoints.latest() == checkpoints.choose("latest") == 5


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def test_a_flipped_bit_in_any_file_is_found_and_the_checkpoint_before_taken(tmp_path, capsys):
    filled(tmp_path, [0.9, 0.5])
    checked = 0
    for path in files_of(tmp_path / "1"):
        content = path.read_bytes()
        damaged = bytearray(content)
        damaged[len(content) // 2] ^= 1
        path.write_bytes(damaged)
        checkpoints = Checkpoints(tmp_path, read_only=True)
        if path.name in checkpoint._LATE:
            assert checkpoints.choose("latest") == 1
            assert_same(checkpoints.restore(1, target()), saved_state(1))
        else:
            assert checkpoints.choose("latest") == 0
            line = capsys.readouterr().err
            assert line.startswith(f"WARNING: {tmp_path}/1: damaged checkpoint (")
            assert line.count("\n") == 1
            checked += 1
        path.write_bytes(content)
    assert checked > 10
    assert Checkpoints(tmp_path, read_only=True).choose("latest") == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("step", "content"),
    [(0, b"x"), (1, b""), (1, b"\xff"), (1, b"[]"), (1, b'{"holdout_accuracy": "x"}')],
)
def test_damaged_metrics_cost_no_other_checkpoint(tmp_path, capsys, step, content):
    filled(tmp_path, [0.9, 0.5])
    (tmp_path / str(step) / "metrics" / "metrics").write_bytes(content)
    assert Checkpoints(tmp_path, read_only=True).choose("latest") == 1 - step or step == 0
    assert Checkpoints(tmp_path, read_only=True).choose("best") == 1 - step
    capsys.readouterr()
    foreign.set_aside_after(tmp_path, 1 - step if step else 1)
    checkpoints = filled(tmp_path, [0.6, 0.4], first=1 if step else 2)
    assert checkpoints.choose("latest") == (2 if step else 3)


def test_nothing_but_checkpoints_makes_room_for_others(tmp_path, capsys):
    filled(tmp_path, [0.9, 0.5])
    (tmp_path / "1" / "notes.txt").write_text("mine")
    (tmp_path / "1" / "checksums.json").unlink()
    for _ in range(2):
        (tmp_path / "7").mkdir()
        (tmp_path / "7" / "checksums.json").touch()
        foreign.set_aside_after(tmp_path, 1)
    foreign.set_aside_after(tmp_path, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0", "1.damaged", "7.damaged", "7.damaged1",
    ]  # fmt: skip
    assert (tmp_path / "1.damaged" / "notes.txt").read_text() == "mine"
    assert f"{tmp_path}/1: kept as 1.damaged" in capsys.readouterr().err
    (tmp_path / "80").mkdir()
    foreign.check_names(tmp_path)
    (tmp_path / "80" / "photo.jpg").touch()
    for name in ("80", "90"):
        with pytest.raises(UserError, match=f"{name}: is no checkpoint, but has the name of one"):
            foreign.check_names(tmp_path)
        (tmp_path / name).rename(tmp_path / f"mine-{name}")
        (tmp_path / "90").touch()


def test_what_may_not_be_read_is_not_taken_for_damaged(tmp_path, monkeypatch):
    filled(tmp_path, [0.9, 0.5])
    read = Path.read_bytes

    def refusing(path):
        if path.name == checksums.NAME:
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(path)

    # Who runs this may be root, whom no permission stops.
    monkeypatch.setattr(Path, "read_bytes", refusing)
    with pytest.raises(UserError, match=r"1/checksums.json: cannot be read \(Permission denied\)"):
        Checkpoints(tmp_path, read_only=True).choose("latest")


def test_a_missing_file_is_found(tmp_path, capsys):
    filled(tmp_path, [0.9, 0.5])
    max(files_of(tmp_path / "0"), key=lambda path: path.stat().st_size).unlink()
    assert Checkpoints(tmp_path, read_only=True).choose("best") == 1
    assert f"WARNING: {tmp_path}/0: damaged checkpoint (" in capsys.readouterr().err
    (tmp_path / "1" / "checksums.json").unlink()
    with pytest.raises(UserError, match=r"0: damaged .*1: damaged .*checksums\.json") as caught:
        Checkpoints(tmp_path, read_only=True).choose("best")
    assert "\n" not in str(caught.value)


@contextlib.contextmanager
def full_disk():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system refuses to write more of a file, as it does on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def told(monkeypatch):
    """What a program's hooks let through; pytest has its own back afterwards."""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    monkeypatch.setattr(threading, "excepthook", told.append)
    thread_errors.tell_once()
    yield told
    # What was left behind is collected while the program's hooks are there.
    gc.collect()


# Orbax leaves some of what it was about to write behind.
@pytest.mark.usefixtures("told")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_full_disk_leaves_nothing_half_written_and_the_checkpoint_before(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(0, saved_state(), 0.5)
    checkpoints.wait()
    error = r"cannot be saved \(File too large\)"
    with full_disk(), pytest.raises(UserError, match=error) as caught:
        checkpoints.save(1, saved_state(1), 0.6)
        checkpoints.wait()
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
    checkpoints.save(2, saved_state(2), 0.7)
    checkpoints.close()
    assert Checkpoints(tmp_path, read_only=True).choose("latest") == 2


def a_write_ends_after_its_loop_was_closed():
    ended, write = tensorstore.Promise.new()
    loop = asyncio.new_event_loop()
    write.add_done_callback(lambda _: loop.call_soon_threadsafe(print))
    loop.close()
    ended.set_result(None)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_program_tells_of_a_failed_save_once(tmp_path, told):
    checkpoints = Checkpoints(tmp_path)
    with full_disk(), pytest.raises(UserError, match="cannot be saved"):
        checkpoints.save(1, saved_state(1), 0.6)
        checkpoints.wait()
    a_write_ends_after_its_loop_was_closed()
    checkpoints.close()
    a_write_ends_after_its_loop_was_closed()
    gc.collect()
    assert told == []
    # What is no error of a save.
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    assert [failed.exc_type for failed in told] == [ZeroDivisionError]


def test_checkpoints_leave_the_hooks_of_their_process_alone(tmp_path):
    before = threading.excepthook, sys.unraisablehook
    with contextlib.closing(Checkpoints(tmp_path)):
        assert (threading.excepthook, sys.unraisablehook) == before


# Orbax with jax 0.7 leaves the readers of the other arrays behind, never awaited.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_other_arrays_are_refused(tmp_path):
    checkpoints = filled(tmp_path, [0.5])
    wrong = {"C1": {"kernel": jax.ShapeDtypeStruct((2, 3), np.float32)}}
    with pytest.raises(UserError, match="cannot be read"):
        checkpoints.restore_averaged(0, wrong)
    one = jax.tree.map(lambda leaf: leaf[:1], saved_state().averaged_params)
    with pytest.raises(UserError, match=r"holds float32 \(2, .* where float32 \(1, "):
        checkpoints.restore_averaged(0, one)
    gc.collect()
