"""What the service says about itself: limits, codes, health."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from app import limits
from app.container import Container
from app.costs import POINTS_PER_UNIT, PRICES, READS
from app.fit_port import FIT_RETENTION, FIT_SECONDS, MAX_WAITING_FITS
from app.ports import IDEMPOTENCY_RETENTION, AuditUnavailable, StateUnavailable
from app.problems import PROBLEMS, RULES
from app.request_signature import AHEAD_MS
from app.settings import Settings
from app.translate.answer import time_text
from app.usecases.instruments import MAX_REGISTERED
from app.usecases.keep_log import CheckReport
from models.api.base import MAX_SIGNIFICANT
from models.api.evaluation import MAX_REQUEST_POINTS
from models.api.margin_batch import MAX_ACCOUNTS, MAX_MARKETS
from models.api.market import MAX_POINTS, MAX_SYMBOLS
from models.api.observation import MAX_OBSERVATIONS, MAX_PATH_POINTS
from models.api.price_sources import MAX_ORACLE_OBSERVATIONS, MAX_SOURCES
from models.api.problem import MAX_ERRORS
from models.api.stream import NOTICES
from services.core.outcome import REASON_TEXT
from services.guards.outcome import ORACLE_REASON_TEXT, SOURCE_REASON_TEXT
from services.hedging.vault_plan import VERDICT_TEXT
from services.streaming.close import CloseCode
from services.streaming.session import REFUSALS
from services.volatility.state import OUTCOME_TEXT

PROBE_SECONDS = 1.0


def published_limits(container: Container) -> dict[str, Any]:
    """Body of `GET /v1/limits`."""
    settings = container.settings
    return {
        "max_body_bytes": settings.max_body_bytes,
        "max_batch_body_bytes": settings.max_body_bytes * limits.BATCH_BODIES,
        "body_timeout_seconds": settings.body_timeout_seconds,
        "max_values": limits.MAX_VALUES,
        "max_containers": limits.MAX_CONTAINERS,
        "max_url_bytes": limits.MAX_URL_BYTES,
        "max_head_bytes": limits.MAX_HEAD_BYTES,
        "max_symbols": MAX_SYMBOLS,
        "max_batch_accounts": MAX_ACCOUNTS,
        "max_line_bytes": limits.LINE_BYTES,
        "max_record_batches": limits.ARROW_BATCHES,
        "max_message_metadata_bytes": limits.ARROW_METADATA_BYTES,
        "max_batch_markets": MAX_MARKETS,
        "max_points_per_series": MAX_POINTS,
        "max_points_per_request": MAX_REQUEST_POINTS,
        "max_observations": MAX_OBSERVATIONS,
        "max_path_points": MAX_PATH_POINTS,
        "max_oracle_sources": MAX_SOURCES,
        "max_oracle_observations": MAX_ORACLE_OBSERVATIONS,
        "max_registered_per_call": MAX_REGISTERED,
        "significant_digits": MAX_SIGNIFICANT,
        "request_timeout_ms_default": round(settings.request_timeout_seconds * 1000),
        "request_timeout_ms_max": limits.MAX_TIMEOUT_MS,
        "idempotency_key_max_length": limits.MAX_IDEMPOTENCY_KEY,
        "idempotency_retention_seconds": round(IDEMPOTENCY_RETENTION.total_seconds()),
        "instrument_staleness_seconds": container.instruments.staleness_seconds,
        "switch_staleness_seconds": container.switches.staleness_seconds,
        "max_waiting_records": limits.MAX_WAITING_RECORDS,
        "max_computations": limits.MAX_COMPUTATIONS,
        "max_active_requests": limits.MAX_ACTIVE_REQUESTS,
        "max_waiting_fits": MAX_WAITING_FITS,
        "max_scorecard_entries": limits.MAX_SCORECARD_ENTRIES,
        "max_scorecard_bytes": limits.MAX_SCORECARD_BYTES,
        "fit_seconds": FIT_SECONDS,
        "fit_retention_seconds": round(FIT_RETENTION.total_seconds()),
        "errors_listed": MAX_ERRORS,
        "signature_window_seconds": settings.signature_window_seconds,
        "signature_ahead_seconds": AHEAD_MS / 1000.0,
        "rate": _published_rate(settings),
    }


def _published_rate(settings: Settings) -> dict[str, Any]:
    """What callers may spend, and what calls cost."""
    plan = settings.rate_plan
    return {
        "units_per_second": None if plan is None else plan.units_per_second,
        "burst_units": None if plan is None else plan.burst,
        "without_keys": plan is not None and settings.rate_units_per_second is not None,
        "points_per_unit": POINTS_PER_UNIT,
        "computations_per_key": limits.MAX_CONCURRENT,
        "streams_per_key": limits.MAX_KEY_STREAMS,
        "other_operations": READS.base,
        "operations": {name: {"base": price.base, "sized": price.sized} for name, price in PRICES.items()},
    }


def error_catalogue() -> dict[str, Any]:
    """Body of `GET /v1/errors`."""
    return {
        "problems": [dataclasses.asdict(kind) for kind in PROBLEMS.values()],
        "rules": RULES,
        "reasons": {reason.value: text for reason, text in REASON_TEXT.items()},
        "candidate_reasons": {verdict.value: text for verdict, text in VERDICT_TEXT.items()},
        "oracle_reasons": {reason.value: text for reason, text in ORACLE_REASON_TEXT.items()},
        "oracle_source_reasons": {reason.value: text for reason, text in SOURCE_REASON_TEXT.items()},
        "stream_refusals": REFUSALS,
        "stream_notices": NOTICES,
        "close_codes": {str(int(code)): f"{code.word}: {code.meaning.why} {code.meaning.client}" for code in CloseCode},
        "observation_outcomes": {outcome.value: text for outcome, text in OUTCOME_TEXT.items()},
    }


async def readiness(container: Container, checked: CheckReport | None) -> dict[str, Any]:
    """Body of `GET /readyz`: both stores are asked at once, each for at most a second.

    `checked` is the last check of the log, if this process made one. Damage that it found does not end the service: the
    entries are evidence, and further ones are no less sound.
    """
    settings = container.settings
    audit, states = await asyncio.gather(_probe(container.audit), _probe(container.volatility))
    down = [name for name, found in (("audit", audit), ("volatility_state", states)) if found["status"] == "down"]
    embedded = [
        name
        for name, url in (("audit", settings.database_url), ("volatility_state", settings.redis_url))
        if url is None
    ]
    if not await container.doors.recover():
        down.append("rate_limits")
    degraded = [*down, "audit_entries"] if checked is not None and checked.findings else down
    status = "unavailable" if "audit" in down else "degraded" if degraded else "ready"
    return {
        "status": status,
        "degraded": degraded,
        "embedded": embedded,
        "dependencies": {"audit": audit, "volatility_state": states},
        "log_check": None if checked is None else _check_report(checked),
    }


def _check_report(checked: CheckReport) -> dict[str, Any]:
    return {
        "status": "damaged" if checked.findings else "ok",
        "at": time_text(checked.at),
        "first": checked.first,
        "size": checked.size,
        "findings": len(checked.findings),
        "entries": [item.index for item in checked.findings if item.index is not None][:MAX_ERRORS],
    }


async def _probe(store: Any) -> dict[str, Any]:
    report = {"status": "up", "store": store.server_version(), "warnings": list(store.warnings())}
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await store.ping()
    except (AuditUnavailable, StateUnavailable, TimeoutError) as error:
        detail = getattr(error, "detail", f"no answer within {PROBE_SECONDS:g} s")
        return {**report, "status": "down", "detail": detail}
    return report
