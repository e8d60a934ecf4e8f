-- What lets a person in once each whose authenticator is lost. The codes themselves are nowhere, only their hashes; one that is
-- taken is no longer among them.
ALTER TABLE people ADD COLUMN recovery_hashes bytea[] NOT NULL DEFAULT '{}';
