import dataclasses
import shutil

import jax
import pytest

from lenet_jax.config import Config
from lenet_jax.errors import UserError
from lenet_jax.runs import workdir
from lenet_jax.training import distillation
from support import networks


@pytest.fixture
def finished(trained, tmp_path):
    """A copy of a finished run."""
    return shutil.copytree(trained, tmp_path / "finished")


def student(finished, **fields):
    """The record of a run that the finished one is to teach."""
    record = workdir.read_run(finished)
    config = Config(teacher=str(finished), holdout=record.config.holdout)
    return dataclasses.replace(record, config=dataclasses.replace(config, **fields))


def test_the_networks_are_those_of_the_run(finished):
    teacher = distillation.restore(student(finished))
    assert teacher.num_teachers == 1
    # Of one fold, one network.
    assert {leaf.shape[:2] for leaf in jax.tree.leaves(teacher.params_FxT)} == {(1, 1)}


def test_the_fingerprint_depends_on_every_parameter(finished):
    teacher = distillation.restore(student(finished))
    assert teacher.fingerprint == distillation.restore(student(finished)).fingerprint
    leaves, tree = jax.tree.flatten(teacher.params_FxT)
    for index in range(len(leaves)):
        moved = [leaf + (index == at) for at, leaf in enumerate(leaves)]
        other = dataclasses.replace(teacher, params_FxT=jax.tree.unflatten(tree, moved))
        assert other.fingerprint != teacher.fingerprint


def test_an_unfinished_run_teaches_nobody(finished):
    (finished / workdir.CARD).unlink()
    with pytest.raises(UserError, match=r"has not finished its \d+ epochs; go on with it first"):
        distillation.restore(student(finished))


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"holdout": 0.5}, "holdout"), ({"split_seed": 7}, "split_seed"), ({"folds": 2}, "folds")],
)
def test_a_teacher_that_knows_the_held_out_digits_is_refused(finished, fields, told):
    with pytest.raises(UserError, match=rf"config\.{told}=.*hold out the same digits"):
        distillation.restore(student(finished, **fields))


def test_more_networks_than_the_teacher_has_are_refused(finished):
    with pytest.raises(UserError, match=r"config\.teacher_networks=2: config\.teacher=.* has 1"):
        distillation.restore(student(finished, teacher_networks=2))


def test_a_folder_without_a_run_is_told(tmp_path):
    with pytest.raises(UserError, match=r"config\.teacher=.*train the teacher there first"):
        distillation.restore(networks.record(Config(teacher=str(tmp_path))))


def test_a_teacher_of_other_digits_is_refused(finished):
    other = dataclasses.replace(student(finished), data_fingerprint="f" * 16)
    with pytest.raises(UserError, match="was trained on other digits"):
        distillation.restore(other)
