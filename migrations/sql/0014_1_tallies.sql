-- What an app did in an hour (UTC), added to by every process every few seconds.
CREATE TABLE tallies (
    app_id      bigint NOT NULL,
    hour        timestamptz NOT NULL CHECK (extract(minute FROM hour AT TIME ZONE 'UTC') = 0),
    messages    bigint NOT NULL,
    deliveries  bigint NOT NULL,
    connections bigint NOT NULL,
    PRIMARY KEY (app_id, hour)
) WITH (fillfactor = 70);

-- Who was active on which day (UTC): bit h of hours says in hour h. Setting a bit twice changes nothing.
CREATE TABLE active_users (
    app_id      bigint NOT NULL,
    day         date NOT NULL,
    user_number bigint NOT NULL,
    hours       integer NOT NULL CHECK (hours BETWEEN 1 AND 16777215),
    PRIMARY KEY (app_id, day, user_number)
) WITH (fillfactor = 70);

SELECT fence('tallies', false), fence('active_users', false);

-- The ground sweeps what is old, and sees nothing else of it.
GRANT SELECT, DELETE ON tallies, active_users TO roomlog_ground;
CREATE POLICY old ON tallies TO roomlog_ground USING (hour < now() - interval '400 days');
CREATE POLICY old ON active_users TO roomlog_ground USING (day < (now() AT TIME ZONE 'UTC')::date - 62);
