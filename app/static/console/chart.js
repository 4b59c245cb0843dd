// Volatility and size of one row over time, as decided: the history on record, then every push.

import { make, percent } from "./dom.js";

const POINTS = 1000;
const HEIGHT = 240;
// One drawing for all that comes in so long.
const GATHER_MS = 50;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const keyOf = (target) =>
  [target.symbol, target.venue, target.account_id, target.position_side].filter(Boolean).join(" · ");
const number = (text) => (text === null || text === undefined ? null : Number(text));

export class Chart {
  constructor(root, picker, summary) {
    Object.assign(this, { root, picker, summary, rows: new Map(), plot: null, timer: null });
    picker.addEventListener("change", () => this.#draw());
    new ResizeObserver(() => this.#fit()).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  clear() {
    this.rows.clear();
    this.picker.replaceChildren();
    this.#draw();
  }

  // `index` of the audit entry: a decision that comes twice, from history and stream, is one point.
  add(index, answer) {
    for (const target of answer.targets) {
      const key = keyOf(target);
      if (!this.rows.has(key)) this.#begin(key, target);
      const points = this.rows.get(key).points;
      points.set(index, {
        time: Date.parse(answer.computed_at) / 1000,
        volatility: target.volatility?.annual ?? null,
        target: number(target.target_quantity),
        current: number(target.current_quantity),
      });
      if (points.size > POINTS) points.delete(Math.min(...points.keys()));
    }
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.#draw();
    }, GATHER_MS);
  }

  #begin(key, target) {
    this.rows.set(key, { points: new Map(), unit: target.quantity_unit || "size" });
    const option = make("option", key);
    option.value = key;
    this.picker.append(option);
  }

  #data() {
    const points = [...(this.rows.get(this.picker.value)?.points ?? [])].sort((one, other) => one[0] - other[0]);
    const rows = points.map(([, point]) => point);
    return ["time", "volatility", "target", "current"].map((name) => rows.map((point) => point[name]));
  }

  #draw() {
    const data = this.#data();
    const unit = this.rows.get(this.picker.value)?.unit ?? "size";
    this.plot?.destroy();
    this.plot = null;
    this.root.replaceChildren();
    if (data[0].length === 0) {
      this.root.append(make("p", "Nothing was decided yet.", "quiet"));
      this.summary.textContent = "";
      return;
    }
    this.plot = new uPlot(this.#options(unit, data[0]), data, this.root);
    const last = data.map((values) => values.at(-1));
    const count = data[0].length === 1 ? "One decision" : `${data[0].length} decisions`;
    const text = `${count}; now volatility ${percent(last[1])} a year, target ${last[2] ?? "none"}, current ${last[3]} ${unit}.`;
    this.summary.textContent = text;
    this.root.setAttribute("aria-label", text);
  }

  #options(unit, times) {
    const stepped = uPlot.paths.stepped({ align: 1 });
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const line = (label, name, scale, more) => ({ label, scale, stroke: colour(name), width: 2, points: { show: times.length < 50, size: 5 }, ...more });
    return {
      width: Math.max(this.root.clientWidth, 100),
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false },
      scales: { x: { time: true, range: () => spread(times[0], times.at(-1)) }, volatility: { range: padded }, size: { range: padded } },
      tzDate: (seconds) => uPlot.tzDate(new Date(1000 * seconds), "UTC"),
      axes: [
        { ...axis, space: 80, values: (_, ticks, place, space, step) => ticks.map((tick) => moment(tick, step)) },
        { ...axis, scale: "volatility", size: 52, values: (_, ticks) => ticks.map((tick) => `${+(100 * tick).toFixed(2)} %`) },
        { ...axis, scale: "size", side: 1, size: 60, grid: { show: false }, values: (_, ticks) => ticks.map((tick) => String(+tick.toPrecision(6))) },
      ],
      series: [
        {},
        line("volatility", "--volatility", "volatility"),
        line("target", "--target", "size", { paths: stepped }),
        line("current", "--current", "size", { paths: stepped, dash: [5, 4] }),
      ],
    };
  }

  #fit() {
    if (this.plot && this.root.clientWidth > 0 && this.root.clientWidth !== this.plot.width) {
      this.plot.setSize({ width: this.root.clientWidth, height: HEIGHT });
    }
  }
}

// UTC as everywhere on the page, as fine as the ticks are apart.
function moment(seconds, step) {
  const text = new Date(1000 * seconds).toISOString();
  if (step >= 86400) return text.slice(5, 10);
  return step >= 60 ? text.slice(11, 16) : text.slice(11, step >= 1 ? 19 : 21);
}

// One decision alone is a point in the middle, not a line of no length at the edge.
function spread(least, most) {
  return most - least >= 1 ? [least, most] : [least - 60, most + 60];
}

function padded(_, least, most) {
  if (least === null || most === null) return [0, 1];
  const room = (most - least || Math.abs(most) || 1) * 0.1;
  return [least - room, most + room];
}
