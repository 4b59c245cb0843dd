// Margin to equity now and at target, and the breaker that is highest, with what it takes to come down.

import { definitions, make, moment, percent, words } from "./dom.js";

function bar(name, fraction) {
  const figure = make("div", undefined, "bar");
  const filled = make("div", undefined, fraction >= 1 ? "fill full" : fraction >= 0.5 ? "fill high" : "fill");
  filled.style.width = `${100 * Math.min(Math.max(fraction ?? 0, 0), 1)}%`;
  const track = make("div", filled, "track");
  track.setAttribute("role", "meter");
  track.setAttribute("aria-label", `${name} margin to equity`);
  track.setAttribute("aria-valuemin", "0");
  track.setAttribute("aria-valuemax", "1");
  track.setAttribute("aria-valuenow", String(Math.min(fraction ?? 0, 1)));
  track.setAttribute("aria-valuetext", percent(fraction));
  figure.append(make("span", name), track, make("span", percent(fraction), "figure"));
  return figure;
}

function bars(title, margin) {
  const part = make("div", make("h3", title));
  part.append(bar("initial", margin.initial_to_equity), bar("maintenance", margin.maintenance_to_equity));
  const amounts = `${margin.initial} initial, ${margin.maintenance} maintenance ${margin.currency}`;
  part.append(make("p", margin.complete ? amounts : `${amounts}; not complete: some positions have no margin here`, "quiet"));
  return part;
}

function exitText(breaker) {
  const exit = breaker.next_exit;
  if (exit === null) return breaker.level === "normal" ? "" : "only by breaker_reset, by a person";
  const needs = [`maintenance below ${percent(exit.maintenance_ratio_below)} of equity`];
  if (exit.distance_sigma_from != null) needs.push(`liquidation ${exit.distance_sigma_from} σ away`);
  if (exit.drawdown_below != null) needs.push(`drawdown below ${percent(exit.drawdown_below)}`);
  const wait = exit.not_before ? `not before ${moment(exit.not_before)}` : `for ${exit.dwell_seconds} s; one of them does not hold now`;
  return `${needs.join(", ")}; ${wait}`;
}

function breakerPart(breaker, transitions) {
  const part = make("div", make("h3", "Breaker"));
  if (!breaker) {
    part.append(make("p", "The policy has no breakers.", "quiet"));
    return part;
  }
  const level = make("p", make("strong", words(breaker.level), `tier tier-${Number(breaker.tier)}`));
  level.append(` tier ${breaker.tier}, ${breaker.scope}${breaker.latched ? ", latched" : ""}`);
  part.append(
    level,
    definitions([
      ["Since", breaker.since && moment(breaker.since)],
      ["Next exit", exitText(breaker)],
      ["Drawdown", breaker.metrics.drawdown != null ? percent(breaker.metrics.drawdown) : null],
      ["To liquidation", breaker.metrics.distance_sigma != null ? `${breaker.metrics.distance_sigma.toFixed(1)} σ` : null],
      ["Prices", breaker.metrics.trusted ? "" : "not trusted: stale, or not agreed on"],
    ]),
  );
  for (const change of transitions.slice(-3)) {
    const cause = change.actor ? `${change.actor}: ${change.reason}` : words(change.cause);
    part.append(make("p", `${moment(change.at)}: ${words(change.before)} → ${words(change.after)} (${change.scope}), ${cause}`, "quiet"));
  }
  return part;
}

export function showMargin(root, state, transitions, expired) {
  root.classList.toggle("expired", expired);
  if (!state) {
    root.replaceChildren(make("p", "No margin was computed yet.", "quiet"));
    return;
  }
  const parts = expired ? [make("p", `Expired: figures of ${moment(state.computed_at)}.`, "bad")] : [];
  parts.push(bars("Now", state.current));
  if (state.target) parts.push(bars("At target", state.target));
  root.replaceChildren(...parts, breakerPart(state.breaker, transitions));
}
