-- The request log: the last requests of each app, without bodies and without credentials. line_id is the moment of the answer in
-- microseconds times 1024, and a random number below that: it orders, and is the only place where the moment stands.
CREATE TABLE request_lines (
    app_id      bigint NOT NULL,
    line_id     bigint NOT NULL,
    method      text NOT NULL,
    path        text NOT NULL,
    query       text NOT NULL,     -- names, and values of those that count places and pages
    status      smallint NOT NULL, -- 101: a socket that was opened
    code        text,              -- of a refusal
    took_ms     integer NOT NULL,
    request_id  text NOT NULL,     -- empty for a socket that was opened
    key_number  bigint,            -- NULL: a user's own token
    user_number bigint,            -- NULL: the app's server in nobody's name
    address     text,              -- whence an API key came; NULL: of users this is not kept
    left_out    integer NOT NULL,  -- requests of the same moment, beyond what is kept
    PRIMARY KEY (app_id, line_id)
);

SELECT fence('request_lines', false);
REVOKE UPDATE ON request_lines FROM roomlog_rls;

-- The ground sweeps what is old, and sees nothing else of it.
GRANT SELECT, DELETE ON request_lines TO roomlog_ground;
CREATE POLICY old ON request_lines TO roomlog_ground
 USING (line_id < (extract(epoch FROM now() - interval '7 days') * 1000000)::bigint * 1024);
