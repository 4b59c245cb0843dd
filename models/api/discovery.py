"""Answers of the resources that describe the service: catalogue, limits, time, errors, health."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.api.base import Model, Time


class TimeAnswer(Model):
    """The service's clock."""

    server_time: Time
    unix_ms: int


class PriceOut(Model):
    """What an operation costs."""

    base: int = Field(description="Units of each call.")
    sized: bool = Field(description="Whether ceil(points / points_per_unit) + symbols of the body is added.")


class RateOut(Model):
    """What callers may spend: each call costs at least 1 unit; the bucket of each key fills at an even rate."""

    units_per_second: float | None = Field(description="Of a key without a plan of its own; null: anything.")
    burst_units: int | None = Field(description="What may be spent at once.")
    without_keys: bool = Field(description="Whether this also holds where the service has no keys.")
    points_per_unit: int
    computations_per_key: int = Field(description="Under way at a time, in each process.")
    streams_per_key: int = Field(description="Open at a time, in each process.")
    other_operations: int = Field(description="Units of an operation that is not listed; public ones cost nothing.")
    operations: dict[str, PriceOut] = Field(description="Method and path to price.")


class LimitsAnswer(Model):
    """What a request may hold, and how long things are kept."""

    max_body_bytes: int
    max_batch_body_bytes: int = Field(description="The same for POST /v1/margin:batch.")
    body_timeout_seconds: float = Field(description="Time in which a body must arrive.")
    max_values: int = Field(description="Values in a body.")
    max_containers: int = Field(description="Objects and lists in a body.")
    max_url_bytes: int = Field(description="Path and query.")
    max_head_bytes: int = Field(description="Request line and headers.")
    max_symbols: int = Field(description="Rows of each list of a snapshot.")
    max_batch_accounts: int = Field(description="Accounts of POST /v1/margin:batch.")
    max_line_bytes: int = Field(description="Bytes of a line of it.")
    max_record_batches: int = Field(description="Record batches of an Arrow stream of it.")
    max_message_metadata_bytes: int = Field(description="Bytes of the metadata of one message of such a stream.")
    max_batch_markets: int
    max_points_per_series: int
    max_points_per_request: int
    max_observations: int = Field(description="Of one call.")
    max_path_points: int = Field(description="Points of POST /v1/volatility:estimate with output path.")
    max_oracle_sources: int = Field(description="Observations of one symbol, POST /v1/oracles:aggregate.")
    max_oracle_observations: int = Field(description="Observations of all symbols of that call.")
    max_registered_per_call: int = Field(description="Instruments of one PUT.")
    significant_digits: int = Field(description="Of a JSON number given for money; decimal strings hold more.")
    request_timeout_ms_default: int
    request_timeout_ms_max: int
    idempotency_key_max_length: int
    idempotency_retention_seconds: int = Field(description="How long a key surely answers with its stored bytes.")
    instrument_staleness_seconds: float = Field(
        description="Age at which an instrument registered elsewhere is surely seen."
    )
    switch_staleness_seconds: float = Field(
        description="Age at which an operator's switch set elsewhere is surely seen."
    )
    max_scorecard_entries: int = Field(description="Entries of the log that GET /v1/scorecard reaches over at most.")
    max_scorecard_bytes: int = Field(description="Bytes of their bodies.")
    max_waiting_records: int = Field(
        description="Records that may wait for the audit log in a process; from four fifths on new work is refused."
    )
    max_computations: int = Field(description="Long computations of a process, under way or waiting; then 503.")
    max_active_requests: int = Field(description="Requests of a process that are not answered yet; then 503.")
    max_waiting_fits: int = Field(description="Fits that may wait; a further one is answered 429.")
    fit_seconds: float = Field(description="Longest time that a fit may take.")
    fit_retention_seconds: int = Field(description="How long the result of a fit can be read.")
    errors_listed: int = Field(description="Broken rules that one problem lists.")
    signature_window_seconds: float = Field(description="Age at which the signature of a request is no longer taken.")
    signature_ahead_seconds: float = Field(description="How far the clock of who signs may be ahead.")
    rate: RateOut


