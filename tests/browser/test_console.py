"""The console as an operator meets it: targets come, expire, explain themselves; a halt acts; the stream is mended."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.chromium import Page, browser
from tests.support.documents import output
from tests.support.service import ServiceProcess, running

pytestmark = pytest.mark.browser
PICTURES = "TRIMTAB_TEST_PICTURES"
"""Variable that names a directory to keep the pictures in."""
SHIFT_MS = -3_600_000
"""Error of the clock of a reader's phone."""
CLOCK = f"const real = Date.now; Date.now = () => real() + {SHIFT_MS};"
SHIFTS = """new Promise(done => new PerformanceObserver(list => done(list.getEntries()
  .filter(entry => !entry.hadRecentInput).reduce((sum, entry) => sum + entry.value, 0)))
  .observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 500))"""
GOOD_SHIFT = 0.1
"""Largest sum of layout shifts that web.dev/cls calls good."""
HOSTILE = ['<img/src=x/onerror="alert(1)">', "</td></tr><script>alert(1)</script>", "${alert(1)}&lt;b&gt;"]
MARKET = "BTC-PERP"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A fresh embedded service."""
    with running(tmp_path / "service") as found:
        yield found


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures go."""
    folder = Path(os.environ.get(PICTURES, tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def console(
    service: ServiceProcess, folder: Path, *, size: tuple[int, int] = (1200, 1500), scheme: str = "light", **more: str
) -> Iterator[Page]:
    """The console, connected; `before` is run before its own scripts."""
    width, height = size
    with browser(folder / "profile", width=width, height=height) as page:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.call("Emulation.setEmulatedMedia", features=features)
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        page.call("Emulation.setDeviceMetricsOverride", **metrics)
        if "before" in more:
            page.call("Page.addScriptToEvaluateOnNewDocument", source=more["before"])
        page.open(f"{service.url}/{more.get('fragment', '')}")
        page.wait_for("document.getElementById('state')?.textContent === 'connected'")
        yield page


def ask(service: ServiceProcess, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Answer of the service, which must be good."""
    answer = httpx.request(method, f"{service.url}{path}", json=body, headers=headers, trust_env=False, timeout=20.0)
    assert answer.is_success, answer.text
    return answer.json()


def feed(service: ServiceProcess, count: int = 80) -> None:
    """Hourly closes that end with the last full hour."""
    end = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)
    times = [(end - datetime.timedelta(hours=count - 1 - place)).isoformat() for place in range(count)]
    rows = [
        {
            "symbol": MARKET,
            "interval": "PT1H",
            "calendar": "24/7",
            "close_time": time,
            "close": 93000 + 150 * (n * 7 % 11),
        }
        for n, time in enumerate(times)
    ]
    ask(service, "POST", "/v1/observations", {"observations": rows})


def register(service: ServiceProcess, name: str, symbols: list[str], max_snapshot_age: str = "PT10M") -> None:
    """Register a portfolio under a policy with breakers."""
    terms = {"kind": "linear", "quote_currency": "USD", "quantity_unit": "base", "lot": "0.001"}
    policy = {"sizing": {"method": "volatility_target", "target_volatility": 0.2}, "breakers": {}}
    body = {
        "policy": policy,
        "interval": "PT1H",
        "max_snapshot_age": max_snapshot_age,
        "instruments": [{"symbol": symbol, **terms} for symbol in symbols],
    }
    ask(service, "PUT", f"/v1/portfolios/{name}", body)


def send(service: ServiceProcess, name: str, sequence: int, symbols: list[str], mark: str = "93600") -> None:
    """Send a snapshot with a position in every symbol and a signal."""
    body = {
        "snapshot_seq": sequence,
        "account": {"equity": "100000", "currency": "USD"},
        "positions": [{"symbol": symbol, "quantity": "0.4", "mark_price": mark} for symbol in symbols],
        "signals": [{"symbol": symbol, "direction": 1} for symbol in symbols],
    }
    ask(service, "POST", f"/v1/portfolios/{name}/snapshots", body)


def shown(label: str, place: int = 0) -> str:
    """Expression: text of a cell of the targets."""
    cells = f"#target-rows > tr:not(.more) > [data-label='{label}']"
    return f'document.querySelectorAll("{cells}")[{place}]?.innerText.trim()'


def text(name: str) -> str:
    """Expression: text of an element."""
    return f"document.getElementById('{name}').innerText"


def press(page: Page, key: str) -> None:
    """Press a key where the focus is."""
    for kind in ("keyDown", "keyUp"):
        page.call(
            "Input.dispatchKeyEvent",
            type=kind,
            key=key,
            code=key,
            text="\r" if key == "Enter" else "",
            windowsVirtualKeyCode={"Enter": 13, "Escape": 27}[key],
        )


def fill(page: Page, actor: str, reason: str) -> None:
    """Say who and why in the dialog, and confirm."""
    page.wait_for("document.getElementById('switch-dialog').open")
    for name, value in (("switch-actor", actor), ("switch-reason", reason)):
        page.run(f"document.getElementById('{name}').value = {value!r}")
    page.run("document.getElementById('switch-form').requestSubmit()")


def foreign(page: Page, service: ServiceProcess) -> list[str]:
    """What the page asked of others than the service."""
    own = (service.url, service.url.replace("http", "ws"), "data:")
    return [url for url in page.requests if not url.startswith(own)]


def test_the_first_steps_lead_to_targets_that_explain_themselves(
    service: ServiceProcess, tmp_path: Path, pictures: Path
) -> None:
    with console(service, tmp_path) as page:
        page.wait_for("!document.getElementById('first-steps').hidden")
        page.picture(pictures / "console-first-steps.png")
        for command in page.run("[...document.querySelectorAll('#first-steps pre')].map(block => block.textContent)"):
            output(command, service.url)
        page.wait_for(f"{shown('Status')} === 'ok'")
        state = ask(service, "GET", "/v1/portfolios/desk/targets")
        (target,) = state["targets"]
        assert page.run(shown("Symbol")) == MARKET
        assert page.run(shown("Current")) == target["current_quantity"]
        assert page.run(shown("Target")) == target["target_quantity"]
        (order,) = state["orders"]
        assert page.run(shown("Order")).startswith(f"{order['side']} {order['quantity']}\nwithin ")
        assert page.run(text("freshness")).startswith("Live")
        page.run("document.querySelector('#target-rows .open').focus()")
        press(page, "Enter")
        page.wait_for("document.querySelector('#target-rows .open').getAttribute('aria-expanded') === 'true'")
        rows = page.run(
            "[...document.querySelectorAll('.more tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))"
        )
        assert [(row[1], row[3]) for row in rows] == [(step["in"], step["out"]) for step in target["steps"]]
        assert target["binding"][0]["parameter"] in page.run("document.querySelector('.binding').textContent")
        meters = page.run(
            "[...document.querySelectorAll('[role=meter]')].map(bar => bar.getAttribute('aria-valuetext'))"
        )
        stored = ask(service, "GET", f"/v1/evaluations/{state['evaluation_id']}")["margin"]
        assert meters[0] == f"{100 * stored['current']['initial_to_equity']:.1f} %"
        assert state["evaluation_id"] in page.run("document.querySelector('#decisions a').href")
        page.wait_for("!!document.querySelector('#chart canvas')")
        assert page.run(text("chart-summary")).startswith("One decision")
        page.wait_for(f"Number({text('heartbeats')}) > 0")
        assert page.complaints == []
        assert foreign(page, service) == []


def test_nothing_jumps_and_the_history_is_drawn(service: ServiceProcess, tmp_path: Path, pictures: Path) -> None:
    feed(service)
    register(service, "desk", [MARKET])
    for sequence in range(1, 13):
        send(service, "desk", sequence, [MARKET], str(93000 + 400 * (sequence * 5 % 7)))
        httpx.get(f"{service.url}/v1/portfolios/desk/targets?wait_seconds=5", trust_env=False)
    ask(service, "PUT", "/v1/breakers/venue:deribit", {"mode": "reduce_only", "actor": "ana", "reason": "slow fills"})
    with console(service, tmp_path, size=(1200, 1560)) as page:
        page.wait_for(f"Number({text('heartbeats')}) > 0")  # by then the switch is in force for every process
        decisions = len(ask(service, "GET", "/v1/evaluations?kind=live&portfolio_id=desk")["items"])
        assert decisions > 1
        page.wait_for(f"{text('chart-summary')}.startsWith('{decisions} decisions')")
        page.wait_for(f"{text('switches')}.includes('slow fills')")
        assert page.run(SHIFTS) < GOOD_SHIFT
        page.run("document.querySelector('#target-rows .open').click()")
        page.wait_for("!document.querySelector('.more').hidden")
        page.picture(pictures / "console.png")
        assert page.complaints == []


def test_an_expired_target_is_shown_as_expired_whatever_the_clock_of_the_reader(
    service: ServiceProcess, tmp_path: Path, pictures: Path
) -> None:
    feed(service)
    register(service, "brief", [MARKET], "PT12S")
    with console(service, tmp_path, before=CLOCK, fragment="#brief") as page:
        send(service, "brief", 1, [MARKET])
        page.wait_for(f"{shown('Status')} === 'ok'")
        assert page.run(text("freshness")).startswith("Live")
        page.wait_for(f"{shown('Status')} === 'expired'", 60.0)
        assert page.run(shown("Permission")) == "reduce only"
        assert page.run(shown("Valid for")) == "expired"
        assert page.run(text("freshness")).startswith("Expired")
        assert ask(service, "GET", "/v1/portfolios/brief/targets")["expired"] is True
        assert page.run(text("margin")).startswith("Expired")
        page.picture(pictures / "console-expired.png")
        send(service, "brief", 2, [MARKET])
        page.wait_for(f"{shown('Status')} === 'ok'")
        assert page.complaints == []


def test_a_halt_acts_and_is_released_by_who_saw_it(service: ServiceProcess, tmp_path: Path, pictures: Path) -> None:
    feed(service)
    register(service, "desk", [MARKET])
    send(service, "desk", 1, [MARKET])
    with console(service, tmp_path, size=(1200, 900)) as page:
        page.wait_for(f"{shown('Permission')} === 'any'")
        page.run("document.getElementById('stop').click()")
        page.wait_for("document.getElementById('switch-dialog').open")
        page.picture(pictures / "console-stop.png")
        press(page, "Escape")
        page.wait_for("!document.getElementById('switch-dialog').open")
        assert ask(service, "GET", "/v1/breakers")["items"] == []
        page.run("document.getElementById('stop').click()")
        fill(page, "ana", "fat finger on the desk")
        page.wait_for("!document.getElementById('switch-dialog').open")
        found = ask(service, "GET", "/v1/breakers/portfolio:desk")
        assert (found["in_force"], found["actor"], found["reason"]) == ("halt", "ana", "fat finger on the desk")
        page.wait_for(f"{shown('Permission')} === 'none'")
        assert page.run(shown("Order")) == "—"
        page.wait_for(f"{text('switches')}.includes('fat finger on the desk')")
        page.picture(pictures / "console-halted.png")

        page.run("document.querySelector('#switches button').click()")
        page.wait_for("document.getElementById('switch-dialog').open")
        ask(service, "PUT", "/v1/breakers/portfolio:desk", {"mode": "halt", "actor": "bo", "reason": "not yet"})
        fill(page, "ana", "mended")
        page.wait_for(f"{text('switch-problem')}.includes('If-Match names another version')")
        assert ask(service, "GET", "/v1/breakers/portfolio:desk")["in_force"] == "halt"
        press(page, "Escape")
        page.wait_for(f"{text('switches')}.includes('not yet')")
        assert [("412" in complaint) for complaint in page.complaints] == [True], page.complaints
        page.complaints.clear()

        page.run("document.querySelector('#switches button').click()")
        fill(page, "ana", "mended, bo agrees")
        page.wait_for(f"{text('switches')}.includes('Nothing is stopped')")
        assert ask(service, "GET", "/v1/breakers/portfolio:desk")["reason"] == "mended, bo agrees"
        page.wait_for(f"{shown('Permission')} === 'any'")
        assert page.complaints == []


def test_hostile_symbols_on_a_narrow_dark_screen_are_text(
    service: ServiceProcess, tmp_path: Path, pictures: Path
) -> None:
    feed(service)
    symbols = [MARKET, *HOSTILE]
    register(service, "desk", symbols)
    send(service, "desk", 1, symbols)
    with console(service, tmp_path, size=(360, 2600), scheme="dark") as page:
        page.wait_for(f"{shown('Symbol', len(symbols) - 1)}")
        assert sorted(page.run(shown("Symbol", place)) for place in range(len(symbols))) == sorted(symbols)
        page.picture(pictures / "console-narrow.png")
        page.run("document.querySelectorAll('.open').forEach(button => button.click())")
        page.wait_for("[...document.querySelectorAll('.more')].every(row => !row.hidden)")
        assert page.run("document.querySelectorAll('img, main script, b').length") == 0
        assert page.run("document.documentElement.scrollWidth") <= page.run("window.innerWidth")
        page.run("document.getElementById('stop').click()")
        assert page.run("document.documentElement.scrollWidth") <= page.run("window.innerWidth")
        page.picture(pictures / "console-narrow-open.png")
        assert page.complaints == []


def test_a_restart_of_the_service_is_said_and_mended(service: ServiceProcess, tmp_path: Path) -> None:
    feed(service)
    register(service, "desk", [MARKET])
    send(service, "desk", 1, [MARKET])
    with console(service, tmp_path) as page:
        page.wait_for(f"{text('freshness')}.startsWith('Live')")
        assert page.complaints == []
        service.kill()
        page.wait_for(f"{text('freshness')}.startsWith('Not connected')")
        assert page.run(text("state")) == "not connected"
        service.start()
        page.wait_for(f"{text('freshness')}.startsWith('Live')")
        assert page.run(text("reconnects")) == "1"
        send(service, "desk", 2, [MARKET])
        page.wait_for(f"{text('freshness')}.includes('snapshot 2')")
        assert all("ERR_CONNECTION" in complaint for complaint in page.complaints), page.complaints
