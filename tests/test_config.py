import dataclasses
import importlib.util
import inspect
from pathlib import Path

import pytest

from lenet_jax import config
from lenet_jax.config import Config
from lenet_jax.errors import UserError

RECIPES = sorted((Path(__file__).parent.parent / "configs").glob("*.py"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_recipe_is_valid_and_opens_with_its_command(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert config.from_mapping(module.get_config().to_dict())
    assert f"python run_train.py --config=configs/{path.name}" in module.__doc__


def test_default_recipe_has_the_documented_defaults():
    # Python 3.13 strips the indentation of docstrings by itself.
    documented = inspect.getdoc(Config)
    for field in dataclasses.fields(Config):
        assert f"\n  {field.name}: " in documented, field.name


def test_round_trip_through_a_mapping():
    original = Config(seed=3, members=2, learning_rate=1e-4, model="lecun1998")
    assert config.from_mapping(original.as_dict()) == original


def test_a_sweep_of_nothing_is_none():
    assert Config(sweep=" ; ") == Config()
    assert Config(sweep=" shift=1,2; ").sweep == "shift=1,2"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"epochs": 0}, "config.epochs=0"),
        ({"members": 0}, "config.members=0"),
        ({"batch_size": -1}, "config.batch_size=-1"),
        ({"learning_rate": 0.0}, "config.learning_rate=0.0"),
        ({"learning_rate": float("nan")}, "config.learning_rate=nan"),
        ({"learning_rate": "fast"}, "config.learning_rate='fast'"),
        ({"epochs": 2.5}, "config.epochs=2.5"),
        ({"seed": True}, "config.seed=True"),
        ({"seed": -1}, "config.seed=-1"),
        ({"seed": 2**32 - 1, "members": 2}, "config.seed"),
        ({"holdout": 1.0}, "config.holdout=1.0"),
        ({"model": "lenet6"}, "choose one of lenet5, lecun1998"),
        ({"epoch": 3}, "did you mean epochs"),
        ({"learning_rat": 3}, "did you mean learning_rate"),
        ({"qqqq": 3}, "there are seed, members"),
        ({"warmup_epochs": -1.0}, "config.warmup_epochs=-1.0"),
        ({"mixup": 0.2}, "config.mixup is gone, for it did not help (docs/results.md)"),
        # 1 in single precision, and 0 / 0 in the average.
        ({"ema_decay": 1 - 1e-9}, "config.ema_decay=0.999999999"),
    ],
)
def test_mistakes_are_named(fields, told):
    with pytest.raises(UserError) as caught:
        config.from_mapping(fields)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_integer_stands_for_a_float():
    assert Config(learning_rate=1).learning_rate == 1.0
    assert isinstance(Config(learning_rate=1).learning_rate, float)


def test_differences_name_the_fields_and_forgive_the_implementation():
    assert config.differences(Config(seed=1), Config(seed=2)) == ["seed: 1 -> 2"]
    assert config.differences(Config(conv="native"), Config(conv="matmul")) == []


@pytest.mark.parametrize(
    "mesh",
    ["", "member", "member:0", "member:-1", "member:2,member:1", "rows:2", "member:2x", "2,1"],
)
def test_a_mesh_that_is_none(mesh):
    with pytest.raises(UserError, match=r"config\.mesh="):
        config.Config(members=4, mesh=mesh)


def test_members_are_split_evenly():
    config.Config(members=6, mesh="member:3,batch:5")
    with pytest.raises(UserError, match="6 members cannot be split evenly over member:4"):
        config.Config(members=6, mesh="member:4")


def test_a_run_may_go_on_with_another_mesh():
    assert not config.differences(config.Config(mesh="batch:8"), config.Config())
