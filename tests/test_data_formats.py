"""Every kind of file that digits come in, written by the library that publishes it."""

import bz2
import gzip
import io
import lzma
import pickle
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lenet_jax
from lenet_jax.data import (
    arrow,
    arrow_messages,
    bounded,
    formats,
    load_test,
    load_train,
    overlap_warning,
    sample,
)
from lenet_jax.data.assemble import dataset as assembled
from lenet_jax.data.leakage import by_pixels
from lenet_jax.data.location import Asked
from lenet_jax.errors import UserError
from support import format_writers
from support.digit_files import (
    MUTATION,
    csv_bytes,
    examples,
    idx_folder,
    mutated,
    put,
    refused,
    same,
    table,
    zip_bytes,
)
from support.format_writers import WRITERS

ROOT = Path(__file__).parent.parent
# Real digits of all classes, each class's together, as some files have them.
ROWS = np.concatenate([np.flatnonzero(sample._all()[1] == label)[:25] for label in range(10)])
MANY, MANY_LABELS = sample._all()[0][ROWS], sample._all()[1][ROWS]
IMAGES, LABELS = MANY[::5], MANY_LABELS[::5]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_every_kind_is_read_pixel_for_pixel(write, tmp_path):
    said = []
    path = write(tmp_path, IMAGES, LABELS)
    dataset = load_train(str(path), say=said.append)
    same(dataset, IMAGES, LABELS)
    assert all(line.startswith(str(tmp_path)) and line.isprintable() for line in said)
    again = []
    same(load_train(str(path), say=again.append), IMAGES, LABELS)
    # From the cache, and told the same.
    assert again == said


TWO_PARTS = ["keras", "kmnist", "h5_like_usps", "hub_shards", "save_to_disk", "torchvision"]
TWO_PARTS += ["hojjatk", "own_folders"]


@pytest.mark.parametrize("name", TWO_PARTS)
def test_the_test_part_is_told_from_the_training_part(name, tmp_path):
    path = getattr(format_writers, name)(tmp_path, IMAGES, LABELS)
    same(load_test(str(path)), IMAGES[:1], LABELS[:1])


# --- what is said


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pandas_with_index", "line 1: column 'Unnamed: 0' counts the rows and is left out"),
        ("r_write_csv", "column '' counts the rows and is left out"),
        ("with_image_id", "column 'ImageId' is no part of a digit and is left out"),
        ("scaled", "has pixels of 0 to 1; taken times 255"),
        ("npy_file", "has pixels of 0 to 1; taken times 255"),
        ("npm", "has pixels of 0 to 1; taken times 255"),
    ],
)
def test_what_is_taken_otherwise_is_said(name, expected, tmp_path):
    said = []
    load_train(str(getattr(format_writers, name)(tmp_path, IMAGES, LABELS)), say=said.append)
    # pandas calls the index nothing.
    assert expected.replace("line 1: ", "").replace("'Unnamed: 0'", "''") in said[0]


def test_784_columns_without_a_header_have_no_label(tmp_path):
    np.savetxt(tmp_path / "x.csv", IMAGES.reshape(-1, 784), fmt="%d", delimiter=",")
    same(load_test(str(tmp_path / "x.csv")), IMAGES, None)
    np.savetxt(tmp_path / "x.csv", IMAGES.reshape(-1, 784)[:, 1:], fmt="%d", delimiter=",")
    assert "line 1: is a row of numbers; a header" in refused(load_test, str(tmp_path / "x.csv"))


def test_a_comma_too_many_at_the_ends_of_rows_shifts_nothing(tmp_path):
    content = csv_bytes(table(IMAGES[:3], LABELS[:3])).split(b"\r\n")
    rows = b"\n".join([content[0], *(row + b"," for row in content[1:-1])])
    message = refused(load_train, put(tmp_path, rows))
    assert message.endswith("line 2: has 786 values where 785 are named; mend it")


def test_a_column_that_is_not_known_and_counts_nothing_is_refused(tmp_path):
    columns = {"size": ["3", "5"], **table(IMAGES[:2], LABELS[:2])}
    message = refused(load_train, put(tmp_path, csv_bytes(columns)))
    assert "column 'size' is neither label nor pixel0 to pixel783; remove it" in message


def test_two_labels_are_refused(tmp_path):
    columns = {"class": ["3", "5"], **table(IMAGES[:2], LABELS[:2])}
    message = refused(load_train, put(tmp_path, csv_bytes(columns)))
    assert "'class' and 'label' may both be the label" in message


