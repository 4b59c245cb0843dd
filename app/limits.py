"""What a request may hold, beyond the rules of its fields. Published at `GET /v1/limits`."""

from __future__ import annotations

MAX_VALUES = 500_000
"""Commas in a body: 400,000 points fit, or 4 MiB of ohlcv rows."""
BATCH_PATH = "/v1/margin:batch"
LINE_BYTES = 64 * 1024
"""Bytes of a line of that path: 200 markets with long symbols fit five times."""
ARROW_METADATA_BYTES = 256 * 1024
"""Bytes of the metadata of one message of an Arrow stream: the head of 200 markets, or the places of their buffers."""
ARROW_BATCHES = 1_000
"""Record batches of an Arrow stream."""
BATCH_BODIES = 4
"""Bodies of that path may be so many times as large as others: 16 MiB by default."""
MAX_CONTAINERS = 80_000
"""Objects and lists in a body: what 4 MiB of ohlcv rows hold."""
MAX_KEYS = 200_000
"""Colons in a body: 10,000 observations with their times fit."""
MAX_KEYS_PER_OBJECT = 100
"""No object of the API has half as many fields."""
MAX_URL_BYTES = 8_192
"""Path and query of a request."""
MAX_HEAD_BYTES = 65_536
"""Request line and headers."""
HEAD_SECONDS = 10.0
"""Time in which they must arrive."""
MAX_WAITING_RECORDS = 4096
"""Records that wait for the audit log in a process."""
MAX_WAITING_BYTES = 256 * 1024 * 1024
"""Their requests, answers and states together."""
ADMITTED_SHARE = 0.8
"""Part of them from which on new work is refused: the rest is for what was begun, and for the live engine."""
MAX_COMPUTATIONS = 64
"""Computations of requests in worker threads, under way or waiting; shorter ones run on the event loop, one by one."""
MAX_ACTIVE_REQUESTS = 2048
"""Requests of a process that were begun and not answered."""
MAX_TIMEOUT_MS = 60_000
"""Longest `Request-Timeout-Ms`."""
MAX_IDEMPOTENCY_KEY = 255
"""Characters of an `Idempotency-Key`."""
MAX_TAGS = 400
"""Characters of an `If-None-Match` or an `If-Match`."""
MAX_QUERY_PARAMETERS = 20
"""Query parameters of a request."""
RATE_UNITS_PER_SECOND = 200.0
"""What a key may spend on average, by default."""
BURST_SECONDS = 10
"""Time in which a full bucket is earned, by default."""
MAX_CONCURRENT = 8
"""Computations of a key at a time, in each process."""
MAX_KEY_REQUESTS = 256
"""Unanswered requests of a key, in each process: an eighth of all that there may be."""
MAX_PUBLIC_REQUESTS = 64
"""Unanswered requests to one open path of the log, of all callers, in each process."""
MAX_KEY_STREAMS = 20
"""Streams of a key at a time, in each process."""
MAX_SCORECARD_ENTRIES = 20_000
"""Entries of the log, of every kind, that one scorecard may reach over."""
MAX_SCORECARD_BYTES = 1024 * 1024 * 1024
"""Bytes of their bodies."""
