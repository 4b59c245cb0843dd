// The operator's switches: what is stopped, by whom and why; stop; let go on.

import { byId, make, moment, put, words } from "./dom.js";
import { newKey, readSwitch, setSwitch, switches } from "./service.js";

const ACTOR = "trimtab.actor";

export class Switches {
  constructor(list, portfolio) {
    this.list = list;
    this.portfolio = portfolio;
    this.asked = 0;
    this.dialog = byId("switch-dialog");
    byId("stop").addEventListener("click", () => this.#stop());
    byId("switch-cancel").addEventListener("click", () => this.dialog.close());
    byId("switch-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#confirm();
    });
    // Another body under the same key would be refused: a change of what is asked is another call.
    byId("switch-form").addEventListener("input", () => (this.key = newKey()));
  }

  async refresh() {
    const turn = (this.asked += 1);
    try {
      const found = await switches();
      if (turn === this.asked) this.#show(found);
    } catch (error) {
      if (turn === this.asked) this.list.replaceChildren(make("li", `Switches cannot be read: ${error.message}`, "bad"));
    }
  }

  #show(found) {
    const set = found.filter((item) => item.in_force !== "normal" || item.mode !== "normal");
    this.stopped = set.filter((item) => item.in_force !== "normal");
    this.list.replaceChildren(...set.map((item) => this.#item(item)));
    if (set.length === 0) this.list.append(make("li", "Nothing is stopped.", "quiet"));
  }

  #item(item) {
    const line = make("li", make("strong", words(item.in_force), item.in_force === "normal" ? "" : "bad"));
    const until = item.expires_at ? `, until ${moment(item.expires_at)}` : "";
    line.append(" ", make("code", item.scope), make("p", `${item.reason} — ${item.actor}, ${moment(item.set_at)}${until}`, "quiet"));
    const button = make("button", "Release…");
    button.type = "button";
    button.setAttribute("aria-label", `Release ${item.scope}`);
    button.addEventListener("click", () => this.#release(item.scope));
    line.append(button);
    return line;
  }

  #stop() {
    const portfolio = this.portfolio();
    this.release = null;
    const scopes = [...(portfolio ? [[`portfolio:${portfolio}`, `portfolio ${portfolio}`]] : []), ["global", "everything"]];
    byId("switch-scope").replaceChildren(...scopes.map(([value, text]) => Object.assign(make("option", text), { value })));
    put(byId("switch-title"), "Stop");
    put(byId("switch-text"), "It holds from the moment it is sent, and until somebody releases it.");
    this.#open("Stop now");
  }

  async #release(scope) {
    try {
      const { body, tag } = await readSwitch(scope);
      this.release = { scope, tag };
      put(byId("switch-title"), `Release ${scope}`);
      put(byId("switch-text"), `On ${words(body.in_force)}: “${body.reason}” — ${body.actor}, ${moment(body.set_at)}. More may be done once it is released.`);
      this.#open("Release");
    } catch (error) {
      this.list.prepend(make("li", error.message, "bad"));
    }
  }

  #open(verb) {
    byId("switch-what").hidden = this.release !== null;
    put(byId("switch-confirm"), verb);
    put(byId("switch-problem"), "");
    byId("switch-reason").value = "";
    byId("switch-actor").value = localStorage.getItem(ACTOR) || "";
    this.key = newKey();
    this.dialog.showModal();
    byId(byId("switch-actor").value ? "switch-reason" : "switch-actor").focus();
  }

  async #confirm() {
    const actor = byId("switch-actor").value.trim();
    const reason = byId("switch-reason").value.trim();
    if (!actor || !reason) {
      put(byId("switch-problem"), "Say who you are, and why.");
      return;
    }
    localStorage.setItem(ACTOR, actor);
    const scope = this.release ? this.release.scope : byId("switch-scope").value;
    const mode = this.release ? "normal" : byId("switch-mode").value;
    byId("switch-confirm").disabled = true;
    try {
      await setSwitch(scope, { mode, actor, reason }, this.key, this.release?.tag);
      this.dialog.close();
    } catch (error) {
      put(byId("switch-problem"), `Not confirmed: ${error.message}`);
    } finally {
      byId("switch-confirm").disabled = false;
      this.refresh();
    }
  }
}
