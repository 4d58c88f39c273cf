import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lenet_jax.data import bounded, load_test, load_train
from lenet_jax.errors import UserError
from support.digit_files import digits, examples, idx_bytes, idx_folder, refused

IMAGES, LABELS = digits(12)
IMAGES_NAME = "train-images-idx3-ubyte"
LABELS_NAME = "train-labels-idx1-ubyte"


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dash", ["-", "."])
@pytest.mark.parametrize("prefix", ["", "other-"])
def test_train_and_test_are_read(tmp_path, zipped, dash, prefix):
    idx_folder(tmp_path, IMAGES, LABELS, "train", prefix, dash, zipped)
    idx_folder(tmp_path, IMAGES[:5], LABELS[:5], "t10k", prefix, dash, zipped)
    for dataset, rows in ((load_train(str(tmp_path)), 12), (load_test(str(tmp_path)), 5)):
        np.testing.assert_array_equal(dataset.images_NxHxW, IMAGES[:rows])
        np.testing.assert_array_equal(dataset.labels_N, LABELS[:rows])
        assert dataset.source == "idx"


def test_emnist_is_turned_upright_and_its_digits_are_chosen(tmp_path):
    turned = IMAGES.transpose(0, 2, 1)
    idx_folder(tmp_path, turned, LABELS, "train", "emnist-digits-", zipped=True)
    idx_folder(tmp_path, turned, LABELS + 12, "train", "emnist-letters-", zipped=True)
    idx_folder(tmp_path, turned, LABELS, "test", "emnist-digits-", zipped=True)
    for dataset in (load_train(str(tmp_path)), load_test(str(tmp_path))):
        np.testing.assert_array_equal(dataset.images_NxHxW, IMAGES)
        np.testing.assert_array_equal(dataset.labels_N, LABELS)


def test_a_plain_file_goes_before_its_gzipped_twin(tmp_path):
    idx_folder(tmp_path, IMAGES, LABELS)
    idx_folder(tmp_path, IMAGES[:1], LABELS[:1], zipped=True)
    assert len(load_train(str(tmp_path))) == 12


def test_several_data_sets(tmp_path):
    idx_folder(tmp_path, IMAGES, LABELS, prefix="a-")
    idx_folder(tmp_path, IMAGES, LABELS, prefix="b-")
    assert refused(load_train, str(tmp_path)).startswith(f"{tmp_path}: holds several data sets (a-")


def test_a_missing_file(tmp_path):
    idx_folder(tmp_path, IMAGES, LABELS)
    message = refused(load_test, str(tmp_path))
    assert message == f"{tmp_path}: has no t10k-images-idx3-ubyte[.gz]; add it"
    (tmp_path / LABELS_NAME).unlink()
    message = refused(load_train, str(tmp_path))
    assert message == f"{tmp_path}: has no train-labels-idx1-ubyte[.gz]; add it"


GOOD = idx_bytes(IMAGES)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (GOOD[:3], "is cut off in its header of 16 bytes"),
        (GOOD[:16], "is cut off in item 1 of 12"),
        (GOOD[:-1], "is cut off in item 12 of 12"),
        (GOOD[: 16 + 784 * 7 + 5], "is cut off in item 8 of 12"),
        (GOOD + b"\0", "goes on after its 12 items"),
        (idx_bytes(LABELS) + bytes(16), "begins with the number 0x00000801 where 0x00000803 must"),
        (b"label,pixel0,pixel1", "begins with the number 0x6c616265 where"),
        (idx_bytes(np.zeros((2, 32, 32))), "has images of 32 x 32 pixels, not 28 x 28"),
        (idx_bytes(IMAGES[:0]), "holds no items"),
        # A header that claims 4 GB, and 16 bytes of it.
        (GOOD[:4] + b"\x00\x51\x00\x00" + GOOD[8:16], "claims 5,308,416 items of 784 bytes"),
        (GOOD[:4] + b"\xff\xff\xff\xff" + GOOD[8:16], "claims 4,294,967,295 items of 784 bytes"),
        # Claims a little less than the most that is allowed.
        (GOOD[:4] + b"\x00\x14\x00\x00" + GOOD[8:16], "is cut off in item 1 of 1,310,720"),
    ],
)
def test_wrong_images(tmp_path, content, expected, pack):
    idx_folder(tmp_path, IMAGES, LABELS)
    (tmp_path / IMAGES_NAME).write_bytes(pack(content))
    message = refused(load_train, str(tmp_path))
    assert message.startswith(f"{tmp_path}/{IMAGES_NAME}: {expected}")


def test_wrong_labels(tmp_path):
    idx_folder(tmp_path, IMAGES, LABELS)
    location = f"{tmp_path}/{LABELS_NAME}: "
    (tmp_path / LABELS_NAME).write_bytes(idx_bytes(LABELS[:5]))
    expected = f"{location}has 5 labels for 12 images; get both files from the same place"
    assert refused(load_train, str(tmp_path)) == expected
    wrong = LABELS.copy()
    wrong[7] = 12
    (tmp_path / LABELS_NAME).write_bytes(idx_bytes(wrong))
    expected = f"{location}label 8 is 12, not a digit from 0 to 9"
    assert refused(load_train, str(tmp_path)).startswith(expected)


def test_a_gzip_cut_off(tmp_path):
    idx_folder(tmp_path, IMAGES, LABELS, zipped=True)
    path = tmp_path / f"{IMAGES_NAME}.gz"
    path.write_bytes(path.read_bytes()[:-30])
    expected = f"{path}: damaged or cut off, not a whole gzip file"
    assert refused(load_train, str(tmp_path)).startswith(expected)


def test_a_file_above_the_bound_is_not_read(tmp_path, monkeypatch):
    idx_folder(tmp_path, IMAGES, LABELS)
    monkeypatch.setattr(bounded, "MAX_BYTES", 1000)
    assert "more than the 1,000 allowed" in refused(load_train, str(tmp_path))


@settings(
    max_examples=examples(100),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    at=st.integers(0, len(GOOD)),
    piece=st.binary(max_size=6),
    gap=st.integers(0, 6),
    zipped=st.booleans(),
)
def test_mutated_images_are_read_right_or_refused_in_one_line(tmp_path, at, piece, gap, zipped):
    idx_folder(tmp_path, IMAGES, LABELS)
    good = gzip.compress(GOOD, 1, mtime=0) if zipped else GOOD
    at = min(at, len(good))
    content = good[:at] + piece + good[at + gap :]
    (tmp_path / IMAGES_NAME).write_bytes(content)
    try:
        dataset = load_train(str(tmp_path))
    except UserError as error:
        assert str(error).startswith(f"{tmp_path}/")
        assert str(error).isprintable()
        return
    # What is not in a header is a pixel, whatever its value.
    expected = IMAGES if zipped else np.frombuffer(content[16:], np.uint8).reshape(-1, 28, 28)
    np.testing.assert_array_equal(dataset.images_NxHxW, expected)
