-- +goose Up

-- What a test customer of plat's orders: no copy is taken for it, no parcel sent, and no report counts it.
ALTER TABLE reservations ADD COLUMN test INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE reservations DROP COLUMN test;
