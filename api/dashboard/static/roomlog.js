// A small client of the realtime protocol: one socket, many rooms, and a cursor for each, with which it goes on after a cut.
//
// What is told, each by a function in `on`, all of them optional:
//   state(name, sentence)      connecting, live, stalled, away (coming back by itself), cut (until `comeBack`), ended
//   event(frame, place)        an event, each once and in order; `place` is {seq, cursor, repeats, gaps} of its room
//   subscribed(frame), snapshot(room, snapshot, reason), left(room, reason), refused(problem, room, key), ack(frame)
//   frame(direction, frame)    whatever goes by, "in" or "out", tokens left out
const FIRST_BACK_OFF_MS = 500;
const MAX_BACK_OFF_MS = 30_000;
const STEADY_MS = 60_000;
const OPEN_MS = 10_000;
const LOOK_MS = 5_000;
const MAX_WAITING = 100;
const MAX_REFUSED_TOKENS = 5;
const OVERLOADED = new Set([1013, 4429]);
const OVERLOADED_MS = 5_000;
const UNAUTHENTICATED = 4401;
const FINAL = new Map([
  [4400, "This page sent what the API does not take."],
  [4403, "The API takes no credential of this page any more."],
  [4404, "The app is gone."],
  [4413, "This page sent what is too large."],
]);

export class Roomlog {
  #url;
  #ask;
  #on;
  #socket = null;
  #attempt = 0;
  #rooms = new Map();
  #outbox = new Map();
  #opening = new Set();
  #isOpen = false;
  #failures = 0;
  #refusedTokens = 0;
  #openedAt = 0;
  #heardAt = 0;
  #patienceMs = OPEN_MS;
  #timer = 0;
  #watch = 0;

