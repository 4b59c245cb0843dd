"""The pages need no network: every file is ours, pinned, and allowed by a policy without inline code."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

import app
from app.routes import console
from app.routes.docs import SERVED
from tests.support.http import client

PAGES = ("/", "/docs", "/docs/ws")
TYPES = {"text/javascript", "text/css", "image/png", "text/plain"}
FILES = {"/docs/": SERVED, "/console/": console.SERVED}
STATIC = Path(app.__file__).parent / "static"


class Page(HTMLParser):
    """What a page loads, and what it brings inline."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note sources and inline code."""
        given = dict(attrs)
        self._open = tag
        self.loads += [str(given[name]) for name in ("src", "href") if name in given]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        """Note inline scripts and styles."""
        if self._open in ("script", "style") and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        self._open = ""


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


@pytest.mark.parametrize("path", PAGES)
async def test_the_page_loads_only_our_own_files(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    page = Page(answer.text)
    assert page.inline == []
    assert len(page.loads) >= 5
    for address in page.loads:
        assert "//" not in address
        assert (await http.get(urljoin(path, address))).status_code == 200


@pytest.mark.parametrize("path", PAGES)
async def test_the_policy_forbids_everything_foreign_and_inline(http: httpx.AsyncClient, path: str) -> None:
    policy = (await http.get(path)).headers["content-security-policy"]
    assert "default-src 'self'" in policy or "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize(("prefix", "name"), [(prefix, name) for prefix in FILES for name in sorted(FILES[prefix])])
async def test_files_are_typed_and_revalidated(http: httpx.AsyncClient, prefix: str, name: str) -> None:
    first = await http.get(prefix + name)
    assert first.status_code == 200
    assert first.content == (STATIC / prefix.removeprefix("/docs").lstrip("/") / name).read_bytes()
    assert first.headers["content-type"].split(";")[0] in TYPES
    again = await http.get(prefix + name, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_browsers_find_an_icon(http: httpx.AsyncClient) -> None:
    assert (await http.get("/favicon.ico")).headers["content-type"] == "image/png"


def test_every_file_has_its_pinned_digest() -> None:
    pinned = dict(
        reversed(line.split()) for line in (STATIC / "SHA256SUMS").read_text().splitlines() if not line.startswith("#")
    )
    present = {str(path.relative_to(STATIC)) for path in STATIC.rglob("*") if path.is_file()}
    assert set(pinned) == present - {"SHA256SUMS", "README.md"}
    assert set(pinned) >= SERVED | {f"console/{name}" for name in console.SERVED}
    for name, digest in pinned.items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest, name
