"""What the batches of an Arrow stream unpack to, told before any of them is unpacked.

A packed buffer begins with its size, and pyarrow allocates what is said there. Where the buffers
lie is in the FlatBuffers of each message (Arrow's format/Message.fbs and "Serialization and
Interprocess Communication"), which pyarrow has checked but does not hand out.
"""

import struct
from typing import Any, NamedTuple

_DICTIONARY, _RECORDS = 2, 3
# Positions of fields in their tables.
_HEADER_TYPE, _HEADER = 1, 2
_ROWS, _BUFFERS, _COMPRESSION = 0, 2, 3
_DICTIONARY_DATA = 1
_PLAIN = -1


class Unpacked(NamedTuple):
    """Rows of batches, those of dictionaries left out, and the bytes that all have in memory."""

    rows: int
    size: int


def unpacked(stream: bytes | memoryview) -> Unpacked:
    """What all batches of a stream say of themselves.

    Raises:
      ValueError: a message is damaged.
    """
    from pyarrow import ipc

    each = [_of_message(message) for message in ipc.MessageReader.open_stream(stream)]
    return Unpacked(rows=sum(one.rows for one in each), size=sum(one.size for one in each))


def _of_message(message: Any) -> Unpacked:
    flat = memoryview(message.metadata)
    try:
        (root,) = struct.unpack_from("<I", flat, 0)
        kind = _field(flat, root, _HEADER_TYPE)
        if kind is None or flat[kind] not in (_DICTIONARY, _RECORDS):
            return Unpacked(rows=0, size=0)
        table = _followed(flat, _field(flat, root, _HEADER))
        rows = 0
        if flat[kind] == _DICTIONARY:
            table = _followed(flat, _field(flat, table, _DICTIONARY_DATA))
        elif (at := _field(flat, table, _ROWS)) is not None:
            (rows,) = struct.unpack_from("<q", flat, at)
        body = memoryview(message.body) if message.body is not None else memoryview(b"")
        if _field(flat, table, _COMPRESSION) is None:
            return Unpacked(rows, body.nbytes)
        vector = _followed(flat, _field(flat, table, _BUFFERS))
        (count,) = struct.unpack_from("<I", flat, vector)
        ends = struct.unpack_from(f"<{2 * count}q", flat, vector + 4)
        locations = zip(ends[::2], ends[1::2], strict=True)
        return Unpacked(rows, sum(_of_buffer(body, offset, length) for offset, length in locations))
    except (struct.error, IndexError) as error:
        raise ValueError(f"a message is damaged ({error})") from None


def _of_buffer(body: memoryview, offset: int, length: int) -> int:
    if length == 0:
        return 0
    (size,) = struct.unpack_from("<q", body, offset)
    if size == _PLAIN:
        return length
    if size < 0:
        raise ValueError(f"a buffer of {size} bytes")
    return int(size)


def _field(flat: memoryview, table: int, number: int) -> int | None:
    """Where a field of a table is, None where it has its default."""
    (back,) = struct.unpack_from("<i", flat, table)
    slots = table - back
    (length,) = struct.unpack_from("<H", flat, slots)
    at = 4 + 2 * number
    if at >= length:
        return None
    (offset,) = struct.unpack_from("<H", flat, slots + at)
    return table + offset if offset else None


def _followed(flat: memoryview, at: int | None) -> int:
    """Where the table or vector begins that a field refers to."""
    if at is None:
        raise IndexError("a field is missing")
    (offset,) = struct.unpack_from("<I", flat, at)
    return at + int(offset)
