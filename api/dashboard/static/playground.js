// The playground: two users of the real API side by side, one of whom can be cut off and come back.
import { Roomlog } from "./roomlog.js";
import { Tokens } from "./tokens.js";
import { bound, clockOf, element, previewOf, textOf, whoseOf } from "./told.js";

const MOST_LINES = 200;
const MOST_FRAMES = 200;
const LAST = 20;
const BURST = 5;
const READ_AFTER_MS = 300;
const CATCH_UP_MS = 10_000;
const ASK_MS = 10_000;

async function play(page) {
  const { api, app, room, formToken } = page.dataset;
  page.hidden = false;
  const watch = new Stopwatch();
  const panes = [...page.querySelectorAll(".pane")].map((node) => {
    const tokens = new Tokens(`/apps/${app}/playground/token`, { form_token: formToken, user: node.dataset.user });
    return new Pane(node, { api, app, room, tokens, watch });
  });
  for (const pane of panes) pane.others = panes.filter((other) => other !== pane);
  try {
    await prepare(panes, room);
  } catch (error) {
    document.getElementById("trouble").textContent = error.message;
    return;
  }
  for (const pane of panes) pane.start();
}

// Makes the users by their first tokens, and the room as the first of them; all of it may be there already.
async function prepare([ann, ...others], room) {
  for (const pane of [ann, ...others]) await pane.tokens.fresh();
  const members = others.map((pane) => pane.user);
  await ann.ask("POST", "/v1/rooms", { id: room, name: "Playground", private: true, members });
  for (const user of members) await ann.ask("PUT", `/v1/rooms/${room}/members/${user}`, {});
}

// How long it takes from sending, on one side, to what arrives on the other.
class Stopwatch {
  #sent = new Map();
  #arrived = new Map();

  sent(seq, at) {
    this.#keep(this.#sent, seq, at);
    this.#tell(seq);
  }

  arrived(seq, at, node) {
    this.#keep(this.#arrived, seq, { at, node });
    this.#tell(seq);
  }

  // Whether the acknowledgement or the event comes first, nobody knows.
  #tell(seq) {
    const sent = this.#sent.get(seq);
    const arrived = this.#arrived.get(seq);
    if (sent === undefined || arrived === undefined) return;
    arrived.node.textContent = `${Math.max(0, arrived.at - sent).toFixed(0)} ms`;
    this.#arrived.delete(seq);
  }

  #keep(map, key, value) {
    map.set(key, value);
    if (map.size > MOST_LINES) map.delete(map.keys().next().value);
  }
}

class Pane {
  others = [];
  #node;
  #context;
  #client;
  #lines = new Map();
  #waiting = new Map();
  #sentAt = new Map();
  #state = "off";
  #seen = 0;
  #catching = null;
  #readTimer = 0;

