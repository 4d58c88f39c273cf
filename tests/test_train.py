"""The host loop with real files, and a real process that is really killed."""

import dataclasses
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from lenet_jax.config import Config
from lenet_jax.data import Dataset
from lenet_jax.distributed import compilation_progress
from lenet_jax.distributed import mesh as meshes
from lenet_jax.errors import UserError
from lenet_jax.inference import predict
from lenet_jax.report import build
from lenet_jax.runs import workdir
from lenet_jax.training import compilation, distillation, loop, preemption, trainer
from lenet_jax.training import population as populations
from support import recipe
from support.runs import newest, wait_until, whole_checkpoints

STILL = {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0}
CONFIG = Config(epochs=3, batch_size=32, warmup_epochs=1.0, members=2, **STILL)


def digits(count=150, seed=0):
    rng = np.random.default_rng(seed)
    return Dataset(
        images_NxHxW=rng.integers(0, 256, (count, 28, 28)).astype(np.uint8),
        labels_N=(np.arange(count) % 10).astype(np.int32),
        source="csv",
        name="noise",
    )


def quiet(_):
    pass


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    result = loop.train(CONFIG, digits(), folder, say=quiet)
    build.write_results(folder, result)
    build.write_report(folder, result)
    return folder, result


def test_every_epoch_has_its_row(finished):
    folder, result = finished
    rows = workdir.read_metrics(folder)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["step"] for row in rows] == [5, 10, 15]
    assert all(row["images_per_second"] > 0 for row in rows)
    for stored, kept in zip(rows, result.rows, strict=True):
        np.testing.assert_allclose(
            [stored["train_loss"], stored["holdout_loss"]],
            [kept["train_loss"], kept["holdout_loss"]],
            rtol=1e-6,
        )


def test_what_is_compiled_while_digits_are_read_is_what_training_calls(monkeypatch):
    compiled = []
    monkeypatch.setattr(compilation, "_compiled", lambda *arguments: compiled.append(arguments))
    compilation_progress.once.cache_clear()
    loop.compile_ahead(CONFIG, 150)
    assert len(compiled) == 4
    population = populations.make(CONFIG, digits().labels_N)
    mesh = meshes.make(len(population))
    trainer.Trainer(CONFIG, mesh, digits(), population)
    assert len(compiled) == 4
    compilation_progress.once.cache_clear()


def test_the_result_is_what_prediction_gives(finished):
    folder, result = finished
    record = workdir.read_run(folder)
    assert record == result.record
    assert record.data_rows == 150
    assert record.train_rows == len(result.training) == 135
    params_M = predict.restore(folder, record)
    got = predict.probabilities(
        CONFIG, meshes.make(1, jax.devices()[:1]), params_M, result.holdout.images_NxHxW
    )
    np.testing.assert_allclose(got, result.probabilities_NxK, atol=1e-5)
    right = np.mean(got.argmax(1) == result.holdout.labels_N)
    np.testing.assert_allclose(result.rows[-1]["ensemble_accuracy"], right, atol=1e-6)


def test_training_and_hold_out_share_no_row(finished):
    _, result = finished
    rows = np.concatenate([result.training.images_NxHxW, result.holdout.images_NxHxW])
    assert len(np.unique(rows.reshape(150, -1), axis=0)) == 150


def test_the_report_of_sorted_digits_shows_all_classes():
    labels_N = np.repeat(np.arange(10), 30).astype(np.int32)
    positions = build._of_all_classes(labels_N, 100)
    assert labels_N[positions].tolist() == list(range(10)) * 10
    assert len(set(positions.tolist())) == 100
    # Of a class with fewer digits all, and the first ones of the others.
    few = build._of_all_classes(np.array([7, 7, 7, 2, 2], np.int32), 4)
    assert few.tolist() == [3, 0, 4, 1]
    digits_3 = dataclasses.replace(digits(), labels_N=np.sort(digits().labels_N))
    printable = build._telling_digit(digits_3)[0]
    np.testing.assert_array_equal(printable, digits_3.images_NxHxW[digits_3.labels_N == 3][0])
    others = digits_3.take(np.flatnonzero(digits_3.labels_N != 3))
    np.testing.assert_array_equal(build._telling_digit(others)[0], others.images_NxHxW[0])


