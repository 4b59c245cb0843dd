"""Routes: take the request apart, call one use case, send its bytes. No numerics, SQL or cache call."""

from __future__ import annotations

from starlette.routing import BaseRoute

from app.routes import (
    backtests,
    collateral,
    console,
    docs,
    evaluations,
    execution,
    fits,
    health,
    history,
    instruments,
    log,
    margin,
    option_book,
    option_models,
    option_surface,
    options,
    oracles,
    parameters,
    policies,
    portfolios,
    reference,
    stream,
    switches,
    volatility,
)

ROUTES: tuple[BaseRoute, ...] = (
    *evaluations.ROUTES,
    *history.ROUTES,
    *log.ROUTES,
    *volatility.ROUTES,
    *fits.ROUTES,
    *backtests.ROUTES,
    *execution.ROUTES,
    *instruments.ROUTES,
    *policies.ROUTES,
    *portfolios.ROUTES,
    *switches.ROUTES,
    *margin.ROUTES,
    *parameters.ROUTES,
    *option_book.ROUTES,
    *option_models.ROUTES,
    *option_surface.ROUTES,
    *collateral.ROUTES,
    *oracles.ROUTES,
    *options.ROUTES,
    *reference.ROUTES,
    *stream.ROUTES,
    *health.ROUTES,
    *console.ROUTES,
    *docs.ROUTES,
)
