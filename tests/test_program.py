"""The command-line programs as programs: exit status, standard error and files."""

import csv
import io
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lenet_jax.submission import writer
from support import recipe
from support.stand_in import stand_in

ROOT = Path(__file__).parent.parent
HEADER = "label," + ",".join(f"pixel{i}" for i in range(784))
TEST_HEADER = HEADER.removeprefix("label,")


def call(program, *flags, cwd, status=0, environment=()):
    done = subprocess.run(
        [sys.executable, ROOT / program, *flags],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment),
    )
    assert done.returncode == status, done.stderr
    return done


def train(*flags, cwd, status=0):
    return call("run_train.py", f"--config={ROOT}/configs/smoke.py", *flags, cwd=cwd, status=status)


def train_again(*flags, cwd, status=0):
    given = {flag.partition("=")[0] for flag in flags}
    usual = [flag for flag in recipe.FLAGS if flag.partition("=")[0] not in given]
    flags = (*usual, "--workdir=run", *flags)
    return call("run_train.py", *flags, cwd=cwd, status=status, environment=recipe.ENVIRONMENT)


def predict(*flags, cwd, status=0, environment=()):
    # Compiled as training was, for the same bits.
    environment = recipe.ENVIRONMENT | dict(environment)
    return call("run_predict.py", *flags, cwd=cwd, status=status, environment=environment)


def told(done):
    """The one line that a user's mistake gives."""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert done.stdout == ""
    return lines[0]


@pytest.fixture(scope="module")
def where(trained, tmp_path_factory):
    """A folder with a finished run in `run`."""
    return shutil.copytree(trained.parent, tmp_path_factory.mktemp("program") / "place")


