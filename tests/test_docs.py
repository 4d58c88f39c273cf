"""The documentation is built as `make docs` does, and leaves no room out."""

import contextlib
import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path

import pytest

from support.browser import BROWSER, DRIVER, chromium

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
    "runs.checksums",
    "submission.outputs",
    "training.logging",
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


needs_browser = pytest.mark.skipif(
    BROWSER is None or DRIVER is None,
    reason="chromium and chromedriver are not installed (apt-get install chromium-driver)",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser"), size=(1280, 900)) as driver:
        yield driver


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@contextlib.contextmanager
def served(folder):
    handler = functools.partial(Silent, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


LIVE = "document.querySelector('object.live').contentDocument"


@needs_browser
def test_the_front_page_opens_with_the_page_to_draw_on(site, browser, trained, tmp_path):
    folder = shutil.copytree(site, tmp_path / "site")
    printable = "const p = document.querySelector('object.live img'); return p.offsetHeight > 300"
    with served(folder) as address:
        browser.get(address)
        # Without a run there is its picture.
        assert browser.execute_script(printable)
        command = [ROOT / "run_export.py", f"--workdir={trained}", f"--output={folder}/live"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, *command], check=True, cwd=tmp_path, env=environment)
        browser.get(address)
        assert not browser.execute_script(printable)
        # It is the first thing on the screen, below a sentence.
        top = browser.execute_script(
            "return document.querySelector('object.live').getBoundingClientRect().top"
        )
        assert top < 300
        digit = browser.execute_async_script(
            f"const page = {LIVE}, done = arguments[0];"
            "page.querySelectorAll('#examples button')[3].click();"
            "const look = () => page.getElementById('live').textContent.startsWith('It') ?"
            " done(page.getElementById('digit').textContent) : setTimeout(look, 20); look();"
        )
        assert digit == "3"


def test_the_documents_are_made_with_that_page():
    done = subprocess.run(
        ["make", "--dry-run", "docs"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    built, live = done.stdout.index("mkdocs build"), done.stdout.index("--output=site/live")
    assert built < done.stdout.index("run_train.py --data=sample --workdir=runs/sample") < live


@needs_browser
@pytest.mark.slow
def test_no_command_is_cut_at_the_right(site, browser):
    wide = (
        "return [...document.querySelectorAll('pre > code')]"
        ".filter((code) => !code.closest('.mkdocstrings-source'))"
        ".filter((code) => code.scrollWidth > code.clientWidth).map((code) => code.textContent)"
    )
    pages = [site / "index.html", site / "scaling.html", *sorted((site / "howto").glob("*.html"))]
    with served(site) as address:
        for width in (1280, 390):
            screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
            for page in pages:
                browser.get(f"{address}{page.relative_to(site)}")
                assert browser.execute_script(wide) == [], page.name
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_examples_of_docstrings_are_shown_as_code(site):
    # Outside a section of examples, >>> is Markdown for a quotation of a quotation of a quotation.
    for page in site.rglob("*.html"):
        assert "<blockquote>" not in page.read_text(), page.name


def test_what_a_function_returns_is_one_sentence(site):
    text = re.sub(r"<[^>]*>|\s+", " ", (site / "reference/library.html").read_text())
    assert "for ink, and labels_N , int32 [N]" in re.sub(" +", " ", text)


def test_the_tutorial_shows_the_code(site):
    text = (site / "tutorial.html").read_text()
    for name in (
        "data.load.load_train",
        "training.step.train_step",
        "distributed.mesh.over_members",
        "inference.predict.logits",
    ):
        assert f'id="lenet_jax.{name}"' in text, name
    assert "lax.fori_loop" in re.sub("<[^>]*>", "", text)


def test_every_room_has_its_reference():
    pages = (ROOT / "docs" / "reference").glob("*.md")
    text = "\n".join(page.read_text() for page in pages)
    printable = set(re.findall(r"^::: lenet_jax\.(\S+)$", text, re.MULTILINE))
    package = ROOT / "lenet_jax"
    rooms = {
        ".".join(path.relative_to(package).with_suffix("").parts)
        for path in package.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert rooms - INNER == printable


def test_what_is_read_first_is_short_and_leads_on():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) < 700
    addresses = re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", text)
    local = [one or other for one, other in addresses if "//" not in (one or other)]
    assert len(local) > 20
    for address in local:
        path, _, heading = address.partition("#")
        if path in {"docs/results.md", "docs/reliability.md"}:
            # On their way there.
            continue
        assert (ROOT / path).exists(), address
        if heading:
            headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.MULTILINE)
            assert heading in [one.lower().replace(" ", "-") for one in headings], address


def test_the_digits_way_is_seven_files():
    code = (ROOT / "README.md").read_text().partition("## The code")[2].partition("## How")[0]
    files = re.findall(r"^\| \[`[^`]+`\]\((lenet_jax/[^)]+\.py)\)", code, re.MULTILINE)
    assert len(files) == 7
    assert sum(len((ROOT / file).read_text().splitlines()) for file in files) < 1300
