"""Commitments over HTTP and on the command line: what is proved is true, and what was altered proves nothing."""

from __future__ import annotations

import asyncio
import copy
import json
import math
import random
import secrets
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.commands.console import ExitCode
from app.commands.embedded import embedded_service
from app.examples import OBSERVATIONS, SMALLEST
from app.settings import Settings
from app.signatures import check_signature
from services.audit.commitments import (
    BoundProof,
    Claim,
    Commitments,
    Opening,
    Term,
    check_bound,
    check_commitments,
    figure_of,
    leverage_terms,
    prove_bound,
    units,
)
from services.audit.note import VerifierKey
from services.audit.pedersen import scalar_of
from services.core.errors import InvalidInput
from tests.integration.test_cli_service import run
from tests.support.http import client

FIGURES = [{"figure": "gross_exposure"}, {"figure": "request:/account/equity", "rounding": "down"}]
GROSS, EQUITY = "gross_exposure", "request:/account/equity"
MUTATIONS = 1_000


class Log:
    """A log with two answers of one book each, and commitments to both."""

    def __init__(self, key: VerifierKey, found: list[Any], answers: list[Any]) -> None:
        self.key, self.found, self.answers = key, found, answers
        self.shown = [Commitments.parse(item["commitments"]) for item in found]
        self.openings = {
            (shown.digest, row["figure"]): Opening(int(row["value"]), scalar_of(row["blind"], "blind"))
            for shown, item in zip(self.shown, found, strict=True)
            for row in item["openings"]
        }

    def terms(self, *which: int) -> tuple[Term, ...]:
        return tuple(Term(self.shown[place].digest, GROSS, 1) for place in which)

    def gross(self, *which: int) -> int:
        return sum(self.openings[self.shown[place].digest, GROSS].value for place in which)

    def prove(self, claim: Claim, *which: int) -> BoundProof:
        return prove_bound(claim, [self.shown[place] for place in which], self.openings, secrets.token_bytes)

    def check(self, document: Any) -> list[dict[str, Any]]:
        return check_bound(BoundProof.parse(document), self.key, check_signature)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    async def made() -> Log:
        async with client(tmp_path_factory.mktemp("log")) as http:
            key = VerifierKey.parse((await http.get("/v1/log/key")).text)
            answers = [(await http.post("/v1/evaluations", json=SMALLEST)).json() for _ in range(2)]
            paths = [f"/v1/audit/entries/{answer['evaluation_id']}:commit" for answer in answers]
            found = [await http.post(path, json={"figures": FIGURES}) for path in paths]
            assert {answer.status_code for answer in found} == {200}, found[0].text
            assert found[0].headers["cache-control"] == "no-store"
            return Log(key, [answer.json() for answer in found], answers)

    return asyncio.run(made())


def refused(log: Log, document: Any) -> bool:
    try:
        log.check(document)
    except InvalidInput:
        return True
    return False


def test_the_log_commits_to_the_figures_of_the_answer_and_every_time_anew(log: Log) -> None:
    for shown, answer in zip(log.shown, log.answers, strict=True):
        assert check_commitments(shown, log.key, check_signature)["id"] == answer["evaluation_id"]
        notional = sum(abs(Decimal(row["target_notional"])) for row in answer["targets"])
        assert log.openings[shown.digest, GROSS].value == math.ceil(notional * 100)
        assert log.openings[shown.digest, EQUITY].value == int(Decimal(SMALLEST["account"]["equity"]) * 100)
    points = {row.point for shown in log.shown for row in shown.rows}
    assert len(points) == 4, "equal figures have different commitments"


