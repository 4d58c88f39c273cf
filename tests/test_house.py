"""The import rule: arrows between the rooms point one way."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lenet_jax"

# What each room may import of the package; a room that is not here may import nothing of it.
MAY_IMPORT = {
    "sweep": {"errors"},
    "config": {"errors", "sweep"},
    "population": {"config", "data", "sweep"},
    "files": {"errors"},
    "extras": {"checkout", "errors"},
    "kaggle_account": {"errors", "files"},
    "data": {"checkout", "errors", "extras", "files", "kaggle_account"},
    "submission": {"errors", "files"},
    "submit": {"data", "errors", "extras", "files", "kaggle_account"},
    "report": {"calibration", "checkout", "data", "errors", "files", "sweep"},
    "workdir": {"checkout", "config", "data", "errors", "files", "lenet_jax"},
    "augment": {"config", "population"},
    "conv": set(),
    "hosts": {"errors"},
    "mesh": {"config", "errors", "runtime"},
    "compiler": {"config", "mesh"},
    "compilation_progress": {"hosts"},
    "metrics": set(),
    "mixup": set(),
    "model": {"config", "conv"},
    "optimizer": {"config", "population"},
    "state": {"config", "metrics", "model", "optimizer"},
    "step": {
        "augment", "config", "metrics", "mixup", "model", "optimizer", "population", "state",
    },
    "loop": {
        "augment", "config", "metrics", "mixup", "model", "optimizer", "population", "state",
        "step",
    },
    "checksums": {"files"},
    "checkpoint": {"checksums", "errors", "files", "mesh", "state"},
    "compilation_cache": {"files"},
    "mirror": {"checksums", "compilation_cache", "errors", "files", "resume", "workdir"},
    "resume": {"checkpoint", "config", "errors", "files", "workdir"},
    "predict": {
        "augment", "calibration", "callable_room", "checkout", "checkpoint",
        "compilation_progress", "compiler", "config", "errors", "files", "hosts", "mesh", "metrics",
        "model", "workdir",
    },
    "teacher": {"checkout", "config", "errors", "files", "predict", "workdir"},
    "programs": {
        "compilation_progress", "compiler", "config", "loop", "mesh", "metrics", "model",
        "population", "predict", "state",
    },
    "epochs": {
        "checkpoint", "config", "data", "errors", "files", "hosts", "mesh", "metrics", "optimizer",
        "population", "programs", "progress", "state", "stopping", "teacher", "workdir",
    },
    "train": {
        "callable_room", "checkpoint", "compiler", "config", "data", "epochs", "errors", "files",
        "hosts", "mesh", "mirror", "model", "optimizer", "population", "programs", "progress",
        "resume", "state", "stopping", "teacher", "workdir",
    },
    "progress": {"config", "data", "metrics", "workdir"},
    "calibration": set(),
    "answers": {"data", "files", "report", "submission"},
    "export": {
        "calibration", "checkout", "config", "data", "errors", "extras", "files", "lenet_jax",
        "metrics", "model", "predict", "workdir",
    },
    "tensorboard": {"extras", "workdir"},
    "outcome": {
        "augment", "calibration", "checkout", "compiler", "config", "data", "errors", "files",
        "mesh", "model", "only_shown", "population", "predict", "report", "sweep", "train",
        "workdir",
    },
    "only_shown": {"checkout", "errors", "files"},
    "startup": set(),
    "checkout": set(),
    "callable_room": set(),
    "console": {"checkout"},
    "library": {
        "config", "data", "errors", "export", "files", "mesh", "mirror", "outcome",
        "predict", "runtime", "train", "wording", "workdir",
    },
    "runtime": set(),
    "program": {
        "checkout", "data", "errors", "hosts", "lenet_jax", "mesh", "recipes", "stopping", "usage",
        "config",
    },
    "recipes": {"checkout", "config", "errors"},
    "usage": {"checkout", "config", "recipes"},
    "wording": {"checkout"},
    "stopping": set(),
}  # fmt: skip

ONLY_IN = {"flax": {"model"}, "orbax": {"checkpoint"}, "absl": {"program"}, "pandas": {"data"}}
NO_JAX = {
    "checkout",
    "only_shown",
    "startup",
    "console",
    "tensorboard",
    "answers",
    "calibration",
    "checksums",
    "compilation_cache",
    "runtime",
    "config",
    "sweep",
    "files",
    "data",
    "extras",
    "kaggle_account",
    "submission",
    "submit",
    "report",
    "workdir",
    "errors",
    "program",
    "recipes",
    "stopping",
    "usage",
    "wording",
}


def rooms():
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def room_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(path):
    """Modules that a file imports anywhere, `lenet_jax.x` for its siblings."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "lenet_jax":
                for alias in node.names:
                    known = (PACKAGE / f"{alias.name}.py").exists() or (
                        PACKAGE / alias.name
                    ).is_dir()
                    yield f"lenet_jax.{alias.name}" if known else "lenet_jax.lenet_jax"
            else:
                yield node.module or ""


@pytest.mark.parametrize("path", rooms(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_one_way(path):
    room = room_of(path)
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "lenet_jax":
            target = rest.split(".")[0]
            assert target == room or target in MAY_IMPORT.get(room, set()), f"{room} -> {target}"
        else:
            assert room in ONLY_IN.get(top, {room}), f"{room} knows {top}"
            assert not (room in NO_JAX and top in {"jax", "flax", "optax", "orbax"}), (
                f"{room}: {name}"
            )


def test_the_rule_has_no_circle():
    done = {"errors", "lenet_jax"}
    left = dict(MAY_IMPORT)
    while left:
        free = [room for room, needs in left.items() if needs <= done]
        assert free, f"a circle among {sorted(left)}"
        done.update(free)
        for room in free:
            del left[room]


def test_no_file_is_a_drawer():
    names = {path.stem for path in rooms()}
    assert not names & {"utils", "util", "helpers", "common", "misc"}


def test_no_text_is_half_merged():
    root = PACKAGE.parent
    folders = ("lenet_jax", "configs", "docs", "tests", "benchmarks", "notebooks")
    texts = [*root.glob("*.*"), *(path for name in folders for path in (root / name).rglob("*.*"))]
    texts = [path for path in texts if path.suffix in {".md", ".py", ".toml", ".mk", ".ipynb"}]
    assert len(texts) > 100
    mark = "<" * 7 + " "
    assert not [path.name for path in texts if mark in path.read_text(encoding="utf-8")]
