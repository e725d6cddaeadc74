-- +goose Up
CREATE TABLE customers (
    id         TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL,
    email      TEXT    NOT NULL COLLATE NOCASE UNIQUE,
    registered INTEGER NOT NULL -- milliseconds since 1970
) STRICT;
