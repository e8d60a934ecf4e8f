-- What an app is set to. Read by every process through its cache of policies, which a control row drops when it changes.
ALTER TABLE apps
    ADD COLUMN allowed_origins text[] NOT NULL DEFAULT '{}', -- of web pages; '*' is any
    ADD COLUMN limits text NOT NULL DEFAULT '{}',            -- JSON object: what differs from the defaults
    ADD COLUMN retention_s bigint CHECK (retention_s > 0),   -- NULL: history is kept for ever
    ADD COLUMN suspended_at timestamptz,
    ADD COLUMN deleted_at timestamptz,
    ADD COLUMN tokens_valid_from timestamptz;                -- users' tokens issued before hold no more
-- Apps made before could be reached from any page, and go on to be.
UPDATE apps SET allowed_origins = '{*}';
