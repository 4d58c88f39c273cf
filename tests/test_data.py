import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from lenet_jax.data import (
    Dataset,
    cache,
    csv_table,
    folds,
    holdout,
    load_test,
    load_train,
    overlap_warning,
    programs_folder,
    sample,
    sample_submission,
)
from lenet_jax.data.leakage import identify
from support.digit_files import (
    KAGGLE,
    csv_bytes,
    digits,
    idx_folder,
    needs_kaggle,
    put,
    refused,
    same,
    table,
    zip_bytes,
)

IMAGES, LABELS = digits(10)
TRAIN = csv_bytes(table(IMAGES, LABELS))


def dataset(labels_N=LABELS, source="csv", images_NxHxW=IMAGES):
    return Dataset(images_NxHxW=images_NxHxW, labels_N=labels_N, source=source, name="digits.csv")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv(cache.VARIABLE, str(folder))
    return folder


@pytest.fixture
def no_parsing(monkeypatch):
    """Whatever is loaded with this comes from the cache."""

    def parse(content, name):
        raise AssertionError(f"{name} was parsed")

    monkeypatch.setattr(csv_table, "parse", parse)


# --- Dataset


def test_import_is_cheap():
    heavy = "{'jax', 'pandas', 'sklearn', 'scipy', 'mlxtend', 'platformdirs'}"
    program = f"import sys, lenet_jax.data; sys.exit(str({heavy} & set(sys.modules) or ''))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_arrays_are_read_only_and_the_callers_stay_as_they_are():
    images, labels = digits(2)
    held = dataset(labels, images_NxHxW=images)
    for array in (held.images_NxHxW, held.labels_N):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    images[0] = 1
    assert len(held) == 2


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (IMAGES.astype(np.float32), LABELS),
        (IMAGES.reshape(10, 784), LABELS),
        (IMAGES, LABELS[:9]),
        (IMAGES, LABELS.astype(np.int64)),
        (IMAGES, LABELS + 1),
        (IMAGES, LABELS - 1),
    ],
)
def test_other_arrays_are_refused(images, labels):
    with pytest.raises(ValueError, match="must"):
        dataset(labels, images_NxHxW=images)


def test_fingerprint_depends_on_content_alone():
    held = dataset()
    assert len(held.fingerprint) == 16
    turned = np.asfortranarray(IMAGES)
    assert dataset(images_NxHxW=turned, source="idx").fingerprint == held.fingerprint
    other = IMAGES.copy()
    other[3, 4, 5] ^= 1
    others = [dataset(None), dataset(LABELS[::-1]), dataset(images_NxHxW=other), held.take([0, 1])]
    assert len({held.fingerprint, *(each.fingerprint for each in others)}) == 5


def test_take():
    taken = dataset().take(np.array([3, 1]))
    same(taken, IMAGES[[3, 1]], LABELS[[3, 1]])
    assert (taken.source, taken.name) == ("csv", "digits.csv")
    assert dataset(None).take(np.array([3])).labels_N is None


# --- the value of --data


