-- +goose Up

-- What is known of an order here, until and after it has earned its points.
CREATE TABLE orders (
    order_id   TEXT PRIMARY KEY,
    customer   TEXT NOT NULL,
    amount     INTEGER NOT NULL, -- in minor units
    currency   TEXT NOT NULL,    -- empty until order.placed arrived
    dispatched INTEGER NOT NULL
) STRICT;

-- Nothing in it is ever changed: what a customer has is the sum.
CREATE TABLE ledger (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    customer TEXT NOT NULL,
    points   INTEGER NOT NULL,
    reason   TEXT NOT NULL CHECK (reason IN ('welcome', 'order')),
    subject  TEXT NOT NULL,    -- what earned them: the customer who came, or the order
    at       INTEGER NOT NULL, -- in milliseconds since 1970
    UNIQUE (reason, subject)   -- nothing earns points twice
) STRICT;
CREATE INDEX ledger_of_customer ON ledger (customer, id);

-- +goose Down
DROP TABLE ledger;
DROP TABLE orders;