def test_a_bound_is_proved_up_to_the_unit_and_not_beyond(log: Log) -> None:
    gross = log.gross(0)
    for room, bits in ((0, 1), (1, 1), (255, 8)):
        claim = Claim(terms=log.terms(0), bound=gross + room, unit="0.01", bits=bits)
        (entry,) = log.check(json.loads(json.dumps(log.prove(claim, 0).document())))
        assert entry["id"] == log.answers[0]["evaluation_id"]
    for room, bits in ((-1, 8), (2, 1), (256, 8)):
        with pytest.raises(InvalidInput):
            log.prove(Claim(terms=log.terms(0), bound=gross + room, unit="0.01", bits=bits), 0)


def test_portfolios_add_up(log: Log) -> None:
    claim = Claim(terms=log.terms(0, 1), bound=log.gross(0, 1) + 3, unit="0.01", bits=4)
    assert len(log.check(log.prove(claim, 0, 1).document())) == 2
    with pytest.raises(InvalidInput):
        log.prove(Claim(terms=log.terms(0, 1), bound=log.gross(0, 1) - 1, unit="0.01", bits=8), 0, 1)


def test_a_leverage_is_a_bound_on_two_figures(log: Log) -> None:
    shown = log.shown[0]
    actual = Decimal(log.gross(0)) / log.openings[shown.digest, EQUITY].value
    above = Decimal(f"{actual:.4f}") + Decimal("0.0001")
    claim = Claim(terms=leverage_terms(shown, GROSS, EQUITY, above), bound=0, unit="0.01", bits=48)
    assert log.check(log.prove(claim, 0).document())
    below = leverage_terms(shown, GROSS, EQUITY, above - Decimal("0.0002"))
    with pytest.raises(InvalidInput, match="must be true"):
        log.prove(Claim(terms=below, bound=0, unit="0.01", bits=48), 0)
    for wrong in ("0", "1.00001", "10001"):
        with pytest.raises(InvalidInput):
            leverage_terms(shown, GROSS, EQUITY, Decimal(wrong))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all that is no container."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path
        return
    for name, item in items:
        yield from leaves(item, (*path, name))


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        document = document[name]
    return document


def altered(value: Any, dice: random.Random) -> Any:
    """Another value that looks like it."""
    if isinstance(value, int):
        return value + dice.choice([-2, -1, 1, 2, 2**20])
    place = dice.randrange(len(value))
    pool = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return value[:place] + dice.choice([sign for sign in pool if sign != value[place]]) + value[place + 1 :]


def test_a_thousand_alterations_of_every_field_are_refused(log: Log) -> None:
    claim = Claim(terms=log.terms(0, 1), bound=log.gross(0, 1) + 5, unit="0.01", bits=3)
    proof = json.loads(json.dumps(log.prove(claim, 0, 1).document()))
    assert not refused(log, proof)
    dice, paths = random.Random(20261129), list(leaves(proof))
    for number in range(MUTATIONS):
        path = paths[number % len(paths)]
        changed = copy.deepcopy(proof)
        at(changed, path[:-1])[path[-1]] = altered(at(proof, path), dice)
        assert refused(log, changed), path


def test_parts_that_are_left_out_doubled_or_put_in_are_refused(log: Log) -> None:
    claim = Claim(terms=log.terms(0, 1), bound=log.gross(0, 1) + 5, unit="0.01", bits=3)
    proof = json.loads(json.dumps(log.prove(claim, 0, 1).document()))
    containers = {path[:end] for path in leaves(proof) for end in range(len(path))}
    for path in containers:
        for change in ("less", "more", "twice"):
            changed = copy.deepcopy(proof)
            found = at(changed, path)
            if isinstance(found, dict):
                found.pop(next(iter(found))) if change == "less" else found.update(more=1)
            else:
                found.pop() if change == "less" else found.append(copy.deepcopy(found[0]) if change == "twice" else 1)
            assert refused(log, changed), (path, change)


