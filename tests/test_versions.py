"""What is said of versions is said alike, and holds for what people have."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, GROUPS = PYPROJECT["project"], PYPROJECT["dependency-groups"]
SETS = sorted((ROOT / "tests" / "slow" / "sets").glob("*.txt"))
MINORS = (11, 12, 13, 14)


def pinned(path, python):
    """What a file of name==version lines pins for a Python on Linux."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
    }
    lines = [line for line in path.read_text().splitlines() if line and line[0] not in "#-"]
    requirements = [Requirement(line) for line in lines]
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_what_colab_and_kaggle_have_meets_every_bound(path):
    # `make matrix` installs the product there and sees that nothing has changed.
    there = pinned(path, "3.13")
    assert {"jax", "numpy", "absl-py"} <= there.keys()
    for text in PROJECT["dependencies"]:
        requirement = Requirement(text)
        version = there.get(canonicalize_name(requirement.name))
        assert version is None or requirement.specifier.contains(version), f"{text}: {version}"


# It asks the index.
@pytest.mark.slow
@pytest.mark.parametrize(("name", "python"), [("colab", "3.13"), ("kaggle", "3.12")])
def test_the_resolver_changes_nothing_of_what_colab_and_kaggle_have(name, python):
    path = ROOT / "tests" / "slow" / "sets" / f"{name}.txt"
    command = [Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--no-header"]
    command += ["--constraint", path, "--python-version", python, ROOT / "pyproject.toml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    chosen = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", done.stdout, re.MULTILINE))
    for package, version in pinned(path, python).items():
        assert chosen.get(package, version) == version
    assert {"absl-py", "jax", "numpy", "orbax-checkpoint"} <= chosen.keys()


@pytest.mark.parametrize("minor", MINORS)
def test_the_fixed_versions_meet_every_bound(minor):
    fixed = pinned(ROOT / "constraints.txt", f"3.{minor}")
    optional = PROJECT["optional-dependencies"]
    (tested,) = (text for text in GROUPS["test"] if text.startswith("lenet-jax["))
    extras = [text for name in Requirement(tested).extras for text in optional[name]]
    assert extras
    for text in (*PROJECT["dependencies"], *extras):
        requirement = Requirement(text)
        assert requirement.specifier.contains(fixed[canonicalize_name(requirement.name)]), text


def test_no_file_of_versions_names_an_index():
    for path in (ROOT / "constraints.txt", *SETS):
        text = path.read_text()
        assert "://" not in text
        assert "index" not in text


def test_the_same_pythons_are_named_everywhere():
    assert PROJECT["requires-python"] == f">=3.{MINORS[0]},<3.{MINORS[-1] + 1}"
    names = [f"3.{minor}" for minor in MINORS]
    classifiers = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert classifiers == names
    makefile = (ROOT / "Makefile").read_text()
    assert f"not (3, {MINORS[0]}) <= sys.version_info < (3, {MINORS[-1] + 1})" in makefile
    assert [name for name in reversed(names) if f"python{name}" in makefile] == names[::-1]
    span = f"Python {names[0]} to {names[-1]}"
    for name in ("Makefile", "README.md", "CONTRIBUTING.md"):
        assert span in (ROOT / name).read_text(), name
    matrix = (ROOT / "tests" / "slow" / "matrix.py").read_text()
    assert f"MINORS = {MINORS}" in matrix
    workflow = ROOT / ".github" / "workflows" / "test.yml"
    if workflow.exists():
        listed = ", ".join(f'"{name}"' for name in names)
        assert f"python: [{listed}]" in workflow.read_text()


def test_the_table_of_the_matrix_keeps_the_rows_that_are_not_done_again(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests" / "slow")
    matrix = importlib.import_module("matrix")
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- matrix -->\n\n<!-- end of matrix -->\nafter\n")
    monkeypatch.setattr(matrix, "PAGE", page)
    for name, cell in (("lowest", "old"), ("newest-3.12", "first"), ("lowest", "new")):
        table = matrix.keep(f"| {name} | {cell} |")
    assert table.splitlines()[2:] == ["| newest-3.12 | first |", "| lowest | new |"]
    assert (
        page.read_text() == f"before\n<!-- matrix -->\n\n{table}\n\n<!-- end of matrix -->\nafter\n"
    )
