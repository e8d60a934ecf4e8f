-- Which requests of people have made a key or given one a new secret, by the hash of their idempotency keys: a page that is loaded
-- anew does neither a second time.
CREATE TABLE key_requests (
    app_id     bigint NOT NULL REFERENCES apps,
    key_hash   bytea NOT NULL,
    key_number integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (app_id, key_hash)
);
SELECT fence('key_requests', false);
