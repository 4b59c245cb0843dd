"""`POST /v1/options:surface`: a volatility surface of posted quotes; nothing is stored or recorded."""

from __future__ import annotations

from datetime import datetime

import orjson

from app.deadline import in_thread
from app.translate import option_surface as translate
from app.translate.answer import time_text
from app.translate.notes import Notes
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from models.api.option_surface import SurfaceRequest
from services.core.errors import InvalidInput
from services.options.chain_cleaning import clean_chain
from services.options.surface_fit import fit_surface


async def fit_option_surface(call: Call) -> Answer:
    """Surface of posted quotes; a fit takes 10 ms and more, so always in a worker thread."""
    request = await validated(SurfaceRequest, call)
    return Answer(200, await in_thread(surface_response, request, call.received_at))


def surface_response(request: SurfaceRequest, received_at: datetime) -> bytes:
    """Answer bytes.

    Raises
    ------
    InvalidInput
        If `as_of` lies in the future. A bad quote is an outcome of that quote, never an error of the call.
    """
    as_of, notes = request.as_of or received_at, Notes()
    if request.as_of is None:
        notes.assume("/as_of", time_text(as_of), "times to expiry and ages are counted from the time of receipt")
    elif as_of > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(as_of), "check your clock against GET /v1/time")
    chain = clean_chain(translate.quotes(request, as_of), as_of.timestamp(), translate.rules(request))
    translate.remark(request, chain, notes)
    usable = bool(chain.expiries)
    body = translate.NO_SURFACE
    if usable:
        body = translate.surface_body(request, chain, fit_surface(chain, request.surface))
    return orjson.dumps(
        {
            "as_of": time_text(as_of),
            "underlying": request.underlying,
            "status": "ok" if usable else "refused",
            "detail": None if usable else translate.why_none(chain),
            "method": request.surface.method,
            "units": translate.UNITS,
            **translate.dropped(chain),
            **body,
            "assumptions": notes.assumptions,
            "warnings": notes.warnings,
        }
    )
