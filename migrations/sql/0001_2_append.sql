-- The two functions that write logs. One call is one transaction and one round trip, so no paused process can hold a
-- room's lock. What is refused is refused as data (outcome), never by an exception that would take its neighbours along.
--
-- outcome: 1 accepted · 2 duplicate · 3 key_reused · 4 unchanged · 5 room_not_found · 6 not_a_member · 7 not_allowed
--          8 message_not_found · 9 seq_conflict · 11 held (api.log.append.Outcome)
-- kind:    1 message.created · 2 message.edited · 3 message.deleted · 11 member.added · 12 member.removed
--          13 member.role_changed · 21 room.created · 22 room.updated · 23 room.deleted (api.log.event.Kind)
-- needs:   0 nothing · 1 membership · 2 admin · 3 a public room · 4 own message · 5 own message or admin (api.log.append.Needs)

-- Appends a batch to the logs of its rooms, each room's items in the order given. Rooms are locked in id order, so that
-- two calls never wait for each other in a ring; what is looked up after a lock is looked up by a later statement, whose
-- snapshot therefore includes all that was committed while the lock was waited for.
-- With p_skip_held, the items of a room that somebody else holds answer 11 instead of waiting.
CREATE FUNCTION append_v1(
    p_epoch integer, p_epoch_tag bigint, p_skip_held boolean,
    p_app bigint[], p_room bigint[], p_kind smallint[], p_sender bigint[], p_key bytea[], p_request bytea[],
    p_needs smallint[], p_target bigint[], p_subject bigint[], p_expected bigint[],
    p_facts text[], p_body text[], p_state jsonb[]
) RETURNS TABLE (ord bigint, outcome smallint, seq bigint, number bigint, epoch integer, at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    item record;
    held rooms%ROWTYPE;             -- the room at work, locked
    present boolean := false;       -- whether it exists and is not deleted
    missing smallint := 5;          -- what its items answer when it is not present
    changed boolean := false;
    was_role text;                  -- the sender's role; NULL: not a member
    known record;
    v_apps bigint[] := '{}';
    v_rooms bigint[] := '{}';
    v_heads bigint[] := '{}';
    v_at timestamptz := date_trunc('milliseconds', clock_timestamp());
BEGIN
    PERFORM check_epoch_v1(p_epoch, p_epoch_tag);
    FOR item IN
        SELECT * FROM unnest(p_app, p_room, p_kind, p_sender, p_key, p_request, p_needs, p_target, p_subject,
                             p_expected, p_facts, p_body, p_state)
            WITH ORDINALITY AS u(app, room, kind, sender, key, request, needs, target, subject,
                                 expected, facts, body, state, ord)
        ORDER BY u.app, u.room, u.ord
    LOOP
        IF held.room IS DISTINCT FROM item.room OR held.app_id IS DISTINCT FROM item.app THEN
            IF changed THEN
                UPDATE rooms r SET head_seq = held.head_seq, head_number = held.head_number, head_epoch = p_epoch,
                       member_count = held.member_count, name = held.name, data = held.data, private = held.private,
                       updated_seq = held.updated_seq, updated_at = held.updated_at, deleted_at = held.deleted_at
                 WHERE r.app_id = held.app_id AND r.room = held.room;
                v_apps := v_apps || held.app_id; v_rooms := v_rooms || held.room; v_heads := v_heads || held.head_seq;
                changed := false;
            END IF;
            missing := 5;
            IF p_skip_held THEN
                SELECT * INTO held FROM rooms r WHERE r.app_id = item.app AND r.room = item.room
                   FOR NO KEY UPDATE SKIP LOCKED;
                IF NOT FOUND AND EXISTS (SELECT FROM rooms r WHERE r.app_id = item.app AND r.room = item.room) THEN
                    missing := 11;
                END IF;
            ELSE
                SELECT * INTO held FROM rooms r WHERE r.app_id = item.app AND r.room = item.room FOR NO KEY UPDATE;
            END IF;
            present := held.room IS NOT NULL AND held.deleted_at IS NULL;
            held.app_id := item.app; held.room := item.room;
        END IF;

        ord := item.ord; seq := NULL; number := NULL; epoch := NULL; at := NULL;

        -- The first answer again, before any other rule: the retry of an accepted write must not fail because the world
        -- has moved on, least of all because of what that write itself changed.
        SELECT e.seq, e.number, e.epoch, e.at, e.request_hash INTO known FROM events e
         WHERE e.app_id = item.app AND e.room = item.room AND e.sender = item.sender AND e.key_hash = item.key;
        IF FOUND AND missing <> 11 THEN
            outcome := CASE WHEN known.request_hash = item.request THEN 2 ELSE 3 END;
            seq := known.seq; number := known.number; epoch := known.epoch; at := known.at;
            RETURN NEXT; CONTINUE;
        END IF;
        IF NOT present THEN
            outcome := missing; RETURN NEXT; CONTINUE;
        END IF;

        IF item.needs <> 0 THEN
            SELECT m.role INTO was_role FROM members m
             WHERE m.app_id = item.app AND m.room = item.room AND m.user_number = item.sender;
            IF was_role IS NULL AND held.private THEN
                outcome := 5; RETURN NEXT; CONTINUE;
            ELSIF was_role IS NULL AND item.needs <> 3 THEN
                outcome := 6; RETURN NEXT; CONTINUE;
            ELSIF item.needs = 2 AND was_role <> 'admin' THEN
                outcome := 7; RETURN NEXT; CONTINUE;
            END IF;
        END IF;

        outcome := 1;
        IF item.kind IN (2, 3) THEN
            SELECT e.sender, coalesce(e.latest, e.seq) AS latest, e.body IS NULL AS redacted INTO known FROM events e
             WHERE e.app_id = item.app AND e.room = item.room AND e.seq = item.target AND e.kind = 1;
            outcome := CASE
                WHEN NOT FOUND THEN 8
                WHEN item.needs = 4 AND known.sender <> item.sender THEN 7
                WHEN item.needs = 5 AND known.sender <> item.sender AND was_role <> 'admin' THEN 7
                WHEN known.redacted THEN CASE item.kind WHEN 3 THEN 4 ELSE 8 END
                WHEN known.latest <> item.expected THEN 9
                ELSE 1 END;
        ELSIF item.kind IN (11, 12, 13) THEN
            SELECT m.joined_seq INTO known FROM members m
             WHERE m.app_id = item.app AND m.room = item.room AND m.user_number = item.subject;
            outcome := CASE
                WHEN item.kind = 11 THEN CASE WHEN FOUND THEN 4 ELSE 1 END
                WHEN item.kind = 12 THEN CASE WHEN FOUND THEN 1 ELSE 4 END
                WHEN NOT FOUND THEN 9
                WHEN known.joined_seq <> item.expected THEN 9
                ELSE 1 END;
        ELSIF item.kind = 22 AND held.updated_seq <> item.expected THEN
            outcome := 9;
        END IF;
        IF outcome <> 1 THEN
            RETURN NEXT; CONTINUE;
        END IF;

        held.head_seq := held.head_seq + 1;
        seq := held.head_seq; epoch := p_epoch; at := v_at;
        IF item.kind = 1 THEN
            held.head_number := held.head_number + 1;
            number := held.head_number;
        END IF;
        changed := true;
        INSERT INTO events (app_id, room, seq, number, epoch, kind, sender, target, subject, private, facts, body,
                            key_hash, request_hash, at)
        VALUES (item.app, item.room, seq, number, p_epoch, item.kind, item.sender, item.target, item.subject,
                (item.state ->> 'private')::boolean, item.facts, item.body, item.key, item.request, v_at);

        IF item.kind = 2 THEN
            UPDATE events e SET latest = append_v1.seq
             WHERE e.app_id = item.app AND e.room = item.room AND e.seq = item.target;
        ELSIF item.kind = 3 THEN
            UPDATE events e SET latest = append_v1.seq, body = NULL
             WHERE e.app_id = item.app AND e.room = item.room AND e.seq = item.target;
            UPDATE events e SET body = NULL
             WHERE e.app_id = item.app AND e.room = item.room AND e.target = item.target AND e.kind = 2;
        ELSIF item.kind = 11 THEN
            INSERT INTO members (app_id, room, user_number, user_id, role, joined_seq, joined_at, visible_from)
            VALUES (item.app, item.room, item.subject, item.state ->> 'user', item.state ->> 'role', seq, v_at,
                    CASE WHEN (item.state ->> 'private')::boolean THEN seq ELSE 0 END);
            held.member_count := held.member_count + 1;
        ELSIF item.kind = 12 THEN
            DELETE FROM members m
             WHERE m.app_id = item.app AND m.room = item.room AND m.user_number = item.subject;
            held.member_count := held.member_count - 1;
        ELSIF item.kind = 13 THEN
            UPDATE members m SET role = item.state ->> 'role'
             WHERE m.app_id = item.app AND m.room = item.room AND m.user_number = item.subject;
        ELSIF item.kind = 22 THEN
            held.name := item.state ->> 'name'; held.data := item.state ->> 'data';
            held.private := (item.state ->> 'private')::boolean;
            held.updated_seq := seq; held.updated_at := v_at;
        ELSIF item.kind = 23 THEN
            held.deleted_at := v_at; held.updated_seq := seq; held.updated_at := v_at;
            present := false;
        END IF;
        RETURN NEXT;
    END LOOP;

    IF changed THEN
        UPDATE rooms r SET head_seq = held.head_seq, head_number = held.head_number, head_epoch = p_epoch,
               member_count = held.member_count, name = held.name, data = held.data, private = held.private,
               updated_seq = held.updated_seq, updated_at = held.updated_at, deleted_at = held.deleted_at
         WHERE r.app_id = held.app_id AND r.room = held.room;
        v_apps := v_apps || held.app_id; v_rooms := v_rooms || held.room; v_heads := v_heads || held.head_seq;
    END IF;
    IF cardinality(v_rooms) > 0 THEN
        INSERT INTO commits (apps, rooms, heads) VALUES (v_apps, v_rooms, v_heads);
    END IF;
END $$;

-- Refuses a writer that does not know the newest epoch: it has slept through a failover.
CREATE FUNCTION check_epoch_v1(p_epoch integer, p_epoch_tag bigint) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM epochs e WHERE e.ordinal = p_epoch AND e.tag = p_epoch_tag)
       OR EXISTS (SELECT FROM epochs e WHERE e.ordinal > p_epoch) THEN
        RAISE EXCEPTION 'epoch % is not the newest', p_epoch USING ERRCODE = 'RL001';
    END IF;
