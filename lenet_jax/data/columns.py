"""What the columns of a table of digits mean, whichever program has named them."""

import dataclasses

from lenet_jax.data.dataset import PIXELS, SIDE
from lenet_jax.errors import UserError
from lenet_jax.files import printable

LABELS = ("label", "class", "target", "digit", "y")
IDS = ("imageid",)
# Kaggle and pandas count from 0, OpenML and Fashion-MNIST from 1; "MNIST in CSV" names row and
# column; an array put into a DataFrame has bare numbers.
FAMILIES: tuple[tuple[str, ...], ...] = (
    tuple(f"pixel{index}" for index in range(PIXELS)),
    tuple(f"pixel{index}" for index in range(1, PIXELS + 1)),
    tuple(f"{row}x{column}" for row in range(1, SIDE + 1) for column in range(1, SIDE + 1)),
    tuple(f"{index}" for index in range(PIXELS)),
)
WANTED = f"pixel0 to pixel{PIXELS - 1}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things are among the columns of a table.

    Attributes:
      names: of all columns, for messages.
      pixels: positions of the 784 pixels, row by row.
      label: position of the label, None without one.
      spare: positions of what is no part of a digit: an id, or a column that may count the rows.
    """

    names: tuple[str, ...]
    pixels: tuple[int, ...]
    label: int | None
    spare: tuple[int, ...]


def layout(names: list[str], location: str) -> Layout:
    """Finds the pixels and the label among the names of columns, in any order.

    Raises:
      UserError: a name is there twice, a pixel is missing, or there are several labels.
    """
    at: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in at:
            raise UserError(
                f"{location}: column {printable(name[:40])!r} is there twice; remove one"
            )
        at[name] = index
    simple = {_simple(name): index for index, name in enumerate(names)}
    family = max(FAMILIES, key=lambda family: sum(name in simple for name in family))
    missing = [name for name in family if name not in simple]
    if missing:
        more = f" and {len(missing) - 1} more are" if len(missing) > 1 else " is"
        raise UserError(
            f"{location}: column {missing[0]!r}{more} missing; a CSV of digits has the columns "
            f"{WANTED}, and label where it is known"
        )
    pixels = tuple(simple[name] for name in family)
    rest = [index for index in range(len(names)) if index not in set(pixels)]
    labels = [index for index in rest if _simple(names[index]) in LABELS]
    if len(labels) > 1:
        both = " and ".join(repr(printable(names[index][:40])) for index in labels[:2])
        raise UserError(f"{location}: columns {both} may both be the label; remove one")
    return Layout(
        names=tuple(names),
        pixels=pixels,
        label=labels[0] if labels else None,
        spare=tuple(index for index in rest if index not in labels),
    )


def without_header(width: int) -> list[str] | None:
    """The names of columns that nobody has named: 785 have the label first, 784 have none."""
    if width == PIXELS + 1:
        return [LABELS[0], *FAMILIES[0]]
    return list(FAMILIES[0]) if width == PIXELS else None


def is_header(names: list[str]) -> bool:
    """Whether these are names of a table of digits, whole or not."""
    simple = {_simple(name) for name in names}
    return any(len(simple.intersection(family)) >= PIXELS // 2 for family in FAMILIES)


def left_out(name: str, cells: list[str], location: str) -> str:
    """The line that says that a spare column is left out.

    Args:
      name: of the column.
      cells: its text, row by row.
      location: for the message of an error.

    Raises:
      UserError: it is no id and does not count the rows, so it may mean something.
    """
    called = repr(printable(name[:40]))
    if _simple(name) in IDS:
        return f"column {called} is no part of a digit and is left out"
    # A single row counts nothing.
    if len(cells) > 1 and cells[0] in ("0", "1"):
        first = int(cells[0])
        if all(cell == str(first + row) for row, cell in enumerate(cells)):
            return f"column {called} counts the rows and is left out"
    raise UserError(f"{location}: column {called} is neither label nor {WANTED}; remove it")


def _simple(name: str) -> str:
    return name.strip().lower()
