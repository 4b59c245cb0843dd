// The console: puts the parts together and keeps them honest about time.

import { Chart } from "./chart.js";
import { Decisions } from "./decisions.js";
import { byId, cell, left, make, mark, moment, percent, put, row } from "./dom.js";
import { showMargin } from "./margin.js";
import { history, lastEntries, portfolios, reasons, streamTicket, useKey, whenKeyIsNeeded } from "./service.js";
import { StreamClient } from "./stream.js";
import { Switches } from "./switches.js";
import { Targets } from "./targets.js";

const HISTORY = 60;
const ENTRIES = 120;
const TICK_MS = 250;
const SWITCHES_MS = 30000;
const OF_PORTFOLIO = ["targets", "margin", "breakers"];
const STATES = { live: "connected", connecting: "connecting", waiting: "not connected", stopped: "stopped" };

const address = new URL("v1/stream", location.href);
address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
address.hash = "";
const client = new StreamClient(address, () => (dirty = true), { ticket: streamTicket });
const targets = new Targets(byId("target-rows"), () => client.time());
const chart = new Chart(byId("chart"), byId("chart-row"), byId("chart-summary"));
const decisions = new Decisions(byId("decisions"), byId("decisions-all"));
const switches = new Switches(byId("switches"), () => chosen);

let dirty = true;
let chosen = null;
let margin = null;
let transitions = new Map();
let ended = null;
let shownExpired = null;

function choose(portfolioId) {
  if (portfolioId === chosen) return;
  if (chosen !== null) for (const kind of OF_PORTFOLIO) client.unfollow(`${kind}:${chosen}`);
  chosen = portfolioId;
  margin = null;
  transitions = new Map();
  ended = null;
  targets.show(null);
  chart.clear();
  drawMargin();
  if (chosen === null) return;
  byId("portfolio").value = chosen;
  window.history.replaceState(null, "", `#${encodeURIComponent(chosen)}`);
  client.follow(`targets:${chosen}`, tookTargets);
  client.follow(`margin:${chosen}`, (data) => {
    margin = data && !data.ended ? data : null;
    drawMargin();
  });
  client.follow(`breakers:${chosen}`, (data) => {
    if (data?.transitions) transitions.set(data.index, data.transitions);
    drawMargin();
  });
}

function tookTargets(data, frame) {
  ended = data?.ended ? data : null;
  const state = data && !data.ended ? data : null;
  targets.show(state);
  const notes = state ? [...state.warnings.map((item) => item.detail), ...state.assumptions.map((item) => item.effect)] : [];
  byId("notes").replaceChildren(...notes.map((text) => make("li", text)));
  put(byId("book"), state ? bookText(state.portfolio) : "");
  tick();
  if (state === null) return;
  chart.add(state.index, state);
  if (frame.type === "reply") fillChart(chosen, state.index);
}

function bookText(book) {
  const known = book.forecast_volatility === null ? "volatility unknown" : `volatility ${percent(book.forecast_volatility)} a year`;
  const wish = book.target_volatility === null ? "" : ` (wanted: ${percent(book.target_volatility)})`;
  const parts = [`Book at target: ${known}${wish}`];
  if (book.gross_leverage != null) parts.push(`gross leverage ${book.gross_leverage.toFixed(2)}`);
  if (book.value_at_risk != null) parts.push(`value at risk ${book.value_at_risk} (one day, 99 %)`);
  return `${parts.join(", ")}.`;
}

async function fillChart(portfolioId, index) {
  try {
    await history(portfolioId, index, HISTORY, (place, answer) => {
      if (portfolioId === chosen) chart.add(place, answer);
    });
  } catch (error) {
    console.warn(`the history of ${portfolioId} cannot be read: ${error.message}`);
  }
}

async function tookEntry(data, frame) {
  if (data === null) return;
  decisions.add([data]);
  if (data.kind === "portfolio") listPortfolios();
  if (data.kind === "breaker") switches.refresh();
  if (frame.type !== "reply") return;
  // A snapshot: what lies between may have been missed.
  listPortfolios();
  switches.refresh();
  try {
    decisions.add(await lastEntries(data.index, ENTRIES));
  } catch (error) {
    console.warn(`the audit log cannot be read: ${error.message}`);
  }
}

function tookStatus(data) {
  const text = data && data.status !== "ok" ? `Degraded: ${data.degraded.join(", ")}. ${data.detail || ""}` : "";
  put(byId("degraded"), text);
  byId("degraded").hidden = text === "";
}

whenKeyIsNeeded((detail) => {
  put(byId("key-text"), `The service asks for an API key: ${detail}.`);
  byId("key-form").hidden = false;
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(byId("key").value.trim());
  location.reload();
});