END $$;

-- Makes a room with its first members, or answers with the one there is: outcome 1 made · 2 the same request made it
-- before · 3 its key stands for another request · 4 a room of that id exists.
CREATE FUNCTION create_room_v1(
    p_epoch integer, p_epoch_tag bigint, p_app bigint, p_room_id text, p_private boolean, p_name text, p_data text,
    p_creator bigint, p_key bytea, p_request bytea, p_facts text,
    p_members bigint[], p_member_ids text[], p_roles text[], p_member_facts text[]
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
                       updated_seq, created_at, updated_at, creator, key_hash, request_hash)
    VALUES (p_app, p_room_id, p_private, p_name, p_data, 1 + v_count, 0, p_epoch, v_count,
            1, v_at, v_at, p_creator, p_key, p_request)
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
        SELECT r.room INTO room FROM rooms r
         WHERE r.app_id = p_app AND r.room_id = p_room_id AND r.deleted_at IS NULL;
        RETURN NEXT; RETURN;
    END IF;
    INSERT INTO events (app_id, room, seq, epoch, kind, sender, private, facts, body, key_hash, request_hash, at)
    VALUES (p_app, room, 1, p_epoch, 21, p_creator, p_private, p_facts, '', p_key, p_request, v_at);
    INSERT INTO events (app_id, room, seq, epoch, kind, sender, subject, facts, body, key_hash, request_hash, at)
    SELECT p_app, create_room_v1.room, 1 + m.ord, p_epoch, 11, p_creator, m.user_number, m.facts, '',
           substr(sha256(p_key || int8send(m.ord)), 1, 16), p_request, v_at
      FROM unnest(p_members, p_member_facts) WITH ORDINALITY AS m(user_number, facts, ord);
    INSERT INTO members (app_id, room, user_number, user_id, role, joined_seq, joined_at, visible_from)
    SELECT p_app, create_room_v1.room, m.user_number, m.user_id, m.role, 1 + m.ord, v_at, 0
      FROM unnest(p_members, p_member_ids, p_roles) WITH ORDINALITY AS m(user_number, user_id, role, ord);
    INSERT INTO commits (apps, rooms, heads) VALUES (ARRAY[p_app], ARRAY[room], ARRAY[1 + v_count]);
    outcome := 1;
    RETURN NEXT;
END $$;
