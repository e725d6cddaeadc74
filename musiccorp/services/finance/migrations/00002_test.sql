-- +goose Up

-- What a test customer of plat's orders: no money is taken, and no report counts it.
ALTER TABLE payments ADD COLUMN test INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE payments DROP COLUMN test;
