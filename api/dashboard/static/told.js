// What events say to people, and small ways to put it on a page: always as text.
const PREVIEW = 300;

export function element(name, classes, text) {
  const made = document.createElement(name);
  if (classes) made.className = classes;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Of whom an event is: who said something, or whom it is about.
export function whoseOf(frame) {
  return frame.message?.sender ?? frame.member?.user ?? "";
}

export function textOf(message) {
  if (message.parts === undefined) return "Deleted";
  return message.parts.map((part) => part.text ?? part.url ?? `[${part.media_type}]`).join(" ");
}

export function previewOf(frame) {
  if (frame.message !== undefined) return clipped(textOf(frame.message));
  if (frame.type === "member.added") return `is a member now, as ${frame.member.role}`;
  if (frame.type === "member.removed") return "is no member any more";
  if (frame.type === "member.role_changed") return `is ${frame.member.role} now`;
  if (frame.type === "room.deleted") return "The room was deleted";
  if (frame.state !== undefined) return clipped(`${frame.state.name}, ${frame.state.private ? "private" : "public"}`);
  return "";
}

export function clockOf(moment) {
  const at = moment === undefined ? new Date() : new Date(moment);
  const pad = (number, width = 2) => String(number).padStart(width, "0");
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}.${pad(at.getMilliseconds(), 3)}`;
}

// Keeps a list to its bound: the oldest go. Newest first or last, as the list is kept.
export function bound(list, most, oldest) {
  while (list.children.length > most) list[oldest].remove();
}

function clipped(text) {
  return text.length > PREVIEW ? `${text.slice(0, PREVIEW)} …` : text;
}
