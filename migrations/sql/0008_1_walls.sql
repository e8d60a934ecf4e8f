-- Walls inside the database. The service assumes one of these roles on each connection and owns nothing:
--   roomlog_lane    calls the functions that write logs, and writes no table itself
--   roomlog_audit   reads commits and epochs, and calls what trims and begins them
--   roomlog_reader  reads what hot paths read, of whichever app their statements name
--   roomlog_rls     reads and writes, row by row only what the transaction's scope holds
--   roomlog_ground  finds tenants and apps before there is a scope, sweeps dead tickets, claims jobs;
--                   sees no key and no user
-- What a migration adds is walled in by it, with the helpers below: migrations/README.md.
DO $$
DECLARE
    v_roles CONSTANT text[] := '{roomlog_lane,roomlog_audit,roomlog_reader,roomlog_rls,roomlog_ground}';
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY v_roles LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- roles belong to the whole cluster: the migration of another database was faster
            END;
        END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = v_role AND (rolsuper OR rolbypassrls OR rolcanlogin)) THEN
            RAISE EXCEPTION 'The role % must be a plain group', v_role
                USING HINT = format('ALTER ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS;', v_role);
        END IF;
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'The user % may not create roles', current_user
        USING ERRCODE = 'insufficient_privilege',
              HINT = (SELECT string_agg(format('CREATE ROLE %I NOLOGIN;', r), E'\n') FROM unnest(v_roles) AS r
                       WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r));
END $$;

DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO roomlog_lane, roomlog_audit, roomlog_reader, roomlog_rls, roomlog_ground',
                   current_schema());
END $$;

-- How old other sessions' transactions are is shown to readers of statistics alone; without it that figure stays 0.
DO $$
BEGIN
    GRANT pg_read_all_stats TO roomlog_audit;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'An administrator may GRANT pg_read_all_stats TO roomlog_audit';
END $$;

-- Walls a table in by its app_id, or its tenant_id if it has none: roomlog_rls sees and writes only rows in the
-- transaction's scope, and none without one. A hot table is read by roomlog_reader too, and is written by functions alone;
-- on all others even the owner is bound, and with him the functions that have his rights.
CREATE FUNCTION fence(p_table regclass, p_hot boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_inside text;
BEGIN
    SELECT format('%I = ANY ((SELECT string_to_array(current_setting(%L, true), %L))::bigint[])', a.attname,
                  CASE a.attname WHEN 'app_id' THEN 'roomlog.apps' ELSE 'roomlog.tenants' END, ',')
      INTO v_inside FROM pg_attribute a
     WHERE a.attrelid = p_table AND a.attname IN ('app_id', 'tenant_id') AND NOT a.attisdropped
     ORDER BY a.attname LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% has neither app_id nor tenant_id', p_table;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', p_table);
    EXECUTE format('CREATE POLICY in_scope ON %s USING (%s) WITH CHECK (%s)', p_table, v_inside, v_inside);
    IF p_hot THEN
        EXECUTE format('GRANT SELECT ON %s TO roomlog_rls', p_table);
        PERFORM fence_gate(p_table, 'roomlog_reader');
    ELSE
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', p_table);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO roomlog_rls', p_table);
    END IF;
END $$;

-- Lets a role read a fenced table whole: for statements that name their apps themselves, or look for one.
CREATE FUNCTION fence_gate(p_table regclass, p_role name) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT SELECT ON %s TO %I', p_table, p_role);
    EXECUTE format('CREATE POLICY %I ON %s FOR SELECT TO %I USING (true)', 'read_by_' || p_role, p_table, p_role);
END $$;

