"use strict";

const SHOWN = 200;
const LONGEST = 4000;
const byId = (id) => document.getElementById(id);
const streamUrl = new URL("../v1/stream", location.href);
streamUrl.protocol = location.protocol === "https:" ? "wss:" : "ws:";

let socket = null;
let hello = null;
let pushes = 0;
let acknowledged = 0;
let requests = 0;
const followed = new Map();
const asked = new Map();

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function row(...cells) {
  const line = make("tr");
  for (const cell of cells) {
    const place = make("td");
    place.append(cell);
    line.append(place);
  }
  return line;
}

function show(mark, text, className) {
  const log = byId("log");
  const time = new Date().toISOString().slice(11, 23);
  log.prepend(make("li", `${time} ${mark} ${text.length > LONGEST ? text.slice(0, LONGEST) + "…" : text}`, className));
  while (log.children.length > SHOWN) log.lastChild.remove();
}

function send(frame) {
  const text = JSON.stringify(frame);
  socket.send(text);
  if (frame.op !== "ack" || byId("beats").checked) show("→", text, "sent");
}

function subscribe(name, since) {
  requests += 1;
  const id = `page-${requests}`;
  asked.set(id, name);
  const channel = followed.get(name);
  if (channel) channel.waiting = true;
  send({ op: "subscribe", id, ch: name, ...(since ? { since } : {}) });
}

function acknowledge() {
  if (byId("acks").checked && pushes > acknowledged) {
    acknowledged = pushes;
    send({ op: "ack", n: pushes });
  }
}

function replied(frame) {
  const name = asked.get(frame.id);
  if (name === undefined) return;
  if (!frame.ok) {
    asked.delete(frame.id);
    return;
  }
  const channel = followed.get(name) || { pushes: 0, leftOut: 0, note: "" };
  Object.assign(channel, { epoch: frame.epoch, seq: frame.seq, validUntil: frame.valid_until, waiting: false });
  channel.note = frame.recovered ? `recovered ${frame.replayed}` : "from the snapshot";
  followed.set(name, channel);
  asked.delete(frame.id);
}

function pushed(frame) {
  pushes += 1;
  const channel = followed.get(frame.ch);
  if (channel && !channel.waiting) {
    const continues = frame.prev === channel.seq && (channel.epoch === null || frame.epoch === channel.epoch);
    if (continues) {
      Object.assign(channel, { epoch: frame.epoch, seq: frame.seq, validUntil: frame.valid_until, note: "ok" });
      channel.pushes += 1;
      channel.leftOut += frame.conflated;
    } else {
      channel.note = "gap: subscribed again";
      subscribe(frame.ch, channel.epoch === null ? null : { epoch: channel.epoch, seq: channel.seq });
    }
  }
  if (hello && pushes - acknowledged >= hello.ack_window / 2) acknowledge();
}

function drawSubscriptions() {
  const body = byId("subscriptions").tBodies[0];
  byId("subscriptions").hidden = followed.size === 0;
  body.replaceChildren();
  for (const [name, channel] of followed) {
    const fine = !channel.note.startsWith("gap") && !channel.note.startsWith("expired");
    body.append(
      row(
        make("code", name),
        make("span", channel.note, fine ? "good" : "bad"),
        String(channel.seq),
        String(channel.pushes),
        String(channel.leftOut),
        channel.validUntil || "—",
      ),
    );
  }
}

function received(event) {
  const frame = JSON.parse(event.data);
  if (frame.type === "hello") hello = frame;
  if (frame.type === "reply") replied(frame);
  if (frame.type === "update") pushed(frame);
  if (frame.type === "hb") acknowledge();
  if (frame.type === "notice" && frame.code === "expired" && followed.has(frame.ch)) {
    followed.get(frame.ch).note = `expired: ${frame.on_expiry}`;
  }
  if (frame.type !== "hb" || byId("beats").checked) {
    show("←", event.data, frame.ok === false || frame.type === "notice" ? "bad" : undefined);
  }
  drawSubscriptions();
}

function stateIs(text, open, className) {
  byId("state").textContent = text;
  byId("state").className = className || "";
  byId("connect").textContent = open ? "Disconnect" : "Connect";
  for (const button of [byId("send"), byId("console").querySelector("[type=submit]")]) button.disabled = !open;
}

