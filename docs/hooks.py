"""What `make docs` puts into pages in place of a mark, so that it is said in one place."""

import dataclasses

from lenet_jax import config

MARK = "<!-- fields of the config -->"


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page of the config has the table of its fields."""
    return markdown.replace(MARK, fields_table())


def fields_table() -> str:
    """A row for each field of a recipe, its default and what is said of it."""
    told = config.documented()
    rows = [
        f"| `{field.name}` | `{field.default!r}` | {told[field.name]} |"
        for field in dataclasses.fields(config.Config)
    ]
    return "\n".join(["| field | default | what |", "|---|---|---|", *rows])
