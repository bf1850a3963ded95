-- An account may be suspended, and may sign with two secrets while one is replaced.
ALTER TABLE accounts ADD COLUMN status TEXT NOT NULL DEFAULT 'active';

CREATE TABLE account_secrets (
    account TEXT    NOT NULL,
    -- The oldest is the first.
    place   INTEGER NOT NULL,
    secret  TEXT    NOT NULL,
    PRIMARY KEY (account, place)
) STRICT, WITHOUT ROWID;

INSERT INTO account_secrets (account, place, secret) SELECT id, 0, signing_secret FROM accounts;

ALTER TABLE accounts DROP COLUMN signing_secret;

CREATE TABLE queues (
    id            TEXT    NOT NULL PRIMARY KEY,
    account       TEXT    NOT NULL,
    alias         TEXT,
    max_size      INTEGER NOT NULL,
    current_size  INTEGER NOT NULL,
    taken_out     INTEGER NOT NULL,
    waited_micros INTEGER NOT NULL,
    revision      INTEGER NOT NULL,
    created       INTEGER NOT NULL,
    updated       INTEGER NOT NULL
) STRICT;
CREATE INDEX queues_newest ON queues (account, created, id);

ALTER TABLE calls ADD COLUMN queue TEXT;

ALTER TABLE recordings ADD COLUMN kept_until INTEGER;
CREATE INDEX recordings_kept ON recordings (kept_until) WHERE kept_until IS NOT NULL;

-- Every line has a request from now on; nobody noted those of the lines before.
UPDATE logs SET request = 'RQ' || lower(hex(randomblob(20))) WHERE request IS NULL;
ALTER TABLE logs ADD COLUMN request_url TEXT;
ALTER TABLE logs ADD COLUMN metadata TEXT;
CREATE INDEX logs_of_call ON logs (account, call, created, id);
CREATE INDEX logs_of_request ON logs (account, request, created, id);
