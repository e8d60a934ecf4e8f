-- What a tenant sets lower for each of its users and rooms than its operator does: a JSON object of what it has named.
ALTER TABLE apps ADD COLUMN own_limits text NOT NULL DEFAULT '{}';
