"""`report.html`: a run's pictures and numbers in one file that needs nothing else."""

import base64
import dataclasses
import html
from collections.abc import Sequence

from lenet_jax.runs.signs import OF_PAGE

# Pixels of a window up to which the narrow pictures are shown.
NARROW = 640

# The pictures are dark ink on white paper; by night they are turned over, hues kept, so that their
# paper is the page's.
_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #222; --line: #ddd; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
summary { cursor: pointer; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #121212; --ink: #e6e6e6; --line: #3a3a3a; }
  img { filter: invert(.93) hue-rotate(180deg); }
}
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text below a head; the first column names the rows."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page.

    Attributes:
      heading: of the part.
      name: of the picture's file, without `.png`; empty for a part without one.
      png: the picture.
      narrow_png: the same for a phone, where it would be too small to be read; empty for none.
      alt: what the picture shows, for who cannot see it.
      text: a sentence or two; may be empty.
      table: the numbers behind the picture, None for none.
    """

    heading: str
    name: str = ""
    png: bytes = b""
    narrow_png: bytes = b""
    alt: str = ""
    text: str = ""
    table: Table | None = None


def page(title: str, facts: Table, sections: Sequence[Section]) -> str:
    """The text of an HTML file; all that is given is escaped."""
    name = html.escape(title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{OF_PAGE}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{name}</h1>
{_table(facts)}
{"".join(map(_section, sections))}</main>
</body>
</html>
"""


def _section(section: Section) -> str:
    parts = [f"<h2>{html.escape(section.heading)}</h2>"]
    if section.text:
        parts.append(f"<p>{html.escape(section.text)}</p>")
    if section.png:
        narrow = ""
        if section.narrow_png:
            narrow = (
                f'<source media="(max-width: {NARROW}px)" srcset={_image(section.narrow_png)} />'
            )
        parts.append(
            f"<figure><picture>{narrow}<img src={_image(section.png)} "
            f'alt="{html.escape(section.alt)}"></picture></figure>'
        )
    if section.table and section.png:
        parts.append(f"<details><summary>As numbers</summary>{_table(section.table)}</details>")
    elif section.table:
        parts.append(_table(section.table))
    return "<section>\n" + "\n".join(parts) + "\n</section>\n"


def _image(png: bytes) -> str:
    """A picture as the value of an attribute, and its size as two more."""
    width, height = png_size(png)
    content = base64.b64encode(png).decode()
    return f'"data:image/png;base64,{content}" width="{width}" height="{height}"'


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in table.head)
    rows = "\n".join(
        "<tr>"
        + f'<th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in table.rows
    )
    return (
        f"<div><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height of a PNG in pixels, from its header."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
