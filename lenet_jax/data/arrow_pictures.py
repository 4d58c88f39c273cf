"""The Hub's columns: `image`, a struct of the bytes of a picture and its path, and `label`."""

import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import arrays
from lenet_jax.data.columns import LABELS
from lenet_jax.data.dataset import SIDE, Images, Labels
from lenet_jax.data.location import Say
from lenet_jax.errors import UserError

_IMAGES = ("image", "img")
# A picture of a digit has under a kilobyte; TIFF of 64-bit numbers six.
_MOST_BYTES = 2**18
_FORMATS = ("PNG", "TIFF", "JPEG", "BMP")


def column(names: list[str]) -> int | None:
    """The position of the column of pictures, None without one."""
    return next((names.index(name) for name in _IMAGES if name in names), None)


def read(
    batches: Iterator[Any], names: list[str], name: str, say: Say
) -> tuple[Images, Labels | None]:
    """Decodes the pictures of all batches.

    Raises:
      UserError: a row has no picture, or one that is broken or of another size.
    """
    at = column(names)
    assert at is not None
    label = next((index for index, each in enumerate(names) if each.lower() in LABELS), None)
    pieces, classes, row = [], [], 0
    for batch in batches:
        for index, cell in enumerate(_contents(batch.column(at), name)):
            pieces.append(picture(cell, f"{name}: row {row + index + 1:,}"))
        if label is not None:
            classes.append(labels(batch.column(label), name, row))
        row += batch.num_rows
    if not pieces:
        raise UserError(f"{name}: holds no rows")
    # As they are decoded: bytes, or the numbers of a TIFF, whose scale all rows tell together.
    same = len({piece.dtype for piece in pieces}) == 1
    images = np.stack(pieces if same else [piece.astype(np.float32) for piece in pieces])
    images_NxHxW = arrays.images(images, name, say)
    if label is None:
        return images_NxHxW, None
    return images_NxHxW, arrays.labels(np.concatenate(classes), name, len(images_NxHxW))


def labels(column: Any, name: str, row: int) -> NDArray[Any]:
    """The labels of a batch as NumPy has them; text as text, without gaps."""
    import pyarrow as pa

    if column.null_count:
        at = row + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise UserError(f"{name}: row {at + 1:,} has no label; add it or remove the row")
    if pa.types.is_dictionary(column.type):
        values_N = labels(column.dictionary, name, 0)
        return values_N[column.indices.to_numpy(zero_copy_only=False)]
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array([text[:20] for text in column.to_pylist()], "U20")
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise UserError(f"{name}: its labels are of the type {column.type}, not numbers")
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _contents(column: Any, name: str) -> list[bytes | None]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        column = column.field(kind.get_field_index("bytes"))
    if pa.types.is_dictionary(column.type):
        each = _contents(column.dictionary, name)
        return [None if at is None else each[at] for at in column.indices.to_pylist()]
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise UserError(
            f"{name}: its column image is of the type {ascii(str(kind))[1:60]}; the Hub's is a "
            "struct of bytes and path"
        )
    contents: list[bytes | None] = column.to_pylist()
    return contents


def picture(content: bytes | None, location: str) -> NDArray[Any]:
    """The numbers of a picture of a digit, [28, 28], of whatever type it holds.

    Raises:
      UserError: there is none, or it is broken, or of another size.
    """
    from PIL import Image

    if content is None:
        raise UserError(
            f"{location}: has no picture in it; give files that hold the pictures' bytes"
        )
    if len(content) > _MOST_BYTES:
        raise UserError(f"{location}: its picture has {len(content):,} bytes, too many for a digit")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
                if opened.size != (SIDE, SIDE):
                    width, height = opened.size
                    raise UserError(f"{location}: has a picture of {width} x {height}, not 28 x 28")
                wide = opened.mode.startswith(("I", "F")) or opened.mode == "L"
                return np.array(opened if wide else opened.convert("L"))
    except UserError:
        raise
    # Pillow's formats raise anything for damaged files.
    except Exception:
        raise UserError(f"{location}: its picture is broken; get the file again") from None
