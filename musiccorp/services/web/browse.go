package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/plat-dev/plat/kit"
)

// home shows the newest albums and the genres.
func (s *site) home(w http.ResponseWriter, r *http.Request) error {
	var (
		newest             albumPage
		genres             []genre
		errNewest, errList error
		asked              sync.WaitGroup
	)
	asked.Go(func() { newest, errNewest = s.albums(r.Context(), url.Values{"sort": {"newest"}, "size": {"10"}}) })
	asked.Go(func() { genres, errList = s.genres(r.Context()) })
	asked.Wait()
	for _, err := range []error{errNewest, errList} {
		if err != nil {
			return unanswered(err)
		}
	}
	return s.show(w, r, http.StatusOK, "home.html", "", struct {
		Total   int
		Genres  []genre
		Newest  []album
		Welcome bool
	}{newest.Page.Total, genres, newest.Embedded.Albums, r.URL.Query().Has("welcome")})
}

// search shows one page of the albums with certain words, or of a genre.
func (s *site) search(w http.ResponseWriter, r *http.Request) error {
	asked := r.URL.Query()
	query := url.Values{"size": {"20"}}
	for ours, theirs := range map[string]string{"q": "query", "genre": "genre", "page": "page"} {
		if value := asked.Get(ours); value != "" {
			query.Set(theirs, value)
		}
	}
	found, err := s.albums(r.Context(), query)
	if kit.StatusOf(err) == http.StatusUnprocessableEntity {
		return &failure{status: http.StatusUnprocessableEntity, Title: "We did not get that", Text: "Please search with fewer words.", cause: err}
	}
	if err != nil {
		return unanswered(err)
	}
	to := func(page int) string {
		if page < 1 || page > found.Page.Pages {
			return ""
		}
		asked.Set("page", strconv.Itoa(page))
		return "/search?" + asked.Encode()
	}
	title := "All albums"
	if asked.Get("q") != "" {
		title = "Results for “" + asked.Get("q") + "”"
	} else if asked.Get("genre") != "" {
		title = asked.Get("genre")
	}
	return s.show(w, r, http.StatusOK, "search.html", title, struct {
		Title, Genre, Prev, Next string
		Found                    albumPage
	}{title, asked.Get("genre"), to(found.Page.Number - 1), to(found.Page.Number + 1), found})
}

// album shows an album with its tracks. How many the warehouse has, and what
// others bought as well, is shown if it is said in time.
func (s *site) album(w http.ResponseWriter, r *http.Request) error {
	sku := r.PathValue("sku")
	var (
		found    album
		err      error
		shelf    stock
		others   []album
		asked    sync.WaitGroup
		quantity = basketOf(r).quantity(sku)
	)
	asked.Go(func() { found, err = s.albumOf(r.Context(), sku) })
	asked.Go(func() { shelf = s.shelf(r, sku) })
	asked.Go(func() { others = s.others(r, sku) })
	asked.Wait()
	switch status := kit.StatusOf(err); {
	case status == http.StatusNotFound || status == http.StatusUnprocessableEntity:
		return notFound(err)
	case err != nil:
		return unanswered(err)
	}
	return s.show(w, r, http.StatusOK, "album.html", found.Title+" by "+found.Artist, struct {
		album
		InBasket  int
		Known     bool
		Available int64
		AsOf      string // how old that is; empty: of this moment
		Others    []album
	}{found, quantity, shelf.knows(sku), shelf.available[sku], shelf.asOf(), others})
}

// others are albums that customers bought as well. Pages go without them if
// no answer comes.
func (s *site) others(r *http.Request, sku string) []album {
	albums, err := s.alsoBought(r.Context(), sku)
	if err != nil {
		s.log.WarnContext(r.Context(), "page without recommendations", "path", r.URL.Path, "error", err.Error())
	}
	return albums
}

func (s stock) knows(sku string) bool { _, ok := s.available[sku]; return ok }

// asOf says how old it is, where it is not of this moment.
func (s stock) asOf() string {
	switch {
	case s.age == 0:
		return ""
	case s.age < time.Minute:
		return "as of a moment ago"
	case s.age < 2*time.Minute:
		return "as of a minute ago"
	}
	return fmt.Sprintf("as of %d minutes ago", int(s.age.Minutes()))
}

// shelf asks the warehouse. Pages go without its answer if none comes.
func (s *site) shelf(r *http.Request, skus ...string) stock {
	if len(skus) == 0 {
		return stock{}
	}
	told, err := s.stockOf(r.Context(), skus...)
	if err != nil {
		s.log.WarnContext(r.Context(), "page without stock", "path", r.URL.Path, "error", err.Error())
	}
	return told
}
