"""No file that this product has not written is replaced without being asked."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from lenet_jax import data
from lenet_jax.errors import UserError
from lenet_jax.export import Signature, run
from lenet_jax.report import build
from lenet_jax.runs import mirror, occupied, workdir, written
from lenet_jax.submission import outputs, writer
from support.commands import program, told

ROOT = Path(__file__).parent.parent


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def where(trained, tmp_path):
    """A folder with a finished run in `run`."""
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path


PREDICT = ("predict", "--workdir=run", "--data=sample")


def test_a_submission_is_written_again_but_for_one_that_somebody_has_changed(where):
    program(*PREDICT, cwd=where)
    whole = (where / "submission.csv").read_bytes()
    program(*PREDICT, cwd=where)
    assert (where / "submission.csv").read_bytes() == whole
    (where / "submission.csv").write_bytes(whole + b"1001,3\n")
    before = files(where)
    line = told(program(*PREDICT, cwd=where, status=2))
    assert "submission.csv is there already" in line
    assert "--overwrite" in line
    assert files(where) == before
    program(*PREDICT, "--overwrite", cwd=where)
    assert (where / "submission.csv").read_bytes() == whole


@pytest.mark.parametrize(
    "flags",
    [
        ("--output=digits.csv",),
        ("--output=x.csv", "--probabilities=digits.csv"),
        ("--output=x.csv", "--show=digits.csv"),
        ("--output=link.csv",),
    ],
    ids=["output", "probabilities", "show", "link"],
)
def test_the_input_is_never_replaced(where, flags):
    header = ",".join(f"pixel{index}" for index in range(784))
    (where / "digits.csv").write_text(f"{header}\n" + ",".join(["0"] * 784) + "\n")
    (where / "link.csv").symlink_to("digits.csv")
    before = files(where)
    command = ("predict", "--workdir=run", "--data=digits.csv", "--overwrite", *flags)
    assert "belongs to what --data reads" in told(program(*command, cwd=where, status=2))
    assert files(where) == before


def test_what_somebody_has_added_is_kept_beside_what_is_written_anew(tmp_path, capfd):
    card = tmp_path / "README.md"
    for text in ("first", "second"):
        written.put(card, text)
    assert list(tmp_path.iterdir()) == [card]
    for text in ("mine", "mine too"):
        card.write_text(text)
        written.put(card, "third")
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"README.md": "third", "README.md.kept": "mine", "README.md.kept1": "mine too"}
    assert "README.md: kept as README.md.kept" in capfd.readouterr().err


def test_what_a_folder_links_to_is_its_input_too(tmp_path):
    for name in ("folder", "real"):
        (tmp_path / name).mkdir()
    for name in ("one.csv", "two.csv", "other.csv"):
        (tmp_path / "real" / name).write_text("1")
    (tmp_path / "folder/link.csv").symlink_to("../real/one.csv")
    (tmp_path / "folder/two.csv").hardlink_to(tmp_path / "real/two.csv")

    def check(name):
        inputs = [("--data", tmp_path / "folder")]
        written.check([("--output", tmp_path / name)], overwrite=True, inputs=inputs)

    for name in ("real/one.csv", "real/two.csv", "folder/link.csv"):
        with pytest.raises(UserError, match="belongs to what --data reads"):
            check(name)
    for name in ("real/other.csv", "real/new.csv"):
        check(name)


RUNS_OWN = ("README.md", "config.json", "report/report.html", "networks.csv", "checkpoints/s.csv")


@pytest.mark.parametrize("name", RUNS_OWN)
def test_what_a_run_writes_is_no_place_for_a_submission(where, name):
    before = files(where)
    for folder in ("run", "new"):
        with pytest.raises(UserError, match="belongs to what --workdir reads"):
            written.check(
                [("--predict", where / folder / name)],
                overwrite=True,
                inputs=outputs.inputs(where / folder, "sample"),
            )
    # Its card was written here, too.
    command = ("predict", "--workdir=run", "--data=sample", f"--output=run/{name}")
    if name == "README.md":
        assert "belongs to what --workdir reads" in told(program(*command, cwd=where, status=2))
    assert files(where) == before


@pytest.mark.parametrize("name", [*RUNS_OWN, "METRICS.csv"])
def test_nor_is_what_another_run_writes(where, name):
    # Nor one that was ended before it had saved anything.
    (where / "begun").mkdir()
    shutil.copy(where / "run" / workdir.CONFIG, where / "begun")
    with workdir.locked(where / "begun"):
        pass
    for run_ in ("run", "begun"):
        path = where / run_ / name
        with pytest.raises(UserError, match=rf"is where the run in .*{run_} keeps its own files"):
            written.check([("--output", path)], overwrite=True)
        with pytest.raises(UserError, match="keeps its own files"):
            writer.write(path, np.array([1]), overwrite=True)
        written.check([("--output", where / run_ / "submission.csv")], overwrite=False)


@pytest.mark.parametrize("name", ["run/checkpoints/6/inner", "run/report/second"])
def test_nor_is_that_a_place_for_a_run(where, name):
    before = files(where)
    for flags in ((), ("--overwrite",)):
        command = (*TRAIN, f"--workdir={name}", *flags)
        line = told(program(*command, cwd=where, status=2))
        assert f"{name}: is where the run in " in line
    assert files(where) == before


def test_nor_is_a_recipe(tmp_path):
    (tmp_path / "mine.py").write_text("def get_config(): return {'epochs': 1}")
    before = files(tmp_path)
    command = ("train", "--config=mine.py", "--data=sample", "--predict=mine.py", "--overwrite")
    assert "belongs to what --config reads" in told(program(*command, cwd=tmp_path, status=2))
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["s.csv", "export/lenet5.h", "checkpoints/s.csv"])
def test_nor_is_a_copy_that_will_make_room(where, name):
    mirror.Mirror(where / "run", where / "drive").copy()
    step = next(path for path in (where / "drive").iterdir() if path.name.isdecimal())
    with pytest.raises(UserError, match="keeps its own files"):
        written.check([("--output", step / name)], overwrite=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("s.csv.gz", "is written as .csv, not as .gz; give a name that ends in .csv"),
        ("s.xlsx", "not as .xlsx"),
        ("s/", "of a folder"),
    ],
)
def test_a_name_that_asks_for_something_else_is_told(where, name, expected):
    assert expected in told(program(*PREDICT, f"--output={name}", cwd=where, status=2))
    train = ("train", "--workdir=new", "--data=sample", f"--predict={name}")
    assert expected in told(program(*train, cwd=where, status=2))
    assert [path.name for path in where.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "path", ["loop", "link", "/dev/full", "digits.csv/s.csv", "run/README.md", "drive/finished/s"]
)
def test_a_submission_that_cannot_be_written_is_told_before_the_run(tmp_path, path):
    (tmp_path / "drive").mkdir()
    (tmp_path / "digits.csv").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("missing/s.csv")
    before = files(tmp_path)
    command = ("train", "--data=sample", "--workdir=run", "--mirror=drive", f"--predict={path}")
    line = told(program(*command, cwd=tmp_path, status=2))
    assert line.startswith("error: --predict: ")
    assert path.partition("/s")[0] in line
    assert files(tmp_path) == before


def test_an_export_replaces_its_own_and_nothing_else(where):
    export = ("export", "--workdir=run", "--output=site")
    for _ in range(2):
        program(*export, cwd=where)
    (where / "site/icon.svg").write_text("mine")
    before = files(where)
    assert "site/icon.svg is there already" in told(program(*export, cwd=where, status=2))
    assert files(where) == before
    config = ("export", "--workdir=run", "--format=c", "--output=run/x.h", "--overwrite")
    (where / "run/x.h").write_text("mine")
    program(*config, cwd=where)


def test_an_export_to_its_default_place_is_no_other(where):
    place = where / "run/export/lenet5.h"
    place.parent.mkdir()
    record = workdir.read_run(where / "run")

    def export(output=None, *, overwrite=False):
        asked = (output and str(where / output), "latest", Signature())
        return run.write_run(where / "run", record, "c", *asked, overwrite=overwrite)

    place.symlink_to("../config.json")
    before = files(where)
    for overwrite in (False, True):
        with pytest.raises(UserError, match=r"belongs to what --workdir reads, .* never replaced"):
            export(overwrite=overwrite)
    with pytest.raises(UserError, match="belongs to what --workdir reads"):
        export("run/checkpoints/999/lenet5.h", overwrite=True)
    assert files(where) == before
    place.unlink()
    place.write_text("of a version before")
    with pytest.raises(UserError, match=r"lenet5\.h is there already"):
        export()
    assert export(overwrite=True) == export() == place


TRAIN = ("train", f"--config={ROOT}/configs/smoke.py", "--data=sample", "--config.epochs=1")


@pytest.mark.parametrize(
    ("name", "content"),
    [("README.md", "mine"), ("config.json", "{}"), ("report/x.png", ""), ("metrics.csv", "a,b")],
)
def test_what_no_run_has_written_is_kept(tmp_path, name, content):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=name.partition("/")[0]):
        occupied.check_free(tmp_path)


@pytest.mark.parametrize("name", [workdir.CALIBRATION, workdir.METRICS])
def test_what_no_run_has_written_beside_a_config_is_kept(trained, tmp_path, name):
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run" / name).write_text("mine")
    with pytest.raises(UserError, match=f"{name}: not the "):
        occupied.check_free(tmp_path / "run")


def test_a_report_that_no_run_has_written_is_kept(where, capfd):
    report_, record = where / "run/report", workdir.read_run(where / "run")
    digits = data.load_train("sample")
    before = files(report_)

    def again():
        build.rewrite_report(where / "run", record, digits)
        return {path.name for path in (where / "run").iterdir() if path.name.startswith("report")}

    assert again() == {"report"}
    shutil.rmtree(report_)
    report_.mkdir()
    (report_ / "report.html").write_text("mine")
    assert again() == {"report", "report.kept"}
    assert (where / "run/report.kept/report.html").read_text() == "mine"
    assert "report: kept as report.kept" in capfd.readouterr().err
    assert files(report_) == before


def test_a_link_that_leads_nowhere_is_somebodys(tmp_path):
    (tmp_path / "report").symlink_to("disk/report")
    with pytest.raises(UserError, match="holds report, which no run has written"):
        occupied.check_free(tmp_path)


def test_a_folder_with_other_files_or_with_a_run_is_free(trained, tmp_path):
    occupied.check_free(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "checkpoints").mkdir()
    occupied.check_free(tmp_path)
    occupied.check_free(trained)
    run = shutil.copytree(trained, tmp_path / "run")
    card = run / workdir.CARD
    card.write_text(card.read_text() + "\nMy own words.\n")
    assert workdir.is_finished(run)
    card.write_text("My own words.\n")
    assert not workdir.is_finished(run)
    with pytest.raises(UserError, match=r"holds README\.md, which no run has written"):
        occupied.check_free(run)


def test_the_current_folder_does_not_lose_its_readme(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    assert "holds README.md" in told(program(*TRAIN, "--workdir=.", cwd=tmp_path, status=2))
    assert files(tmp_path) == {tmp_path / "README.md": b"mine"}


@pytest.mark.slow
def test_the_current_folder_can_be_given_up(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    program(*TRAIN, "--workdir=.", "--overwrite", cwd=tmp_path)
    assert workdir.is_finished(tmp_path)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--workdir=",), "--workdir: its value is empty"),
        (("--data=",), "--data: its value is empty"),
        (("--workdir", "--data=sample"), "--workdir: its value is missing, for --data=sample"),
        (("--workdir",), "--workdir: its value is missing"),
        (("--workdir=~nobody-of-this-name/x",), "there is no such home"),
        (("--flagfile=nowhere",), "--flagfile=nowhere: No such file"),
        (("--config.elastic=nan",), "config.elastic=nan: must be a finite number"),
        (("--config.epochs=1.5",), "config.epochs"),
    ],
)
def test_forgotten_values_are_refused(tmp_path, flags, expected):
    assert expected in told(program("train", *flags, cwd=tmp_path, status=2))
    assert list(tmp_path.iterdir()) == []


def test_flags_given_twice_are_told_and_files_of_flags_are_read(tmp_path):
    (tmp_path / "flags").write_text("--data=nowhere.csv\n")
    done = program("train", "--data=x", "--flagfile=flags", "--workdir=w", cwd=tmp_path, status=2)
    twice, error = done.stderr.splitlines()
    assert twice == "WARNING: --data is given 2 times; the last one counts, nowhere.csv"
    assert error.startswith("error: nowhere.csv: no such file")


def test_a_tilde_is_the_home(where):
    flags = ("--workdir=~/run", "--data=sample", "--output", "~/s.csv", "--probabilities=~/p.csv")
    program("predict", *flags, cwd="/", environment={"HOME": str(where)})
    assert (where / "s.csv").is_file()
    assert (where / "p.csv").is_file()


def test_two_outputs_are_two_files(where):
    flags = ("--output=x.csv", "--doubtful=./x.csv")
    assert "both name ./x.csv" in told(program(*PREDICT, *flags, cwd=where, status=2))


def test_functions_replace_no_other_file_either(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("mine")
    with pytest.raises(UserError, match=r"s\.csv is there already"):
        writer.write(path, np.array([1, 2]))
    assert path.read_text() == "mine"
    path.unlink()
    for labels in ([1, 2], [3]):
        writer.write(path, np.array(labels))


@pytest.mark.parametrize("cache", [None, Path("/dev/null/nowhere")])
def test_without_a_cache_folder_notes_are_temporary_files(tmp_path, monkeypatch, cache):
    monkeypatch.setattr(written.cache, "folder", lambda: cache)
    monkeypatch.setattr(written.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    for text in ("1", "2"):
        written.write(tmp_path / "a", text)
    (tmp_path / "a").write_text("mine")
    with pytest.raises(UserError, match="has not written it"):
        written.write(tmp_path / "a", "3")


def test_without_any_folder_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(written.cache, "folder", lambda: None)
    monkeypatch.setattr(written.tempfile, "gettempdir", lambda: "/dev/null")
    written.write(tmp_path / "a", "1")
    with pytest.raises(UserError, match="without a cache folder"):
        written.write(tmp_path / "a", "2")
    written.write(tmp_path / "a", "2", overwrite=True)


def test_notes_have_a_bound(tmp_path, monkeypatch):
    monkeypatch.setenv("LENET_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(written, "MOST", 3)
    for number in range(5):
        written.write(tmp_path / "a", str(number))
        os.utime(next(iter(tmp_path.glob("cache/written/*"))))
    assert len(list((tmp_path / "cache/written").iterdir())) == 3


def test_a_mirror_takes_no_folder_of_others_for_a_copy(tmp_path):
    (tmp_path / "drive/2024").mkdir(parents=True)
    (tmp_path / "drive/2024/photo.jpg").write_text("mine")
    with pytest.raises(UserError, match="2024: is no copy of a run"):
        mirror.Mirror(tmp_path / "run", tmp_path / "drive")
