-- Tickets: read-only credentials for one user and one room that may stand in a URL. The ticket itself is nowhere, only its
-- keyed hash. used_at is moved while a stream is open and stands in no index, so that this stays a heap-only update.
CREATE TABLE tickets (
    app_id      bigint NOT NULL,
    ticket_hash bytea NOT NULL,
    user_number bigint NOT NULL,
    room        bigint NOT NULL,
    room_id     text NOT NULL,
    key_number  integer,     -- of the API key that made it; NULL: a user's token did, and the next three are its own
    signing_key text,
    token_id    text,
    issued_at   timestamptz,
    used_at     timestamptz NOT NULL DEFAULT now(),
    ends_at     timestamptz NOT NULL,
    PRIMARY KEY (app_id, ticket_hash)
) WITH (fillfactor = 70);
