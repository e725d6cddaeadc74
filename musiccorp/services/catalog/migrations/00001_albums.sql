-- +goose Up
CREATE TABLE albums (
    id     INTEGER PRIMARY KEY,
    sku    TEXT    NOT NULL UNIQUE,
    title  TEXT    NOT NULL,
    artist TEXT    NOT NULL,
    genre  TEXT    NOT NULL COLLATE NOCASE,
    year   INTEGER NOT NULL,
    label  TEXT    NOT NULL,
    price  INTEGER NOT NULL CHECK (price > 0) -- EUR, minor units
) STRICT;

CREATE INDEX albums_by_genre ON albums (genre);

CREATE TABLE tracks (
    album    INTEGER NOT NULL REFERENCES albums (id),
    position INTEGER NOT NULL,
    title    TEXT    NOT NULL,
    seconds  INTEGER NOT NULL CHECK (seconds > 0),
    PRIMARY KEY (album, position)
) STRICT, WITHOUT ROWID;

-- The words that a search finds an album by; it holds no text of its own.
CREATE VIRTUAL TABLE album_words USING fts5 (
    title, artist, genre,
    content = 'albums', content_rowid = 'id', tokenize = "unicode61 remove_diacritics 2"
);
