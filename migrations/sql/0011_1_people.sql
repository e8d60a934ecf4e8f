-- People who sign in to the dashboard, and who of them may do what in which tenant. Nothing here is an app's: people belong to
-- the deployment, and a person may be a member of several tenants.
--   roomlog_people  alone sees people, sessions and mail tokens; sees the memberships of the tenant that its transaction
--                   names, or all of them where it names none, as to sign somebody in; writes only what that tenant holds
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'roomlog_people') THEN
        BEGIN
            CREATE ROLE roomlog_people NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- roles belong to the whole cluster: the migration of another database was faster
        END;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'roomlog_people' AND (rolsuper OR rolbypassrls OR rolcanlogin)) THEN
        RAISE EXCEPTION 'The role roomlog_people must be a plain group'
            USING HINT = 'ALTER ROLE roomlog_people NOLOGIN NOSUPERUSER NOBYPASSRLS;';
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'The user % may not create roles', current_user
        USING ERRCODE = 'insufficient_privilege', HINT = 'CREATE ROLE roomlog_people NOLOGIN;';
END $$;

DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO roomlog_people', current_schema());
END $$;

-- email is lower-cased before it comes here. The password itself is nowhere. The secret of the second factor is sealed as those of
-- signing keys are; it counts once totp_since is set, and totp_step is the last step whose code was taken: none is taken twice.
CREATE TABLE people (
    person_id     bigint PRIMARY KEY,
    email         text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    password_hash text NOT NULL,
    totp_sealed   bytea,
    totp_key      bytea,
    totp_master   text,
    totp_since    timestamptz,
    totp_step     bigint,
    created_at    timestamptz NOT NULL DEFAULT now(),
    deleted_at    timestamptz
);
CREATE UNIQUE INDEX people_by_email ON people (email) WHERE deleted_at IS NULL;

CREATE TABLE memberships (
    tenant_id  bigint NOT NULL REFERENCES tenants,
    person_id  bigint NOT NULL REFERENCES people,
    role       text NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, person_id)
);
-- Whoever signs in is known by the person alone.
CREATE INDEX memberships_of_person ON memberships (person_id, tenant_id);

-- The text of a session is nowhere, only its hash. What the person may do stands in the membership and not here, so that a change
-- of it holds at once. used_at stands in no index, so that moving it stays a heap-only update.
CREATE TABLE sessions (
    session_hash bytea PRIMARY KEY,
    person_id    bigint NOT NULL REFERENCES people,
    tenant_id    bigint NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    proved_at    timestamptz NOT NULL DEFAULT now(), -- when the person last showed the password or a code
    used_at      timestamptz NOT NULL DEFAULT now(),
    ends_at      timestamptz NOT NULL,
    address      text NOT NULL,
    agent        text NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX sessions_of_person ON sessions (person_id);

-- What a link in a mail is good for, once. The text of the link is nowhere, only its hash.
CREATE TABLE mail_tokens (
    token_hash bytea PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('reset', 'invite')),
    email      text NOT NULL,
    person_id  bigint NOT NULL REFERENCES people, -- whose password it is, or who invites
    tenant_id  bigint,                            -- of an invite: to where, and as what
    role       text CHECK (role IN ('owner', 'admin', 'developer', 'viewer')),
    created_at timestamptz NOT NULL DEFAULT now(),
    ends_at    timestamptz NOT NULL,
    used_at    timestamptz,
    CHECK ((kind = 'invite') = (tenant_id IS NOT NULL) AND (kind = 'invite') = (role IS NOT NULL))
);
CREATE INDEX mail_tokens_by_email ON mail_tokens (email);

-- Who did what. entry_id is the moment in microseconds times 1024, and a random number below that: it orders, and tells nothing of
-- how much happens elsewhere. Entries are added and read, and nothing else.
CREATE TABLE audit_entries (
    tenant_id    bigint NOT NULL REFERENCES tenants,
    entry_id     bigint NOT NULL,
    at           timestamptz NOT NULL,
    person_id    bigint,        -- NULL: nobody is known to have done it
    person_email text NOT NULL, -- as it was then
    action       text NOT NULL,
    target       text NOT NULL,
    address      text NOT NULL,
    detail       text NOT NULL, -- a JSON object, without any secret
    PRIMARY KEY (tenant_id, entry_id)
);

SELECT fence('memberships', false), fence('audit_entries', false);
REVOKE ALL ON memberships FROM roomlog_rls;
REVOKE UPDATE, DELETE ON audit_entries FROM roomlog_rls;
GRANT SELECT, INSERT, UPDATE (role), DELETE ON memberships TO roomlog_people;
CREATE POLICY outside_tenants ON memberships FOR SELECT TO roomlog_people
 USING (coalesce(current_setting('roomlog.tenants', true), '') = '');
GRANT SELECT, INSERT ON audit_entries TO roomlog_people;

-- These three are in no tenant's scope, and no other role's.
ALTER TABLE people ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE mail_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY of_people ON people TO roomlog_people USING (true) WITH CHECK (true);
CREATE POLICY of_people ON sessions TO roomlog_people USING (true) WITH CHECK (true);
CREATE POLICY of_people ON mail_tokens TO roomlog_people USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON people TO roomlog_people;
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, mail_tokens TO roomlog_people;

-- Who signs up makes a tenant; who signs in is told its name.
SELECT fence_gate('tenants', 'roomlog_people');
GRANT INSERT ON tenants TO roomlog_people;
