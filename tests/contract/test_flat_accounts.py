"""An account without a row, as a live portfolio that is flat and has no view sends it: no method stumbles over it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import orjson
import pytest

from app.usecases.call import Door
from app.usecases.decide import Gathered, decide, render
from models.api.portfolio import LiveRequest, LiveResponse
from services.engine.policy import Policy
from services.sizing.buffers import Buffer
from services.sizing.capital import Capital
from services.sizing.damping import Damping
from services.sizing.joint import Rounding
from services.sizing.legs import Split
from services.sizing.registry import Overlay, SizingMethod
from services.sizing.scaling import Scaling
from tests.support.sizing import REQUIRED

NOW = datetime(2026, 11, 20, tzinfo=UTC)
TARGET = {"method": "volatility_target", "target_volatility": 0.2}
NEEDED = {**REQUIRED, "venues": {"shares_by_venue": [{"venue": "a", "share": 1.0}]}}


def examples(block: str, union: Any) -> list[tuple[str, dict[str, Any]]]:
    """Policies with each member of a block."""
    made = []
    for kind in get_args(union):
        fields = dataclasses.fields(kind)
        method = next(field.default for field in fields if field.name == "method")
        required = NEEDED.get(str(method), {})
        missing = [
            field.name
            for field in fields
            if field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
            and field.name not in required
        ]
        value = {"method": method, **required, **dict.fromkeys(missing, 0.5)}
        made.append((f"{block}-{method}", {block: [value] if block == "overlays" else value}))
    return made


CASES = [
    *examples("sizing", SizingMethod),
    *examples("overlays", Overlay),
    *examples("capital", Capital),
    *examples("scaling", Scaling),
    *examples("split", Split),
    *examples("damping", Damping),
    *examples("buffer", Buffer),
    *examples("rounding", Rounding),
    ("breakers", {"breakers": {}}),
    ("collateral", {"collateral": {}}),
    ("contagion", {"contagion": {}}),
    ("hedging", {"hedging": {"method": "threshold", "instrument": "BTC-PERP", "max_delta": 0.1}}),
]


@pytest.mark.parametrize(("policy", "view"), [(policy, view) for _, policy in CASES for view in ("full", "compact")])
def test_a_flat_account_has_an_answer(policy: dict[str, Any], view: str) -> None:
    body = {
        "portfolio_id": "flat",
        "as_of": NOW.isoformat(),
        "account": {"equity": "100000", "currency": "USD"},
        "policy": {"sizing": TARGET, **policy},
        "options": {"view": view},
        "portfolio_version": 1,
        "snapshot_seq": 0,
        "snapshot_as_of": NOW.isoformat(),
        "snapshot_expires_at": (NOW + timedelta(hours=1)).isoformat(),
    }
    request = LiveRequest.model_validate(body)
    decision = decide(
        Door.LIVE, request, orjson.dumps(body), Gathered(), evaluation_id="ev_" + "0" * 32, received_at=NOW
    )
    answer = orjson.loads(render(decision, NOW))
    LiveResponse.model_validate({**answer, "audit": {"index": 0, "durable": True}})
    assert answer["orders"] == []
    assert [row["order_quantity"] for row in answer["targets"]] in ([], [None])
    assert answer["valid_until"] == "2026-11-20T01:00:00.000000Z"


def test_every_block_of_a_policy_with_members_is_tried() -> None:
    tried = {block for _, policy in CASES for block in policy}
    untouched = {"estimator", "correlation", "limits", "costs", "orders", "margin", "guards"}
    hedges = {"hedge_optimizer", "hedge_gate", "hedge_execution"}
    assert {field.name for field in dataclasses.fields(Policy)} - tried == untouched | hedges
