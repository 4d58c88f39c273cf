import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lenet_jax
from lenet_jax.config import DELETED, Config
from lenet_jax.errors import UserError
from lenet_jax.runs import workdir

RECORD = workdir.Record(
    config=Config(seed=3),
    data_source="csv",
    data_name="somewhere",
    data_fingerprint="0123",
    data_rows=50,
    train_rows=45,
)
ROW = dict.fromkeys(workdir.COLUMNS) | {"epoch": 1, "step": 10, "train_loss": 0.5}


def test_a_folder_that_is_moved_away_meanwhile_is_told(tmp_path):
    with (
        pytest.raises(UserError, match="was moved away or deleted"),
        workdir.locked(tmp_path / "a"),
    ):
        (tmp_path / "a").rename(tmp_path / "b")
        raise ValueError("of a library")
    # A fault of ours stays one.
    with pytest.raises(ValueError, match="of a library"), workdir.locked(tmp_path / "a"):
        raise ValueError("of a library")


def test_a_record_is_read_as_it_was_written(tmp_path):
    workdir.create(tmp_path / "a" / "b", RECORD)
    assert workdir.read(tmp_path / "a" / "b") == RECORD


def test_a_record_from_before_there_were_teachers_is_read(tmp_path):
    workdir.create(tmp_path, RECORD)
    path = tmp_path / workdir.CONFIG
    content = json.loads(path.read_text())
    del content["teacher_fingerprint"]
    path.write_text(json.dumps(content))
    assert workdir.read(tmp_path) == RECORD


@pytest.mark.parametrize("field", DELETED)
def test_a_run_of_before_is_read_if_what_is_deleted_did_nothing(field, trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    record, content = workdir.read(run), json.loads((run / workdir.CONFIG).read_text())
    assert field not in content["config"]
    images = lenet_jax.load_data("sample", "test").images_NxHxW[:50]
    expected = lenet_jax.predict(run, images)
    for value, message in ((DELETED[field], None), (0.2, rf"json: config\.{field} is gone, .*")):
        content["config"][field] = value
        (run / workdir.CONFIG).write_text(json.dumps(content))
        if message is None:
            assert workdir.read(run) == record
            np.testing.assert_array_equal(lenet_jax.predict(run, images), expected)
        else:
            with pytest.raises(UserError, match=message) as caught:
                workdir.read(run)
            assert "\n" not in str(caught.value)


def test_no_run_is_no_record(tmp_path):
    assert workdir.read(tmp_path) is None
    with pytest.raises(UserError, match="holds no run"):
        workdir.read_run(tmp_path)


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "w").write_text("")
    with pytest.raises(UserError, match="cannot be made a folder"):
        workdir.create(tmp_path / "w", RECORD)


def test_a_lock_is_let_go_when_its_process_dies(tmp_path):
    code = "import sys, time; from lenet_jax.runs import workdir\nwith workdir.locked(sys.argv[1]):"
    code += "\n print(1, flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout.readline() == b"1\n"
        refused = pytest.raises(UserError, match="another process is training")
        with refused, workdir.locked(tmp_path):
            pass
        holder.kill()
    for _ in range(2):
        with workdir.locked(tmp_path):
            pass


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that takes no file")
def test_a_folder_that_takes_no_file():
    refused = pytest.raises(UserError, match=r"/sys/kernel/\.lock: cannot be written")
    with refused, workdir.locked("/sys/kernel"):
        pass


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", "\x00", '{"config": 3}'])
def test_a_damaged_record_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config\.json: ") as caught:
        workdir.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_field_of_another_version_is_named(tmp_path):
    workdir.create(tmp_path, RECORD)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace('"epochs"', '"epocs"'))
    with pytest.raises(UserError, match=r"config\.json: .*epocs"):
        workdir.read(tmp_path)


def test_metrics_are_read_as_they_were_written(tmp_path):
    assert workdir.read_metrics(tmp_path) == []
    rows = [ROW, ROW | {"epoch": 2, "holdout_accuracy": 0.99}]
    workdir.write_metrics(tmp_path, rows)
    assert workdir.read_metrics(tmp_path) == rows
    assert (tmp_path / "metrics.csv").read_text().startswith("epoch,step,")


def test_broken_metrics_are_named(tmp_path):
    workdir.write_metrics(tmp_path, [ROW])
    path = tmp_path / "metrics.csv"
    path.write_text(path.read_text().replace("0.5", "half"))
    with pytest.raises(UserError, match=r"metrics\.csv"):
        workdir.read_metrics(tmp_path)
    for text in ("", "mine\n"):
        path.write_text(text)
        with pytest.raises(UserError, match=r"metrics\.csv: not the metrics of a run .*no column"):
            workdir.read_metrics(tmp_path)


def test_a_record_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECORD.data_rows = 3


def test_the_temperature_is_read_back(tmp_path):
    assert workdir.read_temperature(tmp_path) == 1
    workdir.write_calibration(tmp_path, {"temperature": 1.25})
    assert workdir.read_temperature(tmp_path) == 1.25


def test_the_networks_are_read_back(tmp_path):
    assert workdir.read_networks(tmp_path, ["shift"]) == []
    rows = [
        {"network": k, "seed": k, "fold": 0, "shift": 0.5 * k, "holdout_accuracy": 0.9}
        for k in range(3)
    ]
    workdir.write_networks(tmp_path, rows)
    assert workdir.read_networks(tmp_path, ["shift"]) == rows


HEAD = "network,seed,fold,shift,holdout_accuracy\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}0,0,0,wide,0.9\n",
        f"{HEAD}0,0,0,1\n",
        "network,seed,fold,shift\n0,0,0,1\n",
        "network,seed,fold,holdout_accuracy\n0,0,0,0.9\n",
    ],
)
def test_a_damaged_table_of_networks_is_named(tmp_path, text):
    (tmp_path / workdir.NETWORKS).write_text(text)
    with pytest.raises(UserError, match=r"networks\.csv: not the networks of a run"):
        workdir.read_networks(tmp_path, ["shift"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"temperature": null}', '{"temperature": -1}'])
def test_a_damaged_calibration_is_named(tmp_path, text):
    (tmp_path / workdir.CALIBRATION).write_text(text)
    with pytest.raises(UserError, match=r"calibration\.json: not the calibration of a run"):
        workdir.read_temperature(tmp_path)
