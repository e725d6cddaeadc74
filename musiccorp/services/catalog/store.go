package main

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"unicode"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed albums.json
var firstAlbums string

// errNoAlbum says that no album has the SKU.
var errNoAlbum = errors.New("no such album")

// Album is one album on sale. Price is in minor units of EUR.
type Album struct {
	SKU    string
	Title  string
	Artist string
	Genre  string
	Year   int
	Label  string
	Price  int64
	Tracks []Track // nil in lists
}

// Track is one piece on an album.
type Track struct {
	Title   string `json:"title"`
	Seconds int    `json:"seconds"`
}

// Genre is a genre with the number of its albums.
type Genre struct {
	Name   string
	Albums int
}

// Search selects albums; zero fields select everything.
type Search struct {
	Query  string // every word must begin a word of title, artist or genre
	Genre  string
	SKUs   []string // of these alone; none: of all
	Newest bool     // the newest first, else by title
	Limit  int
	Offset int
}

// Store keeps the albums in SQLite. It is safe for concurrent use.
type Store struct{ db *sql.DB }

// openStore opens the database file at path, brings its schema up to date and
// fills it with the first albums if it has none.
func openStore(ctx context.Context, path string) (*Store, error) {
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open albums: %w", err)
	}
	db.SetMaxOpenConns(8)
	s := &Store{db: db}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := s.fill(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("fill albums: %w", err), db.Close())
	}
	return s, nil
}

func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	m, err := goose.NewProvider(goose.DialectSQLite3, s.db, files)
	if err != nil {
		return err
	}
	_, err = m.Up(ctx)
	return err
}

// fill writes the first albums into an empty store.
func (s *Store) fill(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit

	var filled bool
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM albums)`).Scan(&filled); err != nil || filled {
		return err
	}
	for _, statement := range []string{
		`INSERT INTO albums (id, sku, title, artist, genre, year, label, price)
			SELECT key + 1, value->>'sku', value->>'title', value->>'artist', value->>'genre', value->>'year', value->>'label', value->>'price'
			FROM json_each(?)`,
		`INSERT INTO tracks (album, position, title, seconds)
			SELECT a.key + 1, t.key + 1, t.value->>'title', t.value->>'seconds'
			FROM json_each(?) AS a, json_each(a.value, '$.tracks') AS t`,
	} {
		if _, err := tx.ExecContext(ctx, statement, firstAlbums); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO album_words (album_words) VALUES ('rebuild')`); err != nil {
		return err
	}
	return tx.Commit()
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.PingContext(ctx) }

// Album returns the album with its tracks, or errNoAlbum.
func (s *Store) Album(ctx context.Context, sku string) (Album, error) {
	var id int64
	a := Album{SKU: sku, Tracks: []Track{}}
	err := s.db.QueryRowContext(ctx, `SELECT id, title, artist, genre, year, label, price FROM albums WHERE sku = ?`, sku).
		Scan(&id, &a.Title, &a.Artist, &a.Genre, &a.Year, &a.Label, &a.Price)
	if errors.Is(err, sql.ErrNoRows) {
		return Album{}, errNoAlbum
	}
	if err != nil {
		return Album{}, err
	}
	rows, err := s.db.QueryContext(ctx, `SELECT title, seconds FROM tracks WHERE album = ? ORDER BY position`, id)
	if err != nil {
		return Album{}, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var t Track
		if err := rows.Scan(&t.Title, &t.Seconds); err != nil {
			return Album{}, err
		}
		a.Tracks = append(a.Tracks, t)
	}
	return a, rows.Err()
}

// Albums returns one page of the albums that the search selects, without
// their tracks, and the number of all that it selects.
func (s *Store) Albums(ctx context.Context, search Search) (albums []Album, total int, err error) {
	where, args, err := search.where()
	if err != nil {
		return nil, 0, err
	}
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM albums WHERE `+where, args...).Scan(&total); err != nil {
		return nil, 0, err
	}
	order := `title COLLATE NOCASE, sku`
	if search.Newest {
		order = `year DESC, ` + order
	}
	query := `SELECT sku, title, artist, genre, year, label, price FROM albums WHERE ` + where + ` ORDER BY ` + order + ` LIMIT ? OFFSET ?` //nolint:gosec // all parts are constants
	rows, err := s.db.QueryContext(ctx, query, append(args, search.Limit, search.Offset)...)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var a Album
		if err := rows.Scan(&a.SKU, &a.Title, &a.Artist, &a.Genre, &a.Year, &a.Label, &a.Price); err != nil {
			return nil, 0, err
		}
		albums = append(albums, a)
	}
	return albums, total, rows.Err()
}

// where is the search as a condition. It is made of constants alone: what
// the client sent travels in args.
func (s Search) where() (condition string, args []any, err error) {
	condition = `TRUE`
	if s.Query != "" {
		condition += ` AND id IN (SELECT rowid FROM album_words WHERE album_words MATCH ?)`
		args = append(args, match(s.Query))
	}
	if s.Genre != "" {
		condition += ` AND genre = ?`
		args = append(args, s.Genre)
	}
	if len(s.SKUs) > 0 {
		list, err := json.Marshal(s.SKUs)
		if err != nil {
			return "", nil, err
		}
		condition += ` AND sku IN (SELECT value FROM json_each(?))`
		args = append(args, string(list))
	}
	return condition, args, nil
}

// match turns what a person typed into an FTS5 expression: each word as a
// quoted prefix, all of them required. No words match nothing.
func match(query string) string {
	words := strings.FieldsFunc(query, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	if len(words) == 0 {
		return `""`
	}
	return `"` + strings.Join(words, `"* "`) + `"*`
}

// Genres returns all genres by name.
func (s *Store) Genres(ctx context.Context) ([]Genre, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT genre, count(*) FROM albums GROUP BY genre ORDER BY genre`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var genres []Genre
	for rows.Next() {
		var g Genre
		if err := rows.Scan(&g.Name, &g.Albums); err != nil {
			return nil, err
		}
		genres = append(genres, g)
	}
	return genres, rows.Err()
}
