"""The application in process, behind an HTTP client without sockets."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from app.container import Container
from app.lifespan import open_container
from app.main import create_app
from app.settings import Settings


@asynccontextmanager
async def client(folder: Path, settings: Settings | None = None, **ports: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Client of an application on embedded stores in `folder`; `ports` replace those of its container."""
    settings = settings or Settings(data_dir=folder)
    async with open_container(settings) as container, client_of(dataclasses.replace(container, **ports)) as http:
        yield http


@asynccontextmanager
async def client_of(container: Container) -> AsyncIterator[httpx.AsyncClient]:
    """Client of an application on a given container."""
    transport = httpx.ASGITransport(app=create_app(container.settings, container))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield http
