-- Rooms of two: one for each pair of users for as long as both are, by their numbers, the lower one first.
ALTER TABLE rooms
    ADD COLUMN direct_low bigint,
    ADD COLUMN direct_high bigint;
CREATE UNIQUE INDEX rooms_by_pair ON rooms (app_id, direct_low, direct_high)
    WHERE direct_low IS NOT NULL AND deleted_at IS NULL;

-- Raised by each change of a user: what an If-Match names.
ALTER TABLE users ADD COLUMN revision bigint NOT NULL DEFAULT 1;

-- What lists are found by. Ids and names are compared byte by byte, so that a prefix is a range.
CREATE INDEX rooms_by_privacy ON rooms (app_id, private, room) WHERE deleted_at IS NULL;
CREATE INDEX rooms_direct ON rooms (app_id, room) WHERE direct_low IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX rooms_by_name ON rooms (app_id, name COLLATE "C", room) WHERE deleted_at IS NULL;
CREATE INDEX users_by_prefix ON users (app_id, user_id COLLATE "C") WHERE deleted_at IS NULL;
CREATE INDEX members_by_prefix ON members (app_id, room, user_id COLLATE "C");
CREATE INDEX members_admins ON members (app_id, room, joined_seq) WHERE role = 'admin';

-- Makes a room with its first members, or answers with the one there is: outcome 1 made · 2 the same request made it
-- before · 3 its key stands for another request · 4 a room of that id, or of that pair, exists. p_low and p_high are the
-- numbers of a pair of users, or NULL for a room that is no pair's.
CREATE FUNCTION create_room_v2(
    p_epoch integer, p_epoch_tag bigint, p_app bigint, p_room_id text, p_private boolean, p_name text, p_data text,
    p_creator bigint, p_key bytea, p_request bytea, p_facts text,
    p_members bigint[], p_member_ids text[], p_roles text[], p_member_facts text[], p_low bigint, p_high bigint
) RETURNS TABLE (outcome smallint, room bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    known record;
    v_at timestamptz := date_trunc('milliseconds', clock_timestamp());
    v_count bigint := cardinality(p_members);
BEGIN
    PERFORM check_epoch_v1(p_epoch, p_epoch_tag);
    INSERT INTO rooms (app_id, room_id, private, name, data, head_seq, head_number, head_epoch, member_count,
                       updated_seq, created_at, updated_at, creator, key_hash, request_hash, direct_low, direct_high)
    VALUES (p_app, p_room_id, p_private, p_name, p_data, 1 + v_count, 0, p_epoch, v_count,
            1, v_at, v_at, p_creator, p_key, p_request, p_low, p_high)
    ON CONFLICT DO NOTHING RETURNING rooms.room INTO room;
    IF NOT FOUND THEN
        SELECT r.room, r.request_hash INTO known FROM rooms r
         WHERE r.app_id = p_app AND r.creator = p_creator AND r.key_hash = p_key;
        IF FOUND THEN
            outcome := CASE WHEN known.request_hash = p_request THEN 2 ELSE 3 END;
            room := known.room;
            RETURN NEXT; RETURN;
        END IF;
        outcome := 4;
        IF p_low IS NULL THEN
            SELECT r.room INTO room FROM rooms r
             WHERE r.app_id = p_app AND r.room_id = p_room_id AND r.deleted_at IS NULL;
        ELSE
            SELECT r.room INTO room FROM rooms r
             WHERE r.app_id = p_app AND r.direct_low = p_low AND r.direct_high = p_high AND r.deleted_at IS NULL;
        END IF;
        RETURN NEXT; RETURN;
    END IF;
    INSERT INTO events (app_id, room, seq, epoch, kind, sender, private, facts, body, key_hash, request_hash, at)
    VALUES (p_app, room, 1, p_epoch, 21, p_creator, p_private, p_facts, '', p_key, p_request, v_at);
    INSERT INTO events (app_id, room, seq, epoch, kind, sender, subject, facts, body, key_hash, request_hash, at)
    SELECT p_app, create_room_v2.room, 1 + m.ord, p_epoch, 11, p_creator, m.user_number, m.facts, '',
           substr(sha256(p_key || int8send(m.ord)), 1, 16), p_request, v_at
      FROM unnest(p_members, p_member_facts) WITH ORDINALITY AS m(user_number, facts, ord);
    INSERT INTO members (app_id, room, user_number, user_id, role, joined_seq, joined_at, visible_from)
    SELECT p_app, create_room_v2.room, m.user_number, m.user_id, m.role, 1 + m.ord, v_at, 0
      FROM unnest(p_members, p_member_ids, p_roles) WITH ORDINALITY AS m(user_number, user_id, role, ord);
    INSERT INTO commits (apps, rooms, heads) VALUES (ARRAY[p_app], ARRAY[room], ARRAY[1 + v_count]);
    outcome := 1;
    RETURN NEXT;
END $$;
