"""The explorer needs no network: every file is ours, pinned, and allowed by a policy without inline code."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

import app
from app.routes.docs import SERVED
from tests.support.http import client

PAGES = ("/docs", "/docs/ws")
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
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy


async def test_files_are_typed_cached_and_revalidated(http: httpx.AsyncClient) -> None:
    for name in sorted(SERVED):
        first = await http.get(f"/docs/{name}")
        assert first.status_code == 200
        assert first.content == (STATIC / name).read_bytes()
        assert first.headers["content-type"].split(";")[0] in ("text/javascript", "text/css", "image/png", "text/plain")
        again = await http.get(f"/docs/{name}", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert (await http.get("/favicon.ico")).headers["content-type"] == "image/png"


def test_every_vendored_file_has_its_pinned_digest() -> None:
    pinned = dict(
        reversed(line.split()) for line in (STATIC / "SHA256SUMS").read_text().splitlines() if not line.startswith("#")
    )
    present = {path.name for path in STATIC.iterdir()} - {"SHA256SUMS", "README.md"}
    assert set(pinned) == present
    assert set(pinned) >= SERVED
    for name, digest in pinned.items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest, name
