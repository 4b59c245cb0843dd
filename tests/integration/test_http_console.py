"""The console is whole without a browser: its policy, its modules, and what it says of the service."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import get_args

import httpx
import pytest

import app
from app.routes.console import SERVED
from models.api.query import FactKind
from services.streaming.close import CloseCode
from tests.support.documents import ROOT, WRITTEN_URL, examples
from tests.support.http import client

FILES = Path(app.__file__).parent / "static" / "console"
MODULES = sorted(name for name in SERVED if name.endswith(".js") and not name.startswith("uPlot"))
OURS = [*MODULES, "console.html", "console.css"]


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def text(name: str) -> str:
    """A file of the console."""
    return (FILES / name).read_text()


async def test_the_policy_allows_our_files_and_makes_no_markup_of_strings(http: httpx.AsyncClient) -> None:
    answer = await http.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["trusted-types"] == policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert {policy[kind] for kind in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}


async def test_modules_are_never_older_than_the_page(http: httpx.AsyncClient) -> None:
    for name in MODULES:
        assert (await http.get(f"/console/{name}")).headers["cache-control"] == "no-cache"


def test_every_module_that_is_imported_is_served_and_none_is_left_over() -> None:
    imported = {name for module in MODULES for name in re.findall(r'from "\./([\w.]+)"', text(module))}
    entry = set(re.findall(r'src="console/([\w.]+)"', text("console.html"))) - {"uPlot.iife.min.js"}
    assert entry == {"console.js"}
    assert imported | entry == set(MODULES)


def test_every_element_that_is_looked_up_exists_once() -> None:
    present = re.findall(r' id="([\w-]+)"', text("console.html"))
    assert len(set(present)) == len(present)
    looked_up = {name for module in MODULES for name in re.findall(r'byId\("([\w-]+)"\)', text(module))}
    assert len(looked_up) > 20
    assert looked_up <= set(present)


@pytest.mark.parametrize("name", OURS)
def test_no_file_makes_markup_of_strings_or_asks_anybody_else(name: str) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text(name))
    assert "://" not in text(name).replace(WRITTEN_URL, "")


async def test_every_address_that_it_asks_is_one_of_the_service(http: httpx.AsyncClient) -> None:
    known = set((await http.get("/openapi.json")).json()["paths"]) | {"/v1/stream"}
    asked = {f"/{path}" for module in MODULES for path in re.findall(r'["`](v1/[\w/]+)', text(module))}
    assert len(asked) >= 6
    for path in asked:
        assert any(one == path.rstrip("/") or one.startswith(f"{path.rstrip('/')}/") for one in known), path


def test_the_first_steps_are_the_commands_of_the_page_of_portfolios() -> None:
    """Which a test of that page runs."""
    shown = [unescape(block) for block in re.findall(r"<pre>(.*?)</pre>", text("console.html"), re.DOTALL)]
    assert shown == [example.command for example in examples((ROOT / "docs" / "portfolios.md").read_text())][:3]


def test_entries_without_an_evaluation_are_those_that_the_api_calls_facts() -> None:
    (listed,) = re.findall(r"FACTS = new Set\(\[(.*?)\]\)", text("decisions.js"))
    assert set(re.findall(r'"(\w+)"', listed)) == set(get_args(FactKind))


def test_close_codes_that_the_client_names_are_those_of_the_protocol() -> None:
    client_text = text("stream.js")
    for name in ("TRY_LATER", "STREAM_RESET", "RATE_LIMITED"):
        assert f"const {name} = {CloseCode[name].value};" in client_text
    (mend,) = re.findall(r"MEND_FIRST = new Set\(\[(.*?)\]\)", client_text)
    stops = {int(code) for code in mend.split(",")} | set(range(4500, 4600))
    assert {int(code) for code in CloseCode if not code.reconnects} <= stops
    assert not {int(code) for code in CloseCode if code.reconnects} & stops


def test_links_and_pictures_of_its_page_lead_somewhere() -> None:
    page = ROOT / "docs" / "console.md"
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert len(links) >= 4
    for link in links:
        assert (page.parent / link).is_file(), link
    assert (ROOT / "docs" / "images" / "console.png").stat().st_size < 150_000
