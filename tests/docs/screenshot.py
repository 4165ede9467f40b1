"""Take the picture of docs/tutorials/reading_a_report.md: `python -m tests.docs.screenshot monday/report.html`."""

import io
import sys
from pathlib import Path

from PIL import Image

from tests.command import ROOT
from tests.report.browser import chromium, show

PICTURE = ROOT / "docs" / "tutorials" / "report.png"
WIDTH, HEIGHT = 1280, 1000
COLOURS = 64


def main(page: Path) -> None:
    """Write the picture: the upper part of a page, in few colours so that it stays small."""
    with chromium() as browser:
        show(browser, page.resolve(), width=WIDTH)
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        taken = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    taken.quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
