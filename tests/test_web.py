"""The drawing page in a real Chromium and Firefox, served by `run_export.py --serve`."""

import contextlib
import json

import numpy as np
import pytest
from PIL import Image

import lenet_jax
from lenet_jax import export
from lenet_jax.data import sample
from lenet_jax.inference import predict
from lenet_jax.runs import workdir
from support import page_pictures
from support.browser import MISSING, chromium, draw, firefox, lift, settle
from support.networks import EVERY, TEMPERATURE, calibrated, name, params, record
from support.serving import serving
from support.strokes import STROKES

# How many colours a canvas has.
COLOURS = (
    "const c = document.getElementById(arguments[0]);"
    "const k = new OffscreenCanvas(c.width, c.height).getContext('2d');"
    "k.drawImage(c, 0, 0); const d = k.getImageData(0, 0, c.width, c.height).data;"
    "return new Set(new Uint32Array(d.buffer)).size"
)
# What is asked of the browser by Chromium's own protocol.
only_chromium = pytest.mark.parametrize("browser", ["chromium"], indirect=True)


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    return calibrated(trained, tmp_path_factory.mktemp("calibrated"))


@pytest.fixture(scope="module")
def address(run, tmp_path_factory):
    """Where the page is served while the tests of this file run."""
    with serving(run, tmp_path_factory.mktemp("served")) as (program, address):
        yield address
        program.terminate()
        assert program.wait(20) == 0


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def browser(request, tmp_path_factory):
    if MISSING[request.param]:
        pytest.skip(MISSING[request.param])
    start = {"chromium": chromium, "firefox": firefox}[request.param]
    with start(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.fixture
def console(browser):
    """Nothing that the test shows may make the console complain, where it can be read."""
    if browser.name == "firefox":
        yield
        return
    browser.get_log("browser")
    yield
    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []


@pytest.fixture
def page(browser, address, console):
    """The page, freshly loaded."""
    browser.get(address)
    return browser


def text(page, name):
    return page.execute_script(f"return document.getElementById('{name}').textContent")


@pytest.mark.parametrize("digit", STROKES)
def test_it_reads_what_is_drawn(page, digit):
    draw(page, STROKES[digit], kind="touch" if digit % 2 else "pen")
    assert text(page, "digit") == str(digit)
    assert f" {digit} (" in text(page, "live")
    seen = np.array(page.execute_script("return Array.from(lenet.picture())")).reshape(28, 28)
    inside = np.argwhere(seen)
    assert np.ptp(inside, axis=0).max() in (19, 20)
    centre = (seen[..., None] * np.indices((28, 28)).transpose(1, 2, 0)).sum((0, 1)) / seen.sum()
    np.testing.assert_allclose(centre, 14, atol=0.3)


def test_the_bars_move_while_it_is_drawn(page):
    draw(page, STROKES[7], lift=False)
    bars = page.execute_script(
        "return [...document.querySelectorAll('#bars li')].map((bar) =>"
        " [Number(bar.style.getPropertyValue('--p')), bar.innerText])"
    )
    shares = [share for share, _ in bars]
    assert shares == page.execute_script("return lenet.probabilities(lenet.picture())")
    assert shares.index(max(shares)) == 7
    for digit, (share, printable) in enumerate(bars):
        name, percent = printable.split()
        assert name == str(digit)
        assert float(percent.removesuffix("%")) == pytest.approx(100 * share, abs=0.1)
    # Read out only once the pen is lifted.
    assert text(page, "live") == ""
    lift(page)
    assert " 7 (" in text(page, "live")


def probabilities(page, images_NxHxW):
    return page.execute_script(
        "return arguments[0].map((pixels) => lenet.probabilities(pixels))",
        images_NxHxW.reshape(-1, 784).tolist(),
    )


def test_its_probabilities_are_those_of_a_prediction(page, run):
    images = sample.load("test").images_NxHxW[:200]
    predicted = predict.from_run(run, workdir.read_run(run), images)
    np.testing.assert_allclose(probabilities(page, images), predicted, atol=1e-4)


@pytest.mark.parametrize("config", EVERY, ids=name)
def test_a_page_opened_from_a_disk_computes_every_kind_of_network(
    config, browser, console, tmp_path
):
    """As ONNX does, which test_export compares with JAX."""
    images = sample.load("test").images_NxHxW[:20]
    for format in ("web", "onnx"):
        output = export.default_output(tmp_path, format, config.model)
        export.write(output, format, record(config), params(config), TEMPERATURE)
    browser.get(export.default_output(tmp_path, "web").joinpath("index.html").as_uri())
    np.testing.assert_allclose(
        probabilities(browser, images), lenet_jax.load(output)(images), atol=1e-5
    )
    draw(browser, STROKES[3])
    title, subsampled = "LeNet-5: draw a digit", "S2"
    told = f"The {6 * config.width} maps of S2, 14 by 14"
    if config.model == "modern":
        title, subsampled = "3x3 network: draw a digit", "S3"
        told = "The 32 maps of S3, 12 by 12"
    page = export.default_output(tmp_path, "web")
    manifest = json.loads(page.joinpath("manifest.webmanifest").read_text(encoding="utf-8"))
    assert browser.title == manifest["name"] == title
    assert browser.find_element("id", subsampled).get_attribute("aria-label") == told
    assert browser.execute_script(COLOURS, subsampled) > 5


@only_chromium
def test_its_pictures_for_the_docs_are_taken(browser, address, console, tmp_path):
    page_pictures.take(browser, address, tmp_path)
    for file, width in page_pictures.WIDTHS.items():
        with Image.open(tmp_path / file) as picture:
            assert picture.width == width
            assert picture.height > 600
            assert len(picture.convert("RGB").getcolors(2**24)) > 100


def test_mouse_undo_and_clear(page):
    draw(page, STROKES[4])
    whole = page.execute_script("return Array.from(lenet.picture())")
    page.find_element("id", "undo").click()
    settle(page)
    assert page.execute_script("return Array.from(lenet.picture())") != whole
    page.find_element("id", "clear").click()
    settle(page)
    assert text(page, "digit") == "?"
    assert "empty" in text(page, "live")
    assert not any(page.execute_script("return Array.from(lenet.picture())"))


def test_it_is_drawn_on_with_the_keyboard_alone(page):
    from selenium.webdriver.common.keys import Keys

    pad = page.find_element("id", "pad")
    pad.send_keys(Keys.SPACE, *[Keys.ARROW_DOWN] * 15)
    assert text(page, "live") == "The pen is down."
    pad.send_keys(Keys.SPACE)
    settle(page)
    assert text(page, "digit") == "1"
    assert " 1 (" in text(page, "live")
    pad.send_keys(Keys.ESCAPE)
    settle(page)
    assert text(page, "digit") == "?"


@only_chromium
@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_its_own_examples_are_read(page, motion):
    preference = [{"name": "prefers-reduced-motion", "value": motion}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preference})
    buttons = page.find_elements("css selector", "#examples button")
    # At once for all, as a hand would draw it for one.
    for digit, button in [*enumerate(buttons)] if motion == "reduce" else [(7, buttons[7])]:
        button.click()
        page.execute_async_script(
            "const done = arguments[0], live = document.getElementById('live');"
            "const look = () => live.textContent.startsWith('The') ?"
            " requestAnimationFrame(look) : requestAnimationFrame(done); look();"
        )
        assert text(page, "digit") == str(digit)


