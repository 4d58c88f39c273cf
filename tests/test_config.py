import dataclasses
import importlib.util
import inspect
from pathlib import Path

import pytest

from lenet_jax import config
from lenet_jax.cli import usage
from lenet_jax.config import Config, recipes, table
from lenet_jax.errors import UserError
from lenet_jax.training import population

# Other values of the fields in which a run may go on from another.
OTHERWISE = {"conv": "native", "deterministic": False, "mesh": "batch:8", "sampling": "matmul"}
ROOT = Path(__file__).parent.parent
RECIPES = sorted((ROOT / "configs").glob("*.py"))
spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
hooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hooks)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_recipe_is_valid_and_opens_with_its_command(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert config.from_mapping(module.get_config().to_dict())
    for variant in recipes.variants(path):
        assert config.from_mapping(module.get_config(variant).to_dict())
        told = getattr(module, variant).__doc__
        assert f"python run_train.py --config=configs/{path.name}:{variant}" in told
    assert recipes.variants(path) == list(getattr(module, "VARIANTS", {}))
    assert f"python run_train.py --config=configs/{path.name}" in module.__doc__


def test_a_variant_is_the_recipe_with_a_few_fields_changed():
    single, ensemble, distilled = map(
        recipes.config_of, ("accurate", "accurate:ensemble", "configs/accurate.py:distilled")
    )
    assert config.differences(single, ensemble) == ["members: 1 -> 16", "epochs: 40 -> 24"]
    assert distilled.teacher == "runs/ensemble"
    assert recipes.config_of("ensemble") == ensemble
    assert recipes.config_of("configs/distilled.py") == distilled


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1", "has no function get_config"),
        ("def get_config(:", "SyntaxError (invalid syntax) in line 1"),
        ("\nimport nowhere", "ModuleNotFoundError (No module named 'nowhere') in line 2"),
        ("def get_config(): return 1 / 0", "ZeroDivisionError (division by zero) in line 1"),
        ("def get_config():\n  raise SystemExit(0)", "SystemExit (0) in line 2"),
        ("def get_config(): return 3", "get_config() returned no ConfigDict but int"),
        ("def get_config(): return {'epoch': 3}", "get_config(): there is no field config.epoch; "),
        ("def get_config(): return {'epochs': 0}", "config.epochs=0: must lie in "),
    ],
)
def test_a_recipe_that_fails_is_told_in_one_line(text, expected, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UserError) as told:
        recipes.config_of(str(path))
    assert str(told.value).startswith(f"--config={path}: {expected}")


@pytest.mark.parametrize(
    ("platform", "model", "conv"),
    [
        ("cpu", "lenet5", "matmul"),
        ("cpu", "modern", "matmul"),
        ("gpu", "lenet5", "matmul"),
        ("gpu", "modern", "native"),
        ("tpu", "lenet5", "native"),
        ("tpu", "modern", "native"),
    ],
)
def test_auto_is_the_faster_one_of_the_platform(platform, model, conv):
    assert Config(model=model).on(platform).conv == conv
    assert Config(model=model, conv="native").on(platform).conv == "native"


def test_a_recipe_may_be_a_dict_of_some_fields(tmp_path):
    (tmp_path / "mine.py").write_text("def get_config(): return {'learning_rate': 1}")
    made = recipes.config_of(str(tmp_path / "mine.py"))
    assert made == Config(learning_rate=1.0)


def test_default_recipe_has_the_documented_defaults():
    # Python 3.13 strips the indentation of docstrings by itself.
    documented = inspect.getdoc(Config)
    for field in dataclasses.fields(Config):
        assert f"\n  {field.name}: " in documented, field.name


@pytest.mark.parametrize("field", dataclasses.fields(Config), ids=lambda field: field.name)
def test_a_field_is_declared_once_and_shows_everywhere(field):
    told = config.documented()[field.name]
    assert told.startswith(field.metadata["told"])
    assert f"  {field.name}: {told}." in Config.__doc__
    assert f"| `{field.name}` | `{field.default!r}` | {told} |" in hooks.fields_table()
    values = Config().as_dict()
    helped = usage.text("", [], values, [], "", full=True)
    assert f"{field.name}={field.default}" in helped
    assert " ".join(told.split()) in " ".join(helped.split())
    allowed = field.metadata["allowed"]
    if isinstance(allowed, table.Range):
        assert f"in {allowed}" in told
        outside = field.type(allowed.high if allowed.open_high else allowed.high * 2 + 1)
        with pytest.raises(UserError, match=rf"config\.{field.name}={outside!r}: must lie in "):
            Config(**{field.name: outside})
    elif allowed is not None:
        assert f"one of {', '.join(allowed)}" in told
        with pytest.raises(UserError, match=f"choose one of {', '.join(allowed)}"):
            Config(**{field.name: "none of them"})
    resumable = Config(**{field.name: OTHERWISE.get(field.name, field.default)})
    assert not config.differences(resumable, Config())
    assert field.metadata["resumable"] == (field.name in OTHERWISE)
    swept = f"{field.name}={field.default},{field.default}"
    if field.metadata["swept"]:
        assert len(Config(sweep=swept).trials) == 2
        hyper = population.abstract(3, 5).hyper
        assert getattr(hyper, field.name).shape == (3,)
    elif field.type in (int, float):
        with pytest.raises(UserError, match="must be one of "):
            Config(sweep=swept)


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
        ({"model": "lecun1998", "width": 2}, "config.width=2: only for config.model='lenet5' and"),
        ({"model": "lecun1998", "dropout": 0.1}, "and 'modern', not 'lecun1998'"),
        ({"model": "lecun1998", "activation": "tanh"}, "config.activation='tanh': only for"),
        ({"model": "modern", "subsampling": "act_pool"}, "only for config.model='lenet5', not"),
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
