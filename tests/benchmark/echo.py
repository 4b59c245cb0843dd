"""The yardstick: a stock FastAPI endpoint that takes the same request and gives a prebuilt answer of the same size.

``TRIMTAB_ECHO_ANSWER=FILE uvicorn --factory tests.benchmark.echo:create_app``

`POST /echo` is what FastAPI's tutorial would have one write: the request model as parameter, the response model as
return type. FastAPI parses the body, pydantic validates it, pydantic writes the answer. Nothing is computed, stored
or compared. The answer is a model that was validated once at start-up, so that pydantic only has to write it: a
handler that returned the dictionary would pay for its validation on every call (`POST /echo-dict` shows how much).
"""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from fastapi import FastAPI

from models.api.evaluation import EvaluationRequest, EvaluationResponse


def create_app() -> FastAPI:
    """Application; the answer is read from the file that `TRIMTAB_ECHO_ANSWER` names."""
    plain = orjson.loads(Path(os.environ["TRIMTAB_ECHO_ANSWER"]).read_bytes())
    answer = EvaluationResponse.model_validate(plain)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        gc.collect()
        gc.freeze()
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/echo", response_model_exclude_unset=True)
    async def echo(request: EvaluationRequest) -> EvaluationResponse:
        return answer

    @app.post("/echo-dict", response_model_exclude_unset=True)
    async def echo_dict(request: EvaluationRequest) -> EvaluationResponse:
        return plain

    return app