def test_a_finished_run_is_left_alone(finished):
    folder, _ = finished
    said = []
    assert loop.train(CONFIG, digits(), folder, say=said.append) is None
    assert "finished its 3 epochs" in said[0]


def test_a_run_cut_off_before_its_card_gets_one(finished):
    folder, result = finished
    (folder / "README.md").unlink()
    again = loop.train(CONFIG, digits(), folder, say=quiet)
    build.write_results(folder, again)
    build.write_report(folder, again)
    assert (folder / "README.md").exists()
    assert [row["epoch"] for row in again.rows] == [1, 2, 3]
    np.testing.assert_array_equal(again.probabilities_NxK, result.probabilities_NxK)


def test_other_data_is_refused(finished):
    folder, _ = finished
    with pytest.raises(UserError, match="other digits"):
        loop.train(CONFIG, digits(seed=1), folder, say=quiet)


def test_differing_fields_are_named(finished):
    folder, _ = finished
    other = dataclasses.replace(CONFIG, epochs=4, learning_rate=0.5)
    with pytest.raises(UserError, match=r"epochs: 3 -> 4.*learning_rate: 0.004 -> 0.5") as caught:
        loop.train(other, digits(), folder, say=quiet)
    assert "\n" not in str(caught.value)


def test_a_teacher_that_was_trained_again_is_noticed(tmp_path, finished):
    folder = shutil.copytree(finished[0], tmp_path / "taught")
    record = workdir.read(folder)
    config = dataclasses.replace(CONFIG, teacher=str(finished[0]))
    asked = dataclasses.replace(record, config=config)
    fingerprint = distillation.restore(asked).fingerprint
    workdir.create(folder, dataclasses.replace(asked, teacher_fingerprint=fingerprint))
    assert loop.train(config, digits(), folder, say=quiet) is None
    workdir.create(folder, dataclasses.replace(asked, teacher_fingerprint="0" * 16))
    with pytest.raises(UserError, match=r"config\.teacher=.* has been trained again"):
        loop.train(config, digits(), folder, say=quiet)


@pytest.mark.slow
def test_nothing_held_out_trains_on_everything(tmp_path):
    config = dataclasses.replace(CONFIG, members=1, holdout=0.0, epochs=2)
    result = loop.train(config, digits(), tmp_path, say=quiet)
    assert result.record.train_rows == 150
    assert result.holdout is None
    assert workdir.read_metrics(tmp_path)[-1]["holdout_accuracy"] is None


def test_a_loss_that_is_not_finite_stops_before_it_is_saved(tmp_path):
    # Numbers of the members: the program is the one that is compiled already.
    config = dataclasses.replace(CONFIG, learning_rate=1000.0, weight_decay=1000.0)
    with pytest.raises(UserError, match=r"not finite at step \d+, learning rate .*checkpoint"):
        loop.train(config, digits(), tmp_path, say=quiet)
    for _, params in saved(tmp_path):
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(params))


def test_a_sweep_with_nothing_held_out_is_refused(tmp_path):
    config = dataclasses.replace(CONFIG, holdout=0.0, sweep="shift=0,1")
    with pytest.raises(UserError, match=r"config\.sweep=.*nothing is held out"):
        loop.train(config, digits(), tmp_path / "run", say=quiet)
    assert not (tmp_path / "run").exists()


def test_a_second_run_in_the_same_workdir_is_refused(tmp_path, finished):
    error = "another process is training in it"
    with workdir.locked(tmp_path), pytest.raises(UserError, match=error):
        loop.train(CONFIG, digits(), tmp_path, say=quiet)
    assert [path.name for path in tmp_path.iterdir()] == [workdir.LOCK]


