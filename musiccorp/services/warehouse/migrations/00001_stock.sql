-- +goose Up
CREATE TABLE stock (
    sku       TEXT PRIMARY KEY,
    available INTEGER NOT NULL CHECK (available >= 0)
) STRICT;

-- What is known of an order here, and what came of it.
CREATE TABLE reservations (
    order_id  TEXT PRIMARY KEY,
    status    TEXT NOT NULL CHECK (status IN ('waiting', 'reserved', 'rejected', 'released', 'dispatched')),
    lines     TEXT NOT NULL CHECK (json_valid(lines)), -- null until order.placed arrived
    paid      INTEGER NOT NULL,
    cancelled INTEGER NOT NULL
) STRICT;

-- +goose Down
DROP TABLE reservations;
DROP TABLE stock;
