"""Drives the page verify.html of evidence bundles in headless Chromium.

The argument is a file with JSON: {"page", "screenshots", "cases": [{"name", "files", "key"}]}. Each
case is a new visit of the page, offline: the key is typed into its field, and the files are given to
its input. Prints as JSON, for each case, the verdict and all that the page says. A request to
anywhere, or an error in the page, ends the script.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 60_000


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        order = json.load(file)
    executable = os.environ.get("AUDITLAKE_TEST_CHROMIUM") or shutil.which("chromium")
    if not executable:
        sys.exit("there is no chromium; `cargo xtask test` installs it")
    screenshots = Path(order["screenshots"])
    screenshots.mkdir(parents=True, exist_ok=True)
    address = Path(order["page"]).resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        told = [visit(browser, address, case, screenshots) for case in order["cases"]]
        browser.close()
    json.dump(told, sys.stdout)


def visit(browser: Browser, address: str, case: dict, screenshots: Path) -> dict:
    scheme = "dark" if case.get("dark") else "light"
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    page.on("console", lambda said: troubles.append(f"console: {said.text}"))
    page.on("request", lambda asked: asked.url == address or troubles.append(f"asks {asked.url}"))
    page.goto(address)
    context.set_offline(True)
    if page.get_attribute("html", "data-verdict") is not None:
        sys.exit("the page has a verdict before there is anything to judge")
    # From the keyboard alone: the first stop is the field for the bundle, the next one the key.
    page.keyboard.press("Tab")
    if page.locator("#files:focus").count() != 1:
        sys.exit("the field for files is not the first that the keyboard reaches")
    page.keyboard.press("Tab")
    page.keyboard.insert_text(case["key"])
    page.set_input_files("#files", case["files"])
    page.locator("html[data-verdict]").wait_for(state="attached", timeout=PATIENCE_MS)
    page.screenshot(path=screenshots / f"{case['name']}.png", full_page=True)
    told = {
        "name": case["name"],
        "verdict": page.get_attribute("html", "data-verdict"),
        "status": page.locator("#status").inner_text(),
        "headline": page.locator("#headline").inner_text(),
        "text": page.locator("#result").inner_text(),
    }
    context.close()
    if troubles:
        sys.exit(f"{case['name']}: {troubles}")
    return told


if __name__ == "__main__":
    main()
