"""Find a Chromium for the page tests, or install one: `python -m tests.browser` prints where it is.

In this order: the variable CHROMIUM_PATH, the system's, playwright's own, Debian's package (as
root).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MINUTES = 10


def path() -> str | None:
    """Return where a browser is; None leaves the search to playwright's own."""
    return os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, NAMES)), None)


def _playwrights() -> str | None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - slow, and seldom needed

    with sync_playwright() as playwright:
        found = playwright.chromium.executable_path
    return found if os.path.exists(found) else None  # noqa: PTH110


def _run(*command: str) -> None:
    subprocess.run(command, check=False, timeout=60 * MINUTES, stdout=subprocess.DEVNULL)


def _install() -> str | None:
    _run(sys.executable, "-m", "playwright", "install", "chromium")
    if (found := _playwrights()) is not None:
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")
    return path()


def main() -> None:
    """Print where the browser is; exits 1 where there is none and none could be installed."""
    found = path() or _playwrights() or _install()
    print(found or "no Chromium: set CHROMIUM_PATH, or run `playwright install chromium`")  # noqa: T201
    sys.exit(found is None)


if __name__ == "__main__":
    main()
