import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lenet_jax.errors import UserError
from lenet_jax.submission import writer
from support.digit_files import examples, refused

GOOD = b"ImageId,Label\n1,7\n2,0\n3,9\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "submission.csv"


def test_written_as_kaggle_wants_it(path):
    writer.write(path, np.array([7, 0, 9], np.int32))
    assert path.read_bytes() == GOOD
    np.testing.assert_array_equal(writer.validate(path, 3, GOOD), [7, 0, 9])
    assert list(path.parent.iterdir()) == [path]


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 9), min_size=1, max_size=200))
def test_what_is_written_is_read_back(path, labels):
    writer.write(str(path), np.array(labels))
    np.testing.assert_array_equal(writer.validate(str(path), len(labels)), labels)


@pytest.mark.parametrize(
    "labels", [[], [[1, 2]], [1.0, 2.0], [1, 10], [-1, 1], [True, False]], ids=str
)
def test_other_labels_are_never_written(path, labels):
    with pytest.raises(ValueError, match="labels must"):
        writer.write(path, np.array(labels))
    assert not path.exists()


def test_places_that_take_no_file(path):
    labels = np.array([1, 2, 3])
    assert "is a folder" in refused(writer.write, path.parent, labels)
    missing = path.parent / "missing" / "submission.csv"
    assert "its folder does not exist" in refused(writer.write, missing, labels)
    assert list(path.parent.iterdir()) == []


def test_what_kaggle_would_refuse_does_not_replace_what_it_takes(path):
    writer.write(path, np.array([7, 0, 9]), sample_submission=GOOD)
    line = refused(writer.write, path, np.array([1, 2]), sample_submission=GOOD)
    assert "has 2 rows where Kaggle's sample_submission.csv has 3" in line
    assert path.read_bytes() == GOOD


@pytest.mark.parametrize(
    "content", [GOOD[:-1], GOOD.replace(b"\n", b"\r\n"), GOOD.replace(b"\n", b"\r\n")[:-2]]
)
def test_line_ends_do_not_matter(path, content):
    path.write_bytes(content)
    assert writer.validate(path).tolist() == [7, 0, 9]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "line 1: the header must be ImageId,Label"),
        (b"1,7\n2,0\n", "line 1: the header must be ImageId,Label"),
        (b"Label,ImageId\n7,1\n", "line 1: the header must be"),
        (b"ImageId,Label\n", "holds no rows below its header"),
        (b"ImageId,Label\n0,7\n1,0\n", "line 2: '0,7' is not an id and a digit"),
        (b"ImageId,Label\n2,7\n1,0\n", "line 2: the id is 2 where 1 must stand"),
        (b"ImageId,Label\n1,7\n1,0\n", "line 3: the id is 1 where 2 must stand"),
        (b"ImageId,Label\n1,7\n3,0\n", "line 3: the id is 3 where 2 must stand"),
        (b"ImageId,Label\n1,12\n", "line 2: the label is 12, not a digit from 0 to 9"),
        (b"ImageId,Label\n1,7.0\n", "line 2: '1,7.0' is not"),
        (b"ImageId,Label\n1,\n", "line 2: '1,' is not"),
        (b"ImageId,Label\n1,7\n\n2,0\n", "line 3: '' is not"),
        (b"ImageId,Label\n1,7\n2,0\n\n", "line 4: '' is not"),
        (b"ImageId,Label\n01,7\n", "line 2: '01,7' is not"),
        (b"ImageId,Label\n1,7,7\n", "line 2: '1,7,7' is not"),
        (b"ImageId,Label\n1,\xff\n", "line 2: '1,\\\\xff' is not"),
        (b"ImageId,Label\n\xd9\xa1,7\n", "line 2: "),
    ],
)
def test_what_kaggle_would_refuse(path, content, expected):
    path.write_bytes(content)
    assert refused(writer.validate, path).startswith(f"{path}: {expected}")


