package main

import (
	"net/http"
	"net/url"
	"strconv"
	"sync"

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
		shelf    shelf
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
		Others    []album
	}{found, quantity, shelf.knows(sku), shelf[sku], others})
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

// shelf is what the warehouse has; an album that it says nothing about is
// missing.
type shelf map[string]int64

func (s shelf) knows(sku string) bool { _, ok := s[sku]; return ok }

// shelf asks the warehouse. Pages go without its answer if none comes.
func (s *site) shelf(r *http.Request, skus ...string) shelf {
	if len(skus) == 0 {
		return nil
	}
	available, err := s.stockOf(r.Context(), skus...)
	if err != nil {
		s.log.WarnContext(r.Context(), "page without stock", "path", r.URL.Path, "error", err.Error())
		return nil
	}
	return available
}
