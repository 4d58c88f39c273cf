"""The programs as who has just found them tries them: in a folder of his own, and by pasting."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from PIL import Image

from lenet_jax.data import sample
from lenet_jax.training import logging
from support import recipe
from support.commands import call, program, told

ROOT = Path(__file__).parent.parent
PROGRAMS = ("run_train.py", "run_predict.py", "run_export.py")


@pytest.fixture(scope="module")
def where(trained, tmp_path_factory):
    """A folder with a finished run in `run`, and a picture of a digit."""
    folder = tmp_path_factory.mktemp("stranger") / "a place"
    shutil.copytree(trained.parent, folder)
    # As MNIST's own look, so that nothing about it is unclear.
    Image.fromarray(sample.load("test").images_NxHxW[0]).resize((112, 112)).save(folder / "7.png")
    return folder


# What to type next


def test_what_comes_next_runs_as_it_is_pasted(where):
    said = program("train", *recipe.FLAGS, "--workdir=run", cwd=where).stdout
    predict, export = re.findall("^  (.*)$", said, re.MULTILINE)
    # Nothing on the path but what a shell itself needs.
    environment = {"PATH": "/usr/bin:/bin"}
    done = call("bash", "-c", predict, cwd=where, environment=environment)
    assert "Wrote 1,000 rows to submission.csv" in done.stdout
    # Nothing to be warned of: the run has finished.
    assert done.stderr == ""
    assert export.endswith(" --serve")
    done = call("bash", "-c", export.removesuffix(" --serve"), cwd=where, environment=environment)
    assert done.stdout == "Wrote run/export/web\n"


@pytest.mark.parametrize(
    ("folder", "path", "expected"),
    [
        (ROOT, sysconfig.get_path("scripts"), "python run_train.py"),
        (ROOT, "/nowhere", "{python} run_train.py"),
        ("/", sysconfig.get_path("scripts"), "python {root}/run_train.py"),
    ],
    ids=["active", "not active", "from elsewhere"],
)
def test_a_command_is_as_short_as_it_runs(folder, path, expected):
    code = (
        "from lenet_jax.environment import commands;"
        "print(commands.command('train', '--workdir=a b'))"
    )
    done = call(sys.executable, "-c", code, cwd=folder, environment={"PATH": path})
    own = Path(sys.executable)
    python = own.relative_to(ROOT) if own.is_relative_to(ROOT) else own
    command = expected.format(python=python, root=str(ROOT).lstrip("/"))
    assert done.stdout == f"{command} '--workdir=a b'\n"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A Python that has none of the packages."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"


@pytest.mark.parametrize("file", PROGRAMS)
def test_missing_packages_are_one_line(file, bare, tmp_path):
    line = told(call(bare, ROOT / file, "--workdir=w", cwd=tmp_path, status=2))
    assert "absl is not installed for " in line
    own = ROOT / ".venv" / "bin" / "python"
    if own.exists():
        assert line.endswith(f"; type {own} {ROOT / file} --workdir=w")
    else:
        assert f"-m pip install --editable {ROOT}" in line


def test_a_package_that_is_missed_later_is_one_line_too(tmp_path):
    (tmp_path / "optax.py").write_text("raise ModuleNotFoundError(name='chex')")
    done = program(
        "train",
        "--data=sample",
        cwd=tmp_path,
        status=2,
        environment={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
    )
    assert "chex is not installed for " in told(done)


# Flags


def help_of(name, *flags, columns=80):
    environment = {"COLUMNS": str(columns)}
    return program(name, *flags, cwd=ROOT, environment=environment).stdout


def test_help_begins_with_what_is_needed_first():
    text = help_of("train", "--help")
    printable = re.findall(r"^  --(?:\[no\])?(\w+)", text, re.MULTILINE)
    assert printable[:2] == ["data", "workdir"]
    assert "config" in printable
    assert printable[-4:] == ["coordinator", "num_processes", "process_id", "heartbeat_timeout"]
    assert max(map(len, text.splitlines())) <= 80
    # Beside a line for every field and recipe, and with all kinds of files that are read.
    listed = re.findall(r"^  (?:\w+=|\w+ {2,})", text, re.MULTILINE)
    assert len(text.splitlines()) - len(listed) < 72


def test_help_names_the_recipes_and_the_values_of_the_one_that_is_asked_for():
    text = help_of("train", "--help", "--config=fast", "--config.seed=7")
    for path in (ROOT / "configs").glob("*.py"):
        assert f"\n  {path.stem} " in text
    for variant in ("ensemble", "distilled"):
        assert f"\n  accurate:{variant} " in text
    assert re.search(r"^  epochs=7 +passes over", text, re.MULTILINE)
    assert re.search(r"^  seed=7 ", text, re.MULTILINE)
    assert re.search(r"^  learning_rate=0.012 ", text, re.MULTILINE)
    assert " ..." in text
    whole = help_of("train", "--helpfull")
    assert "elastic distortion (Simard et al. 2003)" in " ".join(whole.split())
    # What is left over of a type, or of a default, tells nobody anything.
    assert "<" not in help_of("predict", "--help")


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--epochs=3", "no flag but a field of the recipe; give --config.epochs=VALUE"),
        ("--epoch=3", "did you mean --config.epochs?"),
        ("--dat=x", "did you mean --data?"),
        ("--config=smok", "did you mean smoke?"),
        ("--config=accurate:ensembl", "accurate has no such variant; there are ensemble, "),
        ("--config=fast:ensemble", "fast has no such variant"),
        ("--config=recipe.py", "--config=recipe.py: SystemExit in line 2"),
        ("--config=nothing.py", "there are accurate, default, "),
        ("--quite_another=x", "there is no such flag; --help lists all"),
    ],
)
def test_mistaken_flags_are_led_to_the_right_ones(flag, expected, tmp_path):
    (tmp_path / "recipe.py").write_text("import sys\nsys.exit()\n")
    assert expected in told(program("train", flag, cwd=tmp_path, status=2))


def test_a_recipe_is_named_in_any_folder_and_at_any_place(tmp_path):
    flags = ("--config.members=3", "--config", "accurate:ensemble", "--help")
    text = program("train", *flags, cwd=tmp_path).stdout
    assert "\n  members=3 " in text
    assert "\n  epochs=24 " in text
    flags = ("--config.epochs=3", "--config", "fast", "--help")
    text = program("train", *flags, cwd=tmp_path).stdout
    assert "\n  learning_rate=0.012 " in text
    assert "\n  epochs=3 " in text


@pytest.mark.parametrize("name", ["train", "predict", "export"])
def test_versions_are_told(name, tmp_path):
    out = program(name, "--version", cwd=tmp_path).stdout
    assert re.fullmatch(r"lenet-jax \d+\.\d+\.\d+ \(Python 3\.\d+\.\d+, jax \S+\)\n", out)


@pytest.mark.parametrize(
    ("name", "flags", "expected"),
    [
        ("predict", ("--report", "--views=2", "--show=s.png"), "--views, --show: without effect"),
        ("predict", ("--deskew",), "--deskew: without effect"),
        ("predict", ("--output=x.csv", "--data=7.png"), "--output: witho"),
        ("export", ("--port=8001",), "--port: without effect"),
        ("export", ("--serve", "--format=onnx"), "--serve shows a page"),
    ],
)
def test_flags_without_effect_are_refused(name, flags, expected, where):
    data = () if name == "export" or any("--data" in flag for flag in flags) else ("--data=sample",)
    done = program(name, "--workdir=run", *data, *flags, cwd=where, status=2)
    assert expected in told(done)
    assert not (where / "x.csv").exists()


def test_folders_of_outputs_are_made(where):
    flags = [f"--{name}=made/{name}/x.csv" for name in ("output", "probabilities", "doubtful")]
    program("predict", "--workdir=run", "--data=sample", *flags, "--show=made/s/s.png", cwd=where)
    assert {path.parent.name for path in (where / "made").rglob("*.*")} == {
        "output", "probabilities", "doubtful", "s",
    }  # fmt: skip


# A run that was stopped


def test_a_run_that_was_stopped_is_not_taken_for_a_finished_one(where, tmp_path):
    stopped = shutil.copytree(where / "run", tmp_path / "run")
    (stopped / "README.md").unlink()
    rows = (stopped / "metrics.csv").read_text().splitlines(keepends=True)
    (stopped / "metrics.csv").write_text("".join(rows[:9]))
    expected = f"WARNING: run: only 8 of its {recipe.EPOCHS} epochs are done"
    for name, *flags in (("predict", "--data=sample"), ("export",)):
        done = program(name, "--workdir=run", *flags, cwd=tmp_path)
        assert expected in done.stderr
    assert '"epochs": 8,' in (stopped / "export/web/index.html").read_text()


# Progress


ROW = {
    "train_loss": 0.0434,
    "train_accuracy": 0.9862,
    "holdout_accuracy": 0.9875,
    "ensemble_accuracy": 0.9901,
    "images_per_second": 40_754.4,
}
LABEL = "Epoch 12/40: "


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_an_epoch_is_one_line_of_any_terminal(columns):
    line = LABEL + logging.text(ROW, columns - 1 - len(LABEL))
    assert len(line) < columns
    assert "ensemble 99.01%" in line
    assert ("40,754 img/s" in line) == (columns >= 60)
    assert ("loss" in line) == (columns == 120)


def test_where_nothing_fits_something_is_told():
    assert logging.text(ROW, 3) == "ensemble 99.01%"
    everything = logging.text(ROW)
    assert everything.count("%") == 3
    assert everything.startswith("loss 0.0434, accuracy 98.62%")


SHOW = """
import sys
from lenet_jax.training import logging
row = {ROW}
bar = logging.Bar("Epoch 12/40", 37_800, first=True)
for images in (9_000, 20_000, 37_800):
    bar.show(images, {{name: row[name] for name in row if "h" not in name}})
bar.end(row)
"""


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_terminal_is_left_with_one_line_and_one_rate_of_an_epoch(columns):
    printable = on_a_terminal(columns, sys.executable, "-c", SHOW.format(ROW=ROW))
    *passing, line, after = re.split("[\r\n]+", printable)
    assert after == ""
    assert line.startswith(LABEL)
    assert line.count("img/s") == 1
    assert len(line) < columns
    assert any(text.startswith("Epoch 12/40: 100%|") and "img/s" in text for text in passing)
    # The last of what passed is wiped away.
    assert passing[-1].strip() == ""
    assert max(map(len, passing)) < columns


def on_a_terminal(columns, *command):
    """What a program writes on a terminal of so many columns."""
    # Here, for Windows has none of them.
    import fcntl
    import pty
    import struct
    import termios

    main, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [str(word) for word in command], stdin=child, stdout=child, stderr=child, cwd=ROOT
    )
    os.close(child)
    written = b""
    while True:
        try:
            read = os.read(main, 65536)
        # Linux says so where the other side has been closed.
        except OSError:
            break
        if not read:
            break
        written += read
    os.close(main)
    assert process.wait(60) == 0, written.decode()
    return written.decode()
