-- The first schema. app_id (or tenant_id) leads every key, so that each table hash-partitions by app as it stands and an
-- app can live whole on one shard; commits and epochs belong to the shard itself.

CREATE TABLE tenants (
    tenant_id  bigint PRIMARY KEY,
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE apps (
    app_id      bigint PRIMARY KEY,
    tenant_id   bigint NOT NULL REFERENCES tenants,
    name        text NOT NULL,
    environment text NOT NULL CHECK (environment IN ('live', 'test')),
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX apps_of_tenant ON apps (tenant_id, app_id);

-- API keys: the secret itself is nowhere, only its keyed hash.
CREATE TABLE api_keys (
    app_id         bigint NOT NULL REFERENCES apps,
    key_number     integer NOT NULL,
    label          text NOT NULL,
    secret_hash    bytea NOT NULL,
    pepper_version smallint NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    last_used_on   date,
    revoked_at     timestamptz,
    PRIMARY KEY (app_id, key_number)
);

-- Keys that sign users' tokens. The algorithm is a property of the row, never of a token's header.
CREATE TABLE signing_keys (
    app_id     bigint NOT NULL REFERENCES apps,
    key_id     text NOT NULL,
    algorithm  text NOT NULL CHECK (algorithm IN ('HS256')),
    secret     bytea NOT NULL CHECK (length(secret) >= 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz,
    PRIMARY KEY (app_id, key_id)
);

-- Numbers of users and rooms are never used again and order nothing.
CREATE SEQUENCE user_numbers AS bigint;
CREATE SEQUENCE room_numbers AS bigint;

CREATE TABLE users (
    app_id      bigint NOT NULL,
    user_number bigint NOT NULL DEFAULT nextval('user_numbers'),
    user_id     text NOT NULL,
    name        text NOT NULL,
    data        text NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz,
    PRIMARY KEY (app_id, user_number)
);
CREATE UNIQUE INDEX users_by_id ON users (app_id, user_id) WHERE deleted_at IS NULL;

-- A room's row carries the two gapless counters of its log. head_seq and head_number stand in no index, so that raising
-- them stays a heap-only update; fillfactor leaves room for it on the page.
CREATE TABLE rooms (
    app_id       bigint NOT NULL,
    room         bigint NOT NULL DEFAULT nextval('room_numbers'),
    room_id      text NOT NULL,
    private      boolean NOT NULL,
    name         text NOT NULL,
    data         text NOT NULL,
    head_seq     bigint NOT NULL,
    head_number  bigint NOT NULL,
    head_epoch   integer NOT NULL,
    floor_seq    bigint NOT NULL DEFAULT 1,
    member_count bigint NOT NULL,
    updated_seq  bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    deleted_at   timestamptz,
    creator      bigint NOT NULL,
    key_hash     bytea NOT NULL,
    request_hash bytea NOT NULL,
    PRIMARY KEY (app_id, room)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX rooms_by_id ON rooms (app_id, room_id) WHERE deleted_at IS NULL;
CREATE INDEX rooms_deleted ON rooms (app_id, room_id) WHERE deleted_at IS NOT NULL;
-- What makes a room has a space of idempotency keys of its own, by who made it.
CREATE UNIQUE INDEX rooms_by_key ON rooms (app_id, creator, key_hash);

CREATE TABLE members (
    app_id       bigint NOT NULL,
    room         bigint NOT NULL,
    user_number  bigint NOT NULL,
    user_id      text NOT NULL,
    role         text NOT NULL CHECK (role IN ('member', 'admin')),
    joined_seq   bigint NOT NULL,
    joined_at    timestamptz NOT NULL,
    visible_from bigint NOT NULL,
    read_seq     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (app_id, room, user_number)
);
CREATE UNIQUE INDEX members_by_joining ON members (app_id, room, joined_seq);
CREATE INDEX members_of_user ON members (app_id, user_number, room);

-- The log. facts and body are JSON members without braces; what is born in the call (seq, number, epoch, time) stands in
-- columns and is joined to them by api.log.event. Deletion blanks body, the words of people, and leaves facts.
CREATE TABLE events (
    app_id       bigint NOT NULL,
    room         bigint NOT NULL,
    seq          bigint NOT NULL,
    number       bigint,            -- place among the room's messages; only on message.created
    epoch        integer NOT NULL,
    kind         smallint NOT NULL, -- api.log.event.Kind
    sender       bigint NOT NULL,   -- user number; 0 is the app itself
    target       bigint,            -- seq of the message that this edits or deletes
    subject      bigint,            -- user number that this adds or removes
    latest       bigint,            -- on message.created: seq of the newest event about it, when there is one
    private      boolean,           -- on room.*: only members may read from here on; on member.added: not what came before
    facts        text NOT NULL,
    body         text,              -- NULL: redacted; '': this kind has none
    key_hash     bytea NOT NULL,
    request_hash bytea NOT NULL,
    at           timestamptz NOT NULL,
    PRIMARY KEY (app_id, room, seq)
);
CREATE UNIQUE INDEX events_by_key ON events (app_id, room, sender, key_hash);
CREATE UNIQUE INDEX events_by_number ON events (app_id, room, number) WHERE number IS NOT NULL;
CREATE INDEX events_by_target ON events (app_id, room, target) WHERE target IS NOT NULL;

-- One row for each append transaction: which rooms it raised, and to where. Each process reads exactly the rows that
-- became visible since its last read (api.log.commits); xid is the transaction's own.
CREATE TABLE commits (
    xid     xid8 NOT NULL DEFAULT pg_current_xact_id(),
    apps    bigint[] NOT NULL,
    rooms   bigint[] NOT NULL,
    heads   bigint[] NOT NULL,
    control text
);
CREATE INDEX commits_by_xid ON commits (xid);

-- One row for each life of this database: another system identifier or timeline than the newest row's begins a new one.
CREATE TABLE epochs (
    ordinal           integer PRIMARY KEY,
    tag               bigint NOT NULL, -- 32 random bits: tells two lives apart that took the same ordinal
    system_identifier bigint NOT NULL,
    timeline          text NOT NULL,
    began_at          timestamptz NOT NULL DEFAULT now()
);
