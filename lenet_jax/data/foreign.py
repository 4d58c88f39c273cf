"""What a file is that is not read, by its first bytes, and what its owner can do about it."""

from lenet_jax.data.location import Location

_SAVE_CSV = "save it as CSV"
_PICKLE = (
    "is a pickle, which can run any program and is never loaded; load it where you trust it and "
    "save the arrays with numpy.savez(file, x_train=..., y_train=...)"
)
_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it and give the folder"),
    (b"Rar!\x1a\x07", "is a RAR archive; unpack it and give the folder"),
    (b"\x28\xb5\x2f\xfd", "is packed by zstd; unpack it first"),
    (b"\x04\x22\x4d\x18", "is packed by lz4; unpack it first"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"is a spreadsheet or document of Office; {_SAVE_CSV}"),
    (b"SQLite format 3\0", f"is a SQLite database; {_SAVE_CSV}"),
    (b"MATLAB 7.3", "is a MATLAB file of version 7.3; save it with -v7"),
    (b"\x93NUMPY", "is a NumPy array"),
    (b"%!PS", "is PostScript; print it to PDF or save it as PNG"),
    (b"RDX", f"is R's own file; {_SAVE_CSV}"),
    (b"Obj\x01", f"is Avro; {_SAVE_CSV}"),
    (b"ORC", f"is ORC; {_SAVE_CSV}, or as parquet"),
    (b"GGUF", "is a network, not digits"),
    (b"\x7fELF", "is a program, not digits"),
    (b"MZ", "is a program, not digits"),
)
_ENDINGS: tuple[tuple[str, str], ...] = (
    ("content.xml", f"is a spreadsheet or document; {_SAVE_CSV}"),
    ("xl/workbook.xml", f"is a spreadsheet; {_SAVE_CSV}"),
    ("word/document.xml", "is a text document, not digits"),
    ("data.pkl", "is PyTorch's, and in it " + _PICKLE),
    ("model.weights.h5", "is a network of Keras's, not digits"),
)


def known(location: Location) -> str | None:
    """What a file looks like and what to do, for a line that begins with its name; else None."""
    start = location.start
    if location.is_zip:
        names = location.members
        return next((line for end, line in _ENDINGS if any(n.endswith(end) for n in names)), None)
    if _is_pickle(start):
        return _PICKLE
    if start[257:262] == b"ustar":
        return "is a tar archive; unpack it and give the folder"
    if start.lstrip()[:1] in (b"{", b"["):
        return f"is JSON; {_SAVE_CSV}"
    return next((line for magic, line in _MAGICS if start.startswith(magic)), None)


def _is_pickle(start: bytes) -> bool:
    # Protocols 2 to 5 begin with their number. Before them it was text, and no table begins so.
    return (start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05" and len(start) > 2) or (
        start.startswith((b"(dp", b"(lp", b"(I", b"cnumpy\n", b"cnumpy.core"))
    )
