// The inspector: events of many rooms as they arrive, over the API's own socket.
import { Roomlog } from "./roomlog.js";
import { Tokens } from "./tokens.js";
import { bound, clockOf, element, previewOf, whoseOf } from "./told.js";

const MOST_ROWS = 500;
const page = document.getElementById("inspector");
if (page !== null) inspect(page.dataset);

function inspect({ api, app, formToken, most }) {
  page.hidden = false;
  const by = (id) => document.getElementById(id);
  const list = by("events");
  const waiting = [];
  const sought = new WeakMap();
  let isPaused = false;
  let count = 0;

  const tokens = new Tokens(`/apps/${app}/inspector/token`, { form_token: formToken });
  const client = new Roomlog(api, app, () => tokens.fresh(), {
    state(name, sentence) {
      by("state").dataset.state = name;
      by("state").textContent = sentence;
    },
    event: take,
    refused: (problem, room) => lose(room, problem.title),
    left: (room, reason) => lose(room, `Left: ${reason.replaceAll("_", " ")}.`),
  });

  function take(frame) {
    count += 1;
    by("count").textContent = count.toLocaleString("en");
    if (isPaused) {
      waiting.push(frame);
      if (waiting.length > MOST_ROWS) waiting.shift();
      by("pause").textContent = `Go on (${waiting.length})`;
    } else {
      show(frame);
    }
  }

  function show(frame) {
    const row = element("li", "event");
    const details = element("details");
    const head = element("summary", "event-head");
    head.append(
      element("time", "when", clockOf(frame.at)),
      element("code", "room", frame.room),
      element("span", "seq", frame.seq),
      element("span", "badge plain", frame.type),
      element("b", "who", whoseOf(frame)),
      element("bdi", "preview", previewOf(frame)),
    );
    const whole = element("pre");
    details.append(head, whole);
    // Written when it is asked for: most rows go by unopened.
    details.addEventListener("toggle", () => { whole.textContent = JSON.stringify(frame, null, 2); }, { once: true });
    row.append(details);
    sought.set(row, { kind: frame.type, text: JSON.stringify(frame).toLowerCase() });
    row.hidden = !fits(row);
    list.prepend(row);
    bound(list, MOST_ROWS, "lastElementChild");
    by("nothing").hidden = true;
  }

  function fits(row) {
    const { kind, text } = sought.get(row);
    return kind.startsWith(by("kind").value) && text.includes(by("text").value.toLowerCase());
  }

  function sift(event) {
    event.preventDefault();
    for (const row of list.children) row.hidden = !fits(row);
  }

  function lose(room, sentence) {
    const box = by("rooms").querySelector(`[data-room="${CSS.escape(room ?? "")}"]`);
    if (box !== null) box.remove();
    by("by-id-fault").textContent = room === null ? sentence : `${room}: ${sentence}`;
  }

  function followed() {
    return [...by("rooms").querySelectorAll("input:checked")].map((box) => box.value);
  }

  function listed(room) {
    const item = element("li");
    const label = element("label", "choice");
    const box = element("input");
    box.type = "checkbox";
    box.value = room;
    box.checked = true;
    label.append(box, element("code", "", room));
    item.dataset.room = room;
    item.append(label);
    by("rooms").prepend(item);
  }

  for (const type of ["input", "submit"]) by("filters").addEventListener(type, sift);
  by("pause").addEventListener("click", () => {
    isPaused = !isPaused;
    by("pause").setAttribute("aria-pressed", isPaused);
    by("pause").textContent = isPaused ? "Go on (0)" : "Pause";
    waiting.splice(0).forEach(show);
  });
  by("clear").addEventListener("click", () => {
    list.replaceChildren();
    waiting.length = 0;
    by("nothing").hidden = false;
  });
  by("rooms").addEventListener("change", ({ target }) => {
    if (target.checked && followed().length > Number(most)) {
      target.checked = false;
      by("by-id-fault").textContent = `At most ${most} at once: take one out first.`;
    } else if (target.checked) {
      client.follow([target.value]);
    } else {
      client.leave([target.value]);
    }
  });
  by("by-id").addEventListener("submit", (event) => {
    event.preventDefault();
    const room = by("room-id").value.trim();
    by("by-id-fault").textContent = "";
    if (followed().length >= Number(most)) {
      by("by-id-fault").textContent = `At most ${most} at once: take one out first.`;
      return;
    }
    if (!by("rooms").querySelector(`[data-room="${CSS.escape(room)}"]`)) listed(room);
    by("room-id").value = "";
    client.follow([room]);
  });

  client.follow(followed());
  client.comeBack();
}
