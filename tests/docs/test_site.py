"""The built site: every link inside it leads somewhere, nothing is fetched, no browser complains."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from functools import cache
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).parents[2] / "build" / "docs"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REFERENCE = re.compile(r'<(\w+)\b[^>]*?\s(href|src)="([^"]+)"')
ANCHOR = re.compile(r'\s(?:id|name)="([^"]+)"')
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
SHOWN = (
    "index.html",
    "five_minutes.html",
    "coming_from.html",
    "errors.html",
    "made/recipe/steps_xps.html",
    "made/layouts/absorption.html",
    "made/science/xas.html",
    "made/reference/names/operando.lag.html",
    "made/benchmarks/benchmarks.html",
)

pytestmark = pytest.mark.skipif(not (SITE / "index.html").is_file(), reason="the site is not built: make docs")


@dataclass(frozen=True)
class Links:
    """What a page refers to (tag, attribute, target), and what can be referred to in it."""

    found: tuple[tuple[str, str, str], ...]
    anchors: frozenset[str]


@cache
def links(path: Path) -> Links:
    text = path.read_text(encoding="utf-8")
    found = ((tag, name, unescape(target)) for tag, name, target in REFERENCE.findall(text))
    return Links(tuple(dict.fromkeys(found)), frozenset(map(unescape, ANCHOR.findall(text))))


def pages() -> list[Path]:
    return sorted(path for path in SITE.rglob("*.html") if "_static" not in path.parts)


def test_every_link_inside_the_site_leads_somewhere():
    lost = []
    for page in pages():
        for _, _, target in links(page).found:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            there = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            anchor = unquote(parts.fragment) if there.suffix == ".html" else ""
            if not there.exists() or (anchor and anchor not in links(there).anchors):
                lost.append(f"{page.relative_to(SITE)}: {target}")
    assert len(pages()) > 150
    assert not lost


def test_nothing_is_fetched_from_elsewhere():
    for page in pages():
        for tag, name, target in links(page).found:
            elsewhere = urlsplit(target).scheme not in ("", "data") or target.startswith("//")
            assert not ((tag, name) in LOADED and elsewhere), f"{page.relative_to(SITE)} loads {target}"


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 390])
def test_in_a_browser_the_site_is_silent_and_fits_the_width(width):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install -y chromium")
    asked, said, wide = [], [], []
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=flags)
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: said.append(str(error)))
        for name in SHOWN:
            tab.goto((SITE / name).as_uri())
            tab.wait_for_load_state("load")
            if tab.evaluate("document.documentElement.scrollWidth - innerWidth") > 0:
                wide.append(name)
        browser.close()
    assert not said
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    assert not wide
