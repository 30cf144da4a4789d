-- Consent above the blind store, and the transparency log. Keys start with the account or the grant.

CREATE TABLE binds (
    account TEXT NOT NULL REFERENCES accounts,
    org     TEXT NOT NULL,
    pk      BLOB NOT NULL UNIQUE,
    text    TEXT NOT NULL,
    PRIMARY KEY (account, org)
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    grant_id BLOB NOT NULL PRIMARY KEY,
    account  TEXT NOT NULL,
    org      TEXT NOT NULL,
    platform TEXT NOT NULL,
    until    INTEGER NOT NULL,
    n        INTEGER NOT NULL DEFAULT 0,
    state    TEXT NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'paused', 'revoked', 'replaced')),
    text     TEXT NOT NULL,
    FOREIGN KEY (account, org) REFERENCES binds
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_of_account ON grants (account, grant_id);
CREATE INDEX grants_of_platform ON grants (platform, grant_id);

CREATE TABLE requests (             -- pushed by a platform, opened by one account, used once
    handle   BLOB NOT NULL PRIMARY KEY,
    hash     BLOB NOT NULL UNIQUE,
    platform TEXT NOT NULL,
    until    INTEGER NOT NULL,
    state    TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'granted', 'declined', 'expired')),
    account  TEXT,
    grant_id BLOB,
    text     TEXT NOT NULL,
    refusal  TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_of_account ON requests (account, until);
CREATE INDEX requests_by_time ON requests (state, until);

CREATE TABLE events (               -- what a platform is told of its grants, by cursor
    n        INTEGER PRIMARY KEY AUTOINCREMENT,
    platform TEXT NOT NULL,
    grant_id BLOB NOT NULL,
    event    TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT;
CREATE INDEX events_of_platform ON events (platform, n);
CREATE INDEX events_of_grant ON events (grant_id, event);

CREATE TABLE deletions (            -- "please delete what you have", and the platform's answer
    grant_id BLOB NOT NULL PRIMARY KEY REFERENCES grants,
    asked    INTEGER NOT NULL,
    done     INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    grant_id BLOB NOT NULL REFERENCES grants,
    months   TEXT NOT NULL,         -- the window, joined by /
    text     TEXT NOT NULL,
    sealed   BLOB,                  -- null once the grant is stopped
    PRIMARY KEY (grant_id, months)
) STRICT, WITHOUT ROWID;

CREATE TABLE atoms (                -- the guard: each (category, month) once per organisation, ever
    account  TEXT NOT NULL,
    org      TEXT NOT NULL,
    category INTEGER NOT NULL,
    month    TEXT NOT NULL,
    grant_id BLOB NOT NULL,
    PRIMARY KEY (account, org, category, month)
) STRICT, WITHOUT ROWID;

CREATE TABLE windows (              -- the last token of each window an organisation ever had
    account    TEXT NOT NULL,
    org        TEXT NOT NULL,
    months     TEXT NOT NULL,
    categories TEXT NOT NULL,       -- numbers joined by ,
    token      TEXT NOT NULL,
    released   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, org, months, categories)
) STRICT, WITHOUT ROWID;

CREATE TABLE erasures (             -- begun, not finished: entries wait for their log index
    account TEXT NOT NULL PRIMARY KEY,
    erase   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE erased (               -- what was logged for each cv1-erase
    erase BLOB NOT NULL PRIMARY KEY,
    text  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE releases (
    grant_id BLOB NOT NULL REFERENCES grants,
    months   TEXT NOT NULL,
    purpose  TEXT NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (grant_id, months, purpose)
) STRICT, WITHOUT ROWID;

CREATE TABLE refusals (
    grant_id BLOB NOT NULL REFERENCES grants,
    months   TEXT NOT NULL,
    reason   TEXT NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (grant_id, months, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE web (                  -- what was logged of the web app, the newest last
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    text TEXT NOT NULL
) STRICT;

CREATE TABLE log_tile (             -- level -1: entry bundles
    log   INTEGER NOT NULL,         -- 0, 1, …: the vault's logs in their order
    level INTEGER NOT NULL,
    n     INTEGER NOT NULL,
    data  BLOB NOT NULL,
    PRIMARY KEY (log, level, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_head (             -- the last one goes on, the others are closed
    log        INTEGER NOT NULL PRIMARY KEY,
    base       INTEGER NOT NULL,    -- how many entries stand in the logs before
    size       INTEGER NOT NULL,
    root       BLOB NOT NULL,
    checkpoint TEXT NOT NULL,
    cosigned   TEXT NOT NULL DEFAULT ''   -- the newest note that a quorum of witnesses signed
) STRICT;
