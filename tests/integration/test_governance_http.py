"""Governance over HTTP, on both stores: nothing comes into force but what k approvers signed, nor too early."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.adapters.schema import migrate
from app.container import Container
from app.lifespan import open_container
from app.operations import OPERATIONS
from app.ports import AuditUnavailable, EventKind
from app.settings import Settings
from services.audit.governance import Governance
from tests.contract.test_openapi import assert_fits
from tests.support import requests
from tests.support.governance import DAY, POLICY, Desk, limited, rules, vote
from tests.support.http import client_of

START = datetime(2026, 11, 29, 12, 0, 0, 250_000, tzinfo=UTC)


@dataclasses.dataclass(slots=True)
class FixedClock:
    """Stands still until a test moves it."""

    moment: datetime

    def now(self) -> datetime:
        """The time that was set."""
        return self.moment


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture(params=["sqlite", "postgres"])
async def container(request: pytest.FixtureRequest, tmp_path: Path, clock: FixedClock) -> AsyncIterator[Container]:
    settings = Settings(data_dir=tmp_path)
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        await asyncio.to_thread(migrate, url)
        settings = Settings(data_dir=tmp_path, database_url=url)
    async with open_container(settings) as found:
        yield dataclasses.replace(found, clock=clock)


@pytest.fixture
async def http(container: Container) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(container) as found:
        yield found


@pytest.fixture
def desk(http: httpx.AsyncClient) -> Desk:
    return Desk(http)


def refused(answer: httpx.Response, status: int, code: str, text: str = "") -> None:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert text in problem["detail"], problem["detail"]


async def test_the_whole_way(desk: Desk, http: httpx.AsyncClient, clock: FixedClock) -> None:
    await desk.start()
    refused(await desk.store(limited(max_leverage=3)), 409, "policy_governed", "POST /v1/policies/desk/proposals")
    proposal = await desk.propose(limited(max_leverage=3), comment="more room")
    assert (proposal["status"], proposal["detail"], proposal["activates_at"]) == ("open", "0 of 2 approvals", None)
    await desk.approved(proposal, "ann")
    refused(await desk.activate(1), 409, "proposal_early", "1 of the 2")
    await desk.approved(proposal, "eve")
    found = await desk.read(1)
    assert (found["status"], found["activates_at"]) == ("waiting", "2026-11-30T12:00:00.250000Z")
    clock.moment = START + timedelta(days=1, microseconds=-1)
    refused(await desk.activate(1), 409, "proposal_early", "2026-11-30T12:00:00.25")
    assert await desk.version() == 1
    clock.moment = START + timedelta(days=1)
    done = await desk.activate(1)
    assert (done.status_code, done.json()["status"], done.json()["version"]) == (200, "activated", 2)
    newest = (await http.get("/v1/policies/desk")).json()
    assert (newest["version"], newest["comment"], newest["sha256"]) == (2, "more room", proposal["content_sha256"])
    assert newest["policy_resolved"] == proposal["policy_resolved"]
    again = await desk.activate(1)
    assert (again.content, again.headers["Idempotency-Replayed"]) == (done.content, "true")
    sized = await http.post("/v1/evaluations", json={**requests.smallest(), "policy": {"id": "desk"}})
    assert sized.json()["policy"]["version"] == 2


async def test_every_step_is_on_record_and_can_be_taken_again(
    desk: Desk, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    await desk.start(checks={"properties": [{"method": "leverage_cap", "cap": 3}]}, timelock_seconds=0)
    proposal = await desk.propose(limited(max_leverage=3))
    await desk.approved(proposal, "ann", "ben")
    await desk.vote(proposal, "eve", "reject")
    await desk.activate(1)
    entries = (await http.get("/v1/audit/entries")).json()["items"]
    assert [entry["kind"] for entry in entries] == ["policy"] + ["governance"] * 6 + ["policy"]
    bodies = [(await http.get(f"/v1/evaluations/{entry['evaluation_id']}")).json() for entry in entries[1:-1]]
    assert [body.get("action") for body in bodies] == [None, "propose", "approve", "approve", "reject", "activate"]
    for entry, body in zip(entries[1:-1], bodies, strict=True):
        assert_fits(next(item for item in OPERATIONS if item.operation_id == "read_evaluation"), body)
        replay = (await http.post(f"/v1/evaluations/{entry['evaluation_id']}:replay")).json()
        assert replay["match"], replay["differences"]
    fact = (await http.get(f"/v1/evaluations/{entries[-1]['event_id']}")).json()
    assert (fact["policy_id"], fact["version"], fact["created"]) == ("desk", 2, True)


async def test_a_tightening_takes_the_quorum_and_no_timelock(desk: Desk) -> None:
    await desk.start()
    proposal = await desk.propose(limited(max_leverage=1, max_margin_use=0.5))
    assert proposal["checks"]["tightens"] and proposal["checks"]["comparison"]["verdict"] == "refines"
    await desk.approved(proposal, "ann")
    refused(await desk.activate(1), 409, "proposal_early")
    await desk.approved(proposal, "ben")
    assert (await desk.activate(1)).json()["version"] == 2


async def test_whatever_is_not_surely_tighter_is_a_loosening(desk: Desk) -> None:
    await desk.start()
    looser = (
        limited(max_leverage=2.0001),
        limited(max_leverage=1, max_margin_use=0.9),
        limited(max_leverage=1, max_data_age_bars=50),
        limited(max_weight=0.5),
        {**limited(max_leverage=1), "guards": {"quorum": 1}},
        {**POLICY, "sizing": {"method": "volatility_target", "target_volatility": 0.1}},
    )
    for policy in looser:
        proposal = await desk.propose(policy)
        assert not proposal["checks"]["tightens"], policy
    await desk.approved(proposal, "ann", "ben")
    assert (await desk.read(proposal["number"]))["status"] == "waiting"


async def test_a_proposal_that_fails_its_checks_is_never_approved(desk: Desk) -> None:
    await desk.start(checks={"properties": [{"method": "leverage_cap", "cap": 2.5}]})
    proposal = await desk.propose(limited(max_leverage=3))
    assert (proposal["status"], proposal["checks"]["required"]["verdict"]) == ("failed", "refuted")
    refused(await desk.vote(proposal, "ann"), 409, "proposal_closed", "failed")
    refused(await desk.activate(1), 409, "proposal_closed")


async def test_votes_count_for_what_they_name_and_nothing_else(desk: Desk, http: httpx.AsyncClient) -> None:
    await desk.start()
    one, two = await desk.propose(limited(max_leverage=3)), await desk.propose(limited(max_leverage=4))
    other = Desk(http, "other")
    await other.start()
    foreign = await other.propose(limited(max_leverage=3))
    for body in (vote(two, "ann"), vote(foreign, "ann"), vote(one, "ann", "reject"), vote(one, "ben", approver="ann")):
        refused(await desk.send(1, "approve", body), 422, "invalid_request", "signature")
    refused(await desk.send(1, "approve", vote(one, "mallory")), 422, "invalid_request", "ann, ben, eve")
    assert (await desk.read(1))["votes"] == []
    first = await desk.vote(one, "ann")
    assert first.json()["changed"]
    second = await desk.vote(one, "ann")
    assert (second.status_code, second.json()["changed"], len(second.json()["votes"])) == (200, False, 1)
    refused(await desk.activate(1), 409, "proposal_early", "1 of the 2")


async def test_a_rejection_takes_an_approval_back_and_stays(desk: Desk, clock: FixedClock) -> None:
    await desk.start()
    proposal = await desk.propose(limited(max_leverage=3))
    await desk.approved(proposal, "ann", "ben")
    clock.moment += timedelta(days=1)
    assert (await desk.read(1))["status"] == "ready"
    assert (await desk.vote(proposal, "ann", "reject")).json()["status"] == "open"
    refused(await desk.vote(proposal, "ann"), 409, "proposal_closed", "stays")
    await desk.approved(proposal, "eve")
    assert (await desk.read(1))["status"] == "waiting", "the timelock begins with the quorum that stands"
    assert (await desk.vote(proposal, "ben", "reject")).json()["status"] == "rejected"
    refused(await desk.activate(1), 409, "proposal_closed", "rejected")


async def test_expired_and_superseded_proposals_activate_nothing(desk: Desk, clock: FixedClock) -> None:
    await desk.start(lifetime_seconds=2 * DAY)
    old, new = await desk.propose(limited(max_leverage=3)), await desk.propose(limited(max_leverage=1))
    await desk.approved(old, "ann", "ben")
    await desk.approved(new, "ann", "ben")
    assert (await desk.activate(2)).status_code == 200
    clock.moment += timedelta(days=1)
    refused(await desk.activate(1), 409, "proposal_closed", "superseded")
    refused(await desk.vote(old, "eve"), 409, "proposal_closed", "superseded")
    late = await desk.propose(limited(max_leverage=1.5))
    await desk.approved(late, "ann", "ben")
    clock.moment += timedelta(days=2)
    refused(await desk.activate(3), 409, "proposal_closed", "expired")
    assert await desk.version() == 2


async def test_rules_change_by_the_old_quorum_and_end_what_was_proposed(
    desk: Desk, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    await desk.start()
    refused(await desk.govern(quorum=1), 409, "policy_governed")
    again = await desk.govern()
    assert (again.status_code, again.json()["created"]) == (200, False)
    before = await desk.propose(limited(max_leverage=3))
    await desk.approved(before, "ann", "ben")
    change = await desk.propose(governance=rules(quorum=1))
    await desk.approved(change, "ann")
    clock.moment += timedelta(days=1)
    refused(await desk.activate(2), 409, "proposal_early")
    await desk.approved(change, "eve")
    refused(await desk.activate(2), 409, "proposal_early", "timelock")
    clock.moment += timedelta(days=1)
    assert (await desk.activate(2)).json()["status"] == "activated"
    found = (await http.get("/v1/policies/desk/governance")).json()
    assert found["governance"]["quorum"] == 1
    assert [(row["number"], row["status"]) for row in found["proposals"]] == [(2, "activated"), (1, "superseded")]
    refused(await desk.activate(1), 409, "proposal_closed", "superseded")
    tighter = await desk.propose(limited(max_leverage=1))
    await desk.approved(tighter, "eve")
    assert (await desk.activate(3)).json()["version"] == 2


async def test_rules_that_come_back_revive_no_proposal(desk: Desk) -> None:
    await desk.start(timelock_seconds=0)
    old = await desk.propose(limited(max_leverage=3))
    await desk.approved(old, "ann", "ben")
    for number, quorum in ((2, 3), (3, 2)):
        change = await desk.propose(governance=rules(quorum=quorum, timelock_seconds=0))
        await desk.approved(change, "ann", "ben", *(["eve"] if number == 3 else []))
        assert (await desk.activate(number)).status_code == 200
    refused(await desk.activate(1), 409, "proposal_closed", "superseded")
    again = await desk.propose(limited(max_leverage=3))
    body = vote(old, "ann")
    assert again["number"] == 4
    refused(await desk.send(4, "approve", body), 422, "invalid_request", "signature")


async def test_two_activations_at_once_make_one_version(desk: Desk, http: httpx.AsyncClient) -> None:
    await desk.start(timelock_seconds=0)
    one, two = await desk.propose(limited(max_leverage=3)), await desk.propose(limited(max_leverage=4))
    await desk.approved(one, "ann", "ben")
    await desk.approved(two, "ben", "eve")
    answers = await asyncio.gather(*(desk.activate(number) for number in (1, 2) * 4))
    won = {answer.json()["number"] for answer in answers if answer.status_code == 200}
    assert len(won) == 1 and {answer.status_code for answer in answers} == {200, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    entries = (await http.get("/v1/audit/entries")).json()["items"]
    assert [entry["kind"] for entry in entries].count("policy") == 2
    assert await desk.version() == 2


async def test_instances_on_one_database_agree(postgres_url: str, tmp_path: Path, clock: FixedClock) -> None:
    await asyncio.to_thread(migrate, postgres_url)
    settings = Settings(data_dir=tmp_path, database_url=postgres_url)
    async with open_container(settings) as one, open_container(settings) as two:
        containers = [dataclasses.replace(item, clock=clock) for item in (one, two)]
        async with client_of(containers[0]) as left, client_of(containers[1]) as right:
            desks = [Desk(left), Desk(right)]
            await desks[0].start(timelock_seconds=0)
            proposals = [await desk.propose(limited(max_leverage=3 + place)) for place, desk in enumerate(desks)]
            votes = ((0, "ann"), (1, "ben"), (0, "eve"), (1, "ann"))
            for proposal in proposals:
                answers = await asyncio.gather(*(desks[place].vote(proposal, name) for place, name in votes))
                assert {answer.status_code for answer in answers} == {200}
            calls = [desk.activate(number) for number in (1, 2) for desk in desks]
            answers = await asyncio.gather(*calls, desks[1].store(limited(max_leverage=9)))
            assert answers.pop().json()["code"] == "policy_governed"
            assert sorted(answer.status_code for answer in answers) == [200, 200, 409, 409]
            assert await desks[0].version() == await desks[1].version() == 2


async def test_votes_at_once_all_count(desk: Desk) -> None:
    await desk.start()
    proposal = await desk.propose(limited(max_leverage=3))
    answers = await asyncio.gather(*(desk.vote(proposal, name) for name in ("ann", "ben", "eve") * 3))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(item["approver"] for item in (await desk.read(1))["votes"]) == ["ann", "ben", "eve"]


class Breaking:
    """An audit log that fails at the chosen append."""

    def __init__(self, inner: Any, fails: set[int]) -> None:
        self._inner, self._fails, self.count = inner, fails, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def append(self, record: Any, *, timeout: float) -> Any:
        self.count += 1
        if self.count in self._fails:
            raise AuditUnavailable("down")
        return await self._inner.append(record, timeout=timeout)


@pytest.mark.parametrize("fails", [{1}, {2}, {1, 3}])
@pytest.mark.parametrize("finisher", ["the same", "another step"])
async def test_an_activation_left_halfway_is_finished_by_whoever_comes_next(
    container: Container, desk: Desk, fails: set[int], finisher: str
) -> None:
    await desk.start(timelock_seconds=0)
    proposal, other = await desk.propose(limited(max_leverage=3)), await desk.propose(limited(max_leverage=4))
    await desk.approved(proposal, "ann", "ben")
    await desk.approved(other, "ann", "ben")
    broken = dataclasses.replace(container, audit=Breaking(container.audit, fails))
    async with client_of(broken) as http:
        poor = Desk(http)
        for _ in fails:
            refused(await poor.activate(1), 503, "audit_unavailable", "activate it again")
            assert (await poor.read(1))["status"] == "activating"
        if fails == {1}:
            assert await poor.version() == 1, "not in force before it is on record"
        if finisher == "another step":
            refused(await poor.activate(2), 409, "proposal_closed", "superseded")
        done = await poor.activate(1)
    assert (done.status_code, done.json()["version"]) == (200, 2)
    assert await desk.version() == 2
    kinds = [entry.kind for entry in await container.audit.entries("local", after=None, limit=100)]
    assert kinds.count(EventKind.POLICY) == 2
    assert (
        sum(
            orjson.loads(entry.entry.response).get("action") == "activate"
            for entry in await container.audit.tail(after=-1, limit=100)
        )
        == 1
    )


async def test_a_slow_finisher_changes_nothing_later(container: Container, desk: Desk) -> None:
    """It adds its version after another activation has gone by."""
    await desk.start(timelock_seconds=0)
    for number, leverage in ((1, 3), (2, 4)):
        proposal = await desk.propose(limited(max_leverage=leverage))
        await desk.approved(proposal, "ann", "ben")
        assert (await desk.activate(number)).json()["version"] == number + 1
    first = await container.policies.get("local", "desk", 2)
    assert first is not None
    stored, created = await container.policies.add("local", first, decided=2)
    assert (stored, created, await desk.version()) == (first, False, 3)


async def test_a_document_that_was_tampered_with_activates_nothing(container: Container, desk: Desk) -> None:
    await desk.start(timelock_seconds=0)
    proposal = await desk.propose(limited(max_leverage=3))
    await desk.approved(proposal, "ann", "ben")
    raw = await container.governance.get("local", "desk")
    assert raw is not None
    found = Governance.decoded(raw)
    votes = tuple(dataclasses.replace(item, signature=bytes(64)) for item in found.proposals[0].votes)
    changed = dataclasses.replace(
        found, proposals=(dataclasses.replace(found.proposals[0], votes=votes),), revision=found.revision + 1
    )
    assert await container.governance.replace("local", "desk", changed.revision, changed.encoded())
    refused(await desk.activate(1), 409, "proposal_early", "0 of the 2")


async def test_a_proposal_whose_content_was_exchanged_activates_nothing(container: Container, desk: Desk) -> None:
    await desk.start(timelock_seconds=0)
    proposal = await desk.propose(limited(max_leverage=3))
    other = await desk.propose(limited(max_leverage=9))
    await desk.approved(proposal, "ann", "ben")
    raw = await container.governance.get("local", "desk")
    assert raw is not None
    found = Governance.decoded(raw)
    first, second = found.proposals
    assert (first.number, second.number) == (proposal["number"], other["number"])
    for fields in ({"payload": second.payload}, {"tightens": True}, {"report": first.report + " "}):
        forged = (dataclasses.replace(first, **fields), second)
        changed = dataclasses.replace(found, proposals=forged, revision=found.revision + 1)
        assert await container.governance.replace("local", "desk", changed.revision, changed.encoded())
        found = changed
        refused(await desk.activate(1), 409, "proposal_closed", "otherwise than it was signed")


async def test_what_is_wrong_is_named(desk: Desk, http: httpx.AsyncClient) -> None:
    refused(await desk.govern(), 404, "not_found", "no stored policy desk")
    await desk.store()
    refused(await http.post("/v1/policies/desk/proposals", json={"policy": POLICY}), 404, "not_found", "PUT")
    weak = [{"name": "ann", "public_key": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]
    twice = [*rules()["approvers"][:1], {**rules()["approvers"][0], "name": "ann2"}]
    for changes, pointer in (
        ({"approvers": weak, "quorum": 1}, "/approvers/0/public_key"),
        ({"approvers": twice}, "/approvers/1/public_key"),
        ({"quorum": 4}, "/quorum"),
        ({"lifetime_seconds": DAY}, "/lifetime_seconds"),
    ):
        answer = await desk.govern(**changes)
        refused(answer, 422, "invalid_request", pointer)
    await desk.govern()
    for body, pointer in (
        ({"policy": POLICY}, "/policy"),
        ({"governance": rules()}, "/governance"),
        ({"governance": rules(quorum=7)}, "/governance/quorum"),
        ({}, "policy or governance"),
    ):
        refused(await http.post("/v1/policies/desk/proposals", json=body), 422, "invalid_request", pointer)
    for number in ("1", "01", "x", "0"):
        refused(await http.get(f"/v1/policies/desk/proposals/{number}"), 404, "not_found")
        refused(await http.post(f"/v1/policies/desk/proposals/{number}:activate"), 404, "not_found")


async def test_the_same_proposal_is_there_once_and_only_so_many_wait(desk: Desk, http: httpx.AsyncClient) -> None:
    await desk.start()
    first = await desk.propose(limited(max_leverage=3))
    again = await desk.propose(limited(max_leverage=3))
    assert (again["number"], again["changed"], first["changed"]) == (1, False, True)
    keyed = {"Idempotency-Key": "k"}
    body = {"policy": limited(max_leverage=4)}
    one = await http.post("/v1/policies/desk/proposals", json=body, headers=keyed)
    two = await http.post("/v1/policies/desk/proposals", json=body, headers=keyed)
    assert (one.content, two.headers["Idempotency-Replayed"]) == (two.content, "true")
    for leverage in range(5, 13):
        await desk.propose(limited(max_leverage=leverage))
    answer = await http.post("/v1/policies/desk/proposals", json={"policy": limited(max_leverage=20)})
    refused(answer, 422, "invalid_request", "10 proposals")


async def test_another_tenant_sees_none_of_it_and_signs_other_statements(
    container: Container, desk: Desk, clock: FixedClock
) -> None:
    await desk.start()
    mine = await desk.propose(limited(max_leverage=3))
    there = container.of("other")
    assert await there.governance.get("other", "desk") is None
    named = [await container.governance.get("local", "desk")]
    assert named[0] is not None and Governance.decoded(named[0]).stream in mine["statements"]["approve"]
