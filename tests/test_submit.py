"""Sending to a stand-in for Kaggle, see stand_in.py, with Kaggle's own client."""

import importlib
import sys

import numpy as np
import pytest

from lenet_jax.data import Dataset
from lenet_jax.environment import packages
from lenet_jax.submission import upload
from support.digit_files import refused
from support.stand_in import stand_in

# The client leaves connections open to the collector, which tells of them when it comes by.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

DONE = (200, {"ref": 7, "status": "COMPLETE", "publicScore": "0.98765"})


def digits(source="kaggle-test"):
    return Dataset(
        images_NxHxW=np.zeros((3, 28, 28), np.uint8), labels_N=None, source=source, name="test.csv"
    )


@pytest.fixture
def path(tmp_path, monkeypatch):
    file = tmp_path / "submission.csv"
    file.write_text("ImageId,Label\n1,0\n2,0\n3,0\n")
    monkeypatch.setattr(upload, "SLOWEST", 0.01)
    return file


def met(server, monkeypatch):
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


def send(path, monkeypatch, **answers):
    """What is said, and the score, or the line that the user is shown."""
    said = []
    with stand_in(path.parent, **answers) as server:
        met(server, monkeypatch)
        score = upload.submit(digits(), path, "a message", say=said.append)
    return said, score, server


def refusal(path, monkeypatch, **answers):
    return refused(send, path, monkeypatch, **answers)


def test_the_file_is_sent_and_the_score_is_awaited(path, monkeypatch):
    too_new = (404, {"code": 404, "message": "not found"})
    pending = (200, {"ref": 7, "status": "PENDING"})
    said, score, server = send(path, monkeypatch, verdicts=[too_new, pending, DONE])
    assert score == 0.98765
    assert said[-1] == "Kaggle's public score: 0.98765"
    assert server.uploads == [path.read_bytes()]
    created = dict(server.asked)["CreateSubmission"]
    assert created["competitionName"] == "digit-recognizer"
    assert created["submissionDescription"] == "a message"
    assert created["blobFileTokens"] == "a-token"


UNSCORED = {"ref": 7, "status": "COMPLETE"}
PENDING = (200, {"ref": 7, "status": "PENDING"})


@pytest.mark.parametrize(
    "verdict",
    [
        PENDING,
        (200, UNSCORED),
        (200, UNSCORED | {"publicScore": ""}),
        (200, UNSCORED | {"publicScore": "nan"}),
        (404, {"code": 404, "message": "not found"}),
        (500, {"code": 500, "message": "busy"}),
    ],
    ids=["pending", "none", "empty", "nan", "too new", "busy"],
)
def test_a_score_that_does_not_come_is_told_where_to_look(path, monkeypatch, verdict):
    monkeypatch.setattr(upload, "PATIENCE", 0.2)
    said, score, server = send(path, monkeypatch, verdicts=[verdict])
    assert score is None
    assert "was accepted" in said[-1]
    assert "competitions/digit-recognizer/submissions" in said[-1]
    # With patience, and with a bound.
    assert 2 <= [name for name, _ in server.asked].count("GetSubmission") <= 40
    if verdict[0] == 500:
        assert 'Kaggle says: "busy"' in said[-1]


def test_a_score_is_asked_for_again_where_there_is_none_yet(path, monkeypatch):
    verdicts = [(500, {"code": 500, "message": "busy"}), PENDING, (200, UNSCORED), DONE]
    _, score, server = send(path, monkeypatch, verdicts=verdicts)
    assert score == 0.98765
    assert [name for name, _ in server.asked].count("GetSubmission") == 4


def test_what_kaggle_finds_wrong_is_told(path, monkeypatch):
    verdict = (200, {"ref": 7, "status": "ERROR", "errorDescription": "Evaluation\nexception"})
    line = refusal(path, monkeypatch, verdicts=[verdict])
    assert "finds the file wrong" in line
    assert "Evaluation" in line


@pytest.mark.parametrize(
    ("status", "clicks"),
    [
        (401, ["Settings, API, Create New Token", "access_token"]),
        (403, ["competitions/digit-recognizer", "Join Competition", "I Understand and Accept"]),
        (500, ["status 500", "try again later"]),
    ],
)
def test_refusals_say_what_to_click(path, monkeypatch, status, clicks):
    line = refusal(path, monkeypatch, status=status)
    assert line.startswith("--submit: ")
    assert all(click in line for click in clicks), line


@pytest.mark.parametrize(
    "sentence",
    [
        "You must verify your phone number to submit",
        "This competition is closed",
        "Permission 'competitions.participate' was denied",
    ],
)
def test_kaggles_own_sentence_stands_behind_ours(path, monkeypatch, sentence):
    line = refusal(path, monkeypatch, status=403, sentence=f"{sentence}\n")
    assert line.endswith(f'; Kaggle says: "{sentence}"')
    assert line.index("Join Competition") < line.index(sentence)
    assert "not accepted yet" not in line


def test_without_credentials_the_clicks_to_get_some_are_told(path, monkeypatch, capfd):
    with stand_in(path.parent) as server:
        met(server, monkeypatch)
        for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
            monkeypatch.delenv(name)
        line = refused(upload.submit, digits(), path, "a message")
    assert "no Kaggle credentials" in line
    assert "Settings, API, Create New Token" in line
    assert not server.asked
    assert capfd.readouterr() == ("", "")


def test_a_token_that_cannot_be_checked_for_want_of_a_network_is_not_called_missing(
    path, monkeypatch
):
    with stand_in(path.parent) as server:
        met(server, monkeypatch)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "a-token")
    assert "cannot be reached" in refused(upload.submit, digits(), path, "a message")


def test_other_digits_are_not_sent(path):
    line = refused(upload.submit, digits("sample-test"), path, "a message")
    assert "is not Kaggle's test set" in line
    assert "nothing was sent" in line


def test_a_missing_client_is_told_with_the_command_that_gets_it(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaggle", None)
    assert refused(upload.submit, digits(), path, "a message").endswith("pip install kaggle")


def test_a_client_too_old_to_ask_for_the_score_is_told_before_anything_is_sent(path, monkeypatch):
    with stand_in(path.parent) as server:
        met(server, monkeypatch)
        # It looks for credentials when it is imported.
        client = importlib.import_module("kaggle.api.kaggle_api_extended").KaggleApi
        monkeypatch.delattr(client, "get_submission")
        line = refused(upload.submit, digits(), path, "a message")
    assert line.endswith("get 2.2.5 or newer with pip install --upgrade kaggle")
    assert not server.asked
    assert not server.uploads


def test_a_package_is_imported_if_it_is_there():
    assert packages.needed("json", "--flag").loads("1") == 1
    line = refused(packages.needed, "no_such_package", "--flag")
    assert line.startswith("--flag: ")
    assert line.endswith("pip install no_such_package")
