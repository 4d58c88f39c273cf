"""Numbers of any kind as the bytes of pixels: 0 for background, 255 for ink."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ITEMS = 2**22


def as_bytes(values: NDArray[Any]) -> tuple[NDArray[np.uint8] | None, int, str]:
    """Pixels as uint8, by what all of the numbers are.

    Whole numbers in 0..255 are pixels as they are. Fractions in 0..1, and whole numbers of which
    none is above 1, are 255 times too small; fractions in -1..1 are shifted as well.

    Args:
      values: numbers or booleans, any shape.

    Returns:
      The pixels, of the same shape; 0; and what was done to them in words, or nothing. Where a
      number is none of these: None, its position among all, and nothing.
    """
    flat = values.reshape(-1)
    if flat.dtype == np.uint8 and flat.size and flat.max() > 1:
        return np.ascontiguousarray(values), 0, ""
    low, high, whole, first_fraction = _range(flat)
    if not (low >= -1 and high <= 255):
        return None, _first(flat, lambda piece: ~((piece >= 0) & (piece <= 255))), ""
    if whole and low >= 0 and (high > 1 or high == 0):
        return _mapped(values, 1, 0), 0, ""
    if high <= 1:
        kind = "0 and 1 alone" if whole and low >= 0 else f"{'0' if low >= 0 else '-1'} to 1"
        if low >= 0:
            return _mapped(values, 255, 0), 0, f"has pixels of {kind}; taken times 255"
        return _mapped(values, 127.5, 127.5), 0, f"has pixels of {kind}; scaled to 0 to 255"
    if low < 0:
        return None, _first(flat, lambda piece: piece < 0), ""
    return None, first_fraction, ""


def _range(flat: NDArray[Any]) -> tuple[float, float, bool, int]:
    """The least and the greatest number, whether all are whole, and where the first is not."""
    low, high, first = np.inf, -np.inf, -1
    for start in range(0, flat.size, _ITEMS):
        piece = flat[start : start + _ITEMS]
        low, high = min(low, float(piece.min())), max(high, float(piece.max()))
        # A comparison with nan is false, and min() keeps the other one.
        if np.isnan(piece.min()):
            return np.nan, np.nan, False, start
        if first < 0 and piece.dtype.kind == "f":
            odd = np.flatnonzero(piece != np.floor(piece))
            first = start + int(odd[0]) if odd.size else first
    return low, high, first < 0, first


def _first(flat: NDArray[Any], wrong: Any) -> int:
    for start in range(0, flat.size, _ITEMS):
        hits = np.flatnonzero(wrong(flat[start : start + _ITEMS]))
        if hits.size:
            return start + int(hits[0])
    raise AssertionError("no number is wrong")


def _mapped(values: NDArray[Any], scale: float, shift: float) -> NDArray[np.uint8]:
    flat = values.reshape(-1)
    mapped = np.empty(flat.shape, np.uint8)
    for start in range(0, flat.size, _ITEMS):
        piece = flat[start : start + _ITEMS].astype(np.float32)
        mapped[start : start + _ITEMS] = np.rint(piece * np.float32(scale) + np.float32(shift))
    return mapped.reshape(values.shape)