async function listPortfolios() {
  let found;
  try {
    found = await portfolios();
  } catch (error) {
    put(byId("loading"), `The portfolios cannot be read: ${error.message}`);
    byId("loading").hidden = byId("service-parts").hidden = false;
    return;
  }
  const picker = byId("portfolio");
  const ids = found.map((item) => item.portfolio_id);
  if (ids.join("\n") !== [...picker.options].map((option) => option.value).join("\n")) {
    picker.replaceChildren(...ids.map((id) => Object.assign(make("option", id), { value: id })));
    picker.value = chosen;
  }
  picker.disabled = ids.length === 0;
  byId("loading").hidden = true;
  byId("service-parts").hidden = false;
  byId("first-steps").hidden = ids.length > 0 || chosen !== null;
  byId("portfolio-parts").hidden = ids.length === 0 && chosen === null;
  if (ids.length === 0 || ids.includes(chosen)) return;
  // One that was deleted stays in sight, as ended, until another is picked.
  if (chosen === null) choose(ids.includes(wanted()) ? wanted() : ids[0]);
}

function wanted() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function drawMargin() {
  shownExpired = marginExpired();
  showMargin(byId("margin"), margin, [...transitions.values()].flat(), shownExpired);
}

const marginExpired = () => margin !== null && client.time() >= Date.parse(margin.valid_until);

function freshness() {
  const state = targets.state;
  if (ended) return ["The portfolio was deleted: act on nothing said before.", "bad"];
  if (chosen === null) return ["", ""];
  if (state === null) {
    const known = client.current(`targets:${chosen}`);
    return [known ? "No targets yet: they come with the first snapshot and prices." : "Waiting for the stream.", "quiet"];
  }
  const of = `Evaluated ${moment(state.computed_at)} from snapshot ${state.snapshot_seq}`;
  if (targets.expired) return [`Expired since ${moment(state.valid_until)}: positions may only be reduced. ${of}.`, "bad"];
  const rest = left(Date.parse(state.valid_until) - client.time());
  if (!client.current(`targets:${chosen}`)) return [`Not connected: newer targets may exist. These hold for ${rest}. ${of}.`, "bad"];
  return [`Live, valid for ${rest}. ${of}.`, "good"];
}

function tick() {
  targets.tick();
  if (marginExpired() !== shownExpired) drawMargin();
  const [text, className] = freshness();
  put(byId("freshness"), text);
  mark(byId("freshness"), className);
  const last = client.health.last;
  put(byId("silence"), last === null ? "—" : `${((Date.now() - last) / 1000).toFixed(0)} s ago`);
  if (dirty) drawHealth();
}

function drawHealth() {
  dirty = false;
  const health = client.health;
  const name = STATES[health.state];
  const degraded = health.state === "live" && health.degraded;
  put(byId("state"), degraded ? `${name}, degraded` : name);
  mark(byId("state"), `pill ${health.state === "live" && !degraded ? "good" : health.state === "connecting" ? "quiet" : "bad"}`);
  byId("state").title = health.detail;
  put(byId("health-detail"), health.detail);
  put(byId("lag"), health.lag === null ? "—" : `${health.lag} ms`);
  put(byId("heartbeats"), health.heartbeats);
  put(byId("reconnects"), Math.max(0, health.connected - 1));
  put(byId("gaps"), health.gaps);
  put(byId("left-out"), health.leftOut);
  const lines = [...client.channels].map(([name_, channel]) => {
    const line = row();
    const seen = channel.waiting ? "…" : channel.epoch === null ? "—" : String(channel.seq);
    for (const [label, value] of [["Channel", make("code", name_)], ["Seq", seen], ["Epoch", channel.epoch ?? "—"]]) {
      const field = cell(label);
      field.append(value);
      line.append(field);
    }
    return line;
  });
  byId("channels").replaceChildren(...lines);
}

function prepareFirstSteps() {
  const base = new URL(".", location.href).href.replace(/\/$/, "");
  for (const block of document.querySelectorAll("#first-steps pre")) {
    block.textContent = block.textContent.replaceAll("http://127.0.0.1:8000", base);
    if (!navigator.clipboard) continue;
    const button = make("button", "Copy");
    button.type = "button";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.textContent);
      put(button, "Copied");
    });
    block.before(button);
  }
}

byId("portfolio").addEventListener("change", () => choose(byId("portfolio").value));
window.addEventListener("hashchange", () => {
  if ([...byId("portfolio").options].some((option) => option.value === wanted())) choose(wanted());
});
window.addEventListener("online", () => client.wake());
document.addEventListener("visibilitychange", () => document.hidden || client.wake());
prepareFirstSteps();
reasons()
  .then((found) => (targets.reasons = found))
  .catch((error) => console.warn(`reasons cannot be explained: ${error.message}`));
client.follow("audit", tookEntry);
client.follow("status", tookStatus);
client.start();
listPortfolios();
switches.refresh();
setInterval(tick, TICK_MS);
setInterval(() => switches.refresh(), SWITCHES_MS);
tick();