def test_a_proof_is_for_its_claim_and_its_documents_alone(log: Log) -> None:
    """Transcripts that are swapped, replayed to another claim, or moved to other commitments."""
    room = 5
    one = log.prove(Claim(terms=log.terms(0), bound=log.gross(0) + room, unit="0.01", bits=8), 0).document()
    two = log.prove(Claim(terms=log.terms(1), bound=log.gross(1) + room, unit="0.01", bits=8), 1).document()
    assert log.gross(0) == log.gross(1)
    for name in ("proof", "claim", "documents"):
        assert refused(log, {**one, name: two[name]}), name
    tighter = {**one["claim"], "bound": str(log.gross(0) - 1)}
    assert refused(log, {**one, "claim": tighter})
    assert refused(log, {**one, "claim": {**one["claim"], "bits": 9}})
    negative = copy.deepcopy(one["claim"])
    negative["terms"][0]["coefficient"] = -1
    assert refused(log, {**one, "claim": negative})


def test_what_rounds_the_wrong_way_proves_nothing(log: Log) -> None:
    digest = log.shown[0].digest
    for terms in ((Term(digest, EQUITY, 1),), (Term(digest, GROSS, -1),)):
        with pytest.raises(InvalidInput, match="rounding"):
            log.prove(Claim(terms=terms, bound=10**12, unit="0.01", bits=64), 0)
    with pytest.raises(InvalidInput, match="unit"):
        log.prove(Claim(terms=log.terms(0), bound=10**12, unit="0.1", bits=64), 0)


