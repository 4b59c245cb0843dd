"""A headless Chromium without a network, driven over the DevTools protocol: no driver package is needed."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
START_SECONDS = 30.0


def executable() -> str:
    """Path of Chromium.

    Raises
    ------
    RuntimeError
        If there is none: the browser tests were asked for and cannot run.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise RuntimeError(f"the browser tests need one of {', '.join(NAMES)} on PATH")
    return found


class Page:
    """One tab.

    `requests` are the URLs it asked for, `complaints` its errors: exceptions, console errors, violations of the policy.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._ids = connection, itertools.count(1)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; note the events that come meanwhile."""
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=START_SECONDS))
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])
            self._note(message)

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(parameters["exceptionDetails"]))
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.complaints.append(str(parameters["entry"]))
            case "Runtime.consoleAPICalled" if parameters["type"] == "error":
                self.complaints.append(str(parameters["args"]))

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, script: str, seconds: float = 20.0) -> Any:
        """First true value of an expression.

        Raises
        ------
        TimeoutError
            If it stays false.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := self.run(script):
                return value
            time.sleep(0.05)
        raise TimeoutError(script)

    def picture(self, path: Path) -> None:
        """Save what is seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextmanager
def browser(profile: Path, *, width: int = 1300, height: int = 1700) -> Iterator[Page]:
    """Chromium with one tab."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", OFFLINE]
    options += [f"--user-data-dir={profile}", f"--window-size={width},{height}", "--no-first-run", "about:blank"]
    with subprocess.Popen([executable(), *options], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            with connect(_address(profile), max_size=None) as connection:
                yield Page(connection)
        finally:
            process.terminate()


def _address(profile: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    active = profile / "DevToolsActivePort"
    while time.monotonic() < deadline:
        if active.exists() and len(lines := active.read_text().splitlines()) == 2:
            tabs = httpx.get(f"http://127.0.0.1:{lines[0]}/json", trust_env=False).json()
            return str(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))
        time.sleep(0.05)
    raise TimeoutError("Chromium did not open its debugging port")
