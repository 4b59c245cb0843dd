"""The page of the stream as a reader meets it: drawn from the contract, and alive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.asyncapi import asyncapi_document
from services.streaming.close import CloseCode
from tests.browser.chromium import Page, browser
from tests.support.service import ServiceProcess, running

pytestmark = pytest.mark.browser
PICTURES = "TRIMTAB_TEST_PICTURES"
"""Variable that names a directory to keep the pictures in."""
LOG = "document.getElementById('log').textContent"


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A fresh embedded service: a bar that is known would change nothing, and push nothing."""
    with running(tmp_path_factory.mktemp("service")) as found:
        yield found


@pytest.fixture(params=[(1300, 1700, "light"), (390, 1700, "dark")], ids=["wide", "narrow and dark"])
def page(request: pytest.FixtureRequest, service: ServiceProcess, tmp_path: Path) -> Iterator[Page]:
    """The page, drawn."""
    width, height, scheme = request.param
    with browser(tmp_path / "profile", width=width, height=height) as found:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        found.call("Emulation.setEmulatedMedia", features=features)
        found.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        found.open(f"{service.url}/docs/ws")
        found.wait_for("document.querySelectorAll('#code-rows tr').length")
        yield found


def click(page: Page, selector: str) -> None:
    """Press a button."""
    page.wait_for(f"!document.querySelector('{selector}').disabled")
    page.run(f"document.querySelector('{selector}').click()")


def test_it_shows_the_contract_and_what_happens(
    page: Page, service: ServiceProcess, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    document = asyncapi_document()
    assert page.run("document.querySelectorAll('#code-rows tr').length") == len(CloseCode)
    shown = page.run("document.querySelectorAll('#operation-list > details, #message-list > details').length")
    assert shown == len(document["operations"])
    assert page.run("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    click(page, "#connect")
    page.wait_for(f"{LOG}.includes('\"hello\"')")
    page.run("document.getElementById('kind').value = 'volatility'")
    page.run("document.getElementById('subject').value = 'BTC-PERP'")
    click(page, "#console [type=submit]")
    page.wait_for("document.querySelector('#subscriptions tbody').textContent.includes('volatility:BTC-PERP')")
    page.run(
        "document.getElementById('sample').selectedIndex ="
        " [...document.getElementById('sample').options].findIndex(item => item.text === 'observe')"
    )
    page.run("document.getElementById('sample').dispatchEvent(new Event('change'))")
    click(page, "#send")
    page.wait_for(f"{LOG}.includes('\"update\"')")
    page.wait_for("document.querySelector('#subscriptions .good')?.textContent === 'ok'")
    folder = Path(os.environ.get(PICTURES, tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    page.picture(folder / f"stream-{'narrow' if 'narrow' in request.node.name else 'wide'}.png")
    click(page, "#connect")
    page.wait_for("document.getElementById('state').textContent.startsWith('closed 1000')")
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith((service.url, "data:"))] == []