  constructor(node, context) {
    this.#node = node;
    this.#context = context;
    this.user = node.dataset.user;
    this.name = node.dataset.name;
    this.tokens = context.tokens;
    this.#client = new Roomlog(context.api, context.app, () => context.tokens.fresh(), {
      state: (name, sentence) => this.#tellState(name, sentence),
      snapshot: (_, snapshot, reason) => this.#begin(snapshot, reason),
      subscribed: (frame) => this.#subscribed(frame),
      event: (frame) => this.#take(frame),
      ack: (frame) => this.#acked(frame),
      refused: (problem, _, key) => this.#refused(problem, key),
      left: (_, reason) => this.#news(`The room has ended for ${this.name}: ${reason.replaceAll("_", " ")}.`, "bad"),
      frame: (direction, frame) => this.#wire(direction, frame),
    });
    this.#part(".say").addEventListener("submit", (event) => {
      event.preventDefault();
      const field = this.#part(".say input");
      if (field.value.trim() !== "") this.#say(field.value);
      field.value = "";
    });
    this.#part(".burst").addEventListener("click", () => {
      for (let number = 1; number <= BURST; number += 1) this.#say(`${this.name}, ${number} of ${BURST}`);
    });
    this.#part(".link").addEventListener("click", () => (this.#isOff ? this.#client.comeBack() : this.#cut()));
  }

  start() {
    this.#client.follow([this.#context.room], LAST);
    this.#client.comeBack();
  }

  // Asks the API as this user; raises an error with the sentence of its refusal.
  async ask(method, path, body) {
    const headers = { Authorization: `Bearer ${await this.tokens.now()}`, "Content-Type": "application/json" };
    const signal = AbortSignal.timeout(ASK_MS);
    const answer = await fetch(this.#context.api + path, { method, headers, body: JSON.stringify(body), signal });
    const told = await answer.json();
    if (!answer.ok) throw new Error(`${path}: ${told.title ?? answer.status}`);
    return told;
  }

  get seq() {
    return this.#client.place(this.#context.room)?.seq ?? 0;
  }

  get #isOff() {
    return this.#state === "cut" || this.#state === "ended";
  }

  #part(selector) {
    return this.#node.querySelector(selector);
  }

  // ---- what the user does

  #say(text) {
    const key = this.#client.send(this.#context.room, [{ type: "text", text }]);
    if (key === null) {
      this.#news("A hundred messages wait already.", "bad");
      return;
    }
    const line = element("li", "line own waiting");
    line.append(element("p", "bubble", text), element("span", "meta", this.#state === "live" ? "sending" : "waits for the connection"));
    this.#waiting.set(key, line);
    // What waits first is timed by nobody: it would say how long the connection was away.
    if (this.#state === "live") this.#sentAt.set(key, performance.now());
    this.#append(line);
  }

  #cut() {
    this.#client.cut();
    this.#news(`Cut off at seq ${this.seq}. Whatever is said now, ${this.name} hears on coming back.`, "");
  }

  // ---- what the API says

  #tellState(name, sentence) {
    this.#state = name;
    this.#node.dataset.state = name;
    const state = this.#part(".state");
    state.dataset.state = name;
    state.textContent = sentence;
    const link = this.#part(".link");
    link.textContent = this.#isOff ? "Come back" : "Cut the connection";
    link.setAttribute("aria-label", this.#isOff ? `Bring ${this.name} back` : `Cut ${this.name}'s connection`);
    link.classList.toggle("danger", !this.#isOff);
    link.classList.toggle("primary", this.#isOff);
  }

  #begin(snapshot, reason) {
    this.#part(".talk").replaceChildren(...this.#waiting.values());
    this.#lines.clear();
    for (const message of snapshot.messages) this.#showMessage(message, null);
    if (reason !== null) this.#news(`A fresh snapshot at seq ${snapshot.seq}: ${reason.replaceAll("_", " ")}.`, "bad");
    this.#read(snapshot.membership?.read_seq ?? 0);
    this.#tally();
  }

  async #subscribed({ resumed, seq }) {
    if (!resumed) return;
    const { repeats, gaps } = this.#client.place(this.#context.room);
    const catching = (this.#catching = { from: seq, head: null, count: 0, repeats, gaps });
    this.#news(`Resumed at seq ${seq}: catching up …`, "");
    setTimeout(() => this.#catching === catching && this.#caughtUp(), CATCH_UP_MS);
    try {
      // Where the room stands now tells what was missed from what comes anew.
      catching.head = (await this.ask("GET", `/v1/rooms/${this.#context.room}`)).seq;
    } catch {
      catching.head = this.seq;
    }
    if (this.#catching === catching && this.seq >= catching.head) this.#caughtUp();
  }

  #take(frame) {
    this.#seen += 1;
    const catching = this.#catching;
    if (catching !== null && (catching.head === null || frame.seq <= catching.head)) catching.count += 1;
    this.#show(frame, catching !== null);
    this.#tally();
    for (const other of this.others) other.#meanwhile(frame.seq);
    if (catching !== null && catching.head !== null && frame.seq >= catching.head) this.#caughtUp();
  }

  #caughtUp() {
    const { from, head, repeats, gaps } = this.#catching;
    const place = this.#client.place(this.#context.room);
    const count = Math.min(this.#catching.count, (head ?? this.seq) - from);
    this.#catching = null;
    const twice = place.repeats - repeats;
    const missed = place.gaps - gaps;
    const events = count === 1 ? "1 event" : `${count} events`;
    if (twice > 0 || missed > 0) {
      this.#news(`Resumed at seq ${from}, and something is wrong: ${missed} missed, ${twice} twice.`, "bad");
    } else if (count === 0) {
      this.#news(`Resumed at seq ${from}: nothing had happened meanwhile.`, "good");
    } else {
      this.#news(`Resumed at seq ${from}: ${events} caught up in order, none twice.`, "good");
    }
  }

  // What the other side has heard while this one is cut off.
  #meanwhile(seq) {
    if (this.#state !== "cut") return;
    const behind = seq - this.seq;
    const events = behind === 1 ? "1 event" : `${behind} events`;
    this.#news(`Cut off at seq ${this.seq}. The room has gone on to seq ${seq}: ${events} to catch up.`, "");
  }

  #acked({ id, seq }) {
    this.#waiting.get(id)?.remove();
    this.#waiting.delete(id);
    const at = this.#sentAt.get(id);
    this.#sentAt.delete(id);
    if (at !== undefined && seq !== undefined) this.#context.watch.sent(seq, at);
  }

  #refused(problem, key) {
    this.#waiting.get(key)?.remove();
    this.#waiting.delete(key);
    this.#sentAt.delete(key);
    this.#news(problem.title, "bad");
  }

  // ---- what is shown

  #show(frame, isCaughtUp) {
    if (frame.message !== undefined) {
      this.#showMessage(frame.message, frame.seq, isCaughtUp ? "caught up" : "");
    } else if (frame.type !== "hidden") {
      this.#append(element("li", "line note", `${whoseOf(frame)} ${previewOf(frame)}`));
    }
    clearTimeout(this.#readTimer);
    this.#readTimer = setTimeout(() => this.#moveReadCursor(), READ_AFTER_MS);
  }

  #showMessage(message, seq, mark = "") {
    const isOwn = message.sender === this.user;
    const isKnown = isOwn || this.others.some((other) => other.user === message.sender);
    const line = element("li", isOwn ? "line own" : "line");
    const bubble = element("p", message.parts === undefined ? "bubble gone" : "bubble");
    bubble.append(element("bdi", "", textOf(message)));
    const took = element("span", "took", isOwn ? "" : mark);
    const meta = element("span", "meta", `${isKnown ? "" : `${message.sender} · `}seq ${message.seq} · ${clockOf(message.created_at)} `);
    meta.append(took);
    line.append(bubble, meta);
    const before = this.#lines.get(message.seq);
    this.#lines.set(message.seq, line);
    if (this.#lines.size > MOST_LINES) this.#lines.delete(this.#lines.keys().next().value);
    if (before?.isConnected) {
      before.replaceWith(line);
      return;
    }
    this.#append(line);
    if (!isOwn && mark === "" && seq === message.seq) this.#context.watch.arrived(seq, performance.now(), took);
  }

  #append(line) {
    const talk = this.#part(".talk");
    // What waits stays last: it is not in the room yet.
    const firstWaiting = line.classList.contains("waiting") ? null : talk.querySelector(".waiting");
    talk.insertBefore(line, firstWaiting);
    bound(talk, MOST_LINES, "firstElementChild");
    talk.scrollTop = talk.scrollHeight;
  }

  async #moveReadCursor() {
    try {
      const { seq } = await this.ask("PUT", `/v1/rooms/${this.#context.room}/read`, { seq: this.seq });
      this.#read(seq);
    } catch {
      // The next event moves it again.
    }
  }

  #read(seq) {
    this.#part(".read").textContent = seq;
  }

  #tally() {
    const { seq, gaps, repeats } = this.#client.place(this.#context.room);
    this.#part(".at").textContent = seq;
    this.#part(".events-seen").textContent = this.#seen;
    this.#part(".missed").textContent = gaps;
    this.#part(".twice").textContent = repeats;
  }

  #news(sentence, mood) {
    const news = this.#part(".news");
    news.textContent = sentence;
    news.dataset.mood = mood;
  }

  #wire(direction, frame) {
    const frames = this.#part(".frames");
    const row = element("li", direction);
    const details = element("details");
    const summary = element("summary");
    const name = direction === "in" ? frame.type : frame.op;
    summary.append(
      element("span", "way", direction === "in" ? "↓" : "↑"),
      element("time", "when", clockOf()),
      element("b", "", name),
      element("code", "", JSON.stringify(frame)),
    );
    const whole = element("pre");
    details.append(summary, whole);
    details.addEventListener("toggle", () => { whole.textContent = JSON.stringify(frame, null, 2); }, { once: true });
    row.append(details);
    frames.prepend(row);
    bound(frames, MOST_FRAMES, "lastElementChild");
  }
}

// Last, for classes are there from their own lines on.
const playground = document.getElementById("playground");
if (playground !== null) play(playground);