function connect() {
  pushes = acknowledged = 0;
  followed.clear();
  asked.clear();
  drawSubscriptions();
  socket = new WebSocket(streamUrl, ["trimtab.v1.json"]);
  stateIs("connecting", true);
  socket.onopen = () => stateIs("connected", true, "good");
  socket.onmessage = received;
  socket.onclose = (end) => {
    socket = null;
    stateIs(`closed ${end.code} ${end.reason}`.trim(), false, end.code === 1000 ? "" : "bad");
    show("×", `closed ${end.code} ${end.reason}`, "quiet");
  };
}

function inline(target, line) {
  // Texts are Markdown of one kind: paragraphs, a list, **bold**, `code`.
  for (const part of line.split(/(\*\*[^*]+\*\*|`[^`]+`)/)) {
    if (part.startsWith("**")) target.append(make("strong", part.slice(2, -2)));
    else if (part.startsWith("`")) target.append(make("code", part.slice(1, -1)));
    else target.append(part);
  }
  return target;
}

function describe(text) {
  const list = make("ul");
  for (const block of text.split(/\n(?=\* )|\n\n/)) {
    const line = block.replace(/\n\s*/g, " ").trim();
    if (line.startsWith("* ")) list.append(inline(make("li"), line.slice(2)));
    else if (line) byId("description").append(inline(make("p"), line));
  }
  byId("description").append(list);
}

function card(title, summary, ...rest) {
  const details = make("details");
  const head = make("summary");
  head.append(make("code", title), " ");
  inline(head, summary);
  details.append(head, ...rest);
  return details;
}

function resolve(document_, reference) {
  return reference
    .slice(2)
    .split("/")
    .reduce((node, key) => node[key], document_);
}

function messageBlocks(contract, reference) {
  let message = resolve(contract, reference.$ref);
  if (message.$ref) message = resolve(contract, message.$ref);
  const blocks = [inline(make("p"), `${message.name}: ${message.summary}`)];
  for (const example of message.examples || []) blocks.push(make("pre", JSON.stringify(example.payload, null, 2)));
  const schema = card("schema", message.name, make("pre", JSON.stringify(resolve(contract, message.payload.$ref), null, 2)));
  return [...blocks, schema];
}

function draw(contract) {
  describe(contract.info.description);
  for (const channel of contract["x-channels"]) {
    byId("kind").append(make("option", channel.ch.split(":")[0]));
    byId("channel-rows").append(
      row(make("code", channel.ch), channel.mode, channel.summary, make("code", channel.data.$ref.split("/").pop())),
    );
  }
  for (const [name, operation] of Object.entries(contract.operations)) {
    const blocks = operation.messages.flatMap((reference) => messageBlocks(contract, reference));
    if (operation.action === "receive") {
      const answers = operation.reply.messages.map((reference) => reference.$ref.split("/").pop()).join(", ");
      byId("operation-list").append(card(name, operation.summary, ...blocks, make("p", `Answered by: ${answers}.`)));
      const message = resolve(contract, resolve(contract, operation.messages[0].$ref).$ref);
      const option = make("option", name);
      option.value = JSON.stringify(message.examples[0].payload);
      byId("sample").append(option);
    } else {
      byId("message-list").append(card(name, operation.summary, ...blocks));
    }
  }
  for (const [code, text] of Object.entries(contract["x-notices"])) byId("notice-rows").append(row(make("code", code), inline(make("span"), text)));
  for (const item of contract["x-close-codes"]) {
    byId("code-rows").append(
      row(String(item.code), make("code", item.word), inline(make("span"), item.why), inline(make("span"), item.client)),
    );
  }
  byId("frame").value = byId("sample").value;
}

byId("address").textContent = streamUrl.href;
byId("kind").addEventListener("change", () => {
  byId("subject").hidden = ["audit", "status"].includes(byId("kind").value);
});
byId("connect").addEventListener("click", () => (socket ? socket.close(1000) : connect()));
byId("sample").addEventListener("change", () => (byId("frame").value = byId("sample").value));
byId("console").addEventListener("submit", (event) => {
  event.preventDefault();
  const subject = byId("subject").hidden ? "" : `:${byId("subject").value.trim()}`;
  subscribe(byId("kind").value + subject);
});
byId("send").addEventListener("click", () => {
  try {
    send(JSON.parse(byId("frame").value));
  } catch (error) {
    show("!", String(error), "bad");
  }
});
fetch("../asyncapi.json")
  .then((answer) => answer.json())
  .then(draw)
  .catch((error) => show("!", `the contract cannot be read: ${error}`, "bad"));
