"""Browsers without a window that are gone when the body ends, whatever happens in it."""

import contextlib
import os
import shutil
import signal

DRIVER = shutil.which("chromedriver")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
GECKODRIVER = shutil.which("geckodriver")
FIREFOX = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
MISSING = {
    "chromium": (BROWSER is None or DRIVER is None)
    and "chromium and chromedriver are not installed (apt-get install chromium-driver)",
    "firefox": (FIREFOX is None or GECKODRIVER is None)
    and "firefox or geckodriver is not on the PATH (apt-get install firefox-esr; Mozilla's driver)",
}
FLAGS = (
    "headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "disable-quic",
    "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync",
    "disable-breakpad",
)  # fmt: skip


@contextlib.contextmanager
def chromium(folder, size=(1200, 1300), scale=1):
    """Drives a browser whose profile and log lie in `folder`; no wait for it has no end."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    own = (f"window-size={size[0]},{size[1]}", f"force-device-scale-factor={scale}")
    for flag in (*FLAGS, *own, f"user-data-dir={folder}/profile"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(
        DRIVER,
        log_output=f"{folder}/chromedriver.log",
        # A group of its own, to be ended whole: the browser is the driver's child.
        popen_kw={"start_new_session": True},
    )
    with _ended(service, lambda: webdriver.Chrome(options=options, service=service)) as driver:
        yield driver


@contextlib.contextmanager
def firefox(folder):
    """The same of Firefox."""
    from selenium import webdriver

    options = webdriver.FirefoxOptions()
    options.binary_location = FIREFOX
    options.add_argument("-headless")
    options.add_argument("--width=1200")
    options.add_argument("--height=1300")
    service = webdriver.FirefoxService(
        GECKODRIVER,
        log_output=f"{folder}/geckodriver.log",
        popen_kw={"start_new_session": True},
        env=os.environ | {"HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"},
    )
    with _ended(service, lambda: webdriver.Firefox(options=options, service=service)) as driver:
        yield driver


@contextlib.contextmanager
def _ended(service, start):
    """Starts a browser, and ends it and its driver after the body."""
    driver = None
    try:
        driver = start()
        driver.command_executor.client_config.timeout = 90
        driver.set_page_load_timeout(60)
        driver.set_script_timeout(30)
        yield driver
    finally:
        try:
            if driver is not None:
                driver.command_executor.client_config.timeout = 10
                with contextlib.suppress(Exception):
                    driver.quit()
        finally:
            if getattr(service, "process", None) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(service.process.pid, signal.SIGKILL)
                service.process.wait(20)
                service.stop()


def draw(page, strokes, kind="mouse", lift=True):
    """Draws by pointer events of the browser itself; the pen stays down unless lifted."""
    from selenium.webdriver.common.action_chains import ActionBuilder
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    box = page.execute_script(
        "const pad = document.getElementById('pad'); pad.scrollIntoView();"
        "const b = pad.getBoundingClientRect(); return [b.left, b.top, b.width];"
    )
    # Firefox's driver knows no pen.
    kind = "mouse" if (kind, page.name) == ("pen", "firefox") else kind
    pointer = PointerInput(kind, kind)
    actions = ActionBuilder(page, mouse=pointer, duration=8)
    for stroke in strokes:
        for index, (x, y) in enumerate(stroke):
            at = (round(box[0] + x * box[2]), round(box[1] + y * box[2]))
            actions.pointer_action.move_to_location(*at)
            if index == 0:
                actions.pointer_action.pointer_down()
        if lift:
            actions.pointer_action.pointer_up()
    actions.perform()
    settle(page)


def lift(page):
    """Lets go of what `draw` has left down."""
    from selenium.webdriver.common.action_chains import ActionBuilder

    ActionBuilder(page).clear_actions()
    settle(page)


def settle(page):
    page.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
