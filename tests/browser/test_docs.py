"""The explorer as a reader meets it: no network, no complaint, and every example answers when it is tried."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.operations import OPERATIONS
from tests.browser.chromium import Page, browser
from tests.support.service import ServiceProcess, running

pytestmark = pytest.mark.browser
PICTURES = "TRIMTAB_TEST_PICTURES"
"""Variable that names a directory to keep the pictures in."""
CLICKS = 4
BLOCK = "document.getElementById('operations-{tag}-{name}')"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A fresh embedded service."""
    with running(tmp_path_factory.mktemp("service")) as found:
        yield found


@pytest.fixture
def page(service: ServiceProcess, tmp_path: Path) -> Iterator[Page]:
    """The explorer, loaded."""
    with browser(tmp_path / "profile") as found:
        found.open(f"{service.url}/docs")
        found.wait_for("document.querySelectorAll('.opblock').length")
        yield found


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures go."""
    folder = Path(os.environ.get(PICTURES, tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_it_renders_everything_without_a_network(page: Page, service: ServiceProcess, pictures: Path) -> None:
    assert page.run("document.querySelectorAll('.opblock').length") == len(OPERATIONS)
    page.picture(pictures / "docs.png")
    assert page.complaints == []
    foreign = [url for url in page.requests if not url.startswith((service.url, "data:"))]
    assert foreign == []


def execute(page: Page, block: str) -> str:
    """Status after "Execute"; the button is there before the operation is resolved, so a lost click is repeated."""
    page.wait_for(f"!!{block}.querySelector('button.execute')")
    for _ in range(CLICKS):
        page.run("new Promise(done => setTimeout(done, 250))")
        page.run(f"{block}.querySelector('button.execute').click()")
        with contextlib.suppress(TimeoutError):
            status = f"{block}.querySelector('.live-responses-table tbody .response-col_status')?.textContent"
            return str(page.wait_for(status, seconds=8.0))
    raise TimeoutError(block)


def test_every_example_answers_when_tried(page: Page, pictures: Path) -> None:
    # The first key ends what everybody may do; and no service knows the witness of an example.
    for operation in sorted(OPERATIONS, key=lambda item: item.operation_id == "create_key"):
        if "{" in operation.path or operation.operation_id == "add_cosignatures":
            continue
        block = BLOCK.format(tag=operation.tag, name=operation.operation_id)
        page.run(f"{block}.querySelector('.opblock-summary-control').click()")
        status = execute(page, block)
        assert status.startswith(str(operation.status)), f"{operation.operation_id}: {status}"
        if operation.operation_id == "evaluate":
            page.run(f"{block}.querySelector('.live-responses-table').scrollIntoView()")
            page.picture(pictures / "docs-executed.png")
        page.run(f"{block}.querySelector('.opblock-summary-control').click()")
    assert page.complaints == []
