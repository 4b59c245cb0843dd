"""The one place where the service is put together."""

from __future__ import annotations

import os

from fastapi import FastAPI

from app.container import Container
from app.errors import install
from app.lifespan import lifespan
from app.middleware import Edge
from app.routes import ROUTES
from app.settings import Settings
from app.telemetry import Telemetry
from app.usecases.vitals import Vitals
from app.version import ENGINE_VERSION


def create_app(settings: Settings, container: Container | None = None) -> FastAPI:
    """Application on the stores that the settings name, or on a container that the caller opens and closes.

    Parameters
    ----------
    settings : Settings
        How the process runs.
    container : Container, optional
        Ports to use instead of those that the settings name.
    """
    app = FastAPI(
        title="Trimtab",
        version=ENGINE_VERSION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.settings, app.state.container, app.state.telemetry = settings, container, Telemetry()
    app.state.refusal, app.state.hub, app.state.live = None, None, None
    app.state.vitals = Vitals(app.state.telemetry)
    app.router.routes.extend(ROUTES)
    install(app)
    app.add_middleware(Edge, settings=settings, telemetry=app.state.telemetry)
    return app


def create_app_from_environment() -> FastAPI:
    """Application from environment variables, for `uvicorn --factory`."""
    return create_app(Settings.from_mapping(os.environ))
