import gzip
import io
import struct
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lenet_jax.data import bounded, load_test, load_train, sample_submission
from lenet_jax.errors import UserError
from support.digit_files import (
    MUTATION,
    csv_bytes,
    digits,
    examples,
    mutated,
    put,
    refused,
    same,
    table,
    zip_bytes,
)

IMAGES, LABELS = digits(3)
TRAIN = csv_bytes(table(IMAGES, LABELS))
TEST = csv_bytes(table(IMAGES[::-1]))


@pytest.mark.parametrize("zipped_name", ["train.csv", "inner/train.csv", "a\\b\\train.csv"])
def test_zip_members_are_found_by_base_name(tmp_path, zipped_name):
    members = {zipped_name: TRAIN, "x/test.csv": TEST, "sample_submission.csv": b"ImageId,Label\n"}
    path = put(tmp_path, zip_bytes(members), "digit-recognizer.zip")
    same(load_train(path), IMAGES, LABELS)
    same(load_test(path), IMAGES[::-1], None)
    assert load_test(path).name == f"{path}: test.csv"
    assert sample_submission(path) == b"ImageId,Label\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "digit-recognizer.zip"]
    # The same from the folder that the zip lies in.
    same(load_train(str(tmp_path)), IMAGES, LABELS)
    assert sample_submission(str(tmp_path)) == b"ImageId,Label\n"


@pytest.mark.parametrize("pack", ["plain", "gzip", "zip"])
def test_folder_of_csvs(tmp_path, pack):
    for name, content in {"train.csv": TRAIN, "test.csv": TEST}.items():
        if pack == "gzip":
            put(tmp_path, gzip.compress(content), f"{name}.gz")
        elif pack == "zip":
            put(tmp_path, zip_bytes({name: content}), f"{name}.zip")
        else:
            put(tmp_path, content, name)
    same(load_train(str(tmp_path)), IMAGES, LABELS)
    same(load_test(str(tmp_path)), IMAGES[::-1], None)
    assert sample_submission(str(tmp_path)) is None


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz", "train.zip"])
@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lambda content: zip_bytes({"train.csv": content})]
)
def test_content_counts_and_not_the_name(tmp_path, name, pack):
    same(load_train(put(tmp_path, pack(TRAIN), name)), IMAGES, LABELS)


def test_a_zip_without_what_is_asked(tmp_path):
    path = put(tmp_path, zip_bytes({"a/test.csv": TEST, "notes\n.txt": b""}), "digits.zip")
    message = refused(load_train, path)
    assert message == f"{path}: has no train.csv; it holds a/test.csv, 'notes\\n.txt'"
    path = put(tmp_path, zip_bytes({}), "empty.zip")
    assert refused(load_test, path) == f"{path}: has no test.csv; it holds nothing"


def test_a_page_in_place_of_the_zip(tmp_path):
    path = put(tmp_path, b"\n<!DOCTYPE html><title>Sign in</title>", "digit-recognizer.zip")
    assert refused(load_train, path).startswith(f"{path}: is a web page")


def test_a_folder_without_what_is_asked(tmp_path):
    put(tmp_path, TRAIN)
    for number in range(9):
        put(tmp_path, b"", f"{number}.txt")
    assert refused(load_test, str(tmp_path)).startswith(
        f"{tmp_path}: has no test.csv and no digit-recognizer.zip; it holds 0.txt, 1.txt, "
    )
    assert refused(load_test, str(tmp_path)).endswith("7.txt and 2 more")


def test_two_members_of_one_name(tmp_path):
    path = put(tmp_path, zip_bytes({"a/train.csv": TRAIN, "b/train.csv": TRAIN}), "digits.zip")
    assert "train.csv: the zip holds 2 files of this name" in refused(load_train, path)


@pytest.mark.parametrize("keep", [4, 30, 1000, -1, -20])
def test_a_zip_cut_off(tmp_path, keep):
    path = put(tmp_path, zip_bytes({"train.csv": TRAIN})[:keep], "digits.zip")
    assert refused(load_train, path).startswith(f"{path}: damaged or cut off, not a whole zip file")


def test_a_zip_with_a_flipped_bit(tmp_path):
    content = bytearray(zip_bytes({"train.csv": TRAIN}))
    content[len(content) // 2] ^= 1
    path = put(tmp_path, bytes(content), "digits.zip")
    assert "damaged or cut off" in refused(load_train, path)


@pytest.mark.parametrize("keep", [3, 10, 500, -1, -8])
def test_a_gzip_cut_off(tmp_path, keep):
    path = put(tmp_path, gzip.compress(TRAIN)[:keep], "train.csv.gz")
    message = refused(load_train, path)
    assert message.startswith(f"{path}: damaged or cut off, not a whole gzip file")


def test_an_encrypted_zip(tmp_path):
    content = bytearray(zip_bytes({"train.csv": TRAIN}))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path = put(tmp_path, bytes(content), "digits.zip")
    assert refused(load_train, path).startswith(f"{path}: train.csv: is encrypted; unzip it")


def test_an_unusual_packing_is_not_tried(tmp_path):
    path = put(tmp_path, zip_bytes({"train.csv": TRAIN}, zipfile.ZIP_LZMA), "digits.zip")
    assert "train.csv: is packed by an unusual method" in refused(load_train, path)


def bomb(megabytes):
    buffer = io.BytesIO()
    piece = bytes(2**20)
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("train.csv", "w") as member,
    ):
        for _ in range(megabytes):
            member.write(piece)
    return buffer.getvalue()


def test_a_bomb_is_refused_before_it_goes_off(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "MAX_BYTES", 2**22)
    path = put(tmp_path, bomb(5), "digits.zip")
    expected = "train.csv: holds more than the 4,194,304 bytes allowed"
    assert expected in refused(load_train, path)
    # A directory that lies about the size of the member.
    content = bytearray(bomb(5))
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 1000)
    path = put(tmp_path, bytes(content), "liar.zip")
    assert "damaged or cut off" in refused(load_train, path)
    path = put(tmp_path, gzip.compress(bytes(5 * 2**20)), "train.csv.gz")
    assert f"{path}: holds more than the 4,194,304 bytes" in refused(load_train, path)
    path = put(tmp_path, bytes(5 * 2**20), "train.csv")
    assert "more than the 4,194,304 allowed" in refused(load_train, path)


def test_a_zip_of_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "MAX_MEMBERS", 3)
    path = put(tmp_path, zip_bytes(dict.fromkeys("abcd", b"")), "digits.zip")
    assert refused(load_train, path).startswith(f"{path}: a zip of more than 3 files")


@pytest.mark.parametrize(
    "good",
    [gzip.compress(TRAIN), zip_bytes({"train.csv": TRAIN, "x/y": b"z"})],
    ids=["gzip", "zip"],
)
@settings(
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(mutations=st.lists(MUTATION, min_size=1, max_size=3))
def test_a_mutated_archive_is_read_right_or_refused_in_one_line(tmp_path, good, mutations):
    path = put(tmp_path, mutated(good, mutations), "digits.bin")
    try:
        same(load_train(path), IMAGES, LABELS)
    except UserError as error:
        assert str(error).startswith(path)
        assert str(error).isprintable()
    assert len(list(tmp_path.iterdir())) == 1


@settings(
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08"]), st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_in_one_line(tmp_path, start, content):
    assert refused(load_train, put(tmp_path, start + content, "digits.bin"))
