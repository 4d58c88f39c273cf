"""The second network through the programs: trained, told of, exported, a teacher."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from test_export import digits
from test_program import HEADER, call

import lenet_jax
from lenet_jax import models
from lenet_jax.config import Config
from lenet_jax.data import sample
from lenet_jax.distributed import mesh as meshes
from lenet_jax.inference import predict
from lenet_jax.runs import workdir
from lenet_jax.training import epoch, optimizer
from lenet_jax.training import population as populations

SHORT = ("--data=train.csv", "--config.epochs=2", "--config.holdout=0.2", "--config.batch_size=16")


@pytest.fixture(scope="module")
def trained_modern(tmp_path_factory):
    """The folder of a short run of the recipe, in its folder `run`, and what was said."""
    folder = tmp_path_factory.mktemp("modern")
    few = sample.load("train").take(np.arange(0, 4000, 13))
    rows_NxD = np.column_stack([few.labels_N, few.images_NxHxW.reshape(len(few), -1)])
    np.savetxt(folder / "train.csv", rows_NxD, "%d", ",", header=HEADER, comments="")
    flags = ("--config=modern", "--workdir=run", *SHORT)
    done = call("run_train.py", *flags, cwd=folder)
    return folder, done.stdout


@pytest.mark.slow
def test_a_run_is_told_of_as_what_it_is(trained_modern):
    folder, out = trained_modern
    assert "249,114" in out
    assert "S3      32 filters 4x4, stride 2" in out
    assert "--serve" in out
    card = (folder / "run/README.md").read_text()
    assert "# 3x3 network\n" in card
    assert "249,114 trainable parameters" in card
    assert "LeCun" not in card
    page = (folder / "run/report/report.html").read_text()
    assert "The 16 filters of C1, and the maps of one digit: 16 of C1, 32 of S3, 32 of C4." in page
    first, last = workdir.read_metrics(folder / "run")
    assert last["holdout_loss"] < first["holdout_loss"]


@pytest.mark.slow
def test_exports_are_what_prediction_gives(trained_modern):
    folder, _ = trained_modern
    run = folder / "run"
    done = call("run_export.py", "--workdir=run", "--format=onnx", cwd=folder)
    assert done.stdout == "Wrote run/export/modern.onnx\n"
    predicted = predict.from_run(run, workdir.read_run(run), digits(50))
    got = lenet_jax.load(run / "export/modern.onnx")(digits(50))
    np.testing.assert_allclose(got, predicted, atol=1e-5)
    done = call("run_export.py", "--workdir=run", "--format=c", cwd=folder)
    assert done.stdout == "Wrote run/export/modern.h\n"


@pytest.mark.slow
def test_it_teaches_a_lenet5(trained_modern):
    folder, _ = trained_modern
    flags = ("--config=smoke", "--workdir=student", "--config.teacher=run", *SHORT)
    call("run_train.py", *flags, cwd=folder)
    record = workdir.read_run(folder / "student")
    assert record.config.model == "lenet5"
    first, last = workdir.read_metrics(folder / "student")
    assert last["train_loss"] < first["train_loss"]


@functools.cache
def stepped(devices, steps):
    """Parameters after some steps, on devices along the batch, and the sums of the epoch."""
    config = Config(model="modern", conv="native", epochs=2, batch_size=4, holdout=0.0)
    config = dataclasses.replace(config, dropout=0.3, warmup_epochs=0.0, optimizer="sgd")
    dataset = sample.load("train").take(np.arange(0, 4000, 400))
    mesh = meshes.make(1, jax.devices()[:devices], sizes=f"batch:{devices}")
    population = populations.make(config, dataset.labels_N)
    compiled = epoch.programs(population.config, mesh, population.num_examples)
    member_M = jax.device_put(population.member, meshes.stacked(mesh))
    data = jax.device_put((dataset.images_NxHxW, dataset.labels_N), meshes.replicated(mesh))
    state = compiled.create(jax.device_put(population.seeds_M, meshes.stacked(mesh)))
    shuffled_M = jax.block_until_ready(compiled.shuffle(state, member_M))
    stop = np.int32(steps)
    state = compiled.train_until(state, shuffled_M, *data, np.int32(0), stop, None)
    return jax.tree.map(np.asarray, (state.params, state.epoch_metrics))


@pytest.mark.slow
def test_one_device_and_two_agree_to_rounding():
    # An epoch of 10 digits, its short batch at the end included.
    assert optimizer.steps_per_epoch(Config(batch_size=4), 10) == 3
    (one, sums), (two, sums_of_two) = stepped(1, 3), stepped(2, 3)
    assert sums.count == sums_of_two.count == 10
    np.testing.assert_allclose(sums.loss, sums_of_two.loss, rtol=1e-4)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_a_cpu_core_takes_as_many_digits_as_its_cache_fits():
    modern, lenet5 = Config(model="modern"), Config()
    assert models.cpu_microbatch(modern) < models.cpu_microbatch(lenet5)
    assert models.cpu_predicted(modern) < models.cpu_predicted(lenet5) == predict.PER_DEVICE_BATCH
