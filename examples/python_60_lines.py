"""Live targets: `python examples/python_60_lines.py http://127.0.0.1:8000 PORTFOLIO`; needs `websockets` alone.

What a client must do, and no more: connect again with full jitter, resume where it was, see what was lost, acknowledge,
take silence for death, and never act on a target whose time is over. The package in clients/python does the rest.
"""

import asyncio
import json
import random
import sys
from datetime import UTC, datetime

import websockets


def act(targets):
    """Yours: trade toward the targets. They are absolute: the newest replaces all before."""
    for row in targets["targets"]:
        print(row["symbol"], row["status"], row["target_quantity"], "until", targets["valid_until"], flush=True)


async def follow(url, channel):
    position, failures, address = None, 0, "ws" + url.removeprefix("http") + "/v1/stream"
    while True:
        try:
            async with websockets.connect(address, subprotocols=["trimtab.v1.json"], compression=None) as socket:
                done, silence, asking = 0, 10.0, False
                while True:
                    frame = json.loads(await asyncio.wait_for(socket.recv(), silence))
                    kind, state, lost = frame["type"], None, False
                    if kind == "hello":
                        silence = 2.5 * frame["hb_ms"] / 1000
                    elif kind == "reply" and not frame["ok"]:
                        sys.exit(f"refused: {frame['error']}")
                    elif kind == "reply":
                        asking, failures = False, 0
                        if not frame["recovered"]:
                            state, position = frame.get("snapshot"), frame["epoch"] and (frame["epoch"], frame["seq"])
                    elif kind == "update" and not asking:
                        if (frame["epoch"], frame["prev"]) == (position or (frame["epoch"], 0)):
                            state, position = frame["data"], (frame["epoch"], frame["seq"])
                        else:  # something is missing, unless it is a repetition: ask from where we are
                            lost = position is None or position[0] != frame["epoch"] or position[1] < frame["seq"]
                    elif kind == "notice" and frame["code"] == "expired":
                        print("expired: reduce only", flush=True)
                    if kind == "hello" or lost:
                        asking, since = True, position and {"epoch": position[0], "seq": position[1]}
                        await socket.send(json.dumps({"op": "subscribe", "id": "1", "ch": channel, "since": since}))
                    if kind in ("hb", "update"):
                        await socket.send(json.dumps({"op": "ack", "n": (done := done + (kind == "update"))}))
                    if state and datetime.fromisoformat(frame["valid_until"]) > datetime.now(UTC):
                        act(state)
        except (OSError, TimeoutError, websockets.WebSocketException) as error:
            if 4500 <= getattr(getattr(error, "rcvd", None), "code", 0) < 4600:
                sys.exit(f"stopped by the service: {error}")
            await asyncio.sleep(random.uniform(0, min(30, 0.25 * 2 ** min(failures, 7))))
            failures += 1


asyncio.run(follow(sys.argv[1], f"targets:{sys.argv[2]}"))