def test_the_maps_light_up(page):
    names = ["seen", "C1", "S2", "C3", "S4", "C5", "F6"]
    # Blank, but for what shows between the maps.
    assert all(page.execute_script(COLOURS, name) <= 2 for name in names)
    draw(page, STROKES[3])
    assert all(page.execute_script(COLOURS, name) > 5 for name in names)


@only_chromium
def test_it_fits_a_phone(page):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        draw(page, STROKES[7], kind="touch")
        assert text(page, "digit") == "7"
        assert page.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@contextlib.contextmanager
def phone(page, width, height):
    """Its screen and its finger."""
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True},
    )
    page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        page.execute_script("scrollTo(0, 0)")
        settle(page)
        yield
    finally:
        page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def box(page, selector):
    """Left, top, right and bottom on the screen."""
    return page.execute_script(
        "const b = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return [b.left, b.top, b.right, b.bottom]",
        selector,
    )


def printable(page, name):
    return page.find_element("id", name).is_displayed()


@only_chromium
@pytest.mark.parametrize(("width", "height"), [(844, 390), (667, 375), (932, 430)])
def test_a_phone_on_its_side_shows_pad_buttons_and_answer(page, width, height):
    with phone(page, width, height):
        for selector in ("#pad", "#undo", "#clear", "#digit", "#seen", "#words", "#bars"):
            left, top, right, bottom = box(page, selector)
            assert left >= 0, selector
            assert right <= width, selector
            assert top >= 0, selector
            assert bottom <= height, selector
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        draw(page, STROKES[3], kind="touch")
        assert text(page, "digit") == "3"


@only_chromium
@pytest.mark.parametrize(("width", "height"), [(844, 390), (390, 844), (1280, 400), (320, 300)])
def test_the_pad_is_never_higher_than_the_screen(page, width, height):
    with phone(page, width, height):
        left, top, right, bottom = box(page, "#pad")
        assert bottom - top <= height
        assert bottom - top == pytest.approx(right - left, abs=1)


@only_chromium
def test_fingers_are_not_told_about_keys(page):
    from selenium.webdriver.common.keys import Keys

    assert printable(page, "keys")
    with phone(page, 390, 844):
        assert not printable(page, "keys")
        page.find_element("id", "pad").send_keys(Keys.ARROW_DOWN)
        assert printable(page, "keys")
        draw(page, STROKES[1], kind="touch")
        assert not printable(page, "keys")
    # A finger on a screen that has a mouse as well.
    assert not printable(page, "keys")
    draw(page, STROKES[1], kind="mouse")
    assert printable(page, "keys")


@only_chromium
def test_it_works_without_a_network(page, address):
    page.execute_async_script("navigator.serviceWorker.ready.then(() => arguments[0]())")
    page.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    try:
        page.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        page.get(address)
        draw(page, STROKES[0])
        assert text(page, "digit") == "0"
    finally:
        online = offline | {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
        page.execute_cdp_cmd("Network.emulateNetworkConditions", online)


def test_nothing_on_it_comes_from_elsewhere(page, address):
    loaded = json.loads(
        page.execute_script(
            "return JSON.stringify(performance.getEntriesByType('resource').map((e) => e.name))"
        )
    )
    assert all(name.startswith((address, "data:")) for name in loaded)


@only_chromium
def test_everything_has_a_name_for_a_screen_reader(page):
    tree = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = ("button", "image", "application", "list", "heading")
    nodes = [node for node in tree if node.get("role", {}).get("value") in roles]
    assert len([node for node in nodes if node["role"]["value"] == "button"]) == 12
    nameless = [node for node in nodes if not node.get("name", {}).get("value")]
    assert nameless == []