def test_auto_takes_the_data_folder_and_says_so(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    said = []
    put(folder, TRAIN)
    same(load_train("auto", cwd=tmp_path, say=said.append), IMAGES, LABELS)
    assert said == ["--data=auto: taking the digits in data/"]
    # What is there and wrong is an error, not a reason to take the sample.
    assert "has no test.csv" in refused(load_test, "auto", cwd=tmp_path)
    (folder / "train.csv").unlink()
    idx_folder(folder, IMAGES, LABELS)
    same(load_train("auto", cwd=tmp_path), IMAGES, LABELS)
    content = zip_bytes({"train.csv": TRAIN, "sample_submission.csv": b"x"})
    put(folder, content, "digit-recognizer.zip")
    assert load_train("auto", cwd=tmp_path).name == "data/digit-recognizer.zip: train.csv"
    assert sample_submission("auto", cwd=tmp_path) == b"x"


@pytest.mark.parametrize("files", [None, [], ["notes.txt"]])
def test_auto_falls_back_to_the_sample_and_says_so(tmp_path, files):
    if files is not None:
        (tmp_path / "data").mkdir()
        for name in files:
            put(tmp_path / "data", b"", name)
    said = []
    assert load_train("auto", cwd=tmp_path, say=said.append).source == "sample-train"
    assert said == ["--data=auto: no digits in data/ here, taking the sample of 5,000 MNIST digits"]
    assert sample_submission("auto", cwd=tmp_path) is None


def test_paths_are_relative_to_the_folder_given(tmp_path):
    put(tmp_path, TRAIN)
    assert load_train("train.csv", cwd=tmp_path).name == "train.csv"


def test_a_tilde_is_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    put(tmp_path, TRAIN)
    same(load_train("~/train.csv"), IMAGES, LABELS)
    assert "cannot be read" in refused(load_train, "~no-such-user/train.csv")


@pytest.mark.parametrize("data", ["missing.csv", "", "a\nb", "x" * 300, "a\0b", "no/such/zip"])
@pytest.mark.parametrize("load", [load_train, load_test])
def test_what_is_not_there(tmp_path, load, data):
    assert refused(load, data, cwd=tmp_path)


def test_no_such_file(tmp_path):
    expected = (
        "missing.csv: no such file or folder; --data takes auto, sample, kaggle, mnist or the"
    )
    assert refused(load_train, "missing.csv", cwd=tmp_path).startswith(expected)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refused(load_train, "pipe", cwd=tmp_path) == "pipe: is not a file"


# --- the sample


def test_sample_parts_share_nothing_and_cover_everything():
    train, test = load_train("sample"), load_test("sample")
    assert np.bincount(train.labels_N).tolist() == [400] * 10
    assert np.bincount(test.labels_N).tolist() == [100] * 10
    rows = [image.tobytes() for part in (train, test) for image in part.images_NxHxW]
    images_NxHxW, _ = sample._all()
    assert len(set(rows)) == 5000
    assert set(rows) == {image.tobytes() for image in images_NxHxW}
    # The digits themselves: ink in the middle, none at the rim.
    assert train.images_NxHxW[:, 10:18, 10:18].mean() > 80
    assert train.images_NxHxW[:, :2].mean() < 1


def test_sample_is_the_same_without_a_cache(monkeypatch):
    kept = load_test("sample")
    monkeypatch.setenv(cache.VARIABLE, "/dev/null/nowhere")
    assert load_test("sample").fingerprint == kept.fingerprint == "e2a2110857d40a0f"


def test_compiled_programs_are_kept_where_they_can_be(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "new"))
    assert programs_folder() == tmp_path / "new" / "compiled"
    assert programs_folder().is_dir()
    monkeypatch.setenv(cache.VARIABLE, "/dev/null/nowhere")
    assert programs_folder() is None


# --- splits

LABEL_LISTS = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@settings(max_examples=100)
@given(labels=LABEL_LISTS, fraction=st.floats(0, 0.99), seed=st.integers(0, 2**32 - 1))
def test_holdout_parts_the_rows_by_class(labels, fraction, seed):
    labels_N = np.array(labels, np.int32)
    counts = np.bincount(labels_N)
    held = int(np.ceil(fraction * len(labels)))
    classes = np.count_nonzero(counts)
    if fraction and (counts[counts > 0].min() < 2 or not classes <= held <= len(labels) - classes):
        assert "hold-out" in refused(holdout, labels_N, fraction, seed)
        return
    train_N, held_N = holdout(labels_N, fraction, seed)
    assert sorted([*train_N, *held_N]) == list(range(len(labels)))
    assert (np.diff(train_N) > 0).all()
    assert (np.diff(held_N) > 0).all()
    assert len(held_N) == held
    expected = counts * held / len(labels)
    assert (np.abs(np.bincount(labels_N[held_N], minlength=len(counts)) - expected) <= 1).all()
    if fraction:
        splitter = StratifiedShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
        theirs = map(np.sort, next(splitter.split(labels_N, labels_N)))
        for ours, expected in zip((train_N, held_N), theirs, strict=True):
            np.testing.assert_array_equal(ours, expected)


