"""A run can lie in a folder of any name that the system allows, and what cannot be read back
is never taken for saved."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lenet_jax.config import Config
from lenet_jax.errors import UserError
from lenet_jax.runs import plain_path
from lenet_jax.runs.checkpoint import Checkpoints
from lenet_jax.training import state
from support import recipe
from support.digit_files import examples

ROOT = Path(__file__).parent.parent
CREATE = jax.jit(jax.vmap(functools.partial(state.create, Config(), 100)))


@functools.cache
def saved_state():
    return CREATE(np.array([0], np.uint32))


def fits(name):
    return name not in ("", ".", "..") and len(os.fsencode(name)) <= 255


# What patterns, shells, URLs and escapes are made of.
SPECIAL = st.text("[]*?!\\{}|~%#$&;:'\"<>()@=+-^` .\n\t\x7f", min_size=1, max_size=8)
UNICODE = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=60)
BYTES = st.binary(min_size=1, max_size=60).map(lambda text: os.fsdecode(text.replace(b"/", b"[")))
NAMES = st.one_of(
    SPECIAL, UNICODE, BYTES.filter(lambda name: "\0" not in name), st.just("x" * 255)
).filter(fits)


@settings(
    max_examples=examples(16),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@example("Digits [2026]")
@example("a**b")
@example("\\")
@example("gs:")
@example("\udcff")
@example(" . ")
@given(NAMES)
def test_a_state_is_saved_and_restored_in_a_folder_of_any_name(name):
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above, name, "checkpoints")
        checkpoints = Checkpoints(folder)
        checkpoints.save(1, saved_state(), 0.5)
        checkpoints.prove(1, saved_state())
        checkpoints.close()
        # It lies where it was meant to, whatever Orbax was told.
        assert (folder / "1" / "checksums.json").is_file()
        again = Checkpoints(folder, read_only=True)
        try:
            assert again.choose("latest") == again.choose("best") == 1
            read = again.restore_averaged(1, saved_state().averaged_params)
        finally:
            again.close()
        for one, other in zip(
            jax.tree.leaves(saved_state().averaged_params), jax.tree.leaves(read), strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_links_to_folders_do_not_stay_behind(tmp_path, monkeypatch):
    links = tmp_path / "links"
    links.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(links))
    checkpoints = Checkpoints(tmp_path / "[x]")
    assert len(list(links.iterdir())) == 1
    checkpoints.close()
    assert list(links.iterdir()) == []


def test_without_a_plain_place_for_a_link_there_is_one_line(tmp_path, monkeypatch):
    odd = tmp_path / "[links]"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    with pytest.raises(UserError, match=r"\[x\]: checkpoints cannot lie in a folder of such"):
        Checkpoints(tmp_path / "[x]")
    assert list(odd.iterdir()) == []


def test_a_name_that_no_library_takes_for_more_is_left_as_it_is(tmp_path):
    with plain_path.of(tmp_path / "Meine Läufe, Nr. 1") as plain:
        assert plain == tmp_path / "Meine Läufe, Nr. 1"


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def largest(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: damage(largest(folder)),
        lambda folder: largest(folder).unlink(),
        shutil.rmtree,
        lambda folder: (folder / "averaged_params" / "_METADATA").unlink(),
    ],
    ids=["flipped", "missing", "gone", "no metadata"],
)
def test_a_save_that_cannot_be_read_back_is_no_save(tmp_path, spoil):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, saved_state(), 0.5)
    checkpoints.prove(1, saved_state())
    spoil(tmp_path / "1")
    with pytest.raises(UserError, match="/1: what was saved there cannot be read back") as caught:
        checkpoints.prove(1, saved_state())
    assert "\n" not in str(caught.value)
    checkpoints.close()


def test_arrays_that_are_whole_but_others_are_no_save(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, saved_state(), 0.5)
    other = CREATE(np.array([1], np.uint32))
    with pytest.raises(UserError, match="has changed"):
        checkpoints.prove(1, other)
    checkpoints.close()


def call(name, *flags, cwd, status=0, environment=()):
    done = subprocess.run(
        [sys.executable, ROOT / f"run_{name}.py", *flags],
        cwd=cwd,
        capture_output=True,
        timeout=240,
        env=recipe.ENVIRONMENT | dict(environment),
    )
    assert done.returncode == status, done.stderr.decode(errors="replace")
    return done


# What Python makes of LC_ALL=C unless it is told otherwise.
NO_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("Läufe [2026]", NO_UTF8),
        pytest.param("Digits [2026]", {}, marks=pytest.mark.slow),
        pytest.param("a**\\b\udcff\nc ", {}, marks=pytest.mark.slow),
    ],
)
def test_a_run_in_an_odd_folder_ends_and_can_be_used(tmp_path, name, environment):
    folder = tmp_path / name
    folder.mkdir()
    # The folder of the run has a plain name, where it lies has not.
    used = {"cwd": folder, "environment": environment}
    done = call("train", *recipe.FLAGS, "--workdir=run", **used)
    assert f"Done: {recipe.EPOCHS} epochs".encode() in done.stdout
    assert b"WARNING" not in done.stderr
    assert b"Traceback" not in done.stderr
    workdir = f"--workdir={folder}/run"
    commands = [("predict", workdir, "--data=sample", f"--output={folder}/s.csv")]
    if environment != NO_UTF8:
        again = ("train", *recipe.FLAGS, workdir)
        commands += [again, ("predict", workdir, "--data=sample", "--report"), ("export", workdir)]
    for command in commands:
        assert call(*command, **used).stderr == b""
    assert (folder / "s.csv").is_file()
