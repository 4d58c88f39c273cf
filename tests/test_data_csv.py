import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenet_jax.data import csv_table, load_test, load_train, sample_submission
from lenet_jax.errors import UserError
from support.digit_files import (
    MUTATION,
    PIXELS,
    csv_bytes,
    digits,
    examples,
    mutated,
    put,
    refused,
    same,
    table,
)

IMAGES, LABELS = digits(3)
TRAIN = csv_bytes(table(IMAGES, LABELS))
TEST = csv_bytes(table(IMAGES[::-1]))


def edited(row, column, cell):
    """train.csv with one cell changed; the line of row 0 is 2."""
    columns = table(IMAGES, LABELS)
    columns[column][row] = cell
    return csv_bytes(columns)


# --- what is read right


@settings(max_examples=examples(60))
@given(
    rows=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    labelled=st.booleans(),
    form=st.fixed_dictionaries(
        {
            "end": st.sampled_from(["\n", "\r\n"]),
            "final": st.booleans(),
            "bom": st.booleans(),
            "quote": st.booleans(),
        }
    ),
)
def test_columns_are_found_by_name_in_any_order_and_form(rows, seed, labelled, form):
    images_NxHxW, labels_N = digits(rows, seed)
    columns = table(images_NxHxW, labels_N if labelled else None)
    names = np.random.default_rng(seed).permutation(list(columns)).tolist()
    content = csv_bytes({name: columns[name] for name in names}, **form)
    read_NxHxW, read_N = csv_table.parse(content, "train.csv")
    np.testing.assert_array_equal(read_NxHxW, images_NxHxW)
    assert read_NxHxW.flags.c_contiguous
    assert (read_N is not None) == labelled
    if labelled:
        np.testing.assert_array_equal(read_N, labels_N)


def test_every_value_of_a_pixel_is_read():
    images_NxHxW = np.arange(256 * 784).astype(np.uint8).reshape(-1, 28, 28)
    read_NxHxW, _ = csv_table.parse(csv_bytes(table(images_NxHxW)), "")
    np.testing.assert_array_equal(read_NxHxW, images_NxHxW)


@pytest.mark.parametrize("offset", [2**18 - 2, 2**18 - 1, 2**18, 2**18 + 1])
def test_a_value_is_refused_across_the_windows_of_the_check(offset):
    # 300 in the text at `offset`, whatever the window it falls into.
    content = bytearray(b"," * (2**18 + 100))
    content[offset : offset + 3] = b"255"
    assert not csv_table._has_above_255(bytes(content), 0)
    content[offset : offset + 3] = b"300"
    assert csv_table._has_above_255(bytes(content), 0)
    content[offset : offset + 4] = b"1000"
    assert csv_table._has_above_255(bytes(content), 0)


def test_every_number_of_up_to_four_figures_is_known_to_be_in_range_or_not():
    for number in range(10_000):
        assert csv_table._has_above_255(b"1,%d,1\n" % number, 0) == (number > 255)


def test_a_labelled_csv_may_be_predicted(tmp_path):
    same(load_test(put(tmp_path, TRAIN)), IMAGES, LABELS)


def test_sample_submission_of_a_single_file(tmp_path):
    assert sample_submission(put(tmp_path, TEST, "test.csv")) is None
    assert sample_submission(put(tmp_path, b"abc", "sample_submission.csv")) == b"abc"


# --- what is refused, and where


@pytest.mark.parametrize(
    ("cell", "seen"),
    [
        ("300", "300"),
        ("256", "256"),
        ("356", "356"),
        ("-1", "-1"),
        ("3.7", "3.7"),
        ("1e2", "1e2"),
        ("NaN", "NaN"),
        ("", "empty"),
        (" ", "empty"),
        (" 5", " 5"),
        ('"5"', '"5"'),
        ("True", "True"),
        ("0005", "0005"),
        ("9" * 30, "9" * 20 + "..."),
        ("1\x005", "'1\\x005'"),
        ("\u0664", "\u0664"),
    ],
)
def test_a_wrong_cell_is_named_by_line_and_column(tmp_path, cell, seen):
    path = put(tmp_path, edited(1, "pixel7", cell))
    expected = f"{path}: line 3, column pixel7: is {seen} where a whole number from 0 to 255 must"
    assert refused(load_train, path).startswith(expected)


@pytest.mark.parametrize("cell", ["12", "10", "255", "-1", "x", ""])
def test_a_wrong_label_is_named_by_line_and_column(tmp_path, cell):
    path = put(tmp_path, edited(2, "label", cell))
    expected = f"{path}: line 4, column label: is {cell or 'empty'} where a digit from 0 to 9 must"
    assert refused(load_train, path).startswith(expected)