def test_another_number_of_rows(path):
    path.write_bytes(GOOD)
    expected = f"{path}: has 3 rows for 28,000 images; predict again"
    assert refused(writer.validate, path, 28_000) == expected
    message = refused(writer.validate, path, 3, GOOD + b"4,0\n")
    assert "has 3 rows where Kaggle's sample_submission.csv has 4" in message
    message = refused(writer.validate, path, 3, GOOD.replace(b"3,9", b"4,9"))
    assert message.startswith("sample_submission.csv: line 4: the id is 4 where 3 must stand")


def test_what_is_no_file(path, monkeypatch):
    assert refused(writer.validate, path) == f"{path}: no such file"
    assert refused(writer.validate, path.parent) == f"{path.parent}: is not a file"
    assert "\\x00" in refused(writer.validate, f"{path}\0")
    path.write_bytes(GOOD)
    monkeypatch.setattr(writer, "MAX_BYTES", 10)
    assert "more than 10 bytes" in refused(writer.validate, path)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60)
    | st.builds(
        lambda at, piece, gap: GOOD[:at] + piece + GOOD[at + gap :],
        st.integers(0, len(GOOD)),
        st.binary(max_size=4) | st.sampled_from([b"\n", b"\r\n", b",", b"1", b" "]),
        st.integers(0, 4),
    )
)
def test_anything_is_a_submission_or_one_line(path, content):
    path.write_bytes(content)
    try:
        labels = writer.validate(path)
    except UserError as error:
        assert str(error).startswith(f"{path}: ")
        assert str(error).isprintable()
        return
    text = content.decode().replace("\r\n", "\n").rstrip("\r\n")
    assert text == "ImageId,Label\n" + "\n".join(f"{i},{d}" for i, d in enumerate(labels, 1))


def test_probabilities_come_back_as_they_were(path):
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.full(10, 0.05), 500).astype(np.float32)
    probabilities[0] = [1, 0, 1e-38, 1e-45, 0.1, 1 / 3, 0.5, 1e-7, 0.25, 0.125]
    writer.write_probabilities(path, probabilities)
    header, *lines = path.read_text().splitlines()
    assert header == "ImageId,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9"
    assert lines[0] == "1,1.0,0.0,1e-38,1e-45,0.1,0.33333334,0.5,1e-07,0.25,0.125"
    rows = np.array([line.split(",") for line in lines])
    np.testing.assert_array_equal(rows[:, 0].astype(int), np.arange(1, 501))
    np.testing.assert_array_equal(rows[:, 1:].astype(np.float32), probabilities)


def test_broken_probabilities_are_never_written(path):
    table = np.full((3, 10), 0.1)
    table[1, 4] = np.nan
    message = refused(writer.write_probabilities, path, table)
    assert "the probabilities of image 2 are not finite" in message
    for wrong in (np.full((3, 10), 1.5), np.full(10, 0.1)):
        with pytest.raises(ValueError, match="probabilities must"):
            writer.write_probabilities(path, wrong)
    assert not path.exists()


def test_the_least_confident_come_first(path):
    rng = np.random.default_rng(0)
    table_NxK = rng.dirichlet(np.ones(10), 30).astype(np.float32)
    writer.write_doubtful(str(path), table_NxK, rows=12)
    header, *rows = path.read_text().splitlines()
    assert header == "ImageId,Label,probability,SecondLabel,second_probability"
    assert len(rows) == 12
    least = np.sort(table_NxK.max(axis=1))[:12]
    for row, expected in zip(rows, least, strict=True):
        image, label, first, second, other = row.split(",")
        of_image = table_NxK[int(image) - 1]
        assert abs(of_image[int(label)] - expected) < 1e-6
        assert abs(float(first) - expected) < 1e-4
        assert abs(float(other) - np.sort(of_image)[-2]) < 1e-4
        assert of_image[int(second)] == np.sort(of_image)[-2]
