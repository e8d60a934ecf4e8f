// A round through the API by somebody who knows nothing but the document. It ends with what it saw, as one line of JSON.
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./generated/document.js";

type Problem = components["schemas"]["Problem"];
type Message = components["schemas"]["Message"];
type Part = components["schemas"]["Part"];
type Frame = components["schemas"]["ServerFrame"];

const within = 10_000;

function connect(baseUrl: string, credential: string, read = (text: string) => text): Client<paths> {
  return createClient<paths>({
    baseUrl,
    headers: { authorization: `Bearer ${credential}` },
    fetch: async (request) => {
      const answer = await fetch(request, { signal: AbortSignal.timeout(within) });
      return answer.status === 204 ? answer : new Response(read(await answer.text()), answer);
    },
  });
}

function given(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set.`);
  return value;
}

/** What was answered, or the problem as an exception. */
function taken<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.error !== undefined) throw new Error(`${answer.error.code}: ${answer.error.title}`);
  if (answer.data === undefined) throw new Error("Neither an answer nor a problem came.");
  return answer.data;
}

function told(part: Part): string {
  switch (part.type) {
    case "text":
      return part.text;
    case "url":
      return part.media_type == null ? part.url : `${part.url} (${part.media_type})`;
    case "data":
      return `${part.media_type}, ${part.data.length} long`;
    default:
      return passedOver(part, "a part of a later version");
  }
}

function seen(frame: Frame): string {
  switch (frame.type) {
    case "message.created":
    case "message.edited":
    case "message.deleted":
      return `${frame.type} ${frame.message.number}`;
    case "member.added":
    case "member.removed":
    case "member.role_changed":
      return `${frame.type} ${frame.member.user}`;
    case "room.created":
    case "room.updated":
    case "room.deleted":
      return `${frame.type} ${frame.state.name}`;
    case "snapshot":
    case "reset":
      return `${frame.type} at ${frame.snapshot.seq}`;
    case "error":
      return frame.problem.code;
    case "hidden":
    case "revoked":
    case "subscribed":
      return `${frame.type} at ${frame.seq}`;
    case "ack":
    case "auth.expiring":
    case "authenticated":
    case "closed":
    case "connected":
    case "heartbeat":
    case "live":
    case "pong":
    case "reconnect":
    case "stalled":
    case "unsubscribed":
      return frame.type;
    default:
      return passedOver(frame, "a frame of a later version");
  }
}

/** The document's unions are told apart whole, or this would not compile; what comes at run time may be newer. */
function passedOver(_: never, as: string): string {
  return as;
}

const url = given("ROOMLOG_URL");
const server = connect(url, given("ROOMLOG_KEY"));
const token = taken(await server.POST("/v1/tokens", { body: { user: "ann", ttl_s: 60 } }));
const ann = connect(url, token.token);

const room = taken(await ann.POST("/v1/rooms", { body: { id: "round", name: "Round", data: { topic: "types" } } }));
const path = { room_id: room.id };

const parts: Part[] = [
  { type: "text", text: "one" },
  { type: "url", url: "https://example.com/" },
  { type: "data", media_type: "text/plain", data: "three" },
];
const sent: Message[] = [];
for (const part of parts) {
  const header = { "Idempotency-Key": `round-${part.type}` };
  const metadata = { kind: part.type };
  const body = { parts: [part], metadata };
  sent.push(taken(await ann.POST("/v1/rooms/{room_id}/messages", { params: { path, header }, body })));
}

const listed: Message[] = [];
for (let after: number | null = 0; after !== null; ) {
  const query = { after, limit: 2 };
  const page: components["schemas"]["MessagePage"] = taken(
    await ann.GET("/v1/rooms/{room_id}/messages", { params: { path, query } }),
  );
  listed.push(...page.messages);
  after = page.next;
}

const newer = connect(url, token.token, (text) => text.replaceAll('"type":"data"', '"type":"dream"'));
const dreamt = taken(await newer.GET("/v1/rooms/{room_id}/messages", { params: { path, query: { limit: 1 } } }));

const before = await ann.GET("/v1/rooms/{room_id}", { params: { path } });
const header = { "If-Match": before.response.headers.get("etag") ?? "*" };
const change = { params: { path, header }, body: { name: "Round and round" } };
const renamed = taken(await ann.PATCH("/v1/rooms/{room_id}", change));
const stale = await ann.PATCH("/v1/rooms/{room_id}", change);

const nowhere = await ann.GET("/v1/rooms/{room_id}", { params: { path: { room_id: "nowhere" } } });

const first = listed[0];
if (first === undefined) throw new Error("No message was listed.");
const gone = await ann.DELETE("/v1/rooms/{room_id}/messages/{message_id}", {
  params: { path: { ...path, message_id: first.id } },
});
const tombstone = taken(
  await ann.GET("/v1/rooms/{room_id}/messages/{message_id}", { params: { path: { ...path, message_id: first.id } } }),
);

const opened = taken(await ann.GET("/v1/rooms/{room_id}/events", { params: { path } }));
const snapshot = opened.frames.find((frame) => frame.type === "snapshot");
if (snapshot === undefined || opened.cursor === null) throw new Error("A poll without a cursor is no snapshot.");
await ann.PATCH("/v1/rooms/{room_id}", { params: { path }, body: { name: "Square" } });
const polled = taken(
  await ann.GET("/v1/rooms/{room_id}/events", { params: { path, query: { after: opened.cursor, wait: 5 } } }),
);

// What the document does not have, does not compile.
// @ts-expect-error A room has no colour.
void room.colour;
// @ts-expect-error No part is a dream.
void told({ type: "dream" });
// @ts-expect-error A problem's code is text.
void (nowhere.error?.code === 404);
// @ts-expect-error A part is told apart before it is read.
void first.parts?.map((part) => part.text);
// @ts-expect-error A room's name is text.
void (() => ann.POST("/v1/rooms", { body: { name: 7 } }));

const deleted = await server.DELETE("/v1/rooms/{room_id}", { params: { path } });

console.log(
  JSON.stringify({
    numbers: sent.map((message) => message.number),
    listed: listed.map((message) => (message.parts ?? []).map(told)),
    dreamt: dreamt.messages.map((message) => (message.parts ?? []).map(told)),
    kinds: listed.map(({ metadata }) => {
      const kind = metadata?.["kind"];
      return typeof kind === "string" ? kind.toUpperCase() : null;
    }),
    renamed: renamed.name,
    stale: stale.error?.code,
    nowhere: nowhere.error && { status: nowhere.error.status, code: nowhere.error.code },
    gone: gone.response.status,
    tombstone: tombstone.deleted_at !== undefined && tombstone.parts === undefined,
    snapshot: snapshot.snapshot.messages.length,
    polled: polled.frames.map(seen),
    deleted: deleted.response.status,
  }),
);
