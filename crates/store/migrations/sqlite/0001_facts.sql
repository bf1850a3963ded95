-- Identifiers are text, moments are microseconds since 1970-01-01 UTC, and every listing is
-- answered by an index that begins with its account.

CREATE TABLE accounts (
    id             TEXT    NOT NULL PRIMARY KEY,
    api_key_hash   BLOB    NOT NULL,
    signing_secret TEXT    NOT NULL,
    alias          TEXT,
    label          TEXT,
    revision       INTEGER NOT NULL,
    created        INTEGER NOT NULL,
    updated        INTEGER NOT NULL
) STRICT;

CREATE TABLE applications (
    id                  TEXT    NOT NULL PRIMARY KEY,
    account             TEXT    NOT NULL,
    alias               TEXT,
    voice_url           TEXT,
    voice_fallback_url  TEXT,
    call_connect_url    TEXT,
    status_callback_url TEXT,
    sms_url             TEXT,
    sms_fallback_url    TEXT,
    revision            INTEGER NOT NULL,
    created             INTEGER NOT NULL,
    updated             INTEGER NOT NULL
) STRICT;
CREATE INDEX applications_newest ON applications (account, created, id);

CREATE TABLE numbers (
    id           TEXT    NOT NULL PRIMARY KEY,
    account      TEXT    NOT NULL,
    application  TEXT,
    -- The same number cannot lead to two accounts.
    phone_number TEXT    NOT NULL UNIQUE,
    alias        TEXT,
    revision     INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    updated      INTEGER NOT NULL
) STRICT;
CREATE INDEX numbers_newest ON numbers (account, created, id);

CREATE TABLE conferences (
    id                  TEXT    NOT NULL PRIMARY KEY,
    account             TEXT    NOT NULL,
    alias               TEXT,
    play_beep           TEXT    NOT NULL,
    record              INTEGER NOT NULL,
    status              TEXT    NOT NULL,
    wait_url            TEXT,
    action_url          TEXT,
    status_callback_url TEXT,
    revision            INTEGER NOT NULL,
    created             INTEGER NOT NULL,
    updated             INTEGER NOT NULL
) STRICT;
CREATE INDEX conferences_newest ON conferences (account, created, id);
CREATE INDEX conferences_open ON conferences (created) WHERE status <> 'terminated';

CREATE TABLE participants (
    conference         TEXT    NOT NULL,
    call               TEXT    NOT NULL,
    account            TEXT    NOT NULL,
    talk               INTEGER NOT NULL,
    listen             INTEGER NOT NULL,
    dtmf_pass_through  INTEGER NOT NULL,
    started_conference INTEGER NOT NULL,
    revision           INTEGER NOT NULL,
    created            INTEGER NOT NULL,
    updated            INTEGER NOT NULL,
    PRIMARY KEY (conference, call)
) STRICT;
CREATE INDEX participants_newest ON participants (account, conference, created, call);

CREATE TABLE calls (
    id           TEXT    NOT NULL PRIMARY KEY,
    account      TEXT    NOT NULL,
    application  TEXT,
    parent       TEXT,
    number       TEXT,
    caller       TEXT    NOT NULL,
    callee       TEXT    NOT NULL,
    direction    TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    conference   TEXT,
    answered_by  TEXT,
    ended_reason TEXT,
    started      INTEGER,
    connected    INTEGER,
    ended        INTEGER,
    revision     INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    updated      INTEGER NOT NULL
) STRICT;
CREATE INDEX calls_newest ON calls (account, created, id);
CREATE INDEX calls_open ON calls (created) WHERE status IN ('queued', 'ringing', 'inProgress');

CREATE TABLE recordings (
    id              TEXT    NOT NULL PRIMARY KEY,
    account         TEXT    NOT NULL,
    call            TEXT,
    conference      TEXT,
    status          TEXT    NOT NULL,
    duration_micros INTEGER,
    size_bytes      INTEGER,
    failure         TEXT,
    revision        INTEGER NOT NULL,
    created         INTEGER NOT NULL,
    updated         INTEGER NOT NULL
) STRICT;
CREATE INDEX recordings_newest ON recordings (account, created, id);
CREATE INDEX recordings_of_conference ON recordings (account, conference, created, id);
CREATE INDEX recordings_open ON recordings (created) WHERE status = 'open';

-- What the next event of a stream is numbered; outlives the events themselves.
CREATE TABLE streams (
    stream   TEXT    NOT NULL PRIMARY KEY,
    next_seq INTEGER NOT NULL
) STRICT;

-- The outbox. A body is frozen here, so that every attempt sends and signs the same bytes.
CREATE TABLE events (
    stream     TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    account    TEXT    NOT NULL,
    request    TEXT    NOT NULL,
    url        TEXT    NOT NULL,
    body       BLOB    NOT NULL,
    created    INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    retry_at   INTEGER,
    last_error TEXT,
    PRIMARY KEY (stream, seq)
) STRICT;
CREATE INDEX events_pending ON events (stream, seq) WHERE state = 'pending';

CREATE TABLE logs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    TEXT    NOT NULL,
    created    INTEGER NOT NULL,
    level      TEXT    NOT NULL,
    request    TEXT,
    call       TEXT,
    conference TEXT,
    message    TEXT    NOT NULL
) STRICT;
CREATE INDEX logs_newest ON logs (account, created, id);
