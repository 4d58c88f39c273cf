"""Arrow's files: parquet and feather with a column per pixel, and the Hub's with pictures.

`datasets` writes parquet to the Hub and Arrow streams to the disk (`save_to_disk`).
"""

import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenet_jax.data import arrays, arrow_messages, arrow_pictures, assemble, bounded, cache, columns
from lenet_jax.data.dataset import PIXELS, SIDE, Dataset, Images, Labels
from lenet_jax.data.location import Asked, Location, Say, missing, part_of
from lenet_jax.environment import packages
from lenet_jax.errors import UserError
from lenet_jax.files import printable

_PARQUET, _FEATHER, _FEATHER_1 = b"PAR1", b"ARROW1", b"FEA1"
# Before the stream that a file of Arrow's is, in front of what its footer repeats.
_PADDED = 8
# An Arrow stream begins with a mark and the length of its schema.
_STREAM = b"\xff\xff\xff\xff"
_ENDINGS = (".parquet", ".feather", ".arrow")
_MOST_ROWS = bounded.MAX_BYTES // PIXELS
_BATCH = 512


def holds(location: Location) -> bool:
    """Whether a file is parquet, feather or an Arrow stream, or a folder has such."""
    if location.is_folder:
        return bool(_files(location))
    return location.start.startswith((_PARQUET, _FEATHER, _FEATHER_1, _STREAM))


def load(location: Location, asked: Asked) -> Dataset:
    """Reads a file as whichever part is asked for; of a folder the files of the part, in order.

    Raises:
      UserError: pyarrow is not installed, a file is damaged, or its columns are no digits'.
    """
    packages.needed("pyarrow", location.name)
    files = _of_part(location, asked) if location.is_folder else [location]
    contents = [file.content for file in files]
    if sum(map(len, contents)) > bounded.MAX_BYTES:
        raise UserError(f"{location.name}: holds more than the {bounded.MAX_BYTES:,} bytes allowed")

    def parse(say: Say) -> tuple[Images, Labels | None]:
        read = [
            _parse(content, file.name, say) for content, file in zip(contents, files, strict=True)
        ]
        labels = [labels_N for _, labels_N in read if labels_N is not None]
        if labels and len(labels) < len(read):
            raise UserError(
                f"{location.name}: has files with labels and files without; leave one kind"
            )
        images_NxHxW = np.concatenate([images for images, _ in read])
        return images_NxHxW, np.concatenate(labels) if labels else None

    kept = cache.parsed(b"".join(contents), "arrow", parse)
    name = files[0].name if len(files) == 1 else location.name
    for note in dict.fromkeys(kept.notes):
        asked.say(f"{name}: {note}")
    return assemble.dataset(kept.images_NxHxW, kept.labels_N, asked, name)


def _files(location: Location) -> list[str]:
    return [name for name in location.entries if name.lower().endswith(_ENDINGS)]


def _of_part(location: Location, asked: Asked) -> list[Location]:
    """The shards of a part: `train-*.parquet`, `train/data-*.arrow`, or all where none is named."""
    found = _files(location)
    # Of a folder of `save_to_disk` the folder tells the part.
    fitting = [name for name in found if part_of(name.replace("/", " ")) == asked.part]
    if not any(part_of(name.replace("/", " ")) for name in found):
        fitting = found
    if not fitting:
        raise missing(location, f"{asked.part}-*.parquet")
    if len({name.rpartition("/")[0] for name in fitting}) > 1:
        some = ", ".join(printable(name) for name in fitting[:3])
        raise UserError(f"{location.name}: has several data sets ({some}); give the folder of one")
    return [location.inside(name) for name in fitting]


def _parse(content: bytes, name: str, say: Say) -> tuple[Images, Labels | None]:
    import pyarrow

    if content.startswith(_FEATHER_1):
        raise UserError(f"{name}: is feather of version 1; save it with a pandas of today")
    try:
        names, batches = _opened(content)
        if arrow_pictures.column(names) is not None:
            return arrow_pictures.read(batches, names, name, say)
        layout = columns.layout(names, name)
        return _table(batches, layout, name, say)
    # pyarrow's own errors derive from ValueError, OSError and others as it likes.
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = ascii((str(error).splitlines() or ["damaged"])[0])[1:-1][:80]
        raise UserError(
            f"{name}: damaged, cut off or too large, no whole file of Arrow's ({reason})"
        ) from None