  // `ask` gives a token, or raises an error that says whether it `isFinal`.
  constructor(api, app, ask, on) {
    this.#url = `${api.replace(/^http/, "ws")}/v1/connect?app=${encodeURIComponent(app)}`;
    this.#ask = ask;
    this.#on = on;
    addEventListener("online", () => this.#timer !== 0 && this.comeBack());
  }

  // Follows rooms from now on, or from where it left them: with the last messages of each in a first snapshot.
  follow(rooms, last = 0) {
    const wanted = [];
    for (const room of rooms) {
      if (this.#rooms.has(room)) continue;
      this.#rooms.set(room, { seq: null, cursor: null, last, repeats: 0, gaps: 0 });
      wanted.push(room);
    }
    if (this.#isOpen) this.#subscribe(wanted);
  }

  leave(rooms) {
    const left = rooms.filter((room) => this.#rooms.delete(room));
    if (this.#isOpen && left.length > 0) this.#put({ op: "unsubscribe", rooms: left });
  }

  place(room) {
    return this.#rooms.get(room);
  }

  // Sends a message, now or on coming back, under one key however often it takes; gives the key, or null if too much waits.
  send(room, parts) {
    if (this.#outbox.size >= MAX_WAITING) return null;
    const key = newKey();
    const frame = { op: "send", id: key, room, key, parts };
    this.#outbox.set(key, frame);
    if (this.#isOpen) this.#put(frame);
    return key;
  }

  // Lets go of the socket: what was on its way is lost, as in any cut.
  cut() {
    this.#drop();
    this.#tell("cut", "Cut off");
  }

  // Connects at once, from wherever it stands.
  comeBack() {
    this.#drop();
    this.#failures = 0;
    this.#refusedTokens = 0;
    this.#connect();
  }

  #drop() {
    const socket = this.#socket;
    this.#attempt += 1;
    this.#socket = null;
    this.#isOpen = false;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    this.#timer = 0;
    socket?.close();
  }

  async #connect() {
    this.#timer = 0;
    const attempt = (this.#attempt += 1);
    this.#tell("connecting", "Connecting");
    let token;
    try {
      token = await this.#ask();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (error.isFinal) this.#tell("ended", error.message);
      else this.#later(0);
      return;
    }
    if (attempt !== this.#attempt) return;
    const socket = (this.#socket = new WebSocket(this.#url));
    this.#heardAt = performance.now();
    this.#patienceMs = OPEN_MS;
    this.#watch = setInterval(() => this.#look(), LOOK_MS);
    // What an older socket still says is for nobody.
    const isCurrent = () => socket === this.#socket;
    socket.addEventListener("open", () => isCurrent() && this.#put({ op: "auth", token }));
    socket.addEventListener("message", ({ data }) => isCurrent() && this.#hear(JSON.parse(data)));
    socket.addEventListener("close", ({ code, reason }) => isCurrent() && this.#lost(code, reason));
  }

  // Ends a socket that says nothing: a connection that the network has forgotten tells nobody so.
  #look() {
    if (performance.now() - this.#heardAt > this.#patienceMs) this.#lost(0, "");
  }

  #lost(code, reason) {
    const wasOpen = this.#isOpen;
    if (wasOpen && performance.now() - this.#openedAt > STEADY_MS) this.#failures = 0;
    this.#drop();
    if (FINAL.has(code)) return this.#tell("ended", `${FINAL.get(code)} (${reason || code})`);
    if (code === UNAUTHENTICATED && !wasOpen && (this.#refusedTokens += 1) >= MAX_REFUSED_TOKENS) {
      return this.#tell("ended", "The API refuses this page's tokens.");
    }
    return this.#later(OVERLOADED.has(code) ? OVERLOADED_MS : 0);
  }

  #later(leastMs) {
    const most = Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** this.#failures);
    const afterMs = leastMs + Math.random() * most;
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#connect(), afterMs);
    this.#tell("away", `Coming back in ${(afterMs / 1000).toFixed(1)} s`);
  }

  #put(frame) {
    this.#on.frame?.("out", "token" in frame ? { ...frame, token: "…" } : frame);
    this.#socket.send(JSON.stringify(frame));
  }

  #subscribe(rooms) {
    if (rooms.length === 0) return;
    const wanted = rooms.map((room) => {
      const { cursor, last } = this.#rooms.get(room);
      return cursor === null ? { room, last } : { room, cursor };
    });
    this.#put({ op: "subscribe", rooms: wanted });
  }

  #hear(frame) {
    this.#heardAt = performance.now();
    this.#on.frame?.("in", frame);
    switch (frame.type) {
      case "connected":
        return this.#opened(frame);
      case "subscribed":
        this.#isLiveOnceOpen(frame.room);
        return this.#on.subscribed?.(frame);
      case "snapshot":
      case "reset":
        return this.#begin(frame);
      case "ack":
        this.#outbox.delete(frame.id);
        return this.#on.ack?.(frame);
      case "error":
        return this.#refused(frame);
      case "stalled":
        return this.#tell("stalled", "The database is out of reach: waiting for it");
      case "live":
        return this.#tell("live", "Live");
      case "auth.expiring":
        return this.#renew();
      case "reconnect":
        this.#timer = setTimeout(() => this.comeBack(), frame.after_ms);
        return undefined;
      case "revoked":
      case "unsubscribed":
        if (this.#rooms.delete(frame.room)) this.#on.left?.(frame.room, frame.reason);
        return undefined;
      default:
        // Events are named for what they are about; other frames that a newer server knows are passed over.
        return frame.type === "hidden" || frame.type.includes(".") ? this.#event(frame) : undefined;
    }
  }

  #opened(frame) {
    this.#isOpen = true;
    this.#openedAt = performance.now();
    this.#refusedTokens = 0;
    this.#patienceMs = 2 * frame.heartbeat_ms;
    this.#opening = new Set(this.#rooms.keys());
    this.#subscribe([...this.#opening]);
    this.#isLiveOnceOpen(null);
    // What has no answer yet may have been written all the same: under its old key it is not written twice.
    for (const waiting of this.#outbox.values()) this.#put(waiting);
  }

  // Live is who hears of all rooms that are wanted, be it that one of them is not to be had.
  #isLiveOnceOpen(room) {
    if (room !== null && !this.#opening.delete(room)) return;
    if (this.#opening.size === 0) this.#tell("live", "Live");
  }

  #begin({ room, snapshot, reason }) {
    const place = this.#rooms.get(room);
    if (place === undefined) return;
    place.seq = snapshot.seq;
    place.cursor = snapshot.cursor;
    this.#on.snapshot?.(room, snapshot, reason ?? null);
  }

  #event(frame) {
    const place = this.#rooms.get(frame.room);
    if (place === undefined || place.seq === null) return;
    if (frame.seq <= place.seq) {
      place.repeats += 1;
      return;
    }
    place.gaps += frame.seq - place.seq - 1;
    place.seq = frame.seq;
    place.cursor = frame.cursor;
    this.#on.event?.(frame, place);
  }

  #refused({ id, room, problem }) {
    const waiting = this.#outbox.get(id);
    if (waiting !== undefined && problem.retry_after_ms !== undefined) {
      const attempt = this.#attempt;
      setTimeout(() => attempt === this.#attempt && this.#put(waiting), problem.retry_after_ms);
      return;
    }
    this.#outbox.delete(id);
    if (waiting === undefined && room !== undefined) {
      this.#rooms.delete(room);
      this.#isLiveOnceOpen(room);
    }
    this.#on.refused?.(problem, room ?? null, waiting === undefined ? null : id);
  }

  async #renew() {
    const attempt = this.#attempt;
    try {
      const token = await this.#ask();
      if (attempt === this.#attempt) this.#put({ op: "auth", id: "renewal", token });
    } catch {
      // The socket ends with its token, and coming back asks once more, or tells why there is none.
    }
  }

  #tell(name, sentence) {
    this.#on.state?.(name, sentence);
  }
}

// Not `crypto.randomUUID`, which pages by http do not have.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
