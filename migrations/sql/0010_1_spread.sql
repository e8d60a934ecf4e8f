-- PostgreSQL guesses how many rows have this app and that room as if the two had nothing to do with each other, which at any
-- size comes to one. Then every index that begins with both seems as good as the one that names the row, and a room is read
-- whole for it. Told that there is but one app and one room, it takes each for as large as the table, and goes by whatever
-- narrows it further. ANALYZE heeds this, and autovacuum runs that within a minute of a table's first rows.
ALTER TABLE rooms ALTER app_id SET (n_distinct = 1);
ALTER TABLE members ALTER app_id SET (n_distinct = 1), ALTER room SET (n_distinct = 1);
ALTER TABLE events ALTER app_id SET (n_distinct = 1), ALTER room SET (n_distinct = 1);
ANALYZE rooms, members, events;
