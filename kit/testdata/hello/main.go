// The hello service: the smallest that is complete.
package main

import (
	"fmt"
	"net/http"

	"github.com/plat-dev/plat/kit"
)

func main() {
	kit.Main("hello", func(s *kit.Service) error {
		var config struct {
			Greeting string `env:"GREETING" default:"Hello"`
		}
		if err := s.Config(&config); err != nil {
			return err
		}
		s.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
			s.Log().InfoContext(r.Context(), "greeting", "name", r.PathValue("name"))
			_, _ = fmt.Fprintf(w, "%s, %s!\n", config.Greeting, r.PathValue("name"))
		})
		return nil
	})
}
