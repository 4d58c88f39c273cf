"""What a notebook sees: the functions of the package, and the examples of its docstrings."""

import ast
import dataclasses
import doctest
import importlib
import inspect
import pickle
import pkgutil
import pydoc
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import lenet_jax
from lenet_jax import api
from lenet_jax.config import Config
from lenet_jax.environment import wording
from lenet_jax.errors import UserError
from lenet_jax.runs import workdir

ROOT = Path(lenet_jax.__file__).parent.parent
LINES = """
import numpy as np
import lenet_jax
from lenet_jax import Config

digits = lenet_jax.load_data("sample").take(np.arange(0, 4000, 10))
rows = lenet_jax.train(digits, "run", config=Config(epochs=2), members=2)
accuracy: float | None = rows[-1]["holdout_accuracy"]
test = lenet_jax.load_data("sample", part="test")
labels_N = lenet_jax.predict("run", test).argmax(axis=1)
read = lenet_jax.load("run")
print(lenet_jax.check_runtime(), accuracy, labels_N, read(test.images_NxHxW).shape)
"""
MODULES = [module.name for module in pkgutil.walk_packages(lenet_jax.__path__, "lenet_jax.")]


def examples(name):
    finder = doctest.DocTestFinder()
    return [test for test in finder.find(importlib.import_module(name)) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_are_true(name):
    runner = doctest.DocTestRunner()
    for test in examples(name):
        runner.run(test)
    assert runner.summarize().failed == 0


def test_there_are_examples():
    names = {test.name for module in MODULES for test in examples(module)}
    assert {"lenet_jax.api", "lenet_jax.api.load_data"} <= names
    assert len(names) >= 8


def test_importing_the_package_is_cheap():
    code = "import sys, lenet_jax; sys.exit(str({'numpy', 'jax', 'absl'} & set(sys.modules) or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_the_functions_are_there_whatever_was_imported_before():
    code = "import lenet_jax.report.build; assert callable(lenet_jax.train)"
    subprocess.run(
        [sys.executable, "-c", f"{code}; assert callable(lenet_jax.predict)"], check=True
    )
    assert {"Config", "load_data", "predict", "train"} <= set(dir(lenet_jax))
    assert lenet_jax.Config is Config
    assert lenet_jax.load_data is api.load_data
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        lenet_jax.trian  # noqa: B018


@pytest.mark.parametrize("name", ["check_runtime", "load", "load_data", "predict", "train"])
def test_what_is_public_is_the_function_itself(name):
    function = getattr(lenet_jax, name)
    assert inspect.isfunction(function)
    assert function is getattr(api, name)
    assert pickle.loads(pickle.dumps(function)) is function
    assert pydoc.plain(pydoc.render_doc(function)).count(f"{name}(") > 0
    assert "Returns:" in inspect.getdoc(function)
    assert "args" not in inspect.signature(function).parameters
    assert name in lenet_jax.__all__


def test_the_signature_of_train_is_its_own():
    parameters = inspect.signature(lenet_jax.train).parameters
    assert list(parameters) == ["dataset", "run", "config", "mirror", "overwrite", "say", "fields"]
    assert parameters["run"].default == "runs/default"


@pytest.mark.parametrize("wrong", [False, True])
def test_a_users_lines_pass_the_strictest_type_check(tmp_path, wrong):
    # What JAX and others say of their own types is checked with the package, and takes a while.
    pytest.importorskip("mypy", reason="not in the group test, which goes with older packages")
    settings = "[mypy]\nstrict = True\n[mypy-jax.*,matplotlib.*,pandas.*,PIL.*]\n"
    (tmp_path / "mypy.ini").write_text(f"{settings}follow_imports = skip\n")
    (tmp_path / "lines.py").write_text(LINES + "lenet_jax.laod(3)\n" * wrong)
    cache = ROOT / ".mypy_cache" / "lines"
    command = [sys.executable, "-m", "mypy", f"--cache-dir={cache}", "lines.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    if wrong:
        assert 'has no attribute "laod"' in done.stdout
    else:
        assert done.stdout.startswith("Success"), done.stdout


def test_mistakes_are_told(tmp_path):
    digits = lenet_jax.load_data("sample").take(np.arange(0, 4000, 10))
    with pytest.raises(UserError, match=r"config\.epochs=0"):
        lenet_jax.train(digits, tmp_path, epochs=0)
    with pytest.raises(TypeError, match="epoch"):
        lenet_jax.train(digits, tmp_path, epoch=1)
    with pytest.raises(UserError, match="holds no run"):
        lenet_jax.predict(tmp_path, digits)
    with pytest.raises(ValueError, match="part must be"):
        lenet_jax.load_data("sample", part="tset")
    with pytest.raises(TypeError, match=r"dataset: digits as lenet_jax\.load_data.* not 'sample'"):
        lenet_jax.train("sample", tmp_path)
    with pytest.raises(TypeError, match=r"dataset: .* not a ndarray"):
        lenet_jax.train(digits.images_NxHxW, tmp_path)
    with pytest.raises(TypeError, match="run: a path, not a Dataset"):
        lenet_jax.train(digits, digits)
    with pytest.raises(TypeError, match=r"config: a lenet_jax\.Config.* not {'epochs': 2}"):
        lenet_jax.train(digits, tmp_path, config={"epochs": 2})
    with pytest.raises(TypeError, match="did you mean epochs"):
        lenet_jax.train(digits, tmp_path, epoch=1)
    with pytest.raises(TypeError, match=r"images: .* not 'sample'"):
        lenet_jax.predict(tmp_path, "sample")
    with pytest.raises(ValueError, match="checkpoint must be latest or best"):
        lenet_jax.predict(tmp_path, digits, checkpoint="newest")
    assert not any(tmp_path.iterdir())


def test_messages_speak_of_arguments(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    digits = lenet_jax.load_data()
    assert capsys.readouterr().out.startswith("load_data('auto'): no digits in data/ here")
    with pytest.raises(UserError, match=r"train one with lenet_jax\.train\(digits, run\)$"):
        lenet_jax.predict("none", digits)
    with pytest.raises(UserError, match="no such file or folder; load_data takes auto"):
        lenet_jax.load_data("none.csv")


def strings(path):
    """The texts of a file that are no docstrings, with {} where something is put in."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
            parts = [getattr(part, "value", "{}") for part in node.values]
            yield "".join(part if isinstance(part, str) else "x" for part in parts)
        elif isinstance(node, ast.Constant) and id(node) not in docstrings | inside:
            yield str(node.value)


def test_no_message_of_any_room_speaks_of_flags_in_a_notebook():
    package = Path(lenet_jax.__file__).parent
    of_the_command_line = {
        "program.py",
        "usage.py",
        "commands.py",
        "recipes.py",
        "recipe_flags.py",
        "wording.py",
    }
    texts = [
        text
        for path in package.rglob("*.py")
        if path.name not in of_the_command_line and path.parent.name != "report"
        for text in strings(path)
        if re.search(r"--[a-z]", text) and "xla" not in text
    ]
    assert len(texts) > 20
    for text in texts:
        # But for what is to be typed into a shell.
        told = re.sub(r"(run_\w+\.py|pip install)[^;,]*", "", wording.in_python(text))
        assert not re.search(r"--[a-z]", told), text


def test_a_data_set_is_shown_in_a_line():
    digits = lenet_jax.load_data("sample")
    printable = "<Dataset 'sample (train part)': 4,000 digits, labels, source 'sample-train'>"
    assert repr(digits) == printable
    unlabelled = dataclasses.replace(digits, labels_N=None)
    assert "no labels" in repr(unlabelled)


def test_who_uses_an_unfinished_run_is_told(tmp_path):
    digits = lenet_jax.load_data("sample").take(np.arange(0, 4000, 10))
    lenet_jax.train(digits, tmp_path, epochs=2, batch_size=64, say=lambda line: None)
    (tmp_path / workdir.CARD).unlink()
    with pytest.warns(UserWarning, match=r"has no README\.md; the command that began"):
        lenet_jax.load(tmp_path)
    workdir.write_metrics(tmp_path, workdir.read_metrics(tmp_path)[:1])
    with pytest.warns(UserWarning, match="only 1 of its 2 epochs are done"):
        lenet_jax.predict(tmp_path, digits.images_NxHxW)
    with pytest.warns(UserWarning, match="only 1 of its 2 epochs are done"):
        lenet_jax.load(tmp_path)


def test_a_run_is_predicted_with_as_it_was_trained(tmp_path):
    digits = lenet_jax.load_data("sample").take(np.arange(0, 4000, 10))
    # The shapes of the example in the module, which is compiled already.
    fields = {"epochs": 2, "batch_size": 64, "say": lambda line: None}
    history = lenet_jax.train(digits, tmp_path, **fields)
    assert history[-1]["holdout_accuracy"] > 0.2
    assert (tmp_path / workdir.REPORT / "report.html").is_file()
    again = lenet_jax.train(digits, tmp_path, **fields)
    assert [row["epoch"] for row in again] == [1, 2]
    with pytest.warns(UserWarning, match="these very digits"):
        probabilities_NxK = lenet_jax.predict(tmp_path, digits)
    images = lenet_jax.predict(tmp_path, digits.images_NxHxW)
    np.testing.assert_array_equal(images, probabilities_NxK)
    with pytest.raises(ValueError, match="uint8"):
        lenet_jax.predict(tmp_path, digits.images_NxHxW / 255)


def test_of_several_threads_one_trains_at_a_time(tmp_path):
    digits = lenet_jax.load_data("sample").take(np.arange(0, 4000, 10))
    fields = {"epochs": 2, "batch_size": 64, "say": lambda line: None}
    with ThreadPoolExecutor(3) as pool:
        made = pool.map(lambda name: lenet_jax.train(digits, tmp_path / name, **fields), "abc")
        losses = [[row["train_loss"] for row in rows] for rows in made]
    assert losses[0] == losses[1] == losses[2]
    assert all(workdir.is_finished(tmp_path / name) for name in "abc")


def test_a_run_with_a_diverged_network_is_not_predicted_with(tmp_path):
    digits = lenet_jax.load_data("sample").take(np.arange(0, 4000, 20))
    rates = {"optimizer": "sgd", "sweep": "learning_rate=0.004,1000", "epochs": 2}
    lenet_jax.train(digits, tmp_path, batch_size=64, say=lambda line: None, **rates)
    assert not (tmp_path / workdir.CALIBRATION).exists()
    with pytest.raises(UserError, match="has diverged"):
        lenet_jax.predict(tmp_path, digits.images_NxHxW)
