-- The blind store. Every key starts with the holder's account or the link.

CREATE TABLE accounts (
    account TEXT NOT NULL PRIMARY KEY,
    text    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE erased_accounts (      -- an erased key is final: its texts cannot be logged once more
    account TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE wraps (
    wrap    BLOB NOT NULL PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts,
    blob    BLOB NOT NULL,
    until   INTEGER                 -- null: until it is deleted
) STRICT, WITHOUT ROWID;

CREATE TABLE states (
    account TEXT NOT NULL PRIMARY KEY REFERENCES accounts,
    counter INTEGER NOT NULL,
    blob    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE links (
    link    BLOB NOT NULL PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts,
    source  TEXT NOT NULL,
    begins  TEXT NOT NULL,          -- month
    text    TEXT NOT NULL,
    ended   INTEGER,                -- when it was unlinked, as the log says
    unlink  TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX links_of_account ON links (account, link);

CREATE TABLE batches (
    link    BLOB NOT NULL REFERENCES links,
    seq     INTEGER NOT NULL,
    hash    BLOB NOT NULL,
    text    TEXT NOT NULL,
    receipt TEXT NOT NULL,
    PRIMARY KEY (link, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE tags (                 -- no link here: after an erase the act still counts once
    tag BLOB NOT NULL PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE closes (
    link    BLOB NOT NULL REFERENCES links,
    month   TEXT NOT NULL,
    hash    BLOB NOT NULL,
    text    TEXT NOT NULL,
    receipt TEXT NOT NULL,
    upto    INTEGER NOT NULL,
    cells   BLOB NOT NULL,          -- 7 × (c, C), 64 bytes each
    PRIMARY KEY (link, month)
) STRICT, WITHOUT ROWID;

CREATE TABLE absents (              -- months whose slot passed without a close
    link  BLOB NOT NULL REFERENCES links,
    month TEXT NOT NULL,
    text  TEXT NOT NULL,
    PRIMARY KEY (link, month)
) STRICT, WITHOUT ROWID;

CREATE TABLE rejects (              -- months whose close its holder could not open
    link  BLOB NOT NULL REFERENCES links,
    month TEXT NOT NULL,
    text  TEXT NOT NULL,
    PRIMARY KEY (link, month)
) STRICT, WITHOUT ROWID;

CREATE TABLE swept (                -- the last month whose absents are written down
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    month TEXT NOT NULL
) STRICT;

CREATE TABLE evidence (             -- a second text for a closed month, kept against its signer
    link  BLOB NOT NULL,
    month TEXT NOT NULL,
    text  TEXT NOT NULL,
    PRIMARY KEY (link, month, text)
) STRICT, WITHOUT ROWID;

CREATE TABLE directories (
    version INTEGER NOT NULL PRIMARY KEY,
    text    TEXT NOT NULL,
    signer  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (              -- pending while position is null; consent/log makes the tree
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    position INTEGER UNIQUE,
    hash     BLOB NOT NULL UNIQUE,
    account  TEXT,
    at       INTEGER NOT NULL,
    turns    INTEGER NOT NULL DEFAULT 0 CHECK (turns IN (0, 1)),  -- 1: the last entry of its log
    salt     BLOB NOT NULL,
    text     TEXT NOT NULL
) STRICT;
CREATE INDEX journal_pending ON journal (id) WHERE position IS NULL;
CREATE INDEX journal_turns ON journal (id) WHERE turns = 1;
CREATE INDEX journal_of_account ON journal (account, position);
