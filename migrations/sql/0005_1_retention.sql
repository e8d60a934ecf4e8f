-- Retention: what is older than its time goes, from the beginning of a room's log. Deletions, and this, are done by jobs.
ALTER TABLE rooms ADD COLUMN retention_s bigint CHECK (retention_s > 0); -- NULL: as the app says

-- Resumable work: claimed by one process at a time for as long as its claim lasts, done in small steps, each of which may
-- be done twice without harm.
CREATE TABLE jobs (
    app_id        bigint NOT NULL,
    job           bigint NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('delete_user', 'delete_room', 'delete_app')),
    subject       bigint NOT NULL,             -- number of the user or room; 0 for an app
    redact        boolean NOT NULL DEFAULT false, -- whether a deleted user's messages go too
    progress      bigint NOT NULL DEFAULT 0,   -- where the next step begins
    done          bigint NOT NULL DEFAULT 0,   -- rows or events dealt with so far
    attempts      integer NOT NULL DEFAULT 0,
    claimed_until timestamptz NOT NULL DEFAULT '-infinity',
    created_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    fault         text,                        -- why the last attempt ended, while it is not finished
    PRIMARY KEY (app_id, job)
);
CREATE INDEX jobs_open ON jobs (app_id, job) WHERE finished_at IS NULL;

-- Whoever deletes a room leaves the rest to a job, in the same transaction.
CREATE FUNCTION erase_deleted_room() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO jobs (app_id, job, kind, subject)
    VALUES (NEW.app_id, hashtextextended(gen_random_uuid()::text, 0) & 9223372036854775807, 'delete_room', NEW.room);
    RETURN NULL;
END $$;
CREATE TRIGGER erase_deleted_room AFTER UPDATE ON rooms FOR EACH ROW
    WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION erase_deleted_room();

-- Moves a room's floor past what is older than p_before, at most p_limit events at once and never past the head, whose
-- event says in which epoch the room was last written to. The events go in the same transaction; every process hears of
-- the new floor by the control row. Gives the new floor, or NULL if there is nothing to move.
CREATE FUNCTION move_floor_v1(p_app bigint, p_room bigint, p_before timestamptz, p_limit integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_head bigint;
    v_old bigint;
    v_floor bigint;
BEGIN
    SELECT r.head_seq, r.floor_seq INTO v_head, v_old FROM rooms r
     WHERE r.app_id = p_app AND r.room = p_room AND r.deleted_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT e.seq INTO v_floor FROM events e
     WHERE e.app_id = p_app AND e.room = p_room AND e.seq >= v_old AND e.seq < least(v_head, v_old + p_limit)
       AND e.at >= p_before
     ORDER BY e.seq LIMIT 1;
    v_floor := coalesce(v_floor, least(v_head, v_old + p_limit));
    IF v_floor = v_old THEN
        RETURN NULL;
    END IF;
    DELETE FROM events e WHERE e.app_id = p_app AND e.room = p_room AND e.seq < v_floor;
    UPDATE rooms r SET floor_seq = v_floor WHERE r.app_id = p_app AND r.room = p_room;
    INSERT INTO commits (apps, rooms, heads, control)
    VALUES ('{}', '{}', '{}',
            json_build_object('type', 'floor_moved', 'app', p_app, 'room', p_room, 'floor', v_floor)::text);
    RETURN v_floor;
END $$;

-- Takes away up to p_limit rows of a deleted room: its events but the last, which a repeated deletion is found by, and its
-- members; then blanks what people wrote. Gives how many; 0: all is done.
CREATE FUNCTION purge_room_v1(p_app bigint, p_room bigint, p_limit integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_head bigint;
    v_id text;
    v_gone bigint;
BEGIN
    SELECT r.head_seq, r.room_id INTO v_head, v_id FROM rooms r
     WHERE r.app_id = p_app AND r.room = p_room AND r.deleted_at IS NOT NULL;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    DELETE FROM events e
     WHERE e.app_id = p_app AND e.room = p_room AND e.seq = ANY (ARRAY(
           SELECT o.seq FROM events o WHERE o.app_id = p_app AND o.room = p_room AND o.seq < v_head
            ORDER BY o.seq LIMIT p_limit));
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    IF v_gone > 0 THEN
        RETURN v_gone;
    END IF;
    DELETE FROM members m
     WHERE m.app_id = p_app AND m.room = p_room AND m.user_number = ANY (ARRAY(
           SELECT o.user_number FROM members o WHERE o.app_id = p_app AND o.room = p_room
            ORDER BY o.user_number LIMIT p_limit));
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    IF v_gone = 0 THEN
        UPDATE events e SET facts = format('"id":"%s"', v_id), body = ''
         WHERE e.app_id = p_app AND e.room = p_room AND e.seq = v_head;
        UPDATE rooms r SET name = '', data = '{}', floor_seq = v_head, member_count = 0
         WHERE r.app_id = p_app AND r.room = p_room;
    END IF;
    RETURN v_gone;
END $$;

-- Takes away up to p_limit rows of everything that a deleted app has, table by table, whatever tables there are; its own
-- row stays without its name, so that its number is never given again. Gives how many; 0: all is done.
CREATE FUNCTION purge_app_v1(p_app bigint, p_limit integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_table regclass;
    v_gone bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM apps a WHERE a.app_id = p_app AND a.deleted_at IS NOT NULL) THEN
        RETURN 0;
    END IF;
    FOR v_table IN
        SELECT c.oid::regclass FROM pg_class c
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'app_id' AND NOT a.attisdropped
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
           AND c.relname NOT IN ('apps', 'jobs')
         ORDER BY c.relname
    LOOP
        EXECUTE format('DELETE FROM %s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %s WHERE app_id = $1 LIMIT $2))',
                       v_table, v_table) USING p_app, p_limit;
        GET DIAGNOSTICS v_gone = ROW_COUNT;
        IF v_gone > 0 THEN
            RETURN v_gone;
        END IF;
    END LOOP;
    UPDATE apps SET name = '', allowed_origins = '{}', limits = '{}' WHERE app_id = p_app;
    RETURN 0;
END $$;
