"""Arrays of digits and of labels, however a library shapes and scales them."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import bounded, pixel_values
from lenet_jax.data.dataset import CLASSES, SIDE, Images, Labels
from lenet_jax.data.location import Say
from lenet_jax.errors import UserError

# Sides of square digits: UCI's, USPS's, MNIST's before it was centred and after, padded for LeNet.
_SIDES = (8, 16, 20, SIDE, 32)


def npy(content: bytes, location: str) -> NDArray[Any]:
    """The array of an `.npy` file; what its header claims is checked before it is believed.

    Raises:
      UserError: it is damaged, cut off, or holds Python objects, which are never loaded.
    """
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if reader is None:
            raise ValueError(f"version {version[0]}.{version[1]}")
        shape, fortran, dtype = reader(stream)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        reason = (str(error).splitlines() or ["damaged"])[0][:80]
        raise UserError(f"{location}: is no whole .npy file ({ascii(reason)[1:-1]})") from None
    if dtype.hasobject or dtype.kind not in "biufSU":
        raise UserError(
            f"{location}: holds Python objects or records ({ascii(str(dtype))[1:-1]}), which are "
            "never loaded; save numbers with numpy.save"
        )
    count = 1
    for length in shape:
        count *= int(length)
    left = len(content) - stream.tell()
    if count * dtype.itemsize > bounded.MAX_BYTES or min(shape, default=1) < 0:
        raise UserError(f"{location}: claims more than the {bounded.MAX_BYTES:,} bytes allowed")
    if count * dtype.itemsize > left:
        raise UserError(f"{location}: is cut off, {left:,} bytes of {count * dtype.itemsize:,}")
    flat = np.frombuffer(content, dtype, count, stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def images(array: NDArray[Any], location: str, say: Say) -> Images:
    """Digits as uint8 [N, H, H].

    Args:
      array: [N, H, H], [N, H * H], or [N, H, H] with an axis of one channel; bytes, numbers in
        0..255, in 0..1 or in -1..1.
      location: for messages.
      say: is told of pixels that are scaled.

    Raises:
      UserError: it is none of these, with the digit and the pixel that is wrong.
    """
    if array.dtype.kind not in "biuf":
        raise UserError(f"{location}: holds {array.dtype}, not the numbers of pixels")
    shape = array.shape
    if array.ndim == 4 and 1 in (shape[1], shape[3]):
        array = array[:, 0] if shape[1] == 1 else array[..., 0]
    side = int(np.sqrt(array.shape[1])) if array.ndim == 2 else array.shape[-1] if shape else 0
    wanted = {2: (side * side,), 3: (side, side)}.get(array.ndim)
    if wanted is None or array.shape[1:] != wanted or side not in _SIDES or not len(array):
        raise UserError(
            f"{location}: has the shape {_shape(shape)}; digits are [N, 28, 28], or [N, 784]"
        )
    pixels, wrong, note = pixel_values.as_bytes(array)
    if pixels is None:
        digit, pixel = divmod(wrong, side * side)
        value = array.reshape(-1)[wrong]
        raise UserError(
            f"{location}: digit {digit + 1:,}, pixel {pixel}: is {value:g} where a number from 0 "
            "to 255 must stand; correct it"
        )
    if note:
        say(note)
    return pixels.reshape(-1, side, side)


def labels(array: NDArray[Any], location: str, rows: int) -> Labels:
    """Labels as int32 [N] in 0..9.

    Args:
      array: [N], perhaps with an axis of one; whole numbers, or their text; or [N, 10] with a
        single 1 in each row.
      location: for messages.
      rows: how many digits there are.

    Raises:
      UserError: it is none of these, with the label that is wrong.
    """
    if array.ndim == 2 and array.shape[1] == CLASSES and array.dtype.kind in "biuf":
        if not (np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()):
            raise UserError(f"{location}: has ten numbers per label that are not one 1 and nine 0")
        array = array.argmax(axis=1)
    if array.ndim != 1 and array.size == max(array.shape, default=0):
        array = array.reshape(-1)
    if array.ndim != 1 or array.dtype.kind not in "biufSU":
        raise UserError(f"{location}: has the shape {_shape(array.shape)}; labels are [N] numbers")
    if len(array) != rows:
        raise UserError(
            f"{location}: has {len(array):,} labels for {rows:,} digits; get both from the same "
            "place"
        )
    if array.dtype.kind in "SU":
        digits = np.array([str(label) for label in range(CLASSES)]).astype(array.dtype)
    else:
        digits = np.arange(CLASSES)
    wrong = np.flatnonzero(~np.isin(array, digits))
    if wrong.size:
        seen = ascii(array[wrong[0]].item())[:20]
        raise UserError(
            f"{location}: label {wrong[0] + 1:,} is {seen}, not a digit from 0 to 9; give a data "
            "set of ten classes"
        )
    return array.astype(np.int32)


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"
