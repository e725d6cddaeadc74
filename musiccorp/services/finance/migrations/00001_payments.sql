-- +goose Up

-- What is known of an order here, and what came of it.
CREATE TABLE payments (
    order_id  TEXT PRIMARY KEY,
    status    TEXT NOT NULL CHECK (status IN ('waiting', 'taken', 'declined', 'refunded', 'void')),
    payment   TEXT NOT NULL,    -- empty until taken
    reason    TEXT NOT NULL,    -- empty unless declined
    amount    INTEGER NOT NULL, -- in minor units
    currency  TEXT NOT NULL,    -- empty until order.placed arrived
    reserved  INTEGER NOT NULL,
    cancelled INTEGER NOT NULL
) STRICT;

-- +goose Down
DROP TABLE payments;
