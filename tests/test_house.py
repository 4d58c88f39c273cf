"""The order of the layers: each file imports only what stands below it."""

import ast
import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path

import pytest

import lenet_jax

PACKAGE = Path(__file__).parent.parent / "lenet_jax"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
# From the top to the ground; what shares a line knows nothing of each other.
LAYERS = """
cli
api
submission
report
training
export
inference
runs
models
distributed augmentation
data
config metrics
sweep files
environment
errors
"""
DEPTH = {name: depth for depth, line in enumerate(LAYERS.split("\n")) for name in line.split()}

ONLY_IN = {"flax": "models", "orbax": "runs.checkpoint", "absl": "cli", "pandas": "data"}
JAX = {"jax", "flax", "optax", "orbax"}
NO_JAX = (
    "cli",
    "submission",
    "report",
    "training.preemption",
    "training.tensorboard",
    "inference.calibration",
    "runs.workdir",
    "runs.checksums",
    "runs.compilation_cache",
    "runs.copies",
    "runs.failed_saves",
    "runs.plain_path",
    "runs.signs",
    "runs.written",
    "data",
    "config",
    "sweep",
    "files",
    "environment",
    "errors",
)
BUT_FOR = {"report.build"}


def modules_named_in(path):
    """Modules that a file imports anywhere or has in a string, by their dotted names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"^lenet_jax(?:\.\w+)+(?=\.?$)", node.value)


def name_of(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def within(name, module):
    return f"{name}.".startswith(f"{module}.")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_arrows_point_down(path):
    own = name_of(path)
    for name in modules_named_in(path):
        top, _, rest = name.partition(".")
        target, layer = rest.split(".")[0], own.split(".")[0]
        if top == "lenet_jax" and rest != "__version__" and target != layer:
            assert DEPTH[target] > DEPTH[layer], f"{own} -> {rest}"
        assert within(own, ONLY_IN.get(top, own)), f"{own} knows {top}"
        if own not in BUT_FOR and any(within(own, module) for module in NO_JAX):
            assert top not in JAX, f"{own} knows {top}"


def test_every_layer_is_there_and_has_room_for_more():
    entries = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()}
    entries -= {"__pycache__"}
    assert entries - {"__init__", "py.typed"} == set(DEPTH)
    assert len(entries) <= 20


def test_modules_that_are_named_outside_exist():
    root = PACKAGE.parent
    files = [root / "pyproject.toml", root / "Makefile", *root.glob("*/**/*.mk")]
    named = {
        name
        for file in files
        for name in re.findall(r"lenet_jax(?:\.[a-z_]\w*)+", file.read_text(encoding="utf-8"))
        if not name.endswith((".py", ".typed"))
    }
    assert named
    assert [name for name in named if importlib.util.find_spec(name) is None] == []


def test_no_module_bears_the_name_of_a_function():
    packages = [path.parent for path in FILES if path.name == "__init__.py"]
    for folder in packages:
        package = importlib.import_module(f"lenet_jax.{name_of(folder / '__init__.py')}")
        modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
        assert not modules & set(getattr(package, "__all__", ())), folder.name
    assert not {module.name for module in pkgutil.iter_modules(lenet_jax.__path__)} & {
        "check_runtime", "load", "load_data", "predict", "train",
    }  # fmt: skip


def test_no_file_is_a_drawer():
    names = {path.stem for path in FILES}
    assert not names & {"utils", "util", "helpers", "common", "misc"}


def test_no_text_is_half_merged():
    root = PACKAGE.parent
    folders = ("lenet_jax", "configs", "docs", "tests", "benchmarks", "notebooks")
    texts = [*root.glob("*.*"), *(path for name in folders for path in (root / name).rglob("*.*"))]
    texts = [path for path in texts if path.suffix in {".md", ".py", ".toml", ".mk", ".ipynb"}]
    assert len(texts) > 100
    mark = "<" * 7 + " "
    assert not [path.name for path in texts if mark in path.read_text(encoding="utf-8")]


def test_the_size_of_a_digit_stands_in_one_place():
    found = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and type(node.value) is int
        and node.value in (784, 28)
        # A power of two is no size.
        and "2**28" not in path.read_text()
    }
    assert found == {"data/dataset.py"}


# From the command line to `jax.grad`: file and functions, in the order they call each other.
WAY = (
    ("cli/train.py", "main"),
    ("cli/train.py", "_train"),
    ("training/loop.py", "train"),
    ("training/loop.py", "_run"),
    ("training/trainer.py", "pieces"),
    ("training/epoch.py", "train_until"),
    ("training/epoch.py", "body"),
    ("training/step.py", "train_step"),
    ("training/step.py", "add"),
    ("training/step.py", "loss"),
)


def test_the_way_from_main_to_the_gradient_is_short():
    assert len(WAY) <= 10
    assert len({file for file, _ in WAY}) <= 5
    sources, lines = [], set()
    for file, name in WAY:
        text = (PACKAGE / file).read_text()
        (node,) = (
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef) and node.name == name
        )
        sources.append(ast.get_source_segment(text, node))
        lines |= {(file, line) for line in range(node.lineno, node.end_lineno + 1)}
    for source, (_, following) in zip(sources, WAY[1:], strict=False):
        assert re.search(rf"\b{following}\b", source.partition("\n")[2])
    assert "jax.grad(loss" in sources[-2]
    assert len(lines) <= 400


def test_the_legend_of_axes_has_every_letter_once_and_no_other():
    legend = re.findall(r"^    ([A-Z])  \S", lenet_jax.__doc__, re.MULTILINE)
    used = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (getattr(node, field, None) for field in ("id", "arg", "attr"))
            for name in filter(None, names):
                axes = re.fullmatch(r"\w*[a-z\d]_((?:[A-Z]|\d+)(?:x(?:[A-Z]|\d+))*)", str(name))
                used |= set(axes[1].split("x")) if axes else set()
    assert legend == sorted({axis for axis in used if axis.isalpha()})
