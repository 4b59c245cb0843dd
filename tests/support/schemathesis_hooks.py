"""What Schemathesis is told before it runs."""

from __future__ import annotations

import os
from typing import Any

import schemathesis

OWN_KEY = "SCHEMATHESIS_OWN_KEY"
"""Variable with the id of the key that it calls with."""

# Lines of JSON are sent as the text that they are.
schemathesis.serializer.alias("application/x-ndjson", "text/plain")


@schemathesis.hook  # type: ignore[untyped-decorator]
def filter_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> bool:
    """It finds the ids of keys in a list, and would revoke its own: all later calls would only be refused."""
    return (path_parameters or {}).get("key_id") != os.environ.get(OWN_KEY, "")
