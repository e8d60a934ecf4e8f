-- Signing keys of more algorithms, their secrets sealed; revocations of users' tokens.
ALTER TABLE signing_keys
    -- squawk-ignore ban-drop-not-null
    ALTER COLUMN secret DROP NOT NULL,  -- in the clear: only of keys made before; `reseal` seals it
    ADD COLUMN sealed bytea,            -- the secret or private key, under a key of its own
    ADD COLUMN sealed_key bytea,        -- that key, under a master key
    ADD COLUMN master_version text,     -- that master key's version
    ADD COLUMN public_key text,         -- PEM; NULL for HS256
    ADD COLUMN customer_signs boolean NOT NULL DEFAULT false;  -- the customer holds what signs
-- Widened in the next statement.
-- squawk-ignore ban-drop-constraint
ALTER TABLE signing_keys DROP CONSTRAINT signing_keys_algorithm_check;
-- An app has a handful of these: they are looked through in no time.
ALTER TABLE signing_keys
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT signing_keys_algorithm_check CHECK (algorithm IN ('HS256', 'EdDSA', 'ES256'));
ALTER TABLE signing_keys
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT signing_keys_have_a_key CHECK (
        num_nonnulls(secret, sealed) <= 1
        AND (algorithm = 'HS256') = (public_key IS NULL)
        AND (algorithm <> 'HS256' OR num_nonnulls(secret, sealed) = 1)
        AND num_nonnulls(sealed, sealed_key, master_version) IN (0, 3));

ALTER TABLE users ADD COLUMN tokens_valid_from timestamptz;  -- tokens issued before hold no more
-- Who bore an id before: tokens issued to them must not pass for the present bearer's.
CREATE INDEX users_deleted ON users (app_id, user_id, deleted_at) WHERE deleted_at IS NOT NULL;

-- Single tokens that hold no more, kept until they would have ended by themselves.
CREATE TABLE revoked_tokens (
    app_id bigint NOT NULL,
    token  text NOT NULL,  -- its jti, or 'sha256:' and the digest of what is signed
    until  timestamptz NOT NULL,
    PRIMARY KEY (app_id, token)
);
