import shutil
import sys

import pytest

from lenet_jax.runs import columns, workdir
from lenet_jax.training import logging, tensorboard
from support.digit_files import refused


def row(epoch, **columns):
    return dict.fromkeys(workdir.COLUMNS) | {"epoch": epoch, "step": 5.0 * epoch} | columns


def events(folder):
    """What TensorBoard would read of the newest file."""
    from tensorboardX.proto.event_pb2 import Event

    newest = max(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    content, found = newest.read_bytes(), []
    while content:
        # TFRecord: length, its checksum, the event, its checksum.
        length = int.from_bytes(content[:8], "little")
        found.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    return found


def scalars(folder):
    return {
        (value.tag, event.step): pytest.approx(value.simple_value)
        for event in events(folder)
        for value in event.summary.value
    }


def test_every_number_of_a_row_is_an_event_of_its_step(tmp_path):
    with tensorboard.writer(tmp_path) as log:
        log(row(1, train_loss=0.5, holdout_accuracy=0.9))
        log(row(2, train_loss=0.25))
    assert scalars(tmp_path / tensorboard.FOLDER) == {
        ("loss/train", 5): 0.5,
        ("accuracy/holdout", 5): 0.9,
        ("loss/train", 10): 0.25,
    }


def test_rows_from_before_it_was_asked_for_are_told_too(trained, tmp_path):
    folder = tmp_path / tensorboard.FOLDER
    rows = [row(1, train_loss=0.5), row(2, train_loss=0.25)]
    workdir.write_metrics(tmp_path, rows)
    with tensorboard.writer(tmp_path) as log:
        pass
    assert not folder.exists()
    with tensorboard.writer(tmp_path) as log:
        log(rows[1])
    assert scalars(folder) == {("loss/train", 5): 0.5, ("loss/train", 10): 0.25}
    run = shutil.copytree(trained, tmp_path / "finished")
    for _ in range(2):
        with tensorboard.writer(run):
            pass
    (written,) = (run / tensorboard.FOLDER).iterdir()
    last = workdir.read_metrics(run)[-1]
    told = scalars(written.parent)[("loss/train", int(last["step"]))]
    assert told == pytest.approx(last["train_loss"])


def test_a_column_is_declared_once_and_shows_everywhere(tmp_path):
    numbers = {column.name: 0.125 + index for index, column in enumerate(columns.COLUMNS)}
    whole = numbers | {"step": 7.0}
    workdir.write_metrics(tmp_path, [whole])
    assert workdir.read_metrics(tmp_path) == [whole]
    with tensorboard.writer(tmp_path) as log:
        log(whole)
    tags = {(column.tag, 7): whole[column.name] for column in columns.COLUMNS if column.tag}
    assert scalars(tmp_path / tensorboard.FOLDER) == tags
    told = [column.told.format(whole[column.name]) for column in columns.COLUMNS if column.told]
    assert logging.text(whole) == ", ".join(told)
    assert len(tags) > len(told) > 3


def test_rows_made_again_replace_those_before(tmp_path):
    for epoch in (3, 2):
        with tensorboard.writer(tmp_path) as log:
            log(row(epoch, train_loss=0.5))
    starts = [event for event in events(tmp_path / tensorboard.FOLDER) if event.session_log.status]
    assert [event.step for event in starts] == [10]


def test_a_missing_package_is_told_before_any_training(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    line = refused(tensorboard.writer(tmp_path).__enter__)
    assert line.startswith("--tensorboard: ")
    assert line.endswith("pip install tensorboardX")


def test_events_that_cannot_be_written_are_told_once_and_fail_nothing(tmp_path, capsys):
    (tmp_path / tensorboard.FOLDER).write_text("mine")
    with tensorboard.writer(tmp_path) as log:
        log(row(1, train_loss=0.5))
        log(row(2, train_loss=0.25))
    assert (tmp_path / tensorboard.FOLDER).read_text() == "mine"
    (line,) = capsys.readouterr().err.splitlines()
    assert "tensorboard: cannot be written (Not a directory); the run goes on without" in line


def test_who_does_not_ask_gets_no_events():
    with tensorboard.writer(None) as log:
        assert log is None
