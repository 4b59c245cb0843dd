// Targets of a portfolio, one row each, and why each is as it is.

import { cell, clock, definitions, left, make, mark, percent, put, row, table, words } from "./dom.js";

const COLUMNS = ["Symbol", "Current", "Target", "Order", "Status", "Reason", "Permission", "Valid for"];

const keyOf = (target) =>
  JSON.stringify([target.symbol, target.venue, target.account_id, target.position_side].map((part) => part ?? null));
const placeOf = (target) => [target.venue, target.account_id, target.position_side].filter(Boolean).join(" · ");

export class Targets {
  // `time` is the service's clock [ms]; `reasons` maps a reason's code to its meaning.
  constructor(body, time) {
    this.body = body;
    this.time = time;
    this.reasons = {};
    this.lines = new Map();
    this.state = null;
  }

  show(state) {
    this.state = state;
    const present = new Set();
    for (const target of state?.targets ?? []) {
      const key = keyOf(target);
      present.add(key);
      const line = this.lines.get(key) || this.#line(key, target);
      line.target = target;
      line.order = state.orders.find((order) => keyOf(order) === key);
      this.body.append(line.row, line.more);
      this.#write(line);
      if (!line.more.hidden) this.#explain(line);
    }
    for (const [key, line] of this.lines) {
      if (present.has(key)) continue;
      line.row.remove();
      line.more.remove();
      this.lines.delete(key);
    }
    this.tick();
  }

  get expired() {
    return this.state !== null && this.time() >= Date.parse(this.state.valid_until);
  }

  // What passes with time alone: an expired target is never shown as one to act on.
  tick() {
    if (this.state === null) return;
    const now = this.time();
    const expired = this.expired;
    for (const line of this.lines.values()) {
      const { target, order, fields } = line;
      mark(line.row, expired ? "expired" : target.status);
      put(fields.status, expired ? "expired" : target.status);
      put(fields.permission, words(expired ? this.state.on_expiry : target.permission));
      put(fields.valid, expired ? "expired" : left(Date.parse(this.state.valid_until) - now));
      const due = order ? Date.parse(order.valid_until) - now : 0;
      put(fields.due, order && !expired ? (due > 0 ? `within ${left(due)}` : "lapsed") : "");
      mark(fields.order, order && (expired || due <= 0) ? "past" : "");
    }
  }

  #line(key, target) {
    const line = { row: row(), more: row("more"), fields: {} };
    const cells = COLUMNS.map((label) => cell(label));
    line.row.append(...cells);
    const button = make("button", undefined, "open");
    button.type = "button";
    button.append(make("span", target.symbol, "symbol"));
    if (placeOf(target)) button.append(make("small", placeOf(target)));
    button.setAttribute("aria-expanded", "false");
    button.title = "Show how this target came about";
    cells[0].append(button);
    const place = make("td");
    place.setAttribute("role", "cell");
    place.colSpan = COLUMNS.length;
    line.more.append(place);
    line.more.hidden = true;
    line.more.id = `why-${(this.made = (this.made || 0) + 1)}`;
    button.setAttribute("aria-controls", line.more.id);
    ["current", "target", "order", "status", "reason", "permission", "valid"].forEach((name, place_) => {
      line.fields[name] = make("span");
      cells[place_ + 1].append(line.fields[name]);
    });
    line.fields.due = make("small");
    cells[3].append(line.fields.due);
    line.row.addEventListener("click", (event) => {
      if (event.target.closest("button") || String(getSelection()) === "") this.#toggle(line, button);
    });
    line.place = place;
    this.lines.set(key, line);
    return line;
  }

  #toggle(line, button) {
    line.more.hidden = !line.more.hidden;
    button.setAttribute("aria-expanded", String(!line.more.hidden));
    if (!line.more.hidden) this.#explain(line);
  }

  #write({ target, order, fields }) {
    const unit = target.quantity_unit ? ` ${target.quantity_unit}` : "";
    put(fields.current, target.current_quantity);
    put(fields.target, target.target_quantity ?? "none");
    fields.target.title = target.target_quantity === null ? "refused: do nothing; this is not zero" : `target${unit}`;
    put(fields.order, order ? `${order.side} ${order.quantity}` : "—");
    put(fields.reason, target.reason === "none" ? "—" : words(target.reason));
    fields.reason.title = this.reasons[target.reason] || "";
  }

  #explain({ target, order, place }) {
    const parts = [make("p", this.#sentence(target))];
    if (target.steps?.length) parts.push(this.#steps(target.steps));
    if (target.binding?.length) parts.push(...this.#bindings(target.binding));
    if (target.overlays?.length) parts.push(this.#overlays(target.overlays));
    parts.push(this.#figures(target, order));
    const link = make("a", "the whole decision on record");
    link.href = `v1/evaluations/${encodeURIComponent(this.state.evaluation_id)}`;
    link.target = "_blank";
    link.rel = "noopener";
    const source = make("p", `Snapshot ${this.state.snapshot_seq}, audit entry ${this.state.index}: `, "quiet");
    source.append(link);
    parts.push(source);
    place.replaceChildren(...parts);
  }

  #sentence(target) {
    const said = target.detail || this.reasons[target.reason];
    if (target.target_quantity === null) return `Refused: do nothing, this is not zero. ${said || ""}`;
    return said && target.reason !== "none" ? said : "What the method asks for, after every limit that it meets.";
  }

  #steps(steps) {
    const list = steps.map((step) => [
      words(step.stage),
      step.in,
      step.factor === undefined || step.factor === null ? step.bound_by || "" : `× ${step.factor}`,
      step.out,
      make("code", step.parameter),
    ]);
    return table(["Step", "In", "Factor or limit", "Out", "Parameter"], list, "Steps, in order (contracts)");
  }

  #bindings(bindings) {
    return bindings.map((bound) => {
      const text = `Nearest limit: ${words(bound.stage)} (${bound.parameter}), ${bound.slack} contracts left.`;
      const next = bound.next ? ` Next: ${words(bound.next.stage)}, up to ${bound.next.allowed}.` : "";
      return make("p", text + next, "binding");
    });
  }

  #overlays(overlays) {
    const list = overlays.map((overlay) => [
      words(overlay.overlay),
      `× ${overlay.multiplier}`,
      overlay.acts_on,
      [overlay.detail, overlay.data_missing && "its data was not sent", overlay.increase_blocked && "nothing may grow"]
        .filter(Boolean)
        .join("; "),
    ]);
    return table(["Overlay", "Multiplier", "Acts on", "Why"], list, "Overlays: the smallest is taken");
  }

  #figures(target, order) {
    const volatility = target.volatility;
    return definitions([
      ["Target notional", target.target_notional],
      ["Capacity", target.capacity && `${target.capacity.short} to ${target.capacity.long}`],
      ["Volatility", volatility && `${percent(volatility.annual)} a year, ${words(volatility.method)}, ${volatility.observations} bars`],
      ["Price", target.price_used && `${target.price_used.value} (${words(target.price_used.source)})`],
      ["Expected cost", target.expected_cost?.total],
      ["Order", order && `${order.side} ${order.quantity}, limit ${order.limit_price}, until ${clock(order.valid_until)} UTC`],
      ["Order id", order && make("code", order.client_order_id)],
    ]);
  }
}
