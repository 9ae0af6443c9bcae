-- What an account has used, and when its next request is due. A row is locked while it is decided on.
-- `kind` is key, team or tenant; `name` is empty for the tenant itself.
CREATE TABLE accounts (
    kind TEXT NOT NULL,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The theoretical arrival time of the generic cell rate algorithm.
    arrival_at BIGINT NOT NULL DEFAULT 0,
    -- The day and the month that the numbers beside them are of, in UTC: 2026-11-25, 2026-11.
    day TEXT NOT NULL DEFAULT '',
    day_tokens BIGINT NOT NULL DEFAULT 0,
    month TEXT NOT NULL DEFAULT '',
    month_tokens BIGINT NOT NULL DEFAULT 0,
    month_cost_micros BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, tenant, name)
);

-- The turns that run, with what is reserved for them. One that has expired counts no more.
CREATE TABLE leases (
    lease_id TEXT NOT NULL PRIMARY KEY,
    gateway TEXT NOT NULL,
    tenant TEXT NOT NULL,
    team TEXT,
    key_id TEXT NOT NULL,
    tokens BIGINT NOT NULL,
    cost_micros BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX leases_tenant ON leases (tenant, expires_at);
CREATE INDEX leases_expires_at ON leases (expires_at);

-- The turns whose usage has been counted, so that none is counted twice.
CREATE TABLE settlements (
    lease_id TEXT NOT NULL PRIMARY KEY,
    settled_at BIGINT NOT NULL
);
CREATE INDEX settlements_settled_at ON settlements (settled_at);

-- `team` is empty where there is none.
CREATE TABLE usage (
    day TEXT NOT NULL,
    tenant TEXT NOT NULL,
    team TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    calls BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost_micros BIGINT NOT NULL,
    PRIMARY KEY (day, tenant, team, key_id, model)
);