-- Makes a function work with its owner's rights, by names that no caller can bend, for these roles alone.
CREATE FUNCTION fence_function(p_function regproc, VARIADIC p_roles name[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_function CONSTANT regprocedure := p_function::oid::regprocedure;
    v_role name;
BEGIN
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = pg_catalog, %I, pg_temp',
                   v_function, current_schema());
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
    FOREACH v_role IN ARRAY p_roles LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', v_function, v_role);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION fence, fence_gate, fence_function FROM PUBLIC;

SELECT fence('tenants', false), fence('apps', false), fence('api_keys', false), fence('signing_keys', false),
       fence('users', false), fence('rooms', true), fence('members', true), fence('events', true),
       fence('tickets', false), fence('revoked_tokens', false), fence('jobs', true);
GRANT INSERT, UPDATE, DELETE ON jobs TO roomlog_rls; -- hot: the functions that write logs leave jobs, whatever the scope
GRANT USAGE ON SEQUENCE user_numbers TO roomlog_rls;
GRANT UPDATE (read_seq) ON members TO roomlog_rls;
GRANT UPDATE (retention_s) ON rooms TO roomlog_rls;

-- Hot paths look up users and what an app is set to; the ground, which apps and tenants there are.
SELECT fence_gate('users', 'roomlog_reader'), fence_gate('apps', 'roomlog_reader'),
       fence_gate('apps', 'roomlog_ground'), fence_gate('tenants', 'roomlog_ground');
GRANT SELECT ON alembic_version TO roomlog_ground;
GRANT SELECT, DELETE, UPDATE (used_at) ON tickets TO roomlog_ground; -- SELECT FOR UPDATE wants UPDATE
CREATE POLICY dead ON tickets TO roomlog_ground USING (ends_at <= now() OR used_at < now() - interval '10 minutes');

SELECT fence_gate('jobs', 'roomlog_ground');
GRANT UPDATE (claimed_until, attempts) ON jobs TO roomlog_ground;
CREATE POLICY claims ON jobs FOR UPDATE TO roomlog_ground USING (true);

-- commits and epochs belong to a database, not to an app. A scope may only add controls that concern it.
ALTER TABLE commits ENABLE ROW LEVEL SECURITY;
SELECT fence_gate('commits', 'roomlog_audit');
GRANT INSERT ON commits TO roomlog_rls;
CREATE POLICY control_in_scope ON commits FOR INSERT TO roomlog_rls WITH CHECK (
    apps = '{}' AND rooms = '{}' AND heads = '{}'
    AND (control::jsonb ->> 'app')::bigint
        = ANY ((SELECT string_to_array(current_setting('roomlog.apps', true), ','))::bigint[])
);
ALTER TABLE epochs ENABLE ROW LEVEL SECURITY;
SELECT fence_gate('epochs', 'roomlog_lane'), fence_gate('epochs', 'roomlog_audit');

-- Removes the commits of transactions before p_xid. One process at a time is plenty.
CREATE FUNCTION trim_commits_v1(p_xid xid8) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF pg_try_advisory_xact_lock(7163524901) THEN
        DELETE FROM commits c WHERE c.xid < p_xid;
    END IF;
END $$;

-- Begins the epoch of the server that this runs on, unless another process has just begun one of that ordinal.
CREATE FUNCTION begin_epoch_v1(p_ordinal integer, p_tag bigint) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO epochs (ordinal, tag, system_identifier, timeline)
    SELECT p_ordinal, p_tag, c.system_identifier, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
      FROM pg_control_system() AS c ON CONFLICT DO NOTHING
$$;

SELECT fence_function('append_v1', 'roomlog_lane'), fence_function('create_room_v1', 'roomlog_lane'),
       fence_function('create_room_v2', 'roomlog_lane'),
       fence_function('check_epoch_v1', VARIADIC '{}'), fence_function('trim_commits_v1', 'roomlog_audit'),
       fence_function('begin_epoch_v1', 'roomlog_lane', 'roomlog_audit'),
       fence_function('move_floor_v1', 'roomlog_rls'), fence_function('purge_room_v1', 'roomlog_rls'),
       fence_function('purge_app_v1', 'roomlog_rls'), fence_function('erase_deleted_room', VARIADIC '{}');
