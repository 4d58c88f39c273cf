"""What a model card is written with."""

from collections.abc import Iterable, Sequence

from lenet_jax.files import printable


def code(text: str) -> str:
    """Inline code, which neither line ends nor backticks of the text can break."""
    text = printable(text)
    fence = "`"
    while fence in text:
        fence += "`"
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells may hold any text without line ends."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
