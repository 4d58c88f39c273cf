"""CSVs of digits under any name, plain or packed, alone or several in a folder or a zip."""

from lenet_jax.data import assemble, bounded, cache
from lenet_jax.data.dataset import Dataset, Images, Labels
from lenet_jax.data.location import Asked, Location, Say, missing, part_of, unpacked_start
from lenet_jax.errors import UserError
from lenet_jax.files import printable

_ENDINGS = tuple(
    f".{kind}{packed}"
    for kind in ("csv", "tsv", "txt")
    for packed in ("", ".gz", ".bz2", ".xz", ".zip")
)


def holds(location: Location) -> bool:
    """Whether a file is a table of digits, or a folder or zip has one whose name tells its part."""
    if location.is_folder or location.is_zip:
        return bool(_of_digits(location))
    return looks_right(location.start)


def load(location: Location, asked: Asked) -> Dataset:
    """Reads a file as whichever part is asked for; of several the one whose name tells the part.

    Raises:
      UserError: with the file, the line and the column of what is wrong.
    """
    if not location.is_folder and not location.is_zip:
        return read(location, "", asked)
    found = _of_digits(location)
    fitting = [name for name in found if part_of(name.rpartition("/")[2]) == asked.part]
    # A zip of a single CSV is that CSV.
    if location.is_zip and len(found) == 1:
        fitting = found
    if not fitting:
        raise missing(location, f"CSV with {asked.part} in its name")
    if len(fitting) > 1:
        some = ", ".join(printable(name) for name in fitting[:3])
        raise UserError(
            f"{location.name}: has several CSVs for this ({some}); give the path of one"
        )
    if location.is_zip:
        return read(location, fitting[0], asked)
    file = location.inside(fitting[0])
    return load(file, asked) if file.is_zip else read(file, "", asked)


def read(location: Location, member: str, asked: Asked) -> Dataset:
    """Reads a CSV file, or the member of a zip that has this whole name or this base name.

    What a file is, is told by its first bytes, not by its name: browsers save a zip as `train.csv`.

    Raises:
      UserError: with the file, the line and the column of what is wrong.
    """
    # Read once: hashing and parsing two readings would let a change in between into the cache.
    content, zipped = location.content, location.is_zip
    name = f"{location.name}: {printable(member)}" if zipped else location.name

    def parse(say: Say) -> tuple[Images, Labels | None]:
        # Nothing of this is needed where the digits are kept.
        from lenet_jax.data import csv_table

        return csv_table.parse(_unpacked(location, member, name), name, asked.counted, say)

    kept = cache.parsed(content, member if zipped else "", parse)
    for note in kept.notes:
        asked.say(f"{name}: {note}")
    if asked.part == "train" and kept.labels_N is None:
        raise UserError(
            f"{name}: line 1: has no column label, so these are test rows; training needs "
            "Kaggle's train.csv"
        )
    return assemble.dataset(kept.images_NxHxW, kept.labels_N, asked, name, otherwise="csv")


def looks_right(start: bytes) -> bool:
    """Whether a file's first bytes are a header, or a row, of a table of digits."""
    from lenet_jax.data import csv_form

    try:
        csv_form.form(start, "")
    except UserError:
        return _names_pixels(start)
    return True


def _names_pixels(start: bytes) -> bool:
    """Whether the first line has enough names of pixels for its mistake to be told."""
    from lenet_jax.data import columns

    line = start.partition(b"\n")[0].decode("utf-8", "replace").strip("\ufeff\r")
    names = line.replace('"', "").replace(";", ",").replace("\t", ",").split(",")
    return columns.is_header(names)


def _of_digits(location: Location) -> list[str]:
    found = [name for name in location.entries if name.lower().endswith(_ENDINGS)]
    return [name for name in found if looks_right(_start(location, name))]


def _start(location: Location, name: str) -> bytes:
    if location.is_zip:
        return unpacked_start(location.read(name))
    file = location.inside(name)
    csvs = [member for member in file.members if member.lower().endswith(_ENDINGS)]
    return unpacked_start(file.read(csvs[0])) if len(csvs) == 1 else file.start


def _unpacked(location: Location, member: str, name: str) -> bytes:
    content = location.content
    if location.is_zip:
        found = bounded.unzip(content, member, location.name) if "/" not in member else None
        if found is None and member not in location.members:
            raise missing(location, member)
        content = location.read(member) if found is None else found
    content = bounded.unpack(content, name)
    # What a browser, or curl, is given in place of the zip where nobody has signed in.
    if content[:100].lstrip().startswith(b"<"):
        raise UserError(f"{name}: is a web page, not digits; sign in at Kaggle and get it again")
    return content
