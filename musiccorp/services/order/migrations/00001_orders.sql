-- +goose Up

-- An order is read and written whole, so its lines and its history lie in its
-- row. What is looked for has a column.
CREATE TABLE orders (
    id       TEXT PRIMARY KEY, -- UUIDv7: grows with time, so the newest sorts last
    customer TEXT NOT NULL,
    status   TEXT NOT NULL CHECK (status IN ('placed', 'paid', 'dispatched', 'cancelled')),
    reason   TEXT NOT NULL,    -- why it was cancelled, for people
    code     TEXT NOT NULL,    -- and for programs
    parcel   TEXT NOT NULL,
    total    TEXT NOT NULL CHECK (json_valid(total)),
    lines    TEXT NOT NULL CHECK (json_valid(lines)),
    history  TEXT NOT NULL CHECK (json_valid(history))
) STRICT;

CREATE INDEX orders_of_customer ON orders (customer, id);

-- Which order a customer's idempotency key made, and from which request. The
-- kit remembers keys now (plat_idempotency); this table is for releases from
-- before that, which may run beside this one.
CREATE TABLE idempotency_keys (
    customer    TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    order_id    TEXT NOT NULL REFERENCES orders (id),
    PRIMARY KEY (customer, key)
) STRICT;

-- +goose Down
DROP TABLE idempotency_keys;
DROP TABLE orders;
