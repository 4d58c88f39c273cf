"""Downloads from servers of these tests on this computer; for Kaggle's, see stand_in.py."""

import functools
import gzip
import hashlib
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lenet_jax.data import cache, download, load_test, load_train, sample_submission
from support.digit_files import csv_bytes, digits, idx_bytes, refused, same, table, zip_bytes
from support.stand_in import stand_in

# The clients leave connections open to the collector, which tells of them when it comes by.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

IMAGES, LABELS = digits(10)
ZIP = zip_bytes(
    {
        "train.csv": csv_bytes(table(IMAGES, LABELS)),
        "test.csv": csv_bytes(table(IMAGES[:4])),
        "sample_submission.csv": b"ImageId,Label\n1,0\n",
    }
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path):
    """A folder and the address that serves it: a stand-in for a mirror of MNIST."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def put_idx(folder):
    """Writes MNIST's four files with other digits, and gives their checksums."""
    checksums = {}
    for name in download.MNIST_SHA256:
        array = IMAGES if "images" in name else LABELS
        content = gzip.compress(idx_bytes(array))
        (folder / name).write_bytes(content)
        checksums[name] = hashlib.sha256(content).hexdigest()
    return checksums


# --- MNIST


def test_four_files_are_fetched_once(tmp_path, mirror):
    folder, url = mirror
    checksums = put_idx(folder)
    said = []
    location = download.fetch(url, checksums, tmp_path / "kept", said.append)
    same(load_train(str(location)), IMAGES, LABELS)
    same(load_test(str(location)), IMAGES, LABELS)
    assert len(said) == 4
    for name in checksums:
        (folder / name).unlink()
    download.fetch(url, checksums, tmp_path / "kept", said.append)
    assert len(said) == 4


def test_what_is_not_mnist_is_not_kept(tmp_path, mirror, monkeypatch):
    folder, url = mirror
    put_idx(folder)
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(download.MIRROR, url)
    line = refused(load_train, "mnist")
    assert "train-images-idx3-ubyte.gz is not MNIST's file" in line
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_file_that_is_not_there_and_a_server_that_is_not_there(tmp_path, mirror):
    _, url = mirror
    for address in (url, "http://127.0.0.1:9"):
        line = refused(download.fetch, address, download.MNIST_SHA256, tmp_path / "kept")
        assert f"{address}/train-images-idx3-ubyte.gz cannot be fetched" in line
        assert download.MIRROR in line


def test_a_folder_that_cannot_be_made_is_told(mirror):
    folder, url = mirror
    checksums = put_idx(folder)
    assert "cannot be written" in refused(download.fetch, url, checksums, "/proc/mnist")


# --- Kaggle


@pytest.fixture
def meet(tmp_path, monkeypatch):
    """Lets kagglehub meet the stand-in with these answers."""
    download.kaggle.cache_clear()
    with monkeypatch.context() as patch:

        def start(server):
            for name, value in server.environment.items():
                patch.setenv(name, value)
            return server

        yield start
    download.kaggle.cache_clear()


def test_the_competition_is_downloaded_once(tmp_path, meet, capfd):
    with stand_in(tmp_path, ZIP) as server:
        meet(server)
        same(load_train("kaggle"), IMAGES, LABELS)
        assert load_train("kaggle").name.endswith("digit-recognizer/train.csv")
        assert len(load_test("kaggle")) == 4
        assert sample_submission("kaggle") == b"ImageId,Label\n1,0\n"
        assert server.asked == [("DownloadDataFiles", {"competitionName": "digit-recognizer"})]
    # Standard output is for results.
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("status", "clicks"),
    [
        (401, ["Settings, API, Create New Token"]),
        (403, ["competitions/digit-recognizer", "Join Competition", "I Understand and Accept"]),
    ],
)
def test_refusals_say_what_to_click(tmp_path, meet, status, clicks):
    with stand_in(tmp_path, status=status) as server:
        meet(server)
        line = refused(load_train, "kaggle")
    assert line.startswith("--data=kaggle: ")
    assert all(click in line for click in clicks), line


def test_kaggle_out_of_reach_is_told(tmp_path, meet):
    with stand_in(tmp_path) as server:
        meet(server)
    assert "cannot be reached" in refused(load_train, "kaggle")


def test_damaged_credentials_are_named(tmp_path, meet, monkeypatch):
    with stand_in(tmp_path) as server:
        meet(server)
        for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
        (tmp_path / "kaggle.json").write_text("no JSON")
        line = refused(load_train, "kaggle")
    assert line.startswith("--data=kaggle: Kaggle's client gives up (")
    assert "kaggle.json" in line


@pytest.mark.parametrize(("data", "package"), [("kaggle", "kagglehub"), ("mnist", "pooch")])
def test_a_missing_package_is_told_with_the_command_that_gets_it(data, package, monkeypatch):
    download.kaggle.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    line = refused(load_train, data)
    assert line.startswith(f"--data={data}: ")
    assert line.endswith(f"pip install {package}")
