// Client of `trimtab.v1` (docs/stream.md): the one rule, acknowledgements, resumption, and a dead-man timer.

const SUBPROTOCOL = "trimtab.v1.json";
const CONNECT_MS = 10000;
const SILENT_BEATS = 2.5;
const BEHIND_BEATS = 2;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30000;
const BATCH = 50;
const MEND_FIRST = new Set([1003, 1007, 1009]);
const TRY_LATER = 1013;
const STREAM_RESET = 4404;
const RATE_LIMITED = 4406;

const stops = (code) => MEND_FIRST.has(code) || (code >= 4500 && code < 4600);

export class StreamClient {
  // `changed` is called after everything that `health` shows has changed. `options` replace the socket, the timers and
  // chance, so that a test can drive them. `ticket` fetches what is shown where the service asks for keys: a browser sends
  // no header with a WebSocket.
  constructor(url, changed, options = {}) {
    this.url = url;
    this.changed = changed;
    this.open = options.open || ((address) => new WebSocket(address, [SUBPROTOCOL]));
    this.later = options.later || ((milliseconds, work) => setTimeout(work, milliseconds));
    this.never = options.never || ((timer) => clearTimeout(timer));
    this.random = options.random || Math.random;
    this.now = options.now || Date.now;
    this.ticket = options.ticket;
    this.authentication = null;
    this.channels = new Map();
    this.socket = null;
    this.requests = 0;
    this.offset = 0;
    this.retry = null;
    this.health = {
      state: "connecting",
      detail: "",
      connected: 0,
      heartbeats: 0,
      lag: null,
      degraded: false,
      gaps: 0,
      pushes: 0,
      leftOut: 0,
      last: null,
    };
  }

  // The service's clock: a phone whose own is wrong must not show as live what has expired.
  time() {
    return this.now() + this.offset;
  }

  get live() {
    return this.health.state === "live";
  }

  // Whether the state of a channel is known to be its newest one.
  current(name) {
    const channel = this.channels.get(name);
    return this.live && channel !== undefined && channel.known && !channel.waiting;
  }

  start() {
    this.#connect();
  }

  // `take(data, frame)`: a push, or the reply to a subscription that begins with a snapshot (`data` null: none yet).
  follow(name, take) {
    this.channels.set(name, { take, epoch: null, seq: 0, known: false, waiting: false, behind: 0, request: null });
    if (this.live) this.#subscribe([name]);
    this.changed();
  }

  unfollow(name) {
    this.channels.delete(name);
    if (this.live) this.#send({ op: "unsubscribe", id: this.#id(), ch: name });
    this.changed();
  }

  // After sleep, or when the network is back: do not wait for timers that stood still.
  wake() {
    if (this.socket === null) {
      if (this.health.state === "waiting") this.#connect();
    } else if (this.health.last !== null && this.now() - this.health.last > this.patience) {
      this.#ended(this.socket, 0, "silence");
    }
  }

