"""The site builds without a warning, its links lead somewhere, and it can be read from disk without a network."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.command import ROOT
from tests.report.browser import chromium, requests, show

VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})


class Page(HTMLParser):
    """What a page of the site points at, what can be pointed at in it, and the text of its paragraphs."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.paragraphs: list[str] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(values["href"])
        elif tag in ("script", "img", "iframe", "source") and "src" in values:
            self.loaded.append(values["src"])
        if tag not in VOID:
            self._open.append(tag)
        if tag == "p":
            self.paragraphs.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "p" in self._open and "code" not in self._open:
            self.paragraphs[-1] += data


def build(folder: Path, *changes: tuple[str, str]) -> subprocess.CompletedProcess[str]:
    """Build a copy of the pages, with text put behind some of them, in `folder`."""
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    for name, text in changes:
        with (folder / "docs" / name).open("a", encoding="utf-8") as page:
            page.write(text)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    result = build(folder)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "warning" not in (result.stdout + result.stderr).lower()
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    found = {path: Page(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}
    assert len(found) == len(list((ROOT / "docs").rglob("*.md")))
    return found


def broken(pages: dict[Path, Page]) -> list[str]:
    """Return every link and loaded file that leads nowhere, and everything that is loaded from elsewhere."""
    found = []
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                found += [f"{path.name} loads {link}"] if link in page.loaded else []
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{path.name} points at {link}: no such file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                found.append(f"{path.name} points at {link}: no such place")
    return found


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(pages: dict[Path, Page]) -> None:
    assert broken(pages) == []
    assert sum(len(page.links) for page in pages.values()) > 100


def test_every_page_is_in_the_navigation(site: Path, pages: dict[Path, Page]) -> None:
    named = {(site / unquote(urlsplit(link).path)).resolve() for link in pages[site / "index.html"].links}
    assert set(pages) <= named


def test_lists_and_tables_are_rendered(pages: dict[Path, Page]) -> None:
    """GitHub starts a list without a blank line before it, the generator does not."""
    for path, page in pages.items():
        assert page.paragraphs
        for paragraph in page.paragraphs:
            assert not re.search(r"^\s*(- |\* |\d+\. |\||#)", paragraph, re.MULTILINE), f"{path.name}: {paragraph}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("index.md", "\n[nowhere](nowhere.md)\n"),
        ("tutorials/trust.md", "\n[nowhere](../measuring.md#nowhere)\n"),
        ("data.md", "\n![nothing](nothing.png)\n"),
    ],
)
def test_a_link_that_leads_nowhere_is_noticed(tmp_path: Path, page: str, text: str) -> None:
    """By the generator, or by the check above."""
    result = build(tmp_path, (page, text))
    found = {path: Page(path) for path in (tmp_path / "site").rglob("*.html")}
    assert result.returncode != 0 or broken(found)


@pytest.mark.slow
def test_another_page_does_not_need_the_navigation_to_build(tmp_path: Path) -> None:
    assert build(tmp_path, ("new.md", "# A page that is being written\n\n[Start](index.md)\n")).returncode == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("name", ["index", "tutorials/trust"])
def test_a_page_opens_from_disk_and_can_be_searched(browser: Any, site: Path, name: str) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get_log("browser")
    show(browser, site / f"{name}.html")
    assert browser.find_element(By.TAG_NAME, "h1").text
    browser.execute_script("document.dispatchEvent(new KeyboardEvent('keydown', {key: '/', bubbles: true}))")
    WebDriverWait(browser, 60).until(_field).send_keys("requantisation")
    WebDriverWait(browser, 60).until(_found)
    assert [address for address in requests(browser) if not address.startswith(("file:", "data:", "blob:"))] == []
    assert [entry["message"] for entry in browser.get_log("browser")] == []


ALL = """
const all = root => [...root.querySelectorAll('*')].flatMap(e => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
"""
"""The theme's search is a component of its own: its elements lie below a shadow root."""


def _field(browser: Any) -> Any:
    """Return the search field, None before it is shown."""
    wanted = "e.tagName === 'INPUT' && ['text', 'search'].includes(e.type) && e.offsetHeight"
    return browser.execute_script(f"{ALL} return all(document).find(e => {wanted}) || null")


def _found(browser: Any) -> bool:
    """Tell whether the search shows the page about the engine."""
    wanted = "e.tagName === 'A' && /engine.html.*requantisation/.test(e.href) && e.offsetHeight"
    return bool(browser.execute_script(f"{ALL} return all(document).some(e => {wanted})"))