def test_a_run_leaves_what_it_promises(where):
    left = {path.name for path in (where / "run").iterdir()}
    promised = {"config.json", "checkpoints", "metrics.csv", "report", "README.md"}
    assert left == {".lock", "calibration.json", "tensorboard"} | promised
    (events,) = (where / "run/tensorboard").iterdir()
    assert b"accuracy/holdout" in events.read_bytes()
    with (where / "run/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, recipe.EPOCHS + 1))
    assert float(rows[-1]["holdout_accuracy"]) > 0.95
    pictures = {path.name for path in (where / "run/report").iterdir()}
    assert {"curves.png", "confusion.png", "mistakes.png", "report.html"} <= pictures
    assert "run_predict.py" in (where / "run/README.md").read_text()


def test_a_run_says_what_people_should_know(where):
    out = (where / "stdout").read_text()
    assert "2 x cpu" in out
    assert "61,706" in out
    assert "run_predict.py --workdir=run --data=sample --output=submission.csv" in out
    assert "run/report/report.html" in out
    assert "run_export.py --workdir=run --serve" in out


def test_predict_writes_a_valid_submission_and_the_accuracy(where, tmp_path):
    done = predict(
        "--data=sample",
        f"--workdir={where}/run",
        f"--output={tmp_path}/s.csv",
        f"--probabilities={tmp_path}/p.csv",
        f"--doubtful={tmp_path}/d.csv",
        "--views=2",
        cwd=where,
    )
    with (tmp_path / "d.csv").open() as file:
        doubtful = list(csv.DictReader(file))
    assert len(doubtful) == 100
    labels = writer.validate(tmp_path / "s.csv", 1000)
    with (tmp_path / "p.csv").open() as file:
        rows = np.array([[float(x) for x in row] for row in list(csv.reader(file))[1:]])
    assert rows.shape == (1000, 11)
    np.testing.assert_allclose(rows[:, 1:].sum(1), 1, rtol=1e-4)
    assert np.array_equal(rows[:, 1:].argmax(1), labels)
    for row in doubtful:
        assert labels[int(row["ImageId"]) - 1] == int(row["Label"])
    assert "Accuracy on sample" in done.stdout
    assert "WARNING" not in done.stderr


def test_training_may_end_with_the_submission(tmp_path):
    done = train_again("--predict=now.csv", cwd=tmp_path)
    assert "Wrote 1,000 rows to now.csv" in done.stdout
    assert "to predict digits" not in done.stdout
    predict("--data=sample", "--workdir=run", "--output=later.csv", cwd=tmp_path)
    assert (tmp_path / "now.csv").read_bytes() == (tmp_path / "later.csv").read_bytes()


def test_a_submission_that_cannot_be_is_told_before_training(tmp_path):
    (tmp_path / "mine.csv").write_text("mine")
    flags = ("--data=sample", "--workdir=w", "--predict=mine.csv")
    assert "--predict: mine.csv is there already" in told(train(*flags, cwd=tmp_path, status=2))
    (tmp_path / "digits.csv").write_text(digits_csv(40))
    line = told(train("--data=digits.csv", *flags[1:], "--overwrite", cwd=tmp_path, status=2))
    assert line.startswith("error: --predict: digits.csv has no test digits beside")
    assert {path.name for path in tmp_path.iterdir()} == {"mine.csv", "digits.csv"}


@pytest.mark.slow
def test_folds_and_a_sweep_train_side_by_side(where):
    flags = ("--data=sample", "--config.folds=2", "--config.epochs=1", "--config.batch_size=64")
    done = train(*flags, "--workdir=folds", "--config.sweep=learning_rate=1e-3,4e-3", cwd=where)
    assert "4 networks" in done.stdout
    assert "learning_rate=0.004" in done.stdout.partition("Sweep:")[2]
    with (where / "folds/networks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["fold"] for row in rows] == ["0", "0", "1", "1"]
    assert [row["learning_rate"] for row in rows] == ["0.001", "0.004"] * 2
    with (where / "folds/metrics.csv").open() as file:
        assert [row["learning_rate"] for row in csv.DictReader(file)] == [""]
    assert (where / "folds/report/sweep.png").exists()
    mean = np.mean([float(row["holdout_accuracy"]) for row in rows])
    assert f"{mean:.2%} of 4,000 digits" in done.stdout

    assert "without one of 2 folds" in (where / "folds/README.md").read_text()

    taught = ("--data=sample", "--workdir=taught", "--config.teacher=folds")
    assert "config.folds" in told(train(*taught, cwd=where, status=2))


def test_a_finished_run_does_nothing(where):
    before = {path: path.stat().st_mtime_ns for path in (where / "run").rglob("*")}
    done = train_again(cwd=where)
    assert "finished" in done.stdout
    # All that it said at its end, but for the place.
    closing = (where / "stdout").read_text().partition("Done: ")[2]
    assert "Hold-out: " in closing
    assert "Report: run/report/report.html" in closing
    assert done.stdout.partition("Done: ")[2] == closing
    assert {path: path.stat().st_mtime_ns for path in (where / "run").rglob("*")} == before


def test_another_config_or_other_data_is_refused(where):
    done = train_again("--config.seed=7", cwd=where, status=2)
    assert "seed: 0 -> 7" in told(done)
    (where / "some.csv").write_text(digits_csv(200))
    done = train_again("--data=some.csv", cwd=where, status=2)
    assert "other digits" in told(done)


def test_the_report_of_an_existing_run_is_the_same(where, tmp_path):
    shutil.copytree(where / "run", tmp_path / "run", ignore=shutil.ignore_patterns("report"))
    line = train_again(cwd=tmp_path).stderr.splitlines()[-1]
    assert line.startswith("WARNING: run: has no report of its own; to make it again: ")
    flags = shlex.split(line.partition("again: ")[2])[2:]
    assert flags == ["--workdir=run", "--data=sample", "--report"]
    done = predict(*flags, cwd=tmp_path)
    assert done.stdout == "Wrote run/report/report.html\n"
    before, after = (sorted((folder / "run/report").iterdir()) for folder in (where, tmp_path))
    assert [path.name for path in before] == [path.name for path in after]
    for old, new in zip(before, after, strict=True):
        assert old.read_bytes() == new.read_bytes(), old.name
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    (tmp_path / "other.csv").write_text(digits_csv(200))
    done = predict("--report", "--data=other.csv", "--workdir=run", cwd=tmp_path, status=2)
    assert "not the 4,000 digits" in told(done)


def test_from_kaggle_to_the_score(where, tmp_path):
    rows = 28_000
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        blank = ",".join(["0"] * 784)
        file.writestr("test.csv", f"{TEST_HEADER}\n" + f"{blank}\n" * rows)
        ids = "".join(f"{row},0\n" for row in range(1, rows + 1))
        file.writestr("sample_submission.csv", f"ImageId,Label\n{ids}")
    verdict = (200, {"ref": 7, "status": "COMPLETE", "publicScore": "0.09821"})
    with stand_in(tmp_path, archive.getvalue(), verdicts=[verdict]) as server:
        done = predict(
            "--data=kaggle",
            "--submit=two epochs",
            f"--workdir={where}/run",
            "--output=s.csv",
            cwd=tmp_path,
            environment=server.environment,
        )
    assert server.uploads == [(tmp_path / "s.csv").read_bytes()]
    writer.validate(tmp_path / "s.csv", rows)
    assert "Kaggle's public score: 0.09821" in done.stdout
    # The sample holds digits of Kaggle's test set.
    assert "WARNING" in done.stderr
    assert "sample-train" in done.stderr


def test_without_credentials_nothing_is_begun(tmp_path):
    with stand_in(tmp_path) as server:
        environment = server.environment | {"KAGGLE_USERNAME": "", "KAGGLE_KEY": ""}
        done = call(
            "run_train.py", "--data=kaggle", cwd=tmp_path, status=2, environment=environment
        )
    assert "Settings, API, Create New Token" in told(done)
    assert not (tmp_path / "runs").exists()
    assert server.asked == []


def digits_csv(rows, header=HEADER, label=None, pixel="0"):
    columns = header.split(",")

    def cell(name, row):
        if name == "label":
            return str(row % 10 if label is None else label)
        if name == "pixel5":
            return pixel
        # A stroke that differs from row to row, as light on dark as digits are.
        on_stroke = 300 <= int(name.removeprefix("pixel")) < 400
        return str(255 - (row * 7) % 50 if on_stroke else 0)

    body = [",".join(cell(name, row) for name in columns) for row in range(rows)]
    return "\n".join([header, *body]) + "\n"


def missing(folder):
    return folder / "nowhere.csv", ["nowhere.csv", "no such file"]


def written(text, *expected):
    def make(folder):
        path = folder / "digits.csv"
        path.write_text(text)
        return path, ["digits.csv", *expected]

    return make


def zip_without_csv(folder):
    path = folder / "digits.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    return path, ["digits.zip", "readme.txt"]


def truncated_idx(folder):
    idx = folder / "idx"
    idx.mkdir()
    for part in ("train", "t10k"):
        images = b"\x00\x00\x08\x03" + np.array([50, 28, 28], ">i4").tobytes()
        (idx / f"{part}-images-idx3-ubyte").write_bytes(images + b"\x00" * 100)
        labels = b"\x00\x00\x08\x01" + np.array([50], ">i4").tobytes()
        (idx / f"{part}-labels-idx1-ubyte").write_bytes(labels + b"\x01" * 50)
    return idx, ["images-idx3-ubyte"]


BAD = {
    "no such file": missing,
    "missing column": written(digits_csv(40, HEADER.replace(",pixel9,", ",")), "pixel9"),
    "value of 300": written(digits_csv(40, pixel="300"), "line 2", "pixel5", "300"),
    "NaN": written(digits_csv(40, pixel="NaN"), "line 2", "pixel5"),
    "label of 12": written(digits_csv(40, label=12), "line 2", "label", "12"),
    "row cut short": written(digits_csv(40)[:-400] + "\n", "line 41"),
    "empty file": written("", "empty"),
    "zip without train.csv": zip_without_csv,
    "truncated IDX": truncated_idx,
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_bad_input_gives_one_line_and_leaves_nothing(make, where, tmp_path):
    path, expected = make(tmp_path)
    before = set(tmp_path.rglob("*"))
    line = told(train(f"--data={path}", f"--workdir={tmp_path}/w", cwd=tmp_path, status=2))
    assert all(word in line for word in expected), line
    line = told(
        predict(
            f"--data={path}",
            f"--workdir={where}/run",
            f"--output={tmp_path}/s.csv",
            cwd=tmp_path,
            status=2,
        )
    )
    assert all(word in line for word in expected), line
    assert set(tmp_path.rglob("*")) == before


def test_test_rows_in_place_of_train_rows(tmp_path):
    (tmp_path / "digits.csv").write_text(digits_csv(40, TEST_HEADER))
    line = told(train("--data=digits.csv", "--workdir=w", cwd=tmp_path, status=2))
    assert "digits.csv" in line
    assert "label" in line
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--config.epoch=3", "did you mean epochs"),
        ("--config.epochs=many", "--config.epochs=many"),
        ("--config.members=0", "config.members=0"),
        ("--config=nowhere.py", "nowhere.py: no such file"),
        ("--dta=x", "dta"),
        ("sample", "sample"),
    ],
)
def test_mistaken_flags(flag, expected, tmp_path):
    done = call("run_train.py", flag, "--workdir=w", cwd=tmp_path, status=2)
    assert expected in told(done)
    assert not any(tmp_path.iterdir())


def test_no_views_are_no_prediction(tmp_path):
    done = predict("--views=0", "--data=sample", "--workdir=w", cwd=tmp_path, status=2)
    assert "--views=0" in told(done)


def test_predict_without_a_run(tmp_path):
    done = predict("--data=sample", "--workdir=w", cwd=tmp_path, status=2)
    assert "holds no run" in told(done)
    assert not any(tmp_path.iterdir())


def test_an_output_that_cannot_be_written(where):
    flags = ("--data=sample", "--workdir=run", "--output=run/config.json/folder.csv")
    assert "run/config.json: cannot be made a folder" in told(predict(*flags, cwd=where, status=2))


@pytest.mark.parametrize("program", ["run_train.py", "run_predict.py", "run_export.py"])
def test_help_is_worth_reading(program, tmp_path):
    out = call(program, "--help", cwd=tmp_path).stdout
    assert ("--format" if program == "run_export.py" else "--data") in out
    assert "--workdir" in out
    assert f"python {program}" in out
    if program == "run_train.py":
        assert "members" in out
        assert "number of networks" in out


def test_a_reader_that_has_gone_ends_it_without_a_word():
    process = subprocess.Popen(
        [sys.executable, ROOT / "run_export.py", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 141


@pytest.mark.parametrize("program", ["run_train.py", "run_predict.py", "run_export.py"])
def test_entry_points_stay_short(program):
    assert len((ROOT / program).read_text().splitlines()) < 60