def saved(folder):
    """What a run has saved, if it has: (record, averaged parameters)."""
    record = workdir.read(folder)
    if record is not None and any((folder / "checkpoints").glob("[0-9]*")):
        yield record, predict.restore(folder, record)


def command(folder):
    return [*recipe.COMMAND, f"--workdir={folder}"]


def run_to_the_end(folder):
    done = subprocess.run(
        command(folder), capture_output=True, text=True, env=recipe.ENVIRONMENT, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def flip_a_bit(checkpoint):
    files = (path for path in checkpoint.rglob("*") if path.is_file())
    largest = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


def assert_same_run(expected, got):
    times = {"seconds", "images_per_second"}
    rows = [
        [{k: v for k, v in row.items() if k not in times} for row in workdir.read_metrics(folder)]
        for folder in (expected, got)
    ]
    assert rows[0] == rows[1]
    (_, a), (_, b) = (next(saved(folder)) for folder in (expected, got))
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_stopped_run_goes_on_in_the_middle_of_an_epoch(tmp_path, monkeypatch, finished):
    # One step a piece, and a signal after the seventh of five an epoch.
    monkeypatch.setattr(trainer, "FIRST_PIECE", 1)
    monkeypatch.setattr(trainer, "PIECE_SECONDS", 1e-9)
    check = loop._check_finite

    def check_and_signal(piece, *rest):
        check(piece, *rest)
        if piece.step == 7:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_check_finite", check_and_signal)
        with pytest.raises(preemption.Stopped, match=r"1\.40 of 3 epochs"):
            loop.train(CONFIG, digits(), tmp_path, say=quiet)
    assert (tmp_path / "checkpoints" / "7").is_dir()
    assert len(workdir.read_metrics(tmp_path)) == 1
    assert loop.train(CONFIG, digits(), tmp_path, say=quiet) is not None
    assert_same_run(finished[0], tmp_path)


def test_a_signal_does_not_wait_for_the_compiler(monkeypatch):
    compiled, signals = threading.Event(), [signal.SIGINT]

    def compile_for_ever(*_):
        if signals:
            signal.pthread_kill(threading.main_thread().ident, signals.pop())
        compiled.wait(120)

    monkeypatch.setattr(compilation, "_compiled", compile_for_ever)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            sizes = compilation.Sizes(members=2, rows=99, num_examples=99, held=1)
            compilation.compile_ahead(CONFIG, meshes.make(2), sizes)
        assert time.monotonic() - begun < 60
    finally:
        compiled.set()
        signal.signal(signal.SIGINT, before)


def started(folder):
    return subprocess.Popen(
        command(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=recipe.ENVIRONMENT,
    )


def test_a_run_that_is_stopped_killed_and_damaged_goes_on_to_the_same_bits(
    tmp_path, trained, capfd
):
    process = started(tmp_path)
    wait_until(lambda: workdir.read_metrics(tmp_path))
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == preemption.STOPPED, told
    told, again = told.splitlines()[-1].split(": ", 1)
    assert told == "to go on"
    python, program, *flags = shlex.split(again)
    assert Path(shutil.which(python)).absolute().parent == Path(sys.executable).parent
    assert Path(program).samefile(recipe.ROOT / "run_train.py")
    assert flags == command(tmp_path)[2:]
    stopped = newest(tmp_path)

    process = started(tmp_path)
    # Until there is a newer checkpoint to damage beside one that is whole.
    wait_until(lambda: newest(tmp_path) != stopped and len(whole_checkpoints(tmp_path)) >= 2)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert 2 <= len(workdir.read_metrics(tmp_path)) < recipe.EPOCHS
    flip_a_bit(newest(tmp_path))
    predict.restore(tmp_path, workdir.read_run(tmp_path))
    damaged = f"WARNING: {newest(tmp_path)}: damaged checkpoint ("
    assert capfd.readouterr().err.startswith(damaged)
    assert damaged in run_to_the_end(tmp_path)
    assert_same_run(trained, tmp_path)