@settings(max_examples=60)
@given(labels=LABEL_LISTS, k=st.integers(0, 6), seed=st.integers(0, 2**32 - 1))
def test_folds_hold_every_row_out_once(labels, k, seed):
    labels_N = np.array(labels, np.int32)
    counts = np.bincount(labels_N)
    if k < 2 or counts[counts > 0].min() < k:
        assert refused(folds, labels_N, k, seed).startswith(f"{k} folds")
        return
    parts = folds(labels_N, k, seed)
    assert len(parts) == k
    assert sorted(np.concatenate([held_N for _, held_N in parts])) == list(range(len(labels)))
    for train_N, held_N in parts:
        assert sorted([*train_N, *held_N]) == list(range(len(labels)))
        assert (np.abs(np.bincount(labels_N[held_N], minlength=len(counts)) - counts / k) < 1).all()


def test_seeds_differ():
    labels_N = np.repeat(np.arange(10), 20).astype(np.int32)
    assert (holdout(labels_N, 0.1, 0)[1] != holdout(labels_N, 0.1, 1)[1]).any()
    assert "no rows" in refused(holdout, labels_N[:0], 0.1, 0)


# --- the cache


def test_the_second_start_is_from_the_cache(tmp_path, empty_cache, monkeypatch, request):
    content = zip_bytes({"train.csv": TRAIN, "test.csv": csv_bytes(table(IMAGES[:3]))})
    path = put(tmp_path, content, "digits.zip")
    first = load_train(path), load_test(path)
    request.getfixturevalue("no_parsing")
    for before, after in zip(first, (load_train(path), load_test(path)), strict=True):
        same(after, before.images_NxHxW, before.labels_N)
        assert (after.name, after.source) == (before.name, before.source)
    # The same bytes at another place are the same digits.
    load_train(put(tmp_path, content, "copy.zip"))


def test_a_file_changed_under_the_same_size_and_time_is_read_again(tmp_path, empty_cache):
    path = put(tmp_path, TRAIN)
    times = Path(path).stat()
    load_train(path)
    other = csv_bytes(table(IMAGES, LABELS)).replace(b"\r\n0,", b"\r\n9,", 1)
    assert len(other) == len(TRAIN)
    put(tmp_path, other)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert load_train(path).labels_N[0] == 9


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text", "other arrays", "pickle"])
def test_a_damaged_entry_is_ignored_and_written_again(tmp_path, empty_cache, damage, request):
    path = put(tmp_path, TRAIN)
    load_train(path)
    (entry,) = empty_cache.iterdir()
    good = entry.read_bytes()
    if damage == "other arrays":
        np.savez(entry, images=IMAGES[:, :9], labels=LABELS)
    elif damage == "pickle":
        np.savez(entry, images=np.array([{}]), labels=LABELS)
    else:
        half = len(good) // 2
        flipped = good[:half] + bytes([good[half] ^ 4]) + good[half + 1 :]
        bad = {"cut": good[:half], "flip": flipped, "empty": b"", "text": b"hello"}[damage]
        entry.write_bytes(bad)
    same(load_train(path), IMAGES, LABELS)
    request.getfixturevalue("no_parsing")
    same(load_train(path), IMAGES, LABELS)


@pytest.mark.parametrize("location", ["/dev/null/cache", "/proc/cache"])
def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch, location):
    monkeypatch.setenv(cache.VARIABLE, location)
    same(load_train(put(tmp_path, TRAIN)), IMAGES, LABELS)


