"""Writes the files that digits come in, and tries what a user's mistake gives."""

import gzip
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from lenet_jax.errors import UserError

KAGGLE = Path(
    os.environ.get("LENET_JAX_KAGGLE_ZIP")
    or Path(__file__).parents[2] / ".." / "shared" / "kaggle" / "digit-recognizer.zip"
)
needs_kaggle = pytest.mark.skipif(
    not KAGGLE.is_file(), reason="set LENET_JAX_KAGGLE_ZIP to the path of Kaggle's zip"
)
PIXELS = [f"pixel{index}" for index in range(784)]


def examples(few):
    """Hypothesis examples of a property: a few, times what `make torture` asks for."""
    return few * int(os.environ.get("LENET_JAX_FUZZ", "1"))


def digits(rows, seed=0):
    generator = np.random.default_rng(seed)
    images_NxHxW = generator.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
    # Like real digits, with cells of one, two and three figures.
    images_NxHxW[generator.random(images_NxHxW.shape) < 0.6] = 0
    return images_NxHxW, (np.arange(rows) % 10).astype(np.int32)


def table(images_NxHxW, labels_N=None):
    """Column name -> cells as text."""
    cells = dict(zip(PIXELS, images_NxHxW.reshape(-1, 784).T.astype("U").tolist(), strict=True))
    return cells if labels_N is None else {"label": labels_N.astype("U").tolist(), **cells}


def csv_bytes(columns, end="\r\n", final=True, bom=False, quote=False):
    header = ",".join(f'"{name}"' if quote else name for name in columns)
    lines = [header, *(",".join(row) for row in zip(*columns.values(), strict=True))]
    text = end.join(lines) + (end if final else "")
    return (b"\xef\xbb\xbf" if bom else b"") + text.encode()


def zip_bytes(members, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def idx_bytes(array):
    header = np.array([0x0800 + array.ndim, *array.shape], ">u4")
    return header.tobytes() + array.astype(np.uint8).tobytes()


def idx_folder(folder, images, labels, part="train", prefix="", dash="-", zipped=False):
    folder.mkdir(exist_ok=True)
    for kind, array in (("images", images), ("labels", labels)):
        content = idx_bytes(array)
        name = f"{prefix}{part}-{kind}{dash}idx{array.ndim}-ubyte"
        if zipped:
            name, content = f"{name}.gz", gzip.compress(content, 1)
        (folder / name).write_bytes(content)
    return folder


def put(folder, content, name="train.csv"):
    path = folder / name
    path.write_bytes(content)
    return str(path)


def same(dataset, images_NxHxW, labels_N):
    np.testing.assert_array_equal(dataset.images_NxHxW, images_NxHxW)
    if labels_N is None:
        assert dataset.labels_N is None
    else:
        np.testing.assert_array_equal(dataset.labels_N, labels_N)


def refused(function, *args, **kwargs):
    """The one line that a user is shown."""
    with pytest.raises(UserError) as caught:
        function(*args, **kwargs)
    message = str(caught.value)
    assert message.isprintable(), message
    return message


PIECES = [
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b'"',
    b"256",
    b"-1",
    b"\0",
    b".",
    b" ",
    b"1",
    b"nan",
    b"\xff",
]
MUTATION = st.tuples(
    st.sampled_from(["insert", "replace", "delete", "repeat", "cut"]),
    st.floats(0, 1),
    st.integers(1, 40),
    st.sampled_from(PIECES) | st.binary(max_size=3),
)


def mutated(content, mutations):
    for kind, base, length, piece in mutations:
        at = int(base * len(content))
        before, hit, after = content[:at], content[at : at + length], content[at + length :]
        content = {
            "insert": before + piece + hit + after,
            "replace": before + piece + content[at + len(piece) :],
            "delete": before + after,
            "repeat": before + hit + hit + after,
            "cut": before,
        }[kind]
    return content
