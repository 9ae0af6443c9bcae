-- Who may call. Times are microseconds since 1970; hashes are hexadecimal; lists and limits are JSON.
CREATE TABLE keys (
    public_id TEXT NOT NULL PRIMARY KEY,
    label TEXT NOT NULL,
    tenant TEXT NOT NULL,
    team TEXT,
    scopes TEXT NOT NULL,
    limits TEXT NOT NULL,
    secret_sha256 TEXT NOT NULL,
    -- The secret before the last rotation, for as long as it still counts.
    previous_sha256 TEXT,
    previous_expires_at BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    -- The value of key_changes when this key was last changed.
    changed_in BIGINT NOT NULL
);

-- A label names one live key.
CREATE UNIQUE INDEX keys_live_label ON keys (label) WHERE revoked_at IS NULL;
CREATE INDEX keys_changed_in ON keys (changed_in);

-- One row. It is locked by whoever changes a key, so the changes have one order.
CREATE TABLE key_changes (version BIGINT NOT NULL);
INSERT INTO key_changes (version) VALUES (0);
