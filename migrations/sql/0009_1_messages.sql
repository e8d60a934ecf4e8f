-- What most batches are, appended as a set: new messages alone, of members or of the app, no two of them under one key.
-- In one statement for all of them it costs PostgreSQL two fifths of what append_v1 costs with one after the other
-- (39 against 92 CPU µs for each of 50 messages in 50 rooms); it answers as append_v1 does.

-- It locks the rooms in id order, and judges by a later statement, whose snapshot therefore includes all that was committed
-- while a lock was waited for. A room is held by this transaction from its lock to its end, so that nothing that is judged
-- by the second statement can change before it is written.
-- p_needs: 0 nothing · 1 membership. outcome: as for append_v1, of which 1, 2, 3, 5 and 6 occur.
CREATE FUNCTION append_messages_v1(
    p_epoch integer, p_epoch_tag bigint,
    p_app bigint[], p_room bigint[], p_sender bigint[], p_key bytea[], p_request bytea[], p_needs smallint[],
    p_facts text[], p_body text[]
) RETURNS TABLE (ord bigint, outcome smallint, seq bigint, number bigint, epoch integer, at timestamptz)
LANGUAGE plpgsql
-- One plan for every batch, which looks each row up by its key: right at any size of the tables, where one that was made
-- while they were small would go on to read them whole.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    v_at timestamptz := date_trunc('milliseconds', clock_timestamp());
BEGIN
    PERFORM check_epoch_v1(p_epoch, p_epoch_tag);
    PERFORM FROM rooms r
      JOIN (SELECT DISTINCT u.app, u.room FROM unnest(p_app, p_room) AS u(app, room)) wanted
        ON r.app_id = wanted.app AND r.room = wanted.room
     ORDER BY r.app_id, r.room FOR NO KEY UPDATE OF r;

    RETURN QUERY
    WITH judged AS MATERIALIZED (
        SELECT u.*, r.head_seq, r.head_number,
               known.seq AS known_seq, known.number AS known_number, known.epoch AS known_epoch, known.at AS known_at,
               (CASE WHEN known.request_hash = u.request THEN 2
                     WHEN known.seq IS NOT NULL THEN 3
                     WHEN r.room IS NULL THEN 5
                     WHEN u.needs = 0 OR m.user_number IS NOT NULL THEN 1
                     WHEN r.private THEN 5
                     ELSE 6 END)::smallint AS outcome
          FROM unnest(p_app, p_room, p_sender, p_key, p_request, p_needs, p_facts, p_body) WITH ORDINALITY
               AS u(app, room, sender, key, request, needs, facts, body, ord)
          LEFT JOIN rooms r ON r.app_id = u.app AND r.room = u.room AND r.deleted_at IS NULL
          LEFT JOIN events known ON known.app_id = u.app AND known.room = u.room
                                AND known.sender = u.sender AND known.key_hash = u.key
          LEFT JOIN members m ON m.app_id = u.app AND m.room = u.room AND m.user_number = u.sender
    ), placed AS MATERIALIZED (
        SELECT j.*, row_number() OVER (PARTITION BY j.app, j.room ORDER BY j.ord) AS place
          FROM judged j WHERE j.outcome = 1
    ), written AS (
        INSERT INTO events (app_id, room, seq, number, epoch, kind, sender, facts, body, key_hash, request_hash, at)
        SELECT p.app, p.room, p.head_seq + p.place, p.head_number + p.place, p_epoch, 1, p.sender, p.facts, p.body,
               p.key, p.request, v_at
          FROM placed p
    ), raised AS (
        UPDATE rooms r SET head_seq = r.head_seq + more.count, head_number = r.head_number + more.count,
                           head_epoch = p_epoch
          FROM (SELECT p.app, p.room, count(*) AS count FROM placed p GROUP BY p.app, p.room) more
         WHERE r.app_id = more.app AND r.room = more.room
        RETURNING r.app_id, r.room, r.head_seq
    ), noted AS (
        INSERT INTO commits (apps, rooms, heads)
        SELECT array_agg(app_id), array_agg(room), array_agg(head_seq) FROM raised HAVING count(*) > 0
    )
    SELECT p.ord, p.outcome, p.head_seq + p.place, p.head_number + p.place, p_epoch, v_at FROM placed p
    UNION ALL
    SELECT j.ord, j.outcome, j.known_seq, j.known_number, j.known_epoch, j.known_at FROM judged j WHERE j.outcome <> 1;
END $$;

SELECT fence_function('append_messages_v1', 'roomlog_lane');
