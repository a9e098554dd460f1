"""Find a Chromium for the browser tests: the system's own first, then Playwright's. Not a test.

``python -m tests.chromium`` (called by ``make test``) installs Playwright's where none is found.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
WHAT_TO_INSTALL = (
    "No Chromium was found for the browser tests. Install one: `sudo apt-get install chromium` (Debian), "
    "`.venv/bin/playwright install chromium` (anywhere), or name yours in LAB_CHROMIUM."
)


def find() -> str | None:
    """The path of a Chromium that can be started, or None."""
    named = os.environ.get("LAB_CHROMIUM")
    if named:
        return shutil.which(named)
    on_path = next((path for name in NAMES if (path := shutil.which(name))), None)
    return on_path or next((path for path in MAC if Path(path).exists()), None) or _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def main() -> None:
    """Install Playwright's Chromium where none is found; say what to do where that fails, and let the tests fail."""
    if find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
        if find() is None:
            print(WHAT_TO_INSTALL, file=sys.stderr)


if __name__ == "__main__":
    main()