def test_pixels_are_scaled_by_what_the_whole_file_says(tmp_path):
    """A digit may have no pixel above 1, where another of the file has."""
    faint = np.concatenate([np.minimum(IMAGES[:1], 1), IMAGES[1:3]])
    path = put(tmp_path, csv_bytes(table(faint, LABELS[:3])))
    same(load_train(path), faint, LABELS[:3])
    binary = (IMAGES[:3] > 127).astype(np.uint8)
    same(load_train(put(tmp_path, csv_bytes(table(binary, LABELS[:3])))), 255 * binary, LABELS[:3])


@pytest.mark.parametrize("cell", ["1.5", "-0.5", "1e400", "nan", "inf", "0x1.0", "1.0.0", "1.0 0"])
def test_a_wrong_decimal_is_named_by_line_and_column(tmp_path, cell):
    columns = table(IMAGES[:3], LABELS[:3])
    columns["pixel3"][0] = "2.0"
    columns["pixel7"][1] = cell
    message = refused(load_train, put(tmp_path, csv_bytes(columns)))
    assert f"line 3, column pixel7: is {cell} where a whole number from 0 to 255" in message


def test_usps_is_made_as_mnist_was(tmp_path):
    """16x16 in 0..1 with h5py, in -1..1 with labels from 1 in LIBSVM's text."""
    import h5py

    small = IMAGES[:, 4:24, 4:24].reshape(-1, 10, 2, 10, 2).mean((2, 4)) / 255
    small = np.pad(small, ((0, 0), (3, 3), (3, 3)))
    with h5py.File(tmp_path / "usps.h5", "w") as file:
        for part in ("train", "test"):
            file[f"{part}/data"] = small.reshape(-1, 256).astype(np.float32)
            file[f"{part}/target"] = LABELS
    lines = [
        f"{label + 1} " + " ".join(f"{i + 1}:{2 * v - 1:.4g}" for i, v in enumerate(digit.ravel()))
        for digit, label in zip(small, LABELS, strict=True)
    ]
    (tmp_path / "usps.bz2").write_bytes(bz2.compress("\n".join(lines).encode()))
    said = []
    h5 = load_train(str(tmp_path / "usps.h5"), say=said.append)
    text = load_train(str(tmp_path / "usps.bz2"), say=said.append)
    assert any("labels 1 to 10 are taken for 0 to 9" in line for line in said)
    assert sum("16 x 16 are made 28 x 28" in line for line in said) == 2
    np.testing.assert_array_equal(h5.labels_N, LABELS)
    np.testing.assert_array_equal(text.labels_N, LABELS)
    for dataset in (h5, text):
        boxes = [np.ptp(np.argwhere(image), axis=0).max() + 1 for image in dataset.images_NxHxW]
        assert set(boxes) <= {19, 20}
        grid, images = np.indices((28, 28)), dataset.images_NxHxW
        mass = images.sum((1, 2))
        middle = np.stack([(axis * images).sum((1, 2)) / mass for axis in grid])
        np.testing.assert_allclose(middle, 14, atol=0.6)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    for name, package in (("x.parquet", "pyarrow"), ("x.h5", "h5py")):
        monkeypatch.setitem(sys.modules, package, None)
        magic = {"pyarrow": b"PAR1", "h5py": b"\x89HDF\r\n\x1a\n"}[package]
        message = refused(load_train, put(tmp_path, magic + bytes(99), name))
        assert f"{package} is not installed; get it with " in message
        assert message.endswith(f"pip install {package}")


# --- digits on their side


def turned(images_NxHxW):
    return images_NxHxW.transpose(0, 2, 1)


def test_a_renamed_emnist_is_found_out(tmp_path):
    idx_folder(tmp_path, turned(MANY), MANY_LABELS)
    message = refused(load_train, str(tmp_path))
    assert "lie on their side" in message
    assert message.endswith("; give --transposed")
    same(load_train(str(tmp_path), transposed=True), MANY, MANY_LABELS)
    # EMNIST's CSVs: no header, no name that tells.
    rows = np.concatenate([MANY_LABELS[:, None], turned(MANY).reshape(-1, 784)], axis=1)
    np.savetxt(tmp_path / "x.csv", rows, fmt="%d", delimiter=",")
    assert "give --transposed" in refused(load_train, str(tmp_path / "x.csv"))
    same(load_test(str(tmp_path / "x.csv"), transposed=True), MANY, MANY_LABELS)


