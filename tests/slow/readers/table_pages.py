"""Tables of Markdown in the how-to."""

from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "export.md"


def markdown(rows: list[tuple]) -> str:
    """A table, its first row the head."""
    head, *rest = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ("---",) * len(head), *rest))


def between(page: str, begin: str, end: str, text: str) -> str:
    """The page with another text between two marks."""
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}{text}{end}{after}"