def _opened(content: bytes) -> tuple[list[str], Iterator[Any]]:
    """The names of the columns, and the batches of rows."""
    import pyarrow as pa

    if content.startswith(_PARQUET):
        return _parquet(content)
    stream = memoryview(content)
    if content.startswith(_FEATHER):
        if not content.endswith(_FEATHER):
            raise ValueError("its end is missing")
        stream = stream[_PADDED:]
    # A batch is unpacked as a whole.
    rows, size = arrow_messages.unpacked(stream)
    _check_rows(rows)
    if size > bounded.MAX_BYTES:
        raise ValueError(f"{size:,} bytes unpacked, more than the {bounded.MAX_BYTES:,} allowed")
    reader = pa.ipc.open_stream(stream)
    return list(reader.schema.names), _bounded(reader)


def _parquet(content: bytes) -> tuple[list[str], Iterator[Any]]:
    from pyarrow import parquet

    metadata = parquet.read_metadata(io.BytesIO(content))
    _check_rows(metadata.num_rows)
    kinds = [metadata.schema.column(index) for index in range(metadata.num_columns)]
    # Bytes that are repeated a million times stay the same bytes.
    repeated = [kind.path for kind in kinds if kind.physical_type == "BYTE_ARRAY"]
    file = parquet.ParquetFile(io.BytesIO(content), read_dictionary=repeated)
    groups = range(file.metadata.num_row_groups)
    size = sum(file.metadata.row_group(index).total_byte_size for index in groups)
    if size > bounded.MAX_BYTES:
        raise ValueError(f"more than the {bounded.MAX_BYTES:,} bytes allowed")
    names = [str(name) for name in file.schema_arrow.names]
    return names, file.iter_batches(batch_size=_BATCH, use_threads=False)


def _check_rows(rows: int) -> None:
    if rows > _MOST_ROWS:
        raise ValueError(f"{rows:,} rows, more than the {_MOST_ROWS:,} allowed")


def _bounded(batches: Iterable[Any]) -> Iterator[Any]:
    rows = 0
    for batch in batches:
        batch.validate(full=True)
        rows += batch.num_rows
        _check_rows(rows)
        for start in range(0, batch.num_rows, _BATCH):
            yield batch.slice(start, _BATCH)


def _table(
    batches: Iterator[Any], layout: columns.Layout, name: str, say: Say
) -> tuple[Images, Labels | None]:
    """A column per pixel."""
    pieces: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    spare: list[list[str]] = [[] for _ in layout.spare]
    row = 0
    for batch in batches:
        piece = np.empty((batch.num_rows, PIXELS), np.float32)
        for pixel, index in enumerate(layout.pixels):
            piece[:, pixel] = _numbers(batch.column(index), layout.names[index], name, row)
        # As bytes where they are: a float takes four.
        whole = piece.astype(np.uint8) if piece.min(initial=0) >= 0 else piece
        pieces.append(whole if (whole == piece).all() and piece.max(initial=0) > 1 else piece)
        if layout.label is not None:
            labels.append(arrow_pictures.labels(batch.column(layout.label), name, row))
        for column, index in zip(spare, layout.spare, strict=True):
            column.extend(str(cell) for cell in batch.column(index).to_pylist())
        row += batch.num_rows
    if not pieces:
        raise UserError(f"{name}: holds no rows")
    for column, index in zip(spare, layout.spare, strict=True):
        say(columns.left_out(layout.names[index], column, name))
    images_NxHxW = arrays.images(np.concatenate(pieces), name, say).reshape(-1, SIDE, SIDE)
    if not labels:
        return images_NxHxW, None
    return images_NxHxW, arrays.labels(np.concatenate(labels), name, len(images_NxHxW))


def _numbers(column: Any, called: str, name: str, row: int) -> NDArray[Any]:
    location = f"{name}: column {printable(called[:40])}"
    if column.null_count:
        at = row + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise UserError(f"{location}: is empty in row {at + 1:,}; correct it")
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "biuf":
        raise UserError(f"{location}: holds {column.type}, not numbers")
    return values
