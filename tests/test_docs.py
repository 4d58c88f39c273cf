"""The documentation is built as `make docs` does, and leaves no room out."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# What is of no use to a reader by itself.
INNER = {
    "data.bounded",
    "data.csv_table",
    "data.csv_form",
    "data.csv_decimals",
    "data.pixel_values",
    "data.arrays",
    "data.pairs",
    "data.arrow_pictures",
    "checksums",
    "answers",
    "progress",
    "report.markdown",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    # Not --quiet, which hides the warnings from --strict too.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Fetched(HTMLParser):
    """What a browser fetches of itself to show a page."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag in {"img", "script", "source"} and "src" in attributes:
            self.addresses.append(attributes["src"])
        if tag == "link" and attributes.get("rel") in {"stylesheet", "icon"}:
            self.addresses.append(attributes["href"])


def test_pages_fetch_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        reader = Fetched()
        reader.feed(page.read_text())
        for address in reader.addresses:
            assert "//" not in address, f"{page.name}: {address}"
            folder = site if address.startswith("/") else page.parent
            assert (folder / address.lstrip("/")).is_file(), f"{page.name}: {address}"


def test_the_page_and_the_report_are_shown(site):
    for page, picture in (("draw", "page"), ("draw", "page_phone"), ("report", "report")):
        assert f"../pictures/{picture}.png" in (site / f"howto/{page}.html").read_text()


def test_examples_of_docstrings_are_shown_as_code(site):
    # Outside a section of examples, >>> is Markdown for a quotation of a quotation of a quotation.
    for page in site.rglob("*.html"):
        assert "<blockquote>" not in page.read_text(), page.name


def test_what_a_function_returns_is_one_sentence(site):
    text = re.sub(r"<[^>]*>|\s+", " ", (site / "reference/library.html").read_text())
    assert "for ink, and labels_N , int32 [N]" in re.sub(" +", " ", text)


def test_the_tutorial_shows_the_code(site):
    text = (site / "tutorial.html").read_text()
    for name in ("data.load.load_train", "step.train_step", "mesh.over_members", "predict.logits"):
        assert f'id="lenet_jax.{name}"' in text, name
    assert "lax.fori_loop" in re.sub("<[^>]*>", "", text)


def test_every_room_has_its_reference():
    pages = (ROOT / "docs" / "reference").glob("*.md")
    text = "\n".join(page.read_text() for page in pages)
    shown = set(re.findall(r"^::: lenet_jax\.(\S+)$", text, re.MULTILINE))
    package = ROOT / "lenet_jax"
    rooms = {
        ".".join(path.relative_to(package).with_suffix("").parts)
        for path in package.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert rooms - INNER == shown
