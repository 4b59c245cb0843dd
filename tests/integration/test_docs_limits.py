"""docs/limits.md says what the service does: its command gives what is printed, its figures are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

from app.adapters.redis_client import TIMEOUT_SECONDS
from app.adapters.redis_doors import PAUSE_SECONDS
from app.attempts import MAX_FAILURES
from app.costs import SIZED
from app.limits import BURST_SECONDS, MAX_CONCURRENT, MAX_KEY_STREAMS
from app.quota import headers_of
from app.settings import VARIABLES, Settings
from app.token_bucket import BILLIONTHS, Taken
from services.streaming.session import SessionRules
from tests.support.documents import ROOT, difference, examples, output
from tests.support.service import running

TEXT = (ROOT / "docs" / "limits.md").read_text()


def test_the_command_gives_what_is_printed_below_it(tmp_path: Path) -> None:
    found = examples(TEXT)
    assert len(found) == 1
    with running(tmp_path) as service:
        printed = json.loads(output(found[0].command, service.url))
    assert difference(printed, found[0].answer) is None


def test_figures_are_those_of_the_code() -> None:
    plan = Settings().rate_plan
    assert plan is not None and (plan.units_per_second, plan.burst, BURST_SECONDS) == (200.0, 2000, 10)
    cost = SIZED.of({"series": [{"symbol": str(number), "close": [1.0] * 500} for number in range(20)]})
    assert (cost, plan.units_per_second // cost, plan.burst // cost) == (30, 6, 66)
    for name, value in headers_of(plan, Taken(True, 1970 * BILLIONTHS)):
        assert value.decode() in TEXT and name.decode() in TEXT.lower()
    assert f"| {MAX_CONCURRENT} in each process" in TEXT and f"| {MAX_KEY_STREAMS} in each process" in TEXT
    assert f"| {SessionRules().subscriptions}, then close code 4506" in TEXT
    assert f"| {MAX_FAILURES} a minute and address" in TEXT
    assert (TIMEOUT_SECONDS, PAUSE_SECONDS) == (0.25, 1.0)
    assert set(re.findall(r"TRIMTAB_[A-Z_]+", TEXT)) <= VARIABLES.keys()
