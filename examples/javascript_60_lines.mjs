// Live targets in 60 lines: `node examples/javascript_60_lines.mjs http://127.0.0.1:8000 PORTFOLIO`, also in a browser.
// Needs the standard WebSocket: node 22 and newer; `node --experimental-websocket` on node 20. No package.
//
// What a client must do, and no more: connect again with full jitter, resume where it was, see what was lost,
// acknowledge, take silence for death, and never act on a target whose time is over.

const [url, portfolio] = process.argv.slice(2);
const channel = `targets:${portfolio}`;
let position = null; // [epoch, seq] that was read last
let failures = 0;

// Yours: trade toward the targets. They are absolute: the newest replaces all before.
function act(state) {
  for (const row of state.targets) {
    console.log(row.symbol, row.status, row.target_quantity, "until", state.valid_until);
  }
}

function connect() {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/stream`, "trimtab.v1.json");
  let done = 0, silence = 10000, asking = false, timer;
  const listen = () => { clearTimeout(timer); timer = setTimeout(lost, silence); };
  const send = (frame) => socket.send(JSON.stringify(frame));
  const subscribe = () => {
    const since = position && { epoch: position[0], seq: position[1] };
    asking = true;
    send({ op: "subscribe", id: "1", ch: channel, since });
  };
  const accept = (epoch, seq, state, until) => {
    position = epoch && [epoch, seq];
    if (state && Date.parse(until) > Date.now()) act(state);
  };
  function lost(event) {
    clearTimeout(timer);
    socket.onclose = socket.onmessage = null;
    socket.close();
    if (event?.code >= 4500) return console.error(`stopped by the service: ${event.code} ${event.reason}`);
    setTimeout(connect, Math.random() * Math.min(30000, 250 * 2 ** failures++));
  }
  socket.onmessage = ({ data }) => {
    listen();
    const frame = JSON.parse(data);
    if (frame.type === "hello") { silence = 2.5 * frame.hb_ms; subscribe(); }
    if (frame.type === "notice" && frame.code === "expired") console.log("expired: reduce only");
    if (frame.type === "reply" && !frame.ok) { console.error("refused:", frame.error); process.exit(1); }
    if (frame.type === "reply") { asking = false; failures = 0; }
    if (frame.type === "reply" && !frame.recovered) accept(frame.epoch, frame.seq, frame.snapshot, frame.valid_until);
    if (frame.type === "update") {
      done += 1;
      const [epoch, seq] = position ?? [frame.epoch, 0];
      if (!asking && epoch === frame.epoch && seq === frame.prev) accept(frame.epoch, frame.seq, frame.data, frame.valid_until);
      else if (!asking && (epoch !== frame.epoch || seq < frame.seq)) subscribe(); // something is missing: ask from where we are
    }
    if (["hb", "update"].includes(frame.type)) send({ op: "ack", n: done });
  };
  socket.onclose = lost;
  socket.onerror = () => {};
  listen();
}
connect();
