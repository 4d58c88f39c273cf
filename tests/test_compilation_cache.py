"""The cache of compiled programs heals, has a bound, and may not be there at all."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import platformdirs
import pytest

from lenet_jax.data import cache
from lenet_jax.runs import compilation_cache

ROOT = Path(__file__).parent.parent
COMPILE = """
import sys
from lenet_jax.distributed import mesh
from lenet_jax.runs import compilation_cache
compilation_cache.tend(sys.argv[1])
mesh.prepare(sys.argv[1])
import jax
print(jax.jit(lambda x: x * 2 + 1)(20.5))
"""


def compile_in(folder):
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, folder],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout == "42.0\n"
    return done.stderr


def test_an_entry_that_was_cut_short_is_compiled_anew_without_a_word(tmp_path):
    assert compile_in(tmp_path) == ""
    whole = {path.name: path.stat().st_size for path in tmp_path.glob("*-cache")}
    assert whole
    for path in tmp_path.glob("*-cache"):
        path.write_bytes(path.read_bytes()[:100])
    assert compile_in(tmp_path) == ""
    for name, size in whole.items():
        assert abs((tmp_path / name).stat().st_size - size) < 100
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*-cache")}
    assert compile_in(tmp_path) == ""
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*-cache")} == before


def test_other_warnings_are_shown(tmp_path, monkeypatch):
    printable = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: printable.append(str(message)))
    compilation_cache.tend(tmp_path)
    compilation_cache.tend(tmp_path)
    unreadable = "Error reading persistent compilation cache entry for 'jit_f': Zlib: -5"
    for name in ("jit_f-0-cache", "jit_f-1-cache", "jit_g-0-cache"):
        (tmp_path / name).write_text("")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        for text in ("mine", unreadable):
            warnings.showwarning(UserWarning(text), UserWarning, "f.py", 1)
    assert printable == ["mine"]
    assert [path.name for path in tmp_path.iterdir()] == ["jit_g-0-cache"]


def test_the_programs_used_longest_ago_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation_cache, "MOST", 250)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    (tmp_path / "notes.txt").write_bytes(bytes(1000))
    for age, name in enumerate(("new", "middle", "old")):
        (tmp_path / f"jit_{name}-cache").write_bytes(bytes(100))
        os.utime(tmp_path / f"jit_{name}-cache", (1e9 - age, 1e9 - age))
    compilation_cache.tend(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"notes.txt", "jit_new-cache", "jit_middle-cache"}


def no_home(*_, **__):
    raise RuntimeError("could not determine the home directory")


@pytest.mark.parametrize("answer", [no_home, lambda *_, **__: "~/.cache/lenet-jax"])
def test_without_a_home_there_is_no_cache(monkeypatch, answer):
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setattr(platformdirs, "user_cache_dir", answer)
    assert cache.folder() is None
    assert cache.programs_folder() is None
