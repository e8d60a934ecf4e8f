-- What tells a key from others of its app without its secret: how its text ends, and who made it (a person's address, a key's id,
-- or the operator). The end is of the checksum: of the secret itself it shows no letter. Keys of before have neither.
ALTER TABLE api_keys ADD COLUMN last_four text NOT NULL DEFAULT '', ADD COLUMN made_by text NOT NULL DEFAULT '';
