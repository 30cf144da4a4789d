-- A source's books: links with their secrets, acts, and every message frozen before its first send.

CREATE TABLE nonces (
    nonce    BLOB NOT NULL PRIMARY KEY,
    customer TEXT NOT NULL,
    until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE links (
    link     BLOB NOT NULL PRIMARY KEY,
    customer TEXT NOT NULL,
    k        BLOB NOT NULL,
    rec      BLOB NOT NULL,
    begins   TEXT NOT NULL,
    since    INTEGER NOT NULL,      -- acts before this second are never sent
    text     TEXT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('answered', 'attached', 'ending', 'stopped')),
    ends     TEXT                   -- month in which the end was noticed
) STRICT, WITHOUT ROWID;            -- k is empty once the link is stopped
CREATE UNIQUE INDEX one_active_link ON links (customer) WHERE state IN ('answered', 'attached');

CREATE TABLE acts (
    act       BLOB NOT NULL PRIMARY KEY,
    link      BLOB NOT NULL REFERENCES links,
    month     TEXT NOT NULL,        -- booking month
    operator  TEXT NOT NULL,
    receipt   TEXT NOT NULL,
    category  INTEGER NOT NULL,
    behaviour TEXT NOT NULL,
    starts    INTEGER NOT NULL,
    ends      INTEGER NOT NULL,
    gross     INTEGER NOT NULL,     -- milligrams before the caps of a day and a month
    why       TEXT,                 -- why those are 0 or cut
    mg        INTEGER NOT NULL,     -- milligrams that count; negative: it takes `corrects` back
    tag       BLOB NOT NULL,
    record    BLOB NOT NULL,
    tagged    INTEGER NOT NULL,     -- 1: the tag is K_net's; a random one is never taken
    corrects  BLOB UNIQUE REFERENCES acts,
    reason    TEXT,                 -- why mg is 0 or cut, as the record says
    seq       INTEGER,              -- null until frozen into a batch
    position  INTEGER,
    counts    INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_receipt ON acts (operator, receipt) WHERE corrects IS NULL;
CREATE INDEX acts_of_link ON acts (link, month, seq);
CREATE INDEX acts_by_start ON acts (link, starts);

CREATE TABLE reversals (            -- they came before the act that they take back
    operator TEXT NOT NULL,
    receipt  TEXT NOT NULL,         -- of the act
    own      TEXT NOT NULL,         -- of the refund or correction
    PRIMARY KEY (operator, receipt)
) STRICT, WITHOUT ROWID;

CREATE TABLE batches (
    link    BLOB NOT NULL REFERENCES links,
    seq     INTEGER NOT NULL,
    month   TEXT NOT NULL,
    text    TEXT NOT NULL,
    receipt TEXT,
    refused INTEGER NOT NULL DEFAULT 0,     -- 1: the link had ended; it counts nothing
    PRIMARY KEY (link, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE closes (
    link     BLOB NOT NULL REFERENCES links,
    month    TEXT NOT NULL,
    upto     INTEGER NOT NULL,
    text     TEXT NOT NULL,
    balances TEXT NOT NULL,         -- JSON list of 7 integers, milligrams left
    grams    TEXT NOT NULL,         -- JSON list of 7 integers
    receipt  TEXT,
    PRIMARY KEY (link, month)
) STRICT, WITHOUT ROWID;

CREATE TABLE absents (              -- the vault's signed word that a month was not closed
    link  BLOB NOT NULL REFERENCES links,
    month TEXT NOT NULL,
    text  TEXT NOT NULL,
    PRIMARY KEY (link, month)
) STRICT, WITHOUT ROWID;

CREATE TABLE evidence (             -- two texts of the vault that contradict each other
    link    BLOB NOT NULL REFERENCES links,
    text    TEXT NOT NULL,
    receipt TEXT NOT NULL,
    PRIMARY KEY (link, text)
) STRICT, WITHOUT ROWID;