  #connect() {
    this.never(this.retry);
    this.pushes = this.acknowledged = 0;
    this.window = 32;
    this.patience = CONNECT_MS;
    this.bounds = null;
    this.#state("connecting", "");
    const socket = this.open(this.url);
    this.socket = socket;
    socket.onmessage = (event) => {
      if (socket === this.socket) this.#received(event.data);
    };
    socket.onclose = (end) => this.#ended(socket, end.code, end.reason);
    this.#watch();
  }

  #watch() {
    this.never(this.watchdog);
    const socket = this.socket;
    this.watchdog = this.later(this.patience, () => this.#ended(socket, 0, "silence"));
  }

  #ended(socket, code, reason) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.never(this.watchdog);
    socket.onmessage = socket.onclose = null;
    socket.close();
    for (const channel of this.channels.values()) {
      channel.waiting = false;
      channel.behind = 0;
      if (code === STREAM_RESET) this.#forget(channel);
    }
    const why = `${code || ""} ${reason}`.trim() || "closed";
    if (stops(code)) {
      this.#state("stopped", why);
      return;
    }
    this.#state("waiting", why);
    this.retry = this.later(this.#pause(code, reason), () => this.#connect());
  }

  #pause(code, reason) {
    if (this.bounds) return this.bounds[0] + this.random() * (this.bounds[1] - this.bounds[0]);
    const asked = code === RATE_LIMITED ? Number(/retry_after_ms=(\d+)/.exec(reason)?.[1] || 1000) : 0;
    const least = code === TRY_LATER ? 1000 : asked;
    this.failures = (this.failures || 0) + 1;
    const most = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(this.failures, 10), LONGEST_PAUSE_MS);
    return least + (0.1 + 0.9 * this.random()) * most;
  }

  #received(text) {
    const frame = JSON.parse(text);
    this.health.last = this.now();
    if (frame.type === "hello") this.#hello(frame);
    if (frame.type === "reply") this.#replied(frame);
    if (frame.type === "update") this.#pushed(frame);
    if (frame.type === "hb") this.#beat(frame);
    if (frame.type === "notice") this.#noticed(frame);
    this.#watch();
    this.changed();
  }

  #hello(frame) {
    this.window = frame.ack_window;
    this.patience = SILENT_BEATS * frame.hb_ms;
    this.offset = Date.parse(frame.server_time) - this.now();
    if (frame.authenticated === false) this.#authenticate(this.socket);
    else this.#begin();
  }

  async #authenticate(socket) {
    try {
      const ticket = await this.ticket();
      if (socket !== this.socket) return;
      this.authentication = this.#id();
      this.#send({ op: "auth", id: this.authentication, ticket });
    } catch (error) {
      if (socket === this.socket) this.#state("connecting", error.message);
    }
  }

  #begin() {
    this.authentication = null;
    this.health.connected += 1;
    this.#state("live", "");
    this.#subscribe([...this.channels.keys()]);
  }

  #subscribe(names) {
    for (let first = 0; first < names.length; first += BATCH) {
      const id = this.#id();
      const channels = names.slice(first, first + BATCH).map((name) => {
        const channel = this.channels.get(name);
        Object.assign(channel, { waiting: true, behind: 0, request: id });
        return channel.epoch === null ? { ch: name } : { ch: name, since: { epoch: channel.epoch, seq: channel.seq } };
      });
      this.#send({ op: "subscribe", id, channels });
    }
  }

  #replied(frame) {
    if (frame.id === this.authentication) {
      if (frame.ok) this.#begin();
      else this.#state("connecting", frame.error.detail);
      return;
    }
    const channel = this.channels.get(frame.ch);
    if (channel === undefined || channel.request !== frame.id) return;
    if (!frame.ok) {
      // Asked again after two heartbeats, as one whose reply was lost.
      this.health.detail = `${frame.ch}: ${frame.error.detail}`;
      return;
    }
    const from = { epoch: channel.epoch, seq: channel.seq };
    Object.assign(channel, { waiting: false, known: true, behind: 0 });
    if (!frame.recovered) {
      Object.assign(channel, { epoch: frame.epoch, seq: frame.seq });
      channel.take(frame.snapshot ?? null, frame, from);
    }
    this.failures = 0;
  }

  #pushed(frame) {
    this.pushes += 1;
    this.health.pushes += 1;
    const channel = this.channels.get(frame.ch);
    if (channel !== undefined && !channel.waiting) {
      if (frame.prev === channel.seq && (channel.epoch === null || channel.epoch === frame.epoch)) {
        Object.assign(channel, { epoch: frame.epoch, seq: frame.seq });
        this.health.leftOut += frame.conflated;
        channel.take(frame.data, frame);
      } else {
        this.health.gaps += 1;
        this.#subscribe([frame.ch]);
      }
    }
    if (this.pushes - this.acknowledged >= this.window / 2) this.#acknowledge();
  }

  #beat(frame) {
    this.#acknowledge();
    this.offset = Date.parse(frame.ts) - this.now();
    this.health.heartbeats += 1;
    this.health.lag = frame.lag_ms;
    this.health.degraded = frame.degraded;
    const behind = [];
    for (const [name, channel] of this.channels) {
      const sent = frame.pos[name];
      const lost = sent === undefined || (sent !== null && (sent[0] !== channel.epoch || sent[1] > channel.seq));
      channel.behind = channel.waiting || lost ? channel.behind + 1 : 0;
      if (channel.behind >= BEHIND_BEATS) behind.push(name);
    }
    if (behind.length) {
      this.health.gaps += 1;
      this.#subscribe(behind);
    }
  }

  #noticed(frame) {
    if (frame.code === "draining") this.bounds = frame.reconnect_after_ms;
    if (frame.code === "degraded") this.health.degraded = true;
    if (frame.code === "recovered") this.health.degraded = false;
    if (frame.code === "stream_reset" && this.channels.has(frame.ch)) {
      this.#forget(this.channels.get(frame.ch));
      this.#subscribe([frame.ch]);
    }
  }

  #forget(channel) {
    Object.assign(channel, { epoch: null, seq: 0, known: false });
  }

  #acknowledge() {
    if (this.pushes === this.acknowledged) return;
    this.acknowledged = this.pushes;
    this.#send({ op: "ack", n: this.pushes });
  }

  #id() {
    this.requests += 1;
    return `console-${this.requests}`;
  }

  #send(frame) {
    if (this.socket !== null && this.socket.readyState === 1) this.socket.send(JSON.stringify(frame));
  }

  #state(state, detail) {
    Object.assign(this.health, { state, detail });
    this.changed();
  }
}
