-- +goose Up

-- Where mail goes, from customer.registered.
CREATE TABLE customers (
    customer TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    email    TEXT NOT NULL
) STRICT;

-- The outbox: mail that is to be sent, or was.
CREATE TABLE mails (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    event    TEXT NOT NULL UNIQUE, -- that it tells of; its Message-ID derives from it
    kind     TEXT NOT NULL CHECK (kind IN ('welcome', 'dispatched')),
    customer TEXT NOT NULL,        -- who may not be known yet: it waits for the address
    order_id TEXT NOT NULL,        -- empty for a welcome
    parcel   TEXT NOT NULL,        -- empty for a welcome
    work     TEXT NOT NULL,        -- that the event belongs to: its correlation ID
    status   TEXT NOT NULL CHECK (status IN ('waiting', 'sent', 'failed')),
    attempts INTEGER NOT NULL,
    error    TEXT NOT NULL,        -- of the last attempt, empty if it went well
    created  INTEGER NOT NULL,     -- times are in milliseconds since 1970
    due      INTEGER NOT NULL,     -- not to be tried before; while it is tried, when others may
    sent     INTEGER NOT NULL      -- 0 until then
) STRICT;
CREATE INDEX mails_waiting ON mails (due) WHERE status = 'waiting';

-- +goose Down
DROP TABLE mails;
DROP TABLE customers;