class ProblemKindOut(Model):
    """One problem code."""

    code: str
    status: int
    title: str
    meaning: str
    remedy: str
    retryable: bool
    outcome: str


class ErrorsAnswer(Model):
    """Every stable code."""

    problems: list[ProblemKindOut] = Field(description="`code` of a problem document.")
    rules: dict[str, str] = Field(description="`errors[].code` of a problem document.")
    reasons: dict[str, str] = Field(description="`reason` of a target: an outcome of one instrument, not an error.")
    candidate_reasons: dict[str, str] = Field(description="`candidates[].reason` of POST /v1/vaults.")
    oracle_reasons: dict[str, str] = Field(description="`reason` of POST /v1/oracles:aggregate: of a symbol.")
    oracle_source_reasons: dict[str, str] = Field(description="`rejected[].reason` of the same: of one source.")
    stream_refusals: dict[str, str] = Field(description="`error.code` of the stream, besides those of `problems`.")
    stream_notices: dict[str, str] = Field(description="`code` of a notice of the stream.")
    close_codes: dict[str, str] = Field(description="Codes with which the stream ends a connection.")
    observation_outcomes: dict[str, str] = Field(description="`outcomes[]` of POST /v1/observations.")


class ParameterOut(Model):
    """One parameter of a method."""

    name: str
    type: str
    required: bool
    default: Any = None
    description: str
    unit: str | None = None
    choices: list[Any] | None = None
    minimum: float | None = None
    exclusive_minimum: float | None = None
    maximum: float | None = None
    exclusive_maximum: float | None = None
    methods: list[MethodOut] | None = Field(
        None, description="Where the parameter is itself a method, or a list of objects: the choices."
    )


class MethodOut(Model):
    """One method: the value of `method`, and its parameters."""

    method: str | None = Field(description="null for a block of plain parameters.")
    summary: str
    description: str
    requires: list[str] = Field(description="Market data that it needs.")
    parameters: list[ParameterOut]
    notes: str | None = None
    references: str | None = None


class BlockOut(Model):
    """One block of a policy, or of a request."""

    block: str
    required: bool
    default_method: str | None
    methods: list[MethodOut]


class CatalogAnswer(Model):
    """Every method of a policy and of the execution-aware tools, with its parameters."""

    engine: str
    defaults_version: int
    presets: list[dict[str, Any]]
    blocks: list[BlockOut]
    tools: list[BlockOut] = Field(description="Tagged objects of POST /v1/grids, /v1/schedules and /v1/vaults.")


class LiveAnswer(Model):
    """The process answers; no store is asked."""

    status: Literal["live"]


class DependencyOut(Model):
    """One store."""

    status: Literal["up", "down"]
    store: str = Field(description="Kind and version.")
    detail: str | None = None
    warnings: list[str] = Field(description="Settings under which something could be lost.")


class LogCheckOut(Model):
    """The last check of the newest entries of the audit log, `first` to `size` - 1, by this process."""

    status: Literal["ok", "damaged"]
    at: str = Field(description="When it ended.")
    first: int
    size: int
    findings: int
    entries: list[int] = Field(description="Indices of the first of them that are about one entry; the log says more.")


class ReadyAnswer(Model):
    """Whether requests can be answered, and what is missing. Without the audit log, none is."""

    status: Literal["ready", "degraded", "unavailable"]
    degraded: list[str] = Field(description="What does not work.")
    embedded: list[str] | None = Field(
        None,
        description="Stores that are part of this process; for callers with the scope `metrics:read` where keys are "
        "required, and on the internal port only where there is one.",
    )
    dependencies: dict[str, DependencyOut] | None = Field(None, description="Likewise.")
    log_check: LogCheckOut | None = Field(None, description="Likewise; null in a process that has made none.")


ParameterOut.model_rebuild()
