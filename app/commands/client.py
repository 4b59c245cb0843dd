"""A running service, as commands talk to it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from app.commands.console import ExitCode, Failure

DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_SECONDS = 30.0
KEY_VARIABLE = "TRIMTAB_API_KEY"


@dataclass(frozen=True, slots=True)
class ServiceClient:
    """Calls one service and turns its problem documents into failures."""

    http: httpx.Client

    def call(self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: object = None) -> Any:
        """JSON of the answer.

        Raises
        ------
        Failure
            `unavailable` where nobody answers or the service cannot now, `refused` where the request breaks a rule.
        """
        content = None if body is None else orjson.dumps(body)
        headers = {"content-type": "application/json"} if content is not None else {}
        try:
            response = self.http.request(method, path, params=dict(params or {}), content=content, headers=headers)
        except (httpx.TransportError, httpx.UnsupportedProtocol) as error:
            raise unreachable(str(self.http.base_url), error) from None
        if response.status_code >= 400:
            raise refused(response)
        return orjson.loads(response.content) if response.content else {}

    def text(self, path: str) -> str:
        """Text of an answer that is no JSON.

        Raises
        ------
        Failure
            As `call`.
        """
        return self.content(path).decode("utf-8", "replace")

    def content(self, path: str) -> bytes:
        """Bytes of an answer that is no JSON.

        Raises
        ------
        Failure
            As `call`.
        """
        try:
            response = self.http.get(path)
        except (httpx.TransportError, httpx.UnsupportedProtocol) as error:
            raise unreachable(str(self.http.base_url), error) from None
        if response.status_code >= 400:
            raise refused(response)
        return response.content


@contextmanager
def connect(url: str) -> Iterator[ServiceClient]:
    """Client of the service at a base URL, with the API key of `TRIMTAB_API_KEY`; proxies of the environment are not
    used.

    Raises
    ------
    Failure
        If the URL is none.
    """
    try:
        http = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False, headers=_key_header())
    except (httpx.InvalidURL, ValueError) as error:
        remedy = f"Write --url {DEFAULT_URL}"
        raise Failure(ExitCode.USAGE, f"{url} is no base URL of a service", str(error), remedy) from None
    with http:
        yield ServiceClient(http)


def _key_header() -> dict[str, str]:
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()):
        raise Failure(ExitCode.USAGE, f"{KEY_VARIABLE} holds something other than an API key")
    return {"Authorization": f"Bearer {key}"}


def unreachable(url: str, error: Exception) -> Failure:
    """Nobody answers."""
    detail = str(error) or type(error).__name__
    return Failure(
        ExitCode.UNAVAILABLE,
        f"No service answers at {url}",
        detail,
        "Start one with `trimtab serve`, or name another with --url.",
    )


def refused(response: httpx.Response) -> Failure:
    """Problem document as a failure; anything else that is no success, too."""
    try:
        document = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict) or "title" not in document:
        text = response.text[:200]
        return Failure(
            ExitCode.FAILED,
            f"{response.request.url} answered {response.status_code}",
            text,
            "Is this a Trimtab service?",
        )
    code = ExitCode.UNAVAILABLE if document.get("retryable") or response.status_code >= 500 else ExitCode.REFUSED
    errors = [(item.get("pointer", ""), item.get("detail", "")) for item in document.get("errors") or ()]
    return Failure(
        code,
        f"{document['title']} ({document.get('code', response.status_code)})",
        document.get("detail", ""),
        errors=errors,
        document=document,
    )
