"""docs/stream.md says what the service does: its reader runs, its figures are those of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from services.streaming.close import CloseCode
from services.streaming.delivery import DeliveryRules
from services.streaming.session import ACK_COST, SessionRules
from services.streaming.update import Kind, Mode
from tests.support.documents import ROOT, WRITTEN_URL
from tests.support.service import running

TEXT = (ROOT / "docs" / "stream.md").read_text()


def test_the_reader_prints_what_is_printed_below_it(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```\n```json\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    script, printed = found.groups()
    with running(tmp_path) as service:
        here = script.replace(WRITTEN_URL.replace("http", "ws"), service.url.replace("http", "ws"))
        assert here != script
        done = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == printed


def test_figures_are_those_of_the_rules() -> None:
    session, delivery = SessionRules(), DeliveryRules()
    assert session.heartbeat_seconds == 5.0 and "every 5 s" in TEXT and "12.5 s" in TEXT
    assert delivery.window == 32 and "at most 32 pushes" in TEXT and "every 16 pushes" in TEXT
    assert (delivery.stall_seconds, delivery.max_messages, delivery.max_bytes) == (30.0, 1000, 1_048_576)
    assert (session.frames_per_second, session.frames_at_once, ACK_COST) == (20.0, 40.0, 0.1)
    assert session.errors_per_minute == 10 and session.session_seconds == 24 * 3600


def test_channels_and_codes_are_all_there() -> None:
    for kind in Kind:
        assert f"`{kind}" in TEXT
    latest = TEXT.partition("Channels: ")[2].partition("are of mode `latest`")[0]
    assert {kind for kind in Kind if f"`{kind}" in latest} == {kind for kind in Kind if kind.mode is Mode.LATEST}
    codes = [int(code) for code in CloseCode]
    assert (min(code for code in codes if code >= 4400), max(code for code in codes if code < 4500)) == (4400, 4406)
    assert (min(code for code in codes if code >= 4500), max(codes)) == (4500, 4508)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"`((?:tests|services|clients)/[\w/.]+)`", TEXT):
        assert (ROOT / target).exists() or target.startswith("clients/")
