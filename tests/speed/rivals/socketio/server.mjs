// A chat as a team writes it by hand: a message is committed to PostgreSQL, then shown to the room, then acknowledged.
//
// It leaves out much that Roomlog does: nobody says who they are or may be refused, a repeated send is stored twice, two
// messages that are sent at once may be shown in another order than that of their numbers, and a client that joins or comes
// back has to merge the history with what it has been shown itself.

import { createServer } from "node:http";
import pg from "pg";
import { Server } from "socket.io";

const SCHEMA = `
  CREATE TABLE rooms (id text PRIMARY KEY, last_seq bigint NOT NULL);
  CREATE TABLE messages (
    room text NOT NULL REFERENCES rooms, seq bigint NOT NULL, sender text NOT NULL, text text NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (room, seq)
  )`;

// Named, so that PostgreSQL plans each once per connection. One statement is one transaction.
const APPEND = {
  name: "append",
  text: `
    WITH next AS (
      INSERT INTO rooms (id, last_seq) VALUES ($1, 1)
      ON CONFLICT (id) DO UPDATE SET last_seq = rooms.last_seq + 1 RETURNING last_seq
    )
    INSERT INTO messages (room, seq, sender, text) SELECT $1, last_seq, $2, $3 FROM next RETURNING seq, sent_at`,
};
const LAST = {
  name: "last",
  text: "SELECT seq, sender, text, sent_at FROM messages WHERE room = $1 ORDER BY seq DESC LIMIT 50",
};

const database = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 20 });
await database.query(SCHEMA);

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });

io.on("connection", (socket) => {
  socket.on("join", async (room, answer) => {
    await socket.join(room); // before the history is read, so that nothing falls between the two
    const { rows } = await database.query({ ...LAST, values: [room] });
    answer(rows.reverse());
  });

  socket.on("leave", async (room, answer) => {
    await socket.leave(room);
    answer([]);
  });

  socket.on("send", async ({ room, text }, answer) => {
    const { rows } = await database.query({ ...APPEND, values: [room, socket.id, text] });
    const message = { room, ...rows[0], sender: socket.id, text };
    io.to(room).emit("message", message);
    answer(message.seq);
  });
});

http.listen(Number(process.env.PORT), "127.0.0.1");