def test_a_notebook_turns_them_too(tmp_path):
    idx_folder(tmp_path, turned(MANY), MANY_LABELS)
    assert refused(lenet_jax.load_data, tmp_path).endswith("; give transposed=True")
    same(lenet_jax.load_data(tmp_path, transposed=True), MANY, MANY_LABELS)
    assert "leave transposed=True out" in refused(lenet_jax.load_data, "sample", transposed=True)
    idx_folder(tmp_path, MANY, MANY_LABELS)
    message = refused(lenet_jax.load_data, tmp_path, transposed=True)
    assert "with transposed=True, " in message
    assert message.endswith("; leave it out")


def test_the_flag_where_it_does_not_belong(tmp_path):
    idx_folder(tmp_path, MANY, MANY_LABELS)
    assert "leave the flag out" in refused(load_train, str(tmp_path), transposed=True)
    idx_folder(tmp_path / "e", MANY, MANY_LABELS, prefix="emnist-digits-")
    assert "somebody has turned them" in refused(load_train, str(tmp_path / "e"))
    assert refused(load_test, "sample", transposed=True) == (
        "sample: its digits stand upright; leave --transposed out"
    )
    (tmp_path / "x.png").touch()
    assert "leave --transposed out" in refused(load_test, str(tmp_path / "x.png"), transposed=True)


def test_other_things_than_digits_are_never_found_on_their_side(tmp_path):
    rng = np.random.default_rng(0)
    shapes = rng.integers(0, 256, (10, 28, 28))
    things = np.clip(shapes[MANY_LABELS] + rng.normal(0, 30, MANY.shape), 0, 255).astype(np.uint8)
    idx_folder(tmp_path, things, MANY_LABELS)
    same(load_train(str(tmp_path)), things, MANY_LABELS)


def test_a_few_digits_are_not_judged(tmp_path):
    idx_folder(tmp_path, turned(IMAGES), LABELS)
    same(load_train(str(tmp_path)), turned(IMAGES), LABELS)


# --- whose digits they are


MNIST_COUNTS = (
    [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
)


def test_openmls_70000_are_parted_as_mnist_is():
    labels_N = np.concatenate([np.repeat(np.arange(10), counts) for counts in MNIST_COUNTS])
    labels_N = labels_N.astype(np.int32)
    images_NxHxW = np.zeros((70_000, 28, 28), np.uint8)
    for part, rows in (("train", 60_000), ("test", 10_000)):
        dataset = assembled(images_NxHxW, labels_N, Asked(part=part), "x")
        assert (len(dataset), dataset.source) == (rows, f"mnist-{part}")
    shuffled = np.random.default_rng(0).permutation(labels_N)
    dataset = assembled(images_NxHxW, shuffled, Asked(part="train"), "x")
    assert len(dataset) == 70_000


def test_kaggles_test_digits_are_known_by_their_pixels(tmp_path):
    """1,995 of the sample's digits are of Kaggle's test set, whatever file they come in."""
    images_NxHxW, labels_N = sample._all()
    np.savez(tmp_path / "a.npz", x_train=images_NxHxW, y_train=labels_N)
    dataset = load_train(str(tmp_path / "a.npz"))
    assert dataset.source == "mnist-part"
    rest = dataset.take(np.flatnonzero(labels_N < 5))
    kaggle = sample.load("test")
    kaggle = type(kaggle)(
        images_NxHxW=kaggle.images_NxHxW, labels_N=None, source="kaggle-test", name="test.csv"
    )
    assert "holds digits of Kaggle's test set" in overlap_warning(
        dataset.source, dataset.fingerprint, kaggle
    )
    assert "holds some of these" in overlap_warning("kaggle-train", "0" * 16, rest)
    # A pixel makes it another digit.
    changed = images_NxHxW.copy()
    changed[:, 0, 0] = 1
    assert by_pixels(changed, "other") == "other"
    assert overlap_warning("other", "0" * 16, kaggle) is None


def test_qmnist_is_known_to_hold_them_though_not_to_the_pixel(tmp_path):
    changed = MANY.copy()
    changed[:, 0, 0] = 1
    format_writers.qmnist(tmp_path, changed, MANY_LABELS)
    assert load_train(str(tmp_path)).source == "mnist-part"


# --- what is not read


def tar_bytes():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("train.csv"))
    return buffer.getvalue()


