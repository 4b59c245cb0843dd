"""Routes: take the request apart, call one use case, send its bytes. No numerics, SQL or cache call."""

from __future__ import annotations

from fastapi import APIRouter

from app.routes import docs, evaluations, health, history, instruments, reference, volatility

ROUTERS: tuple[APIRouter, ...] = (
    evaluations.router,
    history.router,
    volatility.router,
    instruments.router,
    reference.router,
    health.router,
    docs.router,
)
