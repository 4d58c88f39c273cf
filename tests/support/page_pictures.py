"""Takes the pictures of the drawing page that the docs show, in a real Chromium.

PYTHONPATH=tests python -m support.page_pictures runs/sample  # a workdir; writes into docs/pictures
"""

import base64
import sys
import tempfile
from pathlib import Path

from support.browser import chromium, draw, settle
from support.serving import serving
from support.strokes import STROKES

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
DIGIT = 3
# Width of the page, pixels per unit of it, and whether it is a phone's.
SCREENS = {"page.png": (1160, 1, False), "page_phone.png": (390, 2, True)}
SCREEN_HEIGHT = 844
WIDTHS = {name: width * scale for name, (width, scale, _) in SCREENS.items()}


def take(driver, address, folder):
    """Writes what the page shows after a digit was drawn: all of it, and a phone's first screen."""
    try:
        for name, (width, scale, phone) in SCREENS.items():
            screen = {"width": width, "deviceScaleFactor": scale, "mobile": phone}
            driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride", screen | {"height": SCREEN_HEIGHT}
            )
            driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})
            driver.get(address)
            still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": still})
            draw(driver, STROKES[DIGIT], kind="touch" if phone else "mouse")
            driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
            whole = driver.execute_script("return document.documentElement.scrollHeight")
            height = SCREEN_HEIGHT if phone else whole
            clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
            beyond = {"captureBeyondViewport": not phone, "clip": clip}
            settle(driver)
            shot = driver.execute_cdp_cmd("Page.captureScreenshot", beyond)
            (folder / name).write_bytes(base64.b64decode(shot["data"]))
    finally:
        driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def main(workdir):
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        serving(workdir, Path(folder)) as (_, address),
        chromium(folder) as driver,
    ):
        take(driver, address, FOLDER)


if __name__ == "__main__":
    main(sys.argv[1])