FOREIGN = {
    "this is a pickle": (pickle.dumps([1, 2]), "is a pickle, which can run any program"),
    "mnist.pkl.gz": (gzip.compress(pickle.dumps([1], 2)), "is a pickle"),
    "a.7z": (b"7z\xbc\xaf\x27\x1c" + bytes(99), "is a 7z archive; unpack it"),
    "a.rar": (b"Rar!\x1a\x07\x01", "is a RAR archive"),
    "a.xlsx": (zip_bytes({"xl/workbook.xml": b""}), "is a spreadsheet; save it as CSV"),
    "a.ods": (zip_bytes({"content.xml": b""}), "save it as CSV"),
    "a.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "spreadsheet"),
    "training.pt": (zip_bytes({"training/data.pkl": b""}), "is PyTorch's"),
    "a.tar": (tar_bytes(), "is a tar archive"),
    "a.tar.gz": (gzip.compress(tar_bytes()), "is a tar archive"),
    "a.json": (b'{"a": 1}', "is JSON; save it as CSV"),
    "a.sqlite": (b"SQLite format 3\0" + bytes(99), "SQLite"),
    "a.mat": (b"MATLAB 7.3 MAT-file" + bytes(200), "save it with -v7"),
    "a.csv.zst": (b"\x28\xb5\x2f\xfd" + bytes(99), "packed by zstd"),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("load", [load_train, load_test])
def test_what_is_not_read_is_told_by_what_it_looks_like(tmp_path, name, load):
    content, expected = FOREIGN[name]
    path = put(tmp_path, content, name)
    message = refused(load, path)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert "--data takes Kaggle's files, CSV, IDX" in message


def test_a_folder_of_nothing_is_told_what_it_holds(tmp_path):
    put(tmp_path, b"", "notes.txt")
    message = refused(load_train, str(tmp_path))
    assert message.startswith(f"{tmp_path}: holds no digits that are known (notes.txt); --data")


def test_pictures_without_classes_are_not_trained_on(tmp_path):
    put(tmp_path, format_writers.png(IMAGES[0]), "x.png")
    for path in (tmp_path, tmp_path / "x.png"):
        assert "put those of each digit into a folder of its name" in refused(load_train, str(path))


# --- bad input


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


OBJECTS = np.array([{}, {}], object)
NAN = IMAGES.astype(np.float32)
NAN[1, 2, 3] = np.nan
BAD_ARRAYS = {
    "no labels": (npz(x_train=IMAGES), "has digits without labels; training needs both"),
    "no images": (npz(y_train=LABELS), "has no x_train.npy; it holds y_train.npy"),
    "another size": (npz(x_train=IMAGES[:, :9], y_train=LABELS), "has the shape [50, 9, 28]"),
    "objects": (npz(x_train=OBJECTS, y_train=LABELS), "holds Python objects"),
    "nan": (npz(x_train=NAN, y_train=LABELS), "digit 2, pixel 59: is nan where a number"),
    "above": (npz(x_train=IMAGES * 2.0, y_train=LABELS), "where a number from 0 to 255"),
    "label 12": (npz(x_train=IMAGES, y_train=LABELS + 3), "label 36 is 10, not a digit"),
    "other count": (npz(x_train=IMAGES, y_train=LABELS[:9]), "has 9 labels for 50 digits"),
    "empty": (npz(x_train=IMAGES[:0], y_train=LABELS[:0]), "has the shape [0, 28, 28]"),
    "text": (npz(x_train=IMAGES.astype(str), y_train=LABELS), "not the numbers of pixels"),
    "several": (npz(x_train=IMAGES, train_images=IMAGES), "has several arrays for the same"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_wrong_arrays(tmp_path, case):
    content, expected = BAD_ARRAYS[case]
    path = put(tmp_path, content, "mnist.npz")
    message = refused(load_train, path)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert [each.name for each in tmp_path.iterdir()] == ["mnist.npz"]


def test_an_array_that_lies_about_its_size(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    content = (tmp_path / "x.npy").read_bytes()
    longer = content.replace(b"(50, 28, 28)", b"(9**9,28,28)")
    assert len(longer) == len(content)
    assert "is no whole .npy file" in refused(load_test, put(tmp_path, longer, "x.npy"))
    huge = content.replace(b"(50, 28, 28)", b"(50000000,8)").replace(b"|u1", b"<u8")
    assert "claims more" in refused(load_test, put(tmp_path, huge, "x.npy"))
    more = content.replace(b"(50, 28, 28)", b"(51, 28, 28)")
    assert "is cut off, 39,200 bytes of 39,984" in refused(load_test, put(tmp_path, more, "x.npy"))
    cut = content[:-5]
    assert "is cut off" in refused(load_test, put(tmp_path, cut, "x.npy"))


def test_wrong_columns_of_the_hub(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    def write(**columns):
        parquet.write_table(pa.table(columns), tmp_path / "x.parquet")
        return refused(load_train, str(tmp_path / "x.parquet"))

    picture = {"bytes": format_writers.png(IMAGES[0]), "path": None}
    small = {"bytes": format_writers.png(IMAGES[0, :9]), "path": None}
    assert "row 2: has no picture" in write(
        image=[picture, {"bytes": None, "path": "a.png"}], label=[1, 2]
    )
    assert "row 1: has a picture of 28 x 9, not 28 x 28" in write(image=[small], label=[1])
    assert "row 2: its picture is broken" in write(
        image=[picture, {"bytes": picture["bytes"][:70], "path": None}], label=[1, 2]
    )
    assert "label 2 is 12, not a digit" in write(image=[picture] * 2, label=[1, 12])
    assert "row 2 has no label" in write(image=[picture] * 2, label=[1, None])
    assert "its column image is of the type int64" in write(image=[1], label=[1])
    assert "has digits without labels" in write(image=[picture])
    assert "column 'pixel0' and 783 more are missing" in write(a=[1])
    data = format_writers.frame(IMAGES[:2], LABELS[:2]).astype("Int64")
    data.loc[1, "pixel3"] = pd.NA
    data.to_parquet(tmp_path / "x.parquet")
    message = refused(load_train, str(tmp_path / "x.parquet"))
    assert "column pixel3: is empty in row 2" in message


MUTATED = [
    "arff", "parquet_table", "feather", "hub_file", "keras", "emnist_mat", "h5_like_usps", "libsvm",
    "xz", "bz", "scaled", "quoted", "german_excel", "with_image_id",
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One small file of each kind, as bytes."""
    contents = {}
    for name in MUTATED:
        path = getattr(format_writers, name)(tmp_path_factory.mktemp(name), IMAGES[:9], LABELS[:9])
        contents[name] = (path.name, path.read_bytes())
    return contents


@pytest.mark.parametrize("name", MUTATED)
@settings(
    max_examples=examples(25),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(mutations=st.lists(MUTATION, min_size=1, max_size=3))
def test_damaged_files_give_digits_or_one_line(tmp_path, whole, name, mutations):
    base, content = whole[name]
    path = put(tmp_path, mutated(content, mutations), base)
    try:
        dataset = load_train(path)
    except UserError as error:
        assert str(error).startswith(path)
        assert str(error).isprintable()
        assert len(str(error)) < 700
    else:
        assert dataset.images_NxHxW.shape[1:] == (28, 28)
        assert 0 <= dataset.labels_N.min() <= dataset.labels_N.max() <= 9
    assert [each.name for each in tmp_path.iterdir()] == [base]


PACK = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lambda content: lzma.compress(content, preset=0),
    "npz": lambda content: zip_bytes({"x_train.npy": content, "y_train.npy": b""}),
}


@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_is_refused_before_it_goes_off(tmp_path, monkeypatch, kind):
    header = ",".join(format_writers.PIXELS).encode() + b"\n"
    content = b"\x93NUMPY" if kind == "npz" else header
    monkeypatch.setattr(bounded, "MAX_BYTES", 2**22)
    path = put(tmp_path, PACK[kind](content + bytes(5 * 2**20)), f"x.{kind}")
    load = load_train if kind == "npz" else load_test
    assert "holds more than the 4,194,304 bytes allowed" in refused(load, path)


def test_a_bomb_of_matlab(tmp_path, monkeypatch):
    from scipy.io import savemat

    path = tmp_path / "x.mat"
    savemat(path, {"data": np.zeros((784, 9000), np.uint8)}, do_compression=True)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(bounded, "MAX_BYTES", 2**22)
    assert "holds more than the 4,194,304 bytes allowed" in refused(load_train, str(path))


def test_a_bomb_of_hdf5(tmp_path, monkeypatch):
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        shape = (9000, 784)
        file.create_dataset("train/data", shape, np.uint8, compression="gzip", chunks=(100, 784))
    monkeypatch.setattr(bounded, "MAX_BYTES", 2**22)
    message = refused(load_train, str(tmp_path / "x.h5"))
    assert "train/data: holds more than the 4,194,304 bytes allowed" in message


def test_a_bomb_of_parquet(tmp_path):
    """Two million rows of zeros in a few kilobytes; their pixels would take 1.5 GB."""
    import pyarrow as pa
    import pyarrow.feather
    from pyarrow import parquet

    column = pa.array(np.zeros(2_000_000, np.uint8))
    parquet.write_table(pa.table({"label": column}), tmp_path / "x.parquet")
    pa.feather.write_feather(pa.table({"label": column}), tmp_path / "x.feather")
    for name in ("x.parquet", "x.feather"):
        message = refused(load_train, str(tmp_path / name))
        assert "2,000,000 rows, more than the 1,369,568 allowed" in message


def arrow_file(columns, compression, dictionary=False, stream=False, rows=400):
    import pyarrow as pa

    table = pa.table(columns)
    if dictionary:
        table = pa.table({name: table[name].dictionary_encode() for name in table.column_names})
    sink, options = io.BytesIO(), pa.ipc.IpcWriteOptions(compression=compression)
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return table, sink.getvalue()


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_what_an_arrow_file_unpacks_to_is_known_before(compression, dictionary):
    columns = {f"pixel{k}": np.arange(1000) % (k + 2) for k in range(9)}
    columns["label"] = np.array(["a", "bc"] * 500)
    for stream in (False, True):
        table, content = arrow_file(columns, compression, dictionary, stream)
        start = 0 if stream else arrow._PADDED
        rows, size = arrow_messages.unpacked(content[start:])
        assert rows == 1000
        # Of a table in pieces pyarrow counts the offsets of its text otherwise; buffers are padded.
        dictionaries = 2**14 * dictionary
        assert table.nbytes - dictionaries <= size <= table.nbytes + 2**13 + dictionaries


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_bomb_of_feather(tmp_path, monkeypatch, compression):
    columns = dict.fromkeys(format_writers.PIXELS, np.zeros(9001, np.int64))
    _, content = arrow_file(columns, compression, rows=9001)
    assert len(content) < 2**19
    path = put(tmp_path, content, "x.feather")
    monkeypatch.setattr(bounded, "MAX_BYTES", 2**25)
    message = refused(load_test, path)
    assert "56,454,272 bytes unpacked, more than the 33,554,432 allowed" in message
    # And one that claims what it has not got, which pyarrow would ask the system for.
    monkeypatch.undo()
    size = (8 * 9001).to_bytes(8, "little")
    assert content.count(size) == 784
    claimed = content.replace(size, (2**50).to_bytes(8, "little"), 1)
    assert "more than the 1,073,741,824 allowed" in refused(
        load_test, put(tmp_path, claimed, "x.feather")
    )


def test_a_feather_without_its_end_is_no_whole_file(tmp_path):
    """Its rows up to there would be a stream without fault."""
    _, content = arrow_file({name: np.arange(900) for name in format_writers.PIXELS}, "lz4")
    path = put(tmp_path, content[: content.rindex(b"\xff\xff\xff\xff\0\0\0\0")], "x.feather")
    assert "its end is missing" in refused(load_test, path)


def test_a_picture_that_is_repeated_is_held_once(tmp_path):
    """A batch of five hundred times the same 100 kB would take 50 MB, and a file says it in 100."""
    import pyarrow as pa
    from pyarrow import parquet

    image = {"bytes": np.random.default_rng(0).bytes(100_000), "path": None}
    columns = {"image": [image] * 500, "label": [1] * 500}
    parquet.write_table(pa.table(columns), tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    assert len(content) < 300_000
    _, batches = arrow._opened(content)
    assert next(batches).nbytes < 300_000
    assert "row 1: its picture is broken" in refused(load_train, str(tmp_path / "x.parquet"))


# --- what is told of the formats


def test_every_format_is_in_the_help_and_in_the_docs():
    help_text = subprocess.run(
        [sys.executable, ROOT / "run_train.py", "--help"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    ).stdout  # fmt: skip
    docs = (ROOT / "docs" / "howto" / "formats.md").read_text()
    # Lines of the help break at spaces and hyphens.
    flat = re.sub(r"\s+", "", help_text)
    for format in formats.FORMATS:
        assert re.sub(r"\s+", "", format.what) in flat
    assert formats.table() in docs
    assert "docs/howto/formats.md" in (ROOT / "README.md").read_text()
