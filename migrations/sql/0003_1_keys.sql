-- What an API key may do, how long it holds, and a second secret beside the first while it is being replaced.
ALTER TABLE api_keys
    ADD COLUMN grants text[],                     -- NULL: everything
    ADD COLUMN expires_at timestamptz,            -- NULL: until revoked
    ADD COLUMN previous_hash bytea,               -- of the secret before this one
    ADD COLUMN previous_until timestamptz,        -- until when that one holds as well
    ADD COLUMN seen_in_browser_at timestamptz;    -- it came with an Origin: it is published somewhere
