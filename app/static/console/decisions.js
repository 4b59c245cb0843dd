// The last entries of the audit log; those that are decisions lead to the stored evaluation.

import { clock, make, words } from "./dom.js";

const SHOWN = 20;
const KEPT = 300;
export const FACTS = new Set(["observation", "instruments", "policy", "portfolio", "snapshot", "executions", "breaker", "parameters", "key", "retention", "log_key"]);

export class Decisions {
  constructor(list, all) {
    Object.assign(this, { list, all, entries: new Map() });
    all.addEventListener("change", () => this.#draw());
    this.#draw();
  }

  // Rows of the log and of the channel `audit`: the log names the id of a decision `evaluation_id`.
  add(entries) {
    for (const entry of entries) this.entries.set(entry.index, entry);
    const old = [...this.entries.keys()].sort((one, other) => other - one).slice(KEPT);
    for (const index of old) this.entries.delete(index);
    this.#draw();
  }

  #draw() {
    const wanted = [...this.entries.values()].filter((entry) => this.all.checked || !FACTS.has(entry.kind));
    wanted.sort((one, other) => other.index - one.index);
    const lines = wanted.slice(0, SHOWN).map((entry) => this.#line(entry));
    this.list.replaceChildren(...lines);
    if (lines.length === 0) this.list.append(make("li", "Nothing on record yet.", "quiet"));
  }

  #line(entry) {
    const id = entry.evaluation_id ?? entry.event_id;
    const line = make("li", make("span", `${clock(entry.recorded_at)} `, "quiet"));
    if (FACTS.has(entry.kind)) {
      line.append(make("span", words(entry.kind)));
    } else {
      const link = make("a", words(entry.kind));
      link.href = `v1/evaluations/${encodeURIComponent(id)}`;
      link.target = "_blank";
      link.rel = "noopener";
      line.append(link);
    }
    const about = [entry.portfolio_id, entry.client_reference].filter(Boolean).join(" · ");
    line.append(` ${about}`, make("span", ` #${entry.index}`, "quiet"));
    return line;
  }
}
