package kit

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/plat-dev/plat/kit/internal/environ"
)

// WithEnv gives the service that [Run] starts with ctx its own environment:
// it sees these variables and no others. Tests use it to run several services
// in one process.
func WithEnv(ctx context.Context, env map[string]string) context.Context {
	return context.WithValue(ctx, environKey, maps.Clone(env))
}

// WithOutput sends the log of the service that [Run] starts with ctx to w
// instead of standard output. Lines are written one at a time.
func WithOutput(ctx context.Context, w io.Writer) context.Context {
	return context.WithValue(ctx, outputKey, w)
}

// Env is a variable of the service's environment, empty where it is not set.
func (s *Service) Env(key string) string {
	if s.env == nil {
		return os.Getenv(key)
	}
	return s.env[key]
}

// underPlat tells whether plat started this process.
func (s *Service) underPlat() bool { return s.Env("PLAT_INSTANCE") != "" }

// Store is where the named store of this service lives: for SQLite the path
// of the database file (PLAT_STORE_<NAME>). Without plat it is
// <service>-<name>.db in the working folder. Under plat a store that
// service.yaml does not declare ends the service when setup returns, with an
// error that says what to add.
func (s *Service) Store(name string) string {
	if path := s.Env(environ.Variable("PLAT_STORE_", name)); path != "" {
		return path
	}
	if s.underPlat() {
		s.Fail(fmt.Errorf("store %q is not declared: add stores.%s to service.yaml", name, name))
	}
	return filepath.Clean(s.name + "-" + name + ".db")
}
