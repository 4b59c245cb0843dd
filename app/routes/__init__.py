"""Routes: take the request apart, call one use case, send its bytes. No numerics, SQL or cache call."""

from __future__ import annotations

from starlette.routing import Route

from app.routes import docs, evaluations, fits, health, history, instruments, oracles, reference, volatility

ROUTES: tuple[Route, ...] = (
    *evaluations.ROUTES,
    *history.ROUTES,
    *volatility.ROUTES,
    *fits.ROUTES,
    *instruments.ROUTES,
    *oracles.ROUTES,
    *reference.ROUTES,
    *health.ROUTES,
    *docs.ROUTES,
)
