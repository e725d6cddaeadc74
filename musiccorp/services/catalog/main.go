// Command catalog knows the albums that MusicCorp sells: what they are called,
// who made them, what is on them and what they cost. It owns the store
// "albums" and calls nobody. It must never import a sibling service.
package main

import (
	"context"

	"github.com/plat-dev/plat/kit"
)

func main() { kit.Main("catalog", setup) }

func setup(s *kit.Service) error {
	store, err := openStore(context.Background(), s.Store("albums"))
	if err != nil {
		return err
	}
	s.OnStop("albums", func(context.Context) error { return store.Close() })
	s.Ready("albums", store.Ping)
	newAPI(s.Mux(), s.Log(), store)
	return nil
}
