"""Versions that an answer depends on."""

from __future__ import annotations

import platform
from functools import lru_cache

import numpy
import orjson
import scipy

from services.engine.policy import DEFAULTS_VERSION

ENGINE_VERSION = "0.2.0"


@lru_cache(maxsize=1)
def versions_record() -> bytes:
    """Canonical JSON of everything that could change a number."""
    return orjson.dumps(
        {
            "defaults": DEFAULTS_VERSION,
            "engine": ENGINE_VERSION,
            "machine": platform.machine(),
            "numpy": numpy.__version__,
            "python": platform.python_version(),
            "scipy": scipy.__version__,
        },
        option=orjson.OPT_SORT_KEYS,
    )
