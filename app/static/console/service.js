// The service over REST. Addresses are relative, so that the console also works behind a proxy's prefix.

const SEARCHED = [200, 2000, 20000, 200000];
const PAGES = 20;
const AT_ONCE = 3;

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the service answered ${status}`);
    this.status = status;
    this.code = problem.code;
    this.outcome = problem.outcome;
  }
}

const KEPT = "trimtab.key";
let askForKey = () => {};

// An API key stays in this tab: no URL, cookie or file has it, and it ends with the tab.
export const useKey = (key) => sessionStorage.setItem(KEPT, key);
export const whenKeyIsNeeded = (ask) => (askForKey = ask);

function keyHeader() {
  const key = sessionStorage.getItem(KEPT);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function call(path, options = {}) {
  const answer = await fetch(path, { cache: "no-store", ...options, headers: { ...options.headers, ...keyHeader() } });
  const body = await answer.json();
  if (answer.status === 401) askForKey(body.detail);
  if (!answer.ok) throw new Refused(answer.status, body);
  return { body, tag: answer.headers.get("ETag") };
}

const query = (given) => new URLSearchParams(Object.entries(given).filter(([, value]) => value !== null)).toString();

async function pages(path, given) {
  const items = [];
  let after = given.after ?? null;
  for (let page = 0; page < PAGES; page += 1) {
    const { body } = await call(`${path}?${query({ limit: 1000, ...given, after })}`);
    items.push(...body.items);
    if (body.next === null) break;
    after = body.next;
  }
  return items;
}

export const portfolios = () => pages("v1/portfolios", {});
export const switches = () => pages("v1/breakers", {});
export const reasons = async () => (await call("v1/errors")).body.reasons;
export const evaluation = async (id) => (await call(`v1/evaluations/${encodeURIComponent(id)}`)).body;

export const streamTicket = async () => {
  const headers = { "Content-Type": "application/json" };
  return (await call("v1/stream/tickets", { method: "POST", headers, body: "{}" })).body.ticket;
};

const switchPath = (scope) => `v1/breakers/${encodeURIComponent(scope)}`;
export const readSwitch = (scope) => call(switchPath(scope));

// `key` makes a repetition safe: the same key with the same body acts once.
export function setSwitch(scope, body, key, tag) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
  if (tag) headers["If-Match"] = tag;
  return call(switchPath(scope), { method: "PUT", headers, body: JSON.stringify(body) });
}

export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The last `count` entries up to `index`. Lists begin with the oldest, so ever longer ends of the log are searched.
async function last(path, given, index, count) {
  let found = [];
  for (const length of SEARCHED) {
    const after = index - length;
    found = (await pages(path, { ...given, after: after < 0 ? null : after })).filter((entry) => entry.index <= index);
    if (found.length >= count || after < 0) break;
  }
  return found.slice(-count);
}

export const lastEntries = (index, count) => last("v1/audit/entries", {}, index, count);

// `take(index, answer)` for each of the last live evaluations before `index`, newest first, a few at a time.
export async function history(portfolioId, index, count, take) {
  const entries = await last("v1/evaluations", { kind: "live", portfolio_id: portfolioId }, index - 1, count);
  const waiting = entries.reverse();
  const work = async () => {
    for (let entry = waiting.shift(); entry !== undefined; entry = waiting.shift()) {
      take(entry.index, await evaluation(entry.evaluation_id));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