def test_bytes_that_are_not_text(tmp_path):
    content = bytearray(TRAIN)
    content[TRAIN.index(b"\n") + 1] = 0xFF
    path = put(tmp_path, bytes(content))
    assert f"{path}: line 2, column label: is \\xff where" in refused(load_train, path)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ([*PIXELS[:5], *PIXELS[6:], "label"], "column 'pixel5' is missing"),
        (["label", *PIXELS[10:]], "column 'pixel0' and 9 more are missing"),
        (["label", *PIXELS, "id"], "column 'id' is neither label nor pixel0 to pixel783"),
        (["", "label", *PIXELS], "column '' is neither"),
        (["label", *PIXELS, "pixel9"], "column 'pixel9' is there twice"),
        (["ImageId", "Label"], "column 'pixel0' and 783 more are missing"),
        (["5", *["0"] * 785], "is a row of numbers; a header must"),
        (["label\x00", *PIXELS], "is not UTF-8 text"),
        (["x" * 2**17], "missing"),
    ],
)
def test_a_wrong_header(tmp_path, header, expected):
    columns = ",".join(header) + "\n" + ",".join(["1"] * len(header)) + "\n"
    path = put(tmp_path, columns.encode())
    message = refused(load_train, path)
    assert message.startswith(f"{path}: line 1: ")
    assert expected in message


def test_header_in_another_encoding(tmp_path):
    path = put(tmp_path, TRAIN.decode().encode("utf-16"))
    assert refused(load_train, path).startswith(f"{path}: line 1: is not UTF-8 text")


def test_lone_carriage_returns(tmp_path):
    path = put(tmp_path, TRAIN.replace(b"\r\n", b"\r"))
    assert "line 1: ends in a lone carriage return" in refused(load_train, path)


def test_a_row_cut_short(tmp_path):
    lines = TRAIN.split(b"\r\n")
    lines[2] = lines[2].rpartition(b",")[0]
    path = put(tmp_path, b"\r\n".join(lines))
    message = refused(load_train, path)
    assert message == f"{path}: line 3: is cut short, 784 values of 785; mend it"


def test_a_file_cut_short(tmp_path):
    path = put(tmp_path, TRAIN[:-900])
    expected = f"{path}: line 4: is cut short, "
    assert refused(load_train, path).startswith(expected)
    assert "perhaps the whole file is" in refused(load_train, path)


def test_a_row_too_long(tmp_path):
    lines = TRAIN.split(b"\r\n")
    # Every row is longer by one: pandas would take the first column for an index.
    path = put(tmp_path, b"\r\n".join([lines[0], *(line + b",1" for line in lines[1:-1])]))
    assert f"{path}: line 2: has 786 values where 785 are named" in refused(load_train, path)


def test_an_empty_line_between_rows(tmp_path):
    lines = TRAIN.split(b"\r\n")
    path = put(tmp_path, b"\r\n".join([*lines[:2], b"", *lines[2:]]))
    assert refused(load_train, path) == f"{path}: line 3: is empty; remove it"


def test_empty_lines_at_the_end_are_no_rows(tmp_path):
    for more in (b"\r\n\n\n", b"\n" * 4093, b"\n" * 10_000_000):
        same(load_train(put(tmp_path, TRAIN + more)), IMAGES, LABELS)


def test_an_empty_file(tmp_path):
    path = put(tmp_path, b"")
    assert refused(load_train, path) == f"{path}: is empty; get the file again"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\r\n"])
def test_a_header_and_nothing_else(tmp_path, end):
    path = put(tmp_path, TRAIN.split(b"\r\n")[0] + end)
    assert refused(load_train, path) == f"{path}: holds no rows below its header"


def test_rows_for_prediction_in_place_of_training(tmp_path):
    path = put(tmp_path, TEST, "test.csv")
    assert refused(load_train, path) == (
        f"{path}: line 1: has no column label, so these are test rows; training needs Kaggle's "
        "train.csv"
    )


# --- anything at all


def oracle(content):
    """What a CSV says, cell by cell, read as simply as can be."""
    header, *lines = content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n").split(b"\n")
    names = [name.strip() for name in header.decode().strip("\r").replace('"', "").split(",")]
    rows = [[int(float(cell)) for cell in line.strip(b"\r").split(b",")] for line in lines]
    columns = dict(zip(names, np.array(rows).T, strict=True))
    return np.stack([columns[name] for name in PIXELS], 1).reshape(-1, 28, 28), columns.get("label")


@settings(max_examples=examples(150))
@given(st.lists(MUTATION, min_size=1, max_size=3))
def test_a_mutated_csv_is_read_right_or_refused_in_one_line(mutations):
    content = mutated(TRAIN, mutations)
    try:
        images_NxHxW, labels_N = csv_table.parse(content, "train.csv")
    except UserError as error:
        assert str(error).startswith("train.csv: ")
        assert str(error).isprintable()
        return
    expected_NxHxW, expected_N = oracle(content)
    np.testing.assert_array_equal(images_NxHxW, expected_NxHxW)
    np.testing.assert_array_equal(labels_N, expected_N)
