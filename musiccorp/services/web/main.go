// Command web is MusicCorp's website. It composes pages on the server out of
// what catalog, customer, order, warehouse, loyalty and recommendation know,
// and keeps nothing itself: basket and customer travel in cookies. Every page
// works without JavaScript, and without the last three of these services.
// It must never import a sibling service.
package main

import (
	"crypto/rand"
	"net/http"

	"github.com/plat-dev/plat/kit"
)

// maxForm is the most bytes that the body of a request may have.
const maxForm = 16 << 10

func main() { kit.Main("web", setup) }

type config struct {
	CookieKey string `env:"COOKIE_KEY" secret:"true"`
}

func setup(s *kit.Service) error {
	var c config
	if err := s.Config(&c); err != nil {
		return err
	}
	if c.CookieKey == "" {
		s.Log().Warn("cookie-key is not set: customers are forgotten when this instance ends, and other instances do not know them")
		c.CookieKey = rand.Text()
	}
	site, err := newSite(s.Log(), meet(s), []byte(c.CookieKey))
	if err != nil {
		return err
	}
	s.SetLimits(kit.Limits{Body: maxForm})
	s.Handle("/", site.handler())
	return nil
}

// handler routes to the pages. A form that another site's page sends is
// refused before it reaches one.
func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", s.page(s.home))
	mux.Handle("GET /search", s.page(s.search))
	mux.Handle("GET /albums/{sku}", s.page(s.album))
	mux.Handle("GET /basket", s.page(s.basket))
	mux.Handle("POST /basket", s.page(s.changeBasket))
	mux.Handle("GET /register", s.page(s.registration))
	mux.Handle("POST /register", s.page(s.register))
	mux.Handle("GET /checkout", s.page(s.checkout))
	mux.Handle("POST /checkout", s.page(s.buy))
	mux.Handle("GET /orders", s.page(s.orders))
	mux.Handle("GET /orders/{id}", s.page(s.order))
	mux.HandleFunc("GET /static/{file}", s.asset)
	mux.Handle("/", s.page(func(http.ResponseWriter, *http.Request) error { return notFound(nil) }))

	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(s.page(func(http.ResponseWriter, *http.Request) error {
		return &failure{status: http.StatusForbidden, Title: "That came from another site", Text: "For your safety only forms on our own pages are accepted."}
	}))
	return secure(origin.Handler(mux))
}