def test_the_cache_is_where_the_system_keeps_caches(tmp_path, monkeypatch):
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder().name == "lenet-jax"
    if sys.platform == "linux":
        assert cache.folder() == tmp_path / "lenet-jax"


def test_old_entries_go_and_files_of_others_stay(empty_cache):
    empty_cache.mkdir()
    names = {"precious.npz", *(f"digits-of-{number}.npz" for number in range(20))}
    for name in names:
        put(empty_cache, b"", name)
    for number in range(cache.MAX_ENTRIES + 3):
        cache.store(f"{number:032x}", IMAGES, None)
        os.utime(empty_cache / f"digits-{number:032x}.npz", (number, number))
    kept = {path.name for path in empty_cache.iterdir()}
    assert names <= kept
    kept -= names
    assert len(kept) == cache.MAX_ENTRIES
    assert f"digits-{cache.MAX_ENTRIES + 2:032x}.npz" in kept


# --- honesty

MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def test_mnist_is_recognised_and_fashion_is_not():
    labels_N = np.repeat(np.arange(10), MNIST_TRAIN).astype(np.int32)
    assert identify(labels_N, 60_000, "idx") == "mnist-train"
    assert identify(np.repeat(np.arange(10), 6000), 60_000, "idx") == "idx"
    assert identify(LABELS, 10, "csv") == "csv"
    assert identify(None, 28_000, "csv") == "kaggle-test"
    assert identify(None, 27_999, "csv") == "csv"


FAMILY = ["sample-train", "sample-test", "kaggle-train", "kaggle-test", "mnist-train", "mnist-test"]
FAIR = {
    ("sample-train", "sample-test"),
    ("kaggle-train", "kaggle-test"),
    ("mnist-train", "mnist-test"),
}


@pytest.mark.parametrize("trained", FAMILY)
@pytest.mark.parametrize("predicted", FAMILY)
def test_overlap_is_told_for_all_but_the_fair_pairs(trained, predicted):
    labels_N = None if predicted == "kaggle-test" else LABELS
    line = overlap_warning(trained, "0" * 16, dataset(labels_N, predicted))
    assert (line is None) == ((trained, predicted) in FAIR)
    if line:
        assert line.startswith("WARNING: digits.csv: the run was trained on ")
        assert line.isprintable()


def test_overlap_of_digits_of_unknown_origin():
    def line(trained, predicted, labels_N):
        return overlap_warning(trained, "0" * 16, dataset(labels_N, predicted))

    assert "may hold" in line("idx", "kaggle-test", None)
    assert "may hold" in line("sample-train", "csv", None)
    assert "may hold" in line("mnist-train", "csv", None)
    assert line("kaggle-train", "csv", None) is None
    assert line("csv", "kaggle-test", None) is None
    assert line("idx", "idx", LABELS) is None
    held = dataset(source="idx")
    assert "these very digits" in overlap_warning("idx", held.fingerprint, held)


# --- Kaggle's own files


@needs_kaggle
def test_kaggles_files():
    train, test = load_train(str(KAGGLE)), load_test(str(KAGGLE))
    assert train.images_NxHxW.shape == (42_000, 28, 28)
    assert np.bincount(train.labels_N).tolist() == [
        4132, 4684, 4177, 4351, 4072, 3795, 4137, 4401, 4063, 4188
    ]  # fmt: skip
    assert test.images_NxHxW.shape == (28_000, 28, 28)
    assert test.labels_N is None
    assert (train.source, test.source) == ("kaggle-train", "kaggle-test")
    assert overlap_warning(train.source, train.fingerprint, test) is None
    assert sample_submission(str(KAGGLE)).startswith(b"ImageId,Label")
    # The sample's digits are among Kaggle's, pixel for pixel: nothing is turned or shifted.
    ours = {image.tobytes() for image in sample._all()[0]}
    assert sum(image.tobytes() in ours for image in train.images_NxHxW) == 3005
    assert sum(image.tobytes() in ours for image in test.images_NxHxW) == 1995
