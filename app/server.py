"""Runs the service under uvicorn."""

from __future__ import annotations

from typing import Any

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess

from app.main import create_app
from app.protocol import BoundedProtocol
from app.settings import Settings
from app.stream_protocol import StreamProtocol
from app.usecases.stream import MAX_FRAME_BYTES

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept.

Longer than clients and balancers keep theirs (httpx 5 s, aiohttp 15 s, Amazon's balancer 60 s): who closes first must
be the one who sends, else a request meets the end of its connection and nobody knows whether it was read.
"""
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; running requests are finished first.

    Several workers share the port. Each reads its settings from the environment, which must give the same ones.

    Raises
    ------
    SystemExit
        With status 3 if the process may not start; the log says why.
    """
    config = configuration(settings)
    if config.workers == 1:
        uvicorn.Server(config).run()
    else:
        Multiprocess(config, sockets=[config.bind_socket()]).run()


def configuration(settings: Settings) -> uvicorn.Config:
    """Configuration of uvicorn: with the application, or with the name of what makes one in each of several workers."""
    several = settings.workers > 1
    return uvicorn.Config(
        "app.main:create_app_from_environment" if several else create_app(settings),
        factory=several,
        workers=settings.workers,
        host=settings.host,
        port=settings.port,
        http=BoundedProtocol,
        ws=StreamProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        server_header=False,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(settings.shutdown_seconds),
        log_config=logging_configuration(settings.log_level, settings.log_format),
    )


def logging_configuration(level: str, form: str = "text") -> dict[str, Any]:
    """One handler on standard error for our log and uvicorn's."""
    line = {"()": "app.log_lines.JsonLines"} if form == "json" else {"format": LINE}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": line},
        "filters": {"request": {"()": "app.log_lines.RequestOf"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["request"],
                "stream": "ext://sys.stderr",
            }
        },
        "loggers": {
            **{name: {"handlers": ["stderr"], "level": level, "propagate": False} for name in ("trimtab", "uvicorn")},
            "uvicorn.stream": {"level": "WARNING"},  # below, it writes the URL of every handshake
        },
    }
