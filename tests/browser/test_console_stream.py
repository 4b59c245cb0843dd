"""The console's client of the stream, against sockets that a test plays: the one rule, silence, ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import Page, browser
from tests.support.service import running

pytestmark = pytest.mark.browser
STAGE = Path(__file__).with_name("stage.js").read_text()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of the service, on which the module can be loaded."""
    folder = tmp_path_factory.mktemp("stream")
    with running(folder / "service") as service, browser(folder / "profile") as found:
        found.open(f"{service.url}/docs/ws")
        found.wait_for("document.readyState === 'complete' && location.pathname === '/docs/ws'")
        found.run(STAGE)
        yield found


def played(page: Page, scene: str, value: str) -> Any:
    """A value after a scene; `p` is its stage."""
    return json.loads(page.run(f"(() => {{ const p = stage(); {scene}; return JSON.stringify({value}); }})()"))


def test_it_goes_on_from_the_snapshot_and_takes_what_continues_it(page: Page) -> None:
    scene = "p.hello(); p.reply(); p.push(6, 5); p.push(9, 6, {conflated: 2})"
    took, left_out = played(page, scene, "[p.took, p.client.health.leftOut]")
    assert took == [["reply", 5, "s5"], ["update", 6, "d6"], ["update", 9, "d9"]]
    assert left_out == 2


def test_a_first_push_begins_the_epoch_where_nothing_was_published(page: Page) -> None:
    scene = "p.hello(); p.reply({epoch: null, seq: 0, snapshot: null}); p.push(1, 0)"
    took, since = played(page, scene, "[p.took, p.since()]")
    assert took == [["reply", 0, None], ["update", 1, "d1"]]
    assert since == [None]


@pytest.mark.parametrize("wrong", ["p.push(8, 7)", "p.push(6, 5, {epoch: 'other'})"])
def test_what_does_not_continue_is_asked_for_again_and_ignored_until_the_reply(page: Page, wrong: str) -> None:
    scene = f"""p.hello(); p.reply(); {wrong}; p.push(9, 8); const asked = p.since();
        p.reply({{recovered: true, seq: 9, replayed: 2, snapshot: undefined}}); p.push(7, 5); p.push(9, 7)"""
    took, asked, in_all = played(page, scene, "[p.took, asked, p.since().length]")
    assert took == [["reply", 5, "s5"], ["update", 7, "d7"], ["update", 9, "d9"]]
    assert asked == [None, {"epoch": "e", "seq": 5}]
    assert in_all == 2


def test_the_reply_of_a_former_request_changes_nothing(page: Page) -> None:
    scene = """p.hello(); p.reply(); p.push(8, 7); const id = p.sent.at(-1).id; p.beat(['e', 9]); p.beat(['e', 9]);
        p.get({type: 'reply', id, ok: true, ch: 'targets:a', epoch: 'e', seq: 8, recovered: false, snapshot: 'old'})"""
    took, asked = played(page, scene, "[p.took, p.since().length]")
    assert took == [["reply", 5, "s5"]]
    assert asked == 3


def test_every_half_window_and_every_heartbeat_is_acknowledged(page: Page) -> None:
    scene = """p.hello(); p.reply(); for (let seq = 6; seq <= 22; seq += 1) p.push(seq, seq - 1);
        p.beat(['e', 22]); p.beat(['e', 22])"""
    assert played(page, scene, "p.sent.filter((frame) => frame.op === 'ack').map((frame) => frame.n)") == [16, 17]


@pytest.mark.parametrize(
    ("sent", "beats", "asked"), [("['e', 6]", 1, 1), ("['e', 6]", 2, 2), ("['f', 1]", 2, 2), ("['e', 5]", 3, 1)]
)
def test_a_position_ahead_in_two_heartbeats_is_a_loss(page: Page, sent: str, beats: int, asked: int) -> None:
    scene = f"p.hello(); p.reply(); for (let n = 0; n < {beats}; n += 1) p.beat({sent})"
    assert played(page, scene, "p.since().length") == asked


def test_a_lost_reply_is_asked_for_again(page: Page) -> None:
    assert played(page, "p.hello(); p.beat(null); p.beat(null)", "p.since().length") == 2


def test_silence_is_an_end_and_the_next_connection_resumes(page: Page) -> None:
    scene = """p.hello(); p.reply(); p.push(6, 5); const patience = p.waits(); p.fire();
        const state = p.client.health.state; p.fire(); p.hello()"""
    value = "[patience, state, p.sockets, p.since(), p.client.current('targets:a')]"
    patience, state, sockets, since, current = played(page, scene, value)
    assert patience == [12500]
    assert (state, sockets) == ("waiting", 2)
    assert since == [None, {"epoch": "e", "seq": 6}]
    assert current is False, "until the reply"


def test_after_sleep_it_does_not_wait_for_a_timer_that_stood_still(page: Page) -> None:
    scene = "p.hello(); p.now += 12600; p.client.wake(); const state = p.client.health.state; p.client.wake()"
    assert played(page, scene, "[state, p.sockets]") == ["waiting", 2]


@pytest.mark.parametrize("code", [1003, 1007, 1009, 4500, 4503, 4508])
def test_ends_that_a_client_must_mend_are_final(page: Page, code: int) -> None:
    assert played(page, f"p.hello(); p.end({code})", "[p.client.health.state, p.waits()]") == ["stopped", []]


@pytest.mark.parametrize(
    ("scene", "least", "most"),
    [
        ("p.end(1006)", 50, 1000),
        ("p.end(1013)", 1000, 2000),
        ("p.end(4406, 'rate_limited retry_after_ms=3000')", 3000, 4000),
        ("p.get({type: 'notice', code: 'draining', reconnect_after_ms: [2000, 6000]}); p.end(1012)", 2000, 6000),
        ("for (let n = 0; n < 20; n += 1) { p.end(1006); p.fire(); } p.end(1006)", 3000, 30000),
    ],
)
def test_it_pauses_before_it_comes_back(page: Page, scene: str, least: float, most: float) -> None:
    (pause,) = played(page, f"p.hello(); {scene}", "p.waits()")
    assert least <= pause <= most


def test_a_stream_that_was_set_back_is_begun_anew(page: Page) -> None:
    assert played(page, "p.hello(); p.reply(); p.end(4404); p.fire(); p.hello()", "p.since()") == [None, None]


def test_time_is_that_of_the_service(page: Page) -> None:
    assert played(page, "p.hello(); p.now += 500", "p.client.time()") == 61_500


@pytest.mark.parametrize(("ok", "state"), [("true", "live"), ("false", "connecting")])
def test_where_keys_are_asked_for_it_shows_a_ticket_before_it_subscribes(page: Page, ok: str, state: str) -> None:
    page.run(f"""window.ticketed = (async () => {{
        const p = stage(); p.hello({{authenticated: false}}); await new Promise((done) => setTimeout(done, 0));
        const before = p.sent.map((frame) => [frame.op, frame.ticket ?? null]);
        const id = p.sent.at(-1).id;
        p.get({{type: 'reply', id, ok: {ok}, error: {{detail: 'no'}}}});
        window.told = JSON.stringify([before, p.client.health.state, p.since()]);
    }})(); 0""")
    page.wait_for("window.told !== undefined")
    before, found, since = json.loads(
        page.run("(() => { const told = window.told; delete window.told; return told; })()")
    )
    assert before == [["auth", "ttk_1"]]
    assert (found, since) == (state, [None] if ok == "true" else [])