def test_commitments_that_another_key_signed_are_refused(log: Log, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    proof = log.prove(Claim(terms=log.terms(0), bound=log.gross(0), unit="0.01", bits=1), 0)
    other = VerifierKey(log.key.name, log.key.kind, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    with pytest.raises(InvalidInput):
        check_bound(proof, other, check_signature)


def test_an_opening_of_another_commitment_proves_nothing(log: Log) -> None:
    digests = [shown.digest for shown in log.shown]
    swapped = {(digest, GROSS): log.openings[digests[1 - place], GROSS] for place, digest in enumerate(digests)}
    claim = Claim(terms=log.terms(0), bound=log.gross(0), unit="0.01", bits=1)
    with pytest.raises(InvalidInput, match="must open"):
        prove_bound(claim, log.shown[:1], swapped, secrets.token_bytes)


@pytest.mark.parametrize(
    "claim",
    [
        {"terms": ()},
        {"terms": (Term("d", GROSS, 0),)},
        {"terms": (Term("d", GROSS, 2**32 + 1),)},
        {"terms": (Term("d", GROSS, 1),) * 2},
        {"bound": 2**64},
        {"bits": 0},
        {"bits": 65},
    ],
)
def test_claims_have_bounds_within_which_nothing_wraps_around(claim: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"terms": (Term("d", GROSS, 1),), "bound": 1, "unit": "1", "bits": 8, **claim}
    with pytest.raises(InvalidInput):
        Claim(**fields)


def test_figures_are_exact_and_what_is_none_is_named() -> None:
    answer = {"targets": [{"target_notional": "-10.005"}, {"target_notional": "3"}], "a": {"b": [1e-7, True, -1, "x"]}}
    assert figure_of(GROSS, None, answer) == Decimal("13.005")
    assert units(figure_of("answer:/a/b/0", None, answer), "0.0000001", "up") == 1
    held = {"targets": [{"target_notional": None}]}
    for figure, found in (
        (GROSS, held), (GROSS, {}), (GROSS, None), ("answer:/a/b/1", answer), ("answer:/a/b/2", answer),
        ("answer:/a/b/3", answer), ("answer:/a/b/4", answer), ("answer:/a/c", answer), ("answer:", answer),
        ("request:/a", answer), ("gross", answer),
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            figure_of(figure, None, found)
    with pytest.raises(InvalidInput):
        units(Decimal(1), "0", "up")


async def test_what_cannot_be_committed_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def commit(http: httpx.AsyncClient, event_id: str, *figures: Any) -> tuple[int, str, str]:
        answer = await http.post(f"/v1/audit/entries/{event_id}:commit", json={"figures": figures})
        rules = answer.json().get("errors") or [{"pointer": ""}]
        return answer.status_code, answer.json()["code"], rules[0]["pointer"]

    async with client(tmp_path / "a") as http:
        known = (await http.post("/v1/evaluations", json=SMALLEST)).json()["evaluation_id"]
        observed = (await http.post("/v1/observations", json=OBSERVATIONS)).json()["event_id"]
        good = {"figure": GROSS}
        assert await commit(http, f"ev_{'0' * 32}", good) == (404, "not_found", "")
        assert await commit(http, observed, good) == (422, "invalid_request", "/figures/0/figure")
        assert await commit(http, known, good, {"figure": "answer:/x"}) == (422, "invalid_request", "/figures/1/figure")
        assert await commit(http, known, {**good, "unit": "0"}) == (422, "invalid_request", "/figures/0/unit")
        rich = {**SMALLEST, "account": {"equity": "100000000", "currency": "USD"}}
        large = (await http.post("/v1/evaluations", json=rich)).json()["evaluation_id"]
        small = {"figure": EQUITY, "unit": "0.000000000001"}
        assert await commit(http, large, small) == (422, "invalid_request", "/figures/0/unit")
        assert (await commit(http, known, good, good))[:2] == (422, "invalid_request")
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        assert await commit(http, known, good) == (404, "commitments_missing", "")
        monkeypatch.undo()
    async with client(tmp_path / "b", signer=None) as http:
        known = (await http.post("/v1/evaluations", json=SMALLEST)).json()["evaluation_id"]
        assert await commit(http, known, good) == (404, "log_not_signed", "")


def test_the_commands_prove_what_is_true_to_whoever_holds_the_key_of_the_log(tmp_path: Path) -> None:
    with embedded_service(Settings(data_dir=tmp_path / "data", log_level="WARNING")) as url:
        key = httpx.get(f"{url}/v1/log/key", trust_env=False).text.strip()
        for name in ("a", "b"):
            answer = httpx.post(f"{url}/v1/evaluations", json=SMALLEST, timeout=30.0, trust_env=False).json()
            more = ("--floor", EQUITY, "-o", tmp_path / f"{name}.json", "--url", url)
            done = run("audit", "commit", answer["evaluation_id"], "--figure", GROSS, *more)
            assert done.exit_code == 0, done.stderr
    holding, proof = [tmp_path / f"{name}.json" for name in ("a", "b")], tmp_path / "proof.json"
    assert holding[0].stat().st_mode & 0o077 == 0
    done = run("audit", "prove", *holding, "--at-most", "100000", "--bits", "24", "-o", proof)
    assert done.exit_code == 0, done.stderr
    secret = {row["blind"] for path in holding for row in orjson.loads(path.read_bytes())["openings"]}
    assert not any(blind in proof.read_text() for blind in secret)
    checked = run("audit", "check-proof", proof, "--key", key, "--json")
    assert checked.exit_code == 0 and orjson.loads(checked.stdout)["proved"].endswith("<= 100000.00")
    done = run("audit", "prove", holding[0], "--leverage", "2", "-o", proof)
    assert done.exit_code == 0, done.stderr
    checked = run("audit", "check-proof", proof, "--key", key)
    assert checked.exit_code == 0 and "− 2 × request:/account/equity" in " ".join(checked.stdout.split())
    said = orjson.loads(proof.read_bytes())
    said["claim"]["bound"] = "-1"
    proof.write_bytes(orjson.dumps(said))
    assert run("audit", "check-proof", proof, "--key", key).exit_code == ExitCode.FAILED
    for wrong in (
        [*holding, "--at-most", "1"], [holding[0], "--leverage", "0.1"], [*holding, "--leverage", "2"],
        [holding[0], "--at-most", "100000", "--bits", "3"], [proof, "--at-most", "100000"],
    ):  # fmt: skip
        assert run("audit", "prove", *wrong).exit_code == ExitCode.REFUSED
    assert run("audit", "prove", *holding).exit_code == ExitCode.USAGE
