// A connection that a test plays: sockets, timers, clock and chance of the console's client of the stream.
(async () => {
  const { StreamClient } = await import('/console/stream.js');
  window.stage = () => {
    const play = { sent: [], took: [], timers: [], sockets: 0, now: 1000 };
    const open = () => {
      play.sockets += 1;
      return (play.socket = { readyState: 1, send: (text) => play.sent.push(JSON.parse(text)), close: () => {} });
    };
    const later = (milliseconds, work) => {
      const timer = { milliseconds, work };
      play.timers.push(timer);
      return timer;
    };
    const never = (timer) => (play.timers = play.timers.filter((other) => other !== timer));
    const ticket = async () => 'ttk_1';
    const options = { open, later, never, random: () => 0.5, now: () => play.now, ticket };
    play.client = new StreamClient('ws://x', () => {}, options);
    play.client.follow('targets:a', (data, frame) => play.took.push([frame.type, frame.seq, data]));
    play.client.start();
    play.get = (...frames) => frames.forEach((frame) => play.socket.onmessage({ data: JSON.stringify(frame) }));
    const time = '1970-01-01T00:01:01.000Z';
    play.hello = (more) => play.get({ type: 'hello', ack_window: 32, hb_ms: 5000, server_time: time, ...more });
    play.reply = (more) => {
      const id = play.sent.filter((frame) => frame.op === 'subscribe').at(-1).id;
      const known = { epoch: 'e', seq: 5, recovered: false, snapshot: 's5' };
      play.get({ type: 'reply', id, ok: true, ch: 'targets:a', ...known, ...more });
    };
    play.push = (seq, prev, more) =>
      play.get({ type: 'update', ch: 'targets:a', epoch: 'e', seq, prev, conflated: 0, data: `d${seq}`, ...more });
    play.beat = (sent) =>
      play.get({ type: 'hb', ts: time, lag_ms: 3, degraded: false, pos: { 'targets:a': sent } });
    play.end = (code, reason) => play.socket.onclose({ code, reason: reason || '' });
    play.fire = () => play.timers.pop().work();
    play.waits = () => play.timers.map((timer) => timer.milliseconds);
    play.since = () =>
      play.sent.filter((frame) => frame.op === 'subscribe').map((frame) => frame.channels[0].since ?? null);
    return play;
  };
})();
